"""Where artifacts lie and what they are of, told of a configuration of which every answer is known by reading it."""

import copy
from pathlib import Path

import pytest
import yaml
from configurations import with_value

from weightspectra.config import artifacts, originals
from weightspectra.config.reading import read, resolve

ROOT = Path(__file__).resolve().parents[2]

CONFIG = yaml.safe_load("""
models:
  bert: {title: BERT, source: {path: /models/bert}, parts: 2}
  llama: {source: {path: /models/llama}}
  noise: {source: {random: {like: llama}}}
  copy: {source: {renoised: {like: bert, bits: 4}}}
  flipped: {source: {flipped: {like: bert}}}
  rows: {source: {shuffled: {like: llama, within: row}}}
  early: {source: {birth: {birth: base, seed: 0, iteration: 100}}}
  late: {source: {birth: {birth: base, seed: 0, iteration: 400}}}
  first: {source: {birth: {birth: base, seed: 0, iteration: 0}}}
  alone: {source: {birth: {birth: base, seed: 1, iteration: 0}}}
corpora:
  text: {source: {path: text.txt}, observe: {share: [0, 0.5]}, evaluate: {share: [0.5, 1]}}
  prose: {source: {path: prose.txt}, observe: {share: [0, 0.5]}, evaluate: {share: [0.5, 1]}}
observe: {models: [bert, llama], corpora: [prose, text], window: 64}
predict: {models: [llama], corpora: [text], window: 64}
tasks:
  quiz: {name: boolq}
experiments:
  deciles: {models: [bert, copy], corpus: text, cuts: [{remove: {deciles: [1]}}]}
  beside:
    models: [llama]
    corpus: text
    cuts: [{remove: {deciles: [1]}}, {remove: {deciles: [2]}, controls: [same_count]}]
  asked: {models: [llama], tasks: [quiz], cuts: [{remove: {deciles: [1]}}]}
  small: {models: [bert], corpus: text, cuts: [{remove: {deciles: [1]}}, {compress: {methods: [svd], sizes: [0.5]}}]}
comparisons:
  pair: {base: bert, tuned: copy}
births:
  base: {seeds: [0, 1], training: {n_iterations: 400, checkpoints: [100]}}
  blind: {seeds: [3], probe: {locate: false}}
""")


@pytest.fixture(scope="module")
def configuration():
    return resolve(copy.deepcopy(CONFIG))


def evaluations(*pairs):
    return [f"<results>/evaluations/{pair}.parquet" for pair in pairs]


def test_a_model_of_several_parts_has_a_file_for_each(configuration):
    assert artifacts.parts(configuration, "bert") == ["00-of-02", "01-of-02"]
    assert artifacts.parts_of(configuration, "spectra", "bert") == [
        "<results>/spectra/bert/part-00-of-02.parquet",
        "<results>/spectra/bert/part-01-of-02.parquet",
    ]
    assert artifacts.parts_of(configuration, "activations", "llama", "text") == [
        "<results>/activations/llama/text/part-00-of-01.parquet"
    ]


def test_titles_and_what_models_are_made_like(configuration):
    assert artifacts.titles(configuration) == {name: name for name in CONFIG["models"]} | {"bert": "BERT"}
    assert originals.copies(configuration) == {"copy": "bert"}
    assert originals.made(configuration) == {
        "noise": ("random", "llama"),
        "copy": ("renoised", "bert"),
        "flipped": ("flipped", "bert"),
        "rows": ("shuffled", "llama"),
    }
    assert originals.structured_controls(configuration) == {"flipped": "bert", "rows": "llama"}
    # An initialisation is the control of its run's last checkpoint that is analysed; without any it is none.
    assert originals.random_controls(configuration) == {"noise": "llama", "first": "late"}


def test_an_anchor_asks_for_a_second_window_in_the_shipped_study():
    study = read(ROOT / "config" / "truncation.yaml")
    assert artifacts.window_pairs(study) == [
        ("smollm2", "deciles_128", longer, "sotu") for longer in ("deciles", "renoised", "controls", "everything")
    ]
    first, second = (study.experiments[name] for name in ("deciles", "deciles_128"))
    assert (first.window, second.window, second.stride, second.n_windows) == (192, 128, 128, first.n_windows)


def test_pairs_are_those_that_sections_name(configuration):
    assert artifacts.observed(configuration) == [(m, c) for m in ("bert", "llama") for c in ("prose", "text")]
    assert artifacts.predicted(configuration) == [("llama", "text")]
    assert artifacts.evaluated(configuration) == [
        *(("bert", "deciles"), ("copy", "deciles"), ("llama", "beside"), ("llama", "asked"), ("bert", "small"))
    ]
    assert artifacts.born(configuration) == [("base", 0), ("base", 1), ("blind", 3)]
    assert artifacts.located_births(configuration) == [("base", 0), ("base", 1)]


def test_measurements_say_of_what_they_are(configuration):
    found = artifacts.measurements(configuration)
    assert [artifact.of for artifact in found["bulk"]] == [{"model": name} for name in CONFIG["models"]]
    assert [artifact.of for artifact in found["matrices"][:3]] == [{"model": n} for n in ("bert", "bert", "llama")]
    assert found["overlaps"][1] == (
        "<results>/overlaps/bert/text.parquet",
        {"model": "bert", "corpus": "text"},
    )
    assert [artifact.path for artifact in found["knockouts"]] == [
        f"<results>/knockouts/base/seed-{seed}.parquet" for seed in (0, 1)
    ]
    assert found["comparisons"] == [("<results>/comparisons/pair.parquet", {"comparison": "pair"})]
    assert found["simulations"] == []


def test_conclusions_are_drawn_from_what_speaks_of_their_subject(configuration):
    found = {name: drawn.files for name, drawn in artifacts.conclusions(configuration).items()}
    for pair in ("bert/deciles", "copy/deciles", "llama/beside", "bert/small", "llama/asked"):
        assert found[f"cuts/{pair}"] == {"evaluations": evaluations(pair)}
    assert found["copies"]["evaluations"] == evaluations("bert/deciles", "copy/deciles", "bert/small")
    assert found["prediction"] == {
        "predictions": ["<results>/predictions/llama/text.parquet"],
        "directions": ["<results>/directions/llama/text.parquet"],
        "evaluations": evaluations("llama/beside"),
    }
    assert found["overlap"]["bulk"] == ["<results>/bulk/bert.parquet", "<results>/bulk/llama.parquet"]
    assert "finetuning" not in found


def test_an_exhibit_reads_what_its_entry_names(configuration):
    def read(**entry):
        return artifacts.read_by(configuration, ["bulk", "overlaps", "knockouts"], entry)

    assert read(model="bert", corpus="text") == {
        "bulk": ["<results>/bulk/bert.parquet"],
        "overlaps": ["<results>/overlaps/bert/text.parquet"],
        "knockouts": [f"<results>/knockouts/base/seed-{seed}.parquet" for seed in (0, 1)],  # it has no such key
    }
    assert read(model="llama", control="noise", corpus=None)["overlaps"] == []
    assert read(model="llama", control="noise")["bulk"] == [f"<results>/bulk/{m}.parquet" for m in ("llama", "noise")]
    assert len(read(model="llama", control=None)["overlaps"]) == 2
    assert read(births=["blind"])["knockouts"] == []
    assert artifacts.names({"models": ["a", "b"], "model": "c", "tuned": None}, "model") == {"a", "b", "c"}


def test_what_is_kept_can_be_read_again(configuration):
    kept = artifacts.kept(configuration)
    nulls = [
        name for name in CONFIG["models"] if name not in ("noise", "first", "flipped", "rows")
    ]  # a control has those of its model
    assert [path for path in kept if "/nulls/" in path] == [f"<results>/nulls/{name}.parquet" for name in nulls]
    assert len([path for path in kept if "/vectors/" in path or "/weights/" in path]) == 2 * (len(CONFIG["models"]) + 1)
    assert "<results>/activations/bert/prose/part-01-of-02.parquet" in kept
    assert "<results>/births/blind/seed-3.parquet" in kept
    assert not any("storage/flipped" in name for name in artifacts.conclusions(configuration))
    without = artifacts.kept(resolve(CONFIG | {"keep_weights": False}))
    assert set(kept) - set(without) == {path for path in kept if "/weights/" in path}


def test_a_structure_keeping_control_is_held_against_the_inputs_of_its_original():
    observed = resolve(with_value(CONFIG, "observe", {"models": ["flipped", "rows", "llama"], "corpora": ["text"]}))
    halves = [f"<results>/activations/bert/text/part-{part}.parquet" for part in ("00-of-02", "01-of-02")]
    whole = ["<results>/activations/llama/text/part-00-of-01.parquet"]
    assert artifacts.moments(observed, "flipped", "text") == halves
    assert artifacts.moments(observed, "rows", "text") == artifacts.moments(observed, "llama", "text") == whole
    assert [path for path in artifacts.kept(observed) if "/activations/" in path] == [*halves, *whole]
    found = [artifact.path for artifact in artifacts.measurements(observed)["overlaps"]]
    assert found == [f"<results>/overlaps/{model}/text.parquet" for model in ("flipped", "rows", "llama")]
