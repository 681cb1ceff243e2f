"""Counts the characters and bigrams of tiny Shakespeare, for the bigram task.

    python docs/generate_counts.py input.txt            writes config/published/tiny_shakespeare.csv
    python docs/generate_counts.py input.txt --check    fails if that table is not up to date

The text is ``data/tinyshakespeare/input.txt`` of https://github.com/karpathy/char-rnn.
"""

import argparse
import hashlib
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "src"))

from weightspectra.birth.task import characters  # noqa: E402 (the package need not be installed)
from weightspectra.sources import plain_text  # noqa: E402

TABLE = ROOT / "config" / "published" / "tiny_shakespeare.csv"
COMMENT = """\
Characters and bigrams of tiny Shakespeare: {n_characters:,} characters of a text in the public domain.
Source: github.com/karpathy/char-rnn, data/tinyshakespeare/input.txt
SHA-256: {sha256}
Counted by: python docs/generate_counts.py input.txt
A row: a character's code point, its count, and how often each of the code points in the heading follows it."""


def table_of(content: bytes) -> str:
    """Return the table of counts of a file, as it is kept."""
    text = plain_text.with_line_feeds(plain_text.decode(content))
    comment = COMMENT.format(n_characters=len(text), sha256=hashlib.sha256(content).hexdigest())
    return characters.to_csv(characters.count(text), comment)


def main() -> None:
    """Write the table, or compare it with what it should be."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("text", type=Path, help="the text")
    parser.add_argument("--check", action="store_true", help="only compare")
    options = parser.parse_args()
    table = table_of(options.text.read_bytes())
    if not options.check:
        TABLE.write_text(table)
    elif not TABLE.is_file() or TABLE.read_text() != table:
        sys.exit(f"{TABLE.relative_to(ROOT)} does not hold the counts of {options.text}")


if __name__ == "__main__":
    main()
