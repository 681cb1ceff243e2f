import numpy as np
import pytest
from filled import filled
from measure_overlap import main
from stand_in import Files, job

from weightspectra import contracts
from weightspectra.activations.overlap import null_band
from weightspectra.contracts import MatrixKey

N_IN = 12
SHAPES = {"query": 12, "key": 6, "value": 30}
"""Rows of the matrices: square, wide, and tall."""


def orthogonal(n, rng):
    return np.linalg.qr(rng.standard_normal((n, n)))[0]


@pytest.fixture
def inputs(tmp_path):
    """Three matrices on one input, whose right singular vectors are its eigenvectors 1, 2, 3, ... in turn."""
    rng = np.random.default_rng(3)
    eigenvectors = {layer: orthogonal(N_IN, rng) for layer in (0, 1)}
    paths = {name: tmp_path / f"{name}.parquet" for name in ("moments", "weights", "spectra", "vectors")}
    origin = {"sources": {"tiny": {"revision": "r"}}}
    rows = []
    with (
        contracts.MOMENTS.matrix_writer(paths["moments"], origin) as moments,
        contracts.WEIGHTS.matrix_writer(paths["weights"], origin) as weights,
        contracts.VECTORS.matrix_writer(paths["vectors"], origin) as vectors,
    ):
        for layer, rows_of_f in eigenvectors.items():
            described = {"roles": "query+key+value", "n_tokens": 9, "mean": np.zeros(N_IN), "eigenvalue": np.ones(N_IN)}
            moments.write(MatrixKey(layer, "query"), rows_of_f, **described)
            for role, n_out in SHAPES.items():
                n_values = min(n_out, N_IN)
                left = orthogonal(n_out, rng)[:n_values]
                right = np.roll(rows_of_f, -1, axis=0)[:n_values]
                values = np.linspace(5, 1, n_values)
                key = MatrixKey(layer, role)
                weights.write(key, left.T * values @ right)
                vectors.write(key, left if n_out <= N_IN else right)
                known = {"model": "tiny", **key._asdict(), "n_out": n_out, "n_in": N_IN, "singular_values": values}
                known["short_side"] = "left" if n_out <= N_IN else "right"
                rows.append(filled(contracts.SPECTRA, **known))
    contracts.SPECTRA.write(rows, paths["spectra"], origin)
    return Files(**{name: [str(path)] for name, path in paths.items()})


def measure(inputs, output):
    main(job("measure_overlap", inputs, Files(output), wildcards={"model": "tiny", "corpus": "prose"}))
    return contracts.OVERLAPS.read(output)


def test_vectors_meet_their_own_layers_eigenvectors(inputs, tmp_path):
    found = measure(inputs, tmp_path / "overlaps.parquet")
    np.testing.assert_allclose(found["overlap"], 1, atol=1e-5)
    assert list(found["component"]) == [(index + 1) % N_IN for index in found["index"]]
    for (_layer, role), rows in found.groupby(["layer", "role"]):
        n_values = min(SHAPES[role], N_IN)
        assert list(rows["index"]) == list(range(n_values))
        np.testing.assert_allclose(rows["singular_value"], np.linspace(5, 1, n_values))
    assert len(found) == 2 * (12 + 6 + 12)
    low, median, high = null_band(N_IN)
    assert (found["null_low"].iloc[0], found["null_median"].iloc[0], found["null_high"].iloc[0]) == (low, median, high)


def test_vectors_lost_in_rounding_are_left_out(inputs, tmp_path):
    spectra = contracts.SPECTRA.read(inputs.spectra[0])
    contracts.SPECTRA.write(spectra.assign(rounding_floor=3.1), inputs.spectra[0], {})
    found = measure(inputs, tmp_path / "overlaps.parquet")
    np.testing.assert_allclose(found["overlap"], 1, atol=1e-5)
    assert found["singular_value"].min() > 3.1
    for (_layer, role), rows in found.groupby(["layer", "role"]):
        assert len(rows) == {"query": 6, "key": 3, "value": 6}[role]


def test_names_and_sources_travel_along(inputs, tmp_path):
    found = measure(inputs, tmp_path / "overlaps.parquet")
    assert (set(found["model"]), set(found["corpus"])) == ({"tiny"}, {"prose"})
    assert contracts.read_provenance(tmp_path / "overlaps.parquet")["sources"] == {"tiny": {"revision": "r"}}
    measure(inputs, tmp_path / "again.parquet")
    assert (tmp_path / "again.parquet").read_bytes() == (tmp_path / "overlaps.parquet").read_bytes()
