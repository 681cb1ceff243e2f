"""The score_locator script: checkpoints and characters in, locations and knock-outs out."""

import json

import numpy as np
import pytest
import score_locator
from stand_in import Files, job

from weightspectra import contracts
from weightspectra.birth.model import checkpoints
from weightspectra.birth.model.bigram_transformer import BigramConfig, BigramTransformer
from weightspectra.birth.model.parameters import WEIGHTS
from weightspectra.birth.probes import behaviour, suite
from weightspectra.birth.settings import TaskData
from weightspectra.birth.task.bigram_task import BigramTask
from weightspectra.birth.task.characters import Bigrams

DATA = {"triggers": "frequent", "n_triggers": 2, "offset": 0, "outputs": "uniform", "no_repeat": True, "length": 12}
TRAINING = {"optimiser": "sgd", "learning_rate": 0.2, "momentum": 0.9, "weight_decay": 0.01, "frozen_until": {}}
D, N_TOKENS = 32, 8


def bigrams():
    followers = np.random.default_rng(0).integers(1, 9, (N_TOKENS, N_TOKENS))
    counts = followers.sum(axis=1)
    counts[-1] += 1
    return Bigrams(tuple("abcdefgh"), counts, followers)


def run(folder, model, iterations=(0, 4, 9)):
    """Write checkpoints of a model that learns one rank of W_O^2, and nothing else."""
    config = BigramConfig(dimension=D, vocab_size=N_TOKENS, max_position_embeddings=12, **model)
    made, rng = BigramTransformer(config), np.random.default_rng(1)
    rows = []
    for iteration in iterations:
        for name, values in made.state_dict().items():
            trained = name in WEIGHTS.values()
            if iteration and not trained:
                continue
            weight = values.numpy().copy()
            if name == WEIGHTS["output_2"] and iteration:
                weight += iteration * np.outer(*np.linalg.qr(rng.standard_normal((D, 2)))[0].T)
            rows.append(
                {
                    "birth": "small",
                    "seed": 3,
                    "config": json.dumps(config.to_dict()),
                    "iteration": iteration,
                    "parameter": name,
                    "trained": trained,
                    "shape": weight.shape,
                    "values": weight.ravel(),
                    "momentum": [],
                    "second_moment": [],
                }
            )
    contracts.CHECKPOINTS.write(rows, folder / "checkpoints.parquet", {})
    contracts.CHARACTERS.write(list(bigrams().rows()), folder / "characters.parquet", {})
    smk = job(
        "score_locator",
        Files(checkpoints=str(folder / "checkpoints.parquet"), characters=str(folder / "characters.parquet")),
        Files(locations=str(folder / "locations.parquet"), knockouts=str(folder / "knockouts.parquet")),
        wildcards={"birth": "small", "seed": "3"},
        seed=7,
        device="cpu",
        level=0.05,
        n_spectra=20,
        n_vectors=1000,
        data=DATA,
        training=TRAINING,
        probe={"n_sequences": 8},
    )
    score_locator.main(smk)
    return contracts.LOCATIONS.read(smk.output.locations), contracts.KNOCKOUTS.read(smk.output.knockouts)


@pytest.fixture(scope="module")
def simplified(tmp_path_factory):
    folder = tmp_path_factory.mktemp("simplified")
    return folder, *run(folder, {"kind": "simplified", "feed_forward": "linear"})


def test_every_matrix_of_every_checkpoint_is_scored(simplified):
    _, locations, _ = simplified
    assert len(locations) == 3 * len(WEIGHTS) * 3
    assert set(locations["matrix"]) == set(WEIGHTS)
    assert locations[["birth", "seed"]].drop_duplicates().values.tolist() == [["small", 3]]
    blind = locations[locations["locator"] == "blind"].set_index(["matrix", "iteration"])
    assert blind.loc[("output_2", 9), "n_learned"] == 1
    # The others have not moved: all that they lost to decay seems to have been learned back.
    assert blind.loc[("key_2", 9), "initial_slope"] == pytest.approx(1)
    assert blind.loc[("key_2", 0), ["n_memories", "n_true", "kept"]].tolist() == [0, 0, 1]
    assert blind.loc[("key_2", 9), "n_memories"] == 2
    assert blind.loc[("key_1", 9), "n_memories"] == 11


def test_the_middle_and_the_last_checkpoint_are_cut(simplified):
    _, locations, knocked = simplified
    assert sorted(set(knocked["iteration"])) == [4, 9]
    located = locations[(locations["locator"] == "blind") & (locations["iteration"] == 9)].set_index("matrix")
    kept = knocked[(knocked["cut"] == "keep_located") & (knocked["iteration"] == 9)].set_index("matrix")
    assert kept.loc["output_2", "n_values"] == located.loc["output_2", "n_located"]
    assert kept.loc["all", "n_values"] == located["n_located"].sum()


def test_without_a_cut_accuracy_is_that_of_the_probes(simplified):
    folder, _, knocked = simplified
    trained = checkpoints.Run.read(folder / "checkpoints.parquet")
    sequences = suite.sequences_of(BigramTask.of(TaskData(**DATA), bigrams()), 8, 7, 3)
    seen = behaviour.observe(trained.model(9), sequences, attention=False)
    probed = behaviour.accuracy_probe(seen, sequences, N_TOKENS)[0].value
    none = knocked[(knocked["cut"] == "none") & (knocked["iteration"] == 9)]
    assert none["in_context_accuracy"].tolist() == [pytest.approx(probed)]
