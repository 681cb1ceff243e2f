"""What removing singular values is predicted to do, and which directions matter more than their values say."""

import pyarrow as pa

from weightspectra.contracts.columns import KEY, MATRIX, MODEL, count, list_of, share, size
from weightspectra.contracts.contract import Column, Contract

PREDICTIONS = Contract(
    "predictions",
    1,
    "One row per matrix and decile: what its removal is predicted to do, from weights and activations alone.",
    (
        MODEL,
        Column("corpus", pa.string(), "the corpus whose part to observe was run"),
        *KEY,
        Column("decile", pa.int16(), "the decile, 1 (smallest) to 10 (largest)", minimum=1, maximum=10),
        Column("n_removed", pa.int32(), "singular values in it", minimum=1),
        Column("n_tokens", pa.int64(), "tokens run forward and backward", minimum=1),
        share("weight_energy", "sum of s_k^2 as a share of the matrix's"),
        Column(
            "centred_energy", pa.float64(), "sum of s_k^2 v_k' C v_k with the covariance C of the input, as a share"
        ),
        share("output_energy", "sum of s_k^2 v_k' M v_k with the second moment M of the input, as a share"),
        Column("first_order", pa.float64(), "change of the loss to first order, in nats per token"),
        size("second_order", "half the Fisher information of the removal, in nats per token"),
        Column("predicted", pa.float64(), "predicted increase of the loss in nats per token"),
    ),
    key=("corpus", *MATRIX, "decile"),
)

DIRECTIONS = Contract(
    "directions",
    1,
    "One row per singular direction whose predicted damage surprises: what it reads, and at which tokens.",
    (
        MODEL,
        Column("corpus", pa.string(), "the corpus whose part to observe was run"),
        *KEY,
        count("index", "rank of the singular value; 0 is the largest"),
        Column("n_values", pa.int32(), "singular values of the matrix", minimum=1),
        size("singular_value", "the singular value"),
        share("weight_energy", "s_k^2 as a share of the matrix's"),
        share("output_energy", "s_k^2 v_k' M v_k as a share of the matrix's"),
        Column("predicted", pa.float64(), "predicted increase of the loss if it goes alone, in nats per token"),
        count("component", "eigenvector of the input's second moment that it meets most; 0 is the largest"),
        share("overlap", "|v_k . f_j| with that eigenvector"),
        share("component_share", "share of the input's second moment along that eigenvector"),
        share("mean_share", "share of the direction's squared activation that is its mean: a constant", nan=True),
        share(
            "first_token_share", "share of the direction's squared activation at first positions of windows", nan=True
        ),
        size("peak", "largest |v_k . x| over its root mean square", nan=True),
        Column("tokens", list_of(pa.string()), "the tokens at which |v_k . x| is largest, largest first"),
        count("positions", "their positions in their windows", list_of(pa.int32())),
    ),
    key=("corpus", *MATRIX, "index"),
    ordered=(("index", "n_values"),),
)
