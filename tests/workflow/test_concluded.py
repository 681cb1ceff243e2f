"""What each subject's conclusions wait for: nothing that does not speak of it."""

from pathlib import Path

from plan import Plan

ROOT = Path(__file__).resolve().parents[2]
MODELS = {
    "bert": {"source": {"path": "/models/bert"}},
    "llama": {"source": {"path": "/models/llama"}},
    "noisier": {"source": {"renoised": {"like": "llama"}}},
    "random": {"source": {"random": {"like": "bert"}}},
}
CUTS = [{"remove": {"deciles": [1]}}]
CONFIG = {
    "models": MODELS,
    "corpora": {
        "text": {"source": {"path": "/texts"}, "observe": {"share": [0, 0.5]}, "evaluate": {"share": [0.5, 1]}}
    },
    "observe": {"models": ["bert"], "corpora": ["text"]},
    "tasks": {"movies": {"name": "movies"}},
    "experiments": {
        "deciles": {"models": ["llama", "noisier"], "corpus": "text", "cuts": CUTS},
        "beside": {"models": ["bert"], "corpus": "text", "cuts": [{**CUTS[0], "controls": ["same_count"]}]},
        "asked": {"models": ["llama"], "tasks": ["movies"], "cuts": CUTS},
    },
}


def evaluated(*places):
    return {"evaluations": [f"<results>/evaluations/{place}.parquet" for place in places]}


def test_a_refused_task_or_a_missing_corpus_stops_only_its_own_conclusions():
    found = Plan(CONFIG, root=str(ROOT)).conclusions
    assert list(found) == ["bounds", "ends", "overlap", "costs", "controls", "tasks", "copies", "storage"]
    assert found["overlap"] == {
        "overlaps": ["<results>/overlaps/bert/text.parquet"],
        "bulk": ["<results>/bulk/bert.parquet"],
    }
    assert found["costs"] == evaluated("llama/deciles", "noisier/deciles", "bert/beside")
    assert found["controls"] == evaluated("bert/beside")
    assert found["tasks"] == evaluated("llama/asked")
    assert found["copies"] == evaluated("llama/deciles", "noisier/deciles", "llama/asked")
    assert all("corpora" not in path for files in found.values() for paths in files.values() for path in paths)


def test_models_alone_have_three_subjects_and_births_a_fourth():
    alone = Plan({"models": {"bert": MODELS["bert"]}}, root=str(ROOT)).conclusions
    assert list(alone) == ["bounds", "ends", "storage"]
    born = Plan({"models": {"bert": MODELS["bert"]}, "births": {"small": {}}}, root=str(ROOT)).conclusions
    assert list(born) == ["bounds", "ends", "births", "storage"]
    assert list(born["births"]) == ["probes", "locations", "knockouts"]
