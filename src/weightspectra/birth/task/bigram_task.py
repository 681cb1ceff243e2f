"""The bigram task: sequences of characters in which a few triggers are followed by what the sequence alone tells."""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple

import numpy as np

from weightspectra.base.errors import UserError
from weightspectra.base.seeds import generator
from weightspectra.birth.settings import TaskData
from weightspectra.birth.task.alias_tables import AliasTables
from weightspectra.birth.task.characters import Bigrams


class Sequences(NamedTuple):
    """Sequences of the task, and what is known about them.

    Attributes
    ----------
    tokens : ndarray of int64, of shape (n, T + 1)
        T inputs, and the target of the last one.
    occurrences : ndarray of int16, of shape (n, T)
        Where an input is a trigger, how often it has occurred so far; 1 is the
        first time, when nothing can predict the output. 0 where it is none.
    triggers : ndarray of int64, of shape (n, K)
    outputs : ndarray of int64, of shape (n, K)
        What follows each trigger, in the same order.
    """

    tokens: np.ndarray
    occurrences: np.ndarray
    triggers: np.ndarray
    outputs: np.ndarray

    @property
    def inputs(self) -> np.ndarray:
        """What a model reads; of shape (n, T)."""
        return self.tokens[:, :-1]

    @property
    def targets(self) -> np.ndarray:
        """What it should predict at each position; of shape (n, T)."""
        return self.tokens[:, 1:]

    @property
    def predictable(self) -> np.ndarray:
        """Where the target is the output of a trigger that has occurred before; of shape (n, T)."""
        return self.occurrences >= 2

    @property
    def repeats(self) -> np.ndarray:
        """Where a trigger seen before is followed by itself, so that copying the last token is right, too."""
        return self.predictable & (self.inputs == self.targets)

    @property
    def global_(self) -> np.ndarray:
        """Where the target is drawn from the bigrams; of shape (n, T)."""
        return self.occurrences == 0


@dataclass(frozen=True, eq=False)
class BigramTask:
    """How sequences are drawn.

    Each sequence has K triggers q_k, all different, and an output o_k for each.
    Its first token is drawn from the unigram distribution pi_u. After q_k comes
    o_k, after any other token i one drawn from the bigrams pi_b(.|i).

    Parameters
    ----------
    bigrams : Bigrams
        Statistics of the text.
    n_triggers : int
        K.
    length : int
        T, inputs of a sequence.
    triggers : {'frequent', 'random'}
        The same for all sequences, by falling frequency; or drawn for each one
        from pi_u, without replacement.
    offset : int
        How many of the most frequent characters are no trigger, if these are 'frequent'.
    outputs : {'uniform', 'bigram'}
        Outputs are drawn for each sequence from all characters alike, or from pi_b(.|q_k).
    no_repeat : bool
        Whether o_k = q_k is left out of that distribution.

    Raises
    ------
    UserError
        When the text has too few characters for so many triggers, or one that
        could only be its own output.

    References
    ----------
    Bietti et al., "Birth of a Transformer: A Memory Viewpoint", arXiv 2306.00802, section 3.
    """

    bigrams: Bigrams
    n_triggers: int = 5
    length: int = 256
    triggers: str = "frequent"
    offset: int = 0
    outputs: str = "uniform"
    no_repeat: bool = False

    @classmethod
    def of(cls, data: TaskData, bigrams: Bigrams) -> "BigramTask":
        """Return the task that a configuration describes; raises as the class does."""
        return cls(bigrams, **data.model_dump(exclude={"text"}))

    def __post_init__(self) -> None:
        n_characters, skipped = self.bigrams.n_characters, self.offset if self.triggers == "frequent" else 0
        if skipped + self.n_triggers > n_characters:
            beyond = f" after the {skipped} most frequent characters" if skipped else ""
            cure = "n_triggers or offset" if skipped else "n_triggers"
            raise UserError(
                f"{self.n_triggers} triggers{beyond} were asked for, but the text has only {n_characters} distinct "
                f"characters; make {cure} smaller, or use a longer text"
            )
        if self.no_repeat and self.outputs == "bigram":
            candidates = np.arange(n_characters) if self.fixed_triggers is None else self.fixed_triggers
            others = self.bigrams.transitions.sum(axis=1) > self.bigrams.transitions.diagonal()
            if not others[candidates].all():
                character = self.bigrams.characters[candidates[np.argmin(others[candidates])]]
                raise UserError(
                    f"no_repeat with bigram outputs: in the text {character!r} is followed by nothing but itself, "
                    "so that it has no output left; use a longer text or uniform outputs"
                )

    @property
    def fixed_triggers(self) -> np.ndarray | None:
        """The K triggers of all sequences, by falling frequency; None if each sequence has its own.

        Of equally frequent characters, the one with the smaller code point comes first.
        """
        if self.triggers == "random":
            return None
        by_frequency = np.argsort(-self.bigrams.counts, kind="stable")
        return by_frequency[self.offset : self.offset + self.n_triggers]

    def with_outputs(self, outputs: str) -> "BigramTask":
        """Return the same task with other outputs: 'uniform' or 'bigram'."""
        return replace(self, outputs=outputs)

    def sample(self, n: int, rng: np.random.Generator) -> Sequences:
        """Draw n sequences; what is drawn depends on the generator's state and n alone."""
        triggers = self._draw_triggers(n, rng)
        outputs = self._draw_outputs(triggers, rng)
        return self._draw_tokens(triggers, outputs, rng)

    def _draw_triggers(self, n: int, rng: np.random.Generator) -> np.ndarray:
        if self.fixed_triggers is not None:
            return np.tile(self.fixed_triggers, (n, 1))
        # The first K of a race of exponential clocks with the characters' rates are
        # K draws without replacement, in order (Efraimidis and Spirakis 2006).
        times = rng.standard_exponential((n, self.bigrams.n_characters)) / self.bigrams.unigram
        first = np.argpartition(times, self.n_triggers - 1, axis=1)[:, : self.n_triggers]
        order = np.argsort(np.take_along_axis(times, first, axis=1), axis=1)
        return np.take_along_axis(first, order, axis=1)

    def _draw_outputs(self, triggers: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        if self.outputs == "bigram":
            return self._output_tables.draw(triggers, rng.random(triggers.shape))
        if not self.no_repeat:
            return rng.integers(self.bigrams.n_characters, size=triggers.shape)
        outputs = rng.integers(self.bigrams.n_characters - 1, size=triggers.shape)
        return outputs + (outputs >= triggers)

    def _draw_tokens(self, triggers: np.ndarray, outputs: np.ndarray, rng: np.random.Generator) -> Sequences:
        """Go through the positions, all sequences at once; arrays inside have one row a position."""
        (n, _), n_characters = triggers.shape, self.bigrams.n_characters
        # For each sequence and character: what must follow (-1: nothing must), and how often it was met.
        row = np.arange(n) * n_characters
        answer, met = np.full(n * n_characters, -1), np.zeros(n * n_characters, np.int16)
        answer[row[:, None] + triggers] = outputs
        uniform = rng.random((self.length + 1, n))
        tokens = np.empty((self.length + 1, n), np.int64)
        occurrences = np.zeros((self.length, n), np.int16)
        tokens[0] = self._first_table.draw(np.zeros(n, np.int64), uniform[0])
        for position in range(self.length):
            here = row + tokens[position]
            forced = answer.take(here)
            is_trigger = forced >= 0
            occurrences[position] = met.take(here) + is_trigger
            met[here] = occurrences[position]
            drawn = self._next_tables.draw(tokens[position], uniform[position + 1])
            tokens[position + 1] = np.where(is_trigger, forced, drawn)
        return Sequences(np.ascontiguousarray(tokens.T), np.ascontiguousarray(occurrences.T), triggers, outputs)

    @cached_property
    def _first_table(self) -> AliasTables:
        return AliasTables.of(self.bigrams.counts[None])

    @cached_property
    def _next_tables(self) -> AliasTables:
        return AliasTables.of(self.bigrams.transitions)

    @cached_property
    def _output_tables(self) -> AliasTables:
        if not self.no_repeat:
            return self._next_tables
        weights = self.bigrams.transitions.copy()
        alone = weights.sum(axis=1) == weights.diagonal()
        # Those that only repeat are no trigger, or the task had been refused: their row is never read.
        np.fill_diagonal(weights, alone)
        return AliasTables.of(weights)


def batch_generator(config_seed: int, run_seed: int, iteration: int) -> np.random.Generator:
    """Return the generator of the fresh batch of one training step.

    It is the same for every birth of that seed, and depends on no other step:
    batches may be drawn in any order, by any number of workers.
    """
    return generator(config_seed, "birth", f"seed {run_seed}", f"batch {iteration}")
