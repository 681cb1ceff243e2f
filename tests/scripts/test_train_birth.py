"""The train_birth script: checkpoints and losses, the same bytes also after a kill."""

import json
import shutil

import numpy as np
import pytest
import torch
import train_birth
from stand_in import Files, job

from weightspectra import contracts
from weightspectra.base.errors import UserError
from weightspectra.birth.model.checkpoints import Run
from weightspectra.birth.model.parameters import trained_parameters
from weightspectra.birth.settings import TaskData, Training
from weightspectra.birth.task import characters
from weightspectra.birth.task.bigram_task import BigramTask
from weightspectra.birth.training import resuming
from weightspectra.birth.training.steps import Trainer

TEXT = "the cat sat on the mat; a hat is not that fat, is it?\n" * 3
MODEL = {
    "kind": "simplified",
    "dimension": 8,
    "n_layers": 2,
    "n_heads": 4,
    "positions": "random",
    "feed_forward": "none",
    "first_feed_forward": True,
    "norm": "pre",
    "tie_embeddings": False,
    "train_embeddings": False,
    "scale_attention": True,
}
FULL = {**MODEL, "kind": "full", "positions": "learned", "feed_forward": "mlp", "tie_embeddings": True}
DATA = {"triggers": "frequent", "n_triggers": 3, "offset": 0, "outputs": "uniform", "no_repeat": False, "length": 16}
TRAINING = {
    "optimiser": "sgd",
    "learning_rate": 0.1,
    "weight_decay": 1e-4,
    "batch_size": 4,
    "n_iterations": 9,
    "loss": "in_context",
    "frozen_until": {},
    "checkpoints": [0, 3, 6, 9],
}


@pytest.fixture(autouse=True)
def threads():
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def counted(tmp_path_factory):
    path = tmp_path_factory.mktemp("characters") / "toy.parquet"
    contracts.CHARACTERS.write(list(characters.count(TEXT).rows()), path, {"sources": {"text": {"name": "toy"}}})
    return path


def smk_of(counted, folder, *, model=MODEL, **changed):
    outputs = Files(checkpoints=folder / "births" / "toy" / "seed-3.parquet", learning=folder / "learning.parquet")
    params = {"seed": 1, "device": "cpu", "data": DATA, "model": model, "training": {**TRAINING, **changed}}
    return job("train_birth", Files(counted), outputs, wildcards={"birth": "toy", "seed": "3"}, **params)


def files_of(smk):
    return [open(path, "rb").read() for path in (smk.output.checkpoints, smk.output.learning)]


@pytest.mark.parametrize("model", [MODEL, FULL], ids=["simplified", "full"])
def test_a_run_is_read_back_whole(counted, tmp_path, model):
    smk = smk_of(counted, tmp_path, model=model, optimiser="adamw")
    train_birth.main(smk)
    run = Run.read(smk.output.checkpoints)
    assert (run.birth, run.seed, run.iterations) == ("toy", 3, [0, 3, 6, 9])
    assert run.config["characters"] == "".join(characters.count(TEXT).characters)
    first, last = run.parameters(0), run.parameters(9)
    assert first.keys() == last.keys() == set(run.model(9).state_dict())
    moved = {name for name in first if not np.array_equal(first[name], last[name])}
    tied = {"unembedding.weight"} if model["tie_embeddings"] else set()
    assert moved == set(trained_parameters(run.model(0).config)) | tied
    table = contracts.CHECKPOINTS.read(smk.output.checkpoints)
    assert set(table.loc[table["trained"], "parameter"]) == moved - tied
    assert set(table.loc[~table["trained"], "iteration"]) <= {0}
    sizes = table[["values", "momentum", "second_moment"]].map(len)
    late = table["trained"] & (table["iteration"] > 0)
    assert (sizes[late].nunique(axis=1) == 1).all()
    assert not sizes.loc[~late, ["momentum", "second_moment"]].any(axis=None)
    rows = contracts.LEARNING.read(smk.output.learning)
    assert rows["iteration"].tolist() == list(range(9))
    assert contracts.read_provenance(smk.output.learning)["sources"] == {"text": {"name": "toy"}}
    assert sorted(path.name for path in tmp_path.rglob("*") if path.is_file()) == ["learning.parquet", "seed-3.parquet"]


def test_unknown_iterations_are_refused_by_name(counted, tmp_path):
    smk = smk_of(counted, tmp_path)
    train_birth.main(smk)
    with pytest.raises(UserError, match=r"birth 'toy', seed 3: no checkpoint of iteration 4; there are 0, 3, 6, 9"):
        Run.read(smk.output.checkpoints).parameters(4)


@pytest.mark.parametrize("killed", [1, 3, 7, 8])
def test_a_killed_run_goes_on_with_the_same_bytes(counted, tmp_path, monkeypatch, capsys, killed):
    undisturbed = smk_of(counted, tmp_path / "a")
    train_birth.main(undisturbed)
    smk = smk_of(counted, tmp_path / "b")
    made = []
    step = Trainer.step

    def until_killed(self, iteration):
        made.append(iteration)
        if len(made) == killed + 1:
            raise KeyboardInterrupt
        return step(self, iteration)

    monkeypatch.setattr(Trainer, "step", until_killed)
    with pytest.raises(KeyboardInterrupt):
        train_birth.main(smk)
    train_birth.main(smk)
    again = killed - killed // 3 * 3
    assert made == [*range(killed + 1), *range(killed - again, 9)]
    assert ("going on after iteration" in capsys.readouterr().err) == (killed >= 3)
    assert files_of(smk) == files_of(undisturbed)


@pytest.mark.parametrize("harm", ["damaged", "missing", "torn"])
def test_what_is_not_whole_is_made_again(counted, tmp_path, monkeypatch, harm):
    undisturbed = smk_of(counted, tmp_path / "a")
    train_birth.main(undisturbed)
    smk = smk_of(counted, tmp_path / "b")
    monkeypatch.setattr(resuming.Kept, "checkpoints", lambda self: 1 / 0)  # killed after the last step
    with pytest.raises(ZeroDivisionError):
        train_birth.main(smk)
    monkeypatch.undo()
    kept = tmp_path / "b" / "births" / "toy" / ".seed-3.kept"
    part = kept / "iteration-000006.parquet"
    if harm == "damaged":
        content = bytearray(part.read_bytes())
        content[len(content) // 2] ^= 1
        part.write_bytes(content)
    elif harm == "missing":
        part.unlink()
    else:
        journal = kept / "journal"
        journal.write_bytes(journal.read_bytes()[:-20])
    train_birth.main(smk)
    assert files_of(smk) == files_of(undisturbed)


def test_what_another_recipe_has_kept_is_not_used(counted, tmp_path, monkeypatch):
    smk = smk_of(counted, tmp_path / "a", learning_rate=0.3)
    monkeypatch.setattr(resuming.Kept, "checkpoints", lambda self: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        train_birth.main(smk)
    monkeypatch.undo()
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    for folder in ("b", "c"):
        train_birth.main(smk_of(counted, tmp_path / folder))
    assert files_of(smk_of(counted, tmp_path / "b")) == files_of(smk_of(counted, tmp_path / "c"))


def test_what_is_kept_does_not_change_the_weights(counted, tmp_path):
    few, many = smk_of(counted, tmp_path / "a", checkpoints=[]), smk_of(counted, tmp_path / "b", checkpoints=range(9))
    for smk in (few, many):
        smk.params.training["checkpoints"] = list(smk.params.training["checkpoints"])
        train_birth.main(smk)
    few, many = (Run.read(smk.output.checkpoints) for smk in (few, many))
    assert (few.iterations, many.iterations) == ([0, 9], list(range(10)))
    for name, values in few.parameters(9).items():
        assert np.array_equal(values, many.parameters(9)[name])


def test_training_goes_on_from_any_checkpoint_of_the_file(counted, tmp_path):
    smk = smk_of(counted, tmp_path, optimiser="adamw", frozen_until={"layers.0.attention.key.weight": 2})
    train_birth.main(smk)
    table, run = contracts.CHECKPOINTS.read(smk.output.checkpoints), Run.read(smk.output.checkpoints)
    task = BigramTask.of(TaskData(**DATA), characters.Bigrams.of(contracts.CHARACTERS.read(counted)))
    for start in (0, 3, 6):
        trainer = Trainer(run.model(0), task, Training(**smk.params.training), (1, 3))
        trainer.restore(resuming.snapshot_at(table, start))
        for iteration in range(start, 9):
            trainer.step(iteration)
        for name, values in trainer.snapshot(9).parameters.items():
            assert np.array_equal(values, run.parameters(9)[name]), (start, name)


def test_the_stored_configuration_is_that_of_the_saved_model(counted, tmp_path):
    smk = smk_of(counted, tmp_path)
    train_birth.main(smk)
    run = Run.read(smk.output.checkpoints)
    run.model(9).save_pretrained(tmp_path / "model")
    saved = json.loads((tmp_path / "model" / "config.json").read_text())
    assert {**run.config, "architectures": ["BigramTransformer"], "dtype": "float32"} == saved
