"""Cuts against their matched controls, so that "these matter" can be told from "removing any hurts"."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from weightspectra.conclusions.cuts.controls import kind_of
from weightspectra.conclusions.cuts.experiments import by_metric, main_metric
from weightspectra.conclusions.families import SIGNIFICANT
from weightspectra.report.cuts import costs
from weightspectra.report.cuts.cut_tables import MARK
from weightspectra.report.findings.cuts.controls import KINDS
from weightspectra.report.findings.finding import holds
from weightspectra.report.kit import style, wording
from weightspectra.report.kit.change_axis import change_axis, reaches
from weightspectra.report.kit.exhibit import Drawing, Entry
from weightspectra.report.kit.measurements import Measurements
from weightspectra.report.kit.table import Block, Table, by_model

COLUMNS = [
    *("model", "experiment", "metric", "higher_is_better", "cut", "kind", "n_controls", "change", "control_change"),
    *("difference", "standard_error", "difference_low", "difference_high", "p_value", "q_value"),
]
SIGNS = {"same count": ("#e69f00", "s"), "same energy": ("#009e73", "^"), "random window": ("#8c8c8c", "o")}
CUT_COLOUR = "#0072b2"
MAX_CUTS = 30
"""Cuts in one figure; of more, those that change most are drawn."""

ROW_HEIGHT, LETTER = 0.3, 0.058
"""Height of a row and mean width of a letter, in inches."""


def contrasts(found: pd.DataFrame) -> pd.DataFrame:
    """Lay out what was concluded of cuts and their matched controls.

    Parameters
    ----------
    found : DataFrame
        Rows of ``contracts.FINDINGS``.

    Returns
    -------
    DataFrame
        One row per cut and kind of control: model, experiment, metric,
        higher_is_better, cut, kind, n_controls, the cut's change and the
        controls' (mean) against the untouched model, and their difference
        with standard error, 95 % interval, p-value, q-value and ``told``, whether it is significant.
    """
    renamed = {
        **{"detail": "kind", "n_reference": "n_controls", "reference": "control_change", "number": "difference"},
        **{"low": "difference_low", "high": "difference_high", "p_corrected": "q_value"},
    }
    rows = found[found["claim"] == "change_beside_control"]
    table = rows.assign(
        higher_is_better=rows["worse_if"] == "smaller", change=rows["reference"] + rows["number"], told=holds(rows)
    )
    return table.rename(columns=renamed).astype({"n_controls": int})[[*COLUMNS, "told"]]


def contrast_table(data: Measurements) -> Table:
    """Tabulate each cut beside its matched controls: difference of their changes with interval and test."""
    blocks, numbers = [], [pd.DataFrame(columns=COLUMNS)]
    table = contrasts(data.findings)
    for model, of_model in by_model(table, data.titles):
        for rows in by_metric(of_model):
            metric = str(rows["metric"].iloc[0])
            heading = f"{data.titles[model]}, {rows['experiment'].iloc[0]}: {costs.metric_title(metric)}"
            blocks += [_block(rows, heading)] if metric == _shown(of_model, rows) else []
            numbers.append(rows[COLUMNS])
    notes = [
        "Each control removes (or, of a cut that keeps only some, keeps) as much elsewhere, within every matrix: as "
        "many values from the bulk's lower end, as much energy (sum of squares) from there upwards, or as many in a "
        "row at random places (mean of the windows; for perplexities the geometric mean). None shares a singular value "
        "with the cut.",
        "Change: against the untouched model. Difference: change of the cut minus change of the control, on the same "
        "documents or items, with its 95 % bootstrap interval; it says what other texts would give, not what other "
        "random windows would.",
        f"{MARK.strip()}: significant, the p-value of the difference, corrected over the contrasts of the experiment "
        f"(q), is at most {SIGNIFICANT}.",
    ]
    title = "Cuts against matched controls"
    both = pd.concat([frame for frame in numbers if len(frame)] or numbers)
    return Table("contrasts", title, both, blocks, notes, data.coarse)


def _shown(of_model: pd.DataFrame, rows: pd.DataFrame) -> str:
    """Return the metric of an experiment that the table shows; the CSV file has all."""
    return main_metric(of_model[of_model["experiment"] == rows["experiment"].iloc[0]])


def _block(found: pd.DataFrame, heading: str) -> Block:
    lines = found.to_dict("records")
    cells = pd.DataFrame(
        {
            "Its change": [wording.signed_number(row["change"]) for row in lines],
            "Control": [
                KINDS.get(row["kind"], row["kind"]) + (f" ({row['n_controls']})" if row["n_controls"] > 1 else "")
                for row in lines
            ],
            "Change of the control": [wording.signed_number(row["control_change"]) for row in lines],
            "Difference [95 % interval]": [
                wording.interval(row["difference"], row["difference_low"], row["difference_high"])
                + (MARK if row["told"] else "")
                for row in lines
            ],
            "q": [wording.p_value(row["q_value"]) for row in lines],
        },
        index=pd.Index(found["cut"]),
    )
    return Block(heading, "Cut", cells)


def contrast_figure(rows: pd.DataFrame) -> Figure:
    """Draw the change that each cut makes, and below it those of its matched controls, with 95 % intervals.

    Parameters
    ----------
    rows : DataFrame
        What :func:`weightspectra.report.cuts.costs.evaluated` returns, all of one model, experiment and metric.
    """
    labels = list(dict.fromkeys(rows.loc[rows["control_of"] != "", "control_of"]))
    if not labels:
        return style.message_figure("No cut has matched controls: none could be built.")
    sizes = rows.set_index("cut")["difference"].abs()
    n_cuts = len(labels)
    chosen = sorted(labels, key=lambda label: -sizes[label])[:MAX_CUTS]
    labels = [label for label in labels if label in chosen][::-1]
    drawn = rows[rows["cut"].isin(labels) | rows["control_of"].isin(labels)]
    bottom = 0.62 + 0.16 * (n_cuts > MAX_CUTS)
    height = bottom + ROW_HEIGHT * len(labels) + 0.06
    left = 0.2 + LETTER * max(map(len, labels))
    with style.applied():
        figure = style.new_figure(height)
        box = (
            left / style.FULL_WIDTH,
            bottom / height,
            1 - (left + 0.1) / style.FULL_WIDTH,
            ROW_HEIGHT * len(labels) / height,
        )
        axes = figure.add_axes(box)
        for place, label in enumerate(labels):
            _draw(axes, drawn[drawn["cut"] == label], CUT_COLOUR, "D", place + 0.24, size=4.2)
            controls = drawn[drawn["control_of"] == label]
            kinds = controls["cut"].map(kind_of)
            for number, kind in enumerate(KINDS):
                _draw(axes, controls[kinds == kind], *SIGNS[kind], place + 0.04 - 0.17 * number, size=3.0)
        axes.set_yticks(range(len(labels)), labels)
        axes.set_ylim(-0.6, len(labels) - 0.4)
        for place in range(1, len(labels)):
            axes.axhline(place - 0.5, color=style.NULL, linewidth=0.5)
        axis = change_axis(drawn)
        axis.apply([axes], "x")
        axes.set_xlabel(axis.label.replace("\n", " "))
        _legend(figure, set(drawn["cut"].map(kind_of)), n_cuts)
    return figure


def _draw(axes: Axes, rows: pd.DataFrame, colour: str, marker: str, y: float, *, size: float) -> None:
    finite = rows[np.isfinite(rows["difference"])]
    places = np.full(len(finite), y)
    axes.errorbar(finite["difference"], places, xerr=reaches(finite), fmt="none", ecolor=colour, elinewidth=0.7)
    for chosen, fill in ((finite["told"], colour), (~finite["told"], "white")):
        axes.plot(
            finite["difference"][chosen],
            places[chosen],
            marker,
            color=colour,
            markerfacecolor=fill,
            markersize=size,
            markeredgewidth=0.8,
            zorder=3,
        )


def _legend(figure: Figure, kinds: set[str], n_cuts: int) -> None:
    signs: Sequence[tuple[str, str, str]] = [
        ("the cut", CUT_COLOUR, "D"),
        *((KINDS[kind], *SIGNS[kind]) for kind in KINDS if kind in kinds),
    ]
    handles = [
        Line2D([], [], color=colour, marker=marker, markersize=3.6, linewidth=0.7, label=name)
        for name, colour, marker in signs
    ]
    sign = Line2D([], [], color=style.MUTED, marker="o", markerfacecolor="white", markersize=3.4, linestyle="none")
    sign.set_label(f"open: no significant change (q > {SIGNIFICANT})")
    title = f"the {MAX_CUTS} of {n_cuts} cuts that change most" if n_cuts > MAX_CUTS else None
    figure.legend(handles=[*handles, sign], loc="lower center", ncols=5, title=title, columnspacing=1.2)


def draw(entry: Entry, data: Measurements) -> Drawing:
    """Draw the contrasts of one model's experiment."""
    experiment, rows = costs.of_entry(entry, data)
    title = f"{data.titles[entry['model']]}: cuts beside their matched controls, {experiment}"
    return Drawing(title, contrast_figure(rows))
