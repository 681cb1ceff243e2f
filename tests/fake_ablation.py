"""Cuts, compressions, predictions, fine-tunings and comparisons with known answers, as rows of their contracts."""

import numpy as np
import pandas as pd
from fake_run import LLAMA, evaluation

from weightspectra.contracts import ROLES

TOKENS = np.full(8, 100)


def baseline(seed: int = 5) -> np.ndarray:
    """Negative log-likelihoods of the untouched model, one per document."""
    return TOKENS * np.random.default_rng(seed).normal(3.0, 0.2, len(TOKENS))


def scored(cut: str, cost: float, *, removed: str, roles=("down",), layers=(0, 1), **names) -> dict:
    """One cut that costs so many nats per token, give or take 0.002 a document."""
    noise = np.random.default_rng([ord(letter) for letter in cut]).normal(0, 0.002, len(TOKENS))
    nll = baseline() + TOKENS * (cost + noise) * (cost != 0)
    scope, decile = names.pop("scope", "role"), names.pop("decile", 0)
    return evaluation(cut, scope, removed, decile, roles, layers, nll, baseline(), TOKENS, **names)


def untouched(**names) -> dict:
    return scored("none", 0.0, removed="none", roles=(), layers=(), **{"scope": "none", **names})


def controls_experiment(costs: dict[str, float], *, control: float = 0.01, n_random: int = 2, **names) -> pd.DataFrame:
    """Decile 1 of each role at its cost, with all controls at one other cost."""
    rows = [untouched(**names)]
    for role, cost in costs.items():
        cut = f"decile 1 of {role}"
        rows.append(scored(cut, cost, removed="decile 1", roles=[role], decile=1, **names))
        kinds = ["same count as", "same energy as"] + [f"random window {n + 1} like" for n in range(n_random)]
        for kind in kinds:
            beside = {"removed": f"{kind} decile 1", "roles": [role], "control_of": cut}
            rows.append(scored(f"{kind} {cut}", control, **beside, **names))
    return pd.DataFrame(rows)


def compression_experiment(shapes=LLAMA, n_layers: int = 2, sizes=(0.9, 0.8, 0.6), **names) -> pd.DataFrame:
    """Plain and whitened compressions of all matrices, the smaller the dearer; one single matrix beside them."""
    whole = n_layers * sum(n_out * n_in for n_out, n_in in shapes.values())
    everything = {"roles": list(shapes), "layers": range(n_layers), "scope": "all"}
    rows = [untouched(**names)]
    for method, factor in (("svd", 4.0), ("whitened", 1.0)):
        for size in sizes:
            name = f"{method} to {size:g}"
            more = {"removed": name, "kept_parameters": size * whole, **everything}
            rows.append(scored(f"{name} of all matrices", factor * (1 - size), **more, **names))
    n_out, n_in = shapes["down"]
    laser = {"removed": "all but indices 0-4", "roles": ["down"], "layers": [1], "scope": "matrix"}
    laser["kept_parameters"] = 5.0 * (n_out + n_in)
    rows.append(scored("only indices 0-4 of layer 1 down", -0.02, **laser, **names))
    return pd.DataFrame(rows)


def predictions(shapes=LLAMA, n_layers: int = 2, model: str = "trained") -> pd.DataFrame:
    """Damage that grows tenfold from decile to decile up to 1e-1, and a thousandfold in decile 1 of the first down."""
    rows = []
    for layer in range(n_layers):
        for role, (n_out, n_in) in shapes.items():
            for decile in range(1, 11):
                predicted = 10.0 ** (decile - 11) * (1 + ROLES.index(role)) * (1 + layer)
                predicted *= 1e6 if (decile, layer, role) == (1, 0, "down") else 1
                rows.append(
                    {
                        "model": model,
                        "corpus": "prose",
                        "layer": layer,
                        "role": role,
                        "expert": 0,
                        "decile": decile,
                        "n_removed": min(n_out, n_in) // 10,
                        "n_tokens": 2048,
                        "weight_energy": decile / 55,
                        "centred_energy": decile / 55,
                        "output_energy": decile / 55,
                        "first_order": 0.0,
                        "second_order": predicted,
                        "predicted": predicted,
                    }
                )
    return pd.DataFrame(rows)


def directions(model: str = "trained") -> pd.DataFrame:
    """Two surprising directions: one reads the first token's huge component, one a rare token."""
    rows = [
        (0, "down", 47, 48, 0.02, 1e-5, 0.4, 1.5, 0, 0.98, 0.9, 0.01, 0.999, 35.0, ["<s>", "<s>", "\n"], [0, 0, 12]),
        (1, "up", 46, 48, 0.03, 2e-5, 0.1, 0.2, 5, 0.60, 0.1, 0.2, 0.01, 12.0, ["Ġcongress", " of", "|"], [7, 9, 30]),
    ]
    names = (
        *("layer", "role", "index", "n_values", "singular_value", "weight_energy", "output_energy", "predicted"),
        *("component", "overlap", "component_share", "mean_share"),
        *("first_token_share", "peak", "tokens", "positions"),
    )
    found = pd.DataFrame(rows, columns=list(names))
    return found.assign(model=model, corpus="prose", expert=0)


def finetunings(
    *,
    deciles=(1, 5, 10),
    n_seeds: int = 6,
    n_removed: int | None = None,
    n_epochs: int = 2,
    n_test: int = 200,
    drops: dict | None = None,
    model: str = "trained",
) -> pd.DataFrame:
    """Untouched runs right on 80 of 100 examples, and runs that lose a share of these by order and decile."""
    drops = (
        drops if drops is not None else {("remove_first", 10): 0.3, ("remove_last", 10): 0.3, ("remove_last", 1): 0.1}
    )
    orders = [("none", 0), *((order, decile) for order in ("remove_first", "remove_last") for decile in deciles)]
    rows = []
    for order, decile in orders:
        for seed in range(n_seeds if order == "none" or n_removed is None else n_removed):
            for epoch in range(1, n_epochs + 1):
                rng = np.random.default_rng([seed, epoch])
                right = (rng.random(n_test) < 0.8).astype(int)
                lost = np.random.default_rng([seed, epoch, decile, len(order)]).random(n_test)
                right[lost < drops.get((order, decile), 0.0)] = 0
                rows.append(
                    {
                        "model": model,
                        "finetuning": "century",
                        "order": order,
                        "decile": decile,
                        "removed_energy": decile / 55,
                        "seed": seed,
                        "epoch": epoch,
                        "train_loss": 0.4,
                        "loss": 0.5,
                        "accuracy": float(right.mean()),
                        "auc": 0.9,
                        "n_train": 1000,
                        "unknown_tokens": 0.0,
                        "n_test": n_test,
                        "units": [f"speech {number // 4}" for number in range(n_test)],
                        "right": right.tolist(),
                    }
                )
    return pd.DataFrame(rows)


def comparison(shapes=LLAMA, n_layers: int = 3, name: str = "tuned") -> pd.DataFrame:
    """A difference of low rank that lies in the largest decile on the left, and evenly on the right."""
    rows = []
    left, right = np.array([0.06] * 9 + [0.46]), np.full(10, 0.1)
    bands = {
        f"{kind}_{end}": np.full(10, 0.1 + reach)
        for kind in ("left", "right", "left_leading", "right_leading")
        for end, reach in (("low", -0.03), ("high", 0.03))
    }
    for layer in range(n_layers):
        for role, (n_out, n_in) in shapes.items():
            rows.append(
                {
                    "comparison": name,
                    "base": "trained",
                    "tuned": "control",
                    "layer": layer,
                    "role": role,
                    "expert": 0,
                    "n_out": n_out,
                    "n_in": n_in,
                    "relative_change": 0.01 * (layer + 1),
                    "stable_rank": 4.0,
                    "n_above": 3,
                    "bound_upper": 1.0,
                    "alignment": -0.25,
                    "singular_values": np.concatenate([[4.0, 3.0, 2.0], np.linspace(0.95, 0.05, min(n_out, n_in) - 3)]),
                    "left_shares": left,
                    "right_shares": right,
                    "left_leading": left,
                    "right_leading": right,
                    "left_expected": np.full(10, 0.1),
                    "right_expected": np.full(10, 0.1),
                    **bands,
                }
            )
    return pd.DataFrame(rows)
