"""Sequences of the bigram task: all sequences at once against loops over tokens.

    python bench/birth_sampling.py [--cpu-time] [--record]

The task is the paper's: tiny Shakespeare's characters, 5 frequent triggers, uniform outputs, 256 tokens. The plain loop
draws each token with the generator's ``choice``, as the definition reads; it is the one that the tests hold the sampler
against. The other loop is as fast as one over tokens gets in Python: one batch of uniform numbers a sequence, and
bisection in kept cumulative sums. Times are medians of alternating runs in one process, on one thread. The accuracy is
the share of positions whose target is predictable.
"""

import argparse
import sys
from bisect import bisect
from itertools import accumulate
from pathlib import Path

import numpy as np

sys.path.extend([str(Path(__file__).parents[1] / folder) for folder in ("src", "tests/birth")])

import per_token
from results import Row, add_timing_arguments, clock_of, finish, in_turn

from weightspectra.birth.task import characters
from weightspectra.birth.task.bigram_task import BigramTask

TABLE = Path(__file__).parents[1] / "config" / "published" / "tiny_shakespeare.csv"
BATCHES = (64, 512)


def main() -> None:
    """Time all routes on batches of both sizes, print a table, and record it if wanted."""
    options = arguments()
    task = BigramTask(characters.read_bigrams(TABLE.read_bytes()))
    rows = [row for n in BATCHES for row in compare(task, n, options)]
    finish(rows, options, f"numpy {np.__version__}")


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_timing_arguments(parser)
    parser.set_defaults(threads=1)
    return parser.parse_args()


def compare(task: BigramTask, n: int, options: argparse.Namespace) -> list[Row]:
    """Time the sampler and both loops on n sequences."""
    rng = np.random.default_rng(0)
    bisecting = Bisecting(task)
    predictable: dict[str, list[float]] = {}

    def run(name: str, draw):
        return lambda: predictable.setdefault(name, []).append(float((draw(n, rng) >= 2).mean()))

    ours, plain, fast = "ours", "loop over tokens with Generator.choice", "loop over tokens with bisection"
    routes = {
        ours: run(ours, lambda n, rng: task.sample(n, rng).occurrences),
        plain: run(plain, lambda n, rng: per_token.draw(task, n, rng).occurrences),
        fast: run(fast, bisecting.occurrences),
    }
    routes[ours]()  # makes the tables
    times = in_turn(routes, options.repeats, clock_of(options))
    share = {name: np.mean(found) for name, found in predictable.items()}
    n_tokens = n * (task.length + 1)

    def rate(name: str) -> str:
        return f"{n_tokens / times[name] / 1e6:.3g} million tokens/s"

    return [
        Row(
            f"bigram task, {task.n_triggers} triggers, {n} sequences of {task.length} tokens: draw",
            rate(ours),
            f"{rate(name)} ({name})",
            f"{times[name] / times[ours]:.3g}",
            f"predictable {share[ours]:.1%} of positions, theirs {share[name]:.1%}",
        )
        for name in (plain, fast)
    ]


class Bisecting:
    """A loop over tokens that does as little as possible for each."""

    def __init__(self, task: BigramTask):
        self._task = task
        self._first = list(accumulate(task.bigrams.unigram.tolist()))
        self._next = [list(accumulate(row)) for row in task.bigrams.conditional.tolist()]
        self._last = task.bigrams.n_characters - 1

    def occurrences(self, n: int, rng: np.random.Generator) -> np.ndarray:
        """Draw n sequences of a task of fixed triggers and uniform outputs; return their occurrences."""
        return np.array([self._sequence(rng)[1] for _ in range(n)])

    def _sequence(self, rng: np.random.Generator) -> tuple[list[int], list[int]]:
        triggers = self._task.fixed_triggers.tolist()
        answer = dict(zip(triggers, rng.integers(self._last + 1, size=len(triggers)).tolist(), strict=True))
        met = dict.fromkeys(triggers, 0)
        start, *uniform = rng.random(self._task.length + 1).tolist()
        token = min(bisect(self._first, start), self._last)
        tokens, occurrences = [token], []
        for number in uniform:
            if token in answer:
                met[token] += 1
                occurrences.append(met[token])
                token = answer[token]
            else:
                occurrences.append(0)
                token = min(bisect(self._next[token], number), self._last)
            tokens.append(token)
        return tokens, occurrences


if __name__ == "__main__":
    main()
