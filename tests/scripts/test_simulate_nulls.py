"""The simulate_nulls script: one table for each shape, the same for all models that have it."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import simulate_nulls
from filled import filled
from stand_in import Files, job

from weightspectra import contracts
from weightspectra.randomness.noise import nulls

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


def test_every_shape_and_every_dimension_has_its_table(tmp_path):
    found = simulate(tmp_path, "tiny", (60, 55), (55, 60), (20, 20))
    sides = found[["long_side", "short_side"]].drop_duplicates()
    assert list(sides.itertuples(index=False, name=None)) == [(20, 1), (20, 20), (55, 1), (60, 1), (60, 55)]
    by_name = draws_of(found)
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


def draws_of(found):
    """From each shape and statistic to its draws."""
    return found.set_index(["long_side", "short_side", "statistic"])["draws"]


def test_a_table_does_not_depend_on_the_model_nor_on_its_other_shapes(tmp_path):
    alone = draws_of(simulate(tmp_path / "a", "one", (20, 20)))
    among = draws_of(simulate(tmp_path / "b", "two", (30, 20), (20, 20)))
    for key, draws in alone.items():
        np.testing.assert_array_equal(draws, among[key])


def interrupted(folder, monkeypatch, n_finished):
    """Run the script until it is interrupted after so many shapes; return the shapes of the run that goes on."""
    drawn, simulated = [], nulls.draw

    def draw(shape, *how):
        if len(drawn) == n_finished:
            raise KeyboardInterrupt
        drawn.append(shape)
        return simulated(shape, *how)

    monkeypatch.setattr(nulls, "draw", draw)
    with pytest.raises(KeyboardInterrupt):
        simulate(folder, "tiny", (30, 20))
    assert not (folder / "nulls" / "tiny.parquet").exists()
    monkeypatch.setattr(nulls, "draw", lambda shape, *how: drawn.append(shape) or simulated(shape, *how))
    return drawn


def test_an_interrupted_simulation_goes_on_to_the_same_bytes(tmp_path, monkeypatch):
    simulate(tmp_path / "whole", "tiny", (30, 20))
    drawn = interrupted(tmp_path / "killed", monkeypatch, n_finished=2)
    simulate(tmp_path / "killed", "tiny", (30, 20))
    assert drawn == [(20, 1), (30, 1), (30, 20)]
    whole, killed = (tmp_path / folder / "nulls" for folder in ("whole", "killed"))
    assert (whole / "tiny.parquet").read_bytes() == (killed / "tiny.parquet").read_bytes()
    assert [path.name for path in killed.iterdir()] == ["tiny.parquet"]


@pytest.mark.parametrize("changed", [{"seed": 2}, {"code": "1"}, {"n_spectra": 21}, {"n_vectors": 31}])
def test_what_was_begun_otherwise_is_begun_anew(tmp_path, monkeypatch, changed):
    drawn = interrupted(tmp_path, monkeypatch, n_finished=2)
    drawn.clear()
    simulate(tmp_path, "tiny", (30, 20), **changed)
    assert drawn == [(20, 1), (30, 1), (30, 20)]


def test_simulating_does_not_import_torch():
    code = "import simulate_nulls, sys; sys.exit('torch' in sys.modules)"
    environment = {"PYTHONPATH": f"{SCRIPTS}:{SCRIPTS.parent / 'src'}"}
    assert subprocess.run([sys.executable, "-c", code], env=environment, check=False).returncode == 0
