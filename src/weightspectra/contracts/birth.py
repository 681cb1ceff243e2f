"""Transformers trained on the bigram task: characters, checkpoints, what was learned, and what is located in them."""

import pyarrow as pa

from weightspectra.contracts.columns import FLOAT32_LIST, FLOAT64_LIST, count, list_of, share, size
from weightspectra.contracts.contract import Column, Contract

RUN = (
    Column("birth", pa.string(), "the training's name in the configuration"),
    Column("seed", pa.int64(), "seed of the run", minimum=0),
)
ITERATION = count("iteration", "training steps made; 0 is the random initialisation")
CHECKPOINT = ("birth", "seed", "iteration")
"""The columns that identify a checkpoint."""

TRAINED = ("output_2", "key_2", "key_1", "feed_forward")
CUTS = ("none", "keep_located", "remove_located", "keep_largest", "remove_smallest")
SIMULATED = ("superposition", "spectrum", "one_step", "three_steps")

CHARACTERS = Contract(
    "characters",
    1,
    "How often each character of a text occurs, and what follows it: the statistics of the bigram task.",
    (
        count("token", "number of the character, in the order of code points", pa.int16()),
        Column("character", pa.string(), "the character"),
        Column("count", pa.int64(), "occurrences in the text", minimum=1),
        count("followers", "for each token, how often it comes next", list_of(pa.int64())),
    ),
    key=("token",),
)

CHECKPOINTS = Contract(
    "checkpoints",
    1,
    "Parameters of one run at chosen iterations, with the state of the optimiser: training can go on from any. "
    "Those that are never trained stand at iteration 0 only.",
    (
        *RUN,
        Column("config", pa.string(), "the model's configuration, as its config.json holds it"),
        ITERATION,
        Column("parameter", pa.string(), "name of the parameter in the model"),
        Column("trained", pa.bool_(), "whether the run ever trains it"),
        Column("shape", list_of(pa.int32()), "its shape", minimum=1),
        Column("values", FLOAT32_LIST, "its entries in row order"),
        Column("momentum", FLOAT32_LIST, "the optimiser's running mean of gradients; empty if it has none"),
        size("second_moment", "AdamW's running mean of squared gradients; empty if there is none", FLOAT32_LIST),
    ),
    key=(*CHECKPOINT, "parameter"),
)

LEARNING = Contract(
    "learning",
    1,
    "One row per iteration of one run: the loss on the fresh batch before its update.",
    (
        *RUN,
        ITERATION,
        size("loss", "mean cross-entropy over the scored positions, in nats"),
        share("accuracy", "share of the scored positions predicted rightly"),
        count("n_scored", "scored positions of the batch", pa.int64()),
    ),
    key=CHECKPOINT,
)

PROBES = Contract(
    "probes",
    1,
    "One row per iteration and probe of one run: what it can do, and which memories its weights hold.",
    (
        *RUN,
        ITERATION,
        Column("probe", pa.string(), "name of the probe (docs/methods-birth.md)"),
        Column(
            "outputs",
            pa.string(),
            "test outputs; '' for those of the training or none",
            one_of=("", "uniform", "bigram"),
        ),
        Column("layer", pa.int16(), "layer whose attention is probed, counted from 0; -1 if none is", minimum=-1),
        Column("head", pa.int16(), "its head, counted from 0: the best of several; -1 if none is", minimum=-1),
        Column("value", pa.float64(), "what was found"),
        size("standard_error", "over sequences; NaN for probes of weights alone", nan=True),
        Column("chance", pa.float64(), "value expected of random weights; NaN where unknown", nan=True),
        count("n", "positions, or memories, that were tested", pa.int64()),
    ),
    key=(*CHECKPOINT, "probe", "outputs", "layer"),
)

ATTENTION_MAPS = Contract(
    "attention_maps",
    1,
    "One row per layer, head and position of one example sequence: where the trained model looks.",
    (
        *RUN,
        ITERATION,
        count("layer", "layer, counted from 0", pa.int16()),
        count("head", "head, counted from 0", pa.int16()),
        count("position", "position that looks, counted from 0", pa.int16()),
        Column("character", pa.string(), "the character there"),
        count("occurrence", "running number of a trigger at this position; 0 if it is none", pa.int16()),
        share("weights", "attention paid to each position up to this one", FLOAT32_LIST),
    ),
    key=(*CHECKPOINT, "layer", "head", "position"),
)

LOCATIONS = Contract(
    "locations",
    1,
    "One row per iteration, matrix and locator of one run: what random-matrix theory finds, beside the known memories.",
    (
        *RUN,
        ITERATION,
        Column("matrix", pa.string(), "in this order W_O^2, W_K^2, W_K^1, W_F", one_of=TRAINED),
        Column(
            "locator",
            pa.string(),
            "'blind' and 'weightwatcher' see the trained matrix alone, 'informed' also W_0",
            one_of=("blind", "informed", "weightwatcher"),
        ),
        count("n_memories", "memories that are stored here; 0 before any is"),
        count("rank", "smaller dimension of the two spaces that they span; 0 without memories"),
        size("entry_std", "scale of the noise that the locator fitted or, informed, knows"),
        size("bound", "singular values above it are located"),
        count("n_located", "singular values above the bound"),
        size("n_true", "of them, those in the memories' spaces; NaN if that cannot be told", nan=True),
        size("n_false", "of them, the others", nan=True),
        count("n_learned", "of them, those that the change made, memory or not, beyond chance"),
        size("n_aligned", "of them, those that pair inputs with outputs as memories do"),
        share("precision", "n_true over n_located; NaN if nothing is located", nan=True),
        share("recall", "n_true over the smaller of n_memories and rank, at most 1; NaN without", nan=True),
        count("n_visible", "values of the change that should show above the bound (BBP)"),
        Column(
            "position_error",
            pa.float64(),
            "median over located values of their ratio to where BBP puts them, minus 1",
            nan=True,
        ),
        share("overlap", "mean share of located vectors in the span of as many of the change", nan=True),
        share("overlap_expected", "the same as BBP has it", nan=True),
        Column("kept", pa.float64(), "share of its initialisation that weight decay has left in the matrix"),
        Column("initial_slope", pa.float64(), "regression of the matrix on its initialisation"),
        size("singular_values", "of the trained matrix, largest first", FLOAT64_LIST),
        size("change_values", "of the change: trained matrix minus what is kept of the initial one", FLOAT64_LIST),
        share("left_shares", "for each left vector, its share in the memories' output space", FLOAT64_LIST),
        share("left_chance", "such a share of a random vector"),
        share("right_shares", "for each right vector, its share in the memories' input space", FLOAT64_LIST),
        share("right_chance", "such a share of a random vector"),
        Column(
            "coefficients",
            FLOAT64_LIST,
            "strength of each memory in the change: of tokens, triggers or positions",
            nan=True,
        ),
        size("coefficient_noise", "root mean square of the coefficients that are no memory's", nan=True),
        Column(
            "target_correlation",
            pa.float64(),
            "of all coefficients with those that the task stores",
            minimum=-1,
            maximum=1,
            nan=True,
        ),
        Column(
            "frequency_correlation",
            pa.float64(),
            "Spearman correlation of strengths and token frequencies",
            minimum=-1,
            maximum=1,
            nan=True,
        ),
        share("bulk_p_value", "of the values within the bounds as noise (blind)", nan=True),
        share("gap_ratio_p_value", "of their spacings as those of noise (blind)", nan=True),
        Column(
            "n_structured_vectors", pa.int32(), "left and right vectors unlike random ones; -1 if not blind", minimum=-1
        ),
    ),
    key=(*CHECKPOINT, "matrix", "locator"),
    ordered=(("n_true", "n_located"), ("n_false", "n_located"), ("n_learned", "n_located"), ("n_aligned", "n_located")),
)

KNOCKOUTS = Contract(
    "knockouts",
    1,
    "One row per cut of trained matrices of one run: what keeping or removing located values does.",
    (
        *RUN,
        ITERATION,
        Column(
            "matrix", pa.string(), "as in locations, or all of them together; '' for none", one_of=("", *TRAINED, "all")
        ),
        Column("cut", pa.string(), "what is kept or removed", one_of=CUTS),
        count("n_values", "singular values kept or removed, over all matrices"),
        share("removed_energy", "squared Frobenius norm of what goes, as a share of these matrices'"),
        share("in_context_accuracy", "on fresh sequences, the same for all cuts", nan=True),
        Column(
            "accuracy_change",
            pa.float64(),
            "difference of in_context_accuracy to no cut",
            minimum=-1,
            maximum=1,
            nan=True,
        ),
        size("accuracy_change_error", "its standard error, paired over sequences", nan=True),
        size("global_loss", "mean cross-entropy where the bigram rules, in nats", nan=True),
        Column("loss_change", pa.float64(), "difference of global_loss to no cut", nan=True),
        size("loss_change_error", "its standard error, paired over sequences", nan=True),
        count("n_sequences", "sequences"),
    ),
)

SIMULATIONS = Contract(
    "simulations",
    1,
    "One row per seed and setting: sums of outer products and single gradient steps, beside what theory says.",
    (
        Column("simulation", pa.string(), "what was simulated", one_of=SIMULATED),
        Column("dimension", pa.int32(), "dimension of the embeddings", minimum=1),
        count("n_tokens", "tokens, or memories"),
        Column("variant", pa.string(), "what else distinguishes the setting; '' if nothing does"),
        Column("seed", pa.int64(), "number of the draw", minimum=0),
        Column("quantity", pa.string(), "what was measured"),
        Column("value", pa.float64(), "what was found"),
        Column("expected", pa.float64(), "what theory says; NaN if it says nothing", nan=True),
    ),
    key=("simulation", "dimension", "n_tokens", "variant", "seed", "quantity"),
)
