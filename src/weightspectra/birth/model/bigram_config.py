"""The configuration of the small transformers that are trained here on the bigram task."""

from typing import Any

from transformers import PreTrainedConfig


class BigramConfig(PreTrainedConfig):
    """What a transformer of the bigram task is made of: the keys of ``births/{birth}/model``, and the task's sizes.

    The simplified model always has two layers of one head and no norms,
    whatever the keys of the full model say.

    Attributes
    ----------
    kind : {'simplified', 'full'}
    dimension, n_layers, n_heads : int
    positions : {'random', 'learned', 'sinusoidal'}
        How the table of positions begins; only learned ones are trained.
    feed_forward : {'none', 'linear', 'mlp'}
        After attention, of the last layer (simplified) or of all (full).
    first_feed_forward : bool
        Whether layer 0 has one, too.
    norm : {'pre', 'post', 'none'}
    tie_embeddings, train_embeddings, scale_attention : bool
    vocab_size : int
    max_position_embeddings : int
        Tokens that a sequence may have.
    characters : str
        The characters that the tokens stand for, in their order.
    """

    model_type = "bigram_transformer"
    attribute_map = {  # noqa: RUF012 (the library's)
        "hidden_size": "dimension",
        "num_hidden_layers": "n_layers",
        "num_attention_heads": "n_heads",
        "tie_word_embeddings": "tie_embeddings",
    }

    kind: str = "simplified"
    dimension: int = 128
    n_layers: int = 2
    n_heads: int = 4
    positions: str = "random"
    feed_forward: str = "none"
    first_feed_forward: bool = True
    norm: str = "pre"
    tie_embeddings: bool = False
    train_embeddings: bool = False
    scale_attention: bool = True
    vocab_size: int = 65
    max_position_embeddings: int = 256
    characters: str = ""

    def __post_init__(self, **kwargs: Any) -> None:
        """Give the simplified model its fixed shape."""
        if self.kind == "simplified":
            self.n_layers, self.n_heads, self.norm = 2, 1, "none"
            self.first_feed_forward = self.tie_embeddings = False
        super().__post_init__(**kwargs)

    @property
    def attention_scale(self) -> float:
        """What the inner products of queries and keys are multiplied with."""
        return (self.dimension // self.n_heads) ** -0.5 if self.scale_attention else 1.0
