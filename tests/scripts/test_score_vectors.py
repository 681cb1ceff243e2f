"""The score_vectors script: weights, stored vectors and tables of noise in, tests of all vectors and heads out."""

import json

import numpy as np
import pytest
import score_vectors
from filled import filled
from stand_in import Files, job

from weightspectra import contracts
from weightspectra.contracts import MatrixKey
from weightspectra.randomness.directions import vectors
from weightspectra.randomness.noise import nulls
from weightspectra.spectra import svd

SHAPES = {
    MatrixKey(0, "query"): (48, 24),
    MatrixKey(0, "key"): (24, 24),
    MatrixKey(0, "value"): (12, 24),
    MatrixKey(0, "attention_output"): (24, 48),
    MatrixKey(0, "up"): (60, 24),
    MatrixKey(0, "down", 1): (24, 60),
}
HEADS = {"query": (4, 12), "key": (2, 12), "value": (2, 6), "attention_output": (4, 12)}
"""Number and size of the heads of each role."""


@pytest.fixture(scope="module")
def tables(tmp_path_factory):
    """The tables of noise that these shapes need."""
    path = tmp_path_factory.mktemp("nulls") / "tiny.parquet"
    rng = np.random.default_rng(0)
    dimensions = {side for shape in SHAPES.values() for side in shape} | {size for _, size in HEADS.values()}
    rows = [row for n in sorted(dimensions) for row in nulls.rows((n, 1), vectors.null_draws(n, 2000, rng))]
    contracts.NULLS.write(rows, path, {})
    return str(path)


def weights_of_noise(rng):
    return {key: rng.standard_normal(shape) for key, shape in SHAPES.items()}


def score(folder, tables, weights):
    """Decompose the weights, run the script, and return both of its tables."""
    paths = {name: folder / f"{name}.parquet" for name in ("source", "weights", "spectra", "vectors")}
    paths["source"].with_suffix("").mkdir(exist_ok=True)
    config = {"model_type": "llama", "num_attention_heads": 4, "num_key_value_heads": 2}
    (paths["source"].with_suffix("") / "config.json").write_text(json.dumps(config))
    contracts.SOURCES.write([], paths["source"], {"sources": {"tiny": {"revision": "r"}}})
    rows = []
    with (
        contracts.WEIGHTS.matrix_writer(paths["weights"], {}) as stored_weights,
        contracts.VECTORS.matrix_writer(paths["vectors"], {}) as stored_vectors,
    ):
        for key, weight in weights.items():
            found = svd.decompose(weight)
            stored_weights.write(key, weight)
            stored_vectors.write(key, found.short_vectors.numpy())
            values = found.singular_values.numpy()
            rows.append(filled(contracts.SPECTRA, model="tiny", **key._asdict(), singular_values=values))
    contracts.SPECTRA.write(rows[::-1], paths["spectra"], {})
    inputs = Files(nulls=tables, **{name: str(path) for name, path in paths.items()})
    outputs = Files(vectors=str(folder / "vector_tests.parquet"), heads=str(folder / "head_tests.parquet"))
    settings = {"level": 0.05, "window": 5, "device": "cpu"}
    score_vectors.main(job("score_vectors", inputs, outputs, wildcards={"model": "tiny"}, **settings))
    return contracts.VECTOR_TESTS.read(outputs.vectors), contracts.HEAD_TESTS.read(outputs.heads)


def test_every_vector_of_both_sides_has_its_row(tmp_path, tables):
    weights = weights_of_noise(np.random.default_rng(1))
    found, _ = score(tmp_path, tables, weights)
    assert set(found["model"]) == {"tiny"}
    by_side = dict(list(found.groupby(["layer", "role", "expert", "side"])))
    assert len(by_side) == 2 * len(SHAPES)
    for key, weight in weights.items():
        left, values, right = np.linalg.svd(weight.astype(np.float32).astype(float), full_matrices=False)
        for side, expected in (("left", left.T), ("right", right)):
            rows = by_side[(*key, side)]
            assert rows["index"].tolist() == list(range(len(values)))
            np.testing.assert_allclose(rows["singular_value"], values, rtol=1e-5)
            measured = vectors.measure(expected)
            np.testing.assert_allclose(rows["participation"], measured.participation, rtol=1e-4)
            np.testing.assert_allclose(rows["distance"], measured.distance, atol=1e-4)
            np.testing.assert_allclose(rows["magnitude_distance"], measured.magnitude_distance, atol=1e-4)
    assert (found["q_value"] <= 0.05).mean() < 0.02


def test_heads_lie_where_they_write_and_where_their_results_are_read(tmp_path, tables):
    """Head 1 of every attention matrix is given a direction of its own, ten times as strong as the noise."""
    rng = np.random.default_rng(2)
    weights = weights_of_noise(rng)
    for key, weight in weights.items():
        if key.role in HEADS:
            size = HEADS[key.role][1]
            head = weight.T if key.role == "attention_output" else weight
            direction, other = rng.standard_normal(size), rng.standard_normal(head.shape[1])
            head[size : 2 * size] += 100 * np.outer(direction, other) / np.linalg.norm(direction)
    _, found = score(tmp_path, tables, weights)
    assert len(found) == 4 + 2 + 2 + 4
    for role, rows in found.groupby("role"):
        n_heads, size = HEADS[role]
        assert rows["head"].tolist() == list(range(n_heads))
        assert set(rows["side"]) == {"right" if role == "attention_output" else "left"}
        assert set(rows["n_components"]) == {size} and set(rows["n_vectors"]) == {min(SHAPES[MatrixKey(0, role)])}
        strongest = rows.set_index("head").loc[1]
        assert strongest["largest_share"] > 0.99 and strongest["largest_index"] == 0, role
        assert strongest["n_concentrated"] >= 1
        assert strongest["smallest_p_value"] == rows["smallest_p_value"].min() < 1e-6


def test_planted_components_are_found_on_the_side_where_they_lie(tmp_path, tables):
    """One output component of `up` writes, and one input component of `down` reads, ten times as much as the others."""
    weights = weights_of_noise(np.random.default_rng(5))
    weights[MatrixKey(0, "up")][17] *= 10
    weights[MatrixKey(0, "down", 1)][:, 5] *= 10
    found, _ = score(tmp_path, tables, weights)
    told = found[found["participation_q_value"] <= 0.01]
    assert set(zip(told["role"], told["side"], told["index"], strict=True)) == {("up", "left", 0), ("down", "right", 0)}
    assert (told["participation"] > 0.5).all()


def test_the_same_work_gives_the_same_bytes_and_names_its_sources(tmp_path, tables):
    weights = weights_of_noise(np.random.default_rng(4))
    written = []
    for _ in range(2):
        score(tmp_path, tables, weights)
        written.append([(tmp_path / f"{name}_tests.parquet").read_bytes() for name in ("vector", "head")])
    assert written[0] == written[1]
    for name in ("vector", "head"):
        found = contracts.read_provenance(tmp_path / f"{name}_tests.parquet")
        assert found["sources"] == {"tiny": {"revision": "r"}} and found["device"] == "cpu"
