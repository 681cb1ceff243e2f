"""The part of a configuration that trains transformers: inheritance, and defaults that depend on other keys."""

import copy
import difflib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

Births = dict[str, Any]
N_CHECKPOINTS = 20
SHAKESPEARE = Path(__file__).parents[1] / "config" / "published" / "tiny_shakespeare.csv"
"""Counts of the text that is used where none is named."""

OF_KIND: dict[str, dict[str, Any]] = {
    "simplified": {"positions": "random", "feed_forward": "none", "train_embeddings": False},
    "full": {
        "positions": "learned",
        "feed_forward": "mlp",
        "n_layers": 2,
        "n_heads": 4,
        "first_feed_forward": True,
        "norm": "pre",
        "tie_embeddings": False,
    },
}
"""What each kind of model can be given, with defaults; what only the other kind lists is foreign to it."""

OF_OPTIMISER: dict[str, dict[str, Any]] = {
    "sgd": {"learning_rate": 0.2, "momentum": 0.9, "weight_decay": 0.0001},
    "adamw": {"learning_rate": 0.001, "betas": [0.9, 0.95], "weight_decay": 0.01},
}
"""The same of each optimiser. A rate that suits one is not inherited by the other."""

OF_FIGURE: dict[str, dict[str, Any]] = {
    "curves": {"probes": ["in_context_accuracy"]},
    "transfer": {},
    "scaling": {"probes": ["in_context_accuracy"], "against": "dimension"},
    "timeline": {},
    "knockouts": {},
    "capacity": {},
    "attention": {},
}
"""The same of each kind of figure."""

CHOICES = {"model": ("kind", OF_KIND), "training": ("optimiser", OF_OPTIMISER)}
"""From a section to the key that decides what else belongs there."""

REPLACED = ("frozen_until", "checkpoints")
"""What is a list of its own (of parameters, of iterations): inherited whole or not at all."""


def inherit(births: Births) -> list[str]:
    """Give each birth that is like another one what that has and it lacks, in place; return what stands against it.

    A title is not inherited; nor is what depends on the kind of model or the optimiser, where the heir has another one.
    """
    done: Births = {}
    faults = []

    def whole(name: str, heirs: tuple[str, ...] = ()) -> dict[str, Any]:
        entry, circle = births[name], (*heirs, name)
        other = entry.get("like")
        if name in done or other is None:
            return done.setdefault(name, entry)
        if other in circle:
            faults.append(f"births/{circle[0]}/like: {' is like '.join((*circle, other))}, which has no end")
        elif other not in births:
            near = difflib.get_close_matches(other, births, n=1)
            hint = f"did you mean '{near[0]}'?" if near else f"known: {', '.join(births)}"
            faults.append(f"births/{name}/like: there is no birth '{other}'; {hint}")
        else:
            done[name] = _heir(copy.deepcopy(whole(other, circle)), entry)
        return done.setdefault(name, entry)

    births.update({name: whole(name) for name in births})
    return faults


def _heir(base: dict[str, Any], entry: dict[str, Any]) -> dict[str, Any]:
    """Return ``entry`` with what ``base`` says and it does not."""
    base.pop("title", None)
    for section, (key, table) in CHOICES.items():
        held, default = base.get(section, {}), next(iter(table))
        if entry.get(section, {}).get(key, held.get(key, default)) != held.get(key, default):
            base[section] = {name: value for name, value in held.items() if not _depends(name, table)}
    return _over(base, entry)


def _depends(name: str, table: Mapping[str, Mapping[str, Any]]) -> bool:
    """Say whether a key's default, or whether it can be given at all, depends on the choice."""
    return any(name in known for known in table.values())


def _over(base: Any, entry: Any) -> Any:
    """Return ``base`` with what ``entry`` says in its place, section by section."""
    if not (isinstance(base, dict) and isinstance(entry, dict)):
        return entry
    return base | {name: value if name in REPLACED else _over(base.get(name), value) for name, value in entry.items()}


def text_of(data: Mapping[str, Any]) -> Path:
    """Return the text whose characters a birth's task is made of, or counts of one."""
    return Path(data["text"]).expanduser() if "text" in data else SHAKESPEARE


def fill(births: Births, figures: dict[str, Any]) -> None:
    """Fill in the defaults that depend on other keys, in place: of births, and of their figures in the report."""
    for birth in births.values():
        for section, (key, table) in CHOICES.items():
            _fill_from(table[birth[section][key]], birth[section])
        birth["probe"].setdefault("locate", birth["model"]["kind"] == "simplified")
        training = birth["training"]
        training["checkpoints"] = sorted({0, training["n_iterations"], *training.get("checkpoints", _spread(training))})
    for figure in figures.values():
        _fill_from(OF_FIGURE[figure["kind"]], figure)


def _fill_from(defaults: dict[str, Any], section: dict[str, Any]) -> None:
    for name, value in defaults.items():
        section.setdefault(name, value.copy() if isinstance(value, list) else value)


def _spread(training: dict[str, Any]) -> list[int]:
    """Return iterations at squares of equal steps, since things happen early, and those that set parameters free."""
    last = training["n_iterations"]
    free = [iteration for iteration in training["frozen_until"].values() if iteration <= last]
    return [*free, *(round(last * (step / N_CHECKPOINTS) ** 2) for step in range(N_CHECKPOINTS + 1))]
