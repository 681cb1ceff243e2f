import numpy as np
import pytest
from scipy.stats import binom

from weightspectra.randomness import cleaning, information
from weightspectra.randomness.directions import vectors


@pytest.mark.parametrize("n_values", [10, 64, 384, 1003])
def test_regions_divide_the_spectrum(n_values):
    ranks = {region: information.region_ranks(n_values, region, n_values) for region in information.REGIONS}
    assert sorted(np.concatenate(list(ranks.values()))) == list(range(n_values))
    assert ranks["largest tenth"].tolist() == list(range(n_values // 10))
    assert ranks["smallest tenth"][-1] == n_values - 1
    assert len(ranks["smallest tenth"]) == -(-n_values // 10)


def test_the_share_is_outliers_plus_excess_of_small_p_values():
    p_values = np.array([0.9, 0.9, 0.01, 0.01, 0.01, 0.01, 0.8, 0.2, 0.3, 0.001])
    outliers = np.arange(10) < 2  # their p-values do not count
    found = information.share(p_values, outliers)
    assert (found.n_directions, found.n_outliers) == (10, 2)
    assert found.information == pytest.approx((2 + 8 * (1 - (1 / 8) / 0.5)) / 10)
    assert found.information_low <= found.information <= found.information_high


@pytest.mark.parametrize("n_large", [0, 1, 7, 40, 300])
def test_the_interval_holds_every_number_of_trials_that_is_not_too_unlikely(n_large):
    trials = np.arange(n_large, 4 * n_large + 40)
    likely = (binom.sf(n_large - 1, trials, 0.5) > 0.025) & (binom.cdf(n_large, trials, 0.5) > 0.025)
    n_directions = 10_000
    p_values = np.where(np.arange(n_directions) < n_large, 0.75, 0.25)
    found = information.share(p_values, np.zeros(n_directions, bool))
    assert n_directions * (1 - found.information_high) == pytest.approx(trials[likely].min())
    assert n_directions * (1 - found.information_low) == pytest.approx(trials[likely].max())


@pytest.mark.parametrize("n_directions", [12, 38, 300])
@pytest.mark.parametrize("n_outliers", [0, 1])  # the bounds let one value of noise through in a few percent of matrices
def test_noise_has_no_information(n_directions, n_outliers):
    n_tested = n_directions - n_outliers
    mean = covered = 0.0
    for n_large in range(n_tested + 1):
        p_values = np.where(np.arange(n_directions) < n_outliers + n_large, 0.75, 0.25)
        found = information.share(p_values, np.arange(n_directions) < n_outliers)
        chance = binom.pmf(n_large, n_tested, 0.5)
        mean += chance * found.information
        covered += chance * (found.information_low <= 0 <= found.information_high)
    assert mean == pytest.approx(n_outliers / n_directions)
    assert covered > 0.95


@pytest.mark.parametrize(("n_outliers", "n_informative"), [(0, 30), (20, 0), (10, 20), (5, 60), (38, 0)])
def test_the_interval_covers_what_was_planted(n_outliers, n_informative):
    rng = np.random.default_rng(1)
    n_directions = max(77, n_outliers + n_informative) if n_outliers < 38 else 38
    truth = (n_outliers + n_informative) / n_directions
    estimates, covered = [], []
    for _ in range(2000):
        p_values = rng.random(n_directions)
        p_values[: n_outliers + n_informative] *= 0.1
        found = information.share(p_values, np.arange(n_directions) < n_outliers)
        estimates.append(found.information)
        covered.append(found.information_low - 1e-12 <= truth <= found.information_high + 1e-12)
    assert np.mean(estimates) == pytest.approx(truth, abs=4 * np.std(estimates) / 2000**0.5 + 1e-12)
    assert np.mean(covered) > 0.95


def test_every_interval_holds_its_estimate_and_stays_below_one():
    for n_large in range(21):
        p_values = np.where(np.arange(20) < n_large, 0.75, 0.25)
        for n_outliers in (0, 3, 20):
            found = information.share(p_values, np.arange(20)[::-1] < n_outliers)
            assert found.information_low <= found.information <= found.information_high <= 1
    certain = information.share(np.full(20, 0.9), np.ones(20, bool))
    assert (certain.information, certain.information_low, certain.information_high) == (1, 0.95, 1)


def test_an_empty_region_has_no_share():
    found = information.share([], [])
    assert (found.n_directions, found.n_outliers) == (0, 0)
    assert np.isnan(found[2:]).all()


@pytest.mark.parametrize(("n_out", "n_in"), [(96, 96), (60, 240)])
def test_vectors_of_a_noise_matrix_have_no_information_in_any_region(n_out, n_in):
    rng = np.random.default_rng(2)
    nulls = {n: vectors.null_draws(n, 4000, rng)["vector distance"] for n in {n_out, n_in}}

    def p_values(rows):
        null = nulls[rows.shape[1]]
        return (1 + len(null) - np.searchsorted(null, vectors.measure(rows).deviation)) / (1 + len(null))

    covered, estimates = [], []
    for _ in range(100):
        left, _, right_t = np.linalg.svd(rng.standard_normal((n_out, n_in)), full_matrices=False)
        combined = cleaning.combine_sides(p_values(left.T), p_values(right_t))
        regions = [
            combined[information.region_ranks(len(combined), region, len(combined))] for region in information.REGIONS
        ]
        shares = [information.share(p, np.zeros(len(p), bool)) for p in regions]
        covered.append([share.information_low <= 0 <= share.information_high for share in shares])
        estimates.append([share.information for share in shares])
    assert np.mean(covered, axis=0).min() > 0.9  # 0.95 less the chance of 100 draws
    means, errors = np.mean(estimates, axis=0), np.std(estimates, axis=0) / 100**0.5
    assert (np.abs(means) < 4 * errors + 0.03).all()  # 0.03: of the nulls' own 4000 draws
