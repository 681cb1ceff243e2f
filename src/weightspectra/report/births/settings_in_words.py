"""The settings of trained births in words: what most have in common, and where each differs."""

from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path

from weightspectra.birth.model.parameters import WEIGHTS
from weightspectra.birth.settings import Birth
from weightspectra.report.births.summaries import MATRIX_TITLES
from weightspectra.report.kit import wording

_TITLES = {parameter: MATRIX_TITLES[matrix] for matrix, parameter in WEIGHTS.items()}


def title(births: Mapping[str, Birth], name: str) -> str:
    """Return what tables and sentences call a birth."""
    return (births[name].title if name in births else None) or name


def in_words(births: Mapping[str, Birth]) -> tuple[str, dict[str, str]]:
    """Say what most births have in common, and for each in which settings it differs.

    Parameters
    ----------
    births : mapping from str to Birth

    Returns
    -------
    common : str
        The most frequent wording of each setting (the first of equals).
    different : dict
        From each birth to its own wording of the others; ``""`` if there are none.
    """
    said = {name: {about: tell(birth) for about, tell in _SETTINGS.items()} for name, birth in births.items()}
    common = {
        about: Counter(words[about] for words in said.values()).most_common(1)[0][0] if said else ""
        for about in _SETTINGS
    }
    different = {
        name: ", ".join(text for about, text in words.items() if text and text != common[about])
        for name, words in said.items()
    }
    return ", ".join(text for about, text in common.items() if text and text not in _USUAL), different


def released(birth: Birth) -> dict[int, list[str]]:
    """Return at which iterations frozen parameters begin to learn, rising, and the names of those that do."""
    found: dict[int, list[str]] = {}
    for parameter, iteration in birth.training.frozen_until.items():
        found.setdefault(iteration, []).append(parameter)
    return dict(sorted(found.items()))


def _triggers(birth: Birth) -> str:
    data = birth.data
    if data.triggers == "random":
        return f"{wording.count(data.n_triggers, 'random trigger')}"
    after = f" after the first {data.offset}" if data.offset else ""
    return f"the {data.n_triggers} most frequent triggers{after}"


def _model(birth: Birth) -> str:
    model = birth.model
    if model.kind == "simplified":
        return "simplified model"
    norm = {"pre": "norms before", "post": "norms after"}.get(model.norm or "none", "no norms")
    parts = [wording.count(model.n_layers or 0, "layer"), wording.count(model.n_heads or 0, "head"), norm]
    parts += [] if model.first_feed_forward else ["no perceptron in the first layer"]
    return f"full model ({', '.join(parts + ['tied embeddings'] * bool(model.tie_embeddings))})"


def _feed_forward(birth: Birth) -> str:
    return {"none": "no W_F", "linear": "linear W_F", "mlp": "perceptron after attention"}[birth.model.feed_forward]


def _optimiser(birth: Birth) -> str:
    training = birth.training
    if training.optimiser == "sgd":
        return f"SGD at {training.learning_rate:g}, momentum {training.momentum:g}"
    betas = " and ".join(f"{beta:g}" for beta in training.betas or ())
    return f"AdamW at {training.learning_rate:g}, betas {betas}"


def _frozen(birth: Birth) -> str:
    parts = [
        f"{wording.listing([_TITLES.get(name, name) for name in names])} frozen until {iteration:,}"
        for iteration, names in released(birth).items()
    ]
    return ", ".join(parts) or "nothing frozen"


_SETTINGS: dict[str, Callable[[Birth], str]] = {
    "triggers": _triggers,
    "outputs": lambda birth: f"{birth.data.outputs} outputs",
    "repeats": lambda birth: "never the trigger itself" if birth.data.no_repeat else "any output",
    "length": lambda birth: f"T = {birth.data.length}",
    "text": lambda birth: f"characters of {Path(birth.data.text).name}" if birth.data.text else "",
    "model": _model,
    "dimension": lambda birth: f"d = {birth.model.dimension}",
    "feed_forward": _feed_forward,
    "positions": lambda birth: f"{birth.model.positions} positions",
    "embeddings": lambda birth: "embeddings trained" if birth.model.train_embeddings else "embeddings as usual",
    "scores": lambda birth: "scaled scores" if birth.model.scale_attention else "scores not scaled",
    "loss": lambda birth: "loss on all tokens" if birth.training.loss == "all" else "loss in context only",
    "optimiser": _optimiser,
    "decay": lambda birth: f"weight decay {birth.training.weight_decay:g}",
    "batch": lambda birth: f"batches of {birth.training.batch_size}",
    "frozen": _frozen,
}
"""From what a setting is about to its wording; in the order in which they are told."""

_USUAL = {"any output", "nothing frozen", "embeddings as usual", "scaled scores", "random positions"}
"""What goes without saying where most births have it."""
