import pytest

from weightspectra.report.births.summaries import spell
from weightspectra.statistics.spread import spread

NAN = float("nan")


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ([0.95, 0.97, 0.96], "0.960 ± 0.010"),
        ([5, 5, 5], "5"),
        ([0.98] * 3, "0.980"),
        ([0.1 + 0.2, 0.3, 0.3], "0.300"),
        ([150, 160, NAN], "155.0 ± 7.1 (2 of 3)"),
        ([4, NAN, NAN], "4 (1 of 3)"),
        ([NAN, NAN], "never"),
        ([1000, 1000], "1,000"),
        ([-20, -20], "−20"),
    ],
)
def test_spreads_are_spelled_with_the_runs_that_lack_the_number(values, text):
    assert spell(spread(values), none="never") == text
