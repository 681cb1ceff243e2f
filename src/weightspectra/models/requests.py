"""What can be asked of a model, as far as its ``config.json`` says: metrics, roles, layers."""

from collections.abc import Iterable, Mapping
from typing import Any

from weightspectra.base.errors import UserError
from weightspectra.models.families.family import Family
from weightspectra.models.families.registry import family_of
from weightspectra.models.layouts import Config

METRIC_HEADS = {"perplexity": "causal", "tasks": "causal", "predict": "causal", "pseudo_perplexity": "masked"}
"""From a metric, or the section ``predict``, to the kind of head that it needs; other metrics need none."""
HEADS_OF = {"causal": ("ForCausalLM", "LMHeadModel", "BigramTransformer"), "masked": ("ForMaskedLM", "ForPreTraining")}
"""How the names of classes with such a head end."""


def check_request(config: Config, requested: Mapping[str, Iterable[Any]]) -> None:
    """Refuse what cannot be asked of a model, before anything is computed.

    Parameters
    ----------
    config : mapping
        The model's ``config.json``.
    requested : mapping
        ``metrics``, ``roles`` and ``layers`` that experiments or figures name;
        ``predict`` among the metrics if its damage is to be predicted. (``texts``, the
        sections that give it texts, is for whoever has its tokenizer.)

    Raises
    ------
    UserError
        For a role or layer that the model lacks, and for a metric of the other kind
        of model or that needs a head which the checkpoint lacks.
    """
    family = family_of(config)
    held = {role for _, role in family.places(config)}
    for role in requested.get("roles", ()):
        if role not in held:
            known = ", ".join(role for role in family.roles if role in held)
            raise UserError(f"role '{role}': a {family.model_type} model has only {known}")
    n_layers = family.depth(config)
    for layer in requested.get("layers", ()):
        if not 0 <= layer < n_layers:
            raise UserError(f"layer {layer}: this {family.model_type} model has layers 0 to {n_layers - 1}")
    for metric in sorted(METRIC_HEADS.keys() & set(requested.get("metrics", ()))):
        _check_head(family, config, metric)


def head_for(metrics: Iterable[str]) -> str | None:
    """Return the kind of head, ``causal`` or ``masked``, that metrics need; None if none of them needs one."""
    return next((METRIC_HEADS[metric] for metric in metrics if metric in METRIC_HEADS), None)


def _check_head(family: Family, config: Config, metric: str) -> None:
    head = METRIC_HEADS[metric]
    what, where = f"metric '{metric}'", "the experiment's models"
    if metric == "predict":
        what, where = "predicting damage", "predict/models"
    if family.causal != (head == "causal"):
        needed = "predicts the next token" if head == "causal" else "predicts masked tokens"
        found = "predicts the next token" if family.causal else "is an encoder"
        raise UserError(
            f"{what} needs a model that {needed}; model type '{family.model_type}' {found}: its spectra and "
            f"activations can be analysed without; take it out of {where}"
        )
    heads = config.get("architectures") or []
    if not any(name.endswith(HEADS_OF[head]) for name in heads):
        kind = "language-model" if head == "causal" else "masked-language-model"
        raise UserError(
            f"{what} needs a checkpoint with a {kind} head, for example "
            f"architectures: ['...{HEADS_OF[head][0]}'] in its config.json; found {heads}: take the model out of "
            f"{where}, or fetch the checkpoint that has the head"
        )
