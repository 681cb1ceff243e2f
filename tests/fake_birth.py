"""Births with known answers: learning, probes, attention, locations, knock-outs and simulations as rows of contracts.

Accuracy crosses one half at ``formed`` (ten iterations later with each further
seed) or never, and a matrix's memories are located from ``visible`` on, whatever
the seed. The blind locator finds one thing more than is there in W_K^2, and at
the initialisation one thing in W_O^2 of the last seed; the informed one errs never.
Where there are as many memories as dimensions, nobody can tell true from false.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from once import once
from scipy import stats

from weightspectra import contracts
from weightspectra.birth.settings import Birth
from weightspectra.config.reading import resolve
from weightspectra.spectra.law import marchenko_pastur

CONTRACTS = (
    *(contracts.LEARNING, contracts.PROBES, contracts.ATTENTION_MAPS),
    *(contracts.LOCATIONS, contracts.KNOCKOUTS, contracts.SIMULATIONS),
)
CHARACTERS = " etoahsrnil"
DELAY = 10
"""Iterations by which each seed is later than the one before."""
FINAL = 0.96
LOST = {"output_2": 0.9, "key_2": 0.6, "key_1": 0.2, "feed_forward": 0.1, "all": 0.95}
"""Accuracy that removing what is located costs."""
ATTENTION = {
    "attends_previous": (0, 0.25),
    "attends_previous_start": (0, 0.9),
    "attends_repeat": (1, 1.0),
    "attends_previous_repeat": (0, 0.95),
    "predicts_attended": (1, 1.0),
    "attends_answer": (1, 0.98),
}
"""From the probes of attention to the layer they look at, and their value where accuracy is one."""


@dataclass(frozen=True)
class FakeBirth:
    """One birth: what is different from the default configuration, and when things happen."""

    name: str = "small"
    data: Mapping[str, Any] = field(default_factory=dict)
    model: Mapping[str, Any] = field(default_factory=dict)
    training: Mapping[str, Any] = field(default_factory=dict)
    seeds: tuple[int, ...] = (0, 1, 2)
    formed: float | None = 150
    visible: Mapping[str, int] = field(
        default_factory=lambda: {"output_2": 4, "key_2": 16, "key_1": 49, "feed_forward": 9}
    )
    title: str = ""

    @cached_property
    def settings(self) -> Birth:
        """The birth's entry of a configuration."""
        entry = {
            "data": {"length": 24, **self.data},
            "model": {"dimension": 16, **self.model},
            "training": dict(self.training),
            "seeds": list(self.seeds),
            **({"title": self.title} if self.title else {}),
        }
        born = {"birth": {"birth": self.name, "seed": self.seeds[0], "iteration": 0}}
        return resolve({"models": {"born": {"source": born}}, "births": {self.name: entry}}).births[self.name]

    @property
    def matrices(self) -> list[str]:
        """Names of the matrices that hold memories."""
        fed = self.settings.model.feed_forward == "linear"
        return ["output_2", "key_2", "key_1", *["feed_forward"] * fed]

    def n_memories(self, matrix: str) -> int:
        """Memories that the task stores in a matrix."""
        data, n = self.settings.data, len(CHARACTERS)
        fixed = data.triggers == "frequent"
        return {"key_2": data.n_triggers if fixed else n, "key_1": data.length - 1}.get(matrix, n)

    def n_located(self, matrix: str, iteration: int) -> int:
        """Memories that are located: one when the first appears, and no more than half the dimension ever."""
        settings, start = self.settings, self.visible[matrix]
        most = min(self.n_memories(matrix), settings.model.dimension // 2)
        grown = np.ceil(most * (iteration - start + 1) / (settings.training.n_iterations - start + 1))
        return int(grown) if iteration >= start else 0

    def accuracy(self, iteration: int, seed: int) -> float:
        """In-context accuracy, a little lower for each further seed."""
        if self.formed is None:
            return 0.02
        middle = self.formed + DELAY * self.seeds.index(seed)
        return float((FINAL - 0.01 * self.seeds.index(seed)) / (1 + np.exp((middle - iteration) / 10)))


@once
def frames(*births: FakeBirth) -> dict[str, pd.DataFrame]:
    """Return rows of the contracts that tell of these births, by the contract's name."""
    makers = {
        "learning": _learning,
        "probes": _probes,
        "attention_maps": _attention_maps,
        "locations": _locations,
        "knockouts": _knockouts,
    }
    found = {
        name: [
            {"birth": birth.name, "seed": seed, **row}
            for birth in births
            for seed in birth.seeds
            for row in make(birth, seed)
        ]
        for name, make in makers.items()
    }
    found["simulations"] = list(_simulations()) if births else []
    return {contract.name: _typed(contract, found[contract.name]) for contract in CONTRACTS}


def settings(*births: FakeBirth) -> dict[str, Birth]:
    """Return the births of the configuration."""
    return {birth.name: birth.settings for birth in births}


def _typed(contract: contracts.Contract, rows: list[dict[str, Any]]) -> pd.DataFrame:
    """Rows as they come back from a file of this contract."""
    frame = pd.DataFrame(rows, columns=contract.schema.names)
    return contract.arrow_table({name: frame[name] for name in frame}).to_pandas()


def _iterations(birth: FakeBirth) -> list[int]:
    return birth.settings.training.checkpoints


def _learning(birth: FakeBirth, seed: int) -> Iterator[dict[str, Any]]:
    for iteration in range(birth.settings.training.n_iterations):
        accuracy = birth.accuracy(iteration, seed)
        yield {"iteration": iteration, "loss": 4.2 * (1 - accuracy), "accuracy": accuracy, "n_scored": 500}


def _probes(birth: FakeBirth, seed: int) -> Iterator[dict[str, Any]]:
    full = birth.settings.model.kind == "full"
    n = len(CHARACTERS)
    for iteration in _iterations(birth):
        accuracy = birth.accuracy(iteration, seed)

        def row(probe, value, *, outputs="", error=float("nan"), chance=float("nan"), n=n, at=-1, iteration=iteration):
            named = {"iteration": iteration, "probe": probe, "outputs": outputs, "value": value}
            where = {"layer": at, "head": min(at, 0)}
            return {**named, **where, "standard_error": error, "chance": chance, "n": n}

        for outputs, factor in (("", 1.0), ("uniform", 0.95), ("bigram", 0.8)):
            yield row("in_context_accuracy", factor * accuracy, outputs=outputs, error=0.01, chance=1 / n, n=500)
        yield row("induction_accuracy", accuracy, error=0.01, chance=1 / n, n=400)
        yield row("in_context_loss", 4.2 * (1 - accuracy), error=0.02, n=500)
        yield row("global_loss", 2.5 + 1.5 * np.exp(-iteration / 20), error=0.02, n=2000)
        for probe, (layer, share) in ATTENTION.items():
            yield row(probe, share * accuracy, error=0.01, chance=1 / n, n=500, at=layer)
        if full:
            continue
        for matrix, probe in (("output_2", "recall_output"), ("key_2", "recall_key_2"), ("key_1", "recall_key_1")):
            known = birth.n_memories(matrix)
            yield row(probe, birth.n_located(matrix, iteration) / known, chance=1 / known, n=known)
        early = min(1.0, 2 * birth.n_located("key_1", iteration) / birth.n_memories("key_1"))
        yield row("recall_key_1_early", early, chance=1 / birth.n_memories("key_1"), n=birth.n_memories("key_1"))
        if "feed_forward" in birth.matrices:
            yield row("recall_output_corrected", birth.n_located("output_2", iteration) / n, chance=1 / n)
            yield row("divergence_bigram", 1.0 + np.exp(-iteration / 20))
            yield row("divergence_bigram_weighted", 0.5 + np.exp(-iteration / 20))


def _attention_maps(birth: FakeBirth, seed: int) -> Iterator[dict[str, Any]]:
    length = birth.settings.data.length
    text = [CHARACTERS[(3 * place + place // 5) % len(CHARACTERS)] for place in range(length)]
    occurrence = [text[: place + 1].count("e") if letter == "e" else 0 for place, letter in enumerate(text)]
    for layer in range(2):
        for position in range(length):
            weights = np.full(position + 1, 0.2 / (position + 1))
            before = [place for place in range(1, position + 1) if text[place - 1] == text[position]]
            target = position - 1 if layer == 0 or not before else before[0]
            weights[max(target, 0)] += 0.8
            yield {
                "iteration": _iterations(birth)[-1],
                "layer": layer,
                "head": 0,
                "position": position,
                "character": text[position],
                "occurrence": occurrence[position],
                "weights": weights,
            }


def _locations(birth: FakeBirth, seed: int) -> Iterator[dict[str, Any]]:
    for iteration in _iterations(birth):
        for matrix in birth.matrices:
            for locator in ("blind", "informed", "weightwatcher"):
                yield {
                    "iteration": iteration,
                    "matrix": matrix,
                    "locator": locator,
                    **_located(birth, seed, matrix, iteration, blind=locator == "blind"),
                }


def _located(birth: FakeBirth, seed: int, matrix: str, iteration: int, *, blind: bool) -> dict[str, Any]:
    d = birth.settings.model.dimension
    known = birth.n_memories(matrix) if iteration else 0
    rank, nan = min(known, d), float("nan")
    n_found = birth.n_located(matrix, iteration)
    alarm = matrix == "output_2" and iteration == 0 and seed == birth.seeds[-1] and len(birth.seeds) > 1
    n_wrong = int(blind and (alarm or (matrix == "key_2" and n_found > 0)))
    n_located = n_found + n_wrong
    n_true, n_false = (float(n_found), float(n_wrong)) if rank < d else (nan, nan)
    grid = np.linspace(0, 2, 2001)
    tau, bound = 3**-0.5, 1.06 * 2 * 3**-0.5
    values = tau * np.interp((np.arange(d) + 0.5) / d, marchenko_pastur.cdf(grid, 1.0), grid)[::-1]
    values[:n_located] = bound * np.linspace(1.5 + 1e-3 * iteration, 1.1, n_located)
    shares = np.full(d, rank / d)
    shares[:n_found] = max(0.9, rank / d)
    return {
        "n_memories": known,
        "rank": rank,
        "entry_std": (3 * d) ** -0.5 * (1 + 1e-3 * seed * blind),
        "bound": bound,
        "n_located": n_located,
        "n_true": n_true,
        "n_false": n_false,
        "n_learned": n_found,
        "n_aligned": float(n_found) if known else 0.0,
        "precision": n_true / n_located if n_located else nan,
        "recall": n_true / rank if rank else nan,
        "n_visible": n_found + (n_found > 1),
        "position_error": 0.03 if n_located else nan,
        "overlap": 0.8 if n_located else nan,
        "overlap_expected": 0.85 if n_located else nan,
        "kept": 1.0 - 1e-5 * iteration,
        "initial_slope": 1.0 - 2e-5 * iteration,
        "singular_values": values,
        "change_values": np.where(np.arange(d) < n_found, values, 0.01 if iteration else 0.0),
        "left_shares": shares,
        "left_chance": rank / d,
        "right_shares": shares,
        "right_chance": rank / d,
        "coefficients": 0.1 / np.arange(1, known + 1),
        "coefficient_noise": 0.005 if known else nan,
        "target_correlation": 0.7 if known else nan,
        "frequency_correlation": 0.9 if known and matrix != "key_1" else nan,
        "bulk_p_value": 0.4 if blind else nan,
        "gap_ratio_p_value": 0.6 if blind else nan,
        "n_structured_vectors": 2 * n_found if blind else -1,
    }


def _knockouts(birth: FakeBirth, seed: int) -> Iterator[dict[str, Any]]:
    last = _iterations(birth)[-1]
    accuracy = birth.accuracy(last, seed)
    d = birth.settings.model.dimension

    def row(matrix, cut, n_values, change):
        return {
            "iteration": last,
            "matrix": matrix,
            "cut": cut,
            "n_values": n_values,
            "removed_energy": min(1.0, abs(change)),
            "in_context_accuracy": accuracy + change,
            "global_loss": 2.5 - change / 2,
            "accuracy_change": change,
            "accuracy_change_error": 0.0 if cut == "none" else 0.004,
            "loss_change": -change / 2,
            "loss_change_error": 0.0 if cut == "none" else 0.002,
            "n_sequences": 96,
        }

    yield row("", "none", 0, 0.0)
    located = {matrix: birth.n_located(matrix, last) for matrix in birth.matrices}
    for matrix, n in {**located, "all": sum(located.values())}.items():
        lost = min(LOST[matrix], accuracy)
        yield row(matrix, "keep_located", n, -0.01)
        yield row(matrix, "remove_located", n, -lost)
        yield row(matrix, "remove_smallest", n, 0.001)
        if matrix != "all":
            for kept in range(1, n + 1):
                yield row(matrix, "keep_largest", kept, -0.01 - lost * (1 - kept / n))
            for removed in sorted({d // 4, d // 2}):
                yield row(matrix, "remove_smallest", removed, 0.0)


def _simulations() -> Iterator[dict[str, Any]]:
    """Superpositions, spectra and steps that are on average as theory has them, where it says anything."""
    nan = float("nan")
    for seed, error in enumerate(stats.norm.ppf((np.arange(5) + 0.5) / 5)):

        def row(simulation, dimension, n_tokens, quantity, value, expected, variant="", seed=seed):
            place = {"simulation": simulation, "dimension": dimension, "n_tokens": n_tokens, "variant": variant}
            return {**place, "seed": seed, "quantity": quantity, "value": value, "expected": expected}

        for dimension in (16, 32, 64):
            for n_tokens in (11, 65):
                spread = (2 / dimension + n_tokens / dimension**2) ** 0.5
                found = min(1.0, dimension**2 / (n_tokens * np.log(n_tokens) * 8) * (1 + 0.02 * error))
                yield row("superposition", dimension, n_tokens, "recall", found, nan)
                yield row("superposition", dimension, n_tokens, "off_diagonal_std", spread * (1 + 0.02 * error), spread)
            for end, edge in (("largest", 2.11), ("smallest", 0.16)):
                yield row("spectrum", dimension, dimension // 2, end, edge + 0.02 * error, edge)
            yield row("one_step", dimension, 11, "recall", 0.3 + 0.01 * error, 0.3, "Gaussian")
            yield row("one_step", dimension, 65, "recall", 0.11 + 0.01 * error, nan, "text")
            for matrix in ("output_2", "key_2"):
                yield row("three_steps", dimension, 16, f"recall_of_{matrix}", 0.9 + 0.01 * error, 0.9, "Gaussian")
            for logit in (0.1, 8):
                for quantity in ("recall_of_key_1", "accuracy", "accuracy_rescaled", "accuracy_of_memories"):
                    yield row(
                        "three_steps", dimension, 16, quantity, 0.5 + 0.01 * error, nan, f"Gaussian, logit {logit:g}"
                    )
        for matrix in ("output_2", "key_2"):
            yield row("three_steps", 64, 16, f"recall_of_{matrix}", 1.0, 1.0, "orthonormal")
        for logit in (0.1, 8):
            yield row("three_steps", 64, 16, "recall_of_key_1", 1.0, 1.0, f"orthonormal, logit {logit:g}")
