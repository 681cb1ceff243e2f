"""What random-matrix theory sees in a trained matrix, blind and informed, and what it expects to see.

A trained matrix is W = a W_0 + D: what weight decay has left of its random initialisation, and what it
has learned. The *blind* locator sees W alone and is the one that every other matrix of this project is
given to (:func:`weightspectra.randomness.bulk.bounds_above_rounding`). The *informed* one knows the scale of a W_0.
Beside them stands what WeightWatcher would say of W (:func:`weightspectra.randomness.density_fit.spikes`).
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from weightspectra.randomness.directions import vector_tests
from weightspectra.randomness.noise import nulls
from weightspectra.randomness.spacings import level_tests
from weightspectra.randomness.spacings.unfolding import CannotUnfold
from weightspectra.spectra import svd
from weightspectra.spectra.law import edges, spikes
from weightspectra.spectra.law.marchenko_pastur import count_outside
from weightspectra.spectra.rounding import numerical_rank
from weightspectra.statistics.multiple import significant

Tables = Mapping[nulls.Shape, nulls.Draws]


class Triplets(NamedTuple):
    """A matrix's singular values, largest first, and its singular vectors, one a row."""

    values: np.ndarray
    left: np.ndarray
    right: np.ndarray

    @classmethod
    def of(cls, matrix: np.ndarray) -> "Triplets":
        """Decompose a matrix."""
        found = svd.decompose(matrix)
        short, long = found.short_vectors.numpy(), found.long_vectors.numpy()
        sides = (short, long) if found.short_side == "left" else (long, short)
        return cls(found.singular_values.numpy(), *sides)

    @property
    def shape(self) -> tuple[int, int]:
        """Of the matrix."""
        return self.left.shape[1], self.right.shape[1]


class Found(NamedTuple):
    """What a locator says of one matrix; fields are columns of ``contracts.LOCATIONS``."""

    entry_std: float
    bound: float
    n_located: int


class Learned(NamedTuple):
    """What a matrix has learned.

    Attributes
    ----------
    change : ndarray of shape (n_out, n_in)
        D.
    triplets : Triplets
        Of D.
    noise_std : float
        Standard deviation of the entries of a W_0.
    kept, initial_slope : float
        a, and the regression of W on W_0. They agree if what was learned has nothing to do with W_0.
    """

    change: np.ndarray
    triplets: Triplets
    noise_std: float
    kept: float
    initial_slope: float

    @property
    def is_nothing(self) -> bool:
        """Whether the matrix has not been trained yet."""
        return not self.change.any()


def learned(weight: np.ndarray, initial: np.ndarray, kept: float) -> Learned:
    """Take the initialisation off a trained matrix.

    Parameters
    ----------
    weight, initial : ndarray of shape (n_out, n_in)
    kept : float
        Share of its initialisation that weight decay has left (:func:`weightspectra.birth.training.decay.kept_share`).
    """
    first = np.asarray(initial, dtype=np.float64)
    change = weight - kept * first
    slope = float((weight * first).sum() / (first**2).sum())
    return Learned(change, Triplets.of(change), kept * float(np.sqrt((first**2).mean())), kept, slope)


def located_above(
    values: np.ndarray, noise_std: float, shape: tuple[int, int], level: float, floor: float = 0.0
) -> Found:
    """Count the singular values above noise whose scale is known, and above the rounding floor.

    As in :func:`weightspectra.spectra.law.edges.fit`, each value outside takes a row and a column from the noise,
    and its bound is that of the smaller matrix; one that is lost in rounding may lie below the noise, and never above.
    """
    long_side, short_side = max(shape), min(shape)
    rank = numerical_rank(values, floor)

    def bounds_without(below: int, above: int) -> tuple[edges.Outliers, tuple[float, float]]:
        limits = edges.bounds(noise_std, long_side - above, short_side - above - below, level)
        return (count_outside(values, *limits)[0], count_outside(values[:rank], *limits)[1]), limits

    _, (_, n_above), (_, bound) = edges.settle(bounds_without, short_side, n_lost=values.size - rank)
    return Found(noise_std, max(bound, floor), n_above)


def predictions(whole: Triplets, change: Learned, found: Found) -> dict[str, Any]:
    """Return what theory expects to be located, from the singular values of the change, and how well it fits.

    Notes
    -----
    With theta the singular values of D and n_visible those that
    :func:`weightspectra.spectra.law.spikes.positions` puts above the bound, the first
    r = min(n_located, n_visible) located values and vectors are compared. The vectors' share in the span of the
    first r of D is q + (1 - q) (r - 1) / (N - 1) on average, where q is the overlap of spikes and N the number of
    components: what misses its own vector points anywhere.

    All this takes the change as independent of a W_0, and its rank as small.
    """
    n_out, n_in = whole.shape
    strengths = change.triplets.values
    where = spikes.positions(strengths, change.noise_std, n_out, n_in)
    n_visible = int(np.count_nonzero(where > found.bound))
    n = min(found.n_located, n_visible)
    if n == 0:
        return {"n_visible": n_visible, "position_error": np.nan, "overlap": np.nan, "overlap_expected": np.nan}
    sides = ((whole.left, change.triplets.left), (whole.right, change.triplets.right))
    met = [shares(vectors[:n], learned_ones[:n]).mean() for vectors, learned_ones in sides]
    expected = [
        (q + (1 - q) * (n - 1) / (size - 1)).mean()
        for q, size in zip(spikes.overlaps(strengths[:n], change.noise_std, n_out, n_in), whole.shape, strict=True)
    ]
    return {
        "n_visible": n_visible,
        "position_error": float(np.median(whole.values[:n] / where[:n] - 1)),
        "overlap": float(np.mean(met)),
        "overlap_expected": float(np.mean(expected)),
    }


def randomness(
    whole: Triplets, noise: edges.NoiseBounds, floor: float, tables: Tables, level: float, rng: np.random.Generator
) -> dict[str, Any]:
    """Test what is not located as noise: the law of the values, their spacings, and the components of all vectors.

    Memories of random embeddings point in random directions, so that vectors may look random and be memories.
    What lies below the rounding floor is in no test; without a law, of the values none is made.
    """
    long_side, short_side = max(whole.shape), min(whole.shape)
    draws = tables[long_side, short_side]
    n_lost = whole.values.size - numerical_rank(whole.values, floor)
    lawless = n_lost > 0 and noise.noise_std == 0
    _, bulk_p_value = nulls.bulk_goodness(whole.values, noise, long_side, draws["bulk distance"], n_lost)
    noise_std = np.nan if lawless else noise.noise_std
    fitted = level_tests.Noise(long_side, short_side, noise.n_below + n_lost, noise.n_above, noise_std, floor)
    try:
        gap_ratio = level_tests.compare(whole.values, fitted, "replicate", draws, rng).gap_ratio_p_value
    except CannotUnfold:
        gap_ratio = np.nan
    n_tested = vector_tests.n_tested(whole.values, floor)
    sides = {"left": whole.left[:n_tested], "right": whole.right[:n_tested]}
    vectors = vector_tests.score(sides, tables, window=1) if n_tested else {"q_value": np.array([1.0])}
    return {
        "bulk_p_value": np.nan if lawless else bulk_p_value,
        "gap_ratio_p_value": gap_ratio,
        "n_structured_vectors": int(significant(vectors["q_value"], level).sum()),
    }


def shares(vectors: np.ndarray, space: np.ndarray) -> np.ndarray:
    """Return the squared length of unit vectors (rows) within the space that orthonormal rows span."""
    return ((vectors @ space.T) ** 2).sum(axis=1)
