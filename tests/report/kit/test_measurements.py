"""What is read for an exhibit: of lists and single vectors no more than a figure shows."""

import pytest
from fake_run import FakeModel, frames

from weightspectra import contracts
from weightspectra.report.kit.exhibit import Named
from weightspectra.report.kit.measurements import Measurements


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder, found = tmp_path_factory.mktemp("levels"), []
    for name in ("trained", "control", "other"):
        rows = frames(FakeModel(name, n_layers=2), overlaps=False)["levels"]
        found.append(str(folder / f"{name}.parquet"))
        contracts.LEVELS.write(rows.to_dict("records"), found[-1], {})
    return {"levels": found}


@pytest.mark.parametrize(
    ("drawn", "shown"),
    [
        (
            {"kind": "matrix", "model": "trained", "control": "control", "block": 1, "role": "up"},
            {"trained", "control"},
        ),
        ({"kind": "matrix", "model": "trained", "control": None, "block": 1, "role": "up"}, {"trained"}),
        ({"kind": "spectra", "model": "trained"}, set()),
    ],
)
def test_a_close_up_reads_its_matrix_and_that_of_the_control(files, drawn, shown):
    data = Measurements.read(files, Named(titles={"trained": "Trained"}, controls={"control": "trained"}), drawn)
    assert set(data.shown_levels["model"]) == shown
    assert set(data.shown_levels["layer"]) <= {1} and set(data.shown_levels["role"]) <= {"up"}
    assert set(data.levels["model"]) == {"trained", "control", "other"}
