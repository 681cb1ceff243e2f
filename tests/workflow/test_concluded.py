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
    pairs = ("llama/deciles", "noisier/deciles", "bert/beside", "llama/asked")
    assert list(found) == [
        *("bounds", "ends", "vectors", "spacings", "overlap", "copies"),
        *(f"cuts/{pair}" for pair in pairs),
        *(f"storage/{model}" for model in ("bert", "llama", "noisier")),
    ]
    assert found["overlap"] == {
        "overlaps": ["<results>/overlaps/bert/text.parquet"],
        "bulk": ["<results>/bulk/bert.parquet"],
    }
    assert all(found[f"cuts/{pair}"] == evaluated(pair) for pair in pairs)
    assert found["storage/llama"] == {
        "matrices": ["<results>/matrices/llama/part-00-of-01.parquet"],
        "bulk": ["<results>/bulk/llama.parquet"],
    }
    assert found["copies"] == evaluated("llama/deciles", "noisier/deciles", "llama/asked")
    assert all("corpora" not in path for files in found.values() for paths in files.values() for path in paths)


def test_windows_are_a_subject_where_two_experiments_differ_in_them_alone():
    def planned(**second):
        first = {"models": ["bert", "llama"], "corpus": "text", "window": 256, "cuts": CUTS}
        experiments = {"long": first, "short": {**first, "models": ["llama"], **second}}
        return Plan({**CONFIG, "experiments": experiments}, root=str(ROOT))

    plan = planned(window=128)
    assert plan.window_pairs == [("llama", "short", "long", "text")]
    assert plan.conclusions["windows"] == evaluated("llama/long", "llama/short")
    for other in ({}, {"window": 128, "bos": False}, {"window": 128, "dtype": "bfloat16"}, {"models": ["random"]}):
        assert "windows" not in planned(**other).conclusions
    assert "windows" not in planned(window=128, models=["random"]).conclusions
    assert "windows" not in planned(window=128, metrics=[], tasks=["movies"]).conclusions


def test_models_alone_have_five_subjects_and_births_a_sixth():
    alone = Plan({"models": {"bert": MODELS["bert"]}}, root=str(ROOT)).conclusions
    assert list(alone) == ["bounds", "ends", "vectors", "spacings", "storage/bert"]
    born = Plan({"models": {"bert": MODELS["bert"]}, "births": {"small": {}}}, root=str(ROOT)).conclusions
    assert list(born) == ["bounds", "ends", "vectors", "spacings", "births", "storage/bert"]
    assert list(born["births"]) == ["probes", "locations", "knockouts"]
