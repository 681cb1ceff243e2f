"""`snakemake export`: which cut is meant, and what is made for it."""

import copy

import pytest
import yaml
from settings import SettingsError, complete
from snake import plan, run, write_config

CONFIG = yaml.safe_load("""
models:
  llama: {source: {path: /models/llama}}
  other: {source: {path: /models/other}}
corpora:
  text: {source: {path: /texts}, observe: {share: [0, 0.5]}, evaluate: {share: [0.5, 1]}}
experiments:
  deciles: {models: [llama], corpus: text, cuts: [{remove: {deciles: [1]}}]}
""")
SECOND = {"models": ["llama", "other"], "corpus": "text", "cuts": [{"keep": {"deciles": [1]}, "controls": ["random"]}]}


def config(cut, experiment=None):
    found = copy.deepcopy(CONFIG)
    found |= {"cut": cut} if cut else {}
    found["experiments"] |= {"second": experiment} if experiment else {}
    return found


def test_a_label_is_enough_where_there_is_one_evaluation(tmp_path):
    path = write_config(tmp_path / "my.yaml", config(None))
    counts = plan(tmp_path, "--configfile", path, "--config", "cut=decile 1 of down", "--", "export")
    made = {"fetch_model", "fetch_corpus", "extract_weights", "decompose", "evaluate_cuts", "export_cut", "export"}
    assert counts == dict.fromkeys(made, 1)


def test_the_model_and_the_experiment_can_be_named(tmp_path):
    path = write_config(tmp_path / "my.yaml", config("other/second/only decile 1 of layer 3 (query, key)", SECOND))
    code, output = run(tmp_path, "--configfile", path, "--dry-run", "export")
    assert code == 0 and "results/exports/other/second/only-decile-1-of-layer-3-query-key" in output
    assert "Evaluate other with every cut of the experiment second" in output


def test_nothing_is_exported_unless_it_is_asked_for(tmp_path):
    counts = plan(tmp_path, "--configfile", write_config(tmp_path / "my.yaml", config("decile 1 of down")))
    assert not {"export", "export_cut"} & set(counts)


def test_an_export_without_a_cut_says_how_to_name_one(tmp_path):
    path = write_config(tmp_path / "my.yaml", config(None))
    code, output = run(tmp_path, "--configfile", path, "--dry-run", "export")
    assert code == 1 and 'name the cut to export: snakemake export --config cut="decile 1 of down"' in output


@pytest.mark.parametrize(
    ("cut", "message"),
    [
        (
            "decile 1 of down",
            "cut: several experiments may have 'decile 1 of down'; write llama/deciles/decile 1 of down",
        ),
        ("llama/decils/decile 1 of down", "no experiment 'llama/decils' .*; perhaps llama/deciles/decile 1 of down?"),
        ("other/deciles/decile 1 of down", "no experiment 'other/deciles'"),
        ("deciles/decile 1 of down", "no experiment 'deciles'"),
        ("llama/deciles/", "expected the label of a cut"),
    ],
)
def test_a_cut_that_cannot_be_placed_is_refused_before_any_job(cut, message):
    with pytest.raises(SettingsError, match=message):
        complete(config(cut, SECOND))


def test_without_experiments_there_is_nothing_to_export():
    with pytest.raises(SettingsError, match="cut: there is no experiment to take it from"):
        complete({"models": CONFIG["models"], "cut": "decile 1 of down"})
