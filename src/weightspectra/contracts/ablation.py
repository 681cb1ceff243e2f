"""What removing singular values does to a model."""

import pyarrow as pa

from weightspectra.contracts.columns import FLOAT64_LIST, MODEL, list_of
from weightspectra.contracts.contract import Column, Contract

EVALUATIONS = Contract(
    "evaluations",
    1,
    "One row per cut and metric: what removing these singular values does. The first row removes nothing.",
    (
        MODEL,
        Column("experiment", pa.string(), "the experiment's name in the configuration"),
        Column("cut", pa.string(), "label of the cut, unique in the experiment; 'none' is the untouched model"),
        Column("scope", pa.string(), "how matrices were grouped into cuts: role, layer, matrix, all (or none)"),
        Column("removed", pa.string(), "which singular values: 'decile 1', 'indices 0-15', 'below', 'above', 'none'"),
        Column("decile", pa.int16(), "the decile removed, 1 (smallest) to 10 (largest); 0 if the cut is none"),
        Column("roles", list_of(pa.string()), "roles touched"),
        Column("layers", list_of(pa.int16()), "layers touched"),
        Column("n_removed", pa.int32(), "singular values removed, over all matrices touched"),
        Column("removed_energy", pa.float64(), "share of the touched matrices' squared Frobenius norm removed"),
        Column("metric", pa.string(), "name of the metric, for example 'perplexity_per_token'"),
        Column("value", pa.float64(), "the metric"),
        Column("standard_error", pa.float64(), "its standard error over documents"),
        Column("difference", pa.float64(), "value minus that of the untouched model"),
        Column("difference_se", pa.float64(), "standard error of the difference, paired over documents"),
        Column("n_tokens", pa.int64(), "tokens scored"),
        Column("documents", list_of(pa.string()), "documents scored"),
        Column("document_tokens", list_of(pa.int32()), "tokens scored in each"),
        Column("document_nll", FLOAT64_LIST, "negative log-likelihood of each, in nats"),
    ),
)
