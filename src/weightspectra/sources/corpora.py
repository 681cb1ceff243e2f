"""Texts -> documents, divided into a part to observe models on and a part to evaluate them with."""

import fnmatch
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any, Generic, NamedTuple, TypeVar

from weightspectra.base.errors import UserError
from weightspectra.sources.settings import Selection
from weightspectra.sources.texts import words_digest

Item = TypeVar("Item")

PARTS = ("observe", "evaluate")

_ARTICLE = re.compile(r"^ *= (?!=)(.*[^=\s]) = *$", re.MULTILINE)
"""A heading of the first level as in WikiText; ``= = Section = =`` is one of the second."""

_BLANK_LINES = re.compile(r"\n[^\S\n]*\n\s*")


class Document(NamedTuple):
    """One document: its name (unique in its corpus), the file or split it stands in, and its text."""

    name: str
    origin: str
    text: str


class Division(NamedTuple, Generic[Item]):
    """The parts of a collection of texts, and how many were left out because another part holds the same text."""

    parts: Mapping[str, Sequence[Item]]
    n_left_out: int


def cut_documents(texts: Mapping[str, str], unit: str) -> list[Document]:
    """Cut texts into documents; blank ones are left out.

    Parameters
    ----------
    texts : mapping from file name (or split of a data set) to text
    unit : {'file', 'paragraph', 'article'}
        What one document is: a whole text, what stands between blank lines, or
        what follows a line ``= Title =`` up to the next (text before the first
        title is an article too).

    Raises
    ------
    UserError
        When there is no text at all, or no title where articles are wanted.
    """
    documents = [
        Document(name if unit == "file" else f"{name}#{number:05d}", name, piece.strip())
        for name, text in texts.items()
        for number, piece in enumerate(_pieces(text, unit))
        if piece.strip()
    ]
    if not documents:
        raise UserError(f"the corpus is empty: no text was found in {_some(list(texts))}")
    if unit == "article" and not any(_ARTICLE.search(text) for text in texts.values()):
        raise UserError(
            "documents: article, but no line like '= Title =' was found; set documents: file or documents: paragraph"
        )
    return documents


def divide(documents: Sequence[Document], *, observe: Selection, evaluate: Selection) -> Division[Document]:
    """Choose the documents of both parts.

    Parameters
    ----------
    documents : sequence of Document
    observe, evaluate : Selection
        How the part is chosen.

    Returns
    -------
    Division
        ``observe`` and ``evaluate``, both in the order of the documents. What is the same as a document to evaluate,
        but for capitals and white space, is left out of ``observe``, however short it is.

    Raises
    ------
    UserError
        When a part has no document, or a document is in both.
    """
    chosen = {}
    for part, selection in zip(PARTS, (observe, evaluate), strict=True):
        chosen[part] = _WAYS[selection.kind](documents, selection.value)
        if not chosen[part]:
            ((way, value),) = selection.plain().items()
            raise UserError(
                f"{part}: no document matches {way}: {value}; "
                f"there are {len(documents)}, called {_some([document.origin for document in documents])}"
            )
    _check_disjoint(chosen)
    observed, evaluated = chosen.values()
    kept = not_among(observed, evaluated, key=lambda document: sameness(document.text))
    if not kept:
        raise UserError(
            f"observe: each of its {len(observed)} documents is the same as one to evaluate, but for capitals and "
            "white space; choose others"
        )
    return Division({"observe": kept, "evaluate": evaluated}, len(observed) - len(kept))


def sameness(text: str) -> str:
    """Return what two texts have in common that differ in capitals and white space alone."""
    return " ".join(text.split()).casefold()


def not_among(items: Iterable[Item], others: Iterable[Item], key: Callable[[Item], Any]) -> list[Item]:
    """Return the items that are the same as none of the others by a key."""
    taken = {key(other) for other in others}
    return [item for item in items if key(item) not in taken]


def rows(corpus: str, parts: Mapping[str, Sequence[Document]]) -> list[dict[str, str]]:
    """Return a corpus as rows of ``contracts.CORPUS``."""
    return [
        {"corpus": corpus, "part": part, "document": document.name, "text": document.text}
        for part, documents in parts.items()
        for document in documents
    ]


def corpus_digest(parts: Mapping[str, Sequence[Document]]) -> str:
    """Return the SHA-256 over the names and texts of all parts."""
    return words_digest((part, one.name, one.text) for part, documents in parts.items() for one in documents)


def _pieces(text: str, unit: str) -> list[str]:
    if unit == "file":
        return [text]
    if unit == "paragraph":
        return _BLANK_LINES.split(text.strip())
    starts = [match.start() for match in _ARTICLE.finditer(text)]
    return [text[start:end] for start, end in zip([0, *starts], [*starts, len(text)], strict=True)]


def _by_number(documents: Sequence[Document], ends: Sequence[int]) -> list[Document]:
    def number(document: Document) -> int | None:
        found = re.search(r"\d+", PurePosixPath(document.origin).name)
        return int(found.group()) if found else None

    first, last = ends
    numbers = [(number(document), document) for document in documents]
    return [document for n, document in numbers if n is not None and first <= n <= last]


def _by_pattern(documents: Sequence[Document], pattern: str) -> list[Document]:
    return [document for document in documents if fnmatch.fnmatchcase(document.origin, pattern)]


def _by_split(documents: Sequence[Document], split: str) -> list[Document]:
    return [document for document in documents if document.origin == split]


def _by_share(documents: Sequence[Document], ends: Sequence[float]) -> list[Document]:
    first, last = (round(share * len(documents)) for share in ends)
    return list(documents[first:last])


_WAYS: dict[str, Callable[[Sequence[Document], Any], list[Document]]] = {
    "number_in_name": _by_number,
    "files": _by_pattern,
    "split": _by_split,
    "share": _by_share,
}


def _check_disjoint(chosen: Mapping[str, Sequence[Document]]) -> None:
    names = {document.name for document in chosen["observe"]}
    twice = [document.name for document in chosen["evaluate"] if document.name in names]
    if twice:
        raise UserError(
            f"{len(twice)} documents are in both parts, for example '{twice[0]}'; "
            "make the selections under 'observe' and 'evaluate' disjoint"
        )


def _some(names: Sequence[str], shown: int = 3) -> str:
    """List the first names and the last."""
    unique = list(dict.fromkeys(names))
    if len(unique) <= shown + 1:
        return ", ".join(unique)
    return f"{', '.join(unique[:shown])}, ..., {unique[-1]}"
