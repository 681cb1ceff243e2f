import numpy as np
import pandas as pd
import pytest
from fake_ablation import compression_experiment, controls_experiment, scored, untouched
from fake_run import LLAMA, FakeModel, decile_experiment, evaluation, judged, measurements, task_evaluation
from legible import assert_readable, spelled

from weightspectra.conclusions.cuts.experiments import experiments
from weightspectra.report.cuts import costs, cut_tables
from weightspectra.report.cuts.cost_figure import MAX_LISTED, cost_figure
from weightspectra.report.kit import change_axis

NUMBERS = ([1.0, 1.1, 1.3], [1, 1, 1])


def table(rows, make=cut_tables.cuts):
    return make(measurements(FakeModel("trained", LLAMA), evaluations=rows))


def one(cut, scope, removed, decile, roles, layers, cost=0.2, **names):
    nll = [value + cost * (1 + 0.1 * place) for place, value in enumerate(NUMBERS[0])]
    return evaluation(cut, scope, removed, decile, roles, layers, nll, *NUMBERS, **names)


def nothing(**names):
    return one("none", "none", "none", 0, [], [], cost=0.0, **names)


def asked(right, baseline, **names):
    rows = [task_evaluation("none", "none", "none", 0, [], [], baseline, baseline, **names)]
    rows.append(task_evaluation("decile 1 of up", "role", "decile 1", 1, ["up"], [0], right, baseline, **names))
    rows.append(task_evaluation("decile 1 of down", "role", "decile 1", 1, ["down"], [0], right, baseline, **names))
    return pd.DataFrame(rows)


def test_deciles_of_roles_are_a_grid_and_everything_else_a_list():
    more = [
        scored("only decile 10 of all matrices", 1.0, removed="all but decile 10", scope="all", roles=list(LLAMA)),
        scored("below of down", 0.1, removed="below"),
    ]
    grid, others = table(pd.concat([decile_experiment(LLAMA), pd.DataFrame(more)])).blocks
    assert grid.cells.shape == (10, 7)
    assert list(others.cells.index) == ["only decile 10 of all matrices", "below of down"]
    row = others.cells.loc["below of down"]
    assert row["After the cut"] == f"{more[1]['value']:.2f}"
    assert row["Values removed"] == "10"
    assert row["Energy removed, %"] == f"{100 * more[1]['removed_energy']:.1f}"
    assert row["Change [95 % interval]"].endswith("] *")


def test_deciles_of_layers_are_layers_over_deciles():
    rows = [nothing()]
    for layer in (0, 4):
        rows += [
            one(f"decile {d} of layer {layer}", "layer", f"decile {d}", d, ["up", "down"], [layer]) for d in (1, 10)
        ]
    (block,) = table(pd.DataFrame(rows)).blocks
    assert list(block.cells.index) == ["layer 0", "layer 4"]
    assert list(block.cells.columns) == ["decile 1", "decile 10"]


def test_single_matrices_are_a_grid_for_each_decile():
    rows = [nothing()]
    for decile in (1, 2):
        for layer in (0, 1, 2):
            for role in ("query", "up"):
                where = f"layer {layer} {role}"
                rows.append(one(f"decile {decile} of {where}", "matrix", f"decile {decile}", decile, [role], [layer]))
    first, second = table(pd.DataFrame(rows)).blocks
    assert first.heading.endswith("; decile 1")
    assert second.heading.endswith("; decile 2")
    assert list(first.cells.index) == [0, 1, 2]
    assert list(first.cells.columns) == ["Query", "Up"]


def test_scans_of_single_matrices_are_drawn_as_a_map():
    rows = [untouched()]
    for decile in (1, 10):
        for layer in (3, 5):
            for role in ("up", "query"):
                names = {"removed": f"decile {decile}", "decile": decile, "roles": [role], "layers": [layer]}
                cut = f"decile {decile} of layer {layer} {role}"
                rows.append(scored(cut, 0.01 * decile * layer, scope="matrix", **names))
    frame = pd.DataFrame(rows)
    frame["q_value"] = np.where(frame["decile"] == 1, 0.2, 0.01)
    figure = cost_figure(judged(frame))
    query, up = (axes for axes in figure.axes if axes.images)
    assert (query.get_title(), up.get_title()) == ("Query", "Up")
    expected = frame.set_index("cut")["difference"]
    assert up.images[0].get_array()[1, 9] == pytest.approx(expected["decile 10 of layer 5 up"])
    assert up.images[0].get_array().mask[:, 1:9].all()
    assert [list(point) for point in zip(*up.lines[0].get_data(), strict=True)] == [[0, 0], [0, 1]]
    assert_readable(figure)


def test_one_column_of_deciles_is_a_list_with_more_to_say():
    rows = [nothing(), *(one(f"decile {d} of up", "role", f"decile {d}", d, ["up"], [0]) for d in (1, 10))]
    (block,) = table(pd.DataFrame(rows)).blocks
    assert block.stub == "Cut"
    assert list(block.cells.index) == ["decile 1 of up", "decile 10 of up"]


def test_stars_stand_where_the_corrected_p_value_is_small():
    rows = decile_experiment(["up", "down"])
    rows["q_value"] = np.where(rows["roles"].map(lambda roles: roles == ["up"]), 0.05, 0.0501)
    (block,) = table(rows).blocks
    assert block.cells["Up"].str.endswith(" *").all()
    assert not block.cells["Down"].str.contains("*", regex=False).any()


def test_controls_and_other_metrics_are_in_the_file_only():
    rows = controls_experiment({"down": 0.1})
    both = pd.concat([rows, rows.assign(metric="bits_per_byte", statistic="bits_ratio")])
    found = table(both)
    assert len(found.blocks) == 1
    assert "perplexity" in found.blocks[0].heading
    assert list(found.blocks[0].cells.index) == ["decile 1 of down"]
    assert len(found.data) == len(both)


def test_an_overflow_and_a_missing_test_are_words_and_dashes():
    rows = decile_experiment(["up"], n_documents=1).query("decile in (0, 1, 10)").copy()
    rows.loc[rows["decile"] == 10, ["value", "difference"]] = np.inf
    (block,) = table(rows).blocks
    assert block.cells.loc["decile 10 of up", "Change [95 % interval]"] == "overflow"
    assert set(block.cells["q"]) == {"–"}
    assert "nan" not in block.cells.to_string()
    assert_readable(cost_figure(judged(rows)))
    assert any("1 document cannot show" in text for text, _ in spelled(cost_figure(judged(rows))))


def test_tasks_show_value_and_change():
    rng = np.random.default_rng(4)
    baseline = (rng.random(300) < 0.7).astype(float)
    rows = asked(baseline * (rng.random(300) < 0.8), baseline)
    found = table(rows, cut_tables.tasks)
    row = rows.iloc[1]
    expected = f"{row['value']:.3f} (−{-row['difference']:.3f}) *"
    assert found.blocks[0].cells.loc["decile 1", "Up"] == expected
    assert "untouched movies: accuracy" in found.blocks[0].heading
    assert "300 items" in found.blocks[0].heading
    assert table(rows).blocks == []


def test_a_change_of_accuracy_is_drawn_on_a_plain_scale_and_a_perplexity_on_a_logarithmic_one():
    baseline = np.tile([1.0, 0.0, 1.0], 40)
    rows = asked(baseline * np.tile([1, 1, 0], 40), baseline)
    assert change_axis.change_axis(rows).threshold is None
    assert_readable(cost_figure(judged(rows)))
    assert change_axis.change_axis(decile_experiment(["up"])).threshold > 0


@pytest.mark.parametrize("n_cuts", [1, MAX_LISTED + 5])
def test_one_cut_and_very_many_can_be_drawn(n_cuts):
    rows = [untouched()]
    rows += [scored(f"indices {n}-{n} of down", 0.01 * (n + 1), removed=f"indices {n}-{n}") for n in range(n_cuts)]
    figure = cost_figure(judged(pd.DataFrame(rows)))
    texts = [text for text, _ in spelled(figure)]
    assert sum(text.startswith("indices") for text in texts) == min(n_cuts, MAX_LISTED)
    assert f"indices {n_cuts - 1}-{n_cuts - 1}" in texts
    assert any("5 cuts that change least" in text for text in texts) == (n_cuts > MAX_LISTED)
    assert_readable(figure)


def test_deciles_of_several_scopes_have_a_panel_each_and_other_cuts_a_list_below():
    rows = [nothing()]
    rows += [one(f"decile {d} of layer 0", "layer", f"decile {d}", d, ["up", "down"], [0]) for d in (1, 10)]
    rows += [one(f"decile {d} of all matrices", "all", f"decile {d}", d, ["up", "down"], [0, 1]) for d in range(1, 11)]
    rows.append(one("only decile 10 of all matrices", "all", "all but decile 10", 0, ["up", "down"], [0, 1]))
    figure = cost_figure(judged(pd.DataFrame(rows)))
    assert [axes.get_title() for axes in figure.axes] == ["One layer", "All matrices", ""]
    assert_readable(figure)


def test_compressions_can_be_drawn_as_cuts():
    assert_readable(cost_figure(judged(compression_experiment())))


def test_the_main_metric_is_the_perplexity_wherever_it_stands():
    rows = decile_experiment(["up"])
    both = pd.concat([rows.assign(metric="bits_per_byte"), rows])
    (chosen,) = experiments(both)
    assert set(chosen["metric"]) == {"perplexity_per_token"}
    (other,) = experiments(rows.assign(metric="movies/acc"))
    assert set(other["metric"]) == {"movies/acc"}


@pytest.mark.parametrize(
    ("metric", "title"),
    [
        ("perplexity_per_token", "perplexity"),
        ("bits_per_byte", "bits per byte"),
        ("pseudo_perplexity_per_token", "pseudo-perplexity"),
        ("gsm8k/exact_match", "gsm8k: exact match"),
        ("movie_sentences/acc_calibrated", "movie sentences: accuracy, calibrated"),
    ],
)
def test_metrics_are_called_what_people_call_them(metric, title):
    assert costs.metric_title(metric) == title
