"""The finetune script: one model, one data set, rows for every run, order, decile and epoch."""

import shutil
from pathlib import Path

import finetune
import numpy as np
import pytest
import torch
from stand_in import Files, job

from weightspectra import contracts
from weightspectra.base.errors import UserError
from weightspectra.finetuning import runs
from weightspectra.models import live, loading
from weightspectra.spectra.svd import decompose

WANTED = {
    "models": ["tiny"],
    "data_set": "toy",
    "deciles": [1, 10],
    "n_seeds": 2,
    "n_seeds_removed": 1,
    "epochs": 2,
    "learning_rate": 3e-3,
    "weight_decay": 0.01,
    "warmup_share": 0.1,
    "batch_size": 8,
    "max_length": 24,
    "n_train": 32,
    "n_test": 16,
}


def examples():
    """Texts of letters, early ones in one class, late ones in the other."""
    rng = np.random.default_rng(3)
    for split, count in (("train", 40), ("test", 20)):
        for number in range(count):
            letters = rng.choice(list("vwxyz" if number % 2 else "abcde"), rng.integers(3, 12))
            names = {"data_set": "toy", "split": split, "example": f"{split} {number}", "pair": "", "group": ""}
            yield {**names, "text": " ".join(letters), "label": number % 2, "label_name": ["early", "late"][number % 2]}


@pytest.fixture(scope="module")
def inputs(tmp_path_factory, tiny_bert):
    folder = tmp_path_factory.mktemp("inputs")
    shutil.copytree(tiny_bert, folder / "tiny")
    stamp = {"sources": {"tiny": {"revision": "r"}}}
    contracts.SOURCES.write([], folder / "tiny.parquet", stamp)
    contracts.EXAMPLES.write(list(examples()), folder / "toy.parquet", {"sources": {"toy": {"version": "1"}}})
    with contracts.VECTORS.matrix_writer(folder / "vectors.parquet", stamp) as writer:
        for key, matrix in live.matrices(loading.load(tiny_bert)).items():
            writer.write(key, decompose(matrix.read()).short_vectors.float().numpy())
    return folder


def smk_of(folder, output, **changed):
    return job(
        "finetune",
        Files(
            source=str(folder / "tiny.parquet"),
            data_set=str(folder / "toy.parquet"),
            vectors=[str(folder / "vectors.parquet")],
        ),
        Files(str(output / "toy.parquet")),
        wildcards={"model": "tiny", "finetuning": "toy"},
        seed=1,
        device="cpu",
        remote_code=False,
        fused_split="interleaved",
        finetuning={**WANTED, **changed},
    )


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def test_rows_and_provenance(inputs, tmp_path):
    smk = smk_of(inputs, tmp_path)
    finetune.main(smk)
    found = contracts.FINETUNINGS.read(smk.output[0])
    assert found.groupby("order").size().to_dict() == {"none": 4, "remove_first": 4, "remove_last": 8}
    assert set(found["model"]) == {"tiny"} and set(found["finetuning"]) == {"toy"}
    assert set(found["n_train"]) == {32} and set(found["n_test"]) == {16}
    assert all(unit.startswith("test ") for unit in found["units"].iloc[0])
    trained = found[(found["order"] == "none") & (found["epoch"] == 2)]
    assert (trained["accuracy"] > 0.8).all()
    assert trained["loss"].nunique() == 2  # another head and order of examples in each run
    assert contracts.read_provenance(smk.output[0])["sources"].keys() == {"tiny", "toy"}
    assert [path.name for path in tmp_path.iterdir()] == ["toy.parquet"]


def test_a_killed_job_resumes_and_gives_the_same_bytes(inputs, tmp_path, monkeypatch):
    smk, again = smk_of(inputs, tmp_path), smk_of(inputs, tmp_path / "again")
    finetune.main(again)
    begun = []

    def killed_in_the_third_run(*arguments):
        begun.append(arguments)
        if len(begun) == 3:
            raise KeyboardInterrupt
        return finetuning_training(*arguments)

    finetuning_training = runs.training
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(runs, "training", killed_in_the_third_run)
        finetune.main(smk)
    assert (tmp_path / ".toy.journal").read_bytes().count(b"\n") == 2 and not Path(smk.output[0]).exists()
    finetune.main(smk)
    assert Path(smk.output[0]).read_bytes() == Path(again.output[0]).read_bytes()


def test_a_journal_of_another_recipe_is_not_used(inputs, tmp_path, monkeypatch, capsys):
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(contracts.Contract, "write", interrupt)
        finetune.main(smk_of(inputs, tmp_path, epochs=1))
    finetune.main(smk_of(inputs, tmp_path, epochs=1, learning_rate=1e-3))
    assert "finished before" not in capsys.readouterr().err


def interrupt(*_, **__):
    raise KeyboardInterrupt


@pytest.mark.parametrize(
    ("changed", "message"),
    [({"n_train": 41}, "has 40 examples in its part 'train'"), ({"n_test": 21}, "has 20 examples in its part 'test'")],
)
def test_too_few_examples_are_refused_before_the_model_is_loaded(inputs, tmp_path, monkeypatch, changed, message):
    monkeypatch.setattr(loading, "load", lambda *_, **__: pytest.fail("the model was loaded"))
    with pytest.raises(UserError, match=message):
        finetune.main(smk_of(inputs, tmp_path, **changed))


def test_texts_longer_than_the_models_positions_are_refused(inputs, tmp_path):
    with pytest.raises(UserError, match="200 tokens are longer than the 64 positions of this model; set 'max_length'"):
        finetune.main(smk_of(inputs, tmp_path, max_length=200))
