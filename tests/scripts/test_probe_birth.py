"""The probe_birth script: checkpoints and characters in, probes and the attention of an example out."""

import json

import numpy as np
import probe_birth
from stand_in import Files, job

from weightspectra import contracts
from weightspectra.birth.model.bigram_transformer import BigramConfig, initialised
from weightspectra.birth.task import characters


def test_every_checkpoint_is_probed(tmp_path):
    rng = np.random.default_rng(0)
    bigrams = characters.count("".join(rng.choice(list("abcdefgh"), size=3000)))
    contracts.CHARACTERS.write(list(bigrams.rows()), tmp_path / "characters.parquet", {})
    config = BigramConfig(
        kind="simplified", dimension=16, feed_forward="linear", vocab_size=8, max_position_embeddings=60
    )
    rows = [
        {
            **{"birth": "small", "seed": 4, "config": json.dumps(config.to_dict()), "iteration": iteration},
            **{"parameter": name, "trained": True, "shape": list(values.shape), "values": values.numpy().ravel()},
            **{"momentum": [], "second_moment": []},
        }
        for iteration in (0, 5)
        for name, values in initialised(config, lambda name, add=iteration: len(name) + add).state_dict().items()
    ]
    contracts.CHECKPOINTS.write(rows, tmp_path / "checkpoints.parquet", {"sources": {"text": "abc"}})
    inputs = Files(checkpoints=str(tmp_path / "checkpoints.parquet"), characters=str(tmp_path / "characters.parquet"))
    outputs = Files(probes=str(tmp_path / "probes.parquet"), attention_maps=str(tmp_path / "maps.parquet"))
    data = {"triggers": "random", "n_triggers": 2, "offset": 0, "outputs": "bigram", "no_repeat": False, "length": 60}
    wildcards = {"birth": "small", "seed": "4"}
    params = {"seed": 1, "device": "cpu", "data": data, "probe": {"n_sequences": 12, "locate": True}}
    probe_birth.main(job("probe_birth", inputs, outputs, wildcards=wildcards, **params))

    probes = contracts.PROBES.read(outputs.probes)
    assert set(probes["iteration"]) == {0, 5}
    assert (probes["birth"] == "small").all()
    assert (probes["seed"] == 4).all()
    recalls = probes[probes["probe"] == "recall_key_2"]
    assert list(recalls["n"]) == [8, 8]  # triggers are random: any token can be one
    maps = contracts.ATTENTION_MAPS.read(outputs.attention_maps)
    assert len(maps) == 2 * 48
    assert set(maps["iteration"]) == {5}
    stamp = contracts.read_provenance(outputs.probes)
    assert (stamp["device"], stamp["sources"]) == ("cpu", {"text": "abc"})
