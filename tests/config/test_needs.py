"""What jobs read beside the files of their rules, told of a configuration of which every answer is known."""

import copy

import pytest
import yaml
from configurations import with_value

from weightspectra.config import artifacts, needs
from weightspectra.config.reading import resolve

CONFIG = yaml.safe_load("""
models:
  bert: {source: {path: /models/bert}, parts: 2}
  llama: {source: {path: /models/llama}}
  noise: {source: {random: {like: llama}}}
  copy: {source: {renoised: {like: bert, bits: 4}}}
  late: {source: {birth: {birth: base, seed: 1, iteration: 400}}}
corpora:
  text: {source: {path: text.txt}, observe: {share: [0, 0.5]}, evaluate: {share: [0.5, 1]}}
  drawn: {source: {birth: {birth: base, n_documents: 9}}, observe: {share: [0, 0.5]}, evaluate: {share: [0.5, 1]}}
observe: {models: [bert], corpora: [text], window: 64}
predict: {models: [llama], corpora: [text], window: 64}
tasks:
  quiz: {name: boolq}
data_sets:
  films: {source: {path: films.tsv}}
experiments:
  deciles: {models: [bert, copy], corpus: text, cuts: [{remove: {deciles: [1]}, roles: [up], layers: [3]}]}
  asked:
    models: [llama, bert]
    tasks: [quiz]
    probes: [films]
    cuts: [{keep: {region: [inside]}}, {remove: {deciles: [2]}, roles: [query, up]}]
  beside: {models: [llama], corpus: text, cuts: [{remove: {deciles: [2]}, controls: [same_count]}]}
  small:
    models: [bert]
    corpus: text
    cuts: [{compress: {methods: [svd, whitened_boundary], sizes: [0.5], corpus: text}}]
report: {blocks: {bert: [0, 3], llama: [7]}}
births:
  base: {seeds: [0, 1], training: {n_iterations: 400}}
""")


@pytest.fixture(scope="module")
def configuration():
    return resolve(copy.deepcopy(CONFIG))


@pytest.mark.parametrize(
    ("model", "experiment", "files"),
    [
        ("copy", "deciles", {"corpus": ["corpora/text"]}),
        ("llama", "asked", {"bulk": ["bulk/llama"], "tasks": ["tasks/quiz"], "data_sets": ["data_sets/films"]}),
        ("llama", "beside", {"corpus": ["corpora/text"], "bulk": ["bulk/llama"]}),
        (
            *("bert", "small"),
            {
                "corpus": ["corpora/text"],
                "information": ["information/bert"],
                "moments": ["activations/bert/text/part-00-of-02", "activations/bert/text/part-01-of-02"],
            },
        ),
    ],
)
def test_an_experiment_reads_what_its_entry_speaks_of(configuration, model, experiment, files):
    found = needs.evaluation(configuration, model, experiment)
    wanted = {kind: [f"<results>/{name}.parquet" for name in names] for kind, names in files.items()}
    assert {kind: paths for kind, paths in found.items() if paths} == wanted


def test_a_model_is_made_from_its_original(configuration):
    originals = {model: needs.original(configuration, model) for model in CONFIG["models"]}
    assert originals == {
        "bert": [],
        "llama": [],
        "noise": ["<results>/sources/llama.parquet"],
        "copy": ["<results>/sources/bert.parquet"],
        "late": ["<results>/births/base/seed-1.parquet"],
    }
    assert needs.corpus(configuration, "text") == []
    assert needs.corpus(configuration, "drawn") == ["<results>/characters/base.parquet"]


def test_noise_is_of_the_original_and_shuffled_only_if_that_is_asked_for(configuration):
    assert (
        artifacts.nulls(configuration, "noise")
        == artifacts.nulls(configuration, "llama")
        == "<results>/nulls/llama.parquet"
    )
    assert needs.permutations(configuration, "bert") == []
    shuffled = resolve(copy.deepcopy(CONFIG) | {"randomness": {"n_permutations": 19}})
    assert needs.permutations(shuffled, "bert") == ["<results>/permutations/bert.parquet"]


def test_what_is_asked_of_a_model_is_gathered_from_all_parts_of_the_configuration(configuration):
    assert needs.requested(configuration, "bert") == {
        "metrics": ["perplexity", "tasks"],
        "roles": ["query", "up"],
        "layers": [0, 3],
        "texts": ["observe", "experiments"],
    }
    assert needs.requested(configuration, "llama") == {
        "metrics": ["perplexity", "predict", "tasks"],
        "roles": ["query", "up"],
        "layers": [7],
        "texts": ["experiments", "predict"],
    }
    assert needs.requested(configuration, "noise") == {"metrics": [], "roles": [], "layers": [], "texts": []}


def test_the_original_of_an_observed_control_reads_the_texts_in_its_place():
    with_control = with_value(CONFIG, "models/flipped", {"source": {"flipped": {"like": "llama"}}})
    observed = resolve(with_value(with_control, "observe/models", ["bert", "flipped"]))
    assert needs.requested(observed, "flipped")["texts"] == []
    assert needs.requested(observed, "llama")["texts"] == ["observe", "experiments", "predict"]
    assert needs.original(observed, "flipped") == ["<results>/sources/llama.parquet"]
    assert artifacts.nulls(observed, "flipped") == "<results>/nulls/llama.parquet"


def test_a_lent_tokenizer_is_read_where_it_lies(tmp_path):
    (tmp_path / "tokenizer.json").write_text("{}")
    for wanted, expected in (
        ({"like": "llama"}, ["<results>/sources/llama.parquet"]),
        ({"path": str(tmp_path)}, [str(tmp_path / "tokenizer.json")]),
        ({"path": str(tmp_path / "tokenizer.json")}, [str(tmp_path / "tokenizer.json")]),
        ({"hub": {"repo": "a/b", "revision": "main"}}, []),
    ):
        lent = resolve(with_value(CONFIG, "models/bert/tokenizer", wanted))
        assert needs.tokenizer(lent, "bert") == expected
    assert needs.tokenizer(resolve(copy.deepcopy(CONFIG)), "bert") == []
