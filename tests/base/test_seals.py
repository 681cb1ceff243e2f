"""Seals: a footer that changed after it was sealed is found out."""

import hashlib

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from weightspectra.base import seals


def write(path, metadata):
    with path.open("w+b") as stream:
        table = pa.table({"a": [1, 2]})
        with pq.ParquetWriter(stream, table.schema) as writer:
            writer.write_table(table)
            writer.add_key_value_metadata(metadata)
        seals.seal(stream)


def test_a_sealed_file_is_intact_until_its_footer_changes(tmp_path):
    path = tmp_path / "t.parquet"
    write(path, {**seals.PLACES, "unit": "metres"})
    assert seals.is_intact(path) is True
    assert pq.read_table(path).column("a").to_pylist() == [1, 2]
    path.write_bytes(path.read_bytes().replace(b"metres", b"litres"))
    assert seals.is_intact(path) is False
    assert pq.read_metadata(path).metadata[b"unit"] == b"litres"  # Parquet itself did not notice


def test_a_flipped_bit_in_any_byte_of_a_sealed_file_is_found(tmp_path):
    path = tmp_path / "t.parquet"
    write(path, seals.PLACES)
    assert seals.fault(path) == ""
    whole = path.read_bytes()
    silent = 0
    for at in range(len(whole)):
        damaged = bytearray(whole)
        damaged[at] ^= 1 << at % 8
        path.write_bytes(damaged)
        assert seals.fault(path), at
        silent += seals.is_intact(path) is True
    assert silent == len(whole) - len(footer_of(whole)) - 8 + 4  # the body, and the letters at the end
    path.write_bytes(whole[: len(whole) // 2])
    assert seals.fault(path)


def test_what_an_earlier_version_wrote_says_so(tmp_path):
    path = tmp_path / "t.parquet"
    write(path, seals.PLACES)
    old = path.read_bytes().replace(b"body_sha256", b"body_sha257").replace(find_seal(path), b"0" * 64)
    path.write_bytes(old.replace(b"0" * 64, hashlib.sha256(footer_of(old)).hexdigest().encode()))
    assert seals.is_intact(path)
    assert seals.fault(path) == "its footer holds no checksum of what lies before it: an earlier version wrote it"


def footer_of(content):
    return content[-8 - int.from_bytes(content[-8:-4], "little") : -8]


def find_seal(path):
    return pq.read_metadata(path).metadata[seals.KEY.encode()]


def test_a_file_without_place_for_a_seal_is_refused(tmp_path):
    with pytest.raises(ValueError, match="expected body_sha256"):
        write(tmp_path / "t.parquet", {"unit": "metres"})


@pytest.mark.parametrize("content", [b"", b"PAR1", b"PAR1 not a Parquet file PAR1", b"\xff" * 100])
def test_what_was_never_sealed_is_neither_intact_nor_broken(content, tmp_path):
    (tmp_path / "file").write_bytes(content)
    assert seals.is_intact(tmp_path / "file") is None


def test_lists_that_lost_values_are_found_out(tmp_path):
    lists = pa.array([[1.0, 2.0], [], [3.0]], type=pa.list_(pa.field("element", pa.float64(), nullable=False)))
    table = pa.table({"index": [0, 1, 2], "values": lists})
    pq.write_table(table, tmp_path / "t.parquet", row_group_size=2)
    metadata = pq.read_metadata(tmp_path / "t.parquet")
    assert seals.check_counts(table, metadata, [0, 1]) is table
    assert seals.check_counts(table.slice(2), metadata, [1]).num_rows == 1
    shortened = table.set_column(1, "values", pa.array([[1.0], [], [3.0]], type=lists.type))
    with pytest.raises(pa.ArrowInvalid, match="column 'values' holds 3 values, the footer promises 4"):
        seals.check_counts(shortened, metadata, [0, 1])
    with pytest.raises(pa.ArrowInvalid, match="column 'index' holds 2 values"):
        seals.check_counts(table.slice(0, 2), metadata, [0, 1])
