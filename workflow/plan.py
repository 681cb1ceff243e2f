"""From a configuration to file names: what the rules need to know and nothing else does."""

import os
import re
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from claim import Claim
from findings import findings, results_of
from given import Given
from presented import Presented
from snakemake.exceptions import WorkflowError
from snakemake.io import expand, temp

from weightspectra.ablation.choose.labels import slug
from weightspectra.base.digests import Digests
from weightspectra.base.errors import UserError
from weightspectra.conclusions.told import options_of
from weightspectra.config import artifacts, doubts, needs, originals
from weightspectra.config.messages import ConfigurationError
from weightspectra.config.reading import resolve
from weightspectra.models.families.registry import place_of
from weightspectra.models.fetching.kinds import KINDS
from weightspectra.sources import checkpoints
from weightspectra.sources.fetched import Hashes

Wildcards = Any


def one_of(names: Iterable[str]) -> str:
    """Return a regular expression that matches these names, and nothing else."""
    return "|".join(map(re.escape, names)) or "(?!)"


class Plan:
    """The files that a configuration asks for.

    Parameters
    ----------
    config : dict
        Snakemake's configuration; checked, and completed with its defaults.
    root : path
        The folder of the Snakefile.
    files : paths
        The files that the configuration was read from.

    Attributes
    ----------
    settings : Configuration
        The same as ``config``, typed.
    claim : Claim
        The right to write to its results.
    """

    def __init__(self, config: dict[str, Any], root: str, files: Iterable[str | Path] = ()):
        try:
            self.settings = resolve(config, files)
        except ConfigurationError as error:
            raise SystemExit(f"error: {error}") from None
        config.clear()
        config.update(self.settings.plain())
        self.config = config
        self.root = Path(root)
        self.digests = Digests(self.root / "scripts", Path(".snakemake") / "digests-of-code.json")
        self.presented = Presented(self.settings, config, self.root, self.digests)
        self.claim = Claim(results_of(config))
        self.given = Given(self.settings)
        self.controls = originals.random_controls(self.settings)
        self.structured = originals.structured_controls(self.settings)
        self.copies = originals.copies(self.settings)
        self.window_pairs = artifacts.window_pairs(self.settings)
        self.conclusions = {name: found.files for name, found in artifacts.conclusions(self.settings).items()}

    def pattern(self, section: str) -> str:
        """Return a regular expression that matches the names of one section, and nothing else."""
        return one_of(self.config[section])

    def code(self, rule: str) -> str:
        """Return the digest of the code behind a rule, so that a change in it re-runs the rule."""
        return self.digests.of_script(rule)

    def code_of_fetch(self, wildcards: Wildcards) -> str:
        """Return the digest of the code that fetches a model: of the script, and of what knows its kind of source."""
        [kind] = self.config["models"][wildcards.model]["source"]
        return self.digests.of_script("fetch_model", [KINDS[kind]])

    def architecture(self, wildcards: Wildcards) -> str:
        """Return the digest of the row that describes a model's architecture, so that a change in it re-runs the job.

        Nothing until the model is fetched: Snakemake asks again before it starts a job. A function of the job's input
        would not do, since what is derived from that re-runs nothing.
        """
        return self._row(wildcards.model)

    def row_of_original(self, wildcards: Wildcards) -> str:
        """Return the same of the model that another one is made like; nothing for models that are no such copies."""
        original = self.settings.models[wildcards.model].source.original
        return self._row(original) if original else ""

    def _row(self, model: str) -> str:
        folder = results_of(self.config) / "sources" / model
        try:
            place = place_of(checkpoints.config(folder))
        except UserError:  # not fetched yet, or damaged: then the job that reads it says so
            return ""
        return self.digests.of(place) if place else ""

    def told(self, wildcards: Wildcards) -> dict[str, Any]:
        """Return what of the configuration the conclusions of one file depend on."""
        known = {
            "controls": self.controls,
            "structured": self.structured,
            "copies": self.copies,
            "window_pairs": self.window_pairs,
            "seed": self.settings.seed,
            "level": self.settings.randomness.level,
        }
        return {name: known[name] for name in options_of(wildcards.subject)}

    def parts_of(self, pattern: str) -> Callable[[Wildcards], list[str]]:
        """Return an input function: one file for each part of the wildcards' model."""
        return lambda wildcards: expand(
            pattern, part=artifacts.parts(self.settings, wildcards.model), **dict(wildcards.items())
        )

    def evaluation_inputs(self, wildcards: Wildcards) -> dict[str, list[str]]:
        """Return what an experiment reads beside the model and its singular values."""
        return needs.evaluation(self.settings, wildcards.model, wildcards.experiment)

    def task_inputs(self, wildcards: Wildcards) -> dict[str, list[str]]:
        """Return what a task is made from: a data set or a tokenizer of this configuration, and the user's files.

        Parquet files of the user's are left out, since jobs read the footers of theirs
        and delete those that are corrupt: :meth:`Given.task_tables` sees changes in them.
        """
        entry = self.settings.tasks[wildcards.task]
        own = [Path(entry.file).parent.glob(glob) for glob in ("*.yaml", "*.py") if entry.file]
        data = Path(entry.data).rglob("*") if entry.data else []
        files = {path for paths in (*own, data) for path in paths if path.is_file() and path.suffix != ".parquet"}
        return needs.task(self.settings, wildcards.task) | {"own": sorted(map(str, files))}

    def data_set_of_finetuning(self, wildcards: Wildcards) -> str:
        """Return the data set of a fine-tuning."""
        return artifacts.path("data_sets", self.settings.finetunings[wildcards.finetuning].data_set)

    def compared(self, kind: str, role: str) -> Callable[[Wildcards], list[str]]:
        """Return an input function: all parts of one kind of file of a comparison's ``base`` or ``tuned`` model."""

        def files(wildcards: Wildcards) -> list[str]:
            model = getattr(self.settings.comparisons[wildcards.comparison], role)
            return artifacts.parts_of(self.settings, kind, model)

        return files

    def original_of(self, wildcards: Wildcards) -> list[str]:
        """Return what a model is made from, so that it is made anew when that changes.

        For a model that is made like another this is the source of the other, for a local
        folder its files (those that exist: a missing folder is for the job to refuse), and for
        other sources nothing.
        """
        made_from = self.given.model_files(wildcards) or needs.original(self.settings, wildcards.model)
        return [*made_from, *needs.tokenizer(self.settings, wildcards.model)]

    def nulls_of(self, wildcards: Wildcards) -> str:
        """Return the table of noise of a model's shapes."""
        return artifacts.nulls(self.settings, wildcards.model)

    def moments_of(self, wildcards: Wildcards) -> list[str]:
        """Return the moments of the inputs that a model's vectors are held against."""
        return artifacts.moments(self.settings, wildcards.model, wildcards.corpus)

    def permutations_of(self, wildcards: Wildcards) -> list[str]:
        """Return the shuffled spectra of a model, if the configuration asks for them."""
        return needs.permutations(self.settings, wildcards.model)

    def fetched_of(self, wildcards: Wildcards) -> dict[str, Any]:
        """Return the part of a model's entry that decides what is fetched: not its title, nor how it is divided.

        Which matrices a fused tensor is cut into decides what a structure-keeping control is.
        """
        entry = self.config["models"][wildcards.model]
        decides = ["source", "architecture", "tokenizer", "allow_pickle", "trust_remote_code"]
        decides += ["fused_split"] if wildcards.model in self.structured else []
        return {name: entry[name] for name in decides if name in entry}

    def requested_of(self, wildcards: Wildcards, input: Any) -> dict[str, list[Any]]:
        """Return what will be asked of a model: refused at once, if it cannot be.

        Snakemake takes what is derived from a job's input for no parameter of the job's own; a new experiment would
        fetch the model again otherwise.
        """
        return needs.requested(self.settings, wildcards.model)

    def seed_of(self, wildcards: Wildcards) -> int | None:
        """Return the seed of a model that is made like another; other models have none."""
        return self.settings.seed if self.settings.models[wildcards.model].source.original else None

    def keep_or_drop(self, path: str) -> str:
        """Mark a file as temporary unless the configuration keeps the weights."""
        return path if self.config["keep_weights"] else temp(path)

    @property
    def observation(self) -> dict[str, int]:
        """How to observe; whom and on what is known from the file names."""
        return {name: self.config["observe"][name] for name in ("n_tokens", "window", "batch_size")}

    def exported(self, _: Wildcards) -> str:
        """Return the folder of the checkpoint that ``cut`` of the configuration names."""
        if "cut" not in self.config:
            raise WorkflowError('name the cut to export: snakemake export --config cut="decile 1 of down"')
        *place, label = self.config["cut"].split("/")
        [(model, experiment)] = [tuple(place)] if place else artifacts.evaluated(self.settings)
        return artifacts.export(model, experiment, slug(label))

    @property
    def prediction(self) -> dict[str, Any]:
        """How to predict; of whom and on what is known from the file names."""
        names = ("n_tokens", "window", "batch_size", "n_probes", "bos", "dtype", "n_directions")
        return {name: self.config["predict"][name] for name in names}

    def text_of_birth(self, wildcards: Wildcards) -> str:
        """Return the text of a birth, or the counts that come with the workflow."""
        return str(needs.text_of(self.settings.births[wildcards.birth].data))

    def corpus_inputs(self, wildcards: Wildcards) -> list[str]:
        """Return the characters that a corpus of the bigram task is drawn from; other corpora need nothing."""
        return needs.corpus(self.settings, wildcards.corpus)

    def corpus_task(self, wildcards: Wildcards) -> dict[str, Any] | None:
        """Return the bigram task that a corpus is drawn from; other corpora have none."""
        drawn = self.settings.corpora[wildcards.corpus].source.birth
        return self.config["births"][drawn.birth]["data"] if drawn else None

    def corpus_seed(self, wildcards: Wildcards) -> int | None:
        """Return the seed of a corpus that is drawn; other corpora have none."""
        return self.settings.seed if self.settings.corpora[wildcards.corpus].source.birth else None

    @property
    def kept(self) -> list[str]:
        """Every file to keep."""
        return artifacts.kept(self.settings)

    def hash_anew(self) -> None:
        """Have every source that this run reads hashed once, whatever an earlier run has found of it."""
        Hashes().forget()

    def print_doubts(self) -> None:
        """Warn of what of the configuration is allowed and can tell nothing."""
        for doubt in doubts.found(self.settings):
            print(f"warning: {doubt}", file=sys.stderr)

    def print_findings(self) -> None:
        """Say where the report is and what it found; under ``make``, which does so after every run, say nothing."""
        if "MAKELEVEL" not in os.environ:
            print(findings(self.config))
