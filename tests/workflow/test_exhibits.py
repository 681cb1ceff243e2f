"""What each table and figure is made from: its own chain of jobs, and nothing else."""

from copy import deepcopy

import pytest
import yaml
from plan import Plan
from snake import ROOT, plan, write_config
from snakemake.iocontainers import Wildcards

from weightspectra.report import exhibits
from weightspectra.report.kit.exhibit import maker_of

CONFIG = yaml.safe_load("""
models:
  trained: {source: {path: /models/trained}, parts: 2}
  tuned: {source: {path: /models/tuned}}
  drawn: {source: {random: {like: trained}}}
corpora:
  prose: {source: {path: /texts}, observe: {share: [0, 0.5]}, evaluate: {share: [0.5, 1]}}
observe: {models: [trained], corpora: [prose]}
data_sets: {centuries: {source: {path: /labelled}}}
tasks: {movies: {name: movies}}
experiments:
  deciles: {models: [trained], corpus: prose, cuts: [{remove: {deciles: [1]}}]}
  beside: {models: [trained], corpus: prose, cuts: [{remove: {deciles: [1]}, controls: [same_count]}]}
  asked: {models: [tuned], tasks: [movies], cuts: [{compress: {methods: [svd], sizes: [0.8]}, scope: all}]}
predict: {models: [trained], corpora: [prose]}
finetunings: {century: {models: [tuned], data_set: centuries}}
comparisons: {tuning: {base: trained, tuned: tuned}}
births: {small: {seeds: [0]}}
memories: {dimensions: [16]}
report: {matrices: [{model: trained, layer: 1, role: up}]}
""")


@pytest.fixture(scope="module")
def presented():
    return Plan(deepcopy(CONFIG), root=str(ROOT)).presented


def read_by(presented, kind, name):
    """The files of one exhibit, below the results."""
    files = presented.shown_from(Wildcards(fromdict={kind: name}))
    return sorted(
        path.removeprefix("<results>/").removesuffix(".parquet") for paths in files.values() for path in paths
    )


@pytest.mark.parametrize(
    ("name", "files"),
    [
        (
            "cuts",
            [
                *("evaluations/trained/beside", "evaluations/trained/deciles"),
                *("findings/cuts/trained/beside", "findings/cuts/trained/deciles", "findings/storage/trained"),
            ],
        ),
        ("tasks", ["evaluations/tuned/asked", "findings/cuts/tuned/asked", "findings/storage/tuned"]),
        ("contrasts", ["findings/cuts/trained/beside", "findings/storage/trained"]),
        ("difference", ["comparisons/tuning", "findings/storage/trained", "findings/storage/tuned"]),
        ("births", ["probes/small/seed-0"]),
        ("memories", ["simulations"]),
    ],
)
def test_a_table_reads_what_it_shows(name, files, presented):
    found = [path for path in read_by(presented, "table", name) if not path.startswith("matrices/")]
    assert found == files


@pytest.mark.parametrize(
    ("name", "files"),
    [
        ("damage-tuned-asked", ["evaluations/tuned/asked", "findings/cuts/tuned/asked"]),
        (
            "predicted-trained-prose",
            [
                *("findings/cuts/trained/beside", "findings/cuts/trained/deciles"),
                *("findings/prediction", "predictions/trained/prose"),
            ],
        ),
        ("information-trained", ["information/drawn", "information/trained"]),
        ("information-tuned", ["information/tuned"]),
        (
            "spectra-trained",
            [
                *("bulk/drawn", "bulk/trained", "overlaps/trained/prose"),
                *("spectra/drawn/part-00-of-01", "spectra/trained/part-00-of-02", "spectra/trained/part-01-of-02"),
            ],
        ),
        ("difference-tuning", ["comparisons/tuning"]),
        ("finetuning-tuned-century", ["findings/finetuning", "finetunings/tuned/century"]),
        ("births-small-attention", ["attention_maps/small/seed-0"]),
        ("memories", ["simulations"]),
    ],
)
def test_a_figure_reads_what_it_shows(name, files, presented):
    assert read_by(presented, "figure", name) == files


def test_a_figure_knows_the_titles_of_what_it_shows_only(presented):
    named = presented.named(Wildcards(fromdict={"figure": "information-trained"}))
    titles, controls = {"trained": "trained", "drawn": "drawn"}, {"drawn": "trained"}
    assert named == {"titles": titles, "controls": controls, "structured": {}, "births": {}}


def test_a_structure_keeping_control_is_in_every_table_and_has_no_figure_beside_a_random_one():
    models = CONFIG["models"] | {"flipped": {"source": {"flipped": {"like": "trained"}}}}
    told = Plan(deepcopy(CONFIG) | {"models": models}, root=str(ROOT)).presented
    assert set(told.figures) == set(Plan(deepcopy(CONFIG), root=str(ROOT)).presented.figures)
    assert told.figures["information-trained"]["control"] == "drawn"
    assert "flipped" in told.tables["randomness"]["models"]
    assert told.named_in_report["structured"] == {"flipped": "trained"}
    assert told.named_in_report["controls"] == {"drawn": "trained"}


def test_a_table_plans_the_chain_of_its_models_and_nothing_else(tmp_path):
    config = write_config(tmp_path / "config.yaml", CONFIG)
    assert plan(tmp_path, "results/tables/tasks.csv", "--configfile", config) == {
        **dict.fromkeys(("fetch_model", "fetch_task", "extract_weights", "decompose", "evaluate_cuts"), 1),
        **{"simulate_nulls": 1, "fit_bulk": 1, "conclude": 2, "make_table": 1},  # how its weights are stored
    }


@pytest.mark.parametrize("kinds", [exhibits.TABLES, exhibits.FIGURES], ids=["tables", "figures"])
def test_every_exhibit_has_its_maker_and_says_how_to_read_it(kinds):
    for kind, exhibit in kinds.items():
        assert callable(maker_of(exhibit.maker))
        assert (ROOT / "workflow" / "report" / f"{kind}.rst").is_file()


def test_a_table_of_spectra_needs_none_of_the_papers_tasks_and_fine_tunings(tmp_path):
    jobs = plan(tmp_path, "results/paper/tables/outliers.csv", "--configfile", ROOT / "config" / "paper.yaml")
    spectra = {"fetch_model", "extract_weights", "decompose", "simulate_nulls", "fit_bulk"}
    assert jobs.keys() == spectra | {"conclude", "make_table"}
    assert jobs["make_table"] == 1
