"""The map_information script: spectra, noise and p-values of vectors in, information and cleaned values out."""

import map_information
import numpy as np
import pytest
from filled import filled
from spectra_of_noise import bulk_row, spectrum_row
from stand_in import Files, job

from weightspectra import contracts


def vector_rows(layer, role, side, p_values, rng):
    """Rows of one matrix and side, in any order."""
    key = contracts.MatrixKey(layer, role)._asdict()
    return [
        filled(contracts.VECTOR_TESTS, model="tiny", **key, side=side, index=index, p_value=p_values[index])
        for index in rng.permutation(len(p_values))
    ]


def test_information_and_cleaned_values_of_every_matrix(tmp_path):
    rng = np.random.default_rng(0)
    noise = np.linalg.svd(rng.standard_normal((100, 100)), compute_uv=False)
    planted = noise.copy()
    planted[:4] = [60.0, 50.0, 40.0, 30.0]
    p_random, p_planted = rng.random((2, 100)), rng.random((2, 100))
    p_planted[0, :16] = p_planted[1, :16] = 1e-4  # sixteen at the top, four of them outliers
    p_planted[0, -9:] = 1e-5  # nine at the bottom, known from one side only
    spectra = [spectrum_row(0, "query", noise, 100, 100), spectrum_row(1, "key", planted, 100, 100)]
    contracts.SPECTRA.write(spectra, tmp_path / "spectra.parquet", {})
    bulk = [bulk_row(layer, role, 100, 100, 1.0, 0.0, 20.9) for layer, role in ((1, "key"), (0, "query"))]
    contracts.BULK.write(bulk, tmp_path / "bulk.parquet", {})
    parts = [str(tmp_path / f"part-{part:02d}-of-02.parquet") for part in range(2)]
    for part, layer, role, p_sides in ((parts[0], 0, "query", p_random), (parts[1], 1, "key", p_planted)):
        rows = [
            row
            for side, p_values in zip(("right", "left"), p_sides[::-1], strict=True)
            for row in vector_rows(layer, role, side, p_values, rng)
        ]
        contracts.VECTOR_TESTS.write(rows, part, {})
    inputs = Files(spectra=str(tmp_path / "spectra.parquet"), vectors=parts, bulk=str(tmp_path / "bulk.parquet"))
    outputs = Files(information=str(tmp_path / "information.parquet"), cleaning=str(tmp_path / "cleaning.parquet"))
    map_information.main(job("map_information", inputs, outputs, wildcards={"model": "tiny"}))

    shares = contracts.INFORMATION.read(outputs.information).set_index(["role", "region"])
    assert len(shares) == 6
    assert (shares.loc["query", "information_low"] <= 0).all()
    assert (shares.loc["query", "information_high"] >= 0).all()
    assert shares.loc[("key", "largest tenth"), ["n_directions", "n_outliers"]].tolist() == [10, 4]
    assert shares.loc[("key", "largest tenth"), "information"] == 1
    assert shares.loc[("key", "smallest tenth"), "information"] >= 0.8
    assert shares.loc[("key", "middle"), "information"] < 0.4

    cleaned = contracts.CLEANING.read(outputs.cleaning).set_index("role")
    assert cleaned.loc["query", ["boundary_upper", "boundary_lower"]].tolist() == [0, 0]
    assert not cleaned.loc["query", "filtered_values"].any()
    assert cleaned.loc["key", ["boundary_upper", "boundary_lower"]].tolist() == pytest.approx([16, 9], abs=3)
    for kept in ("filtered_values", "shrunk_values"):
        values = cleaned.loc["key", kept]
        assert len(values) == 100
        assert np.count_nonzero(values) == 4
        assert (values[:4] < planted[:4]).all()
    assert cleaned.loc["key", "shrunk_energy"] < cleaned.loc["key", "filtered_energy"] < 1
