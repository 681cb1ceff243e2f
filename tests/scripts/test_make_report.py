"""The three scripts that present a run, from Parquet files to tables, figures and the page."""

import subprocess
import sys
from copy import deepcopy
from pathlib import Path
from types import SimpleNamespace

import make_figures
import make_report
import make_tables
import pandas as pd
import pytest
from fake_run import LLAMA, FakeModel, decile_experiment, frames
from plan import Plan

from weightspectra import contracts
from weightspectra.report.measurements import KEY, Measurements

ROOT = Path(make_tables.__file__).resolve().parents[1]
ALWAYS = ["outliers", "share_outside", "randomness", "information", "tails"]
CONFIG = {
    "models": {
        "trained": {"source": {"path": "models/trained"}, "title": "Trained"},
        "control": {"source": {"random": {"like": "trained"}}},
    },
    "corpora": {"prose": {"source": {"path": "texts"}, "observe": {"files": "a*"}, "evaluate": {"files": "b*"}}},
    "observe": {"models": ["trained", "control"], "corpora": ["prose"]},
    "experiments": {"deciles": {"models": ["trained"], "corpus": "prose", "cuts": [{"remove": {"deciles": [1]}}]}},
    "report": {"matrices": [{"model": "trained", "layer": 1, "role": "up"}]},
}


class Named(list):
    """A list of files, some of them under a name, as Snakemake hands it to a script."""

    def __init__(self, named):
        self.named = named
        super().__init__(path for entry in named.values() for path in ([entry] if isinstance(entry, str) else entry))
        self.__dict__.update(named)

    def items(self):
        return self.named.items()


@pytest.fixture
def run(tmp_path):
    """Write the measurements of a small run and return its plan and what finds its files."""
    evaluations = decile_experiment(LLAMA, dear=["down"])
    trained, control = FakeModel("trained", LLAMA), FakeModel("control", LLAMA, n_above=0, n_below=0)
    data = {**frames(trained, control), "evaluations": evaluations}
    plan = Plan(deepcopy(CONFIG), root=str(ROOT))

    def place(path):
        return str(tmp_path / path.removeprefix("<results>/"))

    inputs = {name: [place(path) for path in paths] for name, paths in plan.measurements.items()}
    known = {contract.name: contract for contract in contracts.ALL}
    for name, paths in inputs.items():
        for path in paths:
            model = next(part for part in Path(path).parts if part.split(".")[0] in CONFIG["models"]).split(".")[0]
            if name == "sources":
                rows = pd.DataFrame([{"model": model, "path": "weights", "n_bytes": 1, "sha256": "0" * 64}])
            else:
                rows = data[name].query("model == @model")
            sources = {model: {"kind": "path", "name": model}}
            known[name].write(rows, path, {"rule": f"makes_{name}", "sources": sources})
    return plan, place, inputs


def present(plan, place, inputs):
    params = Named(
        {"tables": plan.shown.tables, "figures": plan.shown.figures, "controls": plan.controls, "titles": plan.titles}
    )
    params.title, params.config = plan.config["report"]["title"], plan.config

    def files(folder, names, forms):
        return Named({form: [place(f"<results>/{folder}/{name}.{form}") for name in names] for form in forms})

    made_tables = files("tables", plan.shown.tables, ("csv", "md", "tex"))
    made_figures = files("figures", plan.shown.figures, ("svg", "png"))
    made_page = Named({"page": place("<results>/report.html"), "findings": place("<results>/findings.md")})
    more = {"figures": made_figures.svg, "template": plan.shown.page_template, "captions": plan.shown.captions}
    make_tables.main(SimpleNamespace(input=Named(inputs), output=made_tables, params=params))
    make_figures.main(SimpleNamespace(input=Named(inputs), output=made_figures, params=params))
    make_report.main(SimpleNamespace(input=Named({**inputs, **more}), output=made_page, params=params))
    return {path: Path(path).read_bytes() for made in (made_tables, made_figures, made_page) for path in made}


def test_a_run_is_presented_whole_and_twice_with_the_same_bytes(run):
    plan, place, inputs = run
    assert plan.shown.tables == [*ALWAYS, "overlap", "cuts"]
    assert list(plan.shown.figures) == [
        "controls-control",
        "information-trained",
        "matrix-trained-block_1-up",
        "spectra-trained",
        "damage-trained-deciles",
    ]
    first = present(plan, place, inputs)
    assert len(first) == 7 * 3 + 5 * 2 + 2
    assert all(first.values())
    assert first == present(plan, place, inputs)
    page = first[place("<results>/report.html")].decode()
    assert page.count("data:image/svg+xml") == 5
    assert "makes_bulk" in page
    assert str(Path(place("<results>"))) not in page
    assert first[place("<results>/findings.md")].startswith(b"1. More singular values lie above the bulk")
    counts = pd.read_csv(place("<results>/tables/outliers.csv")).query("model == 'trained'")
    assert set(counts["n_above"]) == {3}


def test_models_alone_are_presented_without_overlaps_and_costs(run):
    _, place, inputs = run
    plan = Plan({"models": {"trained": {"source": {"path": "models/trained"}}}}, root=str(ROOT))
    few = {name: [path for path in paths if "trained" in path] for name, paths in inputs.items()}
    few |= {"overlaps": [], "evaluations": []}
    made = present(plan, place, few)
    assert plan.shown.tables == ALWAYS
    assert list(plan.shown.figures) == ["information-trained", "spectra-trained"]
    assert len(made) == 5 * 3 + 2 * 2 + 2


def test_tables_read_no_whole_spectra_and_no_lists(run, monkeypatch):
    plan, _, inputs = run
    asked = {}

    def noted(contract, paths, columns=None):
        asked.setdefault(contract.name, set()).update(columns or contract.schema.names)
        return read(contract, paths, columns)

    read = contracts.Contract.read
    monkeypatch.setattr(contracts.Contract, "read", noted)
    data = Measurements.read(inputs, controls=plan.controls, titles=plan.titles)
    assert "spectra" not in asked
    assert {"spacings", "number_variance"}.isdisjoint(asked["levels"])
    assert "p_above" not in asked["bulk"]
    assert "row_mean_squares" not in asked["matrices"]
    assert asked["vector_tests"] == {*KEY, "side", "q_value", "participation_q_value"}
    assert data.spectra.empty
    assert data.shown_vectors.empty


def test_figures_read_vectors_and_levels_of_the_matrices_shown_and_of_their_controls(run):
    plan, _, inputs = run
    data = Measurements.read(inputs, controls=plan.controls, titles=plan.titles, figures=plan.shown.figures.values())
    expected = {("trained", 1, "up"), ("control", 1, "up")}
    for rows in (data.shown_vectors, data.shown_levels):
        assert set(rows[["model", "layer", "role"]].itertuples(index=False, name=None)) == expected
    assert len(data.shown_vectors) == 2 * 2 * 48
    counted = data.vector_counts.groupby("model")["n_vectors"].sum()
    assert counted["trained"] == counted["control"] == 2 * 2 * (2 * 48 + 2 * 16 + 3 * 48)


def test_presenting_loads_no_deep_learning_library():
    code = (
        f"import sys; sys.path[:0] = [{str(ROOT / 'src')!r}, {str(ROOT / 'scripts')!r}]\n"
        "import make_tables, make_figures, make_report\n"
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
    names = [name for name in Plan(deepcopy(config), root=str(ROOT)).shown.figures if name.startswith("spectra")]
    if blocks:
        assert names == [f"spectra-trained-block_{b}-{corpus}" for b in (0, 1) for corpus in ("prose", "verse")]
    else:
        assert names == ["spectra-trained"]
