"""What a paper printed on removing singular values, beside experiments of the same shape on the same model."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from weightspectra.report.cuts import costs
from weightspectra.report.kit import wording
from weightspectra.report.kit.table import Block, by_model
from weightspectra.report.kit.wording import ROLE_TITLES
from weightspectra.report.spectra import summaries

COLUMNS = ["model", "experiment", "source", "metric", "scope", "row", "decile", "published", "found"]
STUBS = {"role": "Role", "layer": "Layer", "all": "Task"}


def compare(
    printed: Sequence[Mapping[str, Any]], evaluations: pd.DataFrame, origins: Mapping[str, str]
) -> pd.DataFrame:
    """Put each printed number beside the one that an experiment of the same shape gave here.

    Parameters
    ----------
    printed : sequence of mapping
        ``removals`` as in ``config/published/``: tables with ``source``, ``repo``,
        ``scope``, ``deciles``, ``values`` by row, ``metric`` (in tables of the
        scope ``all`` the row is the metric), and ``untouched`` where that was printed.
    evaluations : DataFrame
        Rows of ``contracts.EVALUATIONS``.
    origins : mapping
        From each model to the repository it came from.

    Returns
    -------
    DataFrame
        One row per printed number that was measured, too: model, experiment, source, metric,
        scope, row (role, layer or task; empty for the untouched model), decile
        (0: untouched), published, found. Shares of tasks are in per cent, as printed.
    """
    rows: list[tuple[Any, ...]] = []
    for table in printed:
        for model, origin in origins.items():
            if table["repo"] == origin:
                rows += _of_model(table, model, evaluations[evaluations["model"] == model])
    return pd.DataFrame(rows, columns=COLUMNS)


def _of_model(table: Mapping[str, Any], model: str, evaluations: pd.DataFrame) -> list[tuple[Any, ...]]:
    found: list[tuple[Any, ...]] = []
    for row, values in table["values"].items():
        printed = dict(zip(table["deciles"], values, strict=True))
        wanted = str(row) if table["scope"] == "all" else table["metric"]
        for metric in dict.fromkeys(evaluations["metric"]):
            if wanted in metric.split("/"):
                cuts = _cuts(evaluations[evaluations["metric"] == metric], table["scope"], row)
                factor = 100 if "/" in metric else 1
                found += [
                    (
                        model,
                        cut["experiment"],
                        table["source"],
                        metric,
                        table["scope"],
                        str(row),
                        cut["decile"],
                        number,
                        factor * cut["value"],
                    )
                    for cut in cuts
                    for number in [printed.get(cut["decile"], math.nan)]
                ]
    untouched = [
        _untouched(table, *names, evaluations) for names in dict.fromkeys((line[1], line[3]) for line in found)
    ]
    return [*untouched, *found] if "untouched" in table else found


def _untouched(table: Mapping[str, Any], experiment: str, metric: str, evaluations: pd.DataFrame) -> tuple[Any, ...]:
    rows = evaluations[(evaluations["experiment"] == experiment) & (evaluations["metric"] == metric)]
    value = (100 if "/" in metric else 1) * costs.untouched(rows)["value"]
    names = (rows["model"].iloc[0], experiment, table["source"], metric, table["scope"])
    return (*names, "", 0, table.get("untouched", math.nan), value)


def _cuts(evaluations: pd.DataFrame, scope: str, row: Any) -> list[dict[Any, Any]]:
    """Return the cuts of one decile in the scope, of what the printed row speaks of."""
    chosen = (evaluations["decile"] > 0) & (evaluations["scope"] == scope) & (evaluations["control_of"] == "")
    cuts: list[dict[Any, Any]] = evaluations[chosen].to_dict("records")
    return [cut for cut in cuts if _same(cut, scope, row)]


def _same(cut: Mapping[str, Any], scope: str, row: Any) -> bool:
    """Return whether a cut takes what the printed row speaks of."""
    return scope == "all" or (list(cut["roles"]) == [row] if scope == "role" else list(cut["layers"]) == [row])


def blocks(compared: pd.DataFrame, titles: Mapping[str, str]) -> list[Block]:
    """Spell the comparison, one block a model, experiment and printed table: "found (published)" by decile."""
    made = []
    for model, of_model in by_model(compared, titles):
        for (experiment, source, metric), rows in of_model.groupby(["experiment", "source", "metric"], sort=False):
            untouched = rows[rows["decile"] == 0]
            before = "".join(f"; untouched {_both(*pair)}" for pair in untouched[["found", "published"]].to_numpy())
            rows = rows[rows["decile"] > 0]
            cells = rows.assign(cell=[_both(*pair) for pair in rows[["found", "published"]].to_numpy()]).pivot_table(
                index="row", columns="decile", values="cell", aggfunc="first", sort=False
            )
            if rows["scope"].iloc[0] == "role":
                cells = cells.reindex(summaries.ordered_roles(rows["row"])).rename(index=ROLE_TITLES)
            cells = cells[sorted(cells.columns)].fillna(wording.NOTHING).rename(columns="decile {}".format)
            heading = f"{titles[model]}, {source}: {costs.metric_title(str(metric))}, {experiment}{before}"
            made.append(Block(heading, STUBS[str(rows["scope"].iloc[0])], cells))
    return made


def _both(found: float, published: float) -> str:
    return f"{wording.number(found)} ({wording.NOTHING if math.isnan(published) else wording.number(published)})"


def note(printed: Sequence[Mapping[str, Any]], compared: pd.DataFrame) -> str:
    """Say which printed tables have no counterpart here."""
    seen = set(compared["source"])
    without = [table["source"] for table in printed if table["source"] not in seen]
    if not without:
        return ""
    return f"No experiment of the shape of {wording.listing(without)} was run on the model printed there."
