"""The tables of RESULTS.md."""

import pytest
import results

TEXT = """# Measured

## Speed

Words.

| a | b |
|---|---|
| 1 | 2 |

## Calibration

| a | b | c |
|---|---|---|
"""


def test_a_row_goes_to_the_end_of_its_own_table():
    text = results.with_row(TEXT, "## Speed", ["3", "4"])
    text = results.with_row(text, "## Calibration", ["5", "6", "7"])
    lines = text.splitlines()
    assert lines[lines.index("| 1 | 2 |") + 1] == "| 3 | 4 |"
    assert lines[-1] == "| 5 | 6 | 7 |"
    assert [line for line in lines if line not in ("| 3 | 4 |", "| 5 | 6 | 7 |")] == TEXT.splitlines()


@pytest.mark.parametrize("cells", [["3"], ["3", "4", "5"], ["3", "a | b"], ["3", "a\nb"]])
def test_a_row_that_would_break_the_table_is_refused(cells):
    with pytest.raises(ValueError, match="2 columns"):
        results.with_row(TEXT, "## Speed", cells)


def test_every_recorded_row_has_the_columns_of_its_table():
    text = results.RESULTS.read_text()
    for kind, heading in results.HEADINGS.items():
        table = [line for line in text.split(heading)[1].split("\n## ")[0].splitlines() if line.startswith("|")]
        assert {line.count("|") for line in table} == {len(kind._fields) + 4}
