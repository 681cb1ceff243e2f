"""Which components of an attention matrix's singular vectors belong to which head."""

from collections.abc import Iterable

from weightspectra.models.families.registry import family_of
from weightspectra.models.layouts import HEADS, Config, count
from weightspectra.sources.formats.damaged import DamagedCheckpointError

SIDES = {"query": "left", "key": "left", "value": "left", "attention_output": "right"}
"""From a role to the side on which its heads lie: where they write, or where their results are read.

On that side each head has a block of adjacent components, all of one size, in
the order of the heads.
"""


def head_counts(config: Config) -> dict[str, int]:
    """Return into how many heads the components of each attention matrix are divided.

    Parameters
    ----------
    config : mapping
        The model's ``config.json``.

    Returns
    -------
    dict from str to int
        By role. Keys and values have fewer heads than queries where these share them.

    Raises
    ------
    UserError
        When no row describes the architecture, or the number is missing.
    """
    n_heads, n_key_heads = count(config, *HEADS), family_of(config).key_heads(config)
    return {"query": n_heads, "key": n_key_heads, "value": n_key_heads, "attention_output": n_heads}


def head_sizes(config: Config, matrices: Iterable[tuple[str, int, int]]) -> set[int]:
    """Return how many components a head has, in every attention matrix of a model.

    Parameters
    ----------
    config : mapping
        The model's ``config.json``.
    matrices : iterable of (role, n_out, n_in)

    Raises
    ------
    UserError
        When a matrix does not divide into its heads.
    """
    counts, sizes = head_counts(config), set()
    for role, n_out, n_in in matrices:
        if role in SIDES:
            n_components = n_out if SIDES[role] == "left" else n_in
            size, rest = divmod(n_components, counts[role])
            if rest:
                raise DamagedCheckpointError(
                    f"config.json: {counts[role]} heads, but a matrix '{role}' of shape ({n_out}, {n_in}) has "
                    f"{n_components} components to divide among them"
                )
            sizes.add(size)
    return sizes
