"""The decompose script: two contracts in, two out."""

from types import SimpleNamespace

import decompose
import numpy as np
import pytest

from weightspectra import contracts
from weightspectra.base.errors import UserError
from weightspectra.models import number_formats

SHAPES = {
    contracts.MatrixKey(0, "query"): (12, 12),
    contracts.MatrixKey(0, "up"): (24, 12),
    contracts.MatrixKey(1, "down", 3): (12, 24),
}


@pytest.fixture
def job(tmp_path):
    """A job as Snakemake hands it to the script, with its inputs written."""
    rng = np.random.default_rng(0)
    weights = {key: rng.standard_normal(shape).astype(np.float32) for key, shape in SHAPES.items()}
    return make_job(tmp_path, weights), weights


def make_job(folder, weights):
    with contracts.WEIGHTS.matrix_writer(
        folder / "weights.parquet", {"sources": {"tiny": {"revision": "r"}}}
    ) as writer:
        for key, weight in weights.items():
            writer.write(key, weight)
    rows = [
        {
            "model": "tiny",
            **key._asdict(),
            "n_out": weight.shape[0],
            "n_in": weight.shape[1],
            "tensor": f"layers.{key.layer}.{key.role}.weight",
            "dtype": "bfloat16",
            "rounding_std": 0.01,
            **number_formats.moments(weight),
            "sha256": "0" * 64,
        }
        for key, weight in reversed(weights.items())
    ]
    contracts.MATRICES.write(rows, folder / "matrices.parquet", {})
    inputs, outputs = ["weights", "matrices"], ["spectra", "vectors"]
    return SimpleNamespace(
        input=_Files(inputs, folder),
        output=SimpleNamespace(**{name: str(folder / f"{name}.parquet") for name in outputs}),
        wildcards=SimpleNamespace(model="tiny", part="00-of-01"),
        params=_Params(code="c", device="cpu"),
        rule="decompose",
        log=[str(folder / "log")],
    )


class _Files(list):
    """Named inputs that can also be iterated, as Snakemake's can."""

    def __init__(self, names, folder):
        super().__init__(str(folder / f"{name}.parquet") for name in names)
        self.__dict__.update(zip(names, self, strict=True))


class _Params(SimpleNamespace):
    def items(self):
        return vars(self).items()


def test_values_and_vectors_of_every_matrix_are_written(job):
    smk, weights = job
    decompose.main(smk)
    spectra = contracts.SPECTRA.read(smk.output.spectra)
    vectors = contracts.VECTORS.matrices(smk.output.vectors)
    assert len(spectra) == len(vectors) == len(weights)
    for row in spectra.itertuples():
        key = contracts.MatrixKey(row.layer, row.role, row.expert)
        weight = weights[key].astype(np.float64)
        assert (row.n_out, row.n_in) == weight.shape
        assert row.short_side == ("left" if row.n_out <= row.n_in else "right")
        np.testing.assert_allclose(row.singular_values, np.linalg.svd(weight, compute_uv=False), rtol=1e-12)
        short = vectors[key]["values"]
        assert short.dtype == np.float32 and short.shape == (12, 12)
        projected = short @ weight if row.short_side == "left" else short @ weight.T
        np.testing.assert_allclose(np.linalg.norm(projected, axis=1), row.singular_values, atol=1e-5)
        assert row.route == "gram" and row.residual < 1e-12 and row.orthogonality_short < 1e-13
        assert row.condition == row.singular_values[0] / row.singular_values[-1]
        assert row.rounding_floor == pytest.approx(0.01 * (np.sqrt(row.n_out) + np.sqrt(row.n_in)))


def test_provenance_names_device_and_sources(job):
    smk, _ = job
    decompose.main(smk)
    for path in (smk.output.spectra, smk.output.vectors):
        found = contracts.read_provenance(path)
        assert found["device"] == "cpu"
        assert found["sources"] == {"tiny": {"revision": "r"}}


def test_second_run_gives_the_same_bytes(job, tmp_path):
    smk, _ = job
    decompose.main(smk)
    first = [(tmp_path / f"{name}.parquet").read_bytes() for name in ("spectra", "vectors")]
    decompose.main(smk)
    assert [(tmp_path / f"{name}.parquet").read_bytes() for name in ("spectra", "vectors")] == first


def test_weights_that_are_not_finite_stop_the_job_and_leave_nothing(tmp_path, monkeypatch):
    weight = np.ones((12, 24), dtype=np.float32)
    weight[3, 4] = np.nan
    monkeypatch.setattr(contracts.Contract, "fault", lambda *_: "")  # which would refuse to write them
    smk = make_job(tmp_path, {contracts.MatrixKey(7, "down"): weight})
    expected = r"tiny, layer 7 'down' \(layers\.7\.down\.weight\): 1 of 288 weights are NaN or infinite"
    with pytest.raises(UserError, match=expected):
        decompose.main(smk)
    assert not (tmp_path / "vectors.parquet").exists() and not (tmp_path / "spectra.parquet").exists()
