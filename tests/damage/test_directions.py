import numpy as np
import pytest
import torch
from causal_models import tiny_causal
from test_sensitivity import LENGTHS, respond, subject_of, windows

from weightspectra.contracts import MatrixKey
from weightspectra.damage import directions, next_tokens
from weightspectra.spectra import svd

POSITIONS = np.tile(np.arange(4), 5)


@pytest.fixture
def inputs():
    """Twenty tokens: e_0 is huge at first positions, e_1 constant at all others, e_2 present at one token only."""
    rows = 0.01 * torch.randn(20, 8, generator=torch.Generator().manual_seed(1))
    rows[POSITIONS == 0, 0] = 50.0
    rows[POSITIONS != 0, 1] = 10.0
    rows[13, 2] = -9.0
    return rows


@pytest.mark.parametrize(
    ("axis", "component", "first", "mean", "peak", "at"),
    [(0, 0, 1.0, 0.25, 2.0, 0), (1, 1, 0.0, 0.75, (4 / 3) ** 0.5, None), (2, 2, 0.0, 0.05, 20**0.5, 13)],
    ids=["first tokens", "constant", "one token"],
)
def test_a_direction_is_named_by_what_it_reads(inputs, axis, component, first, mean, peak, at):
    principal = directions.principal_directions(inputs)
    found = directions.describe(np.eye(8)[axis], inputs, principal, POSITIONS)
    assert found.component == component
    assert found.overlap == pytest.approx(1, abs=0.02)
    squares = inputs.double().square().sum(dim=0).numpy()
    assert found.component_share == pytest.approx(squares[axis] / squares.sum(), rel=0.1)
    assert found.first_token_share == pytest.approx(first, abs=0.01)
    assert found.mean_share == pytest.approx(mean, abs=0.01)
    assert found.peak == pytest.approx(peak, rel=0.01)
    if at is not None:
        assert found.at[0] == at
    assert len(found.at) == directions.N_SHOWN


def test_principal_directions_are_those_of_the_second_moment(inputs):
    found, shares = directions.principal_directions(inputs[:5])  # fewer tokens than dimensions
    moment = (inputs[:5].T @ inputs[:5]).double().numpy() / 5
    rebuilt = found.T @ np.diag(shares * np.trace(moment)) @ found
    np.testing.assert_allclose(rebuilt, moment, atol=1e-4)


@pytest.mark.parametrize("shape", [(6, 9), (9, 6)])
def test_right_vectors_come_from_either_side(shape):
    weight = torch.randn(shape, generator=torch.Generator().manual_seed(2))
    found = svd.decompose(weight)
    right = found.long_vectors if found.short_side == "left" else found.short_vectors
    for k in (0, 5):
        vector = directions.right_vector(weight, found.short_vectors.float().numpy(), k)
        assert abs(vector @ right[k].numpy()) == pytest.approx(1, abs=1e-6)


class Speller:
    """Spells a token by its number."""

    def decode(self, tokens):
        return f"<{tokens[0]}>"


@pytest.mark.parametrize("architecture", ["Llama", "GPTNeoX"])
def test_named_directions_are_those_of_the_model(architecture):
    subject, batches = subject_of(tiny_causal(architecture)), next_tokens.language_batches(windows(), 2, 0)
    responses = respond(subject, batches)
    values = {key: svd.decompose(subject.matrices[key].read()).singular_values.numpy() for key in responses}
    rows = directions.name_directions(subject, batches, values, responses, 6, Speller())
    assert len(rows) == 6
    tokens, positions = directions.places(batches)
    assert len(tokens) == sum(LENGTHS) - len(LENGTHS)
    for row in rows:
        key, index = MatrixKey(row["layer"], row["role"], row["expert"]), row["index"]
        vector = directions.right_vector(subject.matrices[key].read(), subject.vectors(key), index)
        own = directions.observe_inputs(subject, batches, {key})[key].double().numpy() @ vector
        energy = row["singular_value"] ** 2 * np.mean(own**2)
        assert energy == pytest.approx(responses[key].energy[index], rel=1e-3)
        assert row["output_energy"] == pytest.approx(energy / responses[key].energy.sum(), rel=1e-3)
        assert row["tokens"][0] == f"<{tokens[np.abs(own).argmax()]}>"
        assert row["positions"][0] == positions[np.abs(own).argmax()]
        assert row["mean_share"] == pytest.approx(
            responses[key].mean[index] ** 2 / responses[key].energy[index], rel=0.01
        )
    halves = [2 * row["index"] < row["n_values"] for row in rows]
    assert halves == 3 * [False] + 3 * [True]
