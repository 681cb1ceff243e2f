"""What is known of a model before anything is computed: its files and its weights."""

import pyarrow as pa

from weightspectra.contracts.columns import FLOAT32_LIST, FLOAT64_LIST, KEY, MATRIX, MODEL, SHAPE, count, size
from weightspectra.contracts.contract import Column, Contract

SOURCES = Contract(
    "sources",
    1,
    "The files of a fetched model, with their hashes; the resolved revision stands in the provenance.",
    (
        MODEL,
        Column("path", pa.string(), "file, relative to the model's folder"),
        count("n_bytes", "size in bytes", pa.int64()),
        Column("sha256", pa.string(), "SHA-256 of the file"),
    ),
    key=("model", "path"),
)

WEIGHTS = Contract(
    "weights",
    1,
    "Matrix file: every 2-D weight in canonical orientation (n_out, n_in); y = W x + b.",
    (
        *KEY,
        count("index", "row of the matrix: component of the output"),
        Column("values", FLOAT32_LIST, "the row's n_in entries; float32 holds bf16 and fp16 without loss"),
    ),
    key=(*MATRIX[1:], "index"),
)

MATRICES = Contract(
    "matrices",
    3,
    "One row per weight matrix: where it came from, its size and its first moments.",
    (
        MODEL,
        *KEY,
        *SHAPE,
        Column("tensor", pa.string(), "name of the tensor in the checkpoint that holds it"),
        Column("dtype", pa.string(), "the checkpoint's number format"),
        Column("entry_mean", pa.float64(), "mean of the entries"),
        size("entry_std", "standard deviation of the entries about that mean"),
        size("frobenius_norm", "root of the sum of squared entries"),
        size(
            "rounding_std",
            "estimated root mean square error of an entry by storage format; NaN if the format does not tell",
            nan=True,
        ),
        Column(
            "excess_kurtosis",
            pa.float64(),
            "fourth standardised moment of the entries minus 3; 0 for a Gaussian, NaN if all are equal",
            minimum=-2,
            nan=True,
        ),
        size("largest_entry", "largest entry in magnitude"),
        size("row_mean_squares", "mean squared entry of each row", FLOAT64_LIST),
        size("column_mean_squares", "mean squared entry of each column", FLOAT64_LIST),
        Column("sha256", pa.string(), "SHA-256 of the float32 entries in row order"),
    ),
    key=MATRIX,
)
