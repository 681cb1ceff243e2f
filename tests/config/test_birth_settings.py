"""Births in a configuration: what they inherit, what is filled in, and what is refused, in one line each."""

import copy
import itertools

import pytest
import yaml
from configurations import BIRTHS, complete

from weightspectra.birth.model.parameters import WEIGHTS, trained_parameters
from weightspectra.birth.settings import OF_KIND, OF_OPTIMISER, Transformer
from weightspectra.birth.task import characters
from weightspectra.config.messages import ConfigurationError


def with_values(**values):
    """Return the base with values replaced or added; a path's steps are joined by two underscores."""
    config = copy.deepcopy(BIRTHS)
    for path, value in values.items():
        *folders, name = path.split("__")
        place = config
        for folder in folders:
            place = place.setdefault(folder, {})
        place[name] = copy.deepcopy(value)
    return config


def births(text):
    """Return the completed births of a configuration that has only them."""
    return complete({"models": {"any": {"source": {"path": "/models/any"}}}, "births": yaml.safe_load(text)})["births"]


def refused(config):
    with pytest.raises(ConfigurationError) as error:
        complete(config)
    return str(error.value).splitlines()[1:]


def test_an_heir_has_what_it_does_not_say_itself_but_no_title():
    found = births("""
      heir: {like: middle, data: {offset: 3}, training: {batch_size: 8}}
      middle: {like: base, title: Middle, data: {n_triggers: 2}, model: {feed_forward: linear}}
      base: {title: Base, seeds: [4, 5], data: {n_triggers: 7, length: 40}, training: {batch_size: 4, n_iterations: 9}}
    """)
    heir = found["heir"]
    assert heir["seeds"] == [4, 5]
    assert (heir["data"]["n_triggers"], heir["data"]["length"], heir["data"]["offset"]) == (2, 40, 3)
    assert (heir["training"]["batch_size"], heir["training"]["n_iterations"]) == (8, 9)
    assert heir["model"]["feed_forward"] == "linear"
    assert "title" not in heir
    assert found["middle"]["title"] == "Middle"
    assert found["base"]["data"] == {**found["middle"]["data"], "n_triggers": 7}  # nothing goes back


def test_lists_and_frozen_parameters_are_inherited_whole():
    key_1, key_2 = WEIGHTS["key_1"], WEIGHTS["key_2"]
    found = births(f"""
      base: {{seeds: [0, 1], training: {{n_iterations: 9, checkpoints: [2, 3], frozen_until: {{{key_1}: 5}}}}}}
      same: {{like: base}}
      other: {{like: base, seeds: [7], training: {{checkpoints: [4], frozen_until: {{{key_2}: 6}}}}}}
    """)
    assert found["same"]["training"] == found["base"]["training"]
    assert found["same"]["training"]["checkpoints"] == [0, 2, 3, 9]
    assert found["other"]["training"]["checkpoints"] == [0, 4, 9]
    assert found["other"]["training"]["frozen_until"] == {key_2: 6}
    assert found["other"]["seeds"] == [7]


def test_what_depends_on_the_kind_or_the_optimiser_is_not_inherited_by_another():
    found = births("""
      sgd:
        model: {dimension: 64, train_embeddings: true}
        training: {learning_rate: 0.5, momentum: 0.8, batch_size: 8}
      adamw: {like: sgd, training: {optimiser: adamw}}
      again: {like: adamw, training: {optimiser: adamw, betas: [0.9, 0.99]}}
      full: {like: adamw, model: {kind: full}}
    """)
    assert found["adamw"]["training"]["learning_rate"] == OF_OPTIMISER["adamw"]["learning_rate"]
    assert "momentum" not in found["adamw"]["training"]
    assert found["adamw"]["training"]["batch_size"] == 8
    assert found["adamw"]["model"]["train_embeddings"] is True
    assert found["again"]["training"] == {**found["adamw"]["training"], "betas": [0.9, 0.99]}
    assert found["full"]["model"] == {"kind": "full", "dimension": 64, "scale_attention": True, **OF_KIND["full"]}


@pytest.mark.parametrize(
    ("entries", "line"),
    [
        (
            "a: {like: b}\nb: {like: c}\nc: {like: a}",
            "births/a/like: a is like b is like c is like a, which has no end",
        ),
        ("a: {like: a}", "births/a/like: a is like a, which has no end"),
        ("base: {}\na: {like: bsae}", "births/a/like: there is no birth 'bsae'; did you mean 'base'?"),
        ("base: {}\na: {like: x}\nb: {like: a}", "births/a/like: there is no birth 'x'; known: base, a, b"),
        ("a: {like: 3}", "births/a/like: found 3, expected string. Another birth"),
        ("a:", "births/a: found None, expected object. One transformer"),
        ("a: {modle: {}}\nb: {like: a}", "births/a: unknown key 'modle'; did you mean 'model'?"),
        (
            "a: {model: 3}\nb: {like: a, model: {kind: full}}",
            "births/a/model: found 3, expected object. The transformer.",
        ),
        ("a: {data: 3}\nb: {like: a, data: {offset: 2}}", "births/a/data: found 3, expected object. The task."),
    ],
)
def test_what_cannot_be_inherited_is_one_line(entries, line):
    [found] = refused({"models": BIRTHS["models"], "births": yaml.safe_load(entries)})
    assert line in found


def test_an_heir_that_names_no_kind_has_that_of_what_it_is_like():
    found = births("""
      base: {model: {kind: full, n_heads: 8, norm: post}, training: {optimiser: adamw, betas: [0.5, 0.6]}}
      heir: {like: base, model: {dimension: 64}, training: {batch_size: 8}}
    """)
    heir = found["heir"]
    assert (heir["model"]["kind"], heir["model"]["n_heads"], heir["model"]["norm"]) == ("full", 8, "post")
    assert (heir["training"]["optimiser"], heir["training"]["betas"]) == ("adamw", [0.5, 0.6])


def test_defaults_follow_from_other_keys():
    found = births("""
      simplified: {}
      full: {model: {kind: full, norm: none}, training: {optimiser: adamw, n_iterations: 6}}
    """)
    simplified, full = found["simplified"], found["full"]
    assert simplified["model"] == {
        "kind": "simplified",
        "dimension": 128,
        "scale_attention": True,
        "positions": "random",
        "feed_forward": "none",
        "train_embeddings": False,
    }
    assert {"betas", "n_heads"}.isdisjoint(simplified["training"].keys() | simplified["model"].keys())
    assert (simplified["training"]["learning_rate"], simplified["training"]["momentum"]) == (0.2, 0.9)
    assert full["training"]["betas"] == [0.9, 0.95]
    assert (full["model"]["positions"], full["model"]["feed_forward"], full["model"]["norm"]) == (
        "learned",
        "mlp",
        "none",
    )
    assert (simplified["probe"]["locate"], full["probe"]["locate"]) == (True, False)
    kept = simplified["training"]["checkpoints"]
    assert (kept[0], kept[-1], len(kept)) == (0, 400, 21)
    steps = [after - before for before, after in itertools.pairwise(kept)]
    assert steps == sorted(steps)
    assert full["training"]["checkpoints"] == [0, 1, 2, 3, 4, 5, 6]


def test_the_moment_that_frees_a_parameter_is_kept_if_it_comes():
    [found] = births(
        f"a: {{training: {{frozen_until: {{{WEIGHTS['key_1']}: 150, {WEIGHTS['key_2']}: 9999}}}}}}"
    ).values()
    assert 150 in found["training"]["checkpoints"]
    assert found["training"]["checkpoints"][-1] == 400


def test_completing_twice_changes_nothing():
    config = complete(with_values(report__births={"all": {"kind": "scaling", "births": ["base", "wide"]}}))
    assert complete(copy.deepcopy(config)) == config


def test_an_heir_shares_nothing_with_what_it_is_like():
    found = births(
        "simplified: {probe: {n_sequences: 9}, data: {offset: 1}}\nfull: {like: simplified, model: {kind: full}}"
    )
    assert found["full"]["probe"] == {"n_sequences": 9, "locate": False}
    found["full"]["data"]["offset"] = 2
    assert found["simplified"]["data"]["offset"] == 1


def test_births_do_not_share_their_defaults():
    found = births("a: {training: {optimiser: adamw}}\nb: {training: {optimiser: adamw}}")
    found["a"]["training"]["betas"].append(1)
    assert found["b"]["training"]["betas"] == [0.9, 0.95]


@pytest.mark.parametrize(
    ("values", "line"),
    [
        (
            {"births__base__data__n_triggers": 0},
            "births/base/data/n_triggers: found 0, expected at least 1. Triggers of",
        ),
        (
            {"births__base__data": {"n_triggers": 66}},
            "births/base/data: 66 triggers were asked for, but the text has only 65 distinct characters",
        ),
        (
            {"births__base__data": {"offset": 61}},
            "births/base/data: 5 triggers after the 61 most frequent characters were asked for, but the text has",
        ),
        (
            {"births__base__data": {"offset": 3, "triggers": "random"}},
            "births/base/data/offset: random triggers have no order to skip in",
        ),
        (
            {"births__base__data__length": 9},
            "births/base/data/length: 9 tokens cannot show 5 triggers twice; use at least 10",
        ),
        (
            {"births__base__data__length": 3},
            "births/base/data/length: found 3, expected 4 to 32767. Tokens of a sequence",
        ),
        ({"births__base__data__text": "/none.txt"}, "births/base/data/text: there is no file /none.txt"),
        (
            {"births__full__model__n_heads": 3},
            "births/full/model/n_heads: a width of 128 cannot be divided into 3 heads",
        ),
        (
            {"births__base__model": {"n_heads": 3}},
            "births/base/model/n_heads: belongs to kind full, found kind simplified",
        ),
        (
            {"births__full__model__train_embeddings": True},
            "births/full/model/train_embeddings: belongs to kind simplified, found kind full; leave it out",
        ),
        (
            {"births__base__model": {"positions": "learned"}},
            "births/base/model/positions: the simplified model has random or sinusoidal ones, found learned",
        ),
        (
            {"births__base__model": {"positions": "sinusoidal", "dimension": 33}, "births__full__model__n_heads": 1},
            "births/base/model/positions: sines come with cosines; make the width of 33 even",
        ),
        (
            {"births__base__training__betas": [0.9, 0.95]},
            "births/base/training/betas: belongs to optimiser adamw, found optimiser sgd; leave it out",
        ),
        (
            {"births__full__training": {"optimiser": "adamw", "momentum": 0.9}},
            "births/full/training/momentum: belongs to optimiser sgd, found optimiser adamw; leave it out",
        ),
        (
            {"births__base__training__frozen_until": {"layers.1.attention.keys.weight": 9}},
            "births/base/training/frozen_until: no trained parameter 'layers.1.attention.keys.weight'; "
            "did you mean 'layers.1.attention.key.weight'?",
        ),
        (
            {"births__base__training__frozen_until": {"output_2": 9}},
            "births/base/training/frozen_until: no trained parameter 'output_2'; did you mean 'layers.1.attention",
        ),
        (
            {"births__base__training__frozen_until": {"zzz": 9}},
            "births/base/training/frozen_until: no trained parameter 'zzz'; known: layers.0.attention.key.weight, ",
        ),
        (
            {"births__base__training__checkpoints": [100, 401]},
            "births/base/training/checkpoints: 401 is after the last of 400 iterations",
        ),
        ({"births__full__probe__locate": True}, "births/full/probe/locate: the memories of a full model are not known"),
        (
            {"models__last__source__birth__seed": 2},
            "models/last/source/birth/seed: found 2; births/base keeps 0, 1, 3",
        ),
        (
            {"models__last__source__birth__iteration": 99},
            "models/last/source/birth/iteration: found 99; births/base keeps 0, 1, 4, 9, 16, 25, 36, 49, 64, 81, 90",
        ),
        ({"models__last__parts": 3}, "models/last/parts: found 3; births/base has 2 layers; use no more"),
        (
            {"models__last__source__birth__birth": "bases"},
            "models/last/source/birth/birth: there is no birth 'bases'; did you mean 'base'?",
        ),
    ],
)
def test_each_fault_is_one_line_although_others_inherit_it(values, line):
    [found] = refused(with_values(**values))
    assert line in found


def test_every_name_of_a_memory_matrix_leads_to_its_parameter():
    config = with_values(births__base__model={"feed_forward": "linear"})
    config["births"]["base"]["training"]["frozen_until"] = dict.fromkeys(WEIGHTS, 5)
    assert [line.split("; ")[1] for line in refused(config)] == [f"did you mean '{name}'?" for name in WEIGHTS.values()]


def test_every_parameter_of_every_model_can_be_frozen():
    for model in (
        {"feed_forward": "mlp", "train_embeddings": True},
        {"kind": "full", "n_layers": 1, "tie_embeddings": True, "norm": "post"},
        {"kind": "full", "n_layers": 3, "first_feed_forward": False, "feed_forward": "linear"},
    ):
        config = with_values(births={"base": {"seeds": [0, 1], "model": model}}, models__last__parts=1)
        names = trained_parameters(Transformer(**model))
        config["births"]["base"]["training"] = {"frozen_until": dict.fromkeys(names, 10)}
        complete(config)


@pytest.mark.parametrize(
    ("content", "line"),
    [
        (b"abcabcabd" * 9, "births/base/data: 5 triggers were asked for, but the text has only 4 distinct characters"),
        (b"aaaa", "births/base/data/text: the text repeats one character"),
        (b"", "births/base/data/text: the text holds 0 characters"),
        (b"caf\xe9 au lait", "births/base/data/text: byte 0xe9 at position 3 is not UTF-8; convert the text"),
    ],
)
def test_a_text_is_looked_into_before_any_job(content, line, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "mine.txt").write_bytes(content)
    [found] = refused(with_values(births__base__data={"text": "~/mine.txt"}))
    assert line in found


def test_a_long_text_is_left_to_its_job(tmp_path, monkeypatch):
    monkeypatch.setattr("weightspectra.config.birth_contradictions.MAX_BYTES", 3)
    (tmp_path / "mine.txt").write_text("aaaa")
    complete(with_values(births__base__data={"text": str(tmp_path / "mine.txt")}))


def test_counts_of_a_text_stand_for_it(tmp_path):
    (tmp_path / "mine.csv").write_text(characters.to_csv(characters.count("abcabcabd")))
    [found] = refused(with_values(births__base__data={"text": str(tmp_path / "mine.csv")}))
    assert "the text has only 4 distinct characters" in found


CORPUS = {"source": {"birth": {"birth": "base"}}, "observe": {"share": [0, 0.5]}, "evaluate": {"share": [0.5, 1]}}


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (
            {"evaluate": {"split": "test"}},
            "corpora/c/evaluate: the sequences of a birth have no splits; choose a share",
        ),
        (
            {"observe": {"files": "*.txt"}},
            "corpora/c/observe: the sequences of a birth have no file names; choose a share",
        ),
        ({"observe": {"number_in_name": [1, 2]}}, "corpora/c/observe: the sequences of a birth have no file names;"),
        ({"documents": "paragraph"}, "corpora/c/documents: each sequence of a birth is one document; found paragraph"),
        (
            {"observe": {"share": [0, 0.001]}},
            "corpora/c/observe/share: 0 to 0.001 of 128 sequences are none; take more",
        ),
        ({"observe": {"share": [0, 0.6]}}, "corpora/c: observe and evaluate overlap (share: [0, 0.6] and [0.5, 1])"),
        (
            {"source": {"birth": {"birth": "bas"}}},
            "corpora/c/source/birth/birth: there is no birth 'bas'; did you mean 'base'?",
        ),
    ],
)
def test_sequences_are_divided_by_shares(change, line):
    complete(with_values(corpora__c=CORPUS))
    [found] = refused(with_values(corpora__c={**CORPUS, **change}))
    assert line in found


@pytest.mark.parametrize(
    ("where", "entry"),
    [
        ("observe", {"models": ["last"], "corpora": ["c"]}),
        ("predict", {"models": ["last"], "corpora": ["c"]}),
        ("experiments/e", {"models": ["last"], "corpus": "c", "cuts": [{"remove": {"deciles": [1]}}]}),
    ],
)
def test_windows_are_not_longer_than_the_sequences_that_a_model_was_born_on(where, entry):
    changed = {"births__base__data__length": 64, "corpora__c": CORPUS, where.replace("/", "__"): entry}
    [found] = refused(with_values(**changed))
    assert f"{where}/window: 256 tokens are more than the 64 positions of 'last'" in found
    complete(with_values(**changed, **{f"{where.replace('/', '__')}__window": 64}))


@pytest.mark.parametrize(
    ("figure", "line"),
    [
        ({"kind": "curves", "births": ["basis"]}, "births: there is no birth 'basis'; did you mean 'base'?"),
        ({"kind": "curves", "births": []}, "births: [] should be non-empty"),
        ({"kind": "curve", "births": ["base"]}, "kind: found 'curve', expected one of curves, transfer"),
        (
            {"kind": "curves", "births": ["base"], "probes": ["recall_outputs"]},
            "probes: none of these births has 'recall_outputs'; did you mean 'recall_output'?",
        ),
        (
            {"kind": "curves", "births": ["base", "full"], "probes": ["recall_output"]},
            "probes: births/full has no 'recall_output'; leave one of them out",
        ),
        (
            {"kind": "curves", "births": ["base"], "probes": ["divergence_bigram"]},
            "probes: none of these births has 'divergence_bigram'; they have in_context_accuracy, ",
        ),
        (
            {"kind": "scaling", "births": ["base"]},
            "births: a scaling needs two values of dimension or more, found 128 (base)",
        ),
        (
            {"kind": "scaling", "births": ["base", "wide"], "against": "n_triggers"},
            "births: a scaling needs two values of n_triggers or more, found 5 (base), 5 (wide)",
        ),
        (
            {"kind": "transfer", "births": ["base"], "probes": ["global_loss"]},
            "probes: belongs to kind curves or scaling",
        ),
        (
            {"kind": "curves", "births": ["base"], "against": "offset"},
            "against: belongs to kind scaling, found kind curves",
        ),
        ({"kind": "timeline", "births": ["base", "full"]}, "births: the locator is not scored on births/full"),
        ({"kind": "knockouts", "births": ["full"]}, "births: the locator is not scored on births/full"),
    ],
)
def test_a_figure_shows_only_what_its_births_have(figure, line):
    [found] = refused(with_values(report__births={"f": figure}))
    assert f"report/births/f/{line}" in found


def test_a_scaling_against_the_offset_has_no_random_triggers():
    config = with_values(report__births={"f": {"kind": "scaling", "births": ["base", "wide"], "against": "offset"}})
    config["births"]["base"]["data"] = {"triggers": "random"}
    config["births"]["wide"]["data"] = {"triggers": "frequent", "offset": 3}
    [found] = refused(config)
    assert "report/births/f/against: births/base has random triggers and so no offset; leave it out" in found


def test_figures_get_the_defaults_of_their_kind():
    figures = {
        "c": {"kind": "curves", "births": ["base"]},
        "s": {"kind": "scaling", "births": ["base", "wide"]},
        "t": {"kind": "timeline", "births": ["base"]},
    }
    found = complete(with_values(report__births=figures))["report"]["births"]
    assert found["c"]["probes"] == ["in_context_accuracy"]
    assert found["s"]["against"] == "dimension"
    assert found["t"] == {"kind": "timeline", "births": ["base"]}
