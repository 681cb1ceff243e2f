import io

import fake_ablation
import numpy as np
import pandas as pd
import pytest
from exhibited import table_of
from fake_run import BERT, LLAMA, FakeModel, decile_experiment, measurements, task_evaluation

from weightspectra.report.kit import wording, writers
from weightspectra.report.spectra import summaries


@pytest.fixture(scope="module")
def data():
    trained = FakeModel("trained", LLAMA, n_layers=3, n_above=4, n_below=2)
    control = FakeModel("control", LLAMA, n_layers=3, n_above=0, n_below=1)
    right, some = np.ones(40), np.repeat([1.0, 0.0], [30, 10])
    asked = [
        task_evaluation("none", "none", "none", 0, [], [], right, right, experiment="asked"),
        task_evaluation("decile 1 of up", "role", "decile 1", 1, ["up"], [0], some, right, experiment="asked"),
    ]
    experiments = [
        decile_experiment(LLAMA, dear=["down"]),
        fake_ablation.controls_experiment({"down": 0.08}, experiment="controls"),
        fake_ablation.compression_experiment(n_layers=3, experiment="small"),
        pd.DataFrame(asked),
    ]
    return measurements(
        trained,
        control,
        FakeModel("mixture", n_experts=3, dtype="Q4_1", noise=0.3),
        controls={"control": "trained"},
        evaluations=pd.concat(experiments, ignore_index=True),
        predictions=fake_ablation.predictions(n_layers=3),
        directions=fake_ablation.directions(),
        finetunings=fake_ablation.finetunings(),
        comparisons=fake_ablation.comparison(),
    )


OF_SPECTRA = ("outliers", "share_outside", "randomness", "information", "tails", "overlap", "difference")
OF_CUTS = ("cuts", "contrasts", "tasks", "compression", "prediction", "directions", "finetuning")
NAMES = (*OF_SPECTRA, *OF_CUTS)


@pytest.fixture(scope="module", params=NAMES)
def table(request, data):
    return table_of(request.param, data)


def cells_of(text: str, row: str, cell: str, end: str = "") -> list[list[str]]:
    """Read the body cells out of Markdown or LaTeX again."""
    lines = [line.removeprefix("| ").removesuffix(end).strip() for line in text.splitlines() if row in line]
    return [[part.strip() for part in line.split(cell)] for line in lines]


def test_outliers_are_those_planted(data):
    table = table_of("outliers", data)
    trained = table.data[table.data["model"] == "trained"].set_index(["layer", "role"])
    assert (trained["n_above"] == 4).all()
    assert (trained.xs("query", level="role")["n_below"] == 0).all()
    assert (trained.xs("up", level="role")["n_below"] == 2).all()
    block = table.blocks[0]
    assert list(block.cells.columns) == [wording.ROLE_TITLES[role] for role in LLAMA]
    assert list(block.cells.index) == [0, 1, 2, "all"]
    assert block.cells.loc[1, "Query"] == "0 | 4"
    assert block.cells.loc["all", "Gate"] == "6 | 12"


def test_experts_are_summed_in_their_layer(data):
    table = table_of("outliers", data)
    mixture = table.data[table.data["model"] == "mixture"].set_index(["layer", "role"])
    assert mixture.loc[(1, "up"), ["n_matrices", "n_above"]].tolist() == [3, 9]
    assert (mixture["n_below"] == 0).all()  # all of them lie below the rounding floor
    assert mixture.loc[(1, "query"), "n_above"] == 3
    assert any("sums over all experts" in note for note in table.notes)


def test_shares_stand_beside_those_of_the_random_control(data):
    block = table_of("share_outside", data).blocks[0]
    assert block.cells.loc["Up", "Above, %"] == wording.percent(4 / 48)
    assert block.cells.loc["Up", "Below, %"] == wording.percent(2 / 48)
    assert block.cells.loc["Up", "Below at random, %"] == wording.percent(1 / 48)
    assert block.cells.loc["Query", "Below, %"] == wording.NOTHING
    assert [block.heading for block in table_of("share_outside", data).blocks] == ["Trained", "Mixture"]


def test_mean_share_is_over_matrices_not_over_values():
    rows = measurements(FakeModel("a")).bulk.query("role == 'up'").copy()
    rows["n_values"] = [100, 900]
    rows["n_above"] = [50, 0]
    shares = summaries.shares_by_role(rows).iloc[0]
    assert shares["share_above"] == pytest.approx(0.25)
    assert shares["sd_above"] == pytest.approx(0.5 / 2**0.5)


def test_overlaps_are_counted_where_they_were_planted(data):
    block = table_of("overlap", data).blocks[0]
    assert block.heading == "Trained on prose"
    assert block.cells.loc["Up"].tolist() == ["50.0 % (3 of 6)", "0 % (0 of 126)", "100.0 % (12 of 12)"]
    assert block.cells.loc["Query"].tolist() == [wording.NOTHING, "0 % (0 of 132)", "100.0 % (12 of 12)"]


def test_counts_are_whole_again_after_they_were_shares():
    n = np.arange(1, 201)
    shares = pd.DataFrame({"number": [k / whole for whole in n for k in (0, whole // 3, whole)], "n": n.repeat(3)})
    names = {"claim": "overlap_with_data", "model": "m", "corpus": "c", "role": "up", "region": "above", "p_value": 1.0}
    counts = summaries.overlap_counts(shares.assign(**names))
    assert counts["n_aligned"].tolist() == [k for whole in n for k in (0, whole // 3, whole)]


def test_costs_are_those_of_the_evaluations(data):
    table = table_of("cuts", data)
    block = table.blocks[0]
    row = data.evaluations.query("experiment == 'deciles'").set_index("cut").loc["decile 1 of down"]
    expected = wording.interval(row["difference"], row["difference_low"], row["difference_high"])
    assert row["q_value"] < 0.05
    assert block.cells.loc["decile 1", "Down"] == expected + " *"
    assert "800 tokens in 8 documents" in block.heading
    assert table.data["cut"].iloc[0] == "none"
    assert len(table.data) == (~data.evaluations["metric"].str.startswith("movies")).sum()


def test_forms_agree(table):
    """Markdown and LaTeX hold the same cells as the table, and CSV gives back its numbers exactly."""
    expected = [
        [str(stub), *map(str, row)]
        for block in table.blocks
        for stub, row in zip(block.cells.index, block.cells.to_numpy(), strict=True)
    ]
    markdown = [
        [part.replace("\\|", "|").strip() for part in line.replace("\\|", "\0").strip("| ").split(" | ")]
        for line in writers.to_markdown(table).splitlines()
        if line.startswith("| ") and not line.startswith("| :--")
    ]
    markdown = [[cell.replace("\0", "|") for cell in line] for line in markdown]
    heads = [[block.stub, *map(str, block.cells.columns)] for block in table.blocks]
    assert [line for line in markdown if line not in heads] == expected
    latex = [
        line.removesuffix(r" \\").split(" & ") for line in writers.to_latex(table).splitlines() if line.endswith(r" \\")
    ]
    escaped = [[writers.escape_latex(cell) for cell in line] for line in expected]
    assert [
        line for line in latex if line not in [[writers.escape_latex(c) for c in head] for head in heads]
    ] == escaped
    again = pd.read_csv(io.StringIO(writers.to_csv(table)), keep_default_na=False, float_precision="round_trip")
    assert list(again.columns) == list(table.data.columns)
    for name in table.data.columns:
        written = ["" if pd.isna(cell) else str(cell) for cell in table.data[name]]
        assert again[name].astype(str).tolist() == written, name


@pytest.mark.parametrize("name", OF_SPECTRA)
def test_every_form_of_a_table_of_spectra_warns_of_quantised_weights(name, data):
    table, warning = table_of(name, data), "Mixture is quantised (stored as Q4_1, 4 bits a weight)"
    assert warning in writers.to_markdown(table)
    assert warning.replace("_", r"\_") in writers.to_latex(table)


@pytest.mark.parametrize("name", [*OF_CUTS, "positions"])
def test_a_table_of_cuts_says_in_one_sentence_that_a_format_is_too_coarse(name, data):
    warning = (
        "Mixture is stored as Q4_1: what its small singular values do, or do not do, here need not be so in the model "
        "before quantisation."
    )
    table = table_of(name, data)
    assert table.warnings == [warning]
    assert warning in writers.to_markdown(table)


def test_wide_latex_blocks_are_shrunk_to_the_page(data):
    wide, narrow = (writers.to_latex(table_of(name, data)) for name in ("cuts", "overlap"))
    assert wide.count("resizebox{\\linewidth}") == wide.count("\\end{tabular}\n}") == 1
    assert "resizebox" not in narrow


def test_latex_escapes_what_it_would_read_as_commands():
    assert writers.escape_latex(r"50 % of a_b & {x} \y ± 1 | −2") == (
        r"50 \% of a\_b \& \{x\} \textbackslash{}y $\pm$ 1 \textbar{} $-$2"
    )


def test_one_layer_without_outliers_or_control():
    lonely = measurements(FakeModel("lonely", BERT, n_layers=1, n_above=0, n_below=0), overlaps=False)
    assert table_of("outliers", lonely).blocks[0].cells.loc["all", "Up"] == "0 | 0"
    shares = table_of("share_outside", lonely).blocks[0].cells
    assert shares.loc["Up", "Above, %"] == "0"
    assert shares.loc["Up", "Above at random, %"] == wording.NOTHING


def test_a_random_model_alone_still_has_tables():
    alone = measurements(FakeModel("control"), controls={"control": "elsewhere"})
    assert writers.to_markdown(table_of("share_outside", alone))
    assert table_of("outliers", alone).blocks[0].heading == "Control"
