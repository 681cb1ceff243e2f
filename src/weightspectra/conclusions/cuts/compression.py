"""How small a model can be made: what low-rank factors cost, and each method beside plain truncation."""

from collections.abc import Iterator, Mapping
from typing import Any

import pandas as pd

from weightspectra.conclusions.cuts.experiments import experiments, methods, names_of, tested
from weightspectra.conclusions.families import judge
from weightspectra.conclusions.rows import Row, row
from weightspectra.statistics.paired import contrast

PLAIN = "svd"


def conclude(evaluations: pd.DataFrame, *, seed: int) -> pd.DataFrame:
    """Give the main metric after each compression, and compare methods at the same size on the same documents.

    Parameters
    ----------
    evaluations : DataFrame
        Rows of ``contracts.EVALUATIONS``.
    seed : int
        Of resamples and signs.

    Returns
    -------
    DataFrame
        Rows of ``contracts.FINDINGS``: ``detail`` is the method, ``setting`` the
        share of the parameters asked for, ``scope`` which matrices.
    """
    return judge((found for rows in experiments(evaluations) for found in _sizes(rows, seed)), "compression")


def _sizes(rows: pd.DataFrame, seed: int) -> Iterator[Row]:
    method, size = methods(rows)
    where = rows["cut"].str.partition(" of ")[2]
    small = rows.assign(method=method, size=size, where=where)[(method != "") & (rows["control_of"] == "")]
    for _, part in small.groupby(["size", "where"], sort=False):
        compressions = part.to_dict("records")
        plain = next((cut for cut in compressions if cut["method"] == PLAIN), None)
        for cut in compressions:
            named = names_of(cut) | {"scope": cut["where"], "detail": cut["method"], "setting": cut["size"]}
            error = {"standard_error": cut["standard_error"], "resampled": cut["unit"], "n": len(cut["units"])}
            yield row("compressed_score", cut["value"], **named, **error)
            if plain is not None and cut["method"] != PLAIN:
                yield _beside_plain(cut, plain, named, seed)


def _beside_plain(cut: Mapping[Any, Any], plain: Mapping[Any, Any], named: Mapping[str, Any], seed: int) -> Row:
    difference, *numbers = (float(column[0]) for column in contrast(cut, [plain], seed=seed))
    reference = {"reference": 0.0, "reference_kind": "plain truncation to the same size"}
    return row("change_beside_plain", difference, **named, beside=plain["cut"], **tested(cut, *numbers), **reference)
