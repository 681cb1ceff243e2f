"""Remembers fake measurements: many tests ask for the same ones, and to make them takes longer than to draw them."""

import functools
from collections.abc import Callable

import pandas as pd

Frames = dict[str, pd.DataFrame]


def once(make: Callable[..., Frames]) -> Callable[..., Frames]:
    """Remember the frames that a function makes of arguments that read the same, and hand out copies of them."""
    known: dict[str, Frames] = {}

    @functools.wraps(make)
    def made(*arguments: object, **named: object) -> Frames:
        key = repr((arguments, named))
        if key not in known:
            known[key] = make(*arguments, **named)
        return {name: rows.copy() for name, rows in known[key].items()}

    return made
