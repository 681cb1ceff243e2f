import numpy as np
import pytest
from scipy.stats import combine_pvalues, expon

from weightspectra.randomness import cleaning
from weightspectra.randomness.directions import vectors


def test_sides_are_combined_as_fisher_does():
    left, right = np.random.default_rng(0).random((2, 50))
    expected = [combine_pvalues(pair, method="fisher").pvalue for pair in zip(left, right, strict=True)]
    assert cleaning.combine_sides(left, right) == pytest.approx(expected)
    assert cleaning.combine_sides([1.0], [1.0]) == [1]


@pytest.mark.parametrize(("left", "right"), [([0.5, 0.1], [0.5]), ([0.0], [0.5]), ([1.1], [0.5]), ([np.nan], [0.5])])
def test_what_is_no_p_value_is_refused(left, right):
    with pytest.raises(ValueError, match="p-values"):
        cleaning.combine_sides(left, right)


@pytest.mark.parametrize(("n_values", "n_draws"), [(64, 4000), (768, 2000), (16384, 150)])
def test_noise_has_no_boundary(n_values, n_draws):
    rng = np.random.default_rng(1)
    draws = (rng.random(n_values) for _ in range(n_draws))
    assert np.mean([cleaning.boundaries(p) != (0, 0) for p in draws]) < 0.05


def test_the_boundaries_are_the_most_likely_ones():
    rng = np.random.default_rng(2)
    p_values = np.concatenate([rng.random(20) ** 6, rng.random(50), rng.random(9) ** 8])

    def evidence(upper, lower):
        informative = (np.arange(79) < upper) | (np.arange(79) >= 79 - lower)
        ratios = expon.logpdf(-np.log(p_values), scale=3) - expon.logpdf(-np.log(p_values))
        return np.minimum(ratios, 4)[informative].sum()

    pairs = [(upper, lower) for upper in range(80) for lower in range(80 - upper)]
    assert cleaning.boundaries(p_values) == max(pairs, key=lambda pair: evidence(*pair))
    assert cleaning.boundaries(p_values) == pytest.approx((20, 9), abs=3)
    assert cleaning.boundaries(p_values[::-1]) == cleaning.boundaries(p_values)[::-1]


@pytest.mark.parametrize("n_planted", [1, 3, 10, 30, 76])
def test_planted_directions_are_counted_within_a_few_ranks(n_planted):
    rng = np.random.default_rng(3)
    errors, lower_ends = [], []
    for _ in range(300):
        left, right = rng.random((2, 768))
        left[:n_planted] = right[:n_planted] = 1e-4  # what 10000 draws of noise can say at most
        upper, lower = cleaning.boundaries(cleaning.combine_sides(left, right))
        errors.append(upper - n_planted)
        lower_ends.append(lower)
    assert min(errors) >= 0
    assert np.median(errors) <= 1
    assert np.quantile(errors, 0.9) <= 6
    assert np.mean(np.array(lower_ends) > 0) < 0.05


def test_an_end_that_fades_out_is_cut_where_it_looks_random():
    rng = np.random.default_rng(5)
    means = np.maximum(np.linspace(10, -8, 300), 1)  # 1.65 at rank 139, 1 at rank 150
    found = [cleaning.boundaries(np.exp(-rng.exponential(means)))[0] for _ in range(100)]
    assert np.median(found) == pytest.approx(139, abs=8)


def test_one_direction_far_inside_does_not_draw_the_boundary_there():
    p_values = np.full(200, 0.5)
    p_values[:10] = 1e-3
    assert cleaning.boundaries(p_values) == (10, 0)
    p_values[40] = 1e-39
    assert cleaning.boundaries(p_values) == (10, 0)


def test_sparse_vectors_at_both_ends_of_a_matrix_are_counted():
    rng = np.random.default_rng(4)
    null, p_sides = vectors.null_draws(256, 2000, rng)["vector distance"], []
    for _ in range(2):
        columns = rng.standard_normal((256, 256))
        columns[:, :17] *= rng.random((256, 17)) < 0.1  # the first are sparse, the others orthogonal to them
        basis = np.linalg.qr(columns)[0].T
        rows = np.vstack([basis[:12], basis[17:], basis[12:17]])
        n_larger = len(null) - np.searchsorted(null, vectors.measure(rows).distance)
        p_sides.append((1 + n_larger) / (1 + len(null)))
    p_values = cleaning.combine_sides(*p_sides)
    assert cleaning.boundaries(p_values) == pytest.approx((12, 5), abs=3)


def test_where_nothing_looks_random_there_is_no_noise():
    rng = np.random.default_rng(6)
    assert cleaning.boundaries(np.full(50, 1e-3)) == (50, 50)
    assert cleaning.boundaries(np.exp(-rng.exponential(8, 300))) == (300, 300)
    one_random = np.append(np.full(50, 1e-3), [0.9, *np.full(20, 1e-3)])
    assert cleaning.boundaries(one_random) == (71, 71)
    assert cleaning.boundaries([]) == (0, 0)


def planted(n_out, n_in, strengths, seed):
    """A low-rank matrix, and its noisy version's singular triplets; the noise has standard deviation 1."""
    rng = np.random.default_rng(seed)
    left = np.linalg.qr(rng.standard_normal((n_out, len(strengths))))[0]
    right = np.linalg.qr(rng.standard_normal((n_in, len(strengths))))[0]
    truth = (left * strengths) @ right.T
    return truth, np.linalg.svd(truth + rng.standard_normal((n_out, n_in)), full_matrices=False)


def raised(strengths, std, n_out, n_in):
    """Where noise of this standard deviation moves the singular values of a low-rank matrix (Benaych-Georges)."""
    return np.sqrt((strengths**2 + std**2 * n_out) * (strengths**2 + std**2 * n_in)) / strengths


@pytest.mark.parametrize(("n_out", "n_in"), [(200, 200), (100, 400), (400, 100)])
def test_undoing_the_repulsion_recovers_planted_strengths(n_out, n_in):
    strengths = np.array([5.0, 3.0, 1.6]) * (n_out * n_in) ** 0.25
    draws = []
    for seed in range(24):
        _, (_, values, _) = planted(n_out, n_in, strengths, seed)
        draws.append(cleaning.without_repulsion(values, 1.0, n_out, n_in)[:3])
    mean, error = np.mean(draws, axis=0), np.std(draws, axis=0) / 24**0.5
    assert np.abs(mean - strengths).max() < 0.02 * strengths.max()
    assert (np.abs(mean - strengths) < 4 * error + 0.01 * strengths).all()


def test_undoing_the_repulsion_inverts_the_formula_of_the_spiked_matrix():
    strengths, std, n_out, n_in = np.array([40.0, 12.0, 9.0]), 0.5, 300, 50
    values = raised(strengths, std, n_out, n_in)
    assert cleaning.without_repulsion(values, std, n_out, n_in) == pytest.approx(strengths)


def test_values_within_the_bulk_come_from_no_strength():
    edge = 0.1 * (300**0.5 + 50**0.5)
    values = np.array([edge * 1.000001, edge * 0.999, 0.5 * edge, 0.0])
    found = cleaning.without_repulsion(values, 0.1, 300, 50)
    assert found[0] == pytest.approx(0.1 * (300 * 50) ** 0.25, rel=1e-2)
    assert (found[1:] == 0).all()
    assert (cleaning.shrink(values, 0.1, 300, 50)[1:] == 0).all()
    # Without noise nothing is to be undone.
    assert cleaning.without_repulsion(values, 0.0, 300, 50) == pytest.approx(values)
    assert cleaning.shrink(values, 0.0, 300, 50) == pytest.approx(values)


def test_the_filter_keeps_what_is_both_informative_and_beyond_the_bulk():
    values = np.array([90.0, 60.0, 40.0, 20.0, 10.0])
    whole = cleaning.without_repulsion(values, 1.0, 100, 400)
    assert np.count_nonzero(whole) == 3  # the bulk ends at 30
    assert cleaning.filter_noise(values, 2, 1.0, 100, 400).tolist() == [*whole[:2], 0, 0, 0]
    assert cleaning.filter_noise(values, 5, 1.0, 100, 400).tolist() == whole.tolist()
    assert not cleaning.filter_noise(values, 0, 1.0, 100, 400).any()


@pytest.mark.parametrize(("n_out", "n_in"), [(300, 300), (600, 150)])
def test_no_diagonal_is_much_closer_to_the_truth_than_the_shrunk_one(n_out, n_in):
    strengths = np.array([8.0, 4.0, 2.0, 1.5, 1.2]) * (n_out * n_in) ** 0.25
    losses, oracles = [], []
    for seed in range(6):
        truth, (left, values, right_t) = planted(n_out, n_in, strengths, seed)
        shrunk = cleaning.shrink(values, 1.0, n_out, n_in)
        best = np.einsum("ik,ij,kj->k", left, truth, right_t)
        losses.append(np.linalg.norm((left * shrunk) @ right_t - truth) ** 2)
        oracles.append(np.linalg.norm((left * best) @ right_t - truth) ** 2)
    assert np.mean(losses) < 1.03 * np.mean(oracles)
    # Theory: the squared overlaps of the vectors multiply to (eta / strength)**2, and the loss is what they leave.
    expected = np.sum(strengths**2 - cleaning.shrink(raised(strengths, 1.0, n_out, n_in), 1.0, n_out, n_in) ** 2)
    assert np.mean(losses) == pytest.approx(expected, rel=0.05)


def test_shrinkage_is_the_formula_of_gavish_and_donoho():
    n_out, n_in, std = 90, 40, 0.3
    y, beta = np.array([4.0, 2.5, 1.7, 1.6, 1.0]), 40 / 90
    eta = np.sqrt(np.maximum((y**2 - beta - 1) ** 2 - 4 * beta, 0)) / y
    eta[y <= 1 + beta**0.5] = 0
    unit = std * 90**0.5
    assert cleaning.shrink(y * unit, std, n_out, n_in) == pytest.approx(eta * unit)
    assert cleaning.shrink(y * unit, std, n_in, n_out) == pytest.approx(eta * unit)


def test_a_cleaned_spectrum_is_what_its_parts_say():
    """Strong structure in three directions, seen by the vectors too; twins of both ways, and their shares of energy."""
    n_out, n_in, std = 60, 90, 0.2
    values = np.concatenate([[12.0, 10.0, 8.0], np.linspace(3.3, 0.5, n_out - 3)])
    p_values = np.concatenate([[1e-9, 1e-8, 1e-7], np.linspace(0.3, 0.95, n_out - 3)])
    found = cleaning.clean(values, p_values, std, n_out, n_in)
    assert (found.boundary_upper, found.boundary_lower) == cleaning.boundaries(p_values) == (3, 0)
    filtered = cleaning.filter_noise(values, 3, std, n_out, n_in)
    shrunk = cleaning.shrink(values, std, n_out, n_in)
    np.testing.assert_array_equal(found.filtered_values, filtered)
    np.testing.assert_array_equal(found.shrunk_values, shrunk)
    energies = [
        sum(value**2 for value in cleaned) / sum(value**2 for value in values) for cleaned in (filtered, shrunk)
    ]
    assert (found.filtered_energy, found.shrunk_energy) == pytest.approx(tuple(energies))
    assert found.filtered_energy > found.shrunk_energy
