"""Who fills the folder of a model, by the kind of its source.

They are named and not imported, so that a job loads one of them alone, and so that a model is fetched anew when the
code behind its own kind changes, and not when that of another does. So this module counts as the code of no job
(``base.code``), and the workflow gives each fetch the digest of what ``KINDS`` names.
"""

from importlib import import_module

from weightspectra.base.code import Target
from weightspectra.models.fetching.order import Order, Origin

KINDS = {
    "hub": Target("weightspectra.models.fetching.given", "take_from_hub"),
    "path": Target("weightspectra.models.fetching.given", "take_from_folder"),
    "package": Target("weightspectra.models.fetching.given", "take_from_package"),
    "gguf": Target("weightspectra.models.fetching.given", "take_from_gguf"),
    "random": Target("weightspectra.models.made.random", "make_control"),
    "renoised": Target("weightspectra.models.made.renoised", "make_noisier"),
    "flipped": Target("weightspectra.models.made.structured", "make_flipped"),
    "rescaled": Target("weightspectra.models.made.structured", "make_rescaled"),
    "shuffled": Target("weightspectra.models.made.structured", "make_shuffled"),
    "correlated": Target("weightspectra.models.made.structured", "make_correlated"),
    "birth": Target("weightspectra.birth.model.born", "take_from_birth"),
}


def filled(order: Order) -> Origin:
    """Put a model's files into the empty folder of an order."""
    module, name = KINDS[order.entry.source.kind]
    origin: Origin = getattr(import_module(module), name)(order)
    return origin
