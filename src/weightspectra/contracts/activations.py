"""The moments of layers' inputs on a text, and the overlaps of singular vectors with these."""

import pyarrow as pa

from weightspectra.contracts.columns import FLOAT32_LIST, KEY, MATRIX, MODEL, count, share, size
from weightspectra.contracts.contract import Column, Contract

MOMENTS = Contract(
    "moments",
    1,
    "Matrix file: centred second moments of a linear layer's input over tokens, as eigenpairs, with the mean. "
    "Layers that read the same input share one entry, under the first of their roles.",
    (
        *KEY,
        Column("roles", pa.string(), "all roles that read this input, joined by '+'"),
        Column("n_tokens", pa.int64(), "tokens averaged over", minimum=1),
        count("index", "rank of the eigenvalue (0 is the largest), and component of the mean"),
        Column("mean", pa.float64(), "component `index` of the mean input"),
        Column("eigenvalue", pa.float64(), "eigenvalue of the covariance, largest first"),
        Column("values", FLOAT32_LIST, "its unit eigenvector, n_in components", minimum=-1, maximum=1),
    ),
    key=(*MATRIX[1:], "index"),
)

OVERLAPS = Contract(
    "overlaps",
    1,
    "One row per right singular vector above the rounding floor: how it meets the eigenvectors of its "
    "layer's input covariance.",
    (
        MODEL,
        Column("corpus", pa.string(), "the corpus observed"),
        *KEY,
        count("index", "rank of the singular value; 0 is the largest"),
        size("singular_value", "the singular value"),
        share("overlap", "O_k = max_j |v_k . f_j|"),
        Column(
            "overlap_signed", pa.float64(), "max_j v_k . f_j, as printed in the paper's Eq. 7", minimum=-1, maximum=1
        ),
        count("component", "the j of the maximum of |v_k . f_j|; 0 is the largest eigenvalue"),
        share("localisation", "M_k = max_i |v_k . e_i|, in the standard basis"),
        size("null_low", "0.135 % quantile of O_k for a random vector of this dimension"),
        size("null_median", "50 % quantile"),
        size("null_high", "99.865 % quantile"),
    ),
    key=("corpus", *MATRIX, "index"),
    ordered=(("overlap_signed", "overlap"), ("null_low", "null_median", "null_high")),
)
