"""Settings of models: where each comes from, and how it is read."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from weightspectra.base.settings import Choice, Natural, Place, Reference, Section
from weightspectra.sources.settings import Package, PackageFolder

Role = Literal["query", "key", "value", "attention_output", "up", "gate", "down"]
Dtype = Literal["float32", "bfloat16", "float16"]


class Repository(Section):
    """A repository of the Hugging Face hub."""

    repo: Annotated[str, Field(pattern=r"^[^/\s]+(/[^/\s]+)?$")]
    """owner/name"""
    revision: str
    """Commit hash (best), tag or branch."""


class GgufFile(Section):
    """A GGUF file, in a package or on this machine; its weights are dequantised to float32."""

    exactly_one: ClassVar[tuple[str, ...]] = ("package", "path")
    package: Package | None = None
    path: Place | None = None
    """Folder that holds the file."""
    file: str
    """The GGUF file inside the package or folder."""


class RandomControl(Section):
    """A random control: the same architecture as another model with the library's initialisation."""

    like: Annotated[str, Reference("model")]
    """Name of the other model."""


class NoisierCopy(Section):
    """Another model with the estimated noise of its quantisation added once more, to see which results move.

    Uniform over one step of each block of values, as rounding to 4 bits leaves it.
    """

    like: Annotated[str, Reference("model")]
    """Name of the other model, of which each matrix was stored in blocks."""
    bits: Annotated[int, Field(ge=2, le=8)] = 4
    """Bits per value of the storage format."""
    block: Annotated[int, Field(ge=8)] = 32
    """Values per block."""


class StructureKept(Section):
    """What every structure-keeping control says: like which model it is made, and which draw it is.

    Its weight matrices are drawn anew, and keep some properties of the other model's; all else is copied.
    """

    like: Annotated[str, Reference("model")]
    """Name of the other model. What the control computes means nothing: it is never run, and `observe` holds its
    vectors against the other model's inputs."""
    draw: Natural = 0
    """Number of the draw; draws of other numbers are independent."""


class FlippedControl(StructureKept):
    """A structure-keeping control: every entry as far from the mean of its matrix as it was, its sign drawn anew.

    Keeps the distances place by place, and so the variances of rows and columns; destroys all correlations.
    """


class RescaledControl(StructureKept):
    """A structure-keeping control: Gaussian entries with the mean squares of each matrix's rows and columns.

    Keeps which rows and columns are large; destroys the law of the entries and all correlations.
    """


class ShuffledControl(StructureKept):
    """A structure-keeping control: the entries of each matrix in another order."""

    within: Literal["all", "row", "column", "head"] = "all"
    """Within what entries change places: the whole matrix, each row, each column, or the block of each attention head
    (of query, key and value its rows, of the attention's output its columns). A matrix without heads is shuffled as a
    whole by "head"."""


class CorrelatedControl(StructureKept):
    """A structure-keeping control: as `rescaled`, and neighbouring entries as correlated as in the other model.

    Along rows and along columns an autoregressive process of order one with the matrix's own lag-one correlation.
    """


class BornModel(Section):
    """A checkpoint of a birth of this configuration. That of iteration 0 is the exact control of the others."""

    birth: Annotated[str, Reference("birth")]
    """Name of the birth."""
    seed: Natural
    """One of its seeds."""
    iteration: Natural
    """One of its checkpoints."""


class ModelSource(Choice):
    """Where the model comes from; exactly one of the eleven."""

    hub: Repository | None = None
    path: Place | None = None
    """A local folder as written by save_pretrained."""
    package: PackageFolder | None = None
    gguf: GgufFile | None = None
    random: RandomControl | None = None
    renoised: NoisierCopy | None = None
    flipped: FlippedControl | None = None
    rescaled: RescaledControl | None = None
    shuffled: ShuffledControl | None = None
    correlated: CorrelatedControl | None = None
    birth: BornModel | None = None

    @property
    def original(self) -> str | None:
        """The model that this one is made like; none if it is not made like another."""
        like: str | None = getattr(self.value, "like", None)
        return like

    @property
    def keeps_structure(self) -> bool:
        """Whether it is a structure-keeping control, which is not to be run."""
        return isinstance(self.value, StructureKept)


class TokenizerSource(Choice):
    """The tokenizer of a model whose own is missing or wrong; exactly one of the three."""

    path: Place | None = None
    """A local folder that holds a tokenizer, or its tokenizer.json."""
    hub: Repository | None = None
    """A repository of the hub; only its tokenizer is taken."""
    like: Annotated[str | None, Reference("model")] = None
    """Another model of this configuration, whose tokenizer this one has, too."""


class Model(Section):
    """One model."""

    title: str | None = None
    """How tables and figures call it (default: its name)."""
    source: ModelSource
    parts: Annotated[int, Field(ge=1, le=99)] = 1
    """Into how many jobs of whole blocks the heavy stages are divided."""
    fused_split: Literal["interleaved", "thirds"] = "interleaved"
    """How a fused query_key_value matrix of the GPT-NeoX kind is cut. "interleaved" (per head) is right; "thirds"
    repeats what the paper may have done."""
    architecture: str | None = None
    """The `model_type` of a config.json that names none, as those of 2019 do: "bert", for example."""
    allow_pickle: bool = False
    """Accept .bin checkpoints, loaded with weights_only=True. Safetensors need no such trust."""
    tokenizer: TokenizerSource | None = None
    """Whose tokenizer to read texts with (default: the one that comes with the model)."""
    trust_remote_code: bool = False
    """Run the Python code that comes with the model. Only for authors you trust."""
