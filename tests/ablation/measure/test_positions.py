"""Where in a window the loss lies: against a model whose loss at each position is known."""

import numpy as np
import pytest
import torch
from causal_models import tiny_causal

from weightspectra.ablation.measure.perplexity import window_losses
from weightspectra.ablation.measure.positions import errors, octave, profile, scored_by_octave
from weightspectra.activations.windows import Window


def some_windows(*lengths):
    rng = np.random.default_rng(1)
    return [Window("a", rng.integers(3, 90, length).tolist(), scored) for length, scored in lengths]


def test_octaves_begin_at_powers_of_two():
    assert octave(np.arange(1, 9)).tolist() == [0, 1, 1, 2, 2, 2, 2, 3]
    assert octave(np.array([255, 256])).tolist() == [7, 8]


def test_tokens_are_counted_where_they_stand():
    assert scored_by_octave(some_windows((4, 3), (6, 2))).tolist() == [[1, 2, 0], [0, 0, 2]]


def test_losses_are_those_of_each_position():
    model, windows = tiny_causal("Llama"), some_windows((12, 11), (20, 8), (5, 4))
    of_windows, by_octave = window_losses(model, windows, batch_size=2)
    expected = np.zeros((3, 5))
    for row, window in zip(expected, windows, strict=True):
        with torch.no_grad():
            logits = model(input_ids=torch.tensor([window.input_ids])).logits[0, :-1]
        losses = torch.nn.functional.cross_entropy(logits, torch.tensor(window.input_ids[1:]), reduction="none")
        for position in range(len(window.input_ids) - window.n_scored, len(window.input_ids)):
            row[int(np.log2(position))] += float(losses[position - 1])
    np.testing.assert_allclose(by_octave, expected, rtol=1e-4)
    np.testing.assert_allclose(by_octave.sum(axis=1), of_windows, rtol=1e-12)


def test_a_profile_is_the_mean_over_octaves_that_hold_a_token():
    found = profile(np.array([[1.0, 2, 0, 6], [0, 4, 0, 0]]), np.array([[1, 1, 0, 3], [0, 1, 0, 0]]))
    assert {name: found[name] for name in ("positions", "position_tokens", "position_losses")} == {
        "positions": [1, 2, 8],
        "position_tokens": [1, 2, 3],
        "position_losses": [1.0, 3.0, 2.0],
    }


def test_errors_are_those_of_a_ratio_over_documents_and_paired():
    rng = np.random.default_rng(2)
    tokens = np.array([[2, 10], [2, 30], [4, 20], [0, 20]])
    before = tokens * rng.normal(3, 0.5, tokens.shape)
    after = before + tokens * rng.normal(1, 0.1, tokens.shape)
    found = errors(profile(after, tokens), profile(before, tokens))
    for octave_number, n_held in enumerate((3, 4)):
        weights = tokens[:n_held, octave_number]
        for name, values in (("position_errors", after), ("position_change_errors", after - before)):
            own = values[:n_held, octave_number]
            influence = (own - own.sum() / weights.sum() * weights) / weights.sum()
            expected = np.sqrt(n_held / (n_held - 1) * (influence**2).sum())
            assert found[name][octave_number] == pytest.approx(expected, rel=1e-12)
    assert np.isnan(errors(profile(after[:1], tokens[:1]), profile(before[:1], tokens[:1]))["position_errors"]).all()
    assert errors({}, {}) == {"position_errors": [], "position_change_errors": []}


def test_intervals_of_what_a_cut_adds_cover_the_truth():
    """Windows of one document resemble each other: 20 documents, whose own changes vary as much as their tokens'."""
    rng, n_rounds, n_covered = np.random.default_rng(3), 400, 0
    for _ in range(n_rounds):
        tokens = rng.integers(1, 5, (20, 1))
        before = tokens * rng.normal(3, 0.5, tokens.shape)
        after = before + tokens * rng.normal(0.2, 0.1, tokens.shape) + rng.normal(0, 0.1, tokens.shape) * tokens**0.5
        found, other = profile(after, tokens), profile(before, tokens)
        change = found["position_losses"][0] - other["position_losses"][0]
        n_covered += abs(change - 0.2) < 1.96 * errors(found, other)["position_change_errors"][0]
    assert 0.90 < n_covered / n_rounds < 0.97
