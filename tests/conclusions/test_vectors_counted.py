import pandas as pd
import pytest
from fake_run import LLAMA, FakeModel, frames

from weightspectra.conclusions.noise import vectors


def pair(n_layers=2):
    return (
        FakeModel("trained", LLAMA, n_layers=n_layers, n_above=2, n_below=2),
        FakeModel("control", LLAMA, n_layers=n_layers, n_above=0, n_below=0),
    )


def concluded(*models, **changed):
    found = frames(*models)
    return vectors.conclude(found["vector_tests"].assign(**changed), found["bulk"])


def of(rows, claim, **names):
    chosen = rows[rows["claim"] == claim]
    for column, value in names.items():
        chosen = chosen[chosen[column] == value]
    (found,) = chosen.to_dict("records")
    return found


def test_vectors_are_counted_side_by_side():
    rows = concluded(*pair(n_layers=6))
    # Two leading vectors on each side everywhere, two trailing ones on the right of rectangular matrices.
    n_vectors = 6 * (5 * 48 + 2 * 16)
    both, left, right = (
        of(rows, "nonrandom_vectors", model="trained", side=side, role="") for side in ("", "left", "right")
    )
    assert (both["n"], left["n"]) == (2 * n_vectors, n_vectors)
    assert both["number"] * both["n"] == pytest.approx(6 * 7 * 2 * 2 + 6 * 5 * 2)
    assert left["number"] + right["number"] == pytest.approx(2 * both["number"])


def test_roles_add_up_to_the_model():
    rows = concluded(*pair())
    for side in ("left", "right"):
        whole = of(rows, "nonrandom_vectors", model="trained", side=side, role="")
        roles = rows.query("claim == 'nonrandom_vectors' and model == 'trained' and side == @side and role != ''")
        assert list(roles["role"]) == ["query", "key", "value", "attention_output", "up", "gate", "down"]
        assert roles["n"].sum() == whole["n"]
        assert (roles["number"] * roles["n"]).sum() == pytest.approx(whole["number"] * whole["n"])
    assert (rows["family"] == "vectors of a matrix").all()
    assert (rows["verdict"] == "").all()


def test_a_q_value_at_the_level_is_a_discovery_and_one_above_it_none():
    rows = concluded(FakeModel("a", {"up": (96, 48)}, n_layers=1), q_value=0.0501, participation_q_value=0.05)
    assert set(rows.loc[rows["claim"] == "nonrandom_vectors", "number"]) == {0.0}
    assert rows.loc[rows["claim"] == "localised_vectors", ["number", "n"]].to_numpy().tolist() == [[1.0, 48.0]] * 2


def test_each_model_is_held_to_its_own_level():
    found = frames(FakeModel("a"), FakeModel("b"))
    bulk = pd.concat([found["bulk"].assign(level=found["bulk"]["model"].map({"a": 0.05, "b": 0.01}))])
    rows = vectors.conclude(found["vector_tests"].assign(q_value=0.02), bulk)
    assert [of(rows, "nonrandom_vectors", model=name, side="")["number"] for name in ("a", "b")] == [1.0, 0.0]
