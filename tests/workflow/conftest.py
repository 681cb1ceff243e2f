"""A configuration of everything, so small that all of it runs in seconds."""

import pytest
from snake import copy_workflow, run, write_config

SENTENCES = (
    "The state of the union is what it was, and {0} years have passed since anyone asked.",
    "We counted {0} ships in the harbour; {1} of them were sound, and the others leaked.",
    "Congress met on a cold morning. It adopted {0} bills, rejected {1}, and went home.",
    "Nobody had thought of the {0} bridges that the flood took, nor of the {1} that it left.",
)


@pytest.fixture(scope="session")
def tiny_config(tiny_bert, tiny_llama, tmp_path_factory):
    """Two models of two blocks, a random control of one, a few pages of text, and one use of every other section."""
    texts = tmp_path_factory.mktemp("texts")
    for year in range(1900, 1912):
        lines = [SENTENCES[(year + i) % 4].format(year * i % 97, year % (i + 3)) for i in range(12)]
        (texts / f"{year}.txt").write_text("\n".join(lines) + "\n")
    labelled = texts.parent / "labelled.csv"
    rows = [f'"{SENTENCES[i % 4].format(i, i + 1)}",{("low", "high")[i % 4 > 1]}' for i in range(64)]
    labelled.write_text("\n".join(["text,label", *rows]) + "\n")
    return {
        "device": "cpu",
        "models": {
            "bert": {"source": {"path": str(tiny_bert)}, "parts": 2},
            "llama": {"source": {"path": str(tiny_llama)}},
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
            "models": ["bert", "llama"],
            "corpora": ["text"],
            "n_tokens": 1024,
            "window": 32,
        },
        "data_sets": {"labels": {"source": {"path": str(labelled)}}},
        "tasks": {"labels": {"data_set": "labels", "prompt": "{text} It is", "limit": 4}},
        "predict": {"models": ["llama"], "corpora": ["text"], "n_tokens": 64, "window": 32, "n_probes": 1},
        "finetunings": {
            "labels": {
                "models": ["bert"],
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


@pytest.fixture(scope="session")
def workflow(tmp_path_factory):
    """A copy of the workflow as it is now."""
    return copy_workflow(tmp_path_factory.mktemp("copy") / "workflow")


@pytest.fixture(scope="session")
def config_file(tiny_config, tmp_path_factory):
    """The tiny configuration as a file."""
    return write_config(tmp_path_factory.mktemp("config") / "tiny.yaml", tiny_config)


@pytest.fixture(scope="session")
def finished(workflow, config_file, tmp_path_factory):
    """A folder in which the tiny configuration has run without interruption."""
    folder = tmp_path_factory.mktemp("finished")
    code, output = run(folder, "--configfile", config_file, root=workflow)
    assert code == 0, output[-6000:]
    return folder
