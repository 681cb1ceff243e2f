"""Where in a window the loss lies: against a model whose loss at each position is known."""

import numpy as np
import pytest
import torch
from causal_models import tiny_causal

from weightspectra.ablation.measure.perplexity import window_losses
from weightspectra.ablation.measure.positions import octave, profile, scored_by_position
from weightspectra.activations.windows import Window


def some_windows(*lengths):
    rng = np.random.default_rng(1)
    return [Window("a", rng.integers(3, 90, length).tolist(), scored) for length, scored in lengths]


def test_octaves_begin_at_powers_of_two():
    assert octave(np.arange(1, 9)).tolist() == [0, 1, 1, 2, 2, 2, 2, 3]
    assert octave(np.array([255, 256])).tolist() == [7, 8]


def test_tokens_are_counted_where_they_stand():
    counts = scored_by_position(some_windows((4, 3), (6, 2)))
    assert counts.tolist() == [0, 1, 1, 1, 1, 1]


def test_losses_are_those_of_each_position():
    model, windows = tiny_causal("Llama"), some_windows((12, 11), (20, 8), (5, 4))
    of_windows, by_position = window_losses(model, windows, batch_size=2)
    expected = np.zeros(20)
    for window in windows:
        with torch.no_grad():
            logits = model(input_ids=torch.tensor([window.input_ids])).logits[0, :-1]
        losses = torch.nn.functional.cross_entropy(logits, torch.tensor(window.input_ids[1:]), reduction="none")
        for position in range(len(window.input_ids) - window.n_scored, len(window.input_ids)):
            expected[position] += float(losses[position - 1])
    np.testing.assert_allclose(by_position, expected, rtol=1e-4)
    assert of_windows.sum() == pytest.approx(by_position.sum())
    assert by_position[0] == 0


def test_a_profile_is_the_mean_over_octaves_that_hold_a_token():
    found = profile(np.array([0, 1.0, 2, 4, 0, 0, 0, 0, 6]), np.array([0, 1, 1, 1, 0, 0, 0, 0, 3]))
    assert found == {"positions": [1, 2, 8], "position_tokens": [1, 2, 3], "position_losses": [1.0, 3.0, 2.0]}
