"""The finding on compression: what low-rank factors cost, each method beside plain truncation."""

import math

import pandas as pd

from weightspectra.report.cuts.compressions import METHODS
from weightspectra.report.cuts.costs import metric_title
from weightspectra.report.findings.cuts.scores import untouched
from weightspectra.report.findings.finding import Conclusions, Finding, each
from weightspectra.report.kit import wording
from weightspectra.report.kit.wording import probability


def compression(found: Conclusions) -> Finding | None:
    """Say what low-rank factors cost, and compare each method with plain truncation at the same size."""
    lines: list[str] = []
    everything = found.of("compressed_score")
    for model, experiment, rows in each(everything, "model", "experiment"):
        score = untouched(found, rows.iloc[0])
        for (size, where), part in rows.groupby(["setting", "scope"], sort=False):
            spelled = [
                f"{METHODS[method]} {wording.number(value)}" for method, value in part[["detail", "number"]].to_numpy()
            ]
            names = {"model": model, "experiment": experiment, "setting": size, "scope": where}
            lines.append(
                f"{found.title(model)}, {where} at {wording.whole_percent(size)} % of their parameters: "
                f"{wording.listing(spelled)} ({metric_title(str(score['metric']))}; untouched "
                f"{wording.number(score['number'])}).{_against_plain(found.of('change_beside_plain', **names))}"
            )
    return Finding("What factorising the matrices costs without retraining", lines) if lines else None


def _against_plain(rows: pd.DataFrame) -> str:
    """Say by how much methods differ from plain truncation to the same size, on the same documents."""
    said = [
        f"{METHODS[row['detail']]} {wording.interval(row['number'], row['low'], row['high'])}, "
        f"{probability(row['p_value'])}"
        for row in rows.to_dict("records")
        if not math.isnan(row["p_value"])
    ]
    return f" Against plain SVD, paired: {'; '.join(said)}." if said else ""
