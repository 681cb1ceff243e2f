"""Names of the parameters of the transformers that are trained here; needs no deep-learning library."""

from typing import TYPE_CHECKING

from weightspectra.birth.settings import Transformer

if TYPE_CHECKING:
    from weightspectra.birth.model.bigram_config import BigramConfig

WEIGHTS = {
    "output_2": "layers.1.attention.output.weight",
    "key_2": "layers.1.attention.key.weight",
    "key_1": "layers.0.attention.key.weight",
    "feed_forward": "layers.1.feed_forward.linear.weight",
}
"""From the matrices that hold memories (W_O^2, W_K^2, W_K^1, W_F) to the parameters of the simplified model."""


def trained_parameters(model: "Transformer | BigramConfig") -> list[str]:
    """Return the names of the parameters that training moves, in the order of the model."""
    return _simplified(model) if model.kind == "simplified" else _full(model)


def _simplified(model: "Transformer | BigramConfig") -> list[str]:
    names = ["embedding.weight"] if model.train_embeddings else []
    names += [WEIGHTS["key_1"], WEIGHTS["key_2"], WEIGHTS["output_2"]]
    return names + _feed_forward(1, model.feed_forward)


def _full(model: "Transformer | BigramConfig") -> list[str]:
    names = ["embedding.weight", *(["positions.weight"] if model.positions == "learned" else [])]
    norm = model.norm != "none"
    for layer in range(model.n_layers or 0):
        names += [f"layers.{layer}.attention.{part}.weight" for part in ("query", "key", "value", "output")]
        fed = _feed_forward(layer, model.feed_forward) if layer or model.first_feed_forward else []
        names += fed
        names += [
            f"layers.{layer}.norm_{part}.{kind}"
            for part in (1, 2)[: 1 + bool(fed)]
            for kind in ("weight", "bias")
            if norm
        ]
    names += [f"norm.{kind}" for kind in ("weight", "bias") if model.norm == "pre"]
    return names + ([] if model.tie_embeddings else ["unembedding.weight"])


def _feed_forward(layer: int, kind: str) -> list[str]:
    parts = {"none": [], "linear": ["linear"], "mlp": ["up", "down"]}[kind]
    return [f"layers.{layer}.feed_forward.{part}.weight" for part in parts]
