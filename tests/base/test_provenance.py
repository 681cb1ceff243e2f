"""Provenance: digests of values and of files."""

from weightspectra.base import provenance
from weightspectra.base.provenance import digest


def test_digests_ignore_the_order_of_keys_and_nothing_else():
    assert digest({"a": 1, "b": [1, 2]}) == digest({"b": [1, 2], "a": 1})
    assert len({digest(value) for value in ({"a": 1}, {"a": 2}, {"b": 1}, {"a": "1"}, [1, 2], [2, 1], None)}) == 7


def test_a_file_digest_is_that_of_its_bytes(tmp_path):
    (tmp_path / "abc").write_bytes(b"abc")
    known = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"  # FIPS 180-2, appendix B.1
    assert provenance.file_sha256(tmp_path / "abc") == known
