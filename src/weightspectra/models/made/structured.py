"""Structure-keeping controls: copies of a model whose weight matrices are drawn anew and keep some of their properties.

What a test against noise finds in such a control it finds without what training has written into directions: it is due
to what the control keeps. Each matrix has a stream of its own, from the configuration's seed, the control's name, the
number of the draw, and where the matrix lies.
"""

import json
from collections.abc import Callable, Iterable

import numpy as np

from weightspectra.base.seeds import derived_seed, generator
from weightspectra.models import attention
from weightspectra.models.fetching.order import Order, Origin
from weightspectra.models.layouts import Config
from weightspectra.models.made import draws
from weightspectra.models.made.rewriting import Original, opened, rounding_passed_on, write_copy
from weightspectra.models.weights import StoredMatrix
from weightspectra.sources import checkpoints

Draw = Callable[[StoredMatrix, np.ndarray, np.random.Generator], np.ndarray]
"""From where a matrix lies, its entries and its stream to the entries of the control."""

WITHIN = {
    "all": "each matrix",
    "row": "each row",
    "column": "each column",
    "head": "each attention head, and within each matrix without heads",
}


def make_flipped(order: Order) -> Origin:
    """Make a control whose entries are as far from the mean as in the original, with random signs."""
    original = _original(order)
    described = rounding_passed_on(original, "signs flipped")
    _write(order, original, "flip", lambda stored, matrix, stream: draws.flip(matrix, stream), described)
    return _origin(order, "entries' distances from the mean of their matrix with random signs")


def make_shuffled(order: Order) -> Origin:
    """Make a control whose entries are the original's in another order."""
    original, within = _original(order), order.spec.within
    config = checkpoints.config(original.folder)

    def shuffled(stored: StoredMatrix, matrix: np.ndarray, stream: np.random.Generator) -> np.ndarray:
        draws.shuffle(blocks(matrix, stored.key.role, within, config), stream)
        return matrix

    _write(order, original, "shuffle", shuffled, rounding_passed_on(original, "entries shuffled"))
    return _origin(order, f"entries shuffled within {WITHIN[within]}")


def make_rescaled(order: Order) -> Origin:
    """Make a control of Gaussian entries, of which rows and columns have the original's mean squares."""
    _write(order, _original(order), "rescale", lambda stored, matrix, stream: draws.rescaled(matrix, stream), {})
    return _origin(order, "Gaussian entries with the mean squares of each matrix's rows and columns")


def make_correlated(order: Order) -> Origin:
    """Make the same with correlated neighbours; the header of its file says how correlated they are in each matrix."""
    original = _original(order)
    asked = {
        stored.key: draws.neighbour_correlations(matrix) for stored, matrix in original.read("correlate neighbours of")
    }
    described = {"correlations": json.dumps({str(key): found for key, found in asked.items()})}

    def correlated(stored: StoredMatrix, matrix: np.ndarray, stream: np.random.Generator) -> np.ndarray:
        return draws.correlated(matrix, asked[stored.key], stream)

    _write(order, original, "correlate", correlated, described)
    along_rows, along_columns = zip(*asked.values(), strict=True)
    return _origin(
        order,
        "Gaussian entries with the mean squares of each matrix's rows and columns, and with its lag-one correlations: "
        f"{_range(along_rows)} along rows, {_range(along_columns)} along columns",
    )


def blocks(matrix: np.ndarray, role: str, within: str, config: Config) -> Iterable[np.ndarray]:
    """Return the parts of a matrix within which its entries change places, as views.

    Parameters
    ----------
    matrix : ndarray of shape (n_out, n_in)
    role : str
    within : {'all', 'row', 'column', 'head'}
        ``head``: the rows of each head, or for the attention's output the columns; a matrix without heads is one part.
    config : mapping
        The model's ``config.json``.
    """
    if within == "row":
        return matrix
    if within == "column":
        return matrix.T
    sizes = attention.head_sizes(config, [(role, *matrix.shape)]) if within == "head" else set()
    for size in sizes:
        lines = matrix if attention.SIDES[role] == "left" else matrix.T
        return [lines[start : start + size] for start in range(0, len(lines), size)]
    return [matrix]


def _original(order: Order) -> Original:
    like, _ = order.original()
    return opened(like, order.entry.fused_split)


def _write(order: Order, original: Original, purpose: str, draw: Draw, described: dict[str, str]) -> None:
    """Write the control that draws each matrix from a stream of its own."""
    _, seed = order.original()
    own = derived_seed(seed, order.name, purpose, str(order.spec.draw))

    def remake(stored: StoredMatrix, matrix: np.ndarray) -> np.ndarray:
        return draw(stored, matrix, generator(own, stored.slot.tensor, str(stored.key)))

    trusted = order.entry.trust_remote_code
    write_copy(original, order.staging, remake, described, doing=purpose, trust_remote_code=trusted)


def _origin(order: Order, change: str) -> Origin:
    revision = f"seed {order.seed}, draw {order.spec.draw}"
    return Origin(order.entry.source.kind, order.spec.like, revision, changes=[change])


def _range(values: Iterable[float]) -> str:
    """Spell the smallest, the median and the largest of some correlations."""
    low, median, high = np.quantile(list(values), [0, 0.5, 1])
    return f"{low:.3f} to {high:.3f} (median {median:.3f})"
