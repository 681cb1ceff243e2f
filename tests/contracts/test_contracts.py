"""Contracts: what goes in comes out, and what is damaged or does not fit is named."""

from itertools import pairwise

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from weightspectra import contracts
from weightspectra.base.errors import UserError
from weightspectra.contracts import ALL, BULK, CORPUS, EVALUATIONS, MOMENTS, SPECTRA, VECTORS, WEIGHTS, MatrixKey

MATRIX_FILES = (WEIGHTS, VECTORS, MOMENTS)
TABLES = tuple(contract for contract in ALL if contract not in MATRIX_FILES)
MADE_BY = {"rule": "test", "seed": 3}


def column_of(column, n_rows, rng):
    """Return values that fill the whole range that a column allows, of floats and NaN too."""
    if pa.types.is_list(column.type):
        element = column._replace(type=column.element)
        return pd.Series([list(column_of(element, length, rng)) for length in rng.integers(0, 5, n_rows)], dtype=object)
    if column.one_of:
        return pd.Series(rng.choice(column.one_of, n_rows), dtype="str")
    if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        return pd.Series([f"näme {number}\n" for number in range(n_rows)], dtype="str")
    kind = column.type.to_pandas_dtype()
    if pa.types.is_boolean(column.type):
        return rng.integers(0, 2, n_rows).astype(bool)
    if pa.types.is_integer(column.type):
        low, high = max(np.iinfo(kind).min, column.minimum), min(np.iinfo(kind).max, column.maximum)
        return rng.integers(int(low), int(high), n_rows, endpoint=True, dtype=kind)
    largest = 300 if kind is np.float64 else 30
    values = rng.standard_normal(n_rows) * 10.0 ** rng.integers(-largest, largest, n_rows)
    if column.minimum > -np.inf:
        values = column.minimum + np.abs(values) % (min(column.maximum, 1e30) - column.minimum)
    return np.where(rng.random(n_rows) < 0.2, np.nan, values).astype(kind) if column.nan else values.astype(kind)


def table_of(contract, n_rows, seed=0):
    rng = np.random.default_rng(seed)
    table = pd.DataFrame({column.name: column_of(column, n_rows, rng) for column in contract.columns})
    for names in contract.ordered:
        for upper, lower in pairwise(reversed(names)):
            if table[lower].dtype == object:
                table[upper] = table[lower]
            else:
                table[lower] = table[lower].clip(upper=table[upper]).astype(table[lower].dtype)
    return table


def write_matrices(contract, path, matrices, provenance=MADE_BY):
    rng = np.random.default_rng(1)
    extra = [c for c in contract.columns if c.name not in (*MatrixKey._fields, "index", "values")]
    with contract.matrix_writer(path, provenance) as writer:
        for key, values in matrices.items():
            writer.write(key, values, **{c.name: column_of(c, len(values), rng) for c in extra})


def bfloat16_matrix(n_rows, n_columns, seed=0):
    """Return float32 numbers that bfloat16 holds too: the lower half of their bits is zero."""
    bits = np.random.default_rng(seed).integers(0, 2**32, (n_rows, n_columns), dtype=np.uint32) & 0xFFFF0000
    values = bits.view(np.float32)
    return np.where(np.isfinite(values), values, np.float32(1.5))


def fitting(contract, matrices):
    """Return matrices whose entries a contract allows: components of unit vectors are 1 at most."""
    if contract is WEIGHTS:
        return matrices
    return {key: np.where(np.abs(values) <= 1, values, 0) for key, values in matrices.items()}


@pytest.mark.parametrize("contract", TABLES, ids=lambda contract: contract.name)
@pytest.mark.parametrize("n_rows", [0, 1, 7])
def test_table_comes_back_as_it_was_written(contract, n_rows, tmp_path):
    rows = table_of(contract, n_rows)
    contract.write(rows, tmp_path / "t.parquet", MADE_BY)
    back = contract.read(tmp_path / "t.parquet")
    assert list(back.columns) == contract.schema.names
    for name in back.columns:
        found = [list(v) if isinstance(v, np.ndarray) else v for v in back[name]]
        np.testing.assert_equal(found, list(rows[name]), err_msg=name)
    assert contracts.read_provenance(tmp_path / "t.parquet") == MADE_BY


@pytest.mark.parametrize("contract", MATRIX_FILES, ids=lambda contract: contract.name)
def test_matrices_come_back_bit_for_bit(contract, tmp_path):
    matrices = {
        MatrixKey(0, "query"): bfloat16_matrix(5, 8),
        MatrixKey(1, "down", expert=3): bfloat16_matrix(300, 1),
        MatrixKey(11, "gate"): np.asfortranarray(bfloat16_matrix(3, 4)),
    }
    matrices = fitting(contract, matrices)
    write_matrices(contract, tmp_path / "m.parquet", matrices)
    back = contract.matrices(tmp_path / "m.parquet")
    assert list(back) == list(matrices)
    for key, values in matrices.items():
        found = back[key]["values"]
        assert found.dtype == np.float32
        np.testing.assert_array_equal(found.view(np.uint32), np.ascontiguousarray(values).view(np.uint32))
        np.testing.assert_array_equal(back[key]["index"], np.arange(len(values)))
        assert set(back[key]["layer"]) == {key.layer}


@pytest.mark.parametrize("n_rows", [7, 8, 9])
def test_a_large_matrix_takes_several_row_groups(n_rows, tmp_path, monkeypatch):
    monkeypatch.setattr(contracts.contract, "ROW_GROUP_BYTES", 4 * 4 * 5)  # four rows of five
    matrices = {
        MatrixKey(0, "up"): bfloat16_matrix(n_rows, 5),
        MatrixKey(0, "down"): bfloat16_matrix(3, 5, seed=1),
        MatrixKey(1, "up"): bfloat16_matrix(2, 50, seed=2),  # one row is more than a row group shall hold
    }
    path = tmp_path / "m.parquet"
    write_matrices(WEIGHTS, path, matrices)
    assert pq.read_metadata(path).num_row_groups == -(-n_rows // 4) + 1 + 2
    back = WEIGHTS.matrices(path)
    assert list(back) == list(matrices)
    for key, values in matrices.items():
        assert back[key]["values"].tobytes() == values.tobytes()
        assert list(back[key]["index"]) == list(range(len(values)))


def test_a_value_given_once_holds_for_every_row(tmp_path):
    with MOMENTS.matrix_writer(tmp_path / "m.parquet", MADE_BY) as writer:
        writer.write(
            MatrixKey(2, "up"), np.eye(3), roles="gate+up", n_tokens=10, mean=np.arange(3.0), eigenvalue=[3.0, 2.0, 1.0]
        )
    entry = MOMENTS.matrices(tmp_path / "m.parquet")[MatrixKey(2, "up")]
    assert list(entry["roles"]) == ["gate+up"] * 3
    assert list(entry["n_tokens"]) == [10] * 3
    assert list(entry["eigenvalue"]) == [3, 2, 1]


def test_parts_are_read_as_one_whatever_their_provenance(tmp_path):
    paths = [tmp_path / f"part-{i}.parquet" for i in range(3)]
    parts = [table_of(BULK, n_rows, seed) for seed, n_rows in enumerate((2, 0, 3))]
    for part, path in zip(parts, paths, strict=True):
        BULK.write(part, path, {"part": path.name})
    np.testing.assert_array_equal(BULK.read(paths)["scale"], [v for part in parts for v in part["scale"]])
    keys = [MatrixKey(layer, "value") for layer in range(3)]
    for key, path in zip(keys, paths, strict=True):
        write_matrices(WEIGHTS, path, {key: np.full((2, 2), key.layer)}, {"part": path.name})
    assert [WEIGHTS.matrices(paths)[key]["values"][1, 1] for key in keys] == [0, 1, 2]


def test_some_columns_can_be_read_alone(tmp_path):
    BULK.write(table_of(BULK, 2), tmp_path / "b.parquet", MADE_BY)
    assert list(BULK.read(tmp_path / "b.parquet", columns=["layer", "scale"]).columns) == ["layer", "scale"]


def test_writing_twice_gives_the_same_bytes(tmp_path):
    for name in ("a", "b"):
        EVALUATIONS.write(table_of(EVALUATIONS, 20), tmp_path / name, MADE_BY)
        write_matrices(WEIGHTS, tmp_path / f"m{name}", {MatrixKey(0, "key"): bfloat16_matrix(9, 9)})
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    assert (tmp_path / "ma").read_bytes() == (tmp_path / "mb").read_bytes()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.drop(columns="scale"), f"{BULK.identity}: missing columns: scale"),
        (lambda t: t.assign(scael=1.0), f"{BULK.identity}: unknown columns: scael"),
        (
            lambda t: t.rename(columns={"scale": "scael"}),
            f"{BULK.identity}: missing columns: scale; unknown columns: scael",
        ),
        (lambda t: t.assign(scale="wide"), f"{BULK.identity}: column 'scale' is not double"),
        (lambda t: t.assign(n_below=0.5), f"{BULK.identity}: column 'n_below' is not int32"),
        (lambda t: t.assign(layer=70_000), f"{BULK.identity}: column 'layer' is not int16"),
        (lambda t: t.assign(role=4), f"{BULK.identity}: column 'role' is not string"),
        (lambda t: t.assign(role=["key", None]), f"{BULK.identity}: column 'role' holds 1 nulls"),
    ],
)
def test_rows_that_do_not_fit_are_refused_by_column(change, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        BULK.write(change(table_of(BULK, 2)), tmp_path / "b.parquet", MADE_BY)
    assert not list(tmp_path.iterdir())


def test_a_mapping_that_lacks_a_column_is_refused(tmp_path):
    complete, lacking = table_of(BULK, 2).to_dict("records")
    del lacking["scale"]
    with pytest.raises(ValueError, match=f"{BULK.identity}: missing columns: scale"):
        BULK.write([complete, lacking], tmp_path / "b.parquet", MADE_BY)


def test_another_contract_or_version_is_refused_and_kept(tmp_path):
    path = tmp_path / "b.parquet"
    BULK.write(table_of(BULK, 2), path, MADE_BY)
    newer = contracts.Contract("bulk", 99, BULK.meaning, BULK.columns)
    with pytest.raises(
        UserError,
        match=rf"b\.parquet: expected {SPECTRA.identity}, found {BULK.identity}; delete the file and run again",
    ):
        SPECTRA.read(path)
    with pytest.raises(UserError, match=f"expected bulk/99, found {BULK.identity}"):
        newer.read(path)
    pq.write_table(pa.table({"a": [1]}), tmp_path / "foreign.parquet")
    with pytest.raises(UserError, match=rf"foreign\.parquet: expected {BULK.identity}, found no contract"):
        BULK.read(tmp_path / "foreign.parquet")
    assert path.exists()
    assert (tmp_path / "foreign.parquet").exists()


def test_no_flipped_bit_ever_changes_a_table(tmp_path):
    path = tmp_path / "t.parquet"
    SPECTRA.write(table_of(SPECTRA, 6), path, MADE_BY)
    check_flips(path, lambda: SPECTRA.read(path).to_json(double_precision=15), n_flips=400)


def test_no_flipped_bit_ever_changes_a_matrix(tmp_path):
    path = tmp_path / "w.parquet"
    write_matrices(WEIGHTS, path, {MatrixKey(0, "key"): bfloat16_matrix(9, 9)})
    check_flips(path, lambda: WEIGHTS.matrices(path)[MatrixKey(0, "key")]["values"].tobytes(), n_flips=400)


def check_flips(path, read, n_flips):
    """Flip random bits, one at a time: either the file is named and deleted, or the same numbers come back."""
    good, expected = path.read_bytes(), read()
    detected = 0
    for position in np.random.default_rng(5).integers(0, 8 * len(good), n_flips):
        damaged = bytearray(good)
        damaged[position // 8] ^= 1 << position % 8
        path.write_bytes(damaged)
        try:
            assert read() == expected, f"bit {position}"
        except UserError as error:
            assert str(error).startswith(f"{path}: corrupt "), error
            assert "it was deleted: run again" in str(error)
            assert not path.exists()
            detected += 1
    assert detected > n_flips / 2


def test_every_flip_in_the_footer_is_detected(tmp_path):
    path = tmp_path / "t.parquet"
    CORPUS.write(table_of(CORPUS, 1), path, MADE_BY)
    good = path.read_bytes()
    footer = int.from_bytes(good[-8:-4], "little")
    for position in range(len(good) - footer - 8, len(good), 7):
        damaged = bytearray(good)
        damaged[position] ^= 1 << position % 8
        path.write_bytes(damaged)
        with pytest.raises(UserError, match=r"expected corpus/1|corrupt corpus file"):
            CORPUS.read(path)


@pytest.mark.parametrize("share", [0, 0.0005, 0.3, 0.9, 0.9999])
def test_a_truncated_or_empty_file_is_named_and_deleted(share, tmp_path):
    for path, read in [
        (tmp_path / "t.parquet", lambda path: BULK.read(path)),
        (tmp_path / "p.parquet", lambda path: contracts.read_provenance(path)),
    ]:
        BULK.write(table_of(BULK, 50), path, MADE_BY)
        path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
        with pytest.raises(UserError, match=rf"{path.name}: corrupt \w+ file .*it was deleted: run again"):
            read(path)
        assert not path.exists()


def test_a_fault_of_the_machine_does_not_delete_the_file(tmp_path, monkeypatch):
    path = tmp_path / "b.parquet"
    BULK.write(table_of(BULK, 2), path, MADE_BY)

    def refuse(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(pq, "ParquetFile", refuse)
    with pytest.raises(PermissionError):
        BULK.read(path)
    assert path.exists()


def test_a_missing_file_is_reported_as_such(tmp_path):
    with pytest.raises(FileNotFoundError):
        BULK.read(tmp_path / "none.parquet")


def test_other_parquet_readers_can_read_a_sealed_file(tmp_path):
    BULK.write(table_of(BULK, 3), tmp_path / "b.parquet", MADE_BY)
    assert len(pd.read_parquet(tmp_path / "b.parquet")) == 3


def test_every_contract_and_column_says_what_it_means():
    assert len({contract.name for contract in ALL}) == len(ALL)
    for contract in ALL:
        assert contract.meaning.endswith(".")
        assert len(set(contract.schema.names)) == len(contract.columns)
        assert all(column.meaning for column in contract.columns)
        assert not any(field.nullable for field in contract.schema)
