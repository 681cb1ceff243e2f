"""What figures of births show at the end of training; and that every kind of figure can be read."""

import dataclasses
from pathlib import Path

import fake_birth
import numpy as np
import pandas as pd
import pytest
from birth_drawings import draw, panel, read, texts
from exhibited import drawing_of
from fake_birth import LOST, FakeBirth
from legible import assert_readable
from matplotlib.colors import to_hex
from matplotlib.patches import Rectangle

from weightspectra.report.births import attention
from weightspectra.report.births.transfer import TESTS
from weightspectra.report.births.words import BIRTH_SIGNS, MATRICES
from weightspectra.report.exhibits import FIGURES
from weightspectra.report.kit import style

SMALL = FakeBirth("small", title="Small")
FED = FakeBirth("fed", model={"feed_forward": "linear"}, training={"loss": "all"})
WIDE = FakeBirth("wide", model={"dimension": 64}, data={"outputs": "bigram"})
NARROW = FakeBirth("narrow", model={"dimension": 8})
PROBES = ["in_context_accuracy", "recall_output", "recall_key_2", "recall_key_1_early"]
EVERY = {
    "curves": ((SMALL, FED), {"probes": PROBES}),
    "transfer": ((SMALL, WIDE), {}),
    "scaling": ((SMALL, WIDE), {"probes": ["in_context_accuracy", "global_loss"], "against": "dimension"}),
    "capacity": ((SMALL, WIDE), {}),
    "timeline": ((SMALL,), {}),
    "knockouts": ((SMALL,), {}),
    "attention": ((SMALL,), {}),
    "memories": ((), {}),
}


def data_of(births):
    """Simulations come with any birth."""
    return read(*births) if births else dataclasses.replace(read(SMALL), births={})


@pytest.mark.parametrize("kind", EVERY)
def test_figures_can_be_read_and_are_the_same_bytes_every_time(kind):
    births, wanted = EVERY[kind]
    data = data_of(births)
    figure, again = (draw(kind, *births, data=data, **wanted) for _ in range(2))
    assert_readable(figure)
    assert figure.get_size_inches()[0] == style.FULL_WIDTH
    assert figure.get_size_inches()[1] < 9
    assert style.to_bytes(figure, "svg") == style.to_bytes(again, "svg")


def test_every_kind_has_a_line_of_words_and_a_caption():
    captions = Path(__file__).parents[3] / "workflow" / "report"
    assert {f"birth_{kind}" for kind in EVERY} == {kind for kind in FIGURES if kind.startswith("birth_")}
    for kind, (births, wanted) in EVERY.items():
        shown = {"kind": f"birth_{kind}", "births": [birth.name for birth in births], **wanted}
        said = drawing_of(shown, data_of(births)).title
        assert "$" not in said
        assert "Small" in said or SMALL not in births
        assert len((captions / f"birth_{kind}.rst").read_text()) > 200


def test_many_births_are_counted_in_words():
    births = [FakeBirth(f"b{number}") for number in range(5)]
    shown = {"kind": "birth_curves", "births": [birth.name for birth in births], "probes": PROBES[:2]}
    assert drawing_of(shown, read(*births)).title == (
        "5 trainings: in-context accuracy and recall of W_O² over the iterations"
    )


@pytest.mark.parametrize("kind", EVERY)
def test_a_figure_without_measurements_says_so(kind):
    births, wanted = EVERY[kind]
    empty = {name: rows.iloc[:0] for name, rows in fake_birth.frames(SMALL).items() if name != "learning"}
    figure = draw(kind, *births, data=dataclasses.replace(data_of(births), **empty), **wanted)
    assert any("not measured" in text or "Nothing to draw" in text for text in texts(figure))
    assert_readable(figure)


def signs(axes, colour, filled=True):
    """Where the signs of a colour stand, filled or open."""
    fill = colour if filled else "white"
    found = [line for line in axes.lines if line.get_marker() == "o" and to_hex(line.get_color()) == colour]
    found = [line for line in found if to_hex(line.get_markerfacecolor()) == to_hex(fill)]
    return sorted(float(line.get_xdata()[0]) for line in found)


@pytest.mark.parametrize("birth", [SMALL, FED])
def test_knockouts_stand_where_accuracy_is_with_and_without_what_is_located(birth):
    figure = draw("knockouts", birth)
    last = birth.settings.training.n_iterations
    untouched = np.array([birth.accuracy(last, seed) for seed in birth.seeds])
    for matrix in birth.matrices:
        colour = MATRICES[matrix].colour
        np.testing.assert_allclose(signs(figure.axes[0], colour), sorted(untouched - 0.01))
        np.testing.assert_allclose(signs(figure.axes[0], colour, False), sorted(untouched - LOST[matrix]), atol=1e-9)
    labels = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert labels[1] == f"{MATRICES['key_2'].title}\n{birth.n_located('key_2', last)} located"
    assert labels[-1].startswith("all of them")


def test_only_cuts_of_as_many_small_values_as_are_located_stand_beside_them():
    data = read(SMALL)
    once = data.knockouts.drop_duplicates(["seed", "matrix", "cut", "n_values"])
    axes = draw("knockouts", SMALL, data=dataclasses.replace(data, knockouts=once)).axes[0]
    upright = [line for line in axes.lines if line.get_marker() == "|"]
    assert len(upright) == len(SMALL.seeds) * (len(SMALL.matrices) + 1)


def test_intervals_of_knockouts_are_those_of_the_paired_change():
    axes = draw("knockouts", SMALL).axes[0]
    reaches = {round(float(np.ptp(line.get_xdata())), 6) for line in axes.lines if len(line.get_xdata()) == 2}
    assert round(2 * 1.96 * 0.004, 6) in reaches


def test_global_loss_is_shown_where_a_feed_forward_matrix_learns_it():
    named = [axes.get_xlabel() for axes in draw("knockouts", FED).axes]
    assert named == ["in-context accuracy", "global loss, nats", "largest values kept"]
    assert "global loss, nats" not in [axes.get_xlabel() for axes in draw("knockouts", SMALL).axes]


def test_removing_the_smallest_is_keeping_the_largest():
    data = read(SMALL)
    axes = draw("knockouts", SMALL, data=data).axes[-1]
    d = SMALL.settings.model.dimension
    (line,) = (line for line in axes.lines if line.get_label() == MATRICES["key_2"].title)
    rows = data.knockouts.query("matrix == 'key_2'")
    kept = rows[rows["cut"] == "keep_largest"]["n_values"]
    smallest = d - rows[rows["cut"] == "remove_smallest"]["n_values"]
    assert line.get_xdata().tolist() == sorted({*kept, *smallest})


def test_numbers_of_values_that_not_every_seed_has_are_no_part_of_the_mean():
    data = read(SMALL)
    extra = data.knockouts.query("cut == 'keep_largest' and matrix == 'key_2' and seed == 1").iloc[:1]
    extra = extra.assign(n_values=13, in_context_accuracy=0.0)
    data = dataclasses.replace(data, knockouts=pd.concat([data.knockouts, extra], ignore_index=True))
    axes = draw("knockouts", SMALL, data=data).axes[-1]
    (line,) = (line for line in axes.lines if line.get_label() == MATRICES["key_2"].title)
    assert 13 not in line.get_xdata()


def test_an_induction_head_is_framed_where_it_looks():
    text, triggers = list("abcaxbya"), {"a": 1}
    counts = [text[: place + 1].count(letter) * triggers.get(letter, 0) for place, letter in enumerate(text)]
    framed = attention.targets(text, np.array(counts), last=True)
    assert framed == [(3, 1), (7, 1), (7, 4)]
    assert attention.targets(text, np.array(counts), last=False) == []


def test_attention_is_drawn_below_the_diagonal_with_the_characters_along_it():
    data = read(SMALL)
    first, second = draw("attention", SMALL, data=data).axes[:2]
    rows = data.attention_maps.query("seed == 0 and layer == 1").sort_values("position")
    cells = second.collections[0].get_array()
    n = len(rows)
    assert n == SMALL.settings.data.length
    for place, weights in enumerate(rows["weights"]):
        np.testing.assert_allclose(cells[place, : place + 1], weights)
        assert cells.mask[place, place + 1 :].all()
    letters = [label.get_text() for label in second.get_yticklabels()]
    assert letters == [attention.SPELLED.get(letter, letter) for letter in rows["character"]]
    coloured = [to_hex(label.get_color()) for label in second.get_xticklabels()]
    wanted = {0: style.INK, 1: attention.FIRST}
    assert coloured == [wanted.get(occurrence, attention.LATER) for occurrence in rows["occurrence"]]
    assert second.get_ylim()[0] > second.get_ylim()[1]
    framed = [patch for patch in second.patches if isinstance(patch, Rectangle)]
    text, again = list(rows["character"]), rows["occurrence"] >= 2
    assert len(framed) == sum(text[:place].count(text[place]) for place in np.flatnonzero(again))
    assert not first.patches


@pytest.mark.parametrize(("layers", "heads", "length"), [(1, 1, 256), (2, 4, 64), (3, 6, 30), (4, 1, 30)])
def test_attention_of_many_layers_and_heads_can_be_read(layers, heads, length):
    data = read(SMALL)
    row = {"birth": "small", "seed": 0, "iteration": 400, "character": "m", "occurrence": 1}
    rows = [
        {**row, "layer": layer, "head": head, "position": place, "weights": np.full(place + 1, 1 / (place + 1))}
        for layer in range(layers)
        for head in range(heads)
        for place in range(length)
    ]
    figure = draw("attention", SMALL, data=dataclasses.replace(data, attention_maps=pd.DataFrame(rows)))
    assert len([axes for axes in figure.axes if axes.get_title()]) == layers * heads
    assert all(len(axes.get_xticks()) <= 48 for axes in figure.axes)
    assert_readable(figure)


def test_transfer_fills_the_outputs_of_the_training_and_writes_the_means():
    figure = draw("transfer", SMALL, WIDE)
    axes = figure.axes[0]
    means = {line.get_marker(): line for line in axes.lines if line.get_markersize() > 4 and line.get_ydata()[0] < 0.5}
    assert to_hex(means["o"].get_markerfacecolor()) == TESTS["uniform"][1]
    assert to_hex(means["s"].get_markerfacecolor()) == "#ffffff"
    last = SMALL.settings.training.n_iterations
    accuracy = np.mean([SMALL.accuracy(last, seed) for seed in SMALL.seeds])
    assert means["o"].get_xdata()[0] == pytest.approx(0.95 * accuracy)
    assert means["s"].get_xdata()[0] == pytest.approx(0.8 * accuracy)
    assert f"{0.8 * accuracy:.2f}" in texts(figure)


def test_scaling_draws_the_last_checkpoint_against_the_setting():
    births = [FakeBirth(f"k{k}", data={"n_triggers": k}, formed=100 * k) for k in (1, 2, 4)]
    axes = panel(draw("scaling", *births, probes=["in_context_accuracy"], against="n_triggers"), "In-context accuracy")
    (line,) = (line for line in axes.lines if line.get_linestyle() == "-" and len(line.get_xdata()) == 3)
    expected = [np.mean([birth.accuracy(400, seed) for seed in birth.seeds]) for birth in births]
    np.testing.assert_allclose(line.get_data(), [[1, 2, 4], expected])


def test_chance_is_drawn_where_it_is_at_each_setting():
    births = [FakeBirth(f"k{k}", data={"n_triggers": k}) for k in (1, 2, 4)]
    data = read(*births)
    chance = data.probes["birth"].map({"k1": 0.3, "k2": 0.2, "k4": 0.1})
    data = dataclasses.replace(data, probes=data.probes.assign(chance=chance))
    wanted = {"probes": ["in_context_accuracy"], "against": "n_triggers"}
    axes = panel(draw("scaling", *births, data=data, **wanted), "In-context accuracy")
    (line,) = (line for line in axes.lines if line.get_color() == style.MUTED)
    np.testing.assert_allclose(line.get_data(), [[1, 2, 4], [0.3, 0.2, 0.1]])


def test_births_that_differ_otherwise_are_other_lines_and_named_by_what_tells_them_apart():
    births = [
        FakeBirth(f"{triggers}{d}", data={"triggers": triggers}, model={"dimension": d})
        for triggers in ("frequent", "random")
        for d in (8, 16, 32)
    ]
    figure = draw("scaling", *births, probes=["in_context_accuracy"], against="dimension")
    labels = [text.get_text() for text in figure.legends[0].get_texts()]
    assert labels == ["frequent triggers", "random triggers", "a seed", "chance"]
    assert_readable(figure)


def test_capacity_draws_loads_counts_and_strengths():
    data = read(SMALL, NARROW)
    at_end = data.locations.query("matrix == 'output_2' and iteration == 400").copy()
    at_end.loc[(at_end["locator"] == "blind"), "n_located"] += 1
    data = dataclasses.replace(data, locations=at_end)
    rows = at_end.query("locator == 'informed' and seed == 0")
    loads = {"small": 11 / 16, "narrow": 11 / 8}
    first, _, third = draw("capacity", SMALL, NARROW, data=data).axes
    colour = MATRICES["output_2"].colour
    for label, locator in (("located", "blind"), ("noise known", "informed")):
        found = at_end[at_end["locator"] == locator].groupby("birth")["n_located"].mean()
        (counts,) = (line for line in first.lines if line.get_label() == label)
        assert counts.get_xdata().tolist() == sorted(loads.values())
        assert counts.get_ydata().tolist() == [found["small"], found["narrow"]]
    (smallest,) = (line for line in third.lines if line.get_label() == "smallest")
    assert to_hex(smallest.get_color()) == colour
    for name, value in zip(("small", "narrow"), smallest.get_ydata(), strict=True):
        row = rows[rows["birth"] == name].iloc[0]
        assert value == np.sort(row["change_values"])[::-1][row["rank"] - 1]
    (tau,) = (line for line in third.lines if r"\tau" in str(line.get_label()))
    np.testing.assert_allclose(tau.get_ydata(), 3**-0.5, rtol=1e-9)


def test_memories_stand_beside_theory():
    data = data_of(())
    figure = draw("memories", data=data)
    axes = panel(figure, "Singular values of such sums")
    rows = data.simulations.query("simulation == 'spectrum' and quantity == 'largest'")
    lines = [line for line in axes.lines if line.get_linestyle() == "-"]
    assert any(set(line.get_ydata()) == set(rows["expected"]) for line in lines)
    steps = panel(figure, "Three steps, orthonormal, $d$ = 64")
    assert [tick.get_text() for tick in steps.get_xticklabels()] == ["0.1", "8"]
    only = data.simulations.query("simulation in ('superposition', 'spectrum')")
    assert_readable(draw("memories", data=dataclasses.replace(data, simulations=only)))


def test_births_have_signs_of_their_own():
    assert len(set(BIRTH_SIGNS)) == len({colour for colour, _ in BIRTH_SIGNS}) == len(BIRTH_SIGNS)
