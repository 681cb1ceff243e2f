"""The three scripts that present a run, from Parquet files to tables, figures and the page."""

import json
import shutil
import subprocess
import sys
from copy import deepcopy
from pathlib import Path
from types import SimpleNamespace

import conclude
import fake_ablation
import fake_birth
import gather_findings
import make_figure
import make_report
import make_table
import numpy as np
import pandas as pd
import pytest
from fake_run import LLAMA, FakeModel, decile_experiment, frames, task_evaluation
from plan import Plan
from snakemake.io import apply_wildcards
from snakemake.iocontainers import Wildcards

from weightspectra import contracts
from weightspectra.conclusions.told import subjects_of
from weightspectra.report.kit.exhibit import Named
from weightspectra.report.kit.measurements import Measurements

ROOT = Path(make_table.__file__).resolve().parents[1]
TABLE, FIGURE = ("csv", "md", "tex", "json", "sha256"), ("svg", "png", "json", "sha256")
ALWAYS = ["outliers", "share_outside", "randomness", "information", "tails"]
BORN = ["births", "locator", "knockouts", "memories"]
CUTTING = [
    "cuts",
    "positions",
    "contrasts",
    "tasks",
    "compression",
    "prediction",
    "directions",
    "finetuning",
    "difference",
]
CONFIG = {
    "models": {
        "trained": {"source": {"path": "models/trained"}, "title": "Trained"},
        "control": {"source": {"random": {"like": "trained"}}},
    },
    "corpora": {"prose": {"source": {"path": "texts"}, "observe": {"files": "a*"}, "evaluate": {"files": "b*"}}},
    "observe": {"models": ["trained", "control"], "corpora": ["prose"]},
    "data_sets": {"centuries": {"source": {"path": "labelled"}}},
    "tasks": {"movies": {"name": "movies"}},
    "experiments": {
        "deciles": {"models": ["trained"], "corpus": "prose", "cuts": [{"remove": {"deciles": [1]}}]},
        "beside": {
            "models": ["trained"],
            "corpus": "prose",
            "cuts": [
                {"remove": {"deciles": [1]}, "controls": ["same_count"]},
                {"compress": {"methods": ["svd"], "sizes": [0.8]}, "scope": "all"},
            ],
        },
        "asked": {"models": ["trained"], "tasks": ["movies"], "cuts": [{"remove": {"deciles": [1]}}]},
    },
    "predict": {"models": ["trained"], "corpora": ["prose"]},
    "finetunings": {"century": {"models": ["trained"], "data_set": "centuries"}},
    "comparisons": {"tuned": {"base": "trained", "tuned": "control"}},
    "births": {"small": {"data": {"length": 24}, "model": {"dimension": 16}, "seeds": [0, 1]}},
    "memories": {"dimensions": [16]},
    "report": {"matrices": [{"model": "trained", "layer": 1, "role": "up"}]},
}


class Listed(list):
    """A list of files, some of them under a name, as Snakemake hands it to a script."""

    def __init__(self, named):
        self.named = named
        lists = (entry if isinstance(entry, list) else [entry] for entry in named.values())
        super().__init__(path for entries in lists for path in entries)
        self.__dict__.update(named)

    def items(self):
        return self.named.items()


def evaluations():
    """One experiment of deciles, one with controls and a compression, one of a task."""
    beside = [fake_ablation.controls_experiment({"down": 0.08}), fake_ablation.compression_experiment(LLAMA).iloc[1:]]
    right, some = np.ones(40), np.repeat([1.0, 0.0], [30, 10])
    asked = [
        task_evaluation("none", "none", "none", 0, [], [], right, right),
        task_evaluation("decile 1 of up", "role", "decile 1", 1, ["up"], [0, 1], some, right),
    ]
    found = {
        "deciles": decile_experiment(LLAMA, dear=["down"]),
        "beside": pd.concat(beside),
        "asked": pd.DataFrame(asked),
    }
    return pd.concat([rows.assign(experiment=name) for name, rows in found.items()], ignore_index=True)


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    """A folder in which the measurements of a small run and its conclusions lie; never changed by a test."""
    folder = tmp_path_factory.mktemp("measured")
    trained, control = FakeModel("trained", LLAMA), FakeModel("control", LLAMA, n_above=0, n_below=0)
    data = {
        **frames(trained, control),
        "evaluations": evaluations(),
        "predictions": fake_ablation.predictions(),
        "directions": fake_ablation.directions(),
        "finetunings": fake_ablation.finetunings(),
        "comparisons": fake_ablation.comparison(),
        **fake_birth.frames(fake_birth.FakeBirth("small", seeds=(0, 1))),
    }
    plan, place = Plan(deepcopy(CONFIG), root=str(ROOT)), placed_in(folder)
    known = {contract.name: contract for contract in contracts.ALL}
    for name, paths in plan.presented.measurements.items():
        for path in map(place, paths) if name != "findings" else ():
            stems = [part.split(".")[0] for part in Path(path).parts]
            model = next((stem for stem in stems if stem in CONFIG["models"]), "trained")
            if name == "sources":
                rows = pd.DataFrame([{"model": model, "path": "weights", "n_bytes": 1, "sha256": "0" * 64}])
            else:
                rows = data[name].query("model == @model") if "model" in data[name] else data[name]
            if name == "evaluations":
                rows = rows.query("experiment == @stems[-1]")
            if "birth" in rows:
                rows = rows[rows["birth"].isin(stems) & (rows["seed"] == int(stems[-1].removeprefix("seed-")))]
            sources = {model: {"kind": "path", "name": model}}
            known[name].write(rows, path, {"rule": f"makes_{name}", "sources": sources})
    conclude_all(plan, place)
    return folder


def placed_in(folder):
    """Return what finds a file of the results in a folder."""
    return lambda path: str(folder / path.removeprefix("<results>/"))


@pytest.fixture
def run(measured, tmp_path):
    """Return the plan of a small run, what finds its files, and the files that a report reads, in a copy of its own."""
    shutil.copytree(measured, tmp_path, dirs_exist_ok=True)
    plan, place = Plan(deepcopy(CONFIG), root=str(ROOT)), placed_in(tmp_path)
    return plan, place, {name: [place(path) for path in paths] for name, paths in plan.presented.measurements.items()}


def conclude_all(plan, place):
    """Draw the conclusions of every subject of a plan, and gather them."""
    drawn = []
    for subject, files in plan.conclusions.items():
        drawn.append(place(f"<results>/findings/{subject}.parquet"))
        wildcards = SimpleNamespace(subject=subject)
        job = {"rule": "conclude", "wildcards": wildcards, "params": Listed({"told": plan.told(wildcards)})}
        read = Listed({name: [place(path) for path in paths] for name, paths in files.items()})
        conclude.main(SimpleNamespace(**job, input=read, output=[drawn[-1]]))
    names = {"table": "findings.parquet", "numbers": "numbers.json", "sha256": "numbers.sha256"}
    gathered = Listed({output: place(f"<results>/{name}") for output, name in names.items()})
    job = {"rule": "gather_findings", "params": Listed({}), "input": drawn, "output": gathered}
    gather_findings.main(SimpleNamespace(**job))


def made(plan, place, kind, name):
    """Make one table or figure as its job does, and return its files by form."""
    shown, wildcards = plan.presented, Wildcards(fromdict={kind: name})
    inputs = {kind: [place(path) for path in paths] for kind, paths in shown.shown_from(wildcards).items()}
    params = SimpleNamespace(
        **{value: getattr(shown, value)(wildcards) for value in ("maker", "entry", "named", "heading", "caption")}
    )
    script, forms = {"table": (make_table, TABLE), "figure": (make_figure, FIGURE)}[kind]
    outputs = Listed({form: place(f"<results>/{kind}s/{name}.{form}") for form in forms})
    script.main(SimpleNamespace(input=Listed(inputs), output=outputs, params=params))
    return outputs


def present(plan, place, figures=None):
    """Make every table and figure (of the latter those named only, if any are), and the report; return their bytes."""
    conclude_all(plan, place)
    shown = plan.presented
    exhibits = [("table", name) for name in shown.tables] + [("figure", name) for name in figures or shown.figures]
    outputs = {exhibit: made(plan, place, *exhibit) for exhibit in exhibits}
    names = {"page": "report.html", "findings": "findings.md", "sha256": "report.sha256"}
    page = Listed({output: place(f"<results>/{name}") for output, name in names.items()})
    parts = {
        **{kind: [place(path) for path in paths] for kind, paths in shown.measurements.items()},
        "tables": [place(f"<results>/tables/{name}.json") for name in shown.tables],
        "figures": [place(f"<results>/figures/{name}.json") for name in shown.figures],
        "template": shown.page_template,
    }
    params = SimpleNamespace(title=plan.config["report"]["title"], named=shown.named_in_report, config=plan.config)
    make_report.main(SimpleNamespace(input=Listed(parts), output=page, params=params))
    return {path: Path(path).read_bytes() for files in (*outputs.values(), page) for path in files}


HOSTILE = r"5$ and {6}$ of $\frac{ \$ %_#^~ {wildcards} <b>|"


def test_titles_show_as_they_are(run):
    _, place, _ = run
    config = deepcopy(CONFIG)
    config["models"]["trained"]["title"] = config["births"]["small"]["title"] = HOSTILE
    plan = Plan(config, root=str(ROOT))
    told = []
    for name, entry in plan.presented.figures.items():
        if entry["kind"] in ("spectra", "controls", "birth_timeline"):
            told.append(json.loads(Path(made(plan, place, "figure", name).json).read_text())["title"])
    assert len(told) >= 3
    assert all(HOSTILE in title for title in told), told
    labels = [plan.presented.labels(Wildcards(fromdict={"figure": name})) for name in plan.presented.figures]
    shown = {
        apply_wildcards(label, {}).replace("\N{WORD JOINER}", "") for of_one in labels for label in of_one.values()
    }
    assert HOSTILE in shown


@pytest.mark.parametrize(
    "drawn_again", [["births-small-timeline"], pytest.param(None, marks=pytest.mark.full)], ids=["one figure", "all"]
)
def test_a_run_is_presented_whole_and_twice_with_the_same_bytes(drawn_again, run):
    plan, place, _ = run
    assert list(plan.presented.tables) == [*ALWAYS, "overlap", *CUTTING, *BORN]
    assert list(plan.presented.figures) == [
        "controls-control",
        "information-trained",
        "matrix-trained-block_1-up",
        "spectra-trained",
        "damage-trained-deciles",
        "damage-trained-beside",
        "damage-trained-asked",
        "positions-trained-deciles",
        "positions-trained-beside",
        "contrasts-trained-beside",
        "compression-trained-beside",
        "predicted-trained-prose",
        "finetuning-trained-century",
        "difference-tuned",
        *(f"births-small-{kind}" for kind in ("curves", "timeline", "knockouts", "attention")),
        "memories",
    ]
    first = present(plan, place)
    n_tables, n_figures = len(plan.presented.tables), len(plan.presented.figures)
    assert len(first) == n_tables * 5 + n_figures * 4 + 3
    assert all(first.values())
    again = present(plan, place, drawn_again)
    assert again == {path: first[path] for path in again}
    page = first[place("<results>/report.html")].decode()
    assert page.count("data:image/svg+xml") == n_figures
    assert "makes_bulk" in page
    assert str(Path(place("<results>"))) not in page
    assert first[place("<results>/findings.md")].startswith(b"1. More singular values lie above the calibrated bound")
    counts = pd.read_csv(place("<results>/tables/outliers.csv")).query("model == 'trained'")
    assert set(counts["n_above"]) == {3}
    numbers = json.loads(Path(place("<results>/numbers.json")).read_text())["findings"]
    assert len(numbers) == len(contracts.FINDINGS.read(place("<results>/findings.parquet")))
    drawn = {subject for name in plan.conclusions for subject in subjects_of(name)}
    assert {found["subject"] for found in numbers} == drawn - {"copies"}


def test_what_another_configuration_asked_for_is_neither_in_the_report_nor_beside_it(run, capsys):
    plan, place, _ = run
    made(plan, place, "table", "memories")
    made(plan, place, "figure", "memories")
    Path(place("<results>/tables/notes.csv")).write_text("the user's own")
    alone = Plan({"models": {"trained": {"source": {"path": "models/trained"}}}}, root=str(ROOT))
    present(alone, place)
    folders = {
        kind: {path.stem for path in Path(place(f"<results>/{kind}")).iterdir()} for kind in ("tables", "figures")
    }
    assert folders == {"tables": {*alone.presented.tables, "notes"}, "figures": {*alone.presented.figures}}
    assert "Associative memories" not in Path(place("<results>/report.html")).read_text()
    assert "tables/memories: deleted: the configuration asks for it no more\n" in capsys.readouterr().err


def test_models_alone_are_presented_without_overlaps_and_costs(run):
    _, place, _ = run
    plan = Plan({"models": {"trained": {"source": {"path": "models/trained"}}}}, root=str(ROOT))
    first = present(plan, place)
    assert list(plan.presented.tables) == ALWAYS
    assert list(plan.presented.figures) == ["information-trained", "spectra-trained"]
    assert len(first) == 5 * 5 + 2 * 4 + 3


def test_births_alone_are_presented_beside_the_checkpoints_that_are_analysed(run):
    _, place, _ = run
    born = {
        name: {"source": {"birth": {"birth": "small", "seed": 0, "iteration": iteration}}}
        for name, iteration in (("control", 0), ("trained", 400))
    }
    plan = Plan({"models": born, "births": deepcopy(CONFIG["births"])}, root=str(ROOT))
    first = present(plan, place)
    assert plan.controls == {"control": "trained"}
    assert list(plan.presented.tables) == [*ALWAYS, "births", "locator", "knockouts"]
    page = first[place("<results>/report.html")].decode()
    assert "2 small transformers, trained here on a task whose memories are known" in page
    assert b"before the induction head forms" in first[place("<results>/findings.md")].replace(b"\n   ", b" ")


def test_tables_read_no_whole_spectra_and_no_lists(run, monkeypatch):
    plan, _, inputs = run
    asked = {}

    def noted(contract, paths, columns=None):
        asked.setdefault(contract.name, set()).update(columns or contract.schema.names)
        return read(contract, paths, columns)

    read = contracts.Contract.read
    monkeypatch.setattr(contracts.Contract, "read", noted)
    data = Measurements.read(inputs, Named(**plan.presented.named_in_report))
    assert {"spectra", "vector_tests"}.isdisjoint(asked)
    assert {"spacings", "number_variance"}.isdisjoint(asked["levels"])
    assert "p_above" not in asked["bulk"]
    assert "row_mean_squares" not in asked["matrices"]
    assert "singular_values" not in asked["locations"]
    assert {"learning", "attention_maps"}.isdisjoint(asked)
    with pytest.raises(AttributeError, match="does not declare"):
        len(data.spectra.columns)


def test_figures_read_vectors_and_levels_of_the_matrix_shown_and_of_its_control(run):
    plan, _, inputs = run
    shown = plan.presented.figures["matrix-trained-block_1-up"]
    data = Measurements.read(inputs, Named(**plan.presented.named_in_report), shown)
    expected = {("trained", 1, "up"), ("control", 1, "up")}
    for rows in (data.shown_vectors, data.shown_levels):
        assert set(rows[["model", "layer", "role"]].itertuples(index=False, name=None)) == expected
    assert len(data.shown_vectors) == 2 * 2 * 48


def test_an_exhibit_is_made_where_nothing_else_exists(run):
    plan, place, inputs = run
    for name, paths in inputs.items():
        for path in paths if name != "bulk" else ():
            Path(path).unlink()
    assert Path(made(plan, place, "table", "outliers").csv).stat().st_size
    with pytest.raises(FileNotFoundError):
        made(plan, place, "table", "tails")


def test_presenting_loads_no_deep_learning_library():
    code = (
        f"import sys; sys.path[:0] = [{str(ROOT / 'src')!r}, {str(ROOT / 'scripts')!r}]\n"
        "import conclude, gather_findings, make_table, make_figure, make_report\n"
        "sys.exit(bool({'torch', 'transformers', 'datasets'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize(("blocks", "corpora"), [({}, ["prose"]), ({"trained": [0, 1]}, ["prose", "verse"])])
def test_figures_are_named_after_blocks_and_corpora_only_where_there_are_several(blocks, corpora):
    config = {
        **CONFIG,
        "corpora": dict.fromkeys(corpora, CONFIG["corpora"]["prose"]),
        "observe": {"models": ["trained"], "corpora": corpora},
        "report": {"blocks": blocks},
    }
    names = [name for name in Plan(deepcopy(config), root=str(ROOT)).presented.figures if name.startswith("spectra")]
    if blocks:
        assert names == [f"spectra-trained-block_{b}-{corpus}" for b in (0, 1) for corpus in ("prose", "verse")]
    else:
        assert names == ["spectra-trained"]
