"""A corpus of the bigram task is drawn from its own birth's task, and again when that changes."""

import pytest
from configurations import with_value
from snake import plan, run, write_config

from weightspectra import contracts

WANTED = ["results/corpora/bigrams.parquet", "results/corpora/prose.parquet"]
BIRTH = {"seeds": [0], "data": {"n_triggers": 2, "length": 8}, "training": {"n_iterations": 1, "checkpoints": []}}


@pytest.fixture(scope="module")
def drawn(workflow, tmp_path_factory):
    folder = tmp_path_factory.mktemp("drawn")
    (folder / "prose.txt").write_text("one one one\n\ntwo two two\n")
    births = {name: {**BIRTH, "data": {**BIRTH["data"], "text": "prose.txt"}} for name in ("small", "other")}
    parts = {"observe": {"share": [0, 0.5]}, "evaluate": {"share": [0.5, 1]}}
    config = {
        "models": {"born": {"source": {"birth": {"birth": "small", "seed": 0, "iteration": 0}}}},
        "births": births,
        "corpora": {
            "bigrams": {"source": {"birth": {"birth": "small", "n_documents": 4}}, **parts},
            "prose": {"source": {"path": "prose.txt"}, "documents": "paragraph", **parts},
        },
    }
    code, output = run(folder, *WANTED, "--configfile", write_config(folder / "my.yaml", config), root=workflow)
    assert code == 0, output
    return folder, config


def test_each_sequence_is_a_document_of_as_many_characters_as_the_model_reads(drawn):
    found = contracts.CORPUS.read(drawn[0] / "results/corpora/bigrams.parquet")
    assert list(found["text"].str.len()) == [8] * 4
    assert set("".join(found["text"])) <= set("one two\n")


@pytest.mark.parametrize(
    ("changes", "jobs"),
    [
        ({"births/small/data/no_repeat": True}, {"count_characters": 1, "fetch_corpus": 1}),
        ({"births/other/data/no_repeat": True, "births/small/training/n_iterations": 2}, {}),
        ({"seed": 5}, {"fetch_corpus": 1}),
    ],
)
def test_a_corpus_is_drawn_again_when_its_own_task_changes(changes, jobs, drawn, workflow):
    folder, config = drawn
    for path, value in changes.items():
        config = with_value(config, path, value)
    changed = write_config(folder / "changed.yaml", config)
    assert plan(folder, *WANTED, "--configfile", changed, root=workflow) == jobs


def test_too_few_characters_are_refused_before_anything_is_trained(drawn, workflow):
    folder, config = drawn
    data = {"text": "prose.txt", "n_triggers": 9, "length": 32}
    changed = write_config(folder / "changed.yaml", with_value(config, "births/small/data", data))
    code, output = run(folder, *WANTED, "--configfile", changed, root=workflow)
    assert code == 1
    assert "9 triggers were asked for, but the text has only 7 distinct characters; make n_triggers smaller" in output
