import numpy as np
import pandas as pd
import pytest

from weightspectra import contracts
from weightspectra.contracts import MatrixKey
from weightspectra.damage import prediction
from weightspectra.damage.sensitivity import Response

KEY = MatrixKey(3, "value")


def response(n_values=20, **changes):
    """Value k adds (k + 1)^2 to the output, half of it as a constant."""
    energy = np.arange(1.0, n_values + 1) ** 2
    values = {
        "energy": energy,
        "mean": np.sqrt(energy / 2),
        "first_order": np.arange(n_values, dtype=float),
        "second_order": np.ones(n_values),
        "answers": np.arange(10.0) * np.ones((3, 1)),
        "n_tokens": 77,
    }
    return Response(**(values | changes))


def predict(values, found):
    rows = prediction.predict({KEY: values}, {KEY: found})
    return pd.DataFrame(rows).set_index("decile")


def test_rows_hold_shares_and_sums_of_their_ranks():
    rows = predict(np.arange(20.0, 0.0, -1.0), response())
    assert rows.index.tolist() == list(range(1, 11))
    assert set(rows["n_removed"]) == {2}
    assert set(rows["n_tokens"]) == {77}
    for name in ("weight_energy", "centred_energy", "output_energy"):
        assert rows[name].sum() == pytest.approx(1)
    total = 20 * 21 * 41 / 6
    assert rows.loc[1, "weight_energy"] == pytest.approx((1 + 4) / total)  # the two smallest values
    assert rows.loc[1, "output_energy"] == pytest.approx((19**2 + 20**2) / total)  # the last two directions
    assert rows.loc[10, "first_order"] == 0 + 1
    assert rows.loc[4, "second_order"] == pytest.approx(3 * 3**2 / 2)
    assert rows.loc[4, "predicted"] == pytest.approx(3 * 3**2 / 2 + (12 + 13) / 2)


def test_centred_energy_leaves_constants_out():
    found = response(mean=np.where(np.arange(20) < 2, np.arange(1.0, 21.0), 0.0))
    rows = predict(np.ones(20), found)
    assert rows.loc[10, "centred_energy"] == pytest.approx(0)
    assert rows.loc[10, "output_energy"] > 0


def test_fewer_than_ten_values_leave_deciles_out():
    rows = predict(np.ones(7), response(7))
    assert rows.index.tolist() == list(range(1, 8))
    assert set(rows["n_removed"]) == {1}


def test_rows_fit_the_contract(tmp_path):
    rows = prediction.predict({KEY: np.ones(20)}, {KEY: response()})
    path = tmp_path / "predictions.parquet"
    contracts.PREDICTIONS.write([{"model": "tiny", "corpus": "prose", **row} for row in rows], path, {})
    assert len(contracts.PREDICTIONS.read(path)) == 10


def test_surprise_is_the_divergence_of_damage_from_energy():
    values, of_each = np.array([3.0, 2.0, 1.0]), np.array([0.2, 0.0, 0.6])
    found = prediction.surprise(values, response(3, second_order=of_each))
    shares, energies = of_each / 0.8, values**2 / 14
    divergence = shares[0] * np.log(shares[0] / energies[0]) + shares[2] * np.log(shares[2] / energies[2])
    assert found.sum() == pytest.approx(0.8 * divergence)
    assert found.argmax() == 2
    assert found[1] == 0


def test_the_most_surprising_come_from_both_ends():
    surprises = {MatrixKey(0, "up"): np.array([9.0, 8.0, 0.1, 0.3]), MatrixKey(1, "up"): np.array([7.0, 0.0, 0.0, 0.2])}
    chosen = prediction.most_surprising(surprises, 5)
    first, second = MatrixKey(0, "up"), MatrixKey(1, "up")
    assert chosen == [(first, 3), (second, 3), (first, 2), (first, 0), (first, 1)]
    assert prediction.most_surprising(surprises, 0) == []


def test_singular_values_are_found_by_key():
    spectra = pd.DataFrame(
        [
            {"layer": 3, "role": "value", "expert": 0, "singular_values": [2.0, 1.0]},
            {"layer": 4, "role": "value", "expert": 0, "singular_values": [5.0, 4.0]},
        ]
    )
    np.testing.assert_array_equal(prediction.values_of_responding(spectra, {KEY: response(2)})[KEY], [2, 1])
