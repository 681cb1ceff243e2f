import subprocess
import sys

import numpy as np
import pytest
from compare_models import main
from filled import filled
from stand_in import Files, job

from weightspectra import contracts
from weightspectra.base.errors import UserError
from weightspectra.contracts import MatrixKey
from weightspectra.spectra import svd
from weightspectra.spectra.rounding import rounding_floor

SHAPES = {MatrixKey(0, "query"): (14, 14), MatrixKey(0, "up"): (30, 14), MatrixKey(1, "down", 2): (14, 30)}


def write_weights(path, weights, model):
    with contracts.WEIGHTS.matrix_writer(path, {"sources": {f"model:{model}": {"revision": "r"}}}) as writer:
        for key, weight in weights.items():
            writer.write(key, weight)


@pytest.fixture
def weights():
    rng = np.random.default_rng(0)
    return {key: rng.standard_normal(shape).astype(np.float32) for key, shape in SHAPES.items()}


@pytest.fixture
def inputs(weights, tmp_path):
    """A base with its spectra and vectors; each matrix of the other model has its smallest direction made larger."""
    names = ("base_weights", "tuned_weights", "base_matrices", "tuned_matrices", "spectra", "vectors")
    paths = {name: str(tmp_path / f"{name}.parquet") for name in names}
    tuned, rows = {}, []
    with contracts.VECTORS.matrix_writer(paths["vectors"], {}) as writer:
        for key, weight in weights.items():
            found = svd.decompose(weight)
            writer.write(key, found.short_vectors.numpy())
            ends = (found.short_vectors[-1], found.long_vectors[-1])
            left, right = ends if found.short_side == "left" else ends[::-1]
            tuned[key] = weight + 0.5 * np.outer(left, right)
            known = {**key._asdict(), "n_out": len(weight), "n_in": weight.shape[1], "short_side": found.short_side}
            rows.append(filled(contracts.SPECTRA, **known, singular_values=found.singular_values.numpy()))
    contracts.SPECTRA.write(rows, paths["spectra"], {})
    for name, std in (("base_matrices", 1e-5), ("tuned_matrices", 2e-5)):
        stored = [{**key._asdict(), "rounding_std": std} for key in weights]
        contracts.MATRICES.write([filled(contracts.MATRICES, **one) for one in stored], paths[name], {})
    write_weights(paths["base_weights"], weights, "tiny")
    write_weights(paths["tuned_weights"], tuned, "trained")
    return Files(**{name: [path] for name, path in paths.items()})


def compare(inputs, output):
    params = {"device": "cpu", "level": 0.05, "comparison": {"base": "tiny", "tuned": "trained"}}
    main(job("compare_models", inputs, Files(output), wildcards={"comparison": "training"}, **params))
    return contracts.COMPARISONS.read(output)


def test_what_was_changed_is_found_in_every_matrix(inputs, tmp_path):
    found = compare(inputs, tmp_path / "a.parquet")
    assert [MatrixKey(row.layer, row.role, row.expert) for row in found.itertuples()] == list(SHAPES)
    assert [(row.n_out, row.n_in) for row in found.itertuples()] == list(SHAPES.values())
    assert (set(found["comparison"]), set(found["base"]), set(found["tuned"])) == ({"training"}, {"tiny"}, {"trained"})
    for row in found.itertuples():
        assert (row.left_shares[0], row.right_shares[0]) == pytest.approx((1, 1), abs=1e-6)
        assert row.singular_values[0] == pytest.approx(0.5, rel=1e-6)
        # Of rank 1 and rounding beside it: what rounding makes is the bound.
        assert row.n_above == 1
        stds = 5**0.5 * 1e-5
        assert row.bound_upper == pytest.approx(rounding_floor(stds, row.n_out, row.n_in, row.singular_values[0]))
    assert contracts.read_provenance(tmp_path / "a.parquet")["sources"].keys() == {"model:tiny", "model:trained"}
    compare(inputs, tmp_path / "b.parquet")
    assert (tmp_path / "a.parquet").read_bytes() == (tmp_path / "b.parquet").read_bytes()


def test_models_of_different_shapes_leave_no_file(inputs, weights, tmp_path):
    write_weights(inputs.tuned_weights[0], {key: weight[:, 1:] for key, weight in weights.items()}, "other")
    with pytest.raises(UserError, match=r"tiny and trained, layer 0 'query': found shapes \(14, 14\) and \(14, 13\)"):
        compare(inputs, tmp_path / "a.parquet")
    write_weights(inputs.tuned_weights[0], {MatrixKey(0, "query"): weights[MatrixKey(0, "query")]}, "other")
    with pytest.raises(UserError, match="tiny and trained: the second model lacks 2 of the other's 3 matrices"):
        compare(inputs, tmp_path / "a.parquet")
    assert not (tmp_path / "a.parquet").exists()


def test_the_script_does_not_import_what_it_does_not_need():
    code = (
        "import sys; sys.path[:0] = ['src', 'scripts']; import compare_models; sys.exit('transformers' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
