"""Settings of experiments: what is removed from which models, and how the damage is measured."""

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from weightspectra.base.settings import (
    AtLeastTwo,
    Choice,
    Decile,
    Distinct,
    Filled,
    Names,
    Natural,
    Pair,
    Place,
    Positive,
    Reference,
    Section,
    SomeNames,
)
from weightspectra.models.settings import Dtype, Role

Method = Literal["svd", "whitened", "boundary", "whitened_boundary"]


class Values(Choice):
    """Which singular values; exactly one of the three ways."""

    deciles: Filled[Decile] | None = None
    """One cut per listed decile; 1 is the smallest tenth, 10 the largest."""
    indices: Pair[Natural] | None = None
    """First and last rank to remove, both included; 0 is the largest singular value."""
    region: Filled[Literal["below", "inside", "above"]] | None = None
    """All values below, inside or above the Marchenko-Pastur bulk; one cut each."""


class Compress(Section):
    """Low-rank copies of the matrices, one cut per method and size."""

    methods: Filled[Method]
    """svd keeps the largest singular values, the same share in every matrix; whitened those of W M^(1/2), with the
    second moment M of the input on the observed corpus (SVD-LLM); boundary and whitened_boundary divide the parameters
    among the matrices by how many of their directions noise does not explain."""
    sizes: Filled[Annotated[float, Field(gt=0, le=1)]]
    """Parameters of the factorised matrices, as a share of what they have whole."""
    corpus: Annotated[str | None, Reference("corpus")] = None
    """The observed corpus whose second moments whiten."""


class Cut(Section):
    """Singular values to remove or keep, and from which matrices; exactly one of remove, keep, compress."""

    exactly_one: ClassVar[tuple[str, ...]] = ("remove", "keep", "compress")
    remove: Values | None = None
    """The singular values that go."""
    keep: Values | None = None
    """The singular values that stay alone."""
    compress: Compress | None = None
    controls: Distinct[Literal["same_count", "same_energy", "random"]] = ()
    """Matched controls of each cut, so that "these values matter" can be told from "removing anything hurts":
    same_count removes as many values from the lower bulk, same_energy as much energy from the lower bulk upwards,
    random as many in a row from anywhere else (n_random times)."""
    n_random: Positive = 3
    """Random windows of each cut."""
    bounds: Literal["asymptotic", "calibrated"] = "asymptotic"
    """What bounds the bulk: asymptotic, the Marchenko-Pastur edges (as published), or calibrated, beyond which noise
    has a value with the probability randomness/level."""
    scope: Literal["role", "layer", "matrix", "head", "all"] = "role"
    """Which matrices one cut takes together: all of one role, all of one layer, one single matrix, the part of one
    attention head in its layer's matrices, or all."""
    roles: Filled[Role] | None = None
    """Only these roles (default: all that the model has)."""
    layers: Filled[Natural] | None = None
    """Only these layers (default: all)."""


class Experiment(Section):
    """One set of cuts, evaluated in one way."""

    models: Annotated[SomeNames, Reference("model")]
    """Models to cut."""
    corpus: Annotated[str | None, Reference("corpus")] = None
    """Corpus whose evaluation part is scored; perplexities need one."""
    metrics: Distinct[Literal["perplexity", "pseudo_perplexity"]] = Field(
        default_factory=lambda told: ("perplexity",) if told["corpus"] else ()
    )
    """What is measured on the corpus: perplexity of causal models (per token, per word, and bits per byte),
    pseudo_perplexity of masked ones (default: perplexity if there is a corpus)."""
    tasks: Annotated[Names, Reference("task")] = ()
    """Tasks of this configuration that the cut models are asked."""
    probes: Annotated[Names, Reference("data set")] = ()
    """Data sets whose classes a linear classifier reads off the mean last hidden state; it is trained anew after each
    cut."""
    window: AtLeastTwo = 256
    """Tokens per window."""
    stride: Positive = Field(default_factory=lambda told: told["window"])
    """Tokens from one window's start to the next one's (default: the window); a smaller stride gives every token
    context."""
    n_windows: AtLeastTwo = 16
    """Windows to score, spread evenly over the documents."""
    batch_size: Positive = 8
    """Windows per forward pass. Log-likelihoods move in the sixth digit with it, so it is fixed here."""
    bos: bool = True
    """Put the tokenizer's beginning-of-sequence token before every window (it is not scored)."""
    dtype: Dtype = "float32"
    """Number format of the edited model. bfloat16 refills removed values with rounding noise."""
    cuts: Annotated[tuple[Cut, ...], Field(strict=False, min_length=1)]
    """What to remove."""


class Task(Section):
    """One task for lm-eval; exactly one of name, file, data_set."""

    exactly_one: ClassVar[tuple[str, ...]] = ("name", "file", "data_set")
    name: str | None = None
    """A task or group that lm-eval brings."""
    file: Place | None = None
    """A task file of your own (YAML)."""
    data_set: Annotated[str | None, Reference("data set")] = None
    """A data set of this configuration, asked as a choice between its classes."""
    prompt: str | None = None
    """For a data set: the question, with {text} and {pair}; the classes follow as answers after a space."""
    data: Place | None = None
    """A local folder with the task's data, in place of the hub (as `load_dataset` reads it)."""
    n_shots: Natural | None = None
    """Worked examples in the prompt (default: what the task says)."""
    max_length: AtLeastTwo | None = None
    """Tokens of prompt and answer; longer prompts lose their beginning (default: the model's positions)."""
    tokenizer: Annotated[str | None, Reference("model")] = None
    """A model of this configuration, in whose tokens a task measures the texts that it makes up (RULER)."""
    limit: Positive | None = None
    """Ask only the first so many documents."""
    metadata: dict[str, Any] | None = None
    """What the task's own file takes from outside (RULER: max_seq_lengths, for example)."""
    allow_code: bool = False
    """Run the Python functions that a task file of your own names (`!function`). Only for authors you trust; those that
    lm-eval brings need no such trust."""
    run_generated_code: bool = False
    """Let the task run the programs that the model writes (HumanEval), on this machine and with your rights. Only in a
    sandbox."""
