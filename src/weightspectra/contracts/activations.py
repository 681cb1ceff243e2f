"""The moments of layers' inputs on a text, and the overlaps of singular vectors with these."""

import pyarrow as pa

from weightspectra.contracts.columns import FLOAT32_LIST, KEY, MODEL
from weightspectra.contracts.contract import Column, Contract

MOMENTS = Contract(
    "moments",
    1,
    "Matrix file: centred second moments of a linear layer's input over tokens, as eigenpairs, with the mean. "
    "Layers that read the same input share one entry, under the first of their roles.",
    (
        *KEY,
        Column("roles", pa.string(), "all roles that read this input, joined by '+'"),
        Column("n_tokens", pa.int64(), "tokens averaged over"),
        Column("index", pa.int32(), "rank of the eigenvalue (0 is the largest), and component of the mean"),
        Column("mean", pa.float64(), "component `index` of the mean input"),
        Column("eigenvalue", pa.float64(), "eigenvalue of the covariance, largest first"),
        Column("values", FLOAT32_LIST, "its unit eigenvector, n_in components"),
    ),
)

OVERLAPS = Contract(
    "overlaps",
    1,
    "One row per right singular vector: how it meets the eigenvectors of its layer's input covariance.",
    (
        MODEL,
        Column("corpus", pa.string(), "the corpus observed"),
        *KEY,
        Column("index", pa.int32(), "rank of the singular value; 0 is the largest"),
        Column("singular_value", pa.float64(), "the singular value"),
        Column("overlap", pa.float64(), "O_k = max_j |v_k . f_j|"),
        Column("overlap_signed", pa.float64(), "max_j v_k . f_j, as printed in the paper's Eq. 7"),
        Column("component", pa.int32(), "the j of the maximum of |v_k . f_j|; 0 is the largest eigenvalue"),
        Column("localisation", pa.float64(), "M_k = max_i |v_k . e_i|, in the standard basis"),
        Column("null_low", pa.float64(), "0.135 % quantile of O_k for a random vector of this dimension"),
        Column("null_median", pa.float64(), "50 % quantile"),
        Column("null_high", pa.float64(), "99.865 % quantile"),
    ),
)
