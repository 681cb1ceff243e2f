"""The figures of the calibration, drawn in the report's style."""

from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path

import false_alarms
import numpy as np
import pandas as pd
import power
import samples
import small_end
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from shares import Share, percent

from weightspectra.report.kit import style

KIND_STYLES = dict(
    zip(samples.KINDS, (("o", "#0072b2"), ("s", "#56b4e9"), ("D", "#d55e00"), ("^", "#e69f00")), strict=True)
)
NUMBER_STYLES = {1: (".", style.MUTED), 5: ("o", "#0072b2"), 30: ("s", "#009e73"), 76: ("^", "#d55e00")}
DASHES = (0, (3, 1.5))
TOOL_STYLES = {
    "ours": ("o", style.INK),
    "WeightWatcher": ("s", "#0072b2"),
    "spectrum": ("^", "#d55e00"),
    "scikit-rmt, median": ("v", "#009e73"),
    "scikit-rmt, mp_fit": ("<", "#e69f00"),
}


def draw(tables: Mapping[str, pd.DataFrame], folder: Path) -> None:
    """Draw every figure whose numbers are there, as PNG files."""
    folder.mkdir(parents=True, exist_ok=True)
    drawn = {}
    with style.applied():
        if "false_alarms" in tables:
            drawn["calibration-false-alarms"] = draw_false_alarms(tables["false_alarms"])
        if "power" in tables:
            drawn["calibration-power"] = draw_power(tables["power"], tables.get("peers"))
        if "small_end" in tables:
            drawn["calibration-small-end"] = small_end.figure(tables["small_end"])
    for name, figure in drawn.items():
        (folder / f"{name}.png").write_bytes(style.to_bytes(figure, "png"))


def draw_false_alarms(frame: pd.DataFrame) -> Figure:
    """Draw the share of noise matrices with an alarm: by shape and kind, and for heavy-tailed entries."""
    figure = style.new_figure(3.3)
    left, right = figure.subplots(1, 2, width_ratios=(4.6, 1))
    noise = frame[frame["kind"] != samples.HEAVY_TAILED]
    shapes = sorted(set(zip(noise["short_side"], noise["long_side"], strict=True)))
    places = dict(zip(shapes, spaced(shapes), strict=True))
    for offset, (kind, (marker, colour)) in zip((-0.27, -0.09, 0.09, 0.27), KIND_STYLES.items(), strict=True):
        for row in noise[noise["kind"] == kind].itertuples():
            place = places[row.short_side, row.long_side] + offset
            draw_share(left, place, Share(row.any, row.matrices), marker, colour)
            left.plot(place, 100 * row.asymptotic / row.matrices, marker, color="white", mec=style.MUTED, ms=3, mew=0.6)
    left.set_xticks(list(places.values()), [f"{long // short}" for short, long in shapes])
    for short in sorted({short for short, _ in shapes}):
        centre = np.mean([place for shape, place in places.items() if shape[0] == short])
        left.annotate(f"{short}", (centre, 0), (0, -17), ("data", "axes fraction"), "offset points", ha="center")
    left.set_xlabel("aspect ratio q, and under it the short side", labelpad=13)
    left.set_title("Pure noise", loc="left")
    draw_heavy(right, frame[frame["kind"] == samples.HEAVY_TAILED])
    top = 100 * max((noise["asymptotic"] / noise["matrices"]).max(), 0.3)
    finish_shares(left, min(top * 1.25, 100))
    finish_shares(right, 100)
    left.set_ylabel("matrices with any outlier (%)")
    figure.legend(handles=alarm_handles(), loc="lower center", ncols=6, bbox_to_anchor=(0.5, 0.0))
    figure.subplots_adjust(left=0.065, right=0.99, top=0.93, bottom=0.27, wspace=0.17)
    return figure


def spaced(shapes: list[tuple[int, int]]) -> list[float]:
    """Return places on the axis: neighbours one apart, and a gap before each new short side."""
    steps = [1.0 if before[0] == after[0] else 1.7 for before, after in pairwise(shapes)]
    return [0.0, *np.cumsum(steps).tolist()]


def draw_share(axes: Axes, place: float, share: Share, marker: str, colour: str) -> None:
    """Draw a share with its interval."""
    axes.plot([place, place], [100 * share.low, 100 * share.high], color=colour, lw=0.7)
    axes.plot(place, 100 * share.value, marker, color=colour, ms=2.8, mew=0)


def finish_shares(axes: Axes, top: float) -> None:
    """Draw level and band."""
    axes.axhspan(*(100 * end for end in false_alarms.BAND), color=style.NULL, lw=0, zorder=0)
    axes.axhline(100 * false_alarms.LEVEL, color=style.MUTED, lw=0.6, zorder=0)
    axes.set_ylim(0, top)


def alarm_handles() -> list[Line2D]:
    """Return what the legend of the false alarms explains."""
    handles = [
        Line2D([], [], marker=marker, color=colour, ms=3.5, mew=0, lw=0.7, label=kind)
        for kind, (marker, colour) in KIND_STYLES.items()
    ]
    hollow = Line2D([], [], marker="o", color="white", mec=style.MUTED, ms=3.5, lw=0, label="asymptotic edges")
    band = Line2D([], [], color=style.NULL, lw=5, label="2 to 8 %; level 5 %")
    return [*handles, hollow, band]


def draw_heavy(axes: Axes, frame: pd.DataFrame) -> None:
    """Draw heavy-tailed entries: against the law, and against shuffled entries."""
    for place, row in enumerate(frame.itertuples()):
        for offset, column, marker, colour in (
            (-0.15, "any", "o", style.OUTSIDE),
            (0.15, "permutation", "s", style.INK),
        ):
            draw_share(axes, place + offset, Share(getattr(row, column), row.matrices), marker, colour)
    axes.set_xticks(range(len(frame)), [f"{row.short_side} ×\n{row.long_side}" for row in frame.itertuples()])
    axes.set_xlim(-0.6, len(frame) - 0.4)
    axes.set_title("Entries of t(5)", loc="left")
    for place, text, colour in ((0.93, "the law", style.OUTSIDE), (0.86, "permutations", style.INK)):
        axes.text(0.98, place, text, color=colour, transform=axes.transAxes, ha="right")


def draw_power(frame: pd.DataFrame, peers: pd.DataFrame | None) -> Figure:
    """Draw the share of spikes found over their strength: ours above, other tools below."""
    figure = style.new_figure(2.5 if peers is None else 5.1)
    low, high = (0.27, 0.92) if peers is None else (0.64, 0.96)
    upper = figure.add_gridspec(1, 3, left=0.065, right=0.99, bottom=low, top=high).subplots()
    equal = frame[frame["strength"] != power.MIXTURE]
    for axes, (shape, group) in zip(upper, equal.groupby(["n_out", "n_in"], sort=False), strict=False):
        draw_strengths(axes, group)
        tell_mixtures(
            axes, frame[(frame["strength"] == power.MIXTURE) & (frame[["n_out", "n_in"]] == shape).all(axis=1)]
        )
        axes.set_title("{} × {}, one strength".format(*shape), loc="left")
    upper[0].set_ylabel("found / planted (%)")
    place = {"loc": "lower center", "ncols": 6}
    figure.legend(handles=power_handles(), bbox_to_anchor=(0.5, 0.0 if peers is None else 0.515), **place)
    if peers is not None:
        lower = figure.add_gridspec(1, 3, left=0.065, right=0.99, bottom=0.135, top=0.45).subplots()
        draw_peers(lower, peers[peers["n_spikes"] >= 0])
        handles = [
            Line2D([], [], marker=marker, color=colour, ms=4, mew=0, lw=0.7, label=tool)
            for tool, (marker, colour) in TOOL_STYLES.items()
        ]
        figure.legend(handles=handles, bbox_to_anchor=(0.5, 0), **place)
    return figure


def power_handles() -> list[Line2D]:
    """Return what the legend of the upper row explains."""
    numbers = [
        Line2D([], [], marker=marker, color=colour, ms=4, mew=0, lw=0, label=f"{n} spikes" if n > 1 else "1 spike")
        for n, (marker, colour) in NUMBER_STYLES.items()
    ]
    known = Line2D([], [], color=style.INK, lw=0.7, ls=DASHES, label="same, noise known")
    alone = Line2D([], [], color=style.MUTED, lw=1.4, alpha=0.6, label="1 spike, predicted")
    return [*numbers, known, alone]


def draw_strengths(axes: Axes, group: pd.DataFrame) -> None:
    """Draw one shape: found, the most that could be found, and the prediction for a spike that is alone."""
    fine = np.geomspace(1.01, power.STRENGTHS[-1], 200)
    n_out, n_in = group[["n_out", "n_in"]].iloc[0]
    predicted = [100 * power.predicted_share(n_out, n_in, 1, strength) for strength in fine]
    axes.plot(fine, predicted, color=style.MUTED, lw=1.4, alpha=0.6, zorder=0)
    for n_spikes, of_number in group.groupby("n_spikes"):
        marker, colour = NUMBER_STYLES[n_spikes]
        known = 100 * of_number["known_noise"] / of_number["planted"]
        found = 100 * of_number["found"] / of_number["planted"]
        axes.plot(of_number["strength"], known, color=colour, lw=0.7, ls=DASHES)
        axes.plot(of_number["strength"], found, marker, color=colour, ms=3.5, mew=0)
    strength_axis(axes)


def tell_mixtures(axes: Axes, mixtures: pd.DataFrame) -> None:
    """Write what is found of spikes of many strengths, beside the worst case of one strength that is drawn."""
    numbers = ", ".join(str(n) for n in mixtures["n_spikes"])
    found = ", ".join(percent(share) for share in mixtures["found_strong"] / mixtures["strong"])
    weakest, strongest = power.STRENGTHS[0], power.STRENGTHS[-1]
    told = (
        f"strengths mixed, {weakest:g} to {strongest:g}:\n{numbers} spikes: found\n{found} %\nof those ≥ {power.STRONG}"
    )
    axes.text(0.98, 0.05, told, transform=axes.transAxes, ha="right", fontsize=6, color=style.MUTED)


def strength_axis(axes: Axes) -> None:
    """Label the strengths, on a logarithmic scale of the excess over the threshold."""
    axes.set_xscale("function", functions=(excess, strength_of_excess))
    ticks = (1.05, 1.1, 1.2, 1.5, 2, 3, 5, 10)
    axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks], minor=False)
    axes.set_xlim(1.035, 12)
    axes.set_ylim(-3, 103)
    axes.axvline(power.STRONG, color=style.NULL, lw=0.8, zorder=0)
    axes.axhline(95, color=style.NULL, lw=0.8, zorder=0)
    axes.set_xlabel("strength / detection threshold")


def excess(strength):
    """Return the logarithm of how far a strength is above the threshold."""
    return np.log(np.maximum(np.asarray(strength, dtype=float) - 1, 1e-3))


def strength_of_excess(value):
    """Invert :func:`excess`."""
    return 1 + np.exp(value)


def draw_peers(row: list[Axes], peers: pd.DataFrame) -> None:
    """Draw what other tools find, what they miss, and what they call signal in pure noise."""
    equal = peers[peers["group"] == "one strength"]
    shape = equal[["n_out", "n_in"]].iloc[0]
    group = equal[(equal[["n_out", "n_in"]] == shape).all(axis=1)]
    for tool, (marker, colour) in TOOL_STYLES.items():
        of_tool = group[group["tool"] == tool]
        share = 100 * of_tool["found"].clip(upper=of_tool["n_spikes"]) / of_tool["n_spikes"]
        row[0].plot(of_tool["strength"], share, marker=marker, color=colour, lw=0.7, ms=3, mew=0)
    row[0].set_title("{} × {}, {} spikes, every tool".format(*shape, group["n_spikes"].iloc[0]), loc="left")
    row[0].set_ylabel("found / planted (%)")
    told = "spectrum and\nscikit-rmt find all,\nand noise (right)"
    row[0].text(0.98, 0.5, told, transform=row[0].transAxes, ha="right", fontsize=6, color=style.MUTED)
    strength_axis(row[0])
    mixtures = peers[peers["group"] == "mixture"]
    missed = (mixtures["n_spikes"] - mixtures["found"]).clip(lower=0)
    square = mixtures["n_out"] == mixtures["n_in"]
    label = mixtures["n_spikes"].astype(str) + np.where(square, "\n1:1", "\n1:4")
    draw_bars(row[1], mixtures.assign(count=missed, label=label))
    row[1].set_title("Spikes missed, strengths 1.5 to 10", loc="left")
    noise = peers[peers["group"] == "noise"]
    label = noise["n_out"].astype(str) + " × " + noise["n_in"].astype(str)
    draw_bars(row[2], noise.assign(count=noise["found"], label=label))
    row[2].set_title("Values called signal in pure noise", loc="left")


def draw_bars(axes: Axes, counts: pd.DataFrame) -> None:
    """Draw the mean ``count`` of each tool, for each ``label``."""
    labels = counts["label"].unique()
    width = 0.84 / len(TOOL_STYLES)
    means = counts.groupby(["label", "tool"])["count"].mean()
    for place, (tool, (_, colour)) in enumerate(TOOL_STYLES.items()):
        for group, label in enumerate(labels):
            if (label, tool) in means:
                at, height = group + (place - (len(TOOL_STYLES) - 1) / 2) * width, means[label, tool]
                axes.bar(at, height, 0.9 * width, color=colour)
                if height or tool == "ours":
                    place_of_text = {"xytext": (0, 1), "textcoords": "offset points", "ha": "center"}
                    axes.annotate(f"{height:.0f}", (at, height), fontsize=5, color=colour, **place_of_text)
    axes.set_xticks(range(len(labels)), labels)
