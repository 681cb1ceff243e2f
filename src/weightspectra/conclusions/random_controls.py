"""Which models are random controls of which; ``controls`` go from each to the model that it is made like."""

from collections.abc import Iterable, Mapping


def models(names: Iterable[str], controls: Mapping[str, str]) -> list[str]:
    """Return the models that are no random control, in their order."""
    return [name for name in dict.fromkeys(names) if name not in controls]


def control_of(model: str, controls: Mapping[str, str]) -> str:
    """Return the first random control of a model; empty if there is none."""
    return next((name for name, like in controls.items() if like == model), "")
