"""The script of the rule extract_weights: contracts filled from a folder, part by part, the same bytes each time."""

from types import SimpleNamespace

import numpy as np
import pytest
from extract_weights import main
from safetensors.numpy import load_file

from weightspectra import contracts
from weightspectra.base.errors import UserError
from weightspectra.contracts import MatrixKey


class Params(dict):
    """Parameters as Snakemake passes them: by attribute, and as items."""

    __getattr__ = dict.__getitem__


def snakemake_for(folder, into, part="00-of-01", fused_split="interleaved"):
    contracts.SOURCES.write([], folder.with_name(f"{folder.name}.parquet"), {"sources": {"tiny": {"revision": "r1"}}})
    return SimpleNamespace(
        input=[f"{folder}.parquet"],
        output=SimpleNamespace(weights=into / f"weights-{part}.parquet", matrices=into / f"matrices-{part}.parquet"),
        wildcards=SimpleNamespace(model="tiny", part=part),
        params=Params(code="0", fused_split=fused_split),
        rule="extract_weights",
    )


def test_rows_and_descriptions_equal_the_checkpoint(tiny_llama, tmp_path):
    smk = snakemake_for(tiny_llama, tmp_path)
    main(smk)
    tensors = load_file(tiny_llama / "model.safetensors")
    stored = contracts.WEIGHTS.matrices(smk.output.weights)
    described = contracts.MATRICES.read(smk.output.matrices)
    assert len(stored) == len(described) == 14
    for row in described.itertuples():
        values = stored[MatrixKey(row.layer, row.role, row.expert)]["values"]
        assert np.array_equal(values, tensors[row.tensor])
        assert (row.n_out, row.n_in) == values.shape
        assert row.model == "tiny"
    assert contracts.read_provenance(smk.output.weights)["sources"] == {"tiny": {"revision": "r1"}}


def test_parts_together_are_the_whole(tiny_llama, tmp_path):
    parts = [snakemake_for(tiny_llama, tmp_path, part) for part in ("00-of-02", "01-of-02")]
    for smk in parts:
        main(smk)
    whole = snakemake_for(tiny_llama, tmp_path)
    main(whole)
    joined = contracts.WEIGHTS.matrices([smk.output.weights for smk in parts])
    assert list(joined) == list(contracts.WEIGHTS.matrices(whole.output.weights))
    assert {key.layer for key in contracts.WEIGHTS.matrices(parts[1].output.weights)} == {1}


def test_the_same_work_gives_the_same_bytes(tiny_bert, tmp_path):
    files = []
    for name in ("first", "second"):
        smk = snakemake_for(tiny_bert, tmp_path / name)
        main(smk)
        files.append((smk.output.weights.read_bytes(), smk.output.matrices.read_bytes()))
    assert files[0] == files[1]


def test_thirds_reach_the_cut(tiny_llama, tmp_path):
    with pytest.raises(UserError, match="fused_split: thirds, but a llama model"):
        main(snakemake_for(tiny_llama, tmp_path, fused_split="thirds"))
    assert not list(tmp_path.glob("*.parquet"))
