"""The table of architectures: every row that a module of this folder defines.

A row says which tensor of a transformer block plays which role, how a fused
tensor is cut, and which block tensors are no weight matrices of ours. Files and
loaded models are both described by it; a new architecture is a new row
(docs/add-an-architecture.md). Nothing here imports a deep-learning library, so
that a job can check a model without loading it.

A model's results depend on its own row and on no other. So this module counts as
the code of no job (``base.code``), and the workflow gives each job that reads a
model the digest of the row behind ``place_of``.
"""

from collections.abc import Mapping
from importlib import import_module

from weightspectra.base.code import Target
from weightspectra.base.errors import UserError
from weightspectra.models.families import (
    albert,
    alternating,
    bert,
    bigram,
    distilbert,
    gpt2,
    llama,
    mixtures,
    modernbert,
    opt,
    phi,
)
from weightspectra.models.families.family import Family
from weightspectra.models.layouts import Config

GUIDE = "docs/add-an-architecture.md"

_MODULES = (albert, alternating, bert, bigram, distilbert, gpt2, llama, mixtures, modernbert, opt, phi)
_PLACES = {
    row.model_type: Target(module.__name__, name)
    for module in _MODULES
    for name, row in vars(module).items()
    if isinstance(row, Family)
}
FAMILIES: dict[str, Family] = {
    model_type: getattr(import_module(module), name) for model_type, (module, name) in _PLACES.items()
}
"""From ``model_type`` to the row."""


def family_of(config: Config) -> Family:
    """Return the family of a model.

    Raises
    ------
    UserError
        When no row describes its ``model_type``.
    """
    found = config.get("model_type")
    if found is None:
        raise UserError(
            "config.json names no model_type, as those of 2019 do; name it in the model's entry of the configuration, "
            f"for example architecture: bert (known: {', '.join(sorted(FAMILIES))})"
        )
    inner = config.get("text_config")
    if str(found) not in FAMILIES and isinstance(inner, Mapping) and str(inner.get("model_type")) in FAMILIES:
        raise UserError(
            f"model type '{found}' is composite; its language model alone, of type '{inner['model_type']}', can be "
            "analysed: load the whole with transformers and save that part with save_pretrained"
        )
    if not isinstance(found, str) or found not in FAMILIES:
        raise UserError(
            f"model type '{found}' has no row in the table of architectures; "
            f"supported: {', '.join(sorted(FAMILIES))}; {GUIDE} shows how to add one"
        )
    return FAMILIES[found]


def place_of(config: Config) -> Target | None:
    """Return where the row of a model stands in the code; nothing if it has none."""
    return _PLACES.get(str(config.get("model_type")))
