"""Singular values and vectors."""

import pyarrow as pa

from weightspectra.contracts.columns import FLOAT32_LIST, FLOAT64_LIST, KEY, MATRIX, MODEL, SHAPE, SIDES, count, size
from weightspectra.contracts.contract import Column, Contract

SPECTRA = Contract(
    "spectra",
    1,
    "One row per weight matrix: all singular values, and the certificate of their computation.",
    (
        MODEL,
        *KEY,
        *SHAPE,
        Column(
            "short_side", pa.string(), "'left' if n_out <= n_in, else 'right': whose vectors are stored", one_of=SIDES
        ),
        size("singular_values", "all min(n_out, n_in) values, largest first", FLOAT64_LIST),
        Column(
            "route",
            pa.string(),
            "'gram' (float64 Gram matrix) or 'gesdd' (float64 LAPACK, the fall-back)",
            one_of=("gram", "gesdd"),
        ),
        size("residual", "max_k |W v_k - s_k u_k| / s_1"),
        size("orthogonality_short", "max |Q'Q - 1| of the short side's vectors"),
        size("orthogonality_long", "max |Q'Q - 1| of the long side's vectors"),
        Column(
            "condition",
            pa.float64(),
            "largest over smallest singular value; infinite if the smallest is 0",
            minimum=1,
            infinite=True,
        ),
        size("rounding_floor", "singular values below this are rounding: of the storage, or of arithmetic in float32"),
    ),
    key=MATRIX,
)

VECTORS = Contract(
    "vectors",
    1,
    "Matrix file: the singular vectors of the short side, one per row, largest singular value first.",
    (
        *KEY,
        count("index", "rank of the singular value; 0 is the largest"),
        Column("values", FLOAT32_LIST, "the unit vector's min(n_out, n_in) components", minimum=-1, maximum=1),
    ),
    key=(*MATRIX[1:], "index"),
)
