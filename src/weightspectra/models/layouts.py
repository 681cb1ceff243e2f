"""How a tensor holds the weight matrices of one role or of several."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from weightspectra.sources.formats.damaged import DamagedCheckpointError

Config = Mapping[str, Any]
"""The content of a model's ``config.json``."""

Rows = tuple[slice, ...]
"""The rows of a fused matrix that make up one role, in order."""

HEADS = ("num_attention_heads", "n_head", "n_heads")
"""What one architecture or another calls the number of attention heads."""


@dataclass(frozen=True)
class Fused:
    """A tensor whose rows hold the matrices of several roles.

    Parameters
    ----------
    roles : tuple of str
    cut : callable
        From the model's configuration and the number of rows to the ``Rows`` of
        each role. Raises ``ValueError`` when the rows cannot be cut so.
    per_head : bool
        Whether the roles alternate head by head, so that ``fused_split:
        thirds`` means something else.
    """

    roles: tuple[str, ...]
    cut: Callable[[Config, int], tuple[Rows, ...]]
    per_head: bool = False


@dataclass(frozen=True)
class Slot:
    """Where one weight matrix lies: which tensor, and which part of it.

    Parameters
    ----------
    tensor : str
        Name of the tensor.
    rows : tuple of slice
        Its rows, after the next two are undone.
    transposed : bool
        Whether the tensor is stored as (n_in, n_out).
    stacked : int or None
        Its number in a three-dimensional stack of experts.
    """

    tensor: str
    rows: Rows
    transposed: bool
    stacked: int | None

    def views(self, tensor: Any) -> list[Any]:
        """Return the matrix as views of its tensor, to be stacked row-wise.

        Parameters
        ----------
        tensor : array or torch.Tensor
            The whole tensor as stored.

        Returns
        -------
        list of arrays of shape (n_rows, n_in)
            Writing into one writes into the tensor.
        """
        matrix = tensor if self.stacked is None else tensor[self.stacked]
        if self.transposed:
            matrix = matrix.T
        return [matrix[rows] for rows in self.rows]


def count(config: Config, *names: str) -> int:
    """Return the first of these numbers that the configuration holds."""
    for name in names:
        if config.get(name) is not None:
            found = config[name]
            if not isinstance(found, int) or isinstance(found, bool) or found < 1:
                raise DamagedCheckpointError(
                    f"config.json: {name} is {str(found)[:40]}; expected a whole number above 0"
                )
            return found
    raise DamagedCheckpointError(f"config.json lacks '{names[0]}'")


def _runs(lengths: Iterable[int]) -> list[slice]:
    """Return adjacent slices of these lengths, beginning at row 0."""
    runs, start = [], 0
    for length in lengths:
        runs.append(slice(start, start + length))
        start += length
    return runs


def _share(n_rows: int, n_parts: int) -> int:
    if n_rows % n_parts:
        raise ValueError(f"{n_rows} rows do not divide into {n_parts} equal parts")
    return n_rows // n_parts


def equal_parts(n_parts: int) -> Callable[[Config, int], tuple[Rows, ...]]:
    """Cut into contiguous parts of equal size."""

    def cut(config: Config, n_rows: int) -> tuple[Rows, ...]:
        return tuple((run,) for run in _runs([_share(n_rows, n_parts)] * n_parts))

    return cut


def by_head_counts(config: Config, n_rows: int) -> tuple[Rows, ...]:
    """Cut rows that hold all query heads, then all key heads, then all value heads."""
    n_queries = count(config, "num_attention_heads")
    n_keys = count(config, "num_key_value_heads", "num_attention_heads")
    size = _share(n_rows, n_queries + 2 * n_keys)
    return tuple((run,) for run in _runs([n_queries * size, n_keys * size, n_keys * size]))


def by_groups(n_groups: Callable[[Config], int]) -> Callable[[Config, int], tuple[Rows, ...]]:
    """Cut rows that alternate: the query heads of a group, its key head, its value head, the next group."""

    def cut(config: Config, n_rows: int) -> tuple[Rows, ...]:
        groups, n_queries = n_groups(config), count(config, "num_attention_heads", "n_head")
        size = _share(n_rows, n_queries + 2 * groups)
        runs = _runs([n_queries // groups * size, size, size] * groups)
        return tuple(runs[0::3]), tuple(runs[1::3]), tuple(runs[2::3])

    return cut


def falcon_groups(config: Config) -> int:
    """Return into how many groups of query heads, each with one key head, a Falcon model's rows are divided."""
    n_heads = count(config, "num_attention_heads", "n_head")
    if config.get("new_decoder_architecture", False):
        return count({**config, "n_head": n_heads}, "num_kv_heads", "n_head")
    return 1 if config.get("multi_query", True) else n_heads
