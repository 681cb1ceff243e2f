"""`snakemake export`: which cut is meant, and what is made for it."""

import copy

import numpy as np
import pytest
import yaml
from configurations import complete
from snake import plan, run, write_config

from weightspectra import contracts
from weightspectra.ablation.measure.perplexity import window_nll
from weightspectra.activations import windows
from weightspectra.config.reading import ConfigurationError

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


@pytest.mark.slow
def test_what_transformers_loads_is_the_model_that_was_evaluated(copied, workflow, config_file):
    import transformers

    folder = copied
    options = ("--configfile", config_file, "--config", "cut=decile 10 of down", "--", "export")
    code, output = run(folder, *options, root=workflow)
    assert code == 0, output[-6000:]
    assert "Evaluate llama" not in output
    target = folder / "results" / "exports" / "llama" / "deciles" / "decile-10-of-down"
    loaded = transformers.AutoModelForCausalLM.from_pretrained(target)
    row = contracts.EVALUATIONS.read(folder / "results" / "evaluations" / "llama" / "deciles.parquet").query(
        "cut == 'decile 10 of down' and metric == 'perplexity_per_token'"
    )
    corpus = contracts.CORPUS.read(folder / "results" / "corpora" / "text.parquet").query("part == 'evaluate'")
    tokenizer = transformers.AutoTokenizer.from_pretrained(target)
    sampling = {"window": 32, "stride": 32, "n_windows": 6, "bos": True}
    scored = windows.evaluation_windows(dict(corpus[["document", "text"]].to_numpy()), tokenizer, **sampling)
    nll = window_nll(loaded, scored, batch_size=8).sum() / sum(window.n_scored for window in scored)
    assert float(row["value"].iloc[0]) == pytest.approx(np.exp(nll), rel=1e-6)
    assert "decile 10 of down" in (target / "README.md").read_text()


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
    with pytest.raises(ConfigurationError, match=message):
        complete(config(cut, SECOND))


def test_without_experiments_there_is_nothing_to_export():
    with pytest.raises(ConfigurationError, match="cut: there is no experiment to take it from"):
        complete({"models": CONFIG["models"], "cut": "decile 1 of down"})
