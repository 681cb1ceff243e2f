"""Whether attention does what an induction head needs: look one back, then behind earlier copies of a token.

A probe takes the position s that gets the most attention from position t, and
tells for how many t it is a right one. Layers count from 0: the head that looks
one back is in an early layer, the head that looks behind copies in a later one.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from weightspectra.birth.probes.behaviour import Behaviour
from weightspectra.birth.probes.values import ProbeValue, mean_over
from weightspectra.birth.task.bigram_task import Sequences


@dataclass(frozen=True, eq=False)
class AttentionProbes:
    """The probes of attention on some sequences of the bigram task, for any number of models.

    Parameters
    ----------
    sequences : Sequences
    prediction_chance : float
        How often random weights predict a given token.

    Notes
    -----
    The probes are those of the code of arXiv 2306.00802. No formula is given for
    the chance of those that see attention alone. It is not that of a maximum
    that falls on each position in view alike: scores of copies of a token have their part in
    common, so that a token gets less than its share of the positions.
    """

    sequences: Sequences
    prediction_chance: float = float("nan")

    def of(self, behaviour: Behaviour) -> list[ProbeValue]:
        """Return the probes of one model; those that no position tests are absent.

        Of several heads the best one is probed: the one that most often looks one back,
        among all layers but the last; and the one that most often looks behind a copy, among
        the layers after that. The best of several random heads does better than one, so that
        chance has to be taken of models with as many. A single layer has no probes of the
        second head.
        """
        attended = behaviour.attended
        back = _best(self._looking_back(attended, range(max(len(attended) - 1, 1))))
        if back is None:
            return []
        first = attended[back.layer][:, back.head]
        copies = _best(self._looking_behind_copies(attended, range(back.layer + 1, len(attended))))
        probes = [back, *self._probes_of_first(first, back)]
        if copies is None:
            return probes
        second = attended[copies.layer][:, copies.head]
        return [*probes, copies, *self._probes_of_second(first, second, behaviour.predictions, back, copies)]

    def _looking_back(self, attended: Sequence[np.ndarray], layers: Iterable[int]) -> Iterator[ProbeValue]:
        """Yield, for each head, for how many positions but the first it attends the one before."""
        tested = np.broadcast_to(self._positions > 0, self.sequences.occurrences.shape)
        for layer in layers:
            for head in range(attended[layer].shape[1]):
                hits = attended[layer][:, head] == self._positions - 1
                yield from mean_over("attends_previous", hits, tested, at=(layer, head))

    def _looking_behind_copies(self, attended: Sequence[np.ndarray], layers: Iterable[int]) -> Iterator[ProbeValue]:
        """Yield, for each head, for how many triggers seen before it attends what followed an earlier one."""
        inputs = self.sequences.inputs
        before = np.concatenate([np.full((len(inputs), 1), -1), inputs[:, :-1]], axis=1)
        for layer in layers:
            for head in range(attended[layer].shape[1]):
                hits = np.take_along_axis(before, attended[layer][:, head], axis=1) == inputs
                yield from mean_over("attends_repeat", hits, self.sequences.predictable, at=(layer, head))

    def _probes_of_first(self, first: np.ndarray, back: ProbeValue) -> list[ProbeValue]:
        """Return what else the head that looks one back does, from the positions that it attends."""
        inputs, targets, occurrences = self.sequences.inputs, self.sequences.targets, self.sequences.occurrences
        at = back.layer, back.head
        after_first = np.concatenate([np.zeros((len(inputs), 1), bool), occurrences[:, :-1] == 1], axis=1)
        hits = first == self._positions - 1
        answers = np.take_along_axis(inputs, first, axis=1) == targets
        return [
            *mean_over("attends_previous_start", hits, after_first, at=at),
            *mean_over("attends_answer_repeats_first", answers, self.sequences.repeats, at=at),
        ]

    def _probes_of_second(
        self, first: np.ndarray, second: np.ndarray, predictions: np.ndarray, back: ProbeValue, copies: ProbeValue
    ) -> list[ProbeValue]:
        """Return what else the head that looks behind copies does, from the positions that both attend."""
        inputs, targets, tested = self.sequences.inputs, self.sequences.targets, self.sequences.predictable
        tokens = np.take_along_axis(inputs, second, axis=1)
        one_back = np.take_along_axis(first == self._positions - 1, second, axis=1)
        reached = tested & (second > 0)
        early, late = (back.layer, back.head), (copies.layer, copies.head)
        return [
            *mean_over("attends_previous_repeat", one_back, reached, at=early),
            *mean_over("predicts_attended", predictions == tokens, tested, chance=self.prediction_chance, at=late),
            *mean_over("attends_answer", tokens == targets, tested, at=late),
            *mean_over("attends_answer_repeats", tokens == targets, self.sequences.repeats, at=late),
        ]

    @cached_property
    def _positions(self) -> np.ndarray:
        return np.arange(self.sequences.occurrences.shape[1])


def _best(probes: Iterable[ProbeValue]) -> ProbeValue | None:
    """Return the probe with the largest value, the first of equals, or None if there is none."""
    return max(probes, key=lambda probe: probe.value, default=None)
