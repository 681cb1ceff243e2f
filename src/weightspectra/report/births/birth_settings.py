"""The settings of trained births in words: what most have in common, and where each differs."""

from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from weightspectra.birth.model.parameters import WEIGHTS
from weightspectra.report.births.birth_summaries import MATRIX_TITLES
from weightspectra.report.kit import wording

Entry = Mapping[str, Any]
"""A birth's entry of the configuration."""

_TITLES = {parameter: MATRIX_TITLES[matrix] for matrix, parameter in WEIGHTS.items()}


def title(births: Mapping[str, Entry], name: str) -> str:
    """Return what tables and sentences call a birth."""
    return str(births.get(name, {}).get("title", name))


def in_words(births: Mapping[str, Entry]) -> tuple[str, dict[str, str]]:
    """Say what most births have in common, and for each in which settings it differs.

    Parameters
    ----------
    births : mapping
        From each birth to its entry of the configuration.

    Returns
    -------
    common : str
        The most frequent wording of each setting (the first of equals).
    different : dict
        From each birth to its own wording of the others; ``""`` if there are none.
    """
    said = {name: {about: tell(entry) for about, tell in _SETTINGS.items()} for name, entry in births.items()}
    common = {
        about: Counter(words[about] for words in said.values()).most_common(1)[0][0] if said else ""
        for about in _SETTINGS
    }
    different = {
        name: ", ".join(text for about, text in words.items() if text and text != common[about])
        for name, words in said.items()
    }
    return ", ".join(text for about, text in common.items() if text and text not in _USUAL), different


def released(entry: Entry) -> dict[int, list[str]]:
    """Return at which iterations frozen parameters begin to learn, rising, and the names of those that do."""
    found: dict[int, list[str]] = {}
    for parameter, iteration in entry["training"]["frozen_until"].items():
        found.setdefault(int(iteration), []).append(parameter)
    return dict(sorted(found.items()))


def _triggers(entry: Entry) -> str:
    data = entry["data"]
    if data["triggers"] == "random":
        return f"{wording.count(data['n_triggers'], 'random trigger')}"
    after = f" after the first {data['offset']}" if data["offset"] else ""
    return f"the {data['n_triggers']} most frequent triggers{after}"


def _model(entry: Entry) -> str:
    model = entry["model"]
    if model["kind"] == "simplified":
        return "simplified model"
    norm = {"pre": "norms before", "post": "norms after", "none": "no norms"}[model["norm"]]
    parts = [wording.count(model["n_layers"], "layer"), wording.count(model["n_heads"], "head"), norm]
    parts += [] if model["first_feed_forward"] else ["no perceptron in the first layer"]
    return f"full model ({', '.join(parts + ['tied embeddings'] * model['tie_embeddings'])})"


def _feed_forward(entry: Entry) -> str:
    return {"none": "no W_F", "linear": "linear W_F", "mlp": "perceptron after attention"}[
        entry["model"]["feed_forward"]
    ]


def _optimiser(entry: Entry) -> str:
    training = entry["training"]
    if training["optimiser"] == "sgd":
        return f"SGD at {training['learning_rate']:g}, momentum {training['momentum']:g}"
    betas = " and ".join(f"{beta:g}" for beta in training["betas"])
    return f"AdamW at {training['learning_rate']:g}, betas {betas}"


def _frozen(entry: Entry) -> str:
    parts = [
        f"{wording.listing([_TITLES.get(name, name) for name in names])} frozen until {iteration:,}"
        for iteration, names in released(entry).items()
    ]
    return ", ".join(parts) or "nothing frozen"


_SETTINGS: dict[str, Callable[[Entry], str]] = {
    "triggers": _triggers,
    "outputs": lambda entry: f"{entry['data']['outputs']} outputs",
    "repeats": lambda entry: "never the trigger itself" if entry["data"]["no_repeat"] else "any output",
    "length": lambda entry: f"T = {entry['data']['length']}",
    "text": lambda entry: f"characters of {Path(entry['data']['text']).name}" if entry["data"].get("text") else "",
    "model": _model,
    "dimension": lambda entry: f"d = {entry['model']['dimension']}",
    "feed_forward": _feed_forward,
    "positions": lambda entry: f"{entry['model']['positions']} positions",
    "embeddings": lambda entry: (
        "embeddings trained" if entry["model"].get("train_embeddings") else "embeddings as usual"
    ),
    "scores": lambda entry: "scaled scores" if entry["model"]["scale_attention"] else "scores not scaled",
    "loss": lambda entry: "loss on all tokens" if entry["training"]["loss"] == "all" else "loss in context only",
    "optimiser": _optimiser,
    "decay": lambda entry: f"weight decay {entry['training']['weight_decay']:g}",
    "batch": lambda entry: f"batches of {entry['training']['batch_size']}",
    "frozen": _frozen,
}
"""From what a setting is about to its wording; in the order in which they are told."""

_USUAL = {"any output", "nothing frozen", "embeddings as usual", "scaled scores", "random positions"}
"""What goes without saying where most births have it."""
