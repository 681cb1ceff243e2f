"""Compressed models: how many parameters each keeps and what that costs, as rows, table and figure."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullFormatter

from weightspectra.conclusions.cuts.experiments import experiments, methods
from weightspectra.report.cuts import costs
from weightspectra.report.cuts.cut_tables import MARK, MARKED, change_with_interval
from weightspectra.report.kit import style, wording
from weightspectra.report.kit.change_axis import spelled
from weightspectra.report.kit.exhibit import Drawing, Entry
from weightspectra.report.kit.measurements import Measurements
from weightspectra.report.kit.table import Block, Table, by_model

METHODS = {
    "svd": "plain SVD",
    "whitened": "whitened SVD",
    "boundary": "plain SVD, ranks by boundary",
    "whitened_boundary": "whitened SVD, ranks by boundary",
}
"""From each method of the configuration to what people read, in the order in which they are shown."""

SIGNS = {"svd": ("#0072b2", "o"), "whitened": ("#d55e00", "s"), "boundary": ("#56b4e9", "^")}
SIGNS["whitened_boundary"] = ("#8c6d31", "D")
SINGLE = ("#7a5c00", "x")


def compressions(rows: pd.DataFrame, matrices: pd.DataFrame) -> pd.DataFrame:
    """Return the compressions of one model, experiment and metric, and single-matrix cuts beside them.

    Parameters
    ----------
    rows : DataFrame
        What :func:`weightspectra.report.cuts.costs.evaluated` returns.
    matrices : DataFrame
        Rows of ``contracts.MATRICES``.

    Returns
    -------
    DataFrame
        The cuts, flattened (:func:`weightspectra.report.cuts.costs.flattened`), with
        ``method`` (a key of ``METHODS``, or empty for a cut of one
        matrix), ``size`` (the share asked for; NaN for a cut of one matrix), ``where`` (which matrices) and
        ``kept_share``: parameters left as a share of all of the model's weight
        matrices that the largest compression touches. Empty where nothing was compressed.
    """
    method, size = methods(rows)
    chosen = rows[(method != "") | (rows["scope"] == "matrix")].copy()
    if not (method != "").any():
        return costs.flattened(rows.iloc[:0]).assign(method="", size=0.0, where="", kept_share=0.0)
    chosen["method"] = method
    chosen["size"] = size
    chosen["where"] = chosen["cut"].str.partition(" of ")[2]
    touched = [_n_parameters(row, matrices) for row in chosen.to_dict("records")]
    chosen["kept_share"] = 1 - (touched - chosen["kept_parameters"]) / max(touched)
    return costs.flattened(chosen[chosen["control_of"] == ""])


def _n_parameters(row: dict, matrices: pd.DataFrame) -> int:
    """Return how many parameters the matrices of a cut have whole; of a single matrix with experts, one."""
    here = matrices["role"].isin(row["roles"]) & matrices["layer"].isin(row["layers"])
    found = matrices[here & (matrices["model"] == row["model"])]
    sizes = found["n_out"].astype(int) * found["n_in"].astype(int)
    return int(sizes.iloc[0] if row["scope"] == "matrix" else sizes.sum())


def of_measurements(data: Measurements) -> list[tuple[str, pd.DataFrame, pd.DataFrame]]:
    """Return title, rows of the main metric, and compressions of every experiment that has some."""
    found = []
    for model, of_model in by_model(costs.evaluated(data), data.titles):
        for rows in experiments(of_model):
            small = compressions(rows, data.matrices)
            if len(small):
                found.append((data.titles[model], rows, small))
    return found


def compression(data: Measurements) -> Table:
    """Tabulate the metric by method and size, and what cuts of single matrices keep and cost."""
    blocks, numbers = [], []
    for title, rows, small in of_measurements(data):
        untouched = costs.untouched(rows)
        heading = f"{title}, {untouched['experiment']}: {costs.describe(untouched)}"
        for where, part in small[small["method"] != ""].groupby("where", sort=False):
            blocks.append(_crossed(part, f"{heading}; {where}"))
        single = small[small["method"] == ""]
        if len(single):
            blocks.append(_list(single, heading))
        numbers.append(small[[*costs.COLUMNS, "method", "size", "kept_share"]])
    notes = [
        "Metric after the compression, and in brackets the share of the parameters that the touched matrices keep, in "
        "per cent. Whitened: the factors are chosen for what the layer puts out on the observed text (SVD-LLM). By "
        "boundary: the same parameters divided among the matrices by how many directions noise does not explain.",
        MARKED,
    ]
    empty = costs.flattened(data.evaluations.iloc[:0])[costs.COLUMNS]
    both = pd.concat(numbers) if numbers else empty.assign(method="", size=0.0, kept_share=0.0)
    return Table("compression", "Compression", both, blocks, notes, data.coarse)


def _crossed(part: pd.DataFrame, heading: str) -> Block:
    values = [
        f"{wording.number(row['value'])} ({wording.percent(row['kept_share'])}){MARK if row['told'] else ''}"
        for row in part.to_dict("records")
    ]
    cells = part.assign(cell=values).pivot_table(index="method", columns="size", values="cell", aggfunc="first")
    cells = cells.reindex(index=[method for method in METHODS if method in cells.index])
    cells = cells[sorted(cells.columns, reverse=True)].fillna(wording.NOTHING)
    return Block(heading, "Method", cells.rename(index=METHODS, columns="size {:g}".format))


def _list(single: pd.DataFrame, heading: str) -> Block:
    cells = pd.DataFrame(
        {
            "Parameters kept, %": single["kept_share"].map(wording.percent).array,
            "After the cut": [wording.number(value) for value in single["value"]],
            "Change [95 % interval]": [change_with_interval(row) for row in single.to_dict("records")],
        },
        index=pd.Index(single["cut"]),
    )
    return Block(f"{heading}; one matrix only", "Cut", cells)


def compression_figure(rows: pd.DataFrame, small: pd.DataFrame) -> Figure:
    """Draw the metric over the share of parameters kept, a line a method, single-matrix cuts as crosses.

    Parameters
    ----------
    rows : DataFrame
        What :func:`weightspectra.report.cuts.costs.evaluated` returns, all of one model, experiment and metric.
    small : DataFrame
        What :func:`compressions` makes of them.
    """
    untouched = costs.untouched(rows)
    drawn = small[np.isfinite(small["value"])]
    groups = set(small.loc[small["method"] != "", "where"])
    with style.applied():
        figure = style.new_figure(2.9)
        axes = figure.add_axes((0.09, 0.15, 0.6, 0.8))
        for method, title in METHODS.items():
            for where, line in drawn[drawn["method"] == method].groupby("where", sort=False):
                _line(axes, line, title if len(groups) == 1 else f"{title}, {where}", *SIGNS[method])
        single = drawn[drawn["method"] == ""]
        if len(single):
            _line(axes, single, "one matrix cut (as LASER)", *SINGLE, connect=False)
        axes.axhline(untouched["value"], color=style.MUTED, linewidth=0.7, linestyle=(0, (4, 3)), label="untouched")
        _set_axes(axes, drawn, untouched)
        overflow = len(small) - len(drawn)
        if overflow:
            axes.plot([], [], " ", label=f"not drawn: {overflow:,} that overflow")
        axes.legend(loc="upper left", bbox_to_anchor=(1.01, 1.0))
    return figure


def _line(axes: Axes, rows: pd.DataFrame, title: str, colour: str, marker: str, *, connect: bool = True) -> None:
    """Draw one method with the 95 % interval of its change, moved to the untouched level."""
    if rows.empty:
        return
    ordered = rows.sort_values("kept_share")
    base = ordered["value"] - ordered["difference"]
    ends = np.stack(
        [ordered["value"] - base - ordered["difference_low"], ordered["difference_high"] - ordered["value"] + base]
    )
    reach = np.where(np.isfinite(ends), np.clip(ends, 0, None), 0.0)
    axes.errorbar(
        100 * ordered["kept_share"],
        ordered["value"],
        yerr=reach,
        fmt=f"{marker}-" if connect else marker,
        color=colour,
        markersize=4,
        linewidth=0.9,
        elinewidth=0.7,
        label=title,
    )


def _set_axes(axes: Axes, drawn: pd.DataFrame, untouched: pd.Series) -> None:
    axes.set_xlim(min(100 * drawn["kept_share"].min() - 3, 90), 101)
    axes.set_xlabel("parameters kept, % of all matrices compressed")
    axes.set_ylabel(costs.metric_title(untouched["metric"]))
    if untouched["higher_is_better"]:
        return
    axes.set_yscale("log")
    values = [*drawn["value"], untouched["value"]]
    low, high = 0.9 * min(values), 1.2 * max(values)
    axes.set_ylim(low, high)
    axes.yaxis.set_major_locator(FixedLocator(round_values(low, high)))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: spelled(value)))
    axes.yaxis.set_minor_formatter(NullFormatter())


def round_values(low: float, high: float) -> Sequence[float]:
    """Return round numbers between two positive ends for a logarithmic axis: 1, 2, 5 of each decade, or fewer."""
    first, last = int(np.floor(np.log10(low))), int(np.ceil(np.log10(high)))
    steps = (1, 2, 5) if last - first <= 3 else (1,)
    found = [step * 10.0**power for power in range(first, last + 1) for step in steps]
    if last - first > 6:
        found = found[:: int(np.ceil((last - first) / 6))]
    return [value for value in found if low <= value <= high]


def draw(entry: Entry, data: Measurements) -> Drawing:
    """Draw the compressions of one model's experiment."""
    experiment, rows = costs.of_entry(entry, data)
    title = f"{data.titles[entry['model']]}: compression, {experiment}"
    return Drawing(title, compression_figure(rows, compressions(rows, data.matrices)))
