"""False alarms: how often a matrix of pure noise has a singular value beyond the bounds.

At a family-wise level of 5 %, that should be one matrix in twenty. Measured for
Gaussian and uniform entries, as float32 and rounded to bfloat16; the paper's
asymptotic edges are beside. Entries of Student's t distribution with five degrees of freedom
break the law; against the permutation null they should not.
"""

import argparse
from typing import NamedTuple

import numpy as np
import pandas as pd
import samples
import workers
from results import Check
from shares import Share, percent

from weightspectra.randomness.noise import permutation, shuffling
from weightspectra.spectra.law import edges, marchenko_pastur

LEVEL = 0.05
BAND = (0.02, 0.08)
N_PERMUTATIONS = 39
TASK_SECONDS = 1.0


class Cell(NamedTuple):
    """Matrices of one kind and shape: how many to draw; ``first`` counts those drawn in tasks before."""

    kind: str
    short_side: int
    long_side: int
    n_matrices: int
    first: int = 0


def cells(quick: bool) -> list[Cell]:
    """Return what to measure."""
    if quick:
        plan = [(32, (1, 4), samples.KINDS, 100), (64, (2,), samples.KINDS, 50)]
        heavy = [(64, 1, 10)]
    else:
        fewer = samples.KINDS[0], samples.KINDS[3]
        plan = [
            (64, (1, 2, 4, 8), samples.KINDS, 1000),
            (128, (1, 2, 4, 8), samples.KINDS, 1000),
            (256, (1, 2, 4, 8), samples.KINDS, 600),
            (512, (1, 2, 4, 8), samples.KINDS, 400),
            (1024, (1, 4), samples.KINDS, 60),
            (2048, (1, 4), fewer, 20),
            (4096, (1,), fewer, 8),
        ]
        heavy = [(128, 1, 300), (128, 4, 300)]
    noise = [Cell(kind, n, q * n, count) for n, qs, kinds, count in plan for q in qs for kind in kinds]
    return noise + [Cell(samples.HEAVY_TAILED, n, q * n, count) for n, q, count in heavy]


def measure(options: argparse.Namespace) -> pd.DataFrame:
    """Count the matrices with an alarm: one row for each kind and shape.

    Columns: kind, short_side, long_side, matrices, and the number of matrices with
    a value beyond the bounds (``any``), at one end (``below``, ``above``), beyond
    the ``asymptotic`` edges, and significant by ``permutation`` (heavy-tailed only).
    """
    tasks = [piece for cell in cells(options.quick) for piece in pieces(cell)]
    counts = workers.run(count_alarms, tasks, "false alarms", options.workers)
    keys = ["kind", "short_side", "long_side"]
    frame = pd.concat([pd.DataFrame(tasks)[keys], pd.DataFrame(counts)], axis=1)
    return frame.groupby(keys, sort=False).sum().reset_index()


def pieces(cell: Cell) -> list[Cell]:
    """Divide a cell into tasks of about ``TASK_SECONDS`` each."""
    n, m = cell.short_side, cell.long_side
    seconds = 2.5 * n**2 * m / 60e9 + 6 * n**3 / 60e9 + 20e-9 * n * m + 1.5e-3
    if cell.kind == samples.HEAVY_TAILED:
        seconds *= 1 + N_PERMUTATIONS
    size = max(int(TASK_SECONDS / seconds), 1)
    starts = range(0, cell.n_matrices, size)
    return [cell._replace(n_matrices=min(size, cell.n_matrices - first), first=first) for first in starts]


def count_alarms(cell: Cell) -> dict[str, int]:
    """Draw a cell's matrices and count those with an alarm."""
    kind, n, m, n_matrices, first = cell
    matrices = samples.noise(kind, n_matrices, n, m, samples.generator("false alarms", kind, n, m, first))
    spectra = samples.singular_values(matrices)
    fits = [edges.fit(values, n, m, level=LEVEL) for values in spectra]
    asymptotic = [marchenko_pastur.fit(values, n, m) for values in spectra]
    counts = {
        "matrices": n_matrices,
        "any": sum(fit.n_below + fit.n_above > 0 for fit in fits),
        "below": sum(fit.n_below > 0 for fit in fits),
        "above": sum(fit.n_above > 0 for fit in fits),
        "asymptotic": sum(fit.n_below + fit.n_above > 0 for fit in asymptotic),
        "permutation": 0,
    }
    if kind == samples.HEAVY_TAILED:
        rng = samples.generator("permutations", n, m, first)
        counts["permutation"] = sum(
            stands_out_from_shuffles(matrix.numpy(), values, fit.noise_std, rng)
            for matrix, values, fit in zip(matrices, spectra, fits, strict=True)
        )
    return counts


def stands_out_from_shuffles(
    matrix: np.ndarray, values: np.ndarray, noise_std: float, rng: np.random.Generator
) -> bool:
    """Say whether the smallest or the largest value is significant against the shuffled entries."""
    largest, smallest = shuffling.extremes(matrix, N_PERMUTATIONS, rng)
    found = permutation.p_values(values[-1], values[0], noise_std, largest=largest, smallest=smallest)
    return min(found) <= LEVEL / 2


def checks(frame: pd.DataFrame) -> list[Check]:
    """Compare the shares with the stated level: a row for each short side, and for the heavy-tailed entries."""
    noise = frame[frame["kind"] != samples.HEAVY_TAILED]
    rows = [check_size(short_side, group) for short_side, group in noise.groupby("short_side")]
    return rows + [row for cell in frame[frame["kind"] == samples.HEAVY_TAILED].itertuples() for row in heavy(cell)]


def check_size(short_side: int, group: pd.DataFrame) -> Check:
    """Compare all kinds and aspect ratios of one short side with the band.

    A cell is judged by its own share where it has 200 matrices, otherwise by its interval.
    """
    every = [Share(row["any"], row["matrices"]) for _, row in group.iterrows()]
    pooled, above, below = (Share(group[end].sum(), group["matrices"].sum()) for end in ("any", "above", "below"))
    asymptotic = Share(group["asymptotic"].sum(), group["matrices"].sum())
    outside = [share for share in every if not is_within_band(share)]
    ratios = ", ".join(str(q) for q in sorted({int(q) for q in group["long_side"] // short_side}))
    lowest, highest = (percent(end(share.value for share in every)) for end in (min, max))
    return Check(
        f"noise with a short side of {short_side}, q = {ratios}: matrices with any outlier",
        f"{pooled} of {pooled.trials}; {lowest} to {highest} % in {len(every)} kinds and shapes; "
        f"above {percent(above.value)} %, below {percent(below.value)} %; "
        f"by asymptotic edges {percent(asymptotic.value)} %",
        "5 %; each kind and shape 2 to 8 %, as far as its interval tells",
        "holds" if not outside and is_within_band(pooled) else f"{len(outside)} of {len(every)} outside",
    )


def is_within_band(share: Share) -> bool:
    """Say whether a share is between 2 and 8 %, or, of fewer than 200 matrices, whether it could be."""
    if share.trials >= 200:
        return BAND[0] <= share.value <= BAND[1]
    return share.low <= BAND[1] and share.high >= BAND[0]


def heavy(cell) -> list[Check]:
    """Compare the law and the permutation null for heavy-tailed entries."""
    law, shuffled = Share(cell.any, cell.matrices), Share(cell.permutation, cell.matrices)
    what = f"{samples.HEAVY_TAILED} entries, {cell.short_side} x {cell.long_side}: matrices with any outlier"
    return [
        Check(f"{what}, by the law", f"{law} of {law.trials}", "more than 5 %: the law needs lighter tails", "as told"),
        Check(
            f"{what}, by {N_PERMUTATIONS} permutations",
            f"{shuffled} of {shuffled.trials}",
            "2 to 8 %",
            "holds" if is_within_band(shuffled) else "outside",
        ),
    ]
