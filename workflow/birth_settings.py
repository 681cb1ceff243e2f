"""The part of a configuration that trains transformers: inheritance, defaults that depend on others, contradictions."""

import difflib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from weightspectra.birth.parameters import trained_parameters

Births = dict[str, Any]
N_CHECKPOINTS = 20


def inherit(births: Births) -> list[str]:
    """Give each birth that is like another one what that has and it lacks, in place; return what stands against it."""
    done: dict[str, Any] = {}
    faults = []

    def whole(name: str, seen: tuple[str, ...]) -> Any:
        entry = births[name]
        other = entry.get("like") if isinstance(entry, dict) else None
        if name in done or other is None:
            return done.setdefault(name, entry)
        if other in (*seen, name):
            faults.append(f"births/{name}/like: {' is like '.join((*seen, name, other))}, which has no end")
        elif other not in births:
            near = difflib.get_close_matches(str(other), births, n=1)
            faults.append(
                f"births/{name}/like: there is no birth '{other}'" + (f"; did you mean '{near[0]}'?" * bool(near))
            )
        else:
            done[name] = _over(whole(other, (*seen, name)), entry, keep=("title",))
        return done.setdefault(name, entry)

    births.update({name: whole(name, ()) for name in births})
    return faults


def _over(base: Any, entry: Any, keep: tuple[str, ...] = ()) -> Any:
    """Return ``base`` with what ``entry`` says in its place, section by section, but for ``keep``."""
    if not (isinstance(base, dict) and isinstance(entry, dict)):
        return entry
    taken = {name: value for name, value in base.items() if name not in keep}
    replaced = {"frozen_until", "checkpoints"}  # lists of their own, not sections
    return {
        **taken,
        **{name: value if name in replaced else _over(taken.get(name), value) for name, value in entry.items()},
    }


def fill(births: Births) -> None:
    """Fill in the defaults that depend on other keys, in place."""
    for birth in births.values():
        model, training = birth["model"], birth["training"]
        full = model["kind"] == "full"
        model.setdefault("positions", "learned" if full else "random")
        model.setdefault("feed_forward", "mlp" if full else "none")
        last = training["n_iterations"]
        # Squares of equal steps: things happen early.
        spread = {round(last * (step / N_CHECKPOINTS) ** 2) for step in range(N_CHECKPOINTS + 1)}
        training["checkpoints"] = sorted({0, last, *training.get("checkpoints", spread)})


def contradictions(config: Mapping[str, Any]) -> Iterator[str]:
    """Yield what cannot be trained, probed or read, one line each."""
    for name, birth in config["births"].items():
        yield from _contradictions_of(f"births/{name}", birth)
    for name, model in config["models"].items():
        spec = model["source"].get("birth")
        if spec is None or spec["birth"] not in config["births"]:
            continue
        birth = config["births"][spec["birth"]]
        for key, known in (("seed", birth["seeds"]), ("iteration", birth["training"]["checkpoints"])):
            if spec[key] not in known:
                kept = ", ".join(map(str, known))
                yield f"models/{name}/source/birth/{key}: found {spec[key]}; births/{spec['birth']} keeps {kept}"


def _contradictions_of(where: str, birth: Mapping[str, Any]) -> Iterator[str]:
    data, model, training = birth["data"], birth["model"], birth["training"]
    text = data.get("text")
    if text is not None and not Path(text).expanduser().is_file():
        yield f"{where}/data/text: there is no file {text}; name a text file, or leave the key out"
    if data["triggers"] == "random" and data["offset"]:
        yield f"{where}/data/offset: random triggers have no order to skip in; leave it out, or choose frequent ones"
    if data["length"] < 2 * data["n_triggers"]:
        yield (
            f"{where}/data/length: {data['length']} tokens cannot show {data['n_triggers']} triggers twice; "
            f"use at least {2 * data['n_triggers']}"
        )
    if model["kind"] == "full" and model["dimension"] % model["n_heads"]:
        yield f"{where}/model/n_heads: a width of {model['dimension']} cannot be divided into {model['n_heads']} heads"
    if model["positions"] == ("learned" if model["kind"] == "simplified" else "random"):
        allowed = "random or sinusoidal" if model["kind"] == "simplified" else "learned or sinusoidal"
        yield f"{where}/model/positions: the {model['kind']} model has {allowed} ones, found {model['positions']}"
    known = trained_parameters(model)
    for parameter in training["frozen_until"]:
        if parameter not in known:
            near = difflib.get_close_matches(parameter, known, n=1)
            hint = f"did you mean '{near[0]}'?" if near else f"known: {', '.join(known)}"
            yield f"{where}/training/frozen_until: no trained parameter '{parameter}'; {hint}"
    late = [iteration for iteration in training["checkpoints"] if iteration > training["n_iterations"]]
    if late:
        yield f"{where}/training/checkpoints: {late[0]} is after the last of {training['n_iterations']} iterations"
