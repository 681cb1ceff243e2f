"""Contradictions at their limits: what is just allowed passes, and one step further is refused where it stands."""

import copy

import pytest
import yaml
from configurations import complete, with_value

from weightspectra.config.messages import ConfigurationError

BASE = yaml.safe_load("""
models:
  one: {source: {path: /models/one}}
  two: {source: {path: /models/two}}
  noisy: {source: {renoised: {like: one}}}
corpora:
  text: {source: {path: text.txt}, observe: {share: [0, 0.5]}, evaluate: {share: [0.5, 1]}}
data_sets:
  reviews: {source: {path: reviews.csv}}
observe: {models: [one], corpora: [text]}
experiments:
  e: {models: [one], corpus: text, window: 64, cuts: [{remove: {deciles: [1]}}, {remove: {indices: [2, 5]}}]}
finetunings:
  f: {models: [one], data_set: reviews, n_seeds: 4}
""")
CUT = "experiments/e/cuts/1"
WHITENED = {"compress": {"methods": ["whitened"], "sizes": [0.5], "corpus": "text"}}


def refused(config):
    with pytest.raises(ConfigurationError) as refusal:
        complete(config)
    [line] = str(refusal.value).splitlines()[1:]
    return line.strip()


@pytest.mark.parametrize(
    ("path", "allowed", "refused_value", "line"),
    [
        ("experiments/e/stride", 64, 65, "experiments/e/stride: 65 is larger than the window of 64 tokens"),
        (f"{CUT}/remove/indices", [5, 5], [5, 4], f"{CUT}/remove/indices: found 5 to 4; the smaller rank comes first"),
        ("finetunings/f/n_seeds_removed", 4, 5, "finetunings/f/n_seeds_removed: found 5, more than the 4 untouched"),
        ("predict", {"models": ["one"], "corpora": ["text"]}, {"models": ["one"]}, "predict: found models without"),
        ("predict", {}, {"corpora": ["text"]}, "predict: found models without corpora or corpora without models"),
        (
            "models/again",
            {"source": {"random": {"like": "two"}}},
            {"source": {"random": {"like": "noisy"}}},
            "models/again/source/random/like: 'noisy' is itself made like another; name the original",
        ),
        ("cut", "decile 1 of up", " ", "cut: found ' ', expected the label of a cut"),
        (
            "models/two/tokenizer",
            {"like": "one"},
            {"like": "two"},
            "models/two/tokenizer/like: 'two' has another's tokenizer itself; name the original",
        ),
        ("cut", "one/e/decile 1 of up", "two/e/decile 1 of up", "cut: no experiment 'two/e' (model/experiment);"),
    ],
)
def test_a_step_beyond_the_limit_is_refused(path, allowed, refused_value, line):
    complete(with_value(BASE, path, allowed))
    assert refused(with_value(BASE, path, refused_value)).startswith(line)


CONTROL = with_value(BASE, "models/control", {"source": {"shuffled": {"like": "one", "within": "head"}}})
WITHOUT = (
    "of which only the matrices mean something, and not what it computes; take it out, or name its original, 'one'"
)


@pytest.mark.parametrize(
    ("path", "value", "where"),
    [
        ("experiments/e/models", ["one", "control"], "experiments/e/models"),
        ("finetunings/f/models", ["control"], "finetunings/f/models"),
        ("predict", {"models": ["control"], "corpora": ["text"]}, "predict/models"),
        (
            "experiments/probed",
            {"models": ["control"], "probes": ["reviews"], "cuts": [{"remove": {"deciles": [1]}}]},
            "experiments/probed/models",
        ),
    ],
)
def test_a_structure_keeping_control_is_not_run(path, value, where):
    assert refused(with_value(CONTROL, path, value)) == f"{where}: 'control' is a structure-keeping control, {WITHOUT}"


@pytest.mark.parametrize("kind", ["flipped", "rescaled", "shuffled", "correlated"])
def test_a_structure_keeping_control_is_observed_and_of_an_original(kind):
    complete(
        with_value(with_value(CONTROL, "models/control/source", {kind: {"like": "one"}}), "observe/models", ["control"])
    )
    again = with_value(CONTROL, "models/again", {"source": {kind: {"like": "control"}}})
    assert (
        refused(again) == f"models/again/source/{kind}/like: 'control' is itself made like another; name the original"
    )


def test_a_control_is_refused_where_it_is_exported_from():
    config = with_value(with_value(CONTROL, "experiments/e/models", ["control"]), "cut", "control/e/decile 1 of up")
    assert refused(config).startswith("experiments/e/models: 'control' is a structure-keeping control")


def test_every_reference_of_a_list_and_every_entry_of_a_list_is_looked_up():
    config = with_value(BASE, CUT, {"compress": {"methods": ["svd"], "sizes": [0.5], "corpus": "txt"}})
    assert refused(config) == f"{CUT}/compress/corpus: there is no corpus 'txt'; did you mean 'text'?"
    assert refused(with_value(BASE, "experiments/e/models", ["one", "tow"])).startswith(
        "experiments/e/models: there is"
    )


def test_whitening_needs_each_model_to_be_observed():
    config = with_value(with_value(BASE, CUT, WHITENED), "experiments/e/models", ["one", "two"])
    assert "'text' is not observed for one, two; add both to observe" in refused(config)
    complete(with_value(config, "observe/models", ["one", "two"]))


def test_the_cut_to_export_must_be_told_apart_where_several_experiments_may_have_it():
    label = "decile 1 of up"
    both = with_value(with_value(BASE, "cut", label), "experiments/e/models", ["one", "two"])
    assert refused(both).endswith(f"may have '{label}'; write one/e/{label} or two/e/{label}")
    complete(with_value(both, "cut", f"two/e/{label}"))
    without = copy.deepcopy(BASE) | {"experiments": {}, "cut": label}
    assert refused(without) == "cut: there is no experiment to take it from"


def test_a_fault_that_two_checks_find_is_told_once():
    twice = ConfigurationError(["seed: one", "cut: two", "seed: one"])
    assert str(twice).splitlines() == ["the configuration cannot be run:", "  seed: one", "  cut: two"]
