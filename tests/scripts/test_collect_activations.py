import numpy as np
import pytest
from collect_activations import main
from stand_in import Files, job

from weightspectra import contracts
from weightspectra.base.errors import UserError
from weightspectra.contracts import MatrixKey

TEXT = "the state of the union is strong, and it grows stronger with every year. "
OBSERVE = {"n_tokens": 400, "window": 40, "batch_size": 4}


@pytest.fixture
def corpus(tmp_path):
    texts = [("observe", f"speech {i}", TEXT * (i + 1)) for i in range(5)]
    rows = [{"corpus": "prose", "part": part, "document": name, "text": text} for part, name, text in texts]
    rows.append({**rows[0], "part": "evaluate", "document": "not to be observed", "text": "@ # " * 1000})
    contracts.CORPUS.write(rows, tmp_path / "corpus.parquet", {"sources": {"corpus:prose": {"revision": "r"}}})
    return tmp_path / "corpus.parquet"


def collect(folder, corpus, output, part="00-of-01", **changes):
    contracts.SOURCES.write([], folder.with_name(f"{folder.name}.parquet"), {"sources": {"tiny": {"revision": "r"}}})
    inputs = Files(source=f"{folder}.parquet", corpus=str(corpus))
    wildcards = {"model": "tiny", "corpus": "prose", "part": part}
    settings = {"device": "cpu", "remote_code": False, "observe": OBSERVE | changes}
    main(job("collect_activations", inputs, Files(output), wildcards=wildcards, **settings))
    return contracts.MOMENTS.matrices(output)


@pytest.mark.parametrize(
    ("folder", "first_roles", "dimensions"),
    [
        ("tiny_bert", ["query+key+value", "attention_output", "up", "down"], [32, 32, 32, 64]),
        ("tiny_llama", ["query+key+value", "attention_output", "up+gate", "down"], [32, 32, 32, 96]),
    ],
)
def test_every_input_is_described(folder, first_roles, dimensions, corpus, tmp_path, request):
    moments = collect(request.getfixturevalue(folder), corpus, tmp_path / "moments.parquet")
    assert [key.layer for key in moments] == 4 * [0] + 4 * [1]
    for (key, entry), roles, dimension in zip(moments.items(), 2 * first_roles, 2 * dimensions, strict=True):
        assert set(entry["roles"]) == {roles}
        assert key.role == roles.split("+")[0]
        assert entry["values"].shape == (dimension, dimension)
        assert (np.diff(entry["eigenvalue"]) <= 0).all()
        np.testing.assert_allclose(entry["values"] @ entry["values"].T, np.eye(dimension), atol=1e-5)
        assert set(entry["n_tokens"]) == set(moments[MatrixKey(0, "query")]["n_tokens"])
        assert 400 <= entry["n_tokens"][0] < 440
        assert np.abs(entry["mean"]).max() > 0
    sources = contracts.read_provenance(tmp_path / "moments.parquet")["sources"]
    assert set(sources) == {"tiny", "corpus:prose"}


def test_parts_together_are_the_whole_byte_for_byte(tiny_llama, corpus, tmp_path):
    whole = collect(tiny_llama, corpus, tmp_path / "whole.parquet")
    parts = [tmp_path / "first.parquet", tmp_path / "second.parquet"]
    for path, part in zip(parts, ("00-of-02", "01-of-02"), strict=True):
        collect(tiny_llama, corpus, path, part)
    joined = contracts.MOMENTS.matrices(parts)
    assert list(joined) == list(whole)
    for key in whole:
        for column in ("values", "mean", "eigenvalue"):
            np.testing.assert_array_equal(joined[key][column], whole[key][column])
    collect(tiny_llama, corpus, tmp_path / "again.parquet")
    assert (tmp_path / "again.parquet").read_bytes() == (tmp_path / "whole.parquet").read_bytes()


def test_a_window_that_fits_neither_model_nor_corpus_is_refused(tiny_bert, tiny_llama, corpus, tmp_path):
    with pytest.raises(UserError, match="windows of 65 tokens are longer than the 64 positions"):
        collect(tiny_bert, corpus, tmp_path / "moments.parquet", window=65)
    with pytest.raises(UserError, match="less than one window of 5000"):
        collect(tiny_llama, corpus, tmp_path / "moments.parquet", window=5000, n_tokens=10**6)
    assert not (tmp_path / "moments.parquet").exists()
