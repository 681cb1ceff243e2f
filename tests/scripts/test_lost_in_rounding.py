"""A checkpoint that was truncated by our own export, through the scripts: what was removed counts nowhere."""

from pathlib import Path

import fit_bulk
import fit_levels
import map_information
import measure_tails
import numpy as np
import pandas as pd
import pytest
import torch
from causal_models import tiny_causal
from filled import filled
from stand_in import Files, job

from weightspectra import contracts
from weightspectra.ablation.choose.cuts import plan_cuts
from weightspectra.ablation.choose.selection import Spectrum, choices, spectra_of
from weightspectra.ablation.edit.truncation import Stored
from weightspectra.ablation.export import exporting
from weightspectra.ablation.settings import Cut
from weightspectra.models import live, loading, weights
from weightspectra.randomness.directions import vector_tests, vectors
from weightspectra.randomness.noise import nulls
from weightspectra.spectra import rounding
from weightspectra.spectra.svd import decompose

CUTS = [{"keep": {"indices": [0, 7]}, "roles": ["query"]}, {"remove": {"deciles": [1]}, "roles": ["up"]}]


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """Gaussian matrices, of which the export kept 8 of 32 values (query) or all but a tenth (up); others are whole."""
    folder = tmp_path_factory.mktemp("truncated")
    model, rng = tiny_causal("Llama", n_layers=1), torch.Generator().manual_seed(1)
    for key, matrix in live.matrices(model).items():
        noise = torch.randn(matrix.read().shape, generator=rng)
        matrix.write(torch.zeros_like(noise) if key.role == "value" else noise)
    torch.nn.init.orthogonal_(model.model.layers[0].self_attn.o_proj.weight, generator=rng)
    source, target = folder / "source", folder / "target"
    model.save_pretrained(source)
    target.mkdir()
    loaded = loading.load(source, head="causal")
    matrices = live.matrices(loaded)
    found = {key: decompose(matrix.read().numpy()) for key, matrix in matrices.items()}
    spectra = {key: Spectrum(one.singular_values.numpy(), *matrices[key].read().shape) for key, one in found.items()}
    first, second = plan_cuts([Cut(**entry) for entry in CUTS], spectra)
    both = type(first)("both", "all", "both", 0, {**first.edits, **second.edits})
    stored = Stored(lambda key: found[key].short_vectors.numpy().astype(np.float32))
    exporting.write_checkpoint(loaded, matrices, both, stored, source, target)
    return target


def made(paths):
    """Return the files that there are by now, as a script's input."""
    there = {name: path for name, path in paths.items() if Path(path).exists()}
    return Files(**there, permutations=[], vectors=there["vector_tests"])


@pytest.fixture(scope="module")
def tables(exported, tmp_path_factory):
    """What the pipeline says of that checkpoint: the tables of the scripts, by role."""
    folder = tmp_path_factory.mktemp("tables")
    rows = {"spectra": [], "matrices": [], "vector_tests": []}
    shapes, sizes = set(), {}
    for key, matrix in weights.matrices(exported).items():
        values = matrix.read()
        described, found = matrix.describe(values), decompose(values)
        shape = {"n_out": len(values), "n_in": len(values[0])}
        singular = found.singular_values.numpy()
        floor = rounding.rounding_floor(described["rounding_std"], **shape, largest=singular[0])
        known = {"model": "cut", **key._asdict(), **shape, "singular_values": singular, "rounding_floor": floor}
        rows["spectra"].append(filled(contracts.SPECTRA, **known))
        rows["matrices"].append({"model": "cut", **described})
        shapes |= {(max(values.shape), min(values.shape))}
        sizes |= dict.fromkeys(values.shape)
        if n := vector_tests.n_tested(singular, floor):
            draws = {(side, 1): vectors.null_draws(side, 500, np.random.default_rng(2)) for side in values.shape}
            sides = vector_tests.both_sides(values, found.short_vectors.float().numpy(), n, torch.device("cpu"))
            tested = vector_tests.score(sides, draws, 5)
            rows["vector_tests"].append(tested.assign(model="cut", **key._asdict(), singular_value=1.0))
    paths = {name: str(folder / f"{name}.parquet") for name in (*rows, "nulls", "bulk", "levels", "tails")}
    contracts.SPECTRA.write(rows["spectra"], paths["spectra"], {})
    contracts.MATRICES.write(rows["matrices"], paths["matrices"], {})
    contracts.VECTOR_TESTS.write(pd.concat(rows["vector_tests"]), paths["vector_tests"], {})
    drawn = [row for shape in sorted(shapes) for row in nulls.rows(shape, nulls.draw(shape, 20, 1, 1))]
    contracts.NULLS.write(drawn, paths["nulls"], {})
    outputs = Files(information=str(folder / "information.parquet"), cleaning=str(folder / "cleaning.parquet"))
    told = {"wildcards": {"model": "cut"}, "level": 0.05, "seed": 1}
    for script, output in ((fit_bulk, "bulk"), (fit_levels, "levels"), (measure_tails, "tails")):
        script.main(job(script.__name__, made(paths), Files(paths[output]), **told))
    map_information.main(job("map_information", made(paths), outputs, **told))
    read = {name: getattr(contracts, name.upper()).read(paths[name]) for name in ("spectra", "bulk", "levels", "tails")}
    return read | {
        name: getattr(contracts, name.upper()).read(getattr(outputs, name)) for name in ("information", "cleaning")
    }


def of(tables, name):
    return tables[name].set_index("role")


def test_what_the_export_removed_lies_below_the_floor(tables):
    lost = of(tables, "bulk")["n_below_floor"]
    assert lost.to_dict() == {
        **{"query": 24, "key": 0, "value": 16, "attention_output": 0},
        **{"up": 4, "gate": 0, "down": 0},
    }


def test_no_value_counts_as_below_the_bulk_and_no_law_is_fitted_to_rounding(tables):
    bulk = of(tables, "bulk")
    assert (bulk.loc[["query", "value", "up"], ["n_below", "n_below_bound", "n_below_profile"]] == 0).all(axis=None)
    assert (bulk["why"] != "").to_dict() == {role: role in ("query", "value", "up") for role in bulk.index}
    assert bulk.loc[["query", "value", "up"], ["noise_std", "edge_upper", "bound_upper"]].isna().all(axis=None)
    assert bulk.loc[["key", "gate", "down"], "noise_std"].to_numpy() == pytest.approx(1, rel=0.1)


def test_there_is_no_information_in_what_was_removed(tables):
    found = tables["information"].set_index(["role", "region"])
    assert found.loc[("query", "smallest tenth"), "n_directions"] == 0
    assert np.isnan(found.loc[("query", "smallest tenth"), "information"])
    assert found.loc["query", "n_directions"].sum() == 8 and found.loc["up", "n_directions"].sum() == 28
    assert found.loc["value", "n_directions"].sum() == 0
    assert (
        found.loc["attention_output", "n_directions"].sum() == 0
    )  # every direction of an orthogonal matrix is as good
    told = found.dropna(subset="information")
    assert (told["information_low"] <= 0).mean() > 0.9 and (told["n_outliers"] == 0).all()


def test_nothing_is_cleaned_where_there_is_no_law(tables):
    cleaned = of(tables, "cleaning")
    assert np.isnan(cleaned.loc["query", "shrunk_values"]).all() and np.isnan(cleaned.loc["query", "shrunk_energy"])
    assert cleaned.loc["query", ["boundary_upper", "boundary_lower"]].tolist() == [0, 0]
    assert np.isfinite(cleaned.loc["key", "shrunk_values"]).all()


def test_tails_and_ranks_are_those_of_what_is_left(tables):
    tails = of(tables, "tails")
    assert tails["matrix_rank"].to_dict() == {
        **{"query": 8, "key": 16, "value": 0, "attention_output": 32},
        **{"up": 28, "gate": 32, "down": 32},
    }
    assert tails.loc["query", "entropy_rank"] <= 8
    assert tails.loc["query", "xmin"] > 1 and tails.loc["query", "num_pl_spikes"] <= 8
    assert np.isnan(tails.loc["query", "hill_local"][3:]).all()
    assert np.isnan(tails.loc["query", ["sigma_mp", "energy_below", "energy_above"]].astype(float)).all()


def test_spacings_of_rounding_are_not_spaced(tables):
    assert not set(tables["levels"]["role"]) & {"query", "value", "up", "attention_output"}


def test_regions_of_a_cut_leave_out_what_is_lost(tables):
    spectra = spectra_of(tables["spectra"], tables["bulk"])
    for key, spectrum in spectra.items():
        taken = [
            choice.ranks(key, spectrum)
            for choice in choices(Cut(remove={"region": ["below", "inside", "above"]}, bounds="calibrated"))
        ]
        n_told = spectrum.n_values - spectrum.n_lost
        expected = np.arange(n_told) if spectrum.has_law else np.arange(0)
        assert np.array_equal(np.sort(np.concatenate(taken)), expected), key
