"""The calibration of the tests: each part on tiny cases, and what it says of what it finds."""

import contextlib
import io
from argparse import Namespace

import fake_run
import false_alarms
import figures
import numpy as np
import pandas as pd
import peers
import power
import pytest
import real
import samples
import small_end
from fake_run import FakeModel

from weightspectra import contracts


def test_false_alarms_are_counted_in_every_matrix_that_was_planned(measured):
    frame = measured(false_alarms)
    assert frame["matrices"].sum() == sum(cell.n_matrices for cell in false_alarms.cells(quick=True))
    assert (frame[["above", "below"]].max(axis=1) <= frame["any"]).all()
    assert (frame["any"] <= frame["above"] + frame["below"]).all()
    noise = frame[frame["kind"] != samples.HEAVY_TAILED]
    assert 0.01 < noise["any"].sum() / noise["matrices"].sum() < 0.09
    assert noise["asymptotic"].sum() > 2 * noise["any"].sum()
    rows = false_alarms.checks(frame)
    assert [row.what.split(",")[0] for row in rows[:2]] == [f"noise with a short side of {n}" for n in (32, 64)]
    assert len(rows) == 4


def test_a_cell_is_divided_into_tasks_without_loss(monkeypatch):
    monkeypatch.setattr(false_alarms, "TASK_SECONDS", 0.02)
    cell = false_alarms.Cell(samples.KINDS[0], 64, 128, 25)
    pieces = false_alarms.pieces(cell)
    assert len(pieces) > 1
    assert [piece.first for piece in pieces] == np.cumsum([0, *(piece.n_matrices for piece in pieces)])[:-1].tolist()
    assert sum(piece.n_matrices for piece in pieces) == 25


@pytest.mark.parametrize(
    ("hits", "trials", "within"), [(10, 200, True), (3, 200, False), (17, 200, False), (0, 8, True), (7, 8, False)]
)
def test_few_matrices_are_judged_by_their_interval(hits, trials, within):
    assert false_alarms.is_within_band(false_alarms.Share(hits, trials)) == within


@pytest.mark.parametrize(("n_out", "n_in", "strength"), [(60, 240, 2.0), (240, 60, 1.8), (120, 120, 3.0)])
def test_the_predicted_value_of_a_spike_and_its_fluctuation_are_those_of_simulation(n_out, n_in, strength):
    rng = np.random.default_rng(3)
    found = [np.linalg.norm(samples.planted(n_out, n_in, np.array([strength]), rng), ord=2) for _ in range(400)]
    mean, deviation = power.predicted_value(n_out, n_in, np.array([strength]))
    assert np.mean(found) == pytest.approx(mean[0], abs=0.2 * deviation[0])
    assert np.std(found) == pytest.approx(deviation[0], rel=0.12)


def test_power_grows_with_strength_and_the_strong_are_found(measured):
    frame = measured(power)
    equal = frame[frame["strength"] != power.MIXTURE]
    share = equal["found"] / equal["planted"]
    assert (share[equal["strength"] == 3.0] == 1).all()
    assert share[equal["strength"] == 1.05].max() < 0.6
    mixtures = frame[frame["strength"] == power.MIXTURE]
    assert (mixtures["strong"] == 4 * 4).all()  # in each of four matrices, all of the five spikes but the weakest
    assert all(row.verdict == "holds" for row in power.checks(frame)[: len(mixtures)])


@pytest.mark.parametrize(("shares", "start"), [((0.2, 1, 1), 1.3), ((1, 0.9, 1), 3.0), ((0.2, 0.3, 0.5), np.nan)])
def test_strengths_count_as_found_only_if_all_stronger_ones_are(shares, start):
    found = power.first_strength_found(pd.Series([1.05, 1.3, 3.0]), pd.Series(shares))
    assert found == pytest.approx(start, nan_ok=True)


@pytest.mark.parametrize(("n_in", "expected"), [(400, 0.24), (1600, 1.0)])
def test_the_rule_of_spectrum_calls_noise_signal(n_in, expected):
    noise = samples.planted(400, n_in, np.array([]), np.random.default_rng(4)).astype(np.float32)
    assert peers.spectrum_rule(noise) / 400 == pytest.approx(expected, abs=0.02)


@pytest.fixture(scope="module")
def compared():
    """What the tools find that are here, and what was said of the others."""
    options = Namespace(quick=True, workers=1, weightwatcher_python=None, scikit_rmt_python=None)
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stderr(io.StringIO()) as said:
        patch.setattr(peers.sys, "executable", "/bin/false")
        return peers.measure(options), said.getvalue()


def test_tools_are_compared_on_the_same_matrices_and_absent_ones_named(compared):
    frame, said = compared
    assert "WeightWatcher left out" in said
    assert "pip install scikit-rmt" in said
    assert set(frame["tool"]) == {"ours", "spectrum"}
    ours = frame[(frame["tool"] == "ours") & (frame["group"] == "mixture")]
    assert (ours["found"] == 5).all()
    rows = peers.checks(frame)
    assert rows[0].ours == "0 + 0"
    assert rows[0].expected.startswith("0 + 0; spectrum ")
    assert rows[-1].what == "processor time to count signals in 6 matrices"


@pytest.fixture
def finished(options):
    """Leave results of a model and of its control, the columns of both being unequal."""
    kinds = {contract.name: contract for contract in contracts.ALL}
    for name, n_planted in (("minilm", 3), ("minilm_random", 0)):
        found = fake_run.frames(FakeModel(name, n_above=n_planted, n_below=n_planted))
        for kind in ("bulk", "levels", "information", "vector_tests", "head_tests"):
            path = options.results / kind / f"{name}.parquet"
            if kind.endswith("tests"):
                path = path.with_suffix("") / "part-00-of-01.parquet"
            path.parent.mkdir(parents=True, exist_ok=True)
            kinds[kind].write(found[kind], path, {})
    return options


def test_controls_are_held_against_the_stated_rates(finished, capsys):
    frame = real.measure(finished)
    assert "smollm2_random left out" in capsys.readouterr().err
    by_test = frame.set_index(["control", "test"])
    beyond = "matrices with a value beyond the bounds"
    assert by_test.loc[(False, beyond), "rejected"].item() == 2 * 4
    assert by_test.loc[(True, beyond), "rejected"].item() == 0
    assert by_test.loc[(False, "spacings against Wigner's surmise, unfolding 'law'"), "rejected"].item() == 4
    verdicts = {row.what.split(":")[0]: row.verdict for row in real.checks(frame)}
    assert verdicts["minilm, levels"] == "holds"
    assert verdicts["minilm, bulk"] == "too many: whose columns do"


@pytest.mark.slow
def test_the_battery_runs_on_one_matrix(options):
    import battery

    frame = battery.measure(options)
    rules = {"decompose", "fit_bulk", "fit_levels", "score_vectors", "measure_tails", "map_information"}
    assert set(frame["step"]) == rules | {"simulate_nulls"}
    assert (frame["seconds"] > 0).all()
    assert "holds" in [row.verdict for row in battery.checks(frame)]


def test_the_battery_is_compared_step_by_step():
    import battery

    common = {"model": "minilm", "n_matrices": 36, "peak_gb": 0.5}
    steps = [("ours", "simulate_nulls", 100.0), ("ours", "decompose", 2.0), ("ours", "fit_bulk", 3.0)]
    steps += [("WeightWatcher", "analyze(vectors=True)", 60.0)]
    frame = pd.DataFrame([{**common, "side": side, "step": step, "seconds": time} for side, step, time in steps])
    time, tables, memory = battery.checks(frame)
    assert time.verdict == "holds: 12.0 times less"
    assert time.ours == "5 s: decompose 2 s, fit_bulk 3 s"
    assert tables.ours == "100 s"
    assert memory.verdict == "holds"


def test_figures_are_drawn_from_what_was_measured(measured, tmp_path):
    parts = {"false_alarms": false_alarms, "power": power, "small_end": small_end}
    figures.draw({name: measured(part) for name, part in parts.items()}, tmp_path / "images")
    names = ["calibration-false-alarms.png", "calibration-power.png", "calibration-small-end.png"]
    assert sorted(file.name for file in (tmp_path / "images").iterdir()) == names
    assert all(file.read_bytes().startswith(b"\x89PNG") for file in (tmp_path / "images").iterdir())


def test_other_tools_are_drawn_beside_ours(measured, compared, tmp_path):
    frame, _ = compared
    figures.draw({"power": measured(power)}, tmp_path / "without")
    figures.draw({"power": measured(power), "peers": frame}, tmp_path / "with")
    without, beside = (tmp_path / name / "calibration-power.png" for name in ("without", "with"))
    assert beside.stat().st_size > 1.3 * without.stat().st_size
