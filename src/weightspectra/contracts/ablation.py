"""The tasks that a model is asked, and what removing singular values does to what it can do."""

import pyarrow as pa

from weightspectra.contracts.columns import FLOAT64_LIST, MODEL, count, list_of, share, size
from weightspectra.contracts.contract import Column, Contract
from weightspectra.contracts.matrix_key import ROLES

OUTPUT_TYPES = ("multiple_choice", "loglikelihood", "loglikelihood_rolling", "generate_until")
SCOPES = ("none", "role", "layer", "matrix", "head", "all")
STATISTICS = ("exp_ratio", "bits_ratio", "mean", "auc")

TASKS = Contract(
    "tasks",
    1,
    "One row per lm-eval task that an entry of the configuration stands for, resolved and with its data at hand.",
    (
        Column("task", pa.string(), "the task's name in the configuration"),
        Column("name", pa.string(), "the task's name in lm-eval"),
        Column("version", pa.string(), "its version there"),
        Column("output_type", pa.string(), "what it asks of a model", one_of=OUTPUT_TYPES),
        Column("metrics", list_of(pa.string()), "the metrics it reports"),
        count("n_documents", "documents evaluated", pa.int64()),
        Column("data", pa.string(), "where the data came from"),
        Column("file", pa.string(), "the resolved task's file, relative to the folder beside this one"),
        Column("sha256", pa.string(), "digest of the resolved task and its data"),
    ),
    key=("task", "name"),
)

EVALUATIONS = Contract(
    "evaluations",
    4,
    "One row per cut and metric: what removing these singular values does. The first cut removes nothing.",
    (
        MODEL,
        Column("experiment", pa.string(), "the experiment's name in the configuration"),
        Column("cut", pa.string(), "label of the cut, unique in the experiment; 'none' is the untouched model"),
        Column("control_of", pa.string(), "label of the cut that this one is a matched control of; '' if it is none"),
        Column("scope", pa.string(), "how matrices were grouped into cuts", one_of=SCOPES),
        Column("removed", pa.string(), "which singular values: 'decile 1', 'indices 0-15', 'below', ..., 'none'"),
        Column(
            "decile",
            pa.int16(),
            "the decile removed, 1 (smallest) to 10 (largest); 0 if the cut is none",
            minimum=0,
            maximum=10,
        ),
        Column("roles", list_of(pa.string()), "roles touched", one_of=ROLES),
        Column("layers", list_of(pa.int16()), "layers touched", minimum=0),
        count("n_removed", "singular values removed, over all matrices touched"),
        size("removed_energy", "share of the touched matrices' squared Frobenius norm removed"),
        size("kept_parameters", "parameters of the touched matrices, factorised where that is smaller"),
        Column("metric", pa.string(), "name of the metric, for example 'perplexity_per_token' or 'movies/acc'"),
        Column(
            "statistic",
            pa.string(),
            "how the units give the value: see weightspectra.statistics.paired",
            one_of=STATISTICS,
        ),
        Column("higher_is_better", pa.bool_(), "whether a larger value is a better model"),
        Column("value", pa.float64(), "the metric", nan=True, infinite=True),
        size("standard_error", "its standard error over units", nan=True, infinite=True),
        Column("difference", pa.float64(), "value minus that of the untouched model", nan=True, infinite=True),
        size("difference_se", "standard error of the difference, paired over units", nan=True, infinite=True),
        Column(
            "difference_low",
            pa.float64(),
            "lower end of its 95 % bootstrap interval, paired over units",
            nan=True,
            infinite=True,
        ),
        Column("difference_high", pa.float64(), "upper end", nan=True, infinite=True),
        share("p_value", "two-sided paired test of no difference to the untouched model", nan=True),
        share("q_value", "the same corrected over the cuts of the experiment (this metric)", nan=True),
        Column("unit", pa.string(), "what is independent", one_of=("document", "item")),
        count("n_scored", "tokens, words, bytes or items scored: the sum of the units' weights", pa.int64()),
        Column("units", list_of(pa.string()), "names of the units"),
        Column(
            "unit_values",
            FLOAT64_LIST,
            "what each contributes: negative log-likelihood in nats, or a score",
            nan=True,
            infinite=True,
        ),
        size("unit_weights", "its weight: tokens, words or bytes; 1 for a score; the class for an AUC", FLOAT64_LIST),
        count("window", "tokens per window of text; 0 of a task or probe"),
        count("stride", "tokens from one window's start to the next one's; 0 of a task or probe"),
        Column("bos", pa.bool_(), "whether a token that begins a sequence stands before every window"),
        share(
            "unknown_tokens",
            "share of the tokens of the windows, of a task's prompts and answers (of an average the largest of its "
            "tasks), or of a probe's texts, that the tokenizer does not know",
            nan=True,
        ),
        count(
            "positions",
            "of perplexity_per_token: positions in the window from which on, up to the next, losses are averaged; "
            "0 is the window's first token",
            list_of(pa.int32()),
        ),
        count("position_tokens", "tokens scored at these positions", list_of(pa.int64())),
        size("position_losses", "their loss in nats per token", FLOAT64_LIST, nan=True, infinite=True),
        size("position_errors", "its standard error over units", FLOAT64_LIST, nan=True, infinite=True),
        size(
            "position_change_errors",
            "standard error of the difference to the untouched model, paired over units",
            FLOAT64_LIST,
            nan=True,
            infinite=True,
        ),
    ),
    key=("model", "experiment", "cut", "metric"),
    ordered=(("difference_low", "difference_high"),),
)
