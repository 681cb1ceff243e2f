import numpy as np
import pytest
from fake_run import LLAMA, FakeModel, frames

from weightspectra.conclusions.noise import spacings


@pytest.fixture
def found():
    return frames(FakeModel("trained", LLAMA, n_layers=3))


def up(levels, bulk):
    rows = spacings.conclude(levels, bulk)
    (row,) = rows[rows["role"] == "up"].to_dict("records")
    return row


def test_what_departs_from_noise_is_counted_role_by_role(found):
    """The first of three layers differs."""
    row = up(found["levels"], found["bulk"])
    assert (row["number"], row["n"], row["level"]) == (pytest.approx(1 / 3), 3, 0.05)


def test_spacings_that_could_not_be_tested_count_neither_as_noise_nor_as_something_else(found):
    levels = found["levels"]
    unknown = levels.assign(spacing_p_value=levels["spacing_p_value"].where(levels["layer"] < 2))
    assert (up(unknown, found["bulk"])["number"], up(unknown, found["bulk"])["n"]) == (0.5, 2)
    nothing = up(levels.assign(spacing_p_value=np.nan), found["bulk"])
    assert (np.isnan(nothing["number"]), nothing["n"]) == (True, 0)


def test_a_p_value_at_the_level_is_that_of_noise(found):
    assert up(found["levels"].assign(spacing_p_value=0.05), found["bulk"])["number"] == 0
