"""The linear student: its sampler against the ensemble, its formulas against simulation and against each other."""

import numpy as np
import pytest

from weightspectra.spectra.law import marchenko_pastur
from weightspectra.theory.linear_model import LinearModel, merger


def simulated(model, n_draws, seed):
    """Return the smallest singular value and the overlaps of its vectors, averaged over draws."""
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(n_draws):
        weight, left, right = model.sample(rng)
        squares, vectors = np.linalg.eigh(weight @ weight.T)
        value, vector = squares[0] ** 0.5, vectors[:, 0]
        found.append((value, abs(vector @ left), abs(weight.T @ vector / value @ right)))
    return np.mean(found, axis=0)


def lower_edge(model):
    """Return the lower edge of the bulk of the model's noise."""
    std = (model.prior_variance / model.n_in) ** 0.5
    return marchenko_pastur.edges(std, model.n_out, model.n_in)[0]


def test_samples_have_the_mean_and_covariance_of_the_ensemble():
    """The exponent is quadratic in W'v alone, so its mean and variance follow from one number a component."""
    model = LinearModel(3, 5, residual=0.3, teacher_norm=2.0, prior_variance=1.7)
    beta = (1 / model.residual - 1) / model.prior_variance
    rng = np.random.default_rng(1)
    along, across, errors = [], [], []
    for _ in range(20000):
        weight, left, right = model.sample(rng)
        row = left @ weight
        mean = beta * model.teacher_norm / (beta + 1 / model.prior_variance) * right
        along.append(np.mean((row - mean) ** 2))
        across.append((np.sum(weight**2) - np.sum(row**2)) / 10)
        errors.append(np.sum((model.teacher_norm * right - row) ** 2) / 2)
    assert np.mean(along) == pytest.approx(1 / (5 * (beta + 1 / 1.7)), rel=0.02)
    assert np.mean(across) == pytest.approx(1.7 / 5, rel=0.02)
    assert np.mean(errors) == pytest.approx(0.3 * 1.7 / 2 + (0.3 * 2.0) ** 2 / 2, rel=0.02)


@pytest.mark.parametrize("residual", [0.001, 0.1, 0.3])
def test_smallest_value_and_vectors_are_those_of_simulation(residual):
    model = LinearModel(192, 768, residual)
    value, left, right = simulated(model, 60, seed=2)
    assert value == pytest.approx(model.smallest_value(), rel=0.01)
    assert (left, right) == pytest.approx(model.overlaps(), abs=0.02)


def test_a_strong_prior_only_changes_the_unit():
    one, other = LinearModel(64, 256, 0.1, 0.2), LinearModel(64, 256, 0.1, 0.6, prior_variance=9.0)
    assert other.smallest_value() == pytest.approx(3 * one.smallest_value())
    assert other.overlaps() == pytest.approx(one.overlaps())
    assert merger(0.25, 0.6, 9.0) == pytest.approx(merger(0.25, 0.2))


@pytest.mark.parametrize(("aspect", "teacher_norm"), [(0.25, 0.2), (0.5, 0.1), (0.25, 0.0), (0.1, 0.8)])
def test_at_the_merger_the_value_meets_the_edge_and_the_overlap_ends(aspect, teacher_norm):
    residual = merger(aspect, teacher_norm)
    inside, outside = (
        LinearModel(round(4000 * aspect), 4000, residual * (1 + shift), teacher_norm) for shift in (1e-6, -1e-6)
    )
    assert not inside.is_separate
    assert np.isnan(inside.smallest_value())
    assert outside.is_separate
    assert outside.smallest_value() == pytest.approx(lower_edge(outside), rel=1e-6)
    assert outside.overlaps()[0] < 0.01


def test_the_papers_parameters_merge_where_simulation_does():
    assert merger(0.25, 0.2) == pytest.approx(0.4896, abs=5e-5)
    below, above = LinearModel(192, 768, 0.40), LinearModel(192, 768, 0.62)
    edge = lower_edge(below)
    assert simulated(below, 12, seed=3)[0] < 0.99 * edge
    assert simulated(above, 12, seed=3)[0] > edge
    # Between 0.4896 and the 0.66 that the printed formula would give, the vector is lost already.
    assert simulated(above, 12, seed=3)[1] < 0.4 < simulated(below, 12, seed=3)[1]


def test_perfect_learning_is_the_papers_limit():
    model = LinearModel(100, 400, 0.0, teacher_norm=0.3)
    assert model.smallest_value() == pytest.approx(0.3 * (1 - 0.25 / (1 - 0.09)) ** 0.5)


def test_perfect_learning_of_a_teacher_too_strong_leaves_no_value_below():
    """At perfect learning a squared norm below 1 - sqrt(q) = 0.5 is separate; not all below 1 - q = 0.75 are."""
    weak, strong = (LinearModel(256, 1024, 0.0, teacher_norm) for teacher_norm in (0.6, 0.8))
    assert weak.is_separate
    assert not strong.is_separate
    assert simulated(weak, 5, seed=4)[:2] == pytest.approx([weak.smallest_value(), weak.overlaps()[0]], rel=0.05)
    value, left, _ = simulated(strong, 5, seed=5)
    assert value > lower_edge(strong)
    assert left < 0.3


@pytest.mark.parametrize(("aspect", "square"), [(0.25, 0.64), (0.5, 0.32)])  # no root, and one beyond perfect learning
def test_a_strong_teacher_never_merges(aspect, square):
    assert np.isnan(merger(aspect, square**0.5))
    assert not any(LinearModel(round(4000 * aspect), 4000, x, square**0.5).is_separate for x in np.linspace(0, 1, 101))
