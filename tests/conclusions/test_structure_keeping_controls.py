"""A structure-keeping control is counted as models are, and no side of any comparison."""

import pytest
from fake_run import LLAMA, FakeModel, measurements, told

from weightspectra.report.findings import bounds, ends, overlap


@pytest.fixture(scope="module")
def data():
    """A trained model, its random control, and a control in which values are planted, as many as in no other."""
    trained, random = (FakeModel(name, LLAMA, n_layers=6, n_above=n) for name, n in (("trained", 2), ("control", 0)))
    flipped = FakeModel("flipped", LLAMA, n_layers=6, n_above=4)
    return measurements(flipped, trained, random, controls={"control": "trained"}, structured={"flipped": "trained"})


def test_its_counts_and_means_are_rows(data):
    rows = data.findings[data.findings["model"] == "flipped"]
    found = rows[(rows["claim"] == "beyond_bound") & (rows["region"] == "above") & (rows["role"] == "")]
    assert list(found["number"] * found["n"]) == pytest.approx([6 * 7 * 3])
    assert {"bulk_fits", "matrices_beyond_bound", "information", "nonrandom_vectors"} <= set(rows["claim"])
    once = rows[rows["claim"].isin(["beyond_bound", "information"])]
    assert not once.duplicated(["claim", "region", "role"]).any()


def test_it_is_neither_trained_nor_random(data):
    assert data.trained == ["trained"]
    compared = data.findings[data.findings["claim"].str.endswith("_than_control")]
    assert len(compared)
    assert (set(compared["model"]), set(compared["beside"])) == ({"trained"}, {"control"})
    found = told(data)
    for telling in (bounds.above, bounds.below, ends.informative_ends, overlap.data_overlap):
        assert not any("Flipped" in sentence for sentence in telling(found).sentences)


def test_without_a_random_control_nothing_is_compared():
    pair = FakeModel("trained", LLAMA, n_layers=6), FakeModel("flipped", LLAMA, n_layers=6, n_above=0)
    data = measurements(*pair, structured={"flipped": "trained"})
    assert not data.findings["claim"].str.endswith("_than_control").any()
