"""The fit_bulk script: all parts of a model's spectra in, one bulk table out."""

import subprocess
import sys
from pathlib import Path

import fit_bulk
import numpy as np
import pytest
from filled import filled
from scipy import stats
from stand_in import Files, job

from weightspectra import contracts
from weightspectra.randomness.noise import nulls

SCRIPTS = Path(fit_bulk.__file__).parent
SHAPE = (240, 60)


def rows_of(layer, role, matrix, floor=0.0):
    """Return the rows of the contracts SPECTRA and MATRICES that describe a matrix; all else is nothing."""
    values, key = np.linalg.svd(matrix, compute_uv=False), contracts.MatrixKey(layer, role)._asdict()
    known = {"model": "tiny", **key, "n_out": matrix.shape[0], "n_in": matrix.shape[1]}
    entries = {f"{name}_mean_squares": (matrix**2).mean(axis=axis) for name, axis in (("row", 1), ("column", 0))}
    return (
        filled(contracts.SPECTRA, **known, singular_values=values, rounding_floor=floor),
        filled(contracts.MATRICES, **known, **entries, excess_kurtosis=stats.kurtosis(matrix, axis=None)),
    )


@pytest.fixture(scope="module")
def noise():
    return 0.1 * np.random.default_rng(0).standard_normal((60, 240))


@pytest.fixture(scope="module")
def planted(noise):
    """Two directions above the bulk, and three below it."""
    left, values, right = np.linalg.svd(noise, full_matrices=False)
    values[:2], values[-3:] = [9.0, 8.0], [0.03, 0.02, 0.01]
    return left * values @ right


def fit(folder, *parts, shuffled=None):
    """Run the script on parts that hold one matrix each."""
    paths = {"spectra": [], "matrices": []}
    for number, rows in enumerate(parts):
        for made, row in zip((contracts.SPECTRA, contracts.MATRICES), rows, strict=True):
            path = folder / f"{made.name}-{number}.parquet"
            made.write([row], path, {})
            paths[made.name].append(str(path))
    draws = nulls.draw(SHAPE, 40, 1, 1)
    contracts.NULLS.write(nulls.rows(SHAPE, draws), folder / "nulls.parquet", {})
    if shuffled:
        contracts.PERMUTATIONS.write(shuffled, folder / "permutations.parquet", {})
    inputs = Files(
        **paths,
        nulls=str(folder / "nulls.parquet"),
        permutations=[str(folder / "permutations.parquet")] if shuffled else [],
    )
    smk = job("fit_bulk", inputs, Files(str(folder / "bulk.parquet")), wildcards={"model": "tiny"}, level=0.05)
    fit_bulk.main(smk)
    return contracts.BULK.read(smk.output[0]).set_index("role")


def test_every_matrix_of_every_part_gets_its_row(tmp_path, noise, planted):
    bulk = fit(tmp_path, rows_of(0, "query", noise), rows_of(1, "up", planted, floor=0.025))
    assert bulk.loc["query", ["n_below", "n_above", "n_below_floor"]].tolist() == [0, 0, 0]
    assert bulk.loc["up", ["n_below", "n_above", "n_below_floor"]].tolist() == [1, 2, 2]
    assert bulk.loc["query", "entry_std"] == pytest.approx(0.1, rel=0.02)
    assert bulk.loc["up", "layer"] == 1
    assert bulk["aspect_ratio"].tolist() == [4, 4]
    assert bulk["rounding_floor"].tolist() == [0, 0.025]
    assert bulk["n_values"].tolist() == [60, 60]


def test_outliers_are_left_out_of_the_noise(tmp_path, noise, planted):
    bulk = fit(tmp_path, rows_of(0, "query", noise), rows_of(1, "up", planted.T))
    assert bulk.loc["query", ["n_below_bound", "n_above_bound", "noise_rank"]].tolist() == [0, 0, 60]
    assert bulk.loc["up", ["n_below_bound", "n_above_bound", "noise_rank"]].tolist() == [3, 2, 55]
    assert bulk["noise_std"].to_numpy() == pytest.approx(0.1, rel=0.02)
    assert (bulk["bulk_p_value"] > 0.05).all()
    assert (np.array(bulk.loc["up", "p_above"]) < 0.025).sum() == 2
    assert bulk.loc["up", "initial_std"] == 60**-0.5
    assert bulk["permutation_p_upper"].isna().all()


def test_rows_of_unequal_variance_explain_outliers_away(tmp_path):
    """Noise whose rows differ has no spike; the law of equal variances sees some all the same."""
    stds = np.geomspace(0.3, 1.5, 60)[:, None]
    bulk = fit(tmp_path, rows_of(0, "down", stds * np.random.default_rng(2).standard_normal((60, 240)))).loc["down"]
    assert bulk["n_above_bound"] > 0
    assert bulk["n_above_profile"] == 0
    assert bulk["row_p_value"] < 1e-10
    assert bulk["column_p_value"] > 1e-3
    assert bulk["row_spread"] == pytest.approx(np.std(stds**2) / np.mean(stds**2), rel=0.1)


def test_shuffled_spectra_give_their_own_bounds(tmp_path, planted):
    draws = {"largest": np.linspace(23, 24, 39), "smallest": np.linspace(7, 8, 39)}
    shuffled = [{"model": "tiny", **contracts.MatrixKey(1, "up")._asdict(), **draws}]
    row = fit(tmp_path, rows_of(1, "up", planted), shuffled=shuffled).loc["up"]
    assert row["permutation_p_upper"] == row["permutation_p_lower"] == 1 / 40
    assert row["permutation_bound_upper"] == pytest.approx(24 * row["noise_std"])
    assert row["permutation_bound_lower"] == pytest.approx(7 * row["noise_std"])


def test_fitting_does_not_import_torch():
    code = "import fit_bulk, sys; sys.exit('torch' in sys.modules)"
    environment = {"PYTHONPATH": f"{SCRIPTS}:{SCRIPTS.parent / 'src'}"}
    assert subprocess.run([sys.executable, "-c", code], env=environment, check=False).returncode == 0
