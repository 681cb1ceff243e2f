"""The predict_damage script: a model, a corpus and its singular vectors in, two tables out."""

import json
import shutil

import numpy as np
import pandas as pd
import pytest
from evaluate_cuts_job import write_inputs
from predict_damage import main
from stand_in import Files, job

from weightspectra import contracts
from weightspectra.base.errors import UserError
from weightspectra.contracts import MatrixKey
from weightspectra.models import live, loading

PREDICT = {
    **{"n_tokens": 120, "window": 30, "batch_size": 2, "n_probes": 2},
    **{"bos": True, "dtype": "float32", "n_directions": 4},
}


@pytest.fixture(scope="module")
def inputs(tmp_path_factory, tiny_llama):
    folder = tmp_path_factory.mktemp("inputs")
    shutil.copytree(tiny_llama, folder / "tiny")
    write_inputs(folder, loading.load(tiny_llama, head="causal"))
    corpus = contracts.CORPUS.read(folder / "corpus.parquet")
    unseen = corpus.assign(part="evaluate", text="@ # " * 500, document=[f"unseen {i}" for i in range(len(corpus))])
    both = pd.concat([corpus.assign(part="observe"), unseen])
    contracts.CORPUS.write(both, folder / "corpus.parquet", {"sources": {"corpus:prose": {"revision": "r"}}})
    return folder


def predict(folder, output, seed=1, **changes):
    inputs = Files(
        source=str(folder / "tiny.parquet"),
        corpus=str(folder / "corpus.parquet"),
        spectra=[str(folder / "spectra.parquet")],
        vectors=[str(folder / "vectors.parquet")],
    )
    outputs = Files(predictions=str(output / "predictions.parquet"), directions=str(output / "directions.parquet"))
    settings = {"device": "cpu", "remote_code": False, "fused_split": "interleaved", "seed": seed}
    wildcards = {"model": "tiny", "corpus": "prose"}
    main(job("predict_damage", inputs, outputs, wildcards=wildcards, predict=PREDICT | changes, **settings))
    return contracts.PREDICTIONS.read(outputs.predictions), contracts.DIRECTIONS.read(outputs.directions)


def test_every_decile_of_every_matrix_is_predicted(inputs, tiny_llama, tmp_path):
    predictions, directions = predict(inputs, tmp_path)
    matrices = live.matrices(loading.load(tiny_llama, head="causal"))
    assert len(predictions) == 10 * len(matrices)
    (n_tokens,) = set(predictions["n_tokens"])
    assert 120 <= n_tokens < 120 + 30
    by_matrix = predictions.groupby(["layer", "role", "expert"], sort=False)
    assert [MatrixKey(*key) for key in by_matrix.groups] == list(matrices)
    for name in ("weight_energy", "centred_energy", "output_energy"):
        np.testing.assert_allclose(by_matrix[name].sum(), 1, rtol=1e-9)
    for key, rows in by_matrix:
        assert rows["n_removed"].sum() == min(matrices[MatrixKey(*key)].read().shape)
    np.testing.assert_allclose(predictions["predicted"], predictions["second_order"] + predictions["first_order"] / 2)
    assert len(directions) == 4
    assert all(len(tokens) == len(places) for tokens, places in directions[["tokens", "positions"]].to_numpy())
    sources = contracts.read_provenance(tmp_path / "predictions.parquet")["sources"]
    assert set(sources) == {"tiny", "corpus:prose"}


def test_same_seed_same_bytes_and_another_seed_other_probes(inputs, tmp_path):
    for name, seed in (("one", 1), ("again", 1), ("other", 2)):
        (tmp_path / name).mkdir()
        predict(inputs, tmp_path / name, seed)
    for file in ("predictions.parquet", "directions.parquet"):
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "again" / file).read_bytes()
    one, other = (contracts.PREDICTIONS.read(tmp_path / name / "predictions.parquet") for name in ("one", "other"))
    assert not np.allclose(one["second_order"], other["second_order"], rtol=1e-3)
    np.testing.assert_array_equal(one["first_order"], other["first_order"])


def test_no_directions_are_named_where_none_are_wanted(inputs, tmp_path):
    _, directions = predict(inputs, tmp_path, n_directions=0)
    assert directions.empty


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model_type": "bert"}, "predicting damage needs a model that predicts the next token; model type 'bert'"),
        ({"architectures": ["LlamaModel"]}, r"predicting damage needs a checkpoint with a language-model head"),
    ],
    ids=["encoder", "no head"],
)
def test_a_model_without_a_head_is_refused(inputs, tmp_path, changes, message):
    folder = shutil.copytree(inputs, tmp_path / "inputs")
    path = folder / "tiny" / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))
    with pytest.raises(UserError, match=message):
        predict(folder, tmp_path)
    assert not (tmp_path / "predictions.parquet").exists()


def test_windows_longer_than_the_model_are_refused(inputs, tmp_path):
    with pytest.raises(UserError, match="windows of 129 tokens are longer than the 128 positions"):
        predict(inputs, tmp_path, window=129)
