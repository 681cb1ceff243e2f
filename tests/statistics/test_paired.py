from itertools import product

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import roc_auc_score

from weightspectra.statistics import paired
from weightspectra.statistics.paired import compare, contrast, estimate, standard_error

RATIOS = ["exp_ratio", "bits_ratio", "mean"]


def documents(n_documents, rng, shifts=(0.0, 0.2), noise=0.05):
    """Models on documents of unequal length and difficulty, which all find hard alike: weights, and values of each."""
    weights = rng.integers(50, 400, n_documents).astype(float)
    hardness = rng.normal(3, 0.3, n_documents)
    return weights, [weights * (hardness + shift + rng.normal(0, noise, n_documents)) for shift in shifts]


def scores(n_items, rng, gain=1.0):
    """Two models' scores of items of two classes, whose noise they share in part."""
    classes = (rng.random(n_items) < 0.4).astype(float)
    shared = rng.normal(size=n_items)
    return classes, [gain * classes + shared, classes + 0.6 * shared + 0.8 * rng.normal(size=n_items)]


def test_estimates_are_what_their_names_say():
    rng = np.random.default_rng(1)
    weights, (values, _) = documents(5, rng)
    ratio = sum(values) / sum(weights)
    assert estimate("exp_ratio", values, weights) == pytest.approx(2 ** (ratio / np.log(2)), rel=1e-14)
    assert estimate("bits_ratio", values, weights) == pytest.approx(np.log2(np.exp(ratio)), rel=1e-14)
    assert estimate("mean", values, np.ones(5)) == pytest.approx(np.mean(values), rel=1e-14)
    classes, (found, _) = scores(50, rng)
    found = np.round(found, 1)  # with ties
    assert estimate("auc", found, classes) == pytest.approx(roc_auc_score(classes, found), rel=1e-14)


@pytest.mark.parametrize("statistic", [*RATIOS, "auc"])
def test_standard_errors_are_the_spread_over_samples(statistic):
    rng = np.random.default_rng(7)
    values, single, paired = [], [], []
    for _ in range(2000):
        if statistic == "auc":
            weights, (base, cut) = scores(80, rng)
        else:
            weights, (base, cut) = documents(60, rng)
        values.append([estimate(statistic, base, weights), estimate(statistic, cut, weights)])
        single.append(standard_error(statistic, base, weights))
        paired.append(compare_without_draws(statistic, cut, base, weights).standard_error[0])
    values = np.array(values)
    assert np.mean(np.square(single)) ** 0.5 == pytest.approx(values[:, 0].std(), rel=0.07)
    assert np.mean(np.square(paired)) ** 0.5 == pytest.approx((values[:, 1] - values[:, 0]).std(), rel=0.07)


def compare_without_draws(statistic, values, baseline, weights):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(paired, "_interval", lambda *_: (np.nan, np.nan))
        patch.setattr(paired, "_sign_flip_p_values", lambda *_: np.nan)
        return compare(statistic, values, baseline, weights, seed=0)


@pytest.mark.parametrize("statistic", [*RATIOS, "auc"])
def test_standard_errors_agree_with_the_jackknife(statistic):
    rng = np.random.default_rng(8)
    weights, (base, cut) = scores(200, rng) if statistic == "auc" else documents(200, rng)

    def without(values, gone):
        kept = np.arange(200) != gone
        return estimate(statistic, values[kept], weights[kept])

    left_out = np.array([without(cut, gone) - without(base, gone) for gone in range(200)])
    jackknife = np.sqrt(199 / 200 * np.square(left_out - left_out.mean()).sum())
    assert compare(statistic, cut, base, weights, seed=0).standard_error[0] == pytest.approx(jackknife, rel=0.03)


def test_delongs_variance_is_that_of_his_formula_with_a_double_loop():
    classes, (one, other) = scores(30, np.random.default_rng(3))
    one = np.round(one, 1)

    def kernel(values):
        positive, negative = values[classes == 1][:, None], values[classes == 0][None]
        return (positive > negative) + 0.5 * (positive == negative)

    difference = kernel(one) - kernel(other)
    expected = sum(difference.mean(axis=axis).var(ddof=1) / difference.shape[1 - axis] for axis in (0, 1))
    found = compare("auc", one, other, classes, seed=0)
    assert found.standard_error[0] ** 2 == pytest.approx(expected, rel=1e-12)
    assert found.p_value[0] == pytest.approx(2 * stats.norm.sf(abs(difference.mean()) / expected**0.5), rel=1e-9)


def test_all_sign_flips_of_few_units():
    weights, (base, cut) = documents(7, np.random.default_rng(5), shifts=(0, 0.03))
    differences = cut - base
    sums = [abs(np.dot(signs, differences)) for signs in product((-1, 1), repeat=7)]
    expected = np.mean([found >= abs(differences.sum()) - 1e-9 for found in sums])
    assert compare("exp_ratio", cut, base, weights, seed=0).p_value[0] == expected


def test_random_sign_flips_of_right_and_wrong_items_are_mcnemars_exact_test():
    rng = np.random.default_rng(6)
    base, cut = (rng.random((2, 300)) < 0.6).astype(float)
    lost, won = ((base > cut).sum(), (cut > base).sum())
    expected = stats.binomtest(int(lost), int(lost + won)).pvalue
    found = compare("mean", cut, base, np.ones(300), seed=0).p_value[0]
    assert found == pytest.approx(expected, abs=4 * np.sqrt(expected / paired.N_FLIPS))


def test_the_smallest_p_value_of_many_units_is_that_of_the_number_of_flips():
    weights, (base, cut) = documents(40, np.random.default_rng(5), shifts=(0, 3))
    assert compare("exp_ratio", cut, base, weights, seed=0).p_value[0] == 1 / (2**16 + 1)


def test_signs_and_resamples_are_those_of_the_seed():
    weights, (base, cut) = documents(40, np.random.default_rng(5), shifts=(0, 0.005))
    first, again, other = (compare("exp_ratio", cut, base, weights, seed=seed) for seed in (1, 1, 2))
    assert first == again
    assert first.p_value != other.p_value
    assert first.low != other.low


@pytest.mark.parametrize("n_units", [8, 60])
def test_the_bootstrap_is_that_of_a_naive_loop(n_units):
    rng = np.random.default_rng(9)
    weights, (base, cut) = documents(n_units, rng)
    draws = []
    for _ in range(20_000):
        drawn = rng.integers(n_units, size=n_units)
        draws.append(np.subtract(*(np.exp(one[drawn].sum() / weights[drawn].sum()) for one in (cut, base))))
    tail = stats.norm.cdf(-np.sqrt(n_units / (n_units - 1)) * stats.t.ppf(0.975, n_units - 1))
    found = compare("exp_ratio", cut, base, weights, seed=0)
    width = found.high[0] - found.low[0]
    assert [found.low[0], found.high[0]] == pytest.approx(np.quantile(draws, [tail, 1 - tail]), abs=0.05 * width)


def test_an_interval_of_few_units_is_wider_by_students_law_and_by_the_bias_of_the_bootstrap(monkeypatch):
    """Of 10,001 differences that rise evenly from 0 to 1, the ends are the probabilities of the tails themselves."""
    n_units = 6
    counts = np.zeros((10_001, n_units))
    counts[:, 0], counts[:, 1] = np.arange(10_001), np.arange(10_001)[::-1]
    monkeypatch.setattr(paired, "_resamples", lambda *_: iter([counts]))
    found = compare("mean", np.eye(n_units)[0], np.zeros(n_units), np.ones(n_units), seed=0)
    tail = stats.norm.cdf(-np.sqrt(n_units / (n_units - 1)) * stats.t.ppf(0.975, n_units - 1))
    assert (found.low[0], found.high[0]) == pytest.approx((tail, 1 - tail), abs=1e-4)


def test_an_interval_of_an_auc_is_near_that_of_drawing_items():
    rng = np.random.default_rng(10)
    classes, (cut, base) = scores(300, rng, gain=1.5)
    draws = []
    for _ in range(1500):
        drawn = np.concatenate([rng.choice(np.flatnonzero(classes == one), (classes == one).sum()) for one in (0, 1)])
        draws.append(np.subtract(*(estimate("auc", one[drawn], classes[drawn]) for one in (cut, base))))
    found = compare("auc", cut, base, classes, seed=0)
    width = found.high[0] - found.low[0]
    assert [found.low[0], found.high[0]] == pytest.approx(np.quantile(draws, [0.025, 0.975]), abs=0.1 * width)


def test_resampling_in_blocks_changes_nothing_but_the_stream(monkeypatch):
    weights, (base, cut) = documents(12, np.random.default_rng(11), shifts=(0, 0.01))
    whole = compare("exp_ratio", cut, base, weights, seed=0)
    monkeypatch.setattr(paired, "BLOCK", 1000)
    blocks = compare("exp_ratio", cut, base, weights, seed=0)
    assert whole.p_value == blocks.p_value
    assert blocks.low[0] == pytest.approx(whole.low[0], abs=0.1 * whole.standard_error[0])


def test_many_models_at_once_are_each_of_them_alone_and_a_seed_gives_the_same_again():
    weights, (base, *cuts) = documents(9, np.random.default_rng(12), shifts=(0, 0.0, 0.1, 4))
    together = compare("exp_ratio", np.array(cuts), base, weights, seed=5)
    for number, cut in enumerate(cuts):
        for alone, column in zip(compare("exp_ratio", cut, base, weights, seed=5), together, strict=True):
            assert alone[0] == pytest.approx(column[number], rel=1e-12)
    assert compare("exp_ratio", cuts[0], base, weights, seed=6).low != together.low[0]


def test_equal_values_differ_by_exactly_nothing():
    weights, (base, _) = documents(6, np.random.default_rng(13))
    found = compare("exp_ratio", base, base, weights, seed=0)
    assert [column[0] for column in found] == [0, 0, 0, 0, 1]
    classes, (one, _) = scores(40, np.random.default_rng(13))
    assert [column[0] for column in compare("auc", one, one, classes, seed=0)] == [0, 0, 0, 0, 1]


def test_one_unit_gives_no_errors_and_decides_nothing():
    assert np.isnan(standard_error("exp_ratio", np.array([20.0]), np.array([10.0])))
    found = compare("exp_ratio", np.array([30.0]), np.array([20.0]), np.array([10.0]), seed=0)
    assert found.difference[0] == np.exp(3.0) - np.exp(2.0)
    assert np.isnan([found.standard_error[0], found.low[0], found.high[0]]).all()
    assert found.p_value[0] == 1


def test_models_that_break_leave_the_others_alone():
    weights, (base, sound) = documents(8, np.random.default_rng(14))
    huge, spoilt = sound + 800 * weights, np.where(np.arange(8) == 2, np.nan, sound)
    alone = compare("exp_ratio", sound, base, weights, seed=0)
    found = compare("exp_ratio", np.array([spoilt, sound, huge]), base, weights, seed=0)
    assert [column[1] for column in found] == [pytest.approx(column[0], rel=1e-12) for column in alone]
    assert np.isnan([column[0] for column in found]).all()
    assert found.difference[2] == np.inf
    assert np.isnan([found.standard_error[2], found.low[2], found.high[2]]).all()
    assert found.p_value[2] == 2 / 2**8  # its log-likelihoods are numbers, and all of them are worse
    assert estimate("exp_ratio", huge, weights) == np.inf


def row(label, values, weights, statistic="exp_ratio"):
    units = [str(number) for number in range(len(values))]
    shared = {"metric": "m", "statistic": statistic, "units": units, "unit_weights": weights}
    return {"cut": label, "unit_values": values, **shared}


def test_a_contrast_is_to_the_geometric_mean_of_the_controls_perplexities():
    weights, values = documents(10, np.random.default_rng(15), shifts=(0.5, 0.1, 0.3, 9))
    rows = [row(str(number), one, weights) for number, one in enumerate(values)]
    perplexities = [estimate("exp_ratio", one, weights) for one in values]
    found = contrast(rows[0], rows[1:], seed=0)
    assert found.difference[0] == pytest.approx(perplexities[0] - np.prod(perplexities[1:]) ** (1 / 3), rel=1e-12)
    alone = contrast(rows[0], rows[1:2], seed=0)
    expected = compare("exp_ratio", values[0], values[1], weights, seed=0)
    assert all(one[0] == other[0] for one, other in zip(alone, expected, strict=True))


@pytest.mark.parametrize("statistic", ["mean", "auc"])
def test_a_contrast_of_other_metrics_is_to_the_mean_of_the_controls_metrics(statistic):
    rng = np.random.default_rng(16)
    classes, values = scores(60, rng)
    weights = classes if statistic == "auc" else np.ones(60)
    rows = [row(str(number), one, weights, statistic) for number, one in enumerate([*values, rng.normal(size=60)])]
    found = contrast(rows[0], rows[1:], seed=0)
    metrics = [estimate(statistic, one["unit_values"], weights) for one in rows]
    assert found.difference[0] == pytest.approx(metrics[0] - np.mean(metrics[1:]), rel=1e-12)
    assert found.low[0] < found.difference[0] < found.high[0]


def test_contrasts_need_controls_that_were_measured_alike():
    weights, (one, other) = documents(4, np.random.default_rng(17))
    with pytest.raises(ValueError, match="'a' has no controls"):
        contrast(row("a", one, weights), [], seed=0)
    with pytest.raises(ValueError, match="'a' and 'b' were not measured alike"):
        contrast(row("a", one, weights), [row("b", other, weights + 1)], seed=0)


def drawn(kind, size, rng):
    """Differences of mean 0 and variance 1."""
    return {
        "normal": lambda: rng.normal(size=size),
        "skewed": lambda: (rng.gamma(2.0, size=size) - 2) / 2**0.5,
        "t3": lambda: rng.standard_t(3, size=size) / 3**0.5,
    }[kind]()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("n_units", "kind", "n_samples", "size", "coverage"),
    [
        (8, "normal", 1500, (0.03, 0.055), (0.905, 0.955)),
        (8, "skewed", 1500, (0.045, 0.085), (0.88, 0.94)),
        (8, "t3", 1500, (0.03, 0.06), (0.90, 0.955)),
        (100, "normal", 400, (0.03, 0.075), (0.92, 0.975)),
    ],
)
def test_size_and_coverage_are_as_documented(n_units, kind, n_samples, size, coverage, monkeypatch):
    monkeypatch.setattr(paired, "N_RESAMPLES", 2000)
    monkeypatch.setattr(paired, "N_FLIPS", 2000)
    rng = np.random.default_rng(18)
    rejected, covered = [], []
    for _ in range(n_samples):
        weights = rng.choice([64.0, 128.0, 256.0, 512.0, 1024.0], n_units)
        base = weights * rng.normal(3.3, 0.2, n_units)
        cut = base + weights * 0.01 * drawn(kind, n_units, rng)
        found = compare("exp_ratio", cut, base, weights, seed=0)
        rejected.append(found.p_value[0] <= 0.05)
        covered.append(found.low[0] <= 0 <= found.high[0])
    assert size[0] <= np.mean(rejected) <= size[1]
    assert coverage[0] <= np.mean(covered) <= coverage[1]
