"""The evaluate_cuts script with compressions: what it reads of moments and information, and what it says of sizes."""

import shutil

import evaluate_cuts
import numpy as np
import pytest
from evaluate_cuts_job import EXPERIMENT, job, write_inputs

from weightspectra import contracts
from weightspectra.contracts import MatrixKey
from weightspectra.models import loading, weights

SHARED = {"query": "query+key+value", "attention_output": "attention_output", "up": "up+gate", "down": "down"}
REGIONS = {"smallest tenth": 3, "middle": 26, "largest tenth": 3}
METHODS = ["svd", "whitened", "boundary", "whitened_boundary"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory, tiny_llama):
    """Inputs of the script; every layer's input has unit covariance and no mean, and attention no information."""
    folder = tmp_path_factory.mktemp("inputs")
    shutil.copytree(tiny_llama, folder / "tiny")
    write_inputs(folder, loading.load(tiny_llama, head="causal"))
    shapes = {key: stored.read().shape for key, stored in weights.matrices(tiny_llama).items()}
    with contracts.MOMENTS.matrix_writer(folder / "moments.parquet", {}) as writer:
        for layer in range(2):
            for role, roles in SHARED.items():
                n_in = shapes[MatrixKey(layer, role)][1]
                columns = {"mean": np.zeros(n_in), "eigenvalue": np.ones(n_in), "roles": roles, "n_tokens": 9}
                writer.write(MatrixKey(layer, role), np.eye(n_in, dtype=np.float32), **columns)
    share = {"information_low": 0.0, "information_high": 1.0, "n_outliers": 0}
    rows = [
        {"model": "tiny", **key._asdict(), "region": region, "n_directions": n, **share}
        | {"information": 0.0 if key.role in ("query", "key", "value", "attention_output") else 0.5}
        for key in shapes
        for region, n in REGIONS.items()
    ]
    contracts.INFORMATION.write(rows, folder / "information.parquet", {})
    return folder


def evaluated(folder, cuts, **inputs):
    smk = job(folder, {**EXPERIMENT, "cuts": cuts}, **inputs)
    evaluate_cuts.main(smk)
    rows = contracts.EVALUATIONS.read(smk.output[0])
    return rows[rows["metric"] == "perplexity_per_token"].set_index("removed")


def test_four_methods_at_one_size(folder):
    entry = {"compress": {"methods": METHODS, "sizes": [0.7], "corpus": "prose"}, "scope": "all"}
    rows = evaluated(folder, [entry], information=["information"], moments=["moments"])
    assert list(rows.index) == ["none", *(f"{method} to 0.7" for method in METHODS)]
    assert list(rows["cut"][1:]) == [f"{method} to 0.7 of all matrices" for method in METHODS]
    whole = sum(stored.read().size for stored in weights.matrices(folder / "tiny").values())
    assert rows["kept_parameters"].iloc[1:].to_numpy() == pytest.approx(0.7 * whole, rel=0.05)
    svd, whitened, boundary, both = (rows.loc[f"{method} to 0.7"] for method in METHODS)
    for plain, same in ((svd, whitened), (boundary, both)):  # of one covariance in all directions, nothing is learned
        assert same["value"] == pytest.approx(plain["value"], rel=1e-4)
        assert same["n_removed"] == plain["n_removed"]
    assert boundary["removed_energy"] > svd["removed_energy"]  # attention, which is said to hold nothing, goes first
    assert set(rows["decile"]) == {0}


def test_plain_compression_reads_neither(folder):
    entry = {"compress": {"methods": ["svd"], "sizes": [1, 0.5]}, "scope": "role", "roles": ["up"]}
    rows = evaluated(folder, [entry])
    assert rows.loc["svd to 1", "value"] == rows.loc["none", "value"]
    assert (rows["n_removed"].to_numpy() > 0).tolist() == [False, False, True]


def test_one_late_matrix_keeps_its_largest_values(folder):
    """As LASER does it."""
    entry = {"keep": {"indices": [0, 2]}, "scope": "matrix", "roles": ["down"], "layers": [1]}
    row = evaluated(folder, [entry]).loc["all but indices 0-2"]
    assert (row["cut"], row["n_removed"], row["kept_parameters"]) == ("only indices 0-2 of layer 1 down", 29, 3 * 128)
