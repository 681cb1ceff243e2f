"""Calibration at the small end: students that have learned are found, those that have not are not."""

import pandas as pd
import pytest
import small_end

from weightspectra.report.kit import style
from weightspectra.theory.linear_model import LinearModel


def test_what_was_learned_is_found_below_the_bulk(measured):
    frame = measured(small_end).set_index("residual")
    assert (frame["draws"] == 20).all()
    assert frame.loc[0.001, "below"] == 20
    assert frame.loc[0.2, "below"] == 20
    assert frame.loc[1.0, "below"] <= 3
    assert frame.loc[0.001, "mean"] == pytest.approx(frame.loc[0.001, "predicted"], rel=0.05)
    (row,) = small_end.checks(frame.reset_index())
    assert row.verdict == "holds"
    assert style.to_bytes(small_end.figure(frame.reset_index()), "png").startswith(b"\x89PNG")


def test_structure_is_expected_once_its_value_lies_below_the_bound():
    residual = small_end.expected_from(512, 2048)
    assert 0.4 < residual < 0.4896
    value = LinearModel(512, 2048, residual, small_end.TEACHER_NORM).smallest_value()
    assert value == pytest.approx(small_end.noise_bound(512, 2048))


@pytest.mark.parametrize(
    ("below", "verdict"), [([20, 20, 0], "holds"), ([20, 15, 0], "falls short at 0.2"), ([20, 20, 9], "false alarms")]
)
def test_verdicts(below, verdict):
    frame = pd.DataFrame({"n_out": 64, "n_in": 256, "residual": [0.001, 0.2, 1.0], "draws": 20, "below": below})
    assert small_end.checks(frame)[0].verdict == verdict
