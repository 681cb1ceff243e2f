r"""The small end: whether a direction that learning has made quiet is found below the bulk.

A linear student of a linear teacher (``weightspectra.theory.linear_model``; section 6 of arXiv
2410.17770v3, with the parameters of its figure 7) loses noise along one direction as it learns. As
the matrix grows, the smallest singular value leaves the bulk where the share that is not
learned, 1 / (1 + alpha beta), falls below 0.4896. A finite matrix has noise of its own there: the
bounds lie a little below the edge, and what is expected is found once the value predicted lies below
the bound.
"""

import argparse
from typing import NamedTuple

import numpy as np
import pandas as pd
import samples
import torch
import workers
from matplotlib.figure import Figure
from results import Check
from scipy.optimize import brentq
from shares import Share, percent

from weightspectra.report.kit import style
from weightspectra.spectra.law import edges
from weightspectra.theory.linear_model import LinearModel, merger

LEVEL = 0.05
TEACHER_NORM = 0.2
SHAPES = ((256, 1024), (512, 2048))
RESIDUALS = (0.001, 0.05, 0.1, 0.2, 0.3, 0.35, 0.4, 0.425, 0.45, 0.475, 0.5, 0.55, 0.6, 0.7, 0.85, 1.0)
N_DRAWS = 100
N_TASKS = 4
"""The draws of a point are divided into so many tasks."""

CLEAR = 0.9
"""Below this multiple of the residual at which it is expected, structure is to be found in 95 % of the draws."""

COLOURS = ("#56b4e9", "#0072b2")


class Point(NamedTuple):
    """Some students of one size that have learned equally much."""

    n_out: int
    n_in: int
    residual: float
    n_draws: int
    task: int = 0


def measure(options: argparse.Namespace) -> pd.DataFrame:
    """Draw students and look below the bulk: one row for each size and residual.

    Columns: n_out, n_in, residual, draws, below and above (draws with a value beyond the bound at that end),
    mean and deviation of the smallest value, predicted (NaN where it has merged with the bulk), bound.
    """
    shapes, residuals, n_draws = SHAPES, RESIDUALS, N_DRAWS
    if options.quick:
        shapes, residuals, n_draws = ((64, 256),), (0.001, 0.2, 1.0), 20
    tasks = [
        Point(*shape, residual, n_draws // N_TASKS, task)
        for shape in shapes
        for residual in residuals
        for task in range(N_TASKS)
    ]
    found = pd.concat(workers.run(draw_and_look, tasks, "small end", options.workers))
    groups = found.groupby(["n_out", "n_in", "residual"], sort=False)
    frame = groups.agg(
        draws=("below", "size"),
        below=("below", "sum"),
        above=("above", "sum"),
        mean=("smallest", "mean"),
        deviation=("smallest", "std"),
    ).reset_index()
    models = [LinearModel(row.n_out, row.n_in, row.residual, TEACHER_NORM) for row in frame.itertuples()]
    return frame.assign(
        predicted=[model.smallest_value() for model in models],
        bound=[noise_bound(model.n_out, model.n_in) for model in models],
    )


def draw_and_look(point: Point) -> pd.DataFrame:
    """Draw the students of one task, and say of each in a row what was found and its smallest value."""
    model = LinearModel(point.n_out, point.n_in, point.residual, TEACHER_NORM)
    rng = samples.generator("small end", *point)
    found = []
    for _ in range(point.n_draws):
        values = samples.singular_values(torch.from_numpy(model.sample(rng)[0])[None])[0]
        fit = edges.fit(values, point.n_out, point.n_in, level=LEVEL)
        found.append({"below": fit.n_below > 0, "above": fit.n_above > 0, "smallest": values[-1]})
    return pd.DataFrame(found).assign(n_out=point.n_out, n_in=point.n_in, residual=point.residual)


def noise_bound(n_out: int, n_in: int) -> float:
    """Return the lower bound of a student that has learned nothing: what structure is first held against."""
    return edges.bounds(n_in**-0.5, n_in, n_out, LEVEL)[0]


def expected_from(n_out: int, n_in: int) -> float:
    """Return the residual below which the predicted smallest value lies below the bound."""
    bound, highest = noise_bound(n_out, n_in), merger(n_out / n_in, TEACHER_NORM)

    def excess(residual: float) -> float:
        return LinearModel(n_out, n_in, residual, TEACHER_NORM).smallest_value() - bound

    return float(brentq(excess, 1e-6, highest * (1 - 1e-9)))


def checks(frame: pd.DataFrame) -> list[Check]:
    """Ask of each size that structure is found down to where theory expects it, and none where there is none."""
    return [check(*shape, rows) for shape, rows in frame.groupby(["n_out", "n_in"], sort=False)]


def check(n_out: int, n_in: int, rows: pd.DataFrame) -> Check:
    """Compare one size with the prediction."""
    limit = expected_from(n_out, n_in)
    clear = rows[rows["residual"] <= CLEAR * limit]
    missed = clear[clear["below"] < 0.95 * clear["draws"]]
    false = Share(int(rows[rows["residual"] == 1]["below"].sum()), int(rows[rows["residual"] == 1]["draws"].sum()))
    listed = ", ".join(f"{row.residual:g}: {percent(row.below / row.draws)}" for row in rows.itertuples())
    holds = missed.empty and false.low <= LEVEL / 2
    return Check(
        f"structure below the bulk, {n_out} x {n_in}: share found by what is not learned",
        f"{listed} %",
        f"all while below {limit:.3f} (the bulk is reached at {merger(n_out / n_in, TEACHER_NORM):.4f}); "
        f"{percent(LEVEL / 2)} % at 1",
        "holds" if holds else f"falls short at {missed['residual'].min():g}" if not missed.empty else "false alarms",
    )


def figure(frame: pd.DataFrame) -> Figure:
    """Draw the smallest singular value and the share found over what is not learned."""
    drawn = style.new_figure(2.5)
    left, right = drawn.subplots(1, 2)
    marks = {"ms": 2.8, "lw": 0.7}
    sizes = list(frame.groupby(["n_out", "n_in"], sort=False))
    for ((n_out, n_in), rows), colour in zip(sizes, COLOURS[-len(sizes) :], strict=True):
        label = f"{n_out} × {n_in}"
        left.errorbar(rows["residual"], rows["mean"], rows["deviation"], fmt="o", color=colour, label=label, **marks)
        left.axhline(rows["bound"].iloc[0], color=colour, lw=0.7, ls=(0, (3, 1.5)))
        shares = [Share(int(row.below), int(row.draws)) for row in rows.itertuples()]
        found = 100 * np.array([share.value for share in shares])
        low, high = (100 * np.array([getattr(share, end) for share in shares]) for end in ("low", "high"))
        right.errorbar(rows["residual"], found, (found - low, high - found), fmt="o-", color=colour, **marks)
    n_out, n_in = sizes[-1][0]
    merged = merger(n_out / n_in, TEACHER_NORM)
    residuals = np.linspace(0, merged * (1 - 1e-9), 300)
    curve = [LinearModel(n_out, n_in, residual, TEACHER_NORM).smallest_value() for residual in residuals]
    left.plot(residuals, curve, color=style.OUTSIDE, lw=1, label="theory")
    left.axhspan(1 - (n_out / n_in) ** 0.5, left.get_ylim()[1], color=style.NULL, lw=0, zorder=0, label="bulk")
    left.set_title("Smallest singular value; dashed: the bounds", loc="left")
    right.axvline(merged, color=style.OUTSIDE, lw=0.7)
    right.annotate(f"merger, {merged:.4f}", (merged, 60), (4, 0), textcoords="offset points", color=style.OUTSIDE)
    right.axhline(100 * LEVEL / 2, color=style.MUTED, lw=0.6, zorder=0)
    right.set_title("Found below the bulk (%)", loc="left")
    for axes in (left, right):
        axes.set_xlabel("share that is not learned, 1 / (1 + αβ)")
    left.legend(loc="lower right")
    drawn.subplots_adjust(left=0.06, right=0.99, top=0.91, bottom=0.17, wspace=0.14)
    return drawn
