"""Which models are controls of which; ``controls`` go from each random control to the model that it is made like.

A second kind keeps some structure of its original (``structured``, which go likewise). Such a control is counted as a
random one is, and is neither the trained side of a comparison nor the random one.
"""

from collections.abc import Iterable, Mapping


def models(names: Iterable[str], *controls: Mapping[str, str]) -> list[str]:
    """Return the models that are no control of any of these kinds, in their order."""
    return [name for name in dict.fromkeys(names) if not any(name in kind for kind in controls)]


def control_of(model: str, controls: Mapping[str, str]) -> str:
    """Return the first random control of a model; empty if there is none."""
    return next((name for name, like in controls.items() if like == model), "")
