"""The fit_levels script: spectra, bounds and tables in, one row per matrix and unfolding out."""

import subprocess
import sys
from pathlib import Path

import fit_levels
import numpy as np
import pytest
from filled import filled
from stand_in import Files, job

from weightspectra import contracts
from weightspectra.randomness.noise import noise_spectra, nulls
from weightspectra.randomness.spacings import level_tests, levels
from weightspectra.spectra.law import edges

SCRIPTS = Path(fit_levels.__file__).parent
SHAPES = {"query": (90, 90), "up": (140, 90), "value": (60, 90)}
"""A square matrix, a tall one, and one that is too small for 'drop'."""


@pytest.fixture(scope="module")
def spectra():
    """Return the singular values of noise; 'up' has two values above the bulk and one below."""
    rng = np.random.default_rng(1)
    found = {role: 0.1 * noise_spectra.draw(max(shape), min(shape), rng) for role, shape in SHAPES.items()}
    found["up"] = np.concatenate([[9.0, 8.0], 0.1 * noise_spectra.draw(138, 87, rng), [0.01]])
    return found


@pytest.fixture(scope="module")
def tables():
    rng = np.random.default_rng(2)
    return {shape: nulls.spectrum_draws(*shape, 60, rng) for shape in ((90, 90), (140, 90), (90, 60))}


@pytest.fixture
def inputs(tmp_path, spectra, tables):
    paths = {name: tmp_path / f"{name}.parquet" for name in ("bulk", "nulls")}
    parts, bulk = [], []
    for layer, (role, values) in enumerate(spectra.items()):
        (n_out, n_in), fitted = SHAPES[role], edges.fit(values, *SHAPES[role])
        known = {"model": "tiny", **contracts.MatrixKey(layer, role)._asdict(), "n_out": n_out, "n_in": n_in}
        parts.append(tmp_path / f"part-{layer}.parquet")
        contracts.SPECTRA.write([filled(contracts.SPECTRA, **known, singular_values=values)], parts[-1], {})
        counts = {"n_below_bound": fitted.n_below, "n_above_bound": fitted.n_above, "noise_std": fitted.noise_std}
        bulk.append(filled(contracts.BULK, **known, **counts))
    contracts.BULK.write(bulk[::-1], paths["bulk"], {})
    contracts.NULLS.write(
        [row for shape, draws in tables.items() for row in nulls.rows(shape, draws)], paths["nulls"], {}
    )
    return Files(spectra=[str(part) for part in parts], **{name: str(path) for name, path in paths.items()})


def fit(inputs, path, seed=1):
    fit_levels.main(job("fit_levels", inputs, Files(str(path)), wildcards={"model": "tiny"}, seed=seed))
    return contracts.LEVELS.read(path)


def test_every_matrix_has_a_row_for_each_unfolding_it_is_large_enough_for(inputs, tmp_path, capsys):
    found = fit(inputs, tmp_path / "levels.parquet")
    assert list(zip(found["role"], found["unfolding"], found["n_levels"], strict=True)) == [
        ("query", "replicate", 60),
        ("query", "drop", 30),
        ("query", "law", 60),
        ("up", "replicate", 57),
        ("up", "drop", 27),
        ("up", "law", 57),
        ("value", "replicate", 30),
        ("value", "law", 30),
    ]
    assert list(found["layer"]) == [0, 0, 0, 1, 1, 1, 2, 2]
    said = capsys.readouterr().err
    assert said == "tiny, layer 2 'value': no levels by 'drop': 60 levels leave 0 after unfolding, of the 20 needed\n"


def test_a_row_is_what_the_library_finds_within_the_bounds(inputs, tmp_path, spectra, tables):
    found = fit(inputs, tmp_path / "levels.parquet").set_index(["role", "unfolding"])
    row = found.loc["up", "replicate"]
    noise = level_tests.Noise(140, 90, 1, 2, edges.fit(spectra["up"], 140, 90).noise_std)
    expected = level_tests.compare(spectra["up"], noise, "replicate", tables[140, 90], np.random.default_rng(0))
    for name in ("spacing_distance", "spacing_p_value", "brody", "gap_ratio", "gap_ratio_p_value"):
        assert row[name] == getattr(expected, name), name
    for name in ("spacings", "lengths", "number_variance", "number_variance_null", "number_variance_null_sd"):
        np.testing.assert_array_equal(row[name], getattr(expected, name))
    np.testing.assert_array_equal(row["number_variance_goe"], levels.goe_number_variance(row["lengths"]))
    assert row["brody_low"] == pytest.approx(expected.brody_low, abs=0.05)


def test_no_number_is_missing(inputs, tmp_path):
    found = fit(inputs, tmp_path / "levels.parquet")
    numbers = found.select_dtypes("number")
    assert np.isfinite(numbers.to_numpy()).all()
    for name in ("spacings", "number_variance", "number_variance_null", "number_variance_null_sd"):
        assert all(np.isfinite(values).all() and values.size for values in found[name])


def test_the_same_seed_gives_the_same_bytes(inputs, tmp_path):
    first = fit(inputs, tmp_path / "a.parquet")
    fit(inputs, tmp_path / "b.parquet")
    assert (tmp_path / "a.parquet").read_bytes() == (tmp_path / "b.parquet").read_bytes()
    assert (fit(inputs, tmp_path / "c.parquet", seed=2)["brody_low"] != first["brody_low"]).any()


def test_fitting_does_not_import_torch():
    code = "import fit_levels, sys; sys.exit('torch' in sys.modules)"
    environment = {"PYTHONPATH": f"{SCRIPTS}:{SCRIPTS.parent / 'src'}"}
    assert subprocess.run([sys.executable, "-c", code], env=environment, check=False).returncode == 0
