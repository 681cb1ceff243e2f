"""Power: how many planted spikes are found, against what theory says can be found.

A rank-one spike of strength theta in n x m noise of entry variance sigma**2 leaves the bulk
when theta > (n m)**(1/4) sigma (Baik, Ben Arous and Peche; for this model Benaych-Georges and
Nadakuditi, J. Multivariate Anal. 111, 120 (2012)). Its singular value s then has

    mean**2  = sigma**2 (t + n) (t + m) / t,                       t = (theta / sigma)**2
    variance = sigma**2 (2 t + n + m) (t**2 - n m) / (2 t (t + n) (t + m))

for real Gaussian noise. The variance follows from the linearised equation for s, with the
fluctuations of u'Gu, v'Gv and u'GNv about their means (G the noise's resolvent) for vectors
u and v that are random in the noise's eigenbasis; it tends to sigma**2 for a strong spike, and to
zero at the threshold, where the fluctuations are Tracy and Widom's instead.

Several spikes of nearly one strength repel each other: their singular values spread as the eigenvalues
of a random matrix do, and the lower ones sink into the bulk, whatever the method. What a method
could find that knows the noise exactly is therefore measured beside.
"""

import argparse
from typing import NamedTuple

import numpy as np
import pandas as pd
import samples
import torch
import workers
from results import Check
from scipy.stats import norm
from shares import percent

from weightspectra.spectra.law import edges

LEVEL = 0.05
SHAPES = ((768, 768), (768, 3072), (1024, 1024))
N_SPIKES = (1, 5, 30, 76)
STRENGTHS = (1.05, 1.1, 1.2, 1.3, 1.5, 2.0, 3.0, 5.0, 10.0)
MIXTURE = 0.0
"""Stands for strengths from the weakest to the strongest, evenly on a logarithmic scale."""

STRONG = 1.3
"""From this multiple of the threshold on, 95 % are to be found."""

SPREAD = 0.01
N_REPEATS = 10


class Planting(NamedTuple):
    """One matrix with planted spikes; of single spikes, which need more repetitions, several matrices."""

    n_out: int
    n_in: int
    n_spikes: int
    strength: float
    repeat: int


def measure(options: argparse.Namespace) -> pd.DataFrame:
    """Plant and look: one row for each shape, number of spikes and strength.

    Columns: n_out, n_in, n_spikes, strength (0: the mixture), planted, found, false
    (values beyond the bounds that nothing was planted for, at either end), known_noise (found by bounds
    that know the noise), strong and found_strong (those of at least 1.3 times the threshold), predicted.
    """
    shapes, numbers, strengths, n_repeats = SHAPES, N_SPIKES, STRENGTHS, N_REPEATS
    if options.quick:
        shapes, numbers, strengths, n_repeats = ((96, 96), (96, 192)), (1, 5), (1.05, 1.3, 3.0), 4
    tasks = [
        Planting(n_out, n_in, n_spikes, strength, repeat)
        for n_out, n_in in shapes
        for n_spikes in numbers
        for strength in [*strengths, *([MIXTURE] if n_spikes > 1 else [])]
        for repeat in range(n_repeats * (3 if n_spikes == 1 else 1))
    ]
    counts = pd.DataFrame(workers.run(plant_and_look, tasks, "power", options.workers))
    keys = list(Planting._fields[:-1])
    frame = pd.concat([pd.DataFrame(tasks), counts], axis=1).drop(columns="repeat")
    frame = frame.groupby(keys, sort=False).sum().reset_index()
    return frame.assign(predicted=[predicted_share(*row) for row in frame[keys].itertuples(index=False)])


def strengths_of(n_spikes: int, strength: float) -> np.ndarray:
    """Return the strengths to plant, strongest first, in units of the threshold."""
    if strength == MIXTURE:
        return np.geomspace(STRENGTHS[-1], STRENGTHS[0], n_spikes)
    if n_spikes == 1:
        return np.array([strength])
    return strength * np.linspace(1 + SPREAD, 1 - SPREAD, n_spikes)


def plant_and_look(planting: Planting) -> dict[str, int]:
    """Plant spikes in one matrix and count those found."""
    n_out, n_in, n_spikes, strength, _ = planting
    strengths = strengths_of(n_spikes, strength)
    matrix = samples.planted(n_out, n_in, strengths, samples.generator("power", *planting))
    values = samples.singular_values(torch.from_numpy(matrix)[None])[0]
    fit = edges.fit(values, n_out, n_in, level=LEVEL)
    known = int((values > noise_bound(n_out, n_in, n_spikes)).sum())
    n_strong = int((strengths >= STRONG * (1 - SPREAD)).sum())
    return {
        "planted": n_spikes,
        "found": min(fit.n_above, n_spikes),
        "false": max(fit.n_above - n_spikes, 0) + fit.n_below,
        "known_noise": min(known, n_spikes),
        "strong": n_strong,
        "found_strong": min(fit.n_above, n_strong),
    }


def noise_bound(n_out: int, n_in: int, n_spikes: int) -> float:
    """Return the upper bound of the noise beside so many spikes, in units of its scale."""
    long_side, short_side = max(n_out, n_in), min(n_out, n_in)
    return edges.bounds(long_side**-0.5, long_side - n_spikes, short_side - n_spikes, LEVEL)[1]


def predicted_share(n_out: int, n_in: int, n_spikes: int, strength: float) -> float:
    """Return the probability that a spike, were it alone, is found; averaged over the mixture."""
    means, deviations = predicted_value(n_out, n_in, strengths_of(n_spikes, strength))
    return float(norm.sf((noise_bound(n_out, n_in, 1) - means) / deviations).mean())


def predicted_value(n_out: int, n_in: int, strengths: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return mean and standard deviation of the singular values of spikes above the threshold.

    Parameters
    ----------
    n_out, n_in : int
    strengths : array
        In units of the threshold, above one.

    Returns
    -------
    means, deviations : arrays
        In units of the noise's scale; see the equations at the top of this module.
    """
    t = np.asarray(strengths) ** 2 * (n_out * n_in) ** 0.5
    both = (t + n_out) * (t + n_in)
    variances = (2 * t + n_out + n_in) * (t**2 - n_out * n_in) / (2 * t * both)
    unit = max(n_out, n_in) ** -0.5
    return unit * np.sqrt(both / t), unit * np.sqrt(variances)


def checks(frame: pd.DataFrame) -> list[Check]:
    """Compare with the prediction: a row for each mixture, and one for each number of spikes of one strength."""
    mixtures = [check_mixture(row) for row in frame[frame["strength"] == MIXTURE].itertuples()]
    equal = frame[frame["strength"] != MIXTURE].groupby(["n_out", "n_in", "n_spikes"], sort=False)
    return mixtures + [check_strengths(shape_and_number, rows) for shape_and_number, rows in equal]


def check_mixture(row) -> Check:
    """Ask that 95 % of the spikes well above the threshold are found, and next to nothing else."""
    share, rate = row.found_strong / row.strong, row.false / (row.planted / row.n_spikes)
    return Check(
        f"{row.n_spikes} spikes of {STRENGTHS[0]} to {STRENGTHS[-1]} times the threshold, {row.n_out} x {row.n_in}",
        f"{percent(share)} % of those >= {STRONG} found; of all {percent(row.found / row.planted)} %; "
        f"{rate:.2g} false ones a matrix",
        f"95 % of those >= {STRONG}; of all {percent(row.predicted)} % were each alone, "
        f"{percent(row.known_noise / row.planted)} % if the noise were known",
        "holds" if share >= 0.95 else "falls short",
    )


def check_strengths(shape_and_number: tuple[int, int, int], rows: pd.DataFrame) -> Check:
    """Compare the share found at each strength with the prediction and with bounds that know the noise."""
    n_out, n_in, n_spikes = shape_and_number
    found, known = rows["found"] / rows["planted"], rows["known_noise"] / rows["planted"]
    start, start_known = (first_strength_found(rows["strength"], shares) for shares in (found, known))
    if start <= STRONG:
        verdict = "holds"
    else:
        verdict = f"95 % from {start:g} on" + (", as if the noise were known" if start <= start_known else "")
    strengths = ", ".join(f"{strength:g}" for strength in rows["strength"])
    spikes = "spikes of nearly one strength" if n_spikes > 1 else "spike"
    return Check(
        f"{n_spikes} {spikes}, {n_out} x {n_in}: share found at {strengths} times the threshold",
        f"{listed(found)} %; {rows['false'].sum() / (rows['planted'] / n_spikes).sum():.2g} false ones a matrix",
        f"each alone {listed(rows['predicted'])} %; if the noise were known {listed(known)} %",
        verdict,
    )


def first_strength_found(strengths: pd.Series, shares: pd.Series) -> float:
    """Return the strength from which on 95 % or more are found."""
    enough = (shares >= 0.95)[::-1].cummin()[::-1]
    return float(strengths[enough].min())


def listed(shares: pd.Series) -> str:
    """Write shares in per cent, one after the other."""
    return ", ".join(f"{100 * share:.0f}" for share in shares)
