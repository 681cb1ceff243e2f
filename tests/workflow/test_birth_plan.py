"""Dry runs of configurations with births: which jobs they need, and what a change trains anew."""

import pytest
import yaml
from configurations import with_value
from snake import ROOT, copy_workflow, plan, run, seem_finished, write_config

DRAWN = {"make_table", "make_figure", "make_report", "all"}
PRESENTATION = {"conclude", "gather_findings", *DRAWN}
OF_ONE_BIRTH = {**dict.fromkeys(PRESENTATION, 1), "make_table": 3}
OF_RUNS = {"probe_birth", "score_locator", *PRESENTATION}
OF_MODELS = {
    *("fetch_model", "extract_weights", "decompose", "simulate_nulls", "score_vectors", "fit_bulk", "fit_levels"),
    *("measure_tails", "map_information", "fetch_corpus", "collect_activations", "measure_overlap", "predict_damage"),
    *("evaluate_cuts", "compare_models"),
}
CONFIG = yaml.safe_load("""
models:
  last: {source: {birth: {birth: base, seed: 0, iteration: 400}}, parts: 2}
  first: {source: {birth: {birth: base, seed: 0, iteration: 0}}, parts: 2}
corpora:
  task: {source: {birth: {birth: base}}, observe: {share: [0, 0.5]}, evaluate: {share: [0.5, 1]}}
observe: {models: [last, first], corpora: [task]}
predict: {models: [last], corpora: [task]}
comparisons: {learned: {base: first, tuned: last}}
experiments:
  deciles: {models: [last], corpus: task, cuts: [{remove: {deciles: [1]}, controls: [same_count]}]}
births:
  base: {seeds: [0, 1]}
  wide: {like: base, model: {dimension: 256}}
  full: {like: base, model: {kind: full}, seeds: [0]}
memories: {dimensions: [16]}
report:
  births: {accuracy: {kind: curves, births: [base, wide]}}
""")


def planned(folder, config, *options, root=ROOT):
    return plan(folder, *options, "--configfile", write_config(folder / "changed.yaml", config), root=root)


def test_every_seed_is_a_job_and_a_checkpoint_is_a_model(tmp_path):
    counts = planned(tmp_path, CONFIG)
    assert counts["count_characters"] == 3
    assert counts["train_birth"] == counts["probe_birth"] == 5
    assert counts["score_locator"] == 4  # the memories of the full model are not known
    assert counts["simulate_memories"] == 1
    assert counts["fetch_model"] == counts["fit_bulk"] == 2
    assert counts["simulate_nulls"] == 1  # the initialisation has those of what became of it
    assert counts["extract_weights"] == counts["decompose"] == counts["collect_activations"] == 4
    assert counts["fetch_corpus"] == counts["evaluate_cuts"] == counts["compare_models"] == 1


def test_without_births_nothing_is_trained_or_simulated(tmp_path):
    config = {"models": {"mine": {"source": {"path": "/models/mine"}}}}
    assert not {"count_characters", "train_birth", "simulate_memories"} & set(planned(tmp_path, config))


def test_a_cut_of_a_birth_can_be_exported(tmp_path):
    config = write_config(tmp_path / "config.yaml", CONFIG | {"cut": "decile 1 of key"})
    code, output = run(tmp_path, "export", "--dry-run", "--configfile", config)
    assert code == 0, output
    assert "exports/last/deciles/decile-1-of-key" in output


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A folder in which every job of CONFIG seems to have run, on empty files, and a copy of the workflow."""
    folder = tmp_path_factory.mktemp("finished")
    seem_finished(folder, copy_workflow(folder / "workflow copy"), CONFIG)
    return folder


@pytest.mark.parametrize(
    ("path", "value", "jobs"),
    [
        ("births/base/title", "Base", {**dict.fromkeys(DRAWN, 1), "make_table": 3}),
        ("models/last/title", "Trained", {**dict.fromkeys(DRAWN, 1), "make_table": 12, "make_figure": 8}),
        ("report/births/accuracy/births", ["base"], dict.fromkeys(DRAWN - {"make_table"}, 1)),
        ("births/base/probe/n_sequences", 8, {"probe_birth": 5, "score_locator": 4, **OF_ONE_BIRTH}),
        (
            "births/wide/probe/n_sequences",
            8,
            {"probe_birth": 2, "score_locator": 2, **OF_ONE_BIRTH},
        ),
        (
            "births/wide/seeds",
            [0, 1, 5],
            {"train_birth": 1, "probe_birth": 1, "score_locator": 1, **OF_ONE_BIRTH},
        ),
        (
            "births/wide/training/batch_size",
            16,
            {"train_birth": 2, "probe_birth": 2, "score_locator": 2, **OF_ONE_BIRTH},
        ),
        ("memories/n_seeds", 9, {"simulate_memories": 1, **dict.fromkeys(DRAWN, 1)}),
        ("report/title", "Mine", {"make_report": 1, "all": 1}),
    ],
)
def test_a_change_trains_only_what_depends_on_it(path, value, jobs, finished):
    config = with_value(CONFIG, path, value)
    assert planned(finished, config, root=finished / "workflow copy") == jobs


def test_another_training_makes_its_checkpoints_and_all_that_follows_anew(finished):
    config = with_value(CONFIG, "births/base/training", {"learning_rate": 0.1})
    found = planned(finished, config, root=finished / "workflow copy")
    assert found["train_birth"] == 5
    assert set(found) == {"train_birth", *OF_RUNS, *OF_MODELS} - {"fetch_corpus"}


def test_another_task_draws_its_corpus_anew(finished):
    config = with_value(CONFIG, "births/base/data", {"outputs": "bigram"})
    found = planned(finished, config, root=finished / "workflow copy")
    assert {"train_birth", "fetch_corpus", *OF_RUNS, *OF_MODELS} <= set(found)


def test_edited_probes_train_nothing(finished):
    root = finished / "workflow copy"
    path = root / "src" / "weightspectra" / "birth" / "probes" / "attention.py"
    original = path.read_text()
    try:
        path.write_text(original.replace("self._positions - 1", "self._positions - 2"))
        found = set(planned(finished, CONFIG, root=root))
        assert {"probe_birth", *PRESENTATION} <= found <= OF_RUNS
    finally:
        path.write_text(original)
