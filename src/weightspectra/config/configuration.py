"""The whole of a configuration, composed of every wing's settings."""

from typing import Annotated

from pydantic import Field, WrapValidator

from weightspectra.ablation.settings import Experiment, Task
from weightspectra.activations.settings import Observe
from weightspectra.base.settings import Name, Natural, Place, Section
from weightspectra.birth.settings import Birth, Memories
from weightspectra.config.inheritance import inherited
from weightspectra.damage.settings import Predict
from weightspectra.finetuning.settings import Comparison, Finetuning
from weightspectra.models.settings import Model
from weightspectra.randomness.settings import Randomness
from weightspectra.report.settings import Report
from weightspectra.sources.settings import Corpus, DataSet


class PathVariables(Section):
    """Snakemake's path variables, to put the results of this configuration elsewhere."""

    results: Place | None = None
    """Folder of all results (default: "results")."""
    logs: Place | None = None
    """Folder of the log files (default: "logs")."""
    benchmarks: Place | None = None
    """Folder of run times and memory use (default: "benchmarks")."""


class Configuration(Section):
    """What to analyse. How to run it (cores, cluster, memory) belongs to the profiles, not here."""

    seed: Natural = 1
    """Seed of everything random; each use derives its own stream from it, the model's name and the purpose."""
    device: Annotated[str, Field(pattern="^(auto|cpu|cuda(:[0-9]+)?)$")] = "auto"
    """Where matrices are decomposed and models run. "auto" takes a GPU if there is one."""
    keep_weights: bool = True
    """Keep the extracted weights (float32 rows) after the run, or delete them once nothing needs them."""
    pathvars: PathVariables | None = None
    models: Annotated[dict[Name, Model], Field(min_length=1)]
    """The models to analyse, by a name of your choice."""
    corpora: dict[Name, Corpus] = Field(default_factory=dict)
    """The texts to observe models on and to evaluate them with, by a name of your choice."""
    observe: Observe = Observe()
    data_sets: dict[Name, DataSet] = Field(default_factory=dict)
    """Labelled texts to probe, fine-tune and ask models with, by a name of your choice."""
    tasks: dict[Name, Task] = Field(default_factory=dict)
    """Tasks for lm-eval, by a name of your choice."""
    experiments: dict[Name, Experiment] = Field(default_factory=dict)
    """What to remove from which models, and how to measure the damage; by a name of your choice."""
    predict: Predict = Predict()
    finetunings: dict[Name, Finetuning] = Field(default_factory=dict)
    """Classifiers to fine-tune with singular values removed before or after, by a name of your choice."""
    comparisons: dict[Name, Comparison] = Field(default_factory=dict)
    """Pairs of models of the same shape whose difference is decomposed, by a name of your choice."""
    cut: str | None = None
    """The cut that `snakemake export` writes as a checkpoint, by its label in the tables ("decile 1 of down"); where
    several experiments or models have it, "model/experiment/label"."""
    births: Annotated[dict[Name, Birth], WrapValidator(inherited)] = Field(default_factory=dict)
    """Small transformers to train here on the bigram task, by a name of your choice."""
    memories: Memories = Memories()
    randomness: Randomness = Randomness()
    report: Report = Report()
