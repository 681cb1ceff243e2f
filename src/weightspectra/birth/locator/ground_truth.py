"""The locator held against memories that are known.

Does it find them, all of them, and nothing else? :mod:`weightspectra.birth.locator.memories` says what there is to
find, :mod:`weightspectra.birth.locator.locators` what is found.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.stats import spearmanr

from weightspectra.base.progress import track
from weightspectra.base.seeds import generator
from weightspectra.birth.locator import memories as known
from weightspectra.birth.locator.locators import (
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
from weightspectra.birth.locator.memories import KnownMemories
from weightspectra.birth.model.checkpoints import Run
from weightspectra.birth.model.parameters import WEIGHTS
from weightspectra.birth.settings import Training
from weightspectra.birth.task.bigram_task import BigramTask
from weightspectra.birth.training.decay import kept_share
from weightspectra.models import number_formats
from weightspectra.randomness import bulk, cleaning, density_fit
from weightspectra.randomness.directions.vectors import SMALLEST_P
from weightspectra.spectra.law import edges
from weightspectra.spectra.rounding import numerical_rank, rounding_floor


def score_run(
    run: Run, task: BigramTask, training: Training, tables: Tables, level: float, config_seed: int
) -> list[dict[str, Any]]:
    """Score the locator on all checkpoints of one run.

    Parameters
    ----------
    run : Run
        Of a simplified model; in a full one no memory is known.
    task : BigramTask
        What it was trained on.
    training : Training
    tables, level
        As for :func:`score`.
    config_seed : int

    Returns
    -------
    list of dict
        Rows of ``contracts.LOCATIONS``.
    """
    initial = run.parameters(0)
    names = {name: parameter for name, parameter in WEIGHTS.items() if parameter in initial}
    rows = []
    for iteration in track(run.iterations, len(run.iterations), f"locate in {run.birth}", unit="checkpoints"):
        parameters = run.parameters(iteration)
        stored = known.of_matrices(parameters, task.bigrams.conditional, task.fixed_triggers)
        for name, parameter in names.items():
            purpose = "birth", f"seed {run.seed}", "locator", name, str(iteration)
            found = score(
                parameters[parameter],
                initial[parameter],
                kept_share(training, parameter, iteration),
                stored[name],
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
    memories: KnownMemories,
    *,
    frequencies: np.ndarray,
    level: float,
    tables: Tables,
    rng: np.random.Generator,
) -> list[dict[str, Any]]:
    """Score all locators on one matrix of one checkpoint.

    Parameters
    ----------
    weight, initial : ndarray of shape (n_out, n_in)
        At the checkpoint, and at iteration 0.
    kept : float
        As for :func:`learned`.
    memories : KnownMemories
    frequencies : ndarray of shape (N,)
        Of the tokens.
    level : float
        Family-wise level of the bounds, and of the tests of all located directions together.
    tables : mapping
        Statistics of noise of this shape, and of vectors of its sides
        (:func:`weightspectra.randomness.noise.nulls.draw`).
    rng : Generator

    Returns
    -------
    list of dict
        What ``contracts.LOCATIONS`` says of this matrix, run, iteration and name left out.
    """
    exact = np.asarray(weight, dtype=np.float64)
    whole, change = Triplets.of(exact), learned(exact, initial, kept)
    stored = number_formats.rounding_std(np.asarray(weight, dtype=np.float32), number_formats.FLOAT32)
    floor = rounding_floor(stored, *whole.shape, whole.values[0])
    noise = bulk.bounds_above_rounding(whole.values, *whole.shape, level, floor)
    common = {
        "kept": kept,
        "initial_slope": change.initial_slope,
        "singular_values": whole.values,
        "change_values": change.triplets.values,
        **_shares(whole, memories),
        **_stored(change.change, memories, frequencies),
    }
    tested = {"blind": randomness(whole, noise, floor, tables, level, rng)}
    untested = {"bulk_p_value": np.nan, "gap_ratio_p_value": np.nan, "n_structured_vectors": -1}
    return [
        {
            "locator": locator,
            **found._asdict(),
            **common,
            **predictions(whole, change, found),
            **verdicts(whole, change, memories, found.n_located, level, rng),
            **tested.get(locator, untested),
        }
        for locator, found in _found(whole, change, noise, level, floor).items()
    ]


def _found(whole: Triplets, change: Learned, noise: edges.NoiseBounds, level: float, floor: float) -> dict[str, Found]:
    """Return what each locator finds, by its name in ``contracts.LOCATIONS``."""
    told = whole.values[: numerical_rank(whole.values, floor)]
    return {
        "blind": Found(noise.noise_std, noise.bound_upper, noise.n_above),
        "informed": located_above(whole.values, change.noise_std, whole.shape, level, floor),
        "weightwatcher": Found(*density_fit.spikes(told, *whole.shape)),
    }


def verdicts(
    whole: Triplets, change: Learned, memories: KnownMemories, n_located: int, level: float, rng: np.random.Generator
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
    n_learned = count_aligned(left, right, change.change, level, rng)
    n_memories, rank, n_true, n_aligned = 0, 0, 0.0, 0
    if not change.is_nothing:
        n_memories, rank = memories.n_memories, memories.rank
        spaces = memories.output_basis, memories.input_basis
        found = [shares(vectors, space) for vectors, space in zip((left, right), spaces, strict=True)]
        n_true = count_true(found[0], found[1], [len(space) for space in spaces], whole.shape, level)
        n_aligned = count_aligned(left, right, memories.operator, level, rng)
    return {
        "n_memories": n_memories,
        "rank": rank,
        "n_learned": n_learned,
        "n_true": n_true,
        "n_false": n_located - n_true,
        "n_aligned": float(n_aligned),
        "precision": n_true / n_located if n_located else np.nan,
        # More directions than there are memories may lean into their spaces; none of these is found twice.
        "recall": float(np.minimum(n_true / min(n_memories, rank), 1)) if n_memories else np.nan,
    }


def count_true(
    left_shares: np.ndarray, right_shares: np.ndarray, dimensions: Sequence[int], shape: Sequence[int], level: float
) -> float:
    """Count the directions that lie in two spaces beyond chance, at ``level`` for all of them together.

    Parameters
    ----------
    left_shares, right_shares : ndarray of shape (n_located,)
        Of their vectors in the memories' output and input spaces.
    dimensions : sequence of two int
        Of these spaces.
    shape : sequence of two int
        Of the matrix.
    level : float

    Returns
    -------
    float
        NaN if a space is so large that a vector can hardly be told to lie in it: if a share halfway between a random
        vector's and 1 is not significant.
    """
    sides = list(zip((left_shares, right_shares), dimensions, shape, strict=True))
    halfway = [known.space_p_values(np.array((1 + m / n) / 2), m, n) for _, m, n in sides]
    if not all(p <= level for p in halfway):
        return np.nan
    p_values = [np.maximum(known.space_p_values(found, m, n), SMALLEST_P) for found, m, n in sides]
    return float(np.count_nonzero(cleaning.combine_sides(*p_values) <= level / max(len(left_shares), 1)))


def count_aligned(
    left: np.ndarray, right: np.ndarray, operator: np.ndarray, level: float, rng: np.random.Generator
) -> int:
    """Count the pairs of vectors (rows) that are aligned with a matrix beyond chance, at ``level`` for all together."""
    norm = np.linalg.norm(operator)
    if norm == 0 or not len(left):
        return 0
    unit = operator / norm
    p_values = known.alignment_p_values(known.alignments(left, right, unit), unit, rng)
    return int(np.count_nonzero(p_values <= level / len(left)))


def _shares(whole: Triplets, memories: KnownMemories) -> dict[str, Any]:
    """Return the shares of all vectors in the memories' spaces, and a random vector's."""
    n_out, n_in = whole.shape
    return {
        "left_shares": shares(whole.left, memories.output_basis),
        "left_chance": len(memories.output_basis) / n_out,
        "right_shares": shares(whole.right, memories.input_basis),
        "right_chance": len(memories.input_basis) / n_in,
    }


def _stored(change: np.ndarray, memories: KnownMemories, frequencies: np.ndarray) -> dict[str, Any]:
    """Return how strongly each memory is stored, and whether as the task has it."""
    strengths, noise, correlation = memories.strengths(memories.coefficients(change))
    ranked = np.nan
    told = np.isfinite(strengths[: len(memories.tokens)])
    if told.sum() > 2 and np.ptp(strengths[told]) > 0:
        ranked = float(spearmanr(strengths[told], frequencies[memories.tokens][told]).statistic)
    return {
        "coefficients": strengths,
        "coefficient_noise": noise,
        "target_correlation": correlation,
        "frequency_correlation": ranked,
    }
