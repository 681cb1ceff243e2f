import numpy as np
import pytest
from fake_run import FakeModel, measurements

from weightspectra.conclusions import storage
from weightspectra.contracts.conclusions import DOES_NOT, HOLDS
from weightspectra.report.kit import storage as notices


def test_noise_share_is_that_of_noise_added_to_a_matrix():
    rng = np.random.default_rng(0)
    data = measurements(FakeModel("a", {"query": (48, 48)}, n_layers=1))
    weights, noise = rng.standard_normal((48, 48)), 0.1 * rng.standard_normal((48, 48))
    matrices = data.matrices.assign(frobenius_norm=np.linalg.norm(weights), rounding_std=noise.std())
    found = storage.storage(matrices, data.bulk).loc["a"]
    assert found["noise_share"] == pytest.approx(np.linalg.norm(noise) / np.linalg.norm(weights), rel=1e-3)
    assert found["coarse"]


def test_coarse_formats_are_told_by_their_noise_and_counted_below_their_floor():
    data = measurements(FakeModel("fine", noise=0.002), FakeModel("coarse", dtype="Q4_1", noise=0.3))
    found = storage.storage(data.matrices, data.bulk)
    assert found["coarse"].tolist() == [True, False]
    counted = sum(
        (values < floor).sum()
        for model, values, floor in data.spectra[["model", "singular_values", "rounding_floor"]].itertuples(index=False)
        if model == "coarse"
    )
    assert found.loc["coarse", "n_below_floor"] == counted > 0
    (notice,) = data.notices
    assert notice.startswith("Coarse is quantised (stored as Q4_1, 4 bits a weight)")
    assert f"({counted:,} of " in notice


@pytest.mark.parametrize(("name", "bits"), [("Q4_1", 4), ("F32, IQ3_S", 3), ("Q8_0, Q6_K", 6), ("BF16", 0), ("F32", 0)])
def test_bits_are_read_from_the_names_of_formats(name, bits):
    assert notices.bits(name) == bits


def test_conclusions_are_drawn_on_trained_models_only():
    fine, coarse = FakeModel("fine", noise=0.002), FakeModel("coarse", dtype="Q4_1", noise=0.3)
    data = measurements(fine, coarse, FakeModel("control"), controls={"control": "fine"})
    found = storage.conclude(data.matrices, data.bulk, controls={"control": "fine"})
    told = found[found["claim"] == "rounding_coarse"].set_index("model")
    assert told["verdict"].to_dict() == {"fine": DOES_NOT, "coarse": HOLDS}
    assert list(told.loc["coarse", "names"]) == ["Q4_1"]
    hidden = found[(found["claim"] == "hidden_below_bound") & (found["model"] == "coarse")].iloc[0]
    rows = data.bulk[data.bulk["model"] == "coarse"]
    assert hidden["n"] == rows["n_below"].sum()
    assert hidden["number"] * hidden["n"] == sum(map(min, rows["n_below"], rows["n_below_floor"]))
    assert hidden["bound"] == "asymptotic"
