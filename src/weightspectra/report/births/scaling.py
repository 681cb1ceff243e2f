"""The figure of scaling: what births can do in the end, against a setting in which they differ."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from weightspectra.birth.settings import Birth
from weightspectra.conclusions.births.events import last_of
from weightspectra.report.births import plotting
from weightspectra.report.births.words import UNITS, Births, listed_probes, probe, shown_births, sign_of, who
from weightspectra.report.kit import style
from weightspectra.report.kit.exhibit import Drawing, Entry
from weightspectra.report.kit.measurements import Measurements

SETTINGS = {
    "dimension": ("model", "dimension $d$"),
    "n_triggers": ("data", "triggers of a sequence $K$"),
    "offset": ("data", "frequent characters skipped"),
    "length": ("data", "length of a sequence $T$"),
}
"""From each setting to its section of the configuration, and to what its axis is called."""

SPELLED = {
    ("data", "triggers"): "{} triggers",
    ("data", "outputs"): "{} outputs",
    ("data", "no_repeat"): "no repeats: {}",
    ("data", "n_triggers"): "K = {}",
    ("data", "offset"): "{} skipped",
    ("data", "length"): "T = {}",
    ("model", "kind"): "{} model",
    ("model", "dimension"): "d = {}",
    ("model", "feed_forward"): "feed-forward: {}",
    ("training", "loss"): "loss: {}",
    ("training", "optimiser"): "{}",
    ("training", "learning_rate"): "rate {}",
}
"""How to spell a setting that tells one series of births from another."""

LEFT, RIGHT, TOP, GAP, BETWEEN, HEIGHT = 0.5, 0.12, 0.26, 0.42, 0.62, 1.6

AGAINST = {
    "dimension": "the dimension",
    "n_triggers": "the number of triggers",
    "offset": "the frequent characters skipped",
    "length": "the length of a sequence",
}
"""What a title calls each setting."""


def scaling_figure(probes: pd.DataFrame, births: Births, wanted: Sequence[str], against: str) -> Figure:
    """Draw probes at the end of training against a setting, a panel a probe.

    Parameters
    ----------
    probes : DataFrame
        Rows of ``contracts.PROBES`` of these births.
    births : mapping from str to Birth
        Those that agree in all other settings are one line.
    wanted : sequence of str
        Probes.
    against : str
        A setting of ``SETTINGS``.
    """
    rows = last_of(probes[(probes["outputs"] == "") & probes["birth"].isin(births)])
    series = _series(births, against)
    n_columns = min(len(wanted), 3)
    n_rows = int(np.ceil(len(wanted) / n_columns))
    width = min((style.FULL_WIDTH - LEFT - RIGHT - GAP * (n_columns - 1)) / n_columns, 3.4)
    handles = _handles(rows[rows["probe"].isin(wanted)], list(series))
    with style.applied():
        figure = style.new_figure(TOP + n_rows * HEIGHT + (n_rows - 1) * BETWEEN + 0.66)
        for number, name in enumerate(wanted):
            line, column = divmod(number, n_columns)
            place = (LEFT + column * (width + GAP), TOP + line * (HEIGHT + BETWEEN), width, HEIGHT)
            axes = plotting.place(figure, *place)
            axes.set_title(probe(name).title)
            for turn, members in enumerate(series.values()):
                _draw(axes, rows[rows["probe"] == name], members, against, turn)
            plotting.tell_if_empty(axes, rows[rows["probe"] == name])
            _finish(axes, births, against, name)
            if column == 0 or probe(name).unit != probe(wanted[number - 1]).unit:
                axes.set_ylabel(UNITS[probe(name).unit])
        figure.legend(handles=handles, loc="lower left", bbox_to_anchor=(LEFT / style.FULL_WIDTH, 0), ncols=6)
    return figure


def _series(births: Births, against: str) -> dict[str, Births]:
    """Group births that agree in all but one setting, by what tells the groups apart."""
    others = [place for place in SPELLED if place[1] != against]
    told = [place for place in others if len({setting_of(birth, *place) for birth in births.values()}) > 1]
    found: dict[str, dict[str, Birth]] = {}
    for name, birth in births.items():
        label = ", ".join(SPELLED[place].format(setting_of(birth, *place)) for place in told)
        found.setdefault(label, {})[name] = birth
    return dict(found)


def setting_of(birth: Birth, section: str, name: str) -> Any:
    """Return a setting of a birth; yes or no for those that are true or false."""
    value = getattr(getattr(birth, section), name)
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else value


def _draw(axes: Axes, rows: pd.DataFrame, births: Births, against: str, turn: int) -> None:
    """Draw one series: seeds as small signs, a line through their means, and the value expected by chance."""
    colour, marker, dashes = sign_of(turn)
    rows = rows[rows["birth"].isin(births)]
    if rows.empty:
        return
    rows = rows.assign(
        setting=rows["birth"].map(
            {name: setting_of(birth, SETTINGS[against][0], against) for name, birth in births.items()}
        )
    )
    means = plotting.over_seeds(rows, "value", by="setting")
    axes.fill_between(means.index, means["low"], means["high"], color=colour, alpha=0.15, linewidth=0, zorder=1)
    axes.plot(means.index, means["mean"], color=colour, linestyle=dashes, zorder=2)
    axes.plot(means.index, means["mean"], marker, color=colour, markersize=4, zorder=3)
    axes.plot(rows["setting"], rows["value"], marker, color=colour, markersize=1.8, markeredgewidth=0, zorder=3)
    chance = rows.groupby("setting")["chance"].mean()
    axes.plot(chance.index, chance, color=style.MUTED, linewidth=0.7, linestyle=plotting.DASHED, zorder=1)


def _finish(axes: Axes, births: Births, against: str, name: str) -> None:
    values = sorted({int(setting_of(birth, SETTINGS[against][0], against)) for birth in births.values()})
    if values[0] > 0 and values[-1] >= 4 * values[0]:
        axes.set_xscale("log")
        axes.minorticks_off()
    axes.set_xticks(values, [str(value) for value in values])
    axes.margins(x=0.08)
    axes.set_xlabel(SETTINGS[against][1])
    if probe(name).unit == "share":
        plotting.share_axis(axes)
    else:
        axes.set_ylim(bottom=min(0.0, axes.get_ylim()[0]))


def _handles(rows: pd.DataFrame, labels: Sequence[str]) -> list[Line2D]:
    handles = []
    for turn, label in enumerate(labels):
        colour, marker, dashes = sign_of(turn)
        look: dict[str, Any] = {"color": colour, "marker": marker, "linestyle": dashes}
        handles.append(plotting.handle(label or "mean over seeds", markersize=4, linewidth=1, **look))
    colour, marker, _ = sign_of(0)
    dot: dict[str, Any] = {"marker": marker, "markersize": 1.8, "markeredgewidth": 0, "linestyle": "none"}
    handles.append(plotting.handle("a seed", color=colour if len(labels) == 1 else style.MUTED, **dot))
    return [*handles, plotting.chance_handle()] if rows["chance"].notna().any() else handles


def draw(entry: Entry, data: Measurements) -> Drawing:
    """Draw the probes of the births that an entry names ``against`` one of their settings."""
    births = shown_births(entry, data)
    title = f"{who(births)}: {listed_probes(entry['probes'])} against {AGAINST[entry['against']]}"
    return Drawing(title, scaling_figure(data.probes, births, entry["probes"], entry["against"]))
