"""Bytes -> text: UTF-8 and nothing else. What is no plain text is refused with what makes it one, never guessed at."""

from weightspectra.base.errors import UserError

SIGNATURES = {
    b"\xff\xfe\x00\x00": ("UTF-32", "convert it, for example with: iconv -f utf-32 -t utf-8"),
    b"\x00\x00\xfe\xff": ("UTF-32", "convert it, for example with: iconv -f utf-32 -t utf-8"),
    b"\xff\xfe": ("UTF-16", "convert it, for example with: iconv -f utf-16 -t utf-8"),
    b"\xfe\xff": ("UTF-16", "convert it, for example with: iconv -f utf-16 -t utf-8"),
    b"\x1f\x8b": ("gzip", "unpack it with: gunzip"),
    b"BZh": ("bzip2", "unpack it with: bunzip2"),
    b"\xfd7zXZ\x00": ("xz", "unpack it with: unxz"),
    b"\x28\xb5\x2f\xfd": ("zstd", "unpack it with: unzstd"),
    b"PK\x03\x04": ("a zip archive", "unpack it with: unzip"),
    b"PAR1": ("a Parquet file", "write its text column to .txt files or JSON lines"),
    b"%PDF-": ("a PDF file", "take its text out, for example with: pdftotext"),
}
"""How files begin that are no plain text: what they are, and the cure."""


def decode(content: bytes) -> str:
    """Return the text of a file: UTF-8, with or without byte order mark, its ends of lines as they are.

    Raises
    ------
    UserError
        When it is of another kind or encoding, or holds a NUL; says where, and what makes it plain text.
    """
    for signature, (kind, cure) in SIGNATURES.items():
        if content.startswith(signature):
            raise UserError(f"found {kind}, expected plain text in UTF-8; {cure}")
    nul = content.find(0)
    if nul >= 0:
        raise UserError(
            f"byte 0x00 at position {nul:,} is no text; if the file is UTF-16, convert it, for example with: "
            "iconv -f utf-16le -t utf-8, or else remove such bytes with: tr -d '\\000'"
        )
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UserError(
            f"byte {content[error.start]:#04x} at position {error.start:,} is not UTF-8; "
            "convert the text, for example with: iconv -f latin1 -t utf-8"
        ) from error


def with_line_feeds(text: str) -> str:
    """Return a text with every line ended by one line feed."""
    return text.replace("\r\n", "\n").replace("\r", "\n")
