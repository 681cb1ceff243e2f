"""BERT, and the encoders that keep its names."""

from weightspectra.models.families.family import Family, Tensors

_TENSORS: Tensors = {
    "attention.self.query.weight": "query",
    "attention.self.key.weight": "key",
    "attention.self.value.weight": "value",
    "attention.output.dense.weight": "attention_output",
    "intermediate.dense.weight": "up",
    "output.dense.weight": "down",
}
_RELATIVE_POSITIONS = ("attention.self.distance_embedding.weight",)

BERT = Family("bert", _TENSORS, causal=False, ignored=_RELATIVE_POSITIONS)
ROBERTA = Family("roberta", _TENSORS, causal=False, ignored=_RELATIVE_POSITIONS)
XLM_ROBERTA = Family("xlm-roberta", _TENSORS, causal=False, ignored=_RELATIVE_POSITIONS)
CAMEMBERT = Family("camembert", _TENSORS, causal=False, ignored=_RELATIVE_POSITIONS)
