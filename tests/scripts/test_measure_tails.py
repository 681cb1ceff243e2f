"""The measure_tails script: spectra and their noise in, one table of tails out."""

import measure_tails
import numpy as np
import pytest
from spectra_of_noise import bulk_row, spectrum_row
from stand_in import Files, job

from weightspectra import contracts


def test_every_matrix_of_every_part_gets_its_row(tmp_path, capsys):
    rng = np.random.default_rng(0)
    planted = np.linalg.svd(0.1 * rng.standard_normal((60, 240)), compute_uv=False)
    planted[:2], planted[-3:] = [9.0, 8.0], [0.03, 0.02, 0.01]
    tiny = np.array([3.0, 2.0])
    parts = [str(tmp_path / f"part-{part:02d}-of-02.parquet") for part in range(2)]
    contracts.SPECTRA.write([spectrum_row(0, "up", planted, 60, 240)], parts[0], {})
    contracts.SPECTRA.write([spectrum_row(1, "down", tiny, 9, 2)], parts[1], {})
    bulk = [bulk_row(1, "down", 9, 2, 1.0, 0.0, 2.5), bulk_row(0, "up", 60, 240, 0.1, 0.7, 2.4)]  # in another order
    contracts.BULK.write(bulk, tmp_path / "bulk.parquet", {})
    inputs = Files(spectra=parts, bulk=str(tmp_path / "bulk.parquet"))
    outputs = Files(str(tmp_path / "tails.parquet"))
    measure_tails.main(job("measure_tails", inputs, outputs, wildcards={"model": "tiny"}))

    found = contracts.TAILS.read(outputs[0]).set_index("role")
    assert found["layer"].to_dict() == {"up": 0, "down": 1}
    up = found.loc["up"]
    assert (up["n_out"], up["n_in"], up["num_spikes"], up["matrix_rank"]) == (60, 240, 2, 60)
    assert up["lambda_max"] == up["spectral_norm"] == 81
    assert up["norm"] == pytest.approx(np.sum(planted**2))
    assert up["stable_rank"] == pytest.approx(up["norm"] / 81)
    assert up["alpha_weighted"] == pytest.approx(up["alpha"] * np.log10(81))
    assert up["energy_above"] == pytest.approx((81 + 64) / up["norm"])
    assert up["energy_below"] == pytest.approx((0.03**2 + 0.02**2 + 0.01**2) / up["norm"])
    assert up["hill_local"][0] == up["hill"]
    assert up["xmin"] in planted**2

    down = found.loc["down"]
    assert np.isnan(down[["alpha", "alpha_weighted", "log_alpha_norm", "hill"]].astype(float)).all()
    assert down["num_pl_spikes"] == 0
    assert down["num_spikes"] == 1
    assert "tiny, layer 1 'down': too few singular values" in capsys.readouterr().err
