"""The locator held against memories that are known.

Does it find them, all of them, and nothing else? :mod:`weightspectra.birth.memories` says what there is to find,
:mod:`weightspectra.birth.locators` what is found.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from scipy.stats import spearmanr

from weightspectra.birth import memories as known
from weightspectra.birth.checkpoints import Run
from weightspectra.birth.decay import kept_share
from weightspectra.birth.locators import (
    Found,
    Learned,
    Tables,
    Triplets,
    learned,
    located_above,
    predictions,
    randomness,
    shares,
)
from weightspectra.birth.memories import Memories
from weightspectra.birth.parameters import WEIGHTS
from weightspectra.birth.task import Task
from weightspectra.progress import track
from weightspectra.provenance import generator
from weightspectra.spectra import cleaning, edges
from weightspectra.spectra.vectors import SMALLEST_P


def score_run(
    run: Run, task: Task, training: Mapping[str, Any], tables: Tables, level: float, config_seed: int
) -> list[dict[str, Any]]:
    """Score the locator on all checkpoints of one run.

    Parameters
    ----------
    run : Run
    task : Task
        What it was trained on.
    training : mapping
        ``births/{birth}/training`` of the configuration, defaults filled in.
    tables, level
        As for :func:`score`.
    config_seed : int

    Returns
    -------
    list of dict
        Rows of ``contracts.LOCATIONS``. Of the full model, whose memories are not known in advance, the matrices of
        the same names are located in, and no more.
    """
    initial = run.parameters(0)
    names = {name: parameter for name, parameter in WEIGHTS.items() if parameter in initial}
    rows = []
    for iteration in track(run.iterations, len(run.iterations), f"locate in {run.birth}", unit="checkpoints"):
        parameters = run.parameters(iteration)
        stored: Mapping[str, Memories] = {}
        if run.config["kind"] == "simplified":
            stored = known.of_matrices(parameters, task.bigrams.conditional, task.fixed_triggers)
        for name, parameter in names.items():
            purpose = "birth", f"seed {run.seed}", "locator", name, str(iteration)
            found = score(
                parameters[parameter],
                initial[parameter],
                kept_share(training, parameter, iteration),
                stored.get(name),
                frequencies=task.bigrams.unigram,
                level=level,
                tables=tables,
                rng=generator(config_seed, *purpose),
            )
            where = {"birth": run.birth, "seed": run.seed, "iteration": iteration, "matrix": name}
            rows += [{**where, **row} for row in found]
    return rows


def n_located(rows: list[dict[str, Any]], iteration: int) -> dict[str, int]:
    """Return from rows of :func:`score_run` how many values the blind locator finds in each matrix of a checkpoint."""
    return {
        row["matrix"]: row["n_located"] for row in rows if (row["iteration"], row["locator"]) == (iteration, "blind")
    }


def score(
    weight: np.ndarray,
    initial: np.ndarray,
    kept: float,
    memories: Memories | None,
    *,
    frequencies: np.ndarray,
    level: float,
    tables: Tables,
    rng: np.random.Generator,
) -> list[dict[str, Any]]:
    """Score both locators on one matrix of one checkpoint.

    Parameters
    ----------
    weight, initial : ndarray of shape (n_out, n_in)
        At the checkpoint, and at iteration 0.
    kept : float
        As for :func:`learned`.
    memories : Memories or None
        None if nothing is known about them.
    frequencies : ndarray of shape (N,)
        Of the tokens.
    level : float
        Family-wise level of the bounds, and of the tests of all located directions together.
    tables : mapping
        Statistics of noise of this shape, and of vectors of its sides (:func:`weightspectra.spectra.nulls.draw`).
    rng : Generator

    Returns
    -------
    list of dict
        What ``contracts.LOCATIONS`` says of this matrix, run, iteration and name left out.
    """
    exact = np.asarray(weight, dtype=np.float64)
    whole, change = Triplets.of(exact), learned(exact, initial, kept)
    noise = edges.fit(whole.values, *whole.shape, level=level)
    locators = {
        "blind": Found(noise.noise_std, noise.bound_upper, noise.n_above),
        "informed": located_above(whole.values, change.noise_std, whole.shape, level),
    }
    common = {
        "kept": kept,
        "initial_slope": change.initial_slope,
        "singular_values": whole.values,
        "change_values": change.triplets.values,
        **_shares(whole, memories),
        **_stored(change.change, memories, frequencies),
    }
    tested = {
        "blind": randomness(whole, noise, tables, level, rng),
        "informed": {"bulk_p_value": np.nan, "gap_ratio_p_value": np.nan, "n_structured_vectors": -1},
    }
    return [
        {
            "locator": locator,
            **found._asdict(),
            **common,
            **predictions(whole, change, found),
            **verdicts(whole, change, memories, found.n_located, level, rng),
            **tested[locator],
        }
        for locator, found in locators.items()
    ]


def verdicts(
    whole: Triplets, change: Learned, memories: Memories | None, n_located: int, level: float, rng: np.random.Generator
) -> dict[str, Any]:
    """Tell the located directions that hold memories from the others.

    Notes
    -----
    Each direction is tested in three ways, at level / n_located. It is *true* if both its vectors
    together have larger shares in the memories' spaces than those of a random pair (Fisher's combination of both
    sides); *aligned* if it pairs inputs with outputs as the sum of all memories does; *learned* if it is aligned with
    D. A direction of the noise passes each with a probability of at most level / n_located, whatever was
    learned elsewhere. What is learned but not true is no memory of the task's; what is not learned is a false alarm
    against noise.
    """
    left, right = whole.left[:n_located], whole.right[:n_located]
    limit = level / max(n_located, 1)

    def aligned(operator: np.ndarray) -> int:
        found = known.alignments(left, right, operator)
        return int(np.count_nonzero(known.alignment_p_values(found, operator, rng) <= limit))

    n_learned = 0 if change.is_nothing else aligned(change.change / np.linalg.norm(change.change))
    if memories is None:
        nothing = dict.fromkeys(("n_true", "n_false", "n_aligned", "precision", "recall"), np.nan)
        return {"n_memories": 0, "rank": 0, "n_learned": n_learned, **nothing}
    n_memories, rank = (0, 0) if change.is_nothing else (memories.n_memories, memories.rank)
    n_true: float = 0.0
    if n_memories:
        n_true = float(np.count_nonzero(_memory_p_values(left, right, memories, level) <= limit))
        if not testable(memories, level):
            n_true = np.nan
    return {
        "n_memories": n_memories,
        "rank": rank,
        "n_learned": n_learned,
        "n_true": n_true,
        "n_false": n_located - n_true,
        "n_aligned": float(aligned(memories.operator)) if n_memories else 0.0,
        "precision": n_true / n_located if n_located else np.nan,
        "recall": n_true / min(n_memories, rank) if n_memories else np.nan,
    }


def testable(memories: Memories, level: float) -> bool:
    """Say whether vectors can be told to lie in the memories' spaces.

    They cannot if a random vector's share is so large that one halfway between it and 1 is not significant.
    """
    sizes = memories.outputs.shape[1], memories.inputs.shape[1]
    dimensions = len(memories.output_basis), len(memories.input_basis)
    halfway = [
        known.share_p_values(np.array((1 + dimension / size) / 2), dimension, size)
        for dimension, size in zip(dimensions, sizes, strict=True)
    ]
    return all(p <= level for p in halfway)


def _memory_p_values(left: np.ndarray, right: np.ndarray, memories: Memories, level: float) -> np.ndarray:
    if not testable(memories, level) or not len(left):
        return np.ones(len(left))
    sides = [
        known.share_p_values(shares(vectors, space), len(space), vectors.shape[1])
        for vectors, space in ((left, memories.output_basis), (right, memories.input_basis))
    ]
    return cleaning.combine_sides(*(np.maximum(p_values, SMALLEST_P) for p_values in sides))


def _shares(whole: Triplets, memories: Memories | None) -> dict[str, Any]:
    """Return the shares of all vectors in the memories' spaces, and a random vector's."""
    if memories is None:
        return {"left_shares": [], "left_chance": np.nan, "right_shares": [], "right_chance": np.nan}
    n_out, n_in = whole.shape
    return {
        "left_shares": shares(whole.left, memories.output_basis),
        "left_chance": len(memories.output_basis) / n_out,
        "right_shares": shares(whole.right, memories.input_basis),
        "right_chance": len(memories.input_basis) / n_in,
    }


def _stored(change: np.ndarray, memories: Memories | None, frequencies: np.ndarray) -> dict[str, Any]:
    """Return how strongly each memory is stored, and whether as the task has it."""
    if memories is None:
        nothing = dict.fromkeys(("coefficient_noise", "target_correlation", "frequency_correlation"), np.nan)
        return {"coefficients": [], **nothing}
    strengths, noise, correlation = memories.strengths(memories.coefficients(change))
    ranked = np.nan
    if len(memories.tokens) > 2 and np.ptp(strengths) > 0:
        ranked = float(spearmanr(strengths, frequencies[memories.tokens]).statistic)
    return {
        "coefficients": strengths,
        "coefficient_noise": noise,
        "target_correlation": correlation,
        "frequency_correlation": ranked,
    }
