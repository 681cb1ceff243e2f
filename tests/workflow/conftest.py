"""A configuration of everything, so small that all of it runs in seconds, and one finished run of it for all tests."""

import fcntl
import json
import shutil

import pytest
import yaml
from snake import copy_workflow, run, write_config

SENTENCES = (
    "The state of the union is what it was, and {0} years have passed since anyone asked.",
    "We counted {0} ships in the harbour; {1} of them were sound, and the others leaked.",
    "Congress met on a cold morning. It adopted {0} bills, rejected {1}, and went home.",
    "Nobody had thought of the {0} bridges that the flood took, nor of the {1} that it left.",
)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """Keep the tests of the one finished run in one process, and begin with them: they take longest."""
    for item in items:
        if "shared" in item.fixturenames:
            item.add_marker(pytest.mark.xdist_group("the finished run"))
    items.sort(key=lambda item: "shared" not in getattr(item, "fixturenames", ()))


@pytest.fixture(scope="session")
def shared(tmp_path_factory, worker_id):
    """A folder that all processes of one test run share."""
    own = tmp_path_factory.getbasetemp()
    folder = (own if worker_id == "master" else own.parent) / "shared"
    folder.mkdir(exist_ok=True)
    return folder


@pytest.fixture(scope="session")
def finished(shared, tiny_llama):
    """A folder in which the tiny configuration has run without interruption: made once, and never changed by a test."""
    import matplotlib.figure  # noqa: F401 (before jobs are forked, so that none of them has to)
    import scipy.stats  # noqa: F401

    folder = shared / "finished"
    with (shared / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            folder.mkdir()
            copy_workflow(shared / "workflow")
            write_config(shared / "tiny.yaml", _tiny(shared, tiny_llama))
            code, output = run(folder, "--configfile", shared / "tiny.yaml", root=shared / "workflow")
            (shared / "said.json").write_text(json.dumps([code, output]))
    code, output = json.loads((shared / "said.json").read_text())
    assert code == 0, output[-6000:]
    return folder


@pytest.fixture(scope="session")
def workflow(finished):
    """The copy of the workflow that the finished run was made with."""
    return finished.parent / "workflow"


@pytest.fixture(scope="session")
def config_file(finished):
    """The configuration of the finished run."""
    return finished.parent / "tiny.yaml"


@pytest.fixture(scope="session")
def tiny_config(config_file):
    """The same, as a mapping."""
    return yaml.safe_load(config_file.read_text())


@pytest.fixture
def copied(finished, tmp_path):
    """A copy of the finished run that a test may change."""
    return shutil.copytree(finished, tmp_path / "run", symlinks=True)


def _tiny(folder, llama):
    """A model of two blocks, its random control, a few pages of text, and one use of every other section."""
    texts = folder / "texts"
    texts.mkdir()
    for year in range(1900, 1912):
        lines = [SENTENCES[(year + i) % 4].format(year * i % 97, year % (i + 3)) for i in range(12)]
        (texts / f"{year}.txt").write_text("\n".join(lines) + "\n")
    labelled = folder / "labelled.csv"
    rows = [f'"{SENTENCES[i % 4].format(i, i + 1)}",{("low", "high")[i % 4 > 1]}' for i in range(64)]
    labelled.write_text("\n".join(["text,label", *rows]) + "\n")
    return {
        "device": "cpu",
        "models": {
            "llama": {"source": {"path": str(llama)}, "parts": 2},
            "llama_random": {"source": {"random": {"like": "llama"}}},
        },
        "corpora": {
            "text": {
                "source": {"path": str(texts)},
                "observe": {"number_in_name": [1900, 1905]},
                "evaluate": {"number_in_name": [1906, 1911]},
            }
        },
        "observe": {
            "models": ["llama"],
            "corpora": ["text"],
            "n_tokens": 1024,
            "window": 32,
        },
        "data_sets": {"labels": {"source": {"path": str(labelled)}}},
        "tasks": {"labels": {"data_set": "labels", "prompt": "{text} It is", "limit": 4}},
        "predict": {"models": ["llama"], "corpora": ["text"], "n_tokens": 64, "window": 32, "n_probes": 1},
        "finetunings": {
            "labels": {
                "models": ["llama"],
                "data_set": "labels",
                "deciles": [1],
                "n_seeds": 2,
                "epochs": 1,
                "max_length": 16,
                "n_train": 16,
            }
        },
        "births": {
            "birth": {
                "seeds": [0],
                "data": {"length": 16, "n_triggers": 2},
                "model": {"dimension": 8, "feed_forward": "linear"},
                "training": {"batch_size": 8, "n_iterations": 4, "checkpoints": [2]},
                "probe": {"n_sequences": 8},
            }
        },
        "memories": {"dimensions": [8], "n_tokens": [4], "n_seeds": 2, "n_samples": 64},
        "comparisons": {"training": {"base": "llama_random", "tuned": "llama"}},
        "randomness": {"n_spectra": 20, "n_vectors": 1000, "n_permutations": 3},
        "experiments": {
            "deciles": {
                "models": ["llama"],
                "corpus": "text",
                "window": 32,
                "n_windows": 6,
                "tasks": ["labels"],
                "cuts": [
                    {"remove": {"deciles": [1, 10]}, "roles": ["query", "down"]},
                    {"remove": {"region": ["below", "above"]}, "scope": "all"},
                ],
            }
        },
    }
