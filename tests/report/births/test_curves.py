"""What figures of births show against the iterations: curves, and the timeline."""

import numpy as np
import pandas as pd
import pytest
from birth_drawings import draw, panel, read, texts
from fake_birth import DELAY, FakeBirth
from legible import assert_readable
from matplotlib.colors import to_hex

from weightspectra.conclusions.births.events import FORMED
from weightspectra.report.births import plotting
from weightspectra.report.births.timeline import first_moments
from weightspectra.report.births.words import BIRTH_SIGNS, MATRICES, PROBES, RECALLS
from weightspectra.report.kit import style

KEYS = "layers.1.attention.key.weight"
SMALL = FakeBirth("small", title="Small")
FROZEN = FakeBirth("frozen", training={"frozen_until": {KEYS: 100}}, formed=250)
SECOND = FakeBirth("second", training={"frozen_until": {KEYS: 100, "layers.0.attention.key.weight": 60}})


def lines_in(axes, colour):
    return [line for line in axes.lines if to_hex(line.get_color()) == colour and len(line.get_xdata()) > 2]


def upright(axes):
    """Iteration and colour of the vertical lines."""
    return {(line.get_xdata()[0], to_hex(line.get_color())) for line in axes.lines if len(set(line.get_xdata())) == 1}


def test_a_line_is_the_mean_over_seeds_and_the_band_reaches_from_the_lowest_to_the_highest():
    axes = panel(draw("curves", SMALL, probes=["in_context_accuracy"]), "In-context accuracy")
    iterations = SMALL.settings.training.checkpoints
    known = np.array([[SMALL.accuracy(iteration, seed) for seed in SMALL.seeds] for iteration in iterations])
    (line,) = lines_in(axes, BIRTH_SIGNS[0][0])
    np.testing.assert_allclose(line.get_data(), [iterations, known.mean(axis=1)])
    (band,) = axes.collections
    outline = band.get_paths()[0].vertices
    for iteration, low, high in zip(iterations, known.min(axis=1), known.max(axis=1), strict=True):
        there = outline[outline[:, 0] == iteration, 1]
        assert there.min() == pytest.approx(low)
        assert there.max() == pytest.approx(high)


def test_results_on_other_outputs_than_those_of_the_training_are_not_in_the_curves():
    data = read(SMALL)
    data.probes.loc[data.probes["outputs"] != "", "value"] = 99.0
    axes = panel(draw("curves", SMALL, data=data, probes=["in_context_accuracy"]), "In-context accuracy")
    assert max(line.get_ydata().max() for line in lines_in(axes, BIRTH_SIGNS[0][0])) < 1


def test_early_iterations_have_more_room_than_late_ones():
    axes = draw("curves", SMALL, probes=["in_context_accuracy"]).axes[0]
    ends = axes.transAxes.inverted().transform(axes.transData.transform([(0, 0), (100, 0), (400, 0)]))[:, 0]
    assert ends[0] == pytest.approx(0)
    assert ends[1] / ends[2] == pytest.approx(0.5)


def test_frozen_matrices_are_released_where_the_configuration_says_in_the_colour_of_their_birth():
    figure = draw("curves", SMALL, FROZEN, SECOND, probes=["in_context_accuracy"])
    second, third = BIRTH_SIGNS[1][0], BIRTH_SIGNS[2][0]
    assert upright(figure.axes[0]) == {(100, second), (100, third), (60, third)}
    assert "frozen part begins to learn" in texts(figure)
    assert "frozen part begins to learn" not in texts(draw("curves", SMALL, probes=["in_context_accuracy"]))


def test_lines_at_one_place_take_turns_so_that_each_colour_is_seen():
    figure = draw("curves", FROZEN, SECOND, probes=["in_context_accuracy"])
    there = [line for line in figure.axes[0].lines if set(line.get_xdata()) == {100}]
    offsets, dashes = zip(*(line._unscaled_dash_pattern for line in there), strict=True)
    assert len(set(offsets)) == 2
    assert all(on <= off for on, off in dashes)


def test_chance_is_one_grey_line_unless_it_differs():
    same = draw("curves", SMALL, FROZEN, probes=["in_context_accuracy"]).axes[0]
    level = [line for line in same.lines if len(line.get_xdata()) == 2 and len(set(line.get_ydata())) == 1]
    assert {to_hex(line.get_color()) for line in level} == {style.MUTED}
    triggers = [FakeBirth("one", data={"n_triggers": 2}), FakeBirth("many", data={"n_triggers": 5})]
    axes = panel(draw("curves", *triggers, probes=["recall_key_2"]), "Recall of $W_K^2$")
    levels = {
        round(line.get_ydata()[0], 9): to_hex(line.get_color()) for line in axes.lines if len(line.get_xdata()) == 2
    }
    assert levels == {0.5: BIRTH_SIGNS[0][0], 0.2: BIRTH_SIGNS[1][0]}


def test_losses_share_one_range_and_shares_have_their_whole_one():
    figure = draw("curves", SMALL, probes=["global_loss", "in_context_loss", "in_context_accuracy"])
    first, second, share = (axes.get_ylim() for axes in figure.axes)
    assert first == second
    assert share[0] < 0
    assert share[1] > 1


@pytest.mark.parametrize("n_births", [1, 2, 9])
@pytest.mark.parametrize("n_probes", [1, 2, 3, 4, 7])
def test_many_panels_and_lines_can_be_read(n_births, n_probes):
    births = [FakeBirth(f"b{k}", title=f"Births of the kind number {k}", seeds=(0, 1)) for k in range(n_births)]
    figure = draw("curves", *births, probes=list(PROBES)[:n_probes])
    assert len([axes for axes in figure.axes if axes.get_title()]) == n_probes
    assert len({(to_hex(h.get_color()), str(h._dash_pattern)) for h in figure.legends[0].get_lines()}) >= n_births
    assert_readable(figure)


def test_a_single_seed_and_a_probe_that_does_not_apply():
    figure = draw("curves", FakeBirth("lone", seeds=(4,)), probes=["in_context_accuracy", "divergence_bigram"])
    assert "not measured for these" in texts(figure)
    assert_readable(figure)


@pytest.mark.parametrize(("last", "gap"), [(1, 0.1), (7, 0.1), (400, 0.06), (1000, 0.15), (99_999, 0.1)])
def test_ticks_are_round_apart_and_begin_at_zero(last, gap):
    ticks = plotting.root_ticks(last, gap=gap, with_last=True)
    assert ticks[0] == 0
    assert ticks[-1] <= last
    assert np.diff(np.sqrt(ticks)).min() >= gap * np.sqrt(last) - 1e-9
    assert len(ticks) > 1
    assert all(float(f"{tick:.1e}") == tick for tick in ticks)


def moments_of(birth):
    data = read(birth)
    located = data.locations[data.locations["locator"] == "blind"]
    return first_moments(located, data.probes)


@pytest.mark.parametrize("birth", [SMALL, FROZEN, FakeBirth("never", formed=None)])
def test_moments_are_the_first_checkpoints_from_which_something_lasts(birth):
    found = moments_of(birth)
    checkpoints = birth.settings.training.checkpoints
    for seed in birth.seeds:
        rows = found[found["seed"] == seed].set_index(["event", "matrix"])["iteration"].to_dict()
        for matrix in birth.matrices:
            # The initialisation of the last seed has a false alarm.
            alarm = matrix == "output_2" and seed == birth.seeds[-1]
            located = [c for c in checkpoints if birth.n_located(matrix, c) > alarm]
            assert rows["located", matrix] == located[0]
        accurate = [c for c in checkpoints if birth.accuracy(c, seed) >= FORMED]
        assert rows.get(("accurate", "")) == (accurate[0] if accurate else None)
        known = {matrix: birth.n_memories(matrix) for matrix in ("output_2", "key_2")}
        for matrix, n in known.items():
            recalled = [c for c in checkpoints if birth.n_located(matrix, c) / n >= FORMED]
            assert rows.get(("recalled", matrix)) == (recalled[0] if recalled else None)


def test_what_does_not_last_is_no_moment():
    data = read(SMALL)
    located = data.locations[data.locations["locator"] == "blind"]
    last = located["iteration"].max()
    located.loc[(located["matrix"] == "key_2") & (located["iteration"] == last), "n_located"] = 0
    found = first_moments(located, data.probes)
    assert set(found.loc[found["event"] == "located", "matrix"]) == {"output_2", "key_1"}


def test_a_recall_that_chance_began_with_is_no_moment():
    data = read(SMALL)
    recall = data.probes["probe"] == "recall_key_2"
    data.probes.loc[recall, "value"] = data.probes.loc[recall, "iteration"].map(lambda t: 0.6 if t < 100 else 0.8)
    found = first_moments(data.locations[data.locations["locator"] == "blind"], data.probes)
    rows = found[(found["event"] == "recalled") & (found["matrix"] == "key_2")]
    assert rows["iteration"].tolist() == [100] * 3


def test_the_timeline_counts_what_the_blind_locator_finds_in_each_matrix():
    figure = draw("timeline", SMALL)
    data = read(SMALL).locations.query("locator == 'blind'")
    for matrix in SMALL.matrices:
        means = data[data["matrix"] == matrix].groupby("iteration")["n_located"].mean()
        (line,) = lines_in(figure.axes[0], MATRICES[matrix].colour)
        np.testing.assert_allclose(line.get_data(), [means.index, means])


def test_the_timeline_shows_one_sign_for_each_moment_and_seed():
    figure = draw("timeline", SMALL)
    strip = figure.axes[2]
    drawn = sorted(line.get_xdata()[0] for line in strip.lines if line.get_marker() in ("o", "D"))
    assert drawn == sorted(moments_of(SMALL)["iteration"])
    assert [label.get_text() for label in strip.get_yticklabels()][-1] == "accuracy"
    formed = [SMALL.formed + DELAY * place for place in range(3)]
    span = [patch.get_extents().x0 for patch in strip.patches]
    assert span
    assert strip.transData.inverted().transform((span[0], 0))[0] >= formed[0]


def test_singular_values_above_the_bound_are_lines_and_the_others_a_band():
    birth = FakeBirth("small", seeds=(3, 5))
    data = read(birth)
    data.locations.loc[data.locations["seed"] == 5, "bound"] = 1e-9
    axes = draw("timeline", birth, data=data).axes[3]
    last = birth.settings.training.n_iterations
    rows = data.locations.query("locator == 'blind' and seed == 3 and matrix == 'key_2' and iteration == @last")
    values = np.asarray(rows["singular_values"].iloc[0])
    outside = values[values > rows["bound"].iloc[0]]
    ends = [line.get_ydata()[-1] for line in lines_in(axes, MATRICES["key_2"].colour)]
    np.testing.assert_allclose(sorted(end for end in ends if np.isfinite(end)), sorted(outside))
    course = data.locations.query("locator == 'blind' and seed == 3 and matrix == 'key_2'").sort_values("iteration")
    above = np.stack(course["singular_values"]) > course["bound"].to_numpy()[:, None]
    rises = {rank: int(when.argmax()) for rank, when in enumerate(above.T) if when.any() and not when[0]}
    assert rises
    for rank, when in rises.items():  # a line begins in the band, one checkpoint before it leaves it
        drawn = lines_in(axes, MATRICES["key_2"].colour)[rank].get_ydata()
        assert np.flatnonzero(np.isfinite(drawn))[0] == when - 1
    (band,) = axes.collections
    outline = band.get_paths()[0].vertices
    assert outline[outline[:, 0] == last, 1].max() == pytest.approx(values[len(outside)])


def test_a_release_is_marked_in_the_colour_of_its_matrix():
    figure = draw("timeline", SECOND)
    wanted = {(100, MATRICES["key_2"].colour), (60, MATRICES["key_1"].colour)}
    assert all(wanted <= upright(axes) for axes in figure.axes)


def test_the_corrected_recall_stands_for_the_plain_one_where_there_is_one():
    fed = FakeBirth("fed", model={"feed_forward": "linear"}, training={"loss": "all"})
    data = read(fed)
    data.probes.loc[data.probes["probe"] == "recall_output_corrected", "value"] = 0.25
    axes = draw("timeline", fed, data=data).axes[1]
    assert {0.25} in [set(line.get_ydata()) for line in lines_in(axes, MATRICES["output_2"].colour)]
    assert RECALLS["output_2"][0] == "recall_output_corrected"


@pytest.mark.parametrize("birth", [FakeBirth("lone", seeds=(4,)), FakeBirth("never", formed=None)])
def test_timelines_of_one_seed_or_of_nothing_learned_can_be_read(birth):
    assert_readable(draw("timeline", birth))


def test_matrices_have_colours_and_markers_of_their_own():
    assert len({sign.colour for sign in MATRICES.values()}) == len({sign.marker for sign in MATRICES.values()}) == 4
    assert isinstance(read(SMALL).locations, pd.DataFrame)
