"""Dry runs: what would run, without a network, and what a change makes run again."""

import os
import re
import socket
import subprocess
from pathlib import Path

import pytest
import yaml
from configurations import with_value
from snake import ROOT, copy_workflow, plan, planned, run, seem_finished, write_config

from weightspectra.base.locks import Lock

DRAWN = {"make_table", "make_figure", "make_report", "all"}
PRESENTATION = {"conclude", "gather_findings", *DRAWN}
OF_BULK = {"fit_bulk", "fit_levels", "measure_tails", "map_information"}
AGAINST_NOISE = {"simulate_nulls", "score_vectors", *OF_BULK}
OF_ONE_MODEL = {"fetch_model", "extract_weights", "decompose", *AGAINST_NOISE, *PRESENTATION}
EVERYTHING = {*OF_ONE_MODEL, "fetch_corpus", "collect_activations", "measure_overlap", "evaluate_cuts"}
CONFIG = yaml.safe_load("""
models:
  bert: {source: {path: /models/bert}, parts: 2}
  llama: {source: {path: /models/llama}}
  llama_random: {source: {random: {like: llama}}}
corpora:
  text: {source: {path: /texts}, observe: {share: [0, 0.5]}, evaluate: {share: [0.5, 1]}}
observe: {models: [bert, llama], corpora: [text]}
experiments:
  deciles: {models: [llama], corpus: text, cuts: [{remove: {deciles: [1]}}]}
  outside: {models: [llama], corpus: text, cuts: [{remove: {region: [below]}}]}
""")


def changed(path, value):
    return with_value(CONFIG, path, value)


SECTIONS = {
    "corpora": {"fetch_corpus"},
    "observe": {"collect_activations", "measure_overlap"},
    "experiments": {"evaluate_cuts"},
    "predict": {"predict_damage"},
    "data_sets": {"fetch_data_set"},
    "tasks": {"fetch_task"},
    "finetunings": {"finetune"},
    "comparisons": {"compare_models"},
    "births": {"count_characters", "train_birth", "probe_birth", "score_locator"},
    "memories": {"simulate_memories"},
}
"""From a section of the configuration to the rules that it asks for."""


STRUCTURE_KEEPING = {"flipped", "rescaled", "shuffled", "correlated"}


def is_control(source):
    return bool(source.keys() & {"random", *STRUCTURE_KEEPING}) or source.get("birth", {}).get("iteration") == 0


CONFIGURATIONS = [
    pytest.param(path, id=path.stem, marks=[pytest.mark.full] if path.stem == "birth-full" else [])  # much of the same
    for path in sorted((ROOT / "config").glob("*.yaml"))
]


@pytest.mark.parametrize("path", CONFIGURATIONS)
def test_the_configurations_here_can_be_planned_without_a_network(path, tmp_path):
    counts = plan(tmp_path, "--configfile", path)
    config = yaml.safe_load(path.read_text())
    assert set(counts) == OF_ONE_MODEL.union(*(rules for section, rules in SECTIONS.items() if section in config))
    models, observe = config["models"].values(), config.get("observe", {"models": [], "corpora": []})
    parts = sum(model.get("parts", 1) for model in models)
    not_run = {name for name, model in config["models"].items() if model["source"].keys() & STRUCTURE_KEEPING}
    assert counts.get("collect_activations", 0) == len(observe["corpora"]) * sum(
        config["models"][name].get("parts", 1) for name in observe["models"] if name not in not_run
    )
    assert counts["fetch_model"] == counts["fit_bulk"] == len(models)
    assert counts["simulate_nulls"] == sum(not is_control(model["source"]) for model in models)
    assert counts["extract_weights"] == counts["decompose"] == parts
    assert counts.get("measure_overlap", 0) == len(observe["models"]) * len(observe["corpora"])
    assert counts.get("evaluate_cuts", 0) == sum(len(e["models"]) for e in config.get("experiments", {}).values())
    assert counts.get("finetune", 0) == sum(len(f["models"]) for f in config.get("finetunings", {}).values())


def test_an_observed_structure_keeping_control_has_its_original_observed_and_is_not_run(tmp_path):
    models = {"flipped": {"source": {"flipped": {"like": "bert"}}, "parts": 3}, "bert": CONFIG["models"]["bert"]}
    config = {"models": models, "corpora": CONFIG["corpora"], "observe": {"models": ["flipped"], "corpora": ["text"]}}
    counts, jobs = planned(tmp_path, "--configfile", write_config(tmp_path / "my.yaml", config))
    assert (counts["collect_activations"], counts["measure_overlap"], counts["simulate_nulls"]) == (2, 1, 1)
    ran = {job for job in jobs if job.startswith("Run ")}
    assert ran == {"Run bert over text and collect the moments of its layers' inputs"}
    assert "Compare the singular vectors of flipped with what text excites" in jobs


def test_the_default_is_planned_when_no_configuration_is_named(tmp_path):
    assert plan(tmp_path) == plan(tmp_path, "--configfile", ROOT / "config" / "config.yaml")


def test_a_configuration_replaces_the_default_models(tmp_path):
    config = {"models": {"mine": {"source": {"path": "/models/mine"}}}}
    counts = plan(tmp_path, "--configfile", write_config(tmp_path / "my.yaml", config))
    assert counts["fetch_model"] == 1
    assert not {"fetch_corpus", "collect_activations", "measure_overlap", "evaluate_cuts"} & set(counts)


def test_single_values_of_the_default_can_be_changed(tmp_path):
    assert plan(tmp_path, "--config", "seed=2") == plan(tmp_path)


def test_a_wrong_configuration_is_refused_in_a_sentence(tmp_path):
    config = write_config(tmp_path / "my.yaml", CONFIG | {"sead": 3})
    code, output = run(tmp_path, "--configfile", config)
    assert code == 1
    assert "error: the configuration cannot be run:\n  top level: unknown key 'sead'; did you mean 'seed'?\n" in output
    assert "Traceback" not in output
    assert 'File "' not in output


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A folder in which every job of CONFIG seems to have run, on empty files, and a copy of the workflow."""
    folder = tmp_path_factory.mktemp("finished")
    seem_finished(folder, copy_workflow(folder / "workflow copy"), CONFIG)
    return folder


def replanned(finished, config):
    """Return the rules that this configuration makes run again in the finished folder, and what their jobs do."""
    path = write_config(finished / "changed.yaml", config)
    counts, jobs = planned(finished, "--configfile", path, root=finished / "workflow copy")
    return set(counts), {shortened(job) for job in jobs}


def shortened(job):
    """Leave of what a job says its verb and what of the configuration it is of: ``"Evaluate llama deciles"``."""
    verb, *words = re.findall(r"\w+", job)
    return " ".join([verb, *(word for word in words if word in NAMES)])


NAMES = {"bert", "llama", "llama_random", "text", "deciles", "outside", "new"}
EACH_MODEL = ("bert", "llama", "llama_random")


def test_a_finished_run_has_nothing_left_to_do(finished):
    assert replanned(finished, CONFIG) == (set(), set())


@pytest.mark.parametrize(
    ("path", "value", "rules", "jobs"),
    [
        ("report/title", "Mine", {"make_report", "all"}, {}),
        ("models/bert/title", "BERT", DRAWN, {}),
        (
            "observe/n_tokens",
            99,
            {"collect_activations", "measure_overlap", *PRESENTATION},
            {"Run": ["bert text", "llama text"], "Compare": ["bert text", "llama text"]},
        ),
        ("observe/models", ["bert"], PRESENTATION, {}),
        ("experiments/deciles/n_windows", 99, {"evaluate_cuts", *PRESENTATION}, {"Evaluate": ["llama deciles"]}),
        (
            "experiments/outside/cuts",
            [{"remove": {"deciles": [2]}}],
            {"evaluate_cuts", *PRESENTATION},
            {"Evaluate": ["llama outside"]},
        ),
        (
            "models/bert/parts",
            3,
            EVERYTHING - {"fetch_model", "fetch_corpus", "evaluate_cuts"},
            {
                **dict.fromkeys(("Cut", "Decompose", "Simulate", "Fit", "Unfold", "Test", "Map"), ("bert",)),
                **dict.fromkeys(("Run", "Compare"), ("bert text",)),
            },
        ),
        (
            "corpora/text/documents",
            "paragraph",
            {"fetch_corpus", "collect_activations", "measure_overlap", "evaluate_cuts", *PRESENTATION},
            {"Fetch": ["text"], "Evaluate": ["llama deciles", "llama outside"]},
        ),
        (
            "models/new",
            {"source": {"path": "/models/new"}},
            OF_ONE_MODEL,
            dict.fromkeys(("Fetch", "Cut", "Decompose", "Simulate", "Fit", "Unfold", "Test", "Map"), ("new",)),
        ),
        (
            "seed",
            2,
            {*OF_ONE_MODEL, "evaluate_cuts"},
            {
                **dict.fromkeys(("Fetch", "Cut", "Decompose"), ("llama_random",)),
                "Simulate": ["bert", "llama"],
                **dict.fromkeys(("Unfold", "Test"), EACH_MODEL),
                "Evaluate": ["llama deciles", "llama outside"],
            },
        ),
        (
            "randomness/level",
            0.1,
            {*OF_BULK, "score_vectors", "evaluate_cuts", *PRESENTATION},
            {"Evaluate": ["llama outside"], **dict.fromkeys(("Fit", "Test", "Map"), EACH_MODEL)},
        ),
        ("randomness/window", 9, {"score_vectors", "map_information", *PRESENTATION}, {"Test": EACH_MODEL}),
        (
            "randomness/n_permutations",
            39,
            {"permute_entries", *OF_BULK, "evaluate_cuts", *PRESENTATION},
            {"Evaluate": ["llama outside"], "Shuffle": EACH_MODEL},
        ),
        ("report/matrices", [{"model": "bert", "layer": 0, "role": "up"}], {"make_figure", "make_report", "all"}, {}),
        (
            "experiments/new",
            {"models": ["llama"], "corpus": "text", "cuts": [{"remove": {"deciles": [1]}, "layers": [0]}]},
            {"evaluate_cuts", *PRESENTATION},
            {"Evaluate": ["llama new"]},
        ),
    ],
)
def test_a_changed_value_re_runs_what_depends_on_it_and_nothing_else(path, value, rules, jobs, finished):
    """Of some rules, whose verbs ``jobs`` names, only the jobs that it concerns."""
    found, said = replanned(finished, changed(path, value))
    assert found == rules
    expected = {f"{verb} {names}" for verb, several in jobs.items() for names in several}
    assert {job for job in said if job.partition(" ")[0] in jobs} == expected


@pytest.mark.parametrize(
    ("module", "old", "new", "rules"),
    [
        ("randomness/cleaning.py", "SURPRISE = 3.0", "SURPRISE = 4.0", {"map_information", *PRESENTATION}),
        ("randomness/cleaning.py", "SURPRISE = 3.0", "SURPRISE = 3.0  # a comment\nANOTHER = 1", set()),
        ("randomness/settings.py", "Neighbouring singular", "Adjacent singular", set()),
    ],
)
def test_edited_code_re_runs_what_it_computes_and_edited_words_nothing(module, old, new, rules, finished):
    path = finished / "workflow copy" / "src" / "weightspectra" / module
    original = path.read_text()
    assert old in original
    try:
        path.write_text(original.replace(old, new))
        assert replanned(finished, CONFIG)[0] == rules
    finally:
        path.write_text(original)


def test_weights_that_are_no_longer_kept_are_not_made_again(finished):
    assert replanned(finished, CONFIG | {"keep_weights": False})[0] == {"make_report", "all"}


def test_two_runs_never_write_to_the_same_folder_wherever_they_run(tmp_path):
    results = tmp_path / "shared"
    config = write_config(tmp_path / "config.yaml", CONFIG | {"pathvars": {"results": str(results)}})
    (tmp_path / "work").mkdir()
    with Lock(results / ".lock", "the other run's"):
        code, output = run(tmp_path / "work", "--configfile", config)
        assert code == 1
        holder = f"process {os.getpid()} on {socket.gethostname()} in {Path.cwd()}"
        assert f"error: {results} is being written to by {holder}; wait for its end, or stop it" in output
        assert set(plan(tmp_path / "work", "--configfile", config)) == EVERYTHING  # to look is always allowed
    code, output = run(tmp_path / "work", "--configfile", config)
    assert re.search("/models/(bert|llama)|/texts", output)
    assert "is being written to" not in output
    assert list(results.rglob(".*")) == []  # no lock is left


def test_make_names_a_configuration_that_does_not_exist():
    make = ["make", "--no-print-directory", "--old-file=envs/requirements.txt", "run", "CONFIG=none.yaml"]
    done = subprocess.run(make, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert re.search(r"none\.yaml: no such file; config/README\.md says how to write one", done.stdout)
