"""The fit_bulk script: all parts of a model's spectra in, one bulk table out."""

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import fit_bulk
import numpy as np
import pytest

from weightspectra import contracts

SCRIPTS = Path(fit_bulk.__file__).parent


def spectrum(layer, role, values, floor):
    return {
        "model": "tiny",
        **contracts.MatrixKey(layer, role)._asdict(),
        "n_out": 60,
        "n_in": 240,
        "short_side": "left",
        "singular_values": values,
        "route": "gram",
        "residual": 0.0,
        "orthogonality_short": 0.0,
        "orthogonality_long": 0.0,
        "condition": values[0] / values[-1],
        "rounding_floor": floor,
    }


def test_every_matrix_of_every_part_gets_its_row(tmp_path):
    rng = np.random.default_rng(0)
    noise = np.linalg.svd(0.1 * rng.standard_normal((60, 240)), compute_uv=False)
    planted = noise.copy()
    planted[:2], planted[-3:] = [9.0, 8.0], [0.03, 0.02, 0.01]
    paths = [tmp_path / "part-00-of-02.parquet", tmp_path / "part-01-of-02.parquet"]
    contracts.SPECTRA.write([spectrum(0, "query", noise, 0.0)], paths[0], {})
    contracts.SPECTRA.write([spectrum(1, "up", planted, 0.025)], paths[1], {})
    smk = SimpleNamespace(
        input=[str(path) for path in paths],
        output=[str(tmp_path / "bulk.parquet")],
        params=SimpleNamespace(items=lambda: [("code", "c")]),
        rule="fit_bulk",
    )
    fit_bulk.main(smk)
    bulk = contracts.BULK.read(smk.output[0]).set_index("role")
    assert bulk.loc["query", ["n_below", "n_above", "n_below_floor"]].tolist() == [0, 0, 0]
    assert bulk.loc["up", ["n_below", "n_above", "n_below_floor"]].tolist() == [3, 2, 2]
    assert bulk.loc["query", "entry_std"] == pytest.approx(0.1, rel=0.02)
    assert bulk.loc["up", "layer"] == 1
    assert bulk["aspect_ratio"].tolist() == [4, 4]
    assert bulk["rounding_floor"].tolist() == [0, 0.025]
    assert bulk["n_values"].tolist() == [60, 60]


def test_fitting_does_not_import_torch():
    code = "import fit_bulk, sys; sys.exit('torch' in sys.modules)"
    environment = {"PYTHONPATH": f"{SCRIPTS}:{SCRIPTS.parent / 'src'}"}
    assert subprocess.run([sys.executable, "-c", code], env=environment, check=False).returncode == 0
