"""Fine-tuning: what removing a decile before or after it does to a classifier's accuracy."""

from typing import Any

import numpy as np
import pandas as pd

from weightspectra.conclusions.families import judge
from weightspectra.conclusions.rows import Row, row
from weightspectra.statistics.crossed import paired_difference


def conclude(finetunings: pd.DataFrame) -> pd.DataFrame:
    """Compare every removal with the untouched runs of the same seeds.

    Parameters
    ----------
    finetunings : DataFrame
        Rows of ``contracts.FINETUNINGS``.

    Returns
    -------
    DataFrame
        Rows of ``contracts.FINDINGS``: ``experiment`` is the fine-tuning,
        ``detail`` the order, ``setting`` the epoch.
    """
    rows: list[Row] = []
    for (model, name), runs in finetunings.groupby(["model", "finetuning"], sort=True):
        names = {"model": model, "experiment": name}
        rows.append(row("tested", len(runs["right"].iloc[0]), **names))
        for epoch, of_epoch in runs.groupby("epoch"):
            accuracy = of_epoch.loc[of_epoch["order"] == "none", "accuracy"]
            told = {"sd": accuracy.std(ddof=1), "resampled": "run", "n": len(accuracy)}
            rows.append(row("untouched_accuracy", accuracy.mean(), setting=epoch, **told, **names))
        free: dict[Any, pd.DataFrame] = dict(iter(runs[runs["order"] == "none"].groupby("epoch")))
        removed = runs[runs["order"] != "none"].groupby(["order", "epoch", "decile"])
        for (order, when, decile), group in removed:
            rows.append(_change(group, free[when]) | names | {"detail": order, "setting": when, "decile": decile})
    return judge(rows, "finetuning")


def _change(removed: pd.DataFrame, untouched: pd.DataFrame) -> Row:
    """Compare the runs of one removal at one epoch with the untouched runs of the same seeds at that epoch."""
    partners = untouched.set_index("seed").loc[removed["seed"]]
    change = np.stack(removed["right"].to_list()).astype(float) - np.stack(partners["right"].to_list())
    found = paired_difference(change, removed["units"].iloc[0])
    return row(
        "accuracy_change",
        found.difference,
        standard_error=found.standard_error,
        low=found.low,
        high=found.high,
        interval_level=0.95,
        reference=0.0,
        reference_kind="untouched runs of the same seeds",
        test="t of crossed runs and examples",
        resampled="run and example",
        n=len(removed),
        p_value=found.p_value,
        worse_if="smaller",
        why="with one run each, or one independent test text, no test is possible" if np.isnan(found.p_value) else "",
    )
