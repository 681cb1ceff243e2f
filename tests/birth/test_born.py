"""A checkpoint of a birth becomes an ordinary folder with a tokenizer of characters."""

import numpy as np
import pytest
import torch
from transformers import AutoTokenizer

from weightspectra import contracts
from weightspectra.activations import windows
from weightspectra.base.errors import UserError
from weightspectra.birth.model import born
from weightspectra.birth.model.bigram_config import BigramConfig
from weightspectra.birth.model.bigram_transformer import initialised
from weightspectra.birth.model.checkpoints import Run
from weightspectra.birth.training.resuming import rows_of
from weightspectra.birth.training.steps import Snapshot
from weightspectra.models import loading
from weightspectra.models.fetching.fetch import fetch
from weightspectra.models.settings import Model

CHARACTERS = "\n !',-.:;?AZabcxyzé\u2028"


@pytest.fixture(scope="module", params=[False, True], ids=["simplified", "tied"])
def checkpoints(request, tmp_path_factory):
    """Two checkpoints; the second has twice the first one's trained weights."""
    kind = {"kind": "full", "n_heads": 2, "positions": "learned", "feed_forward": "mlp", "tie_embeddings": True}
    sizes = {"dimension": 8, "vocab_size": len(CHARACTERS), "max_position_embeddings": 16, "characters": CHARACTERS}
    model = initialised(BigramConfig(**sizes, **(kind if request.param else {})), len)
    held = {name: value.detach().numpy() for name, value in model.named_parameters()}
    trained = {name: values for name, values in held.items() if request.param or "key" in name}
    rows = []
    for iteration, factor in ((0, 1), (10, 2)):
        snapshot = Snapshot(iteration, {name: factor * values for name, values in trained.items()}, {}, {})
        rows += rows_of(snapshot, model, {"birth": "toy", "seed": 4})
    path = tmp_path_factory.mktemp("births") / "seed-4.parquet"
    contracts.CHECKPOINTS.write(rows, path, {})
    return path


def entry(iteration):
    return Model.model_validate({"source": {"birth": {"birth": "toy", "seed": 4, "iteration": iteration}}})


def test_the_folder_holds_the_checkpoint(checkpoints, tmp_path):
    run, tokens = Run.read(checkpoints), torch.arange(16)[None]
    logits = {}
    for iteration in (0, 10):
        facts = fetch("model", entry(iteration), tmp_path / str(iteration), seed=None, made_from=checkpoints)
        assert facts.architecture == "BigramTransformer"
        origin = {"kind": "birth", "name": "toy", "revision": f"seed 4, iteration {iteration}"}
        assert facts.provenance.items() >= origin.items()
        names = {file["path"] for file in facts.files}
        assert names == {"config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"}
        model = loading.load(tmp_path / str(iteration), head="causal")
        logits[iteration] = model(tokens).logits
        assert torch.equal(logits[iteration], run.model(iteration)(tokens).logits)
    assert not torch.equal(logits[0], logits[10])
    assert np.array_equal(
        run.parameters(10)["layers.1.attention.key.weight"] / 2, run.parameters(0)["layers.1.attention.key.weight"]
    )


def test_the_same_checkpoint_gives_the_same_bytes(checkpoints, tmp_path):
    first, second = (
        fetch("model", entry(10), tmp_path / name, seed=None, made_from=checkpoints).files for name in "ab"
    )
    assert first == second


def test_another_iteration_is_refused_by_name(checkpoints, tmp_path):
    message = "model 'model': birth 'toy', seed 4: no checkpoint of iteration 5; there are 0, 10"
    with pytest.raises(UserError, match=message):
        fetch("model", entry(5), tmp_path / "x", seed=None, made_from=checkpoints)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("stored", [False, True])
def test_one_token_is_one_character(tmp_path, stored):
    tokenizer = born.tokenizer(CHARACTERS)
    if stored:
        tokenizer.save_pretrained(tmp_path)
        BigramConfig(characters=CHARACTERS).save_pretrained(tmp_path)
        tokenizer = AutoTokenizer.from_pretrained(tmp_path)
    rng = np.random.default_rng(0)
    for _ in range(20):
        tokens = rng.integers(len(CHARACTERS), size=50).tolist()
        text = "".join(CHARACTERS[token] for token in tokens)
        assert tokenizer(text).input_ids == tokens
        assert tokenizer.decode(tokens) == text
    assert len(tokenizer) == len(CHARACTERS)
    assert tokenizer.bos_token_id is None
    assert windows.special_tokens(tokenizer) == ([], [])
    assert [end for _, end in tokenizer("a\n b", return_offsets_mapping=True).offset_mapping] == [1, 2, 3, 4]


def test_characters_that_were_never_seen_are_no_tokens():
    with pytest.raises(Exception, match="Missing"):
        born.tokenizer("abc")("abd")
