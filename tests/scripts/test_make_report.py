"""The three scripts that present a run, from Parquet files to tables, figures and the page."""

import json
import subprocess
import sys
from copy import deepcopy
from pathlib import Path
from types import SimpleNamespace

import conclude
import fake_ablation
import fake_birth
import gather_findings
import make_figures
import make_report
import make_tables
import numpy as np
import pandas as pd
import pytest
from fake_run import LLAMA, FakeModel, decile_experiment, frames, task_evaluation
from plan import Plan

from weightspectra import contracts
from weightspectra.report.kit.measurements import KEY, Measurements

ROOT = Path(make_tables.__file__).resolve().parents[1]
ALWAYS = ["outliers", "share_outside", "randomness", "information", "tails"]
BORN = ["births", "locator", "knockouts", "memories"]
CUTTING = ["cuts", "contrasts", "tasks", "compression", "prediction", "directions", "finetuning", "difference"]
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


class Named(list):
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


@pytest.fixture
def run(tmp_path):
    """Write the measurements of a small run and return its plan and what finds its files."""
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
    plan = Plan(deepcopy(CONFIG), root=str(ROOT))

    def place(path):
        return str(tmp_path / path.removeprefix("<results>/"))

    inputs = {name: [place(path) for path in paths] for name, paths in plan.measurements.items()}
    known = {contract.name: contract for contract in contracts.ALL}
    for name, paths in inputs.items():
        for path in paths if name != "findings" else ():
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
    return plan, place, inputs


def conclude_all(plan, place):
    """Draw the conclusions of every subject of a plan, and gather them."""
    drawn = []
    for subject, files in plan.conclusions.items():
        drawn.append(place(f"<results>/findings/{subject}.parquet"))
        options = {"controls": plan.controls, "copies": plan.copies, "seed": 1, "level": 0.05}
        job = {"rule": "conclude", "wildcards": SimpleNamespace(subject=subject), "params": Named(options)}
        read = Named({name: [place(path) for path in paths] for name, paths in files.items()})
        conclude.main(SimpleNamespace(**job, input=read, output=[drawn[-1]]))
    gathered = Named({"table": place("<results>/findings.parquet"), "numbers": place("<results>/numbers.json")})
    job = {"rule": "gather_findings", "params": Named({}), "input": drawn, "output": gathered}
    gather_findings.main(SimpleNamespace(**job))


def present(plan, place, inputs):
    conclude_all(plan, place)
    params = Named(
        {"tables": plan.shown.tables, "figures": plan.shown.figures, "controls": plan.controls, "titles": plan.titles}
    )
    params.births, params.title, params.config = plan.config["births"], plan.config["report"]["title"], plan.config

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
    assert plan.shown.tables == [*ALWAYS, "overlap", *CUTTING, *BORN]
    assert list(plan.shown.figures) == [
        "controls-control",
        "information-trained",
        "matrix-trained-block_1-up",
        "spectra-trained",
        "damage-trained-deciles",
        "damage-trained-beside",
        "damage-trained-asked",
        "contrasts-trained-beside",
        "compression-trained-beside",
        "predicted-trained-prose",
        "finetuning-trained-century",
        "difference-tuned",
        *(f"births-small-{kind}" for kind in ("curves", "timeline", "knockouts", "attention")),
        "memories",
    ]
    first = present(plan, place, inputs)
    n_tables, n_figures = len(plan.shown.tables), len(plan.shown.figures)
    assert len(first) == n_tables * 3 + n_figures * 2 + 2
    assert all(first.values())
    assert first == present(plan, place, inputs)
    page = first[place("<results>/report.html")].decode()
    assert page.count("data:image/svg+xml") == n_figures
    assert "makes_bulk" in page
    assert str(Path(place("<results>"))) not in page
    assert first[place("<results>/findings.md")].startswith(b"1. More singular values lie above the calibrated bound")
    counts = pd.read_csv(place("<results>/tables/outliers.csv")).query("model == 'trained'")
    assert set(counts["n_above"]) == {3}
    numbers = json.loads(Path(place("<results>/numbers.json")).read_text())["findings"]
    assert len(numbers) == len(contracts.FINDINGS.read(place("<results>/findings.parquet")))
    assert {found["subject"] for found in numbers} == set(plan.conclusions) - {"copies"}


def test_models_alone_are_presented_without_overlaps_and_costs(run):
    _, place, inputs = run
    plan = Plan({"models": {"trained": {"source": {"path": "models/trained"}}}}, root=str(ROOT))
    few = {name: [path for path in paths if "trained" in path] for name, paths in inputs.items()}
    cutting = ("evaluations", "predictions", "directions", "finetunings", "comparisons")
    born = [contract.name for contract in fake_birth.CONTRACTS]
    few |= {name: [] for name in ("overlaps", *cutting, *born)} | {"findings": inputs["findings"]}
    made = present(plan, place, few)
    assert plan.shown.tables == ALWAYS
    assert list(plan.shown.figures) == ["information-trained", "spectra-trained"]
    assert len(made) == 5 * 3 + 2 * 2 + 2


def test_births_alone_are_presented_beside_the_checkpoints_that_are_analysed(run):
    _, place, inputs = run
    born = {
        name: {"source": {"birth": {"birth": "small", "seed": 0, "iteration": iteration}}}
        for name, iteration in (("control", 0), ("trained", 400))
    }
    plan = Plan({"models": born, "births": deepcopy(CONFIG["births"])}, root=str(ROOT))
    cutting = ("evaluations", "predictions", "directions", "finetunings", "comparisons", "simulations")
    made = present(plan, place, {**inputs, **{name: [] for name in ("overlaps", *cutting)}})
    assert plan.controls == {"control": "trained"}
    assert plan.shown.tables == [*ALWAYS, "births", "locator", "knockouts"]
    page = made[place("<results>/report.html")].decode()
    assert "2 small transformers, trained here on a task whose memories are known" in page
    assert b"before the induction head forms" in made[place("<results>/findings.md")].replace(b"\n   ", b" ")


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
    assert "singular_values" not in asked["locations"]
    assert {"learning", "attention_maps"}.isdisjoint(asked)
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


def test_figures_read_attention_of_the_births_whose_attention_they_show(run):
    plan, _, inputs = run
    figures = {name: figure for name, figure in plan.shown.figures.items() if name.startswith("births")}
    named = {"controls": plan.controls, "titles": plan.titles, "births": plan.config["births"]}
    data = Measurements.read(inputs, **named, figures=figures.values())
    assert set(data.attention_maps["seed"]) == {0, 1}
    assert data.locations["singular_values"].map(len).eq(16).all()
    del figures["births-small-attention"]
    without = Measurements.read(inputs, **named, figures=figures.values())
    assert without.attention_maps.empty
    assert len(without.learning) == 2 * 400
    others = [{**figure, "births": ["another"]} for figure in figures.values()]
    assert Measurements.read(inputs, **named, figures=others).locations.empty


def test_presenting_loads_no_deep_learning_library():
    code = (
        f"import sys; sys.path[:0] = [{str(ROOT / 'src')!r}, {str(ROOT / 'scripts')!r}]\n"
        "import conclude, gather_findings, make_tables, make_figures, make_report\n"
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
