"""The simulate_memories script: every simulation, the same bytes for the same seed, and settings that do not mix."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import simulate_memories
from stand_in import Files, job

from weightspectra import contracts
from weightspectra.birth.simulated import associative_memory, simulations

COUNTS = Path(__file__).parents[2] / "config" / "published" / "tiny_shakespeare.csv"
SETTINGS = {"dimensions": [8, 24], "n_tokens": [10, 20], "n_seeds": 2, "n_samples": 64}


@pytest.fixture(scope="module", autouse=True)
def few_sequences():
    """Try the transformers of three steps on few sequences, which takes most of the time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(simulations, "N_TEST", 100)
        yield


def simulate(path, seed=3, **changed):
    """Run the script; return its table."""
    params = {"seed": seed, "memories": SETTINGS | changed}
    simulate_memories.main(job("simulate_memories", Files(str(COUNTS)), Files(str(path)), wildcards={}, **params))
    return contracts.SIMULATIONS.read(path)


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    return simulate(tmp_path_factory.mktemp("memories") / "simulations.parquet")


def test_every_simulation_has_one_row_for_each_setting_and_draw(found):
    key = ["simulation", "variant", "dimension", "n_tokens", "quantity"]
    assert (found.groupby(key)["seed"].agg(list).map(sorted).map(tuple) == (0, 1)).all()
    settings = Counter(found["simulation"][found["seed"] == 0])
    assert settings["superposition"] == settings["spectrum"] == 2 * 4
    # Gaussian embeddings everywhere, orthonormal ones where they fit, and two variants of the text.
    assert settings["one_step"] == 3 * 4 + 3 * 2 + 2 * 2 * 2
    # Orthonormal embeddings and two dimensions; two recalls, and four numbers for each size of the second step.
    assert settings["three_steps"] == 3 * (2 + 4 * 4)
    assert np.isfinite(found["value"]).all()


def test_what_theory_says_is_there_and_near(found):
    orthonormal = found.query("variant == 'orthonormal' and simulation == 'one_step' and quantity == 'diagonal'")
    assert set(orthonormal["n_tokens"]) == {10, 20} and set(orthonormal["dimension"]) == {24}
    assert orthonormal["expected"].tolist() == pytest.approx(1 - 1 / orthonormal["n_tokens"])
    recalls = found[found["quantity"] == "recall"]
    assert recalls["expected"].between(0, 1).all()
    assert (recalls["value"] - recalls["expected"]).abs().mean() < 0.15


def test_noise_of_one_step_counts_the_less_the_more_examples_there_are(tmp_path):
    """With 10 examples of each class, a tenth is left of noise that is as long as the input."""
    many = simulate(tmp_path / "many", dimensions=[24], n_tokens=[20], n_samples=200)
    expected = many.query("variant == 'Gaussian' and quantity == 'recall'")["expected"].unique()
    assert expected == pytest.approx([associative_memory.predicted_recall(24, 20, 0.1)])


def test_same_seed_same_bytes_and_other_settings_do_not_change_what_is_found(found, tmp_path):
    again, fewer, other = (tmp_path / name for name in ("again", "fewer", "other"))
    assert simulate(again).equals(found)
    simulate(fewer)
    assert again.read_bytes() == fewer.read_bytes()
    key = [name for name in found.columns if name != "value"]
    alone = simulate(fewer, dimensions=[24], n_tokens=[20], n_seeds=2)
    merged = alone.merge(found, on=key, how="left")
    assert len(merged) == len(alone) and (merged["value_x"] == merged["value_y"]).all()
    assert not simulate(other, seed=4)["value"].equals(found["value"])


def test_draws_differ(found):
    by_draw = found.query("simulation == 'spectrum'").pivot_table(
        index=["dimension", "n_tokens", "quantity"], columns="seed", values="value"
    )
    assert (by_draw[0] != by_draw[1]).all()


def test_smallest_settings_run(tmp_path):
    found = simulate(tmp_path / "smallest", dimensions=[2], n_tokens=[2])
    assert np.isfinite(found["value"]).all()


def test_provenance_names_the_counts(tmp_path):
    simulate(tmp_path / "made", dimensions=[4], n_tokens=[4])
    assert contracts.read_provenance(tmp_path / "made")["sources"]["characters"]["name"] == COUNTS.name
