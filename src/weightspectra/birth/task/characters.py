"""How often each character of a text occurs, and what follows it: the statistics of the bigram task."""

import io
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from weightspectra.base.errors import UserError
from weightspectra.sources import plain_text

MOST_CHARACTERS = 4096
"""Distinct characters at most: counts of pairs are kept as a square table."""

HEADING = "code_point,count,"
"""How the first line of a table of counts begins, after the lines of comment."""


@dataclass(frozen=True, eq=False)
class Bigrams:
    """Counts of a text's characters and of its pairs of neighbours.

    Parameters
    ----------
    characters : tuple of str
        The N distinct characters in the order of their code points; a token is a number in this order.
    counts : ndarray of shape (N,)
        Occurrences of each; all are positive.
    followers : ndarray of shape (N, N)
        Row i counts what stands behind the occurrences of character i. The text's
        last character has nothing behind it: the text is not closed into a ring.
        All rows together so hold one less than ``counts``.
    """

    characters: tuple[str, ...]
    counts: np.ndarray = field(repr=False)
    followers: np.ndarray = field(repr=False)

    @classmethod
    def of(cls, table: pd.DataFrame) -> "Bigrams":
        """Return the counts that a table of the contract ``CHARACTERS`` holds."""
        table = table.sort_values("token")
        followers = np.stack(table["followers"].to_list()).astype(np.int64)
        return cls(tuple(table["character"]), table["count"].to_numpy(np.int64), followers)

    def rows(self) -> Iterator[dict[str, Any]]:
        """Yield the rows of a table of the contract ``CHARACTERS``."""
        columns = zip(self.characters, self.counts, self.followers, strict=True)
        for token, (character, count, followers) in enumerate(columns):
            yield {"token": token, "character": character, "count": count, "followers": followers}

    @property
    def n_characters(self) -> int:
        """Number of distinct characters (N)."""
        return len(self.characters)

    @cached_property
    def unigram(self) -> np.ndarray:
        """Probability of each character, pi_u; of shape (N,)."""
        return self.counts / self.counts.sum()

    @cached_property
    def transitions(self) -> np.ndarray:
        """Whole numbers in proportion to what follows each character; of shape (N, N).

        They are the followers, but for a character that nothing follows (the
        text ends with its only occurrence): behind it another text may begin
        anywhere, so that it has all characters' counts.
        """
        followed = self.followers.sum(axis=1, keepdims=True) > 0
        return np.where(followed, self.followers, self.counts)

    @cached_property
    def conditional(self) -> np.ndarray:
        """Probability of each next character, without smoothing; of shape (N, N), row i is pi_b(.|i)."""
        return self.transitions / self.transitions.sum(axis=1, keepdims=True)


def read_bigrams(content: bytes) -> Bigrams:
    """Return the counts of a file: a text, or a table of counts as :func:`to_csv` writes it.

    Raises
    ------
    UserError
        As :func:`weightspectra.sources.plain_text.decode`, :func:`count` and :func:`from_csv` do.
    """
    text = plain_text.with_line_feeds(plain_text.decode(content))
    heading = next((line for line in text.splitlines() if not line.startswith("#")), "")
    return from_csv(text) if heading.startswith(HEADING) else count(text)


def count(text: str) -> Bigrams:
    """Count the characters of a text and what follows each.

    Raises
    ------
    UserError
        When the text has fewer than two characters, fewer than two distinct ones, or too many.
    """
    points = np.frombuffer(text.encode("utf-32-le"), np.uint32)
    if len(points) < 2:
        raise UserError(f"the text holds {len(points)} characters; bigrams need at least 2, and triggers many more")
    occurrences = np.bincount(points)
    distinct = np.flatnonzero(occurrences)
    n = len(distinct)
    _check_alphabet(n)
    token_of = np.zeros(len(occurrences), np.int64)
    token_of[distinct] = np.arange(n)
    tokens = token_of[points]
    followers = np.bincount(tokens[:-1] * n + tokens[1:], minlength=n * n).reshape(n, n)
    return Bigrams(tuple(map(chr, distinct)), occurrences[distinct], followers)


def to_csv(bigrams: Bigrams, comment: str = "") -> str:
    """Write counts as comma-separated numbers, after lines of comment.

    One line for each character: its code point, its count, and how often each
    character, named by the code points in the heading, comes behind it.
    """
    points = [ord(character) for character in bigrams.characters]
    lines = [f"# {line}" for line in comment.splitlines()]
    lines.append(HEADING + ",".join(map(str, points)))
    for point, number, followers in zip(points, bigrams.counts, bigrams.followers, strict=True):
        lines.append(",".join(map(str, (point, number, *followers))))
    return "\n".join(lines) + "\n"


def from_csv(text: str) -> Bigrams:
    """Read what :func:`to_csv` has written.

    Raises
    ------
    UserError
        When the numbers cannot be the counts of a text.
    """
    try:
        table = pd.read_csv(io.StringIO(text), comment="#", index_col="code_point", dtype=np.int64)
    except ValueError as error:
        raise UserError(f"the table of counts cannot be read: {str(error).strip()}") from error
    points, followers = table.index.to_numpy(), table.iloc[:, 1:].to_numpy()
    if followers.shape != (len(points),) * 2 or [str(point) for point in points] != list(table.columns[1:]):
        raise UserError("the table of counts has other code points in its heading than in its first column")
    counts = table["count"].to_numpy()
    _check_alphabet(len(points))
    behind = counts - followers.sum(axis=1)
    known = points[0] >= 0 and points[-1] <= sys.maxunicode and (np.diff(points) > 0).all()
    possible = known and (counts > 0).all() and (followers >= 0).all() and (behind >= 0).all()
    if not possible or behind.sum() != 1:
        raise UserError(
            "the table of counts is not that of a text: every row has to hold a character's count and its followers, "
            "in the order of code points, and only the last character of the text goes unfollowed, once"
        )
    return Bigrams(tuple(map(chr, points)), counts, followers)


def _check_alphabet(n_characters: int) -> None:
    if n_characters < 2:
        raise UserError("the text repeats one character; the bigram task needs at least 2 distinct ones")
    if n_characters > MOST_CHARACTERS:
        raise UserError(
            f"the text has {n_characters:,} distinct characters, at most {MOST_CHARACTERS:,} can be used; "
            "choose a text in an alphabetic script"
        )
