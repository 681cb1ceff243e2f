"""Settings of the transformers that are trained here, and of memories that are made without training."""

from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationInfo, field_validator

from weightspectra.base.settings import (
    AtLeastTwo,
    Distinct,
    Filled,
    Natural,
    Pair,
    PartOfOne,
    Place,
    Positive,
    PositiveNumber,
    Reference,
    Section,
)

Defaults = Mapping[str, Mapping[str, Any]]

OF_KIND: Defaults = {
    "simplified": {"positions": "random", "feed_forward": "none", "train_embeddings": False},
    "full": {
        "positions": "learned",
        "feed_forward": "mlp",
        "n_layers": 2,
        "n_heads": 4,
        "first_feed_forward": True,
        "norm": "pre",
        "tie_embeddings": False,
    },
}
"""What each kind of model can be given, with defaults; what only the other kind lists is foreign to it, and None."""

OF_OPTIMISER: Defaults = {
    "sgd": {"learning_rate": 0.2, "momentum": 0.9, "weight_decay": 0.0001},
    "adamw": {"learning_rate": 0.001, "betas": (0.9, 0.95), "weight_decay": 0.01},
}
"""The same of each optimiser."""

N_CHECKPOINTS = 20


def follows(choice: str, defaults: Defaults, name: str) -> Any:
    """Return a field whose default follows from another one's value, and is None where that has no such key."""
    default: Callable[[dict[str, Any]], Any] = lambda told: defaults[told[choice]].get(name)  # noqa: E731
    return Field(default_factory=default)


class TaskData(Section):
    """The bigram task."""

    text: Place | None = None
    """A text file whose characters and bigrams are used (default: tiny Shakespeare's)."""
    triggers: Literal["frequent", "random"] = "frequent"
    """frequent: the same for all sequences, by falling frequency; random: drawn for each sequence."""
    n_triggers: Positive = 5
    """Triggers of a sequence (K); without one there is nothing to learn in context, and nothing to probe."""
    offset: Natural = 0
    """Skip so many of the most frequent characters (frequent)."""
    outputs: Literal["uniform", "bigram"] = "uniform"
    """What a trigger's output is drawn from, once a sequence: all characters, or what follows it in the text."""
    no_repeat: bool = False
    """Never let a trigger be its own output."""
    length: Annotated[int, Field(ge=4, le=32767)] = 256
    """Tokens of a sequence (T)."""


class Transformer(Section):
    """The transformer that is trained."""

    kind: Literal["simplified", "full"] = "simplified"
    """simplified: one head of full width and no norms; query matrices are the identity, and only W_K of both layers,
    W_O of the last one and W_F are trained; full: heads, norms and perceptrons, all trained."""
    dimension: AtLeastTwo = 128
    """Width (d)."""
    n_layers: Annotated[int, Field(ge=1, le=12)] | None = follows("kind", OF_KIND, "n_layers")
    """Layers (full, default: 2)."""
    n_heads: Positive | None = follows("kind", OF_KIND, "n_heads")
    """Heads (full, default: 4)."""
    positions: Literal["random", "learned", "sinusoidal"] = follows("kind", OF_KIND, "positions")
    """random: normal entries, never trained (default of simplified, and only there); learned (default of full, and only
    there); sinusoidal."""
    feed_forward: Literal["none", "linear", "mlp"] = follows("kind", OF_KIND, "feed_forward")
    """After attention of the last layer (simplified) or of all (full): none, a linear map, or a perceptron of width 4 d
    with ReLU (default: none; mlp in the full model)."""
    first_feed_forward: bool | None = follows("kind", OF_KIND, "first_feed_forward")
    """Whether layer 0 has one too (full, default: true)."""
    norm: Literal["pre", "post", "none"] | None = follows("kind", OF_KIND, "norm")
    """Layer norms (full): before each part (default) or after it, or none."""
    tie_embeddings: bool | None = follows("kind", OF_KIND, "tie_embeddings")
    """Unembed with the embedding (full, default: false)."""
    train_embeddings: bool | None = follows("kind", OF_KIND, "train_embeddings")
    """Train the embedding too (simplified, default: false)."""
    scale_attention: bool = True
    """Divide attention scores by the root of the head's width."""


def _spread(told: Mapping[str, Any]) -> tuple[int, ...]:
    """Return iterations at squares of equal steps, since things happen early, and those that set parameters free."""
    last = told["n_iterations"]
    free = {iteration for iteration in told["frozen_until"].values() if iteration <= last}
    return tuple(sorted(free | {round(last * (step / N_CHECKPOINTS) ** 2) for step in range(N_CHECKPOINTS + 1)}))


class Training(Section):
    """How a birth is trained."""

    optimiser: Literal["sgd", "adamw"] = "sgd"
    """SGD with momentum or AdamW."""
    learning_rate: PositiveNumber = follows("optimiser", OF_OPTIMISER, "learning_rate")
    """Constant learning rate (default: 0.2 of sgd, 0.001 of adamw)."""
    momentum: PartOfOne | None = follows("optimiser", OF_OPTIMISER, "momentum")
    """Momentum (sgd, default: 0.9)."""
    betas: Pair[PartOfOne] | None = follows("optimiser", OF_OPTIMISER, "betas")
    """Decay of the running means (adamw, default: 0.9 and 0.95)."""
    weight_decay: Annotated[float, Field(ge=0)] = follows("optimiser", OF_OPTIMISER, "weight_decay")
    """Weight decay (default: 0.0001 of sgd, 0.01 of adamw)."""
    batch_size: Positive = 128
    """Fresh sequences per step."""
    n_iterations: Positive = 400
    """Steps."""
    loss: Literal["in_context", "all"] = "in_context"
    """Score the predictable outputs of triggers only (in_context), or all tokens."""
    frozen_until: dict[str, Positive] = Field(default_factory=dict)
    """From the name of a trained parameter to the iteration at which it begins to learn; beyond n_iterations it never
    does."""
    checkpoints: Distinct[Natural] = Field(default_factory=_spread)
    """Iterations to keep, beside 0 and the last (default: 20, closer together at the beginning, and those at which
    frozen parameters begin to learn)."""

    @field_validator("checkpoints")
    @classmethod
    def _with_both_ends(cls, kept: tuple[int, ...], info: ValidationInfo) -> tuple[int, ...]:
        return tuple(sorted({0, info.data.get("n_iterations", 0), *kept}))


class Probing(Section):
    """How checkpoints are probed."""

    n_sequences: Annotated[int, Field(ge=8)] = 96
    """Fresh sequences for each probe of behaviour."""
    locate: bool | None = None
    """Score the locator against the known memories, which only the simplified model has (default: true there, false in
    the full one)."""


class Birth(Section):
    """One transformer, trained on the bigram task of arXiv 2306.00802 with each of several seeds."""

    title: str | None = None
    """How tables and figures call it (default: its name)."""
    like: Annotated[str | None, Reference("birth")] = None
    """Another birth; whatever is not given here is as there, but for the title and what belongs to another kind of
    model or another optimiser than this one's. Lists and frozen_until are inherited whole."""
    seeds: Filled[Natural] = (0, 1, 2)
    """Seeds of initialisation and data; one run each."""
    data: TaskData = TaskData()
    """The task."""
    model: Transformer = Transformer()
    """The transformer."""
    training: Training = Training()
    """How it is trained."""
    probe: Probing = Field(default_factory=Probing, validate_default=True)
    """How checkpoints are probed."""

    @field_validator("probe")
    @classmethod
    def _locate_what_is_known(cls, probe: Probing, info: ValidationInfo) -> Probing:
        if probe.locate is not None or "model" not in info.data:
            return probe
        return probe.model_copy(update={"locate": info.data["model"].kind == "simplified"})


class Memories(Section):
    """Associative memories that are made without training, to compare with theory; none without dimensions."""

    dimensions: Distinct[AtLeastTwo] = ()
    """Dimensions of the embeddings."""
    n_tokens: Filled[AtLeastTwo] = (65, 256, 1024)
    """How many memories to store; the task of three gradient steps always has 16 tokens and positions."""
    n_seeds: AtLeastTwo = 5
    """Draws of each setting."""
    n_samples: Annotated[int, Field(ge=64)] = 8192
    """Examples, or sequences, behind each gradient step."""
