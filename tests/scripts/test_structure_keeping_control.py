"""A structure-keeping control goes through the stages like any model, and meets the inputs of its original."""

import collect_activations
import decompose
import extract_weights
import fetch_model
import measure_overlap
import numpy as np
import pytest
from stand_in import Files, job

from weightspectra import contracts
from weightspectra.activations.overlap import measure_overlaps

SOURCES = {
    "llama": None,
    "flipped": {"flipped": {"like": "llama"}},
    "rows": {"shuffled": {"like": "llama", "within": "row"}},
}
SEED = 1


@pytest.fixture(scope="module")
def results(tiny_llama, tmp_path_factory):
    """A folder with the original and two controls, as far as their singular vectors, and the original's inputs."""
    folder = tmp_path_factory.mktemp("results")
    manifests = {name: str(folder / "sources" / f"{name}.parquet") for name in SOURCES}
    for name, source in SOURCES.items():
        entry = {"source": source or {"path": str(tiny_llama)}}
        inputs = Files(*([manifests["llama"]] if source else []))
        settings = {"seed": SEED if source else None, "entry": entry, "requested": {}}
        fetch_model.main(job("fetch_model", inputs, Files(manifests[name]), wildcards={"model": name}, **settings))
        of_part = {"model": name, "part": "00-of-01"}
        made = {kind: str(folder / f"{kind}-{name}.parquet") for kind in ("weights", "matrices", "spectra", "vectors")}
        stored, found = (
            {kind: made[kind] for kind in kinds} for kinds in (("weights", "matrices"), ("spectra", "vectors"))
        )
        smk = job(
            "extract_weights", Files(manifests[name]), Files(**stored), wildcards=of_part, fused_split="interleaved"
        )
        extract_weights.main(smk)
        decompose.main(job("decompose", Files(**stored), Files(**found), wildcards=of_part, device="cpu"))
    corpus, text = str(folder / "corpus.parquet"), "the state of the union is strong. " * 40
    rows = [{"corpus": "prose", "part": "observe", "document": "speech", "text": text}]
    contracts.CORPUS.write(rows, corpus, {"sources": {"corpus:prose": {"revision": "r"}}})
    observed = job(
        "collect_activations",
        Files(source=manifests["llama"], corpus=corpus),
        Files(str(folder / "moments.parquet")),
        wildcards={"model": "llama", "corpus": "prose", "part": "00-of-01"},
        device="cpu",
        remote_code=False,
        observe={"n_tokens": 400, "window": 40, "batch_size": 4},
    )
    collect_activations.main(observed)
    return folder


@pytest.mark.parametrize("name", ["flipped", "rows"])
def test_its_vectors_are_held_against_the_inputs_of_its_original(results, tmp_path, name):
    read = {kind: [str(results / f"{kind}-{name}.parquet")] for kind in ("weights", "spectra", "vectors")}
    inputs = Files(moments=[str(results / "moments.parquet")], **read)
    output = str(tmp_path / "overlaps.parquet")
    measure_overlap.main(job("measure_overlap", inputs, Files(output), wildcards={"model": name, "corpus": "prose"}))
    found = contracts.OVERLAPS.read(output)
    assert set(found["model"]) == {name}
    weights = contracts.WEIGHTS.matrices(read["weights"])
    assert len(weights) == 14
    for observed, entry in contracts.MOMENTS.matrices(results / "moments.parquet").items():
        for role in entry["roles"][0].split("+"):
            _, _, right = np.linalg.svd(
                weights[observed._replace(role=role)]["values"].astype(float), full_matrices=False
            )
            rows = found[(found["layer"] == observed.layer) & (found["role"] == role)]
            expected = measure_overlaps(right[: len(rows)], entry["values"]).overlap
            assert rows["overlap"].to_numpy() == pytest.approx(expected, abs=1e-4)
    sources = contracts.read_provenance(output)["sources"]
    assert sources.keys() == {"llama", "corpus:prose", name}
    assert sources[name]["revision"] == "seed 1, draw 0"


def test_the_spectrum_keeps_what_the_control_keeps(results):
    norms = {
        name: contracts.MATRICES.read(str(results / f"matrices-{name}.parquet"))["row_mean_squares"].tolist()
        for name in SOURCES
    }
    for original, shuffled in zip(norms["llama"], norms["rows"], strict=True):
        assert shuffled == pytest.approx(original, rel=1e-6)
