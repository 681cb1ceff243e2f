"""The comparison of predicted with measured damage, where the truth is planted."""

from argparse import Namespace

import agreement
import numpy as np
import pytest
import small_decoder
import tables
from filled import filled

from weightspectra import contracts

N_CUTS, N_UNITS = 400, 16


@pytest.fixture
def planted():
    """Cuts of known damage, measured on units of unequal weight with noise as large as the damages' spread."""
    rng = np.random.default_rng(1)
    truth, weights = rng.normal(size=N_CUTS), rng.integers(100, 200, N_UNITS).astype(float)
    noise = rng.normal(size=(N_CUTS, N_UNITS)) * np.sqrt(N_UNITS)
    increases = (truth[:, None] + noise) * weights
    other = rng.normal(size=N_CUTS)
    return agreement.Measured(increases, weights, {"law": truth, "chance": other}, np.array(["a", "b"] * 200))


def test_damage_and_its_error_are_those_of_a_weighted_mean(planted):
    assert planted.damage[3] == pytest.approx(
        np.average(planted.increases[3] / planted.weights, weights=planted.weights)
    )
    assert np.mean((planted.damage - planted.predictors["law"]) ** 2 / planted.error**2) == pytest.approx(
        1.15, abs=0.25
    )


def test_repeating_a_measurement_is_foreseen_from_its_halves(planted):
    rng = np.random.default_rng(2)
    truth = planted.predictors["law"]
    again = (truth[:, None] + rng.normal(size=(N_CUTS, N_UNITS)) * np.sqrt(N_UNITS)) * planted.weights
    second = agreement.Measured(again, planted.weights, planted.predictors, planted.groups)
    found = agreement.rank_correlation(planted.damage, second.damage)
    assert agreement.repeated(planted) == pytest.approx(found, abs=0.1)
    assert agreement.repeated(planted) ** 0.5 == pytest.approx(
        agreement.rank_correlation(planted.damage, truth), abs=0.1
    )


def test_rows_say_whether_the_law_holds(planted):
    everything, _ = agreement.checks("planted", planted)
    assert everything.what.startswith("planted, all 400 cuts")
    assert everything.verdict == "falls short, and so does measuring again"
    assert "chance" in everything.expected and "chance" not in everything.ours
    swapped = planted._replace(predictors=dict(reversed(planted.predictors.items())))
    assert agreement.checks("planted", swapped)[0].verdict == "falls short"
    exact = planted._replace(increases=np.outer(planted.predictors["law"], planted.weights))
    assert agreement.checks("planted", exact)[0].verdict == "holds"


def test_tables_are_joined_by_matrix(tmp_path):
    cells = [(layer, role, decile) for layer in (0, 1) for role in ("up", "down") for decile in (1, 2)]
    rows = [
        filled(
            contracts.PREDICTIONS,
            **{"model": "m", "corpus": "c", "layer": layer, "role": role, "decile": decile, "predicted": 2.0**number},
        )
        for number, (layer, role, decile) in enumerate(cells)
    ]
    contracts.PREDICTIONS.write(rows, tmp_path / "predictions" / "m" / "c.parquet", {})
    blank = filled(contracts.EVALUATIONS, model="m", experiment="e", n_scored=30, n_removed=1, metric=tables.METRIC)
    blank |= {"units": ["x", "y"], "unit_weights": [10.0, 20.0]}
    none = {"cut": "none", "scope": "none", "decile": 0, "roles": [], "layers": [], "unit_values": [5.0, 7.0]}
    cut = {"cut": "decile 2 of up", "scope": "role", "decile": 2, "roles": ["up"], "layers": [0, 1]}
    rows = [{**blank, **none}, {**blank, **cut, "unit_values": [6.0, 9.0]}, {**blank, **cut, "metric": "bits_per_byte"}]
    rows[2]["unit_values"] = [0.0, 0.0]
    contracts.EVALUATIONS.write(rows, tmp_path / "evaluations" / "m" / "e.parquet", {})
    found = tables.measured(tmp_path, "m", "c", "e")
    assert found.increases.tolist() == [[1.0, 2.0]]
    assert found.damage.tolist() == [pytest.approx(3 / 30)]
    assert found.predictors["law"].tolist() == [2.0**1 + 2.0**5]
    assert found.groups.tolist() == ["up"]


def test_the_small_decoder_is_trained_predicted_and_measured(tmp_path, monkeypatch):
    monkeypatch.setattr(small_decoder, "WINDOW", 16)
    monkeypatch.setattr(small_decoder, "BATCH", 4)
    texts = [
        (part, f"{part} {i}", "the state of the union is strong. " * 4)
        for part in ("observe", "evaluate")
        for i in range(9)
    ]
    rows = [{"corpus": "prose", "part": part, "document": name, "text": text} for part, name, text in texts]
    contracts.CORPUS.write(rows, tmp_path / "corpora" / "prose.parquet", {})
    found = small_decoder.measured(Namespace(results=tmp_path, corpus="prose", steps=3, n_windows=4))
    assert found.increases.shape == (4 * 7 * 10, 4)
    assert found.weights.tolist() == [16.0] * 4
    assert all(len(values) == 280 for values in found.predictors.values())
