"""Values that a contract does not allow: named by row, column, what was found and what was expected."""

import json

import numpy as np
import pyarrow as pa
import pytest

from weightspectra.base.errors import UserError
from weightspectra.base.parquet import parquet_writer
from weightspectra.contracts import (
    ALL,
    BULK,
    EVALUATIONS,
    INFORMATION,
    LEVELS,
    VECTORS,
    WEIGHTS,
    Column,
    Contract,
    MatrixKey,
)
from weightspectra.contracts.values import first_fault

MADE_BY = {"rule": "test"}
ROW = {
    "model": "tiny",
    "layer": 3,
    "role": "key",
    "expert": 0,
    "region": "middle",
    "n_directions": 50,
    "n_outliers": 7,
    "information": 0.3,
    "information_low": 0.25,
    "information_high": 0.5,
}
NAMED = "row model 'tiny', layer 3, role 'key', expert 0, region 'middle': "


def write_unchecked(contract, rows, path, **metadata):
    """Write rows as a program would that checks types alone."""
    table = contract.arrow_table({c.name: [row[c.name] for row in rows] for c in contract.columns})
    stamp = {"contract": contract.identity, "provenance": json.dumps(MADE_BY), **metadata}
    with open(path, "w+b") as stream, parquet_writer(stream, contract.schema.with_metadata(stamp)) as writer:
        writer.write(table)


WRONG = [
    (
        {"role": "nonsense"},
        "column 'role' is 'nonsense', expected one of 'query', 'key', 'value', 'attention_output', ",
    ),
    ({"region": "top"}, "column 'region' is 'top', expected one of 'smallest tenth', 'middle', 'largest tenth'"),
    ({"n_directions": -5}, "column 'n_directions' is -5, expected at least 0"),
    ({"information": 1.5}, "column 'information' is 1.5, expected -1 to 1 or NaN"),
    ({"information_high": np.inf}, "column 'information_high' is inf, expected -1 to 1 or NaN"),
    (
        {"information_low": 0.8, "information_high": -0.3},
        "columns 'information_low' and 'information' are 0.8 and 0.3, expected the first to be no larger",
    ),
    ({"n_outliers": 51}, "columns 'n_outliers' and 'n_directions' are 51 and 50, expected the first to be no larger"),
]


@pytest.mark.parametrize(("change", "message"), WRONG, ids=lambda change: "-".join(change) if change else "")
def test_what_is_not_allowed_is_neither_written_nor_read(change, message, tmp_path):
    path, rows = tmp_path / "i.parquet", [ROW | {"layer": 2}, ROW | change]
    with pytest.raises(ValueError, match="information/1: row model 'tiny', layer 3") as refused:
        INFORMATION.write(rows, path, MADE_BY)
    assert message in str(refused.value)
    assert not path.exists()
    write_unchecked(INFORMATION, rows, path)
    with pytest.raises(UserError) as unread:
        INFORMATION.read(path)
    assert str(unread.value).startswith(f"{path}: row model 'tiny', layer 3")
    assert message in str(unread.value)
    assert str(unread.value).endswith("delete it and run again to make it with this version")
    assert path.exists()


def test_a_key_stands_in_one_row_only(tmp_path):
    rows, path = [ROW, ROW | {"layer": 4}, ROW | {"information": 0.4}], tmp_path / "i.parquet"
    message = f"{NAMED}found more than once, expected one row for each model, layer, role, expert, region"
    with pytest.raises(ValueError, match=f"^information/1: {message}$"):
        INFORMATION.write(rows, path, MADE_BY)
    write_unchecked(INFORMATION, rows, path)
    with pytest.raises(UserError, match=message):
        INFORMATION.read(path)


def test_nan_is_allowed_where_the_contract_says_so(tmp_path):
    unknown = dict.fromkeys(("information", "information_low", "information_high"), np.nan)
    INFORMATION.write([ROW | unknown], tmp_path / "i.parquet", MADE_BY)
    assert INFORMATION.read(tmp_path / "i.parquet")["information"].isna().all()
    bulk = next(column for column in BULK.columns if column.name == "rounding_floor")
    assert fault_of([1.0, np.nan], bulk) == "row 1: column 'rounding_floor' is nan, expected at least 0"


def fault_of(values, column, kind=None):
    return first_fault(pa.table({column.name: pa.array(values, kind or column.type)}), [column])


@pytest.mark.parametrize(
    ("allowed", "good", "bad", "words"),
    [
        ({}, [-1e308, 0.0], [np.nan, np.inf, -np.inf], "finite"),
        ({"nan": True}, [np.nan, 5.0], [np.inf], "finite or NaN"),
        ({"infinite": True, "minimum": 1}, [np.inf, 1.0], [np.nan, -np.inf, 0.9], "at least 1 or infinite"),
        ({"infinite": True, "nan": True}, [np.inf, -np.inf, np.nan], [], "finite or infinite or NaN"),
        ({"maximum": 2}, [-7.0, 2.0], [2.1, np.inf, np.nan], "at most 2"),
        ({"minimum": 0, "maximum": 1}, [0.0, 1 + 1e-7, -1e-7], [1.00001, -0.00001], "0 to 1"),
    ],
)
@pytest.mark.parametrize("kind", [pa.float64(), pa.float32()])
def test_limits_hold_for_numbers_and_for_elements_of_lists(allowed, good, bad, words, kind):
    good = [value for value in good if abs(value) < 1e38 or not np.isfinite(value)]
    column, listed = Column("x", kind, "", **allowed), Column("x", pa.list_(kind), "", **allowed)
    assert column.allowed == listed.allowed == words
    assert not fault_of(good, column)
    assert not fault_of([[], good, []], listed)
    for value in bad:
        expected = f"column 'x' is {pa.scalar(value, kind).as_py()!r}, expected {words}"
        assert fault_of([*good, value], column) == f"row {len(good)}: {expected}"
        assert fault_of([good, [], [*good, value], []], listed) == f"row 2: {expected}"
        assert fault_of([good, [value, *good]], listed) == f"row 1: {expected}"


def test_words_are_checked_in_lists_too():
    column = Column("roles", pa.list_(pa.string()), "", one_of=("up", "down"))
    assert not fault_of([["up"], [], ["down", "up"]], column)
    assert fault_of([["up"], [], ["up", "left"]], column).startswith("row 2: column 'roles' is 'left', expected one of")


def test_columns_of_lists_are_in_order_element_by_element():
    table = pa.table({"low": [[1.0, np.nan], [0.0, 3.0]], "high": [[1.0, 0.0], [1.0, 2.0]]})
    assert first_fault(table, [], ordered=[("low", "high")]).startswith(
        "row 1: columns 'low' and 'high' are 3.0 and 2.0"
    )


def test_a_file_that_its_writer_has_checked_is_not_checked_again(tmp_path, monkeypatch):
    path = tmp_path / "i.parquet"
    INFORMATION.write([ROW], path, MADE_BY)
    monkeypatch.setattr(Contract, "fault", lambda *_: "it was checked")
    assert len(INFORMATION.read(path)) == 1
    stricter = Contract(
        "information", 1, "", (*INFORMATION.columns[:-1], INFORMATION.columns[-1]._replace(maximum=0.6))
    )
    with pytest.raises(UserError, match="it was checked"):
        stricter.read(path)


def test_what_is_not_read_is_not_checked(tmp_path):
    path = tmp_path / "i.parquet"
    write_unchecked(INFORMATION, [ROW | {"role": "nonsense"}], path)
    assert INFORMATION.read(path, columns=["information"])["information"].tolist() == [0.3]
    with pytest.raises(UserError, match=r"row model 'tiny', role 'nonsense': column 'role'"):
        INFORMATION.read(path, columns=["role", "model"])


def test_a_matrix_stands_once_in_a_file_and_in_one_part_only(tmp_path):
    key = MatrixKey(0, "key")
    with WEIGHTS.matrix_writer(tmp_path / "a", MADE_BY) as writer:
        writer.write(key, np.eye(2))
        with pytest.raises(ValueError, match=r"weights/1: layer 0 'key' was written before, expected each matrix once"):
            writer.write(key, np.eye(2))
    with WEIGHTS.matrix_writer(tmp_path / "b", MADE_BY) as writer:
        writer.write(key, np.eye(3))
    with pytest.raises(UserError, match=r"b: layer 0 'key' is in .*a too; expected each matrix in one part only"):
        WEIGHTS.matrices([tmp_path / "a", tmp_path / "b"])


@pytest.mark.parametrize(
    ("contract", "key", "values", "message"),
    [
        (WEIGHTS, MatrixKey(0, "nonsense"), np.eye(2), "row layer 0, role 'nonsense', .*: column 'role' is 'nonsense'"),
        (WEIGHTS, MatrixKey(-1, "up"), np.eye(2), "column 'layer' is -1, expected at least 0"),
        (WEIGHTS, MatrixKey(0, "up"), np.diag([1, np.nan]), "index 1: column 'values' is nan, expected finite"),
        (VECTORS, MatrixKey(0, "up"), np.diag([1, 1.1]), r"index 1: column 'values' is 1\.1\d*, expected -1 to 1"),
    ],
)
def test_matrices_are_checked_when_they_are_written(contract, key, values, message, tmp_path):
    with (
        pytest.raises(ValueError, match=rf"^{contract.identity}: {'.*'}{message}"),
        contract.matrix_writer(tmp_path / "m", MADE_BY) as writer,
    ):
        writer.write(key, values)
    assert not list(tmp_path.iterdir())


def test_a_matrix_file_with_an_unknown_role_is_refused_when_it_is_opened(tmp_path):
    row = {"layer": 0, "role": "nonsense", "expert": 0, "index": 0, "values": [1.0]}
    write_unchecked(WEIGHTS, [row], tmp_path / "w.parquet")
    with pytest.raises(UserError, match=r"w\.parquet: row layer 0, role 'nonsense'.*: column 'role' is 'nonsense'"):
        WEIGHTS.matrices(tmp_path / "w.parquet")


def test_meanings_and_limits_change_no_signature():
    """A stricter check re-runs nothing: files are held against it when they are read."""
    loose = Contract("bulk", BULK.version, "", tuple(Column(c.name, c.type, "") for c in BULK.columns))
    assert loose.signature == BULK.signature
    assert loose.constraints != BULK.constraints
    for place, column in enumerate(BULK.columns):
        for other in (column._replace(name="m"), column._replace(type=pa.list_(column.type))):
            changed = Contract("bulk", BULK.version, "", (*BULK.columns[:place], other, *BULK.columns[place + 1 :]))
            assert changed.signature != BULK.signature, column.name


def test_keys_and_orders_name_columns_of_their_contract():
    for contract in ALL:
        names = {column.name for column in contract.columns}
        assert names.issuperset(contract.key), contract.name
        assert names.issuperset(name for ordered in contract.ordered for name in ordered), contract.name
        for column in contract.columns:
            assert column.minimum < column.maximum
            assert not column.one_of or pa.types.is_string(column.element)


def test_vocabularies_are_those_of_the_code_that_writes_them():
    """Contracts are above the code that writes them, so that they cannot take its words from there."""
    from weightspectra.ablation.choose.scopes import GROUPINGS
    from weightspectra.birth.model.parameters import WEIGHTS as TRAINED
    from weightspectra.contracts import birth, randomness
    from weightspectra.randomness.information import REGIONS
    from weightspectra.randomness.spacings.unfolding import UNFOLDINGS
    from weightspectra.statistics.estimators import STATISTICS

    assert set(words_of(EVALUATIONS, "statistic")) == set(STATISTICS)
    assert set(words_of(EVALUATIONS, "scope")) == {*GROUPINGS, "head", "none"}
    assert words_of(LEVELS, "unfolding") == tuple(UNFOLDINGS)
    assert tuple(REGIONS) == randomness.REGIONS
    assert set(birth.TRAINED) == set(TRAINED)


def words_of(contract, name):
    return next(column.one_of for column in contract.columns if column.name == name)
