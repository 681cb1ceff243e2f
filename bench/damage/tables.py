"""Cuts that the pipeline has predicted and evaluated: its tables, joined."""

from pathlib import Path

import numpy as np
import pandas as pd
from agreement import Measured
from cells import CELLS

from weightspectra import contracts

METRIC = "perplexity_per_token"


def measured(results: Path, model: str, corpus: str, experiment: str) -> Measured:
    """Join predictions and evaluations; the prediction of a cut is the sum over its matrices.

    Parameters
    ----------
    results : path
        Folder of the pipeline's results.
    model, corpus, experiment : str
        Names in the configuration; the experiment cuts deciles.
    """
    predictions = contracts.PREDICTIONS.read(results / "predictions" / model / f"{corpus}.parquet")
    rows = contracts.EVALUATIONS.read(results / "evaluations" / model / f"{experiment}.parquet")
    rows = rows[rows["metric"] == METRIC]
    (untouched,) = rows.loc[rows["cut"] == "none", "unit_values"]
    cuts = rows[(rows["decile"] > 0) & (rows["control_of"] == "") & (rows["scope"] != "head")]
    increases = np.stack(cuts["unit_values"].tolist()) - untouched
    of_matrix = predictions.groupby(["decile", "role", "layer"])[list(CELLS.values())].sum()
    of_cut = pd.DataFrame(
        [
            of_matrix.reindex(pd.MultiIndex.from_product([[decile], roles, layers])).sum(min_count=1)
            for decile, roles, layers in zip(cuts["decile"], cuts["roles"], cuts["layers"], strict=True)
        ]
    )
    groups = np.array(["+".join(roles) for roles in cuts["roles"]])
    weights = np.array(cuts["unit_weights"].iloc[0])
    return Measured(increases, weights, {name: of_cut[column].to_numpy() for name, column in CELLS.items()}, groups)
