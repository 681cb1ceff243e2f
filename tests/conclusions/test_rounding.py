import numpy as np
import pytest
from fake_run import FakeModel, measurements

from weightspectra import contracts
from weightspectra.conclusions import bounds, storage
from weightspectra.contracts.conclusions import CANNOT_BE_TOLD, DOES_NOT, HOLDS
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
    notice, low_rank = data.notices
    assert notice.startswith("Coarse is quantised (stored as Q4_1, 4 bits a weight)")
    assert f"({counted:,} of " in notice
    assert low_rank.startswith(
        f"{found.loc['coarse', 'n_low_rank']} of {found.loc['coarse', 'n_matrices']} matrices of"
    )


@pytest.mark.parametrize(
    ("name", "bits"),
    [
        ("Q4_1", 4),
        ("F32, IQ3_S", 3),
        ("Q8_0, Q6_K", 6),
        ("BF16", 0),
        ("F32", 0),
        ("MXFP4", 4),
        ("int8, one scale per row", 8),
        ("float8 e4m3, one scale per row", 8),
    ],
)
def test_bits_are_read_from_the_names_of_formats(name, bits):
    assert notices.bits(name) == bits


def test_rounding_that_a_format_does_not_tell_is_unknown_and_not_zero():
    data = measurements(FakeModel("a", dtype="IQ2_S", noise=0.1), FakeModel("b", noise=0.002))
    one = (data.matrices["model"] == "a") & (data.matrices["layer"] == 0)
    matrices = data.matrices.assign(rounding_std=data.matrices["rounding_std"].mask(one))
    told = storage.conclude(matrices, data.bulk, controls={})
    told = told[told["claim"] == "rounding_coarse"].set_index("model")
    assert told["verdict"].to_dict() == {"a": CANNOT_BE_TOLD, "b": DOES_NOT}
    assert np.isnan(told.loc["a", "number"])
    notice, *_ = notices.notices(storage.conclude(matrices, data.bulk, controls={}), data.titles)
    assert notice.startswith("A is stored as IQ2_S, which does not tell how much its weights were rounded: what of its")
    assert contracts.MATRICES.version == 3


def test_conclusions_are_drawn_on_trained_models_only():
    fine, coarse = FakeModel("fine", noise=0.002), FakeModel("coarse", dtype="Q4_1", noise=0.15)
    data = measurements(fine, coarse, FakeModel("control"), controls={"control": "fine"})
    found = storage.conclude(data.matrices, data.bulk, controls={"control": "fine"})
    told = found[found["claim"] == "rounding_coarse"].set_index("model")
    assert told["verdict"].to_dict() == {"fine": DOES_NOT, "coarse": HOLDS}
    assert list(told.loc["coarse", "names"]) == ["Q4_1"]
    hidden = found[(found["claim"] == "hidden_below_bound") & (found["model"] == "coarse")].iloc[0]
    rows = data.bulk[data.bulk["model"] == "coarse"]
    n_hidden = rows.loc[rows["edge_lower"] >= rows["rounding_floor"], "n_below_floor"].sum()
    assert hidden["n"] == rows["n_below"].sum() + n_hidden
    assert n_hidden > 0 and round(hidden["number"] * hidden["n"]) == n_hidden
    assert hidden["bound"] == "asymptotic"


def test_matrices_of_low_rank_are_counted_and_said_to_be_so():
    why = "30 of 48 singular values lie below the rounding floor"
    data = measurements(FakeModel("whole"), FakeModel("cut", {"query": (48, 48)}, n_layers=3, why=why))
    bulk = data.bulk.assign(n_below_floor=[30 * (model == "cut") for model in data.bulk["model"]])
    found = storage.conclude(data.matrices, bulk, controls={}).set_index(["claim", "model"])
    for claim in ("low_rank", "without_law"):
        assert found.loc[(claim, "cut"), ["number", "n"]].tolist() == [1, 3]
        assert found.loc[(claim, "whole"), "number"] == 0
    said = notices.notices(storage.conclude(data.matrices, bulk, controls={}), data.titles)
    assert [notice for notice in said if "low rank" in notice] == [
        "3 of 3 matrices of Cut are of low rank: less than nine tenths of their singular values lie above the rounding "
        "floor. What lies below it is in no fit, test or share. To 3 no law could be fitted."
    ]


def test_what_has_no_law_is_in_no_count_and_in_no_comparison():
    data = measurements(FakeModel("part"), FakeModel("control"), controls={"control": "part"})
    first = (data.bulk["model"] == "part") & (data.bulk["layer"] == 0)
    bulk = data.bulk.assign(why=["lost" if lost else "" for lost in first])
    known = {
        "matrices": data.matrices.assign(sha256=[str(number) for number in range(len(bulk))]),
        "controls": {"control": "part"},
        "structured": {},
    }
    whole, part = (bounds.conclude(rows, **known).set_index(["claim", "model"]) for rows in (data.bulk, bulk))
    n = int(first.sum())
    for claim in ("bulk_fits", "more_beyond_bound_than_control"):
        before, after = (found.loc[[(claim, "part")], "n"].iloc[0] for found in (whole, part))
        assert before - after == n, claim
    nothing = bounds.conclude(bulk.assign(why="lost"), **known)
    assert nothing.empty
