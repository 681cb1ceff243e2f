"""Columns on their way to Parquet and back: numbers stay what they are, rows stay rows."""

import numpy as np
import pyarrow as pa

from weightspectra.base.parquet import arrow_column, numpy_column


def test_no_number_is_not_a_missing_one():
    column = arrow_column(np.array([1.0, np.nan]), pa.float64())
    assert column.null_count == 0
    assert arrow_column([1.0, None], pa.float64()).null_count == 1
    np.testing.assert_array_equal(numpy_column(pa.chunked_array([column])), [1, np.nan])


def test_rows_of_an_array_are_lists_and_become_rows_again():
    rows = np.arange(6.0).reshape(3, 2)
    column = arrow_column(rows.T.copy().T, pa.list_(pa.float64()))  # stored column by column
    assert column.to_pylist() == [[0, 1], [2, 3], [4, 5]]
    np.testing.assert_array_equal(numpy_column(pa.chunked_array([column[:1], column[1:]])), rows)
