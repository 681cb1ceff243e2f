"""Memories that are made without training, beside what theory says: the rows of ``contracts.SIMULATIONS``."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from math import nan
from typing import Any

import numpy as np

from weightspectra.birth.probes.recalls import recall
from weightspectra.birth.settings import Memories
from weightspectra.birth.simulated import associative_memory as memory
from weightspectra.birth.simulated import gradient_steps, three_steps
from weightspectra.birth.task.bigram_task import BigramTask
from weightspectra.birth.task.characters import Bigrams

Found = Iterable[tuple[str, str, float, float]]
"""Variant, quantity, value, expected."""

Generator = Callable[..., np.random.Generator]
"""From the words that name a purpose to its random numbers."""

LENGTH = 16
"""Tokens, and positions, of the task of three steps."""

LOGITS = (0.1, 0.5, 2.0, 8.0)
"""Mean scores of memories that the step of W_K^2 stores."""

KEY_1_LOGIT = 10.0
"""The same of W_K^1: the first layer's attention is then as sharp as its memories let it be."""

FIRST_LAYER_SCALE = 1 / 3
"""Length of Phi w_E over that of w_E in the simplified transformer: two maps with entries of variance 1/(3 d)."""

N_TEST = 2048
"""Fresh sequences on which the transformer of three steps is tried."""

BATCH = 128
"""Sequences of text at once; a batch of 256 tokens each takes some 100 MB."""


def rows(wanted: Memories, seed: int, text: Bigrams, generator: Generator) -> Iterator[dict[str, Any]]:
    """Yield what one seed finds in every simulation and setting.

    Parameters
    ----------
    wanted : Memories
        Memories learned from ``text`` and those of three steps have numbers of their own.
    seed : int
        Number of the draw.
    text : Bigrams
        Statistics of a text for steps on the bigram task.
    generator : callable
        Returns a random generator for the words given.
    """
    settings: list[tuple[str, int, int, Found]] = []
    for d in wanted.dimensions:
        for n in wanted.n_tokens:
            drawn = [generator(name, str(d), str(n)) for name in ("superposition", "spectrum", "one_step")]
            settings.append(("superposition", d, n, superposition(d, n, drawn[0])))
            settings.append(("spectrum", d, n, spectrum(d, n, drawn[1])))
            settings.append(("one_step", d, n, one_step(d, n, wanted.n_samples, drawn[2])))
    n_characters = text.n_characters
    for variant, found in learned_from(text, wanted.n_samples, generator("text")).items():
        for d in wanted.dimensions:
            drawn_for = generator("text", variant, str(d))
            settings.append(("one_step", d, n_characters, one_step_of_text(found, variant, d, drawn_for)))
    for d, found_in_three in three_steps_of(wanted.dimensions, wanted.n_samples, generator):
        settings.append(("three_steps", d, LENGTH, found_in_three))
    for simulation, d, n, results in settings:
        for variant, quantity, value, expected in results:
            place = {"simulation": simulation, "dimension": d, "n_tokens": n, "variant": variant, "seed": seed}
            yield {**place, "quantity": quantity, "value": value, "expected": expected}


def superposition(dimension: int, n_memories: int, rng: np.random.Generator) -> Found:
    """Store equal memories of Gaussian embeddings in one matrix."""
    outputs, inputs = (memory.embeddings(n_memories, dimension, rng) for _ in range(2))
    found = memory.scores(memory.store(outputs, inputs), outputs, inputs)
    others = ~np.eye(n_memories, dtype=bool)
    yield "", "recall", recall(found), memory.predicted_recall(dimension, n_memories)
    yield "", "off_diagonal_std", float(found[others].std()), memory.off_diagonal_std(dimension, n_memories)


def spectrum(dimension: int, n_memories: int, rng: np.random.Generator) -> Found:
    """Return the extreme singular values of a sum of equal memories of length 1, those that must be 0 left out."""
    outputs, inputs = (memory.embeddings(n_memories, dimension, rng) for _ in range(2))
    outputs, inputs = (found / np.linalg.norm(found, axis=1, keepdims=True) for found in (outputs, inputs))
    values = np.linalg.svd(memory.store(outputs, inputs), compute_uv=False)
    smallest, largest = memory.singular_value_edges(dimension, n_memories)
    yield "", "largest", float(values[0]), largest
    yield "", "smallest", float(values[min(dimension, n_memories) - 1]), smallest


def one_step(dimension: int, n_tokens: int, n_samples: int, rng: np.random.Generator) -> Found:
    """Take one step from zero on inputs with independent noise as long as they are; classes are equally frequent."""
    each = max(n_samples // n_tokens, 1)
    for variant, orthonormal in {"Gaussian": False, "orthonormal": True}.items():
        if orthonormal and n_tokens > dimension:
            continue
        outputs, inputs = (memory.embeddings(n_tokens, dimension, rng, orthonormal=orthonormal) for _ in range(2))
        step = gradient_steps.step_from_zero(outputs, inputs, each, dimension**-0.5, rng)
        found = memory.scores(step, outputs, inputs)
        others = ~np.eye(n_tokens, dtype=bool)
        yield variant, "diagonal", float(found.diagonal().mean()), 1 - 1 / n_tokens
        yield variant, "off_diagonal", float(found[others].mean()), -1 / n_tokens
        expected = 1.0 if orthonormal else memory.predicted_recall(dimension, n_tokens, 1 / each)
        yield variant, "recall", recall(found), expected


def learned_from(text: Bigrams, n_samples: int, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Return what one step stores in W_O^2 on the bigram task with five frequent triggers, by variant."""
    found = {}
    for variant, no_repeat in {"text": False, "text, no repeats": True}.items():
        task = BigramTask(text, n_triggers=5, no_repeat=no_repeat)
        batches = (task.sample(min(BATCH, n_samples - done), rng) for done in range(0, n_samples, BATCH))
        found[variant] = gradient_steps.output_coefficients(batches, text.n_characters)
    return found


def one_step_of_text(coefficients: np.ndarray, variant: str, dimension: int, rng: np.random.Generator) -> Found:
    """Write coefficients of W_O^2 with Gaussian embeddings; without interference, they alone decide."""
    n_inputs, n_tokens = coefficients.shape
    outputs, first, second = (memory.embeddings(n, dimension, rng) for n in (n_tokens, dimension, dimension))
    inputs = memory.embeddings(n_inputs // 2, dimension, rng)
    inputs = np.concatenate([inputs, FIRST_LAYER_SCALE * inputs @ first.T]) @ second.T
    found = inputs[:n_tokens] @ (inputs.T @ coefficients @ outputs) @ outputs.T
    tokens = np.arange(n_tokens)
    expected = memory.predicted_recall_of(
        coefficients,
        three_steps.direction_overlaps(n_inputs // 2, dimension, FIRST_LAYER_SCALE, n_maps=1),
        memory.overlap_variances(n_tokens, dimension),
        tokens,
        tokens,
    )
    yield variant, "recall", recall(found), expected
    yield variant, "recall_without_interference", recall(coefficients[:n_tokens]), nan


def three_steps_of(dimensions: Sequence[int], n_samples: int, generator: Generator) -> Iterator[tuple[int, Found]]:
    """Take three steps with orthonormal embeddings, in the fewest dimensions that hold them, and with Gaussian ones.

    Step sizes are the same for all embeddings: those by which orthonormal ones store the logits above.
    """
    n, drawn = LENGTH, generator("three_steps")
    sample, fresh = (three_steps.draw(count, n, n, drawn) for count in (n_samples, N_TEST))
    sizes: dict[str, float] = {}
    exact = _two_steps(three_steps.GramMatrices.orthonormal(n, n), sample, sizes)
    orthonormal = three_steps.GramMatrices.orthonormal(n, n)
    perfect = (1.0, 1.0)
    yield 4 * n, list(_of_three("orthonormal", orthonormal, exact, perfect, sample, fresh, sizes))
    for d in dimensions:
        overlaps = three_steps.GramMatrices.gaussian(n, n, d, generator("three_steps", str(d)))
        stored = _two_steps(overlaps, sample, sizes)
        yield d, list(_of_three("Gaussian", overlaps, stored, _expected_of_two(exact, d), sample, fresh, sizes))


def _two_steps(
    overlaps: three_steps.GramMatrices, sample: three_steps.Sample, sizes: dict[str, float]
) -> three_steps.Tables:
    """Return the scores after the steps of W_O^2 and W_K^2, each of which stores a mean logit of 1 or has its size."""
    scores = three_steps.Tables.zero(LENGTH, LENGTH)
    for matrix in ("output_2", "key_2"):
        scores = _sized(three_steps.step(overlaps, scores, sample, matrix), matrix, 1.0, matrix, sizes)
    return scores


def _sized(
    scores: three_steps.Tables, matrix: str, logit: float, key: str, sizes: dict[str, float]
) -> three_steps.Tables:
    """Return a step at its known size, or at one that stores a mean logit, which is then known."""
    size = sizes.setdefault(key, logit / three_steps.stored(scores, matrix))
    return three_steps.scaled(scores, matrix, size)


def _of_three(
    variant: str,
    overlaps: three_steps.GramMatrices,
    after_two: three_steps.Tables,
    expected: tuple[float, float],
    sample: three_steps.Sample,
    fresh: three_steps.Sample,
    sizes: dict[str, float],
) -> Found:
    """Add the third step for each size of the second, and try what has come out.

    ``accuracy_rescaled`` has W_K^2 enlarged to the largest of ``LOGITS`` after the last step; ``accuracy_of_memories``
    has it too, and nothing but the memories' scores in all three matrices. Theory says of the recalls alone that
    they are 1, for orthonormal embeddings and infinitely many sequences.
    """
    for matrix, recalled in zip(("output_2", "key_2"), expected, strict=True):
        yield variant, f"recall_of_{matrix}", three_steps.recalled(after_two, matrix), recalled
    all_of_them = 1.0 if variant == "orthonormal" else nan
    for logit in LOGITS:
        made = three_steps.step(overlaps, three_steps.scaled(after_two, "key_2", logit), sample, "key_1")
        made = _sized(made, "key_1", KEY_1_LOGIT, f"key_1 after {logit}", sizes)
        rescaled = three_steps.scaled(made, "key_2", LOGITS[-1] / logit)
        setting = f"{variant}, logit {logit:g}"
        yield setting, "recall_of_key_1", three_steps.recalled(made, "key_1"), all_of_them
        yield setting, "accuracy", three_steps.behaviour(made, fresh)[0], nan
        yield setting, "accuracy_rescaled", three_steps.behaviour(rescaled, fresh)[0], nan
        alone = three_steps.memories_alone(rescaled)
        yield setting, "accuracy_of_memories", three_steps.behaviour(alone, fresh)[0], nan


def _expected_of_two(exact: three_steps.Tables, dimension: int) -> tuple[float, float]:
    """Return the recalls of W_O^2 and W_K^2 that interference leaves of what orthonormal embeddings store."""
    n, tokens = len(exact.key_1), np.arange(LENGTH)
    values, directions = (three_steps.direction_overlaps(n, dimension, 1.0, n_maps=maps) for maps in (1, 0))
    outputs = memory.overlap_variances(LENGTH, dimension)
    return (
        memory.predicted_recall_of(exact.output_2.T, values, outputs, tokens, tokens),
        memory.predicted_recall_of(exact.key_2, directions, directions, tokens, n + tokens),
    )
