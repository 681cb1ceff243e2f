"""Which figures of births a configuration asks for, and whether a report can draw them."""

from copy import deepcopy

import pytest
import yaml
from plan import Plan
from snake import ROOT
from snakemake.iocontainers import Wildcards

from weightspectra.report.exhibits import FIGURES

SECTIONS = {kind for kind in FIGURES if kind.startswith("birth_")}

CONFIG = yaml.safe_load("""
models:
  last: {source: {birth: {birth: base, seed: 0, iteration: 400}}}
births:
  base: {title: Base, seeds: [0]}
  fed: {like: base, title: Fed, model: {feed_forward: linear}, training: {loss: all}}
  full: {like: base, model: {kind: full}}
""")


def shown(config):
    return Plan(deepcopy(config), root=str(ROOT)).presented


def of_births(config):
    return {name: wanted for name, wanted in shown(config).figures.items() if wanted["kind"] in SECTIONS}


def kinds_of(figures, birth):
    return [wanted["kind"] for wanted in figures.values() if wanted["births"] == [birth]]


def test_each_birth_has_its_figures_if_the_report_names_none():
    figures = of_births(CONFIG)
    everything = ["birth_curves", "birth_timeline", "birth_knockouts", "birth_attention"]
    assert kinds_of(figures, "base") == kinds_of(figures, "fed") == everything
    assert kinds_of(figures, "full") == ["birth_curves", "birth_attention"]  # its memories are not known
    assert "memories" not in figures


def test_curves_show_what_was_trained_and_what_is_known_of_it():
    figures = of_births(CONFIG)
    base, fed, full = (figures[f"births-{name}-curves"]["probes"] for name in ("base", "fed", "full"))
    assert base == ["induction_accuracy", "recall_output", "recall_key_2", "recall_key_1_early"]
    assert {*fed} - {*base} == {"global_loss", "recall_output_corrected", "divergence_bigram"}
    assert not any("recall" in probe for probe in full)


def test_named_figures_replace_the_usual_ones_and_carry_what_they_need():
    named = {
        "freezing": {"kind": "curves", "births": ["base", "fed"], "probes": ["recall_output"]},
        "course": {"kind": "timeline", "births": ["base", "fed"]},
        "course-of-one": {"kind": "timeline", "births": ["fed"]},
        "loads": {"kind": "capacity", "births": ["base", "fed"]},
    }
    config = {**CONFIG, "report": {"births": named}, "memories": {"dimensions": [16]}}
    assert of_births(config) == {
        "births-freezing": {"kind": "birth_curves", "births": ["base", "fed"], "probes": ["recall_output"]},
        "births-course-base": {"kind": "birth_timeline", "births": ["base"]},
        "births-course-fed": {"kind": "birth_timeline", "births": ["fed"]},
        "births-course-of-one": {"kind": "birth_timeline", "births": ["fed"]},
        "births-loads": {"kind": "birth_capacity", "births": ["base", "fed"]},
        "memories": {"kind": "birth_memories"},
    }


def test_a_change_of_one_figure_leaves_the_others_as_they_were():
    one = {"freezing": {"kind": "curves", "births": ["base"]}}
    other = {"freezing": {"kind": "curves", "births": ["base", "fed"]}}
    before, after = (shown({**CONFIG, "report": {"births": births}}).figures for births in (one, other))
    assert {name for name in before if before[name] != after[name]} == {"births-freezing"}


def test_figures_are_labelled_by_the_titles_of_their_births():
    labels = shown(CONFIG).labels(Wildcards(fromdict={"figure": "births-fed-curves"}))
    assert labels == {"figure": "birth curves", "model": "Fed", "subject": "", "block": ""}


@pytest.mark.parametrize("name", ["config.yaml", "birth.yaml", "birth-full.yaml"])
def test_every_figure_of_a_shipped_configuration_has_a_caption(name):
    config = yaml.safe_load((ROOT / "config" / name).read_text())
    plan = shown(config)
    assert {wanted["kind"] for wanted in plan.figures.values()} & set(SECTIONS)
    for figure in plan.figures:
        wildcards = Wildcards(fromdict={"figure": figure})
        assert plan.caption(wildcards)
        assert plan.labels(wildcards)
