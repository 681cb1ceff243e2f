"""The simulate_nulls script: one table for each shape, shared by the models that have it."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import simulate_nulls
from filled import filled
from stand_in import Files, job

from weightspectra import contracts

SCRIPTS = Path(simulate_nulls.__file__).parent


def matrices(path, role, *shapes):
    """Write what a model's matrices are, as far as their shapes go."""
    rows = [
        filled(contracts.MATRICES, model="tiny", layer=layer, role=role, n_out=n_out, n_in=n_in)
        for layer, (n_out, n_in) in enumerate(shapes)
    ]
    contracts.MATRICES.write(rows, path, {"sources": {"tiny": {"revision": "r"}}})
    return str(path)


def write_config(folder):
    """Write the configuration of a model with two heads, and return where its manifest lies."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text('{"model_type": "bert", "num_attention_heads": 2}')
    contracts.SOURCES.write([], folder.with_suffix(".parquet"), {})
    return str(folder.with_suffix(".parquet"))


def simulate(folder, model, *shapes, **changed):
    """Run the script for a model of these shapes; each part holds one matrix."""
    params = {"code": "0", "seed": 1, "n_spectra": 20, "n_vectors": 30, "role": "up"} | changed
    code, role = params.pop("code"), params.pop("role")
    parts = [matrices(folder / f"{model}-{number}.parquet", role, shape) for number, shape in enumerate(shapes)]
    output = Files(str(folder / "nulls" / f"{model}.parquet"))
    source = write_config(folder / "sources" / model)
    smk = job("simulate_nulls", Files(matrices=parts, source=source), output, wildcards={"model": model}, **params)
    smk.params["code"] = code
    simulate_nulls.main(smk)
    return contracts.NULLS.read(output)


def shape_files(folder):
    return {path.name: path.read_bytes() for path in (folder / "nulls" / "shapes").iterdir()}


@pytest.fixture
def counted(monkeypatch):
    """Count the shapes that are simulated."""
    drawn = []
    simulated = simulate_nulls.nulls.draw

    def draw(shape, n_draws, rng):
        drawn.append((*shape, n_draws))
        return simulated(shape, n_draws, rng)

    monkeypatch.setattr(simulate_nulls.nulls, "draw", draw)
    return drawn


def test_every_shape_and_every_dimension_has_its_table(tmp_path):
    found = simulate(tmp_path, "tiny", (60, 55), (55, 60), (20, 20))
    sides = found[["long_side", "short_side"]].drop_duplicates()
    assert list(sides.itertuples(index=False, name=None)) == [(20, 1), (20, 20), (55, 1), (60, 1), (60, 55)]
    by_name = found.set_index(["long_side", "short_side", "statistic"])["draws"]
    assert by_name[60, 55, "bulk distance"].size == 20
    assert by_name[60, 55, "spacing distance/replicate"].size == 20
    assert by_name[55, 1, "vector distance"].size == 30
    assert (np.diff(by_name[60, 55, "bulk distance"]) >= 0).all()
    assert contracts.read_provenance(tmp_path / "nulls" / "tiny.parquet")["sources"] == {"tiny": {"revision": "r"}}


def test_the_sizes_of_heads_have_tables_too(tmp_path):
    found = simulate(tmp_path, "tiny", (30, 20), role="value")
    assert sorted(set(zip(found["long_side"], found["short_side"], strict=True))) == [
        (15, 1),
        (20, 1),
        (30, 1),
        (30, 20),
    ]


def test_models_share_the_tables_of_their_shapes(tmp_path, counted):
    first = simulate(tmp_path, "one", (20, 20))
    assert counted == [(20, 1, 30), (20, 20, 20)]
    both = simulate(tmp_path, "two", (20, 20), (30, 20))
    assert counted[2:] == [(30, 1, 30), (30, 20, 20)]
    shared = both[(both["long_side"] == 20)].reset_index(drop=True)
    for column in ("statistic", "draws"):
        for ours, theirs in zip(shared[column], first[column], strict=True):
            np.testing.assert_array_equal(ours, theirs)


def test_a_table_does_not_depend_on_the_model_nor_on_its_other_shapes(tmp_path):
    simulate(tmp_path / "a", "one", (20, 20))
    simulate(tmp_path / "b", "two", (30, 20), (20, 20))
    alone, among = shape_files(tmp_path / "a"), shape_files(tmp_path / "b")
    assert alone == {name: among[name] for name in ("20x1.parquet", "20x20.parquet")}


@pytest.mark.parametrize(
    ("changed", "remade"),
    [
        ({"seed": 2}, {(20, 1, 30), (20, 20, 20)}),
        ({"code": "1"}, {(20, 1, 30), (20, 20, 20)}),
        ({"n_spectra": 21}, {(20, 20, 21)}),
        ({"n_vectors": 31}, {(20, 1, 31)}),
    ],
)
def test_what_was_made_otherwise_is_made_anew(tmp_path, counted, changed, remade):
    simulate(tmp_path, "tiny", (20, 20))
    counted.clear()
    simulate(tmp_path, "tiny", (20, 20), **changed)
    assert set(counted) == remade
    counted.clear()
    simulate(tmp_path, "tiny", (20, 20), **changed)
    assert not counted


def test_a_broken_off_simulation_leaves_no_table(tmp_path, monkeypatch):
    def fail(shape, n_draws, rng):
        raise KeyboardInterrupt

    monkeypatch.setattr(simulate_nulls.nulls, "draw", fail)
    with pytest.raises(KeyboardInterrupt):
        simulate(tmp_path, "tiny", (20, 20))
    assert not list(tmp_path.glob("nulls/**/*.parquet"))


def test_the_same_work_gives_the_same_bytes(tmp_path):
    for folder in ("a", "b"):
        simulate(tmp_path / folder, "tiny", (20, 20))
    paths = [tmp_path / folder / "nulls" / "tiny.parquet" for folder in ("a", "b")]
    assert paths[0].read_bytes() == paths[1].read_bytes()
    assert shape_files(tmp_path / "a") == shape_files(tmp_path / "b")


def test_simulating_does_not_import_torch():
    code = "import simulate_nulls, sys; sys.exit('torch' in sys.modules)"
    environment = {"PYTHONPATH": f"{SCRIPTS}:{SCRIPTS.parent / 'src'}"}
    assert subprocess.run([sys.executable, "-c", code], env=environment, check=False).returncode == 0
