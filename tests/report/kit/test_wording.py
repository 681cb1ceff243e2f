import numpy as np
import pytest

from weightspectra.contracts import ROLES
from weightspectra.report.kit import wording


def test_every_role_has_a_title_in_the_order_of_the_contracts():
    assert tuple(wording.ROLE_TITLES) == ROLES


@pytest.mark.parametrize(
    ("share", "spelled"),
    [
        (0, "0"),
        (1e-6, "<0.01"),
        (0.00135, "0.14"),
        (0.0999, "10.0"),
        (0.12345, "12.3"),
        (1, "100.0"),
        (0.9999, ">99.9"),
        (-0.00009, "0"),
        (-0.0123, "−1.2"),
    ],
)
def test_percentages_never_round_something_to_nothing_or_almost_all_to_all(share, spelled):
    assert wording.percent(share) == spelled


@pytest.mark.parametrize(
    ("value", "error", "spelled"),
    [
        (0.1234, 0.0456, "+0.123 ± 0.046"),
        (-0.1234, 0.0456, "−0.123 ± 0.046"),
        (12345.6, 678.9, "+12,350 ± 680"),
        (3.21e7, 4.3e6, "+3.2e7 ± 4.3e6"),
        (1.5, float("nan"), "+1.50"),
        (1.5, 0.0, "+1.50"),
        (0.0, 0.0, "+0"),
        (float("inf"), float("nan"), "overflow"),
        (0.0004, 9.99, "+0.0 ± 10.0"),
    ],
)
def test_measurements_are_rounded_to_two_digits_of_their_error(value, error, spelled):
    assert wording.measurement(value, error, signed=True) == spelled


def test_a_spelled_measurement_is_the_number_to_within_a_twentieth_of_its_error():
    rng = np.random.default_rng(1)
    for value, error in zip(rng.normal(0, 100, 200), 10 ** rng.uniform(-3, 3, 200), strict=True):
        first, second = wording.measurement(value, error).replace("−", "-").replace(",", "").split(" ± ")
        assert abs(float(first) - value) <= error / 19
        assert float(second) == pytest.approx(error, rel=0.051)


@pytest.mark.parametrize(
    ("p", "spelled"), [(0.5, "p = 0.5"), (0.0123, "p = 0.012"), (2.4e-5, "p = 2e-5"), (0, "p < 1e-12")]
)
def test_probabilities_are_never_zero(p, spelled):
    assert wording.probability(p) == spelled


def test_layers_are_joined_into_runs():
    assert wording.layer_label([3]) == "layer 3"
    assert wording.layer_label([5, 0, 1, 2, 9]) == "layers 0-2, 5, 9"


def test_roles_are_listed_in_their_usual_order():
    assert wording.roles({"down", "query", "up"}) == "query, up and down"
    assert wording.role_label(["gate", "up"]) == "Up + Gate"
    assert wording.share(0, 0) == wording.NOTHING


@pytest.mark.parametrize(
    ("numbers", "spelled"),
    [
        ((0.1234, 0.05, 0.21), "+0.123 [0.050, 0.210]"),
        ((-0.1234, -0.2, 0.01), "−0.12 [−0.20, 0.01]"),
        ((12345.6, 11000, 14000), "+12,300 [11,000, 14,000]"),
        ((1.5, float("nan"), float("nan")), "+1.50"),
        ((1.5, 1.5, 1.5), "+1.50"),
        ((float("inf"), 1.0, float("inf")), "overflow"),
        ((float("nan"), 1.0, 2.0), "overflow"),
    ],
)
def test_intervals_have_two_digits_of_half_their_width(numbers, spelled):
    assert wording.interval(*numbers) == spelled


@pytest.mark.parametrize(
    ("p", "spelled"), [(0.034, "0.034"), (2.4e-5, "2e-5"), (1e-15, "< 1e-12"), (1.0, "1"), (float("nan"), "–")]
)
def test_p_values_are_short(p, spelled):
    assert wording.p_value(p) == spelled


def test_counts_have_a_plural():
    assert wording.count(1, "document") == "1 document"
    assert wording.count(1200, "item") == "1,200 items"
