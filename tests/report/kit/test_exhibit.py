"""What figures are told: titles as they are, whatever matplotlib would make of them."""

import pytest

from weightspectra.report.kit import style
from weightspectra.report.kit.exhibit import Named, escaped, unescaped

TITLES = ["5$ and 6$", r"$\frac{", r"\$1 or $x^2$", "{a} {b: c}", "$", "$$", "plain"]


@pytest.mark.parametrize("title", TITLES)
def test_a_title_is_drawn_letter_by_letter(title):
    drawn = []
    for text, parse in ((escaped(title), True), (title, False)):
        figure = style.new_figure(1.0)
        figure.text(0.1, 0.5, text, parse_math=parse)
        drawn.append(style.to_bytes(figure, "svg"))
    assert drawn[0] == drawn[1]
    assert unescaped(escaped(title)) == title


def test_beside_formulas_of_ours_a_title_stays_a_title():
    figure = style.new_figure(1.0)
    figure.text(0.1, 0.5, f"{escaped('5$ of {6}$')}: $W_O^2$")
    assert style.to_bytes(figure, "svg")


def test_models_and_births_are_drawn_with_their_titles():
    named = Named({"a": "5$"}, {"c": "a"}, {"one": {"title": "6$", "seeds": [0]}, "two": {"title": None}})
    assert named.drawn == Named(
        {"a": r"5\$"}, {"c": "a"}, {"one": {"title": r"6\$", "seeds": [0]}, "two": {"title": None}}
    )
