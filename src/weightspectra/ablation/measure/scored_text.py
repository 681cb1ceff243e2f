"""How many words and bytes of a text its tokens stand for."""

import sys
from collections.abc import Sequence
from typing import Any

import numpy as np

MOST_CHARACTERS = 30
"""Characters between spaces, on average, from which on they part no words: in languages that do there are 6 to 10."""


def words_and_bytes(text: str, tokenizer: Any) -> tuple[np.ndarray, np.ndarray]:
    """Divide the words and the bytes of a text among its tokens.

    A token stands for the characters from the end of the token before it to
    its own end; the first begins with the text and the last ends with it. So
    every character belongs to exactly one token, and any stretch of tokens to a
    stretch of text. A word (what whitespace separates) belongs to the token
    that holds its last character: at the edge of a window it counts where it
    ends. Where several tokens share one character (bytes of an emoji), it
    belongs to the first of them.

    Parameters
    ----------
    text : str
    tokenizer : transformers tokenizer
        A fast one, which says where its tokens end.

    Returns
    -------
    n_words, n_bytes : ndarray of int, shape (n_tokens,)
        Bytes of the text in UTF-8. Their sums are ``len(text.split())`` and the
        text's length in bytes.
    """
    encoded = tokenizer(
        text, add_special_tokens=False, truncation=False, padding=False, verbose=False, return_offsets_mapping=True
    )
    ends = np.array([end for _, end in encoded["offset_mapping"]], dtype=np.int64)
    if not len(ends):
        return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64)
    ends = np.maximum.accumulate(ends)
    ends[-1] = len(text)
    n_bytes = np.concatenate([[0], np.cumsum([len(character.encode("utf-8", "replace")) for character in text])])
    n_words = np.concatenate([[0], np.cumsum(_ends_of_words(text))])
    return np.diff(n_words[ends], prepend=0), np.diff(n_bytes[ends], prepend=0)


def has_words(texts: Sequence[str]) -> bool:
    """Return whether spaces part texts into words; says on standard error if they do not.

    Without spaces a document is one word or a few, and its perplexity per word a power of hundreds of tokens.
    """
    n_characters, n_words = sum(map(len, texts)), sum(len(text.split()) for text in texts)
    if n_words and n_characters <= MOST_CHARACTERS * n_words:
        return True
    print(
        f"perplexity per word is not given: the text has {n_characters:,} characters in {n_words:,} pieces between "
        "spaces, which are no words",
        file=sys.stderr,
    )
    return False


def _ends_of_words(text: str) -> Sequence[bool]:
    """Say of each character whether a word ends with it."""
    return [not here.isspace() and after.isspace() for here, after in zip(text, text[1:] + " ", strict=True)]
