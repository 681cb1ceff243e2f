"""What follows from the measurements: every test, interval, correction and verdict, one row each."""

from collections.abc import Mapping
from typing import NamedTuple

import pyarrow as pa

from weightspectra.contracts.columns import SIDES, list_of, share, size
from weightspectra.contracts.contract import Column, Contract

HOLDS, DOES_NOT, CANNOT_BE_TOLD, NO_CLAIM = "holds", "does not", "cannot be told", ""
VERDICTS = (HOLDS, DOES_NOT, CANNOT_BE_TOLD, NO_CLAIM)
"""What a row can say of its claim; the last stands where a number is given and nothing is claimed."""

ASYMPTOTIC, CALIBRATED = "asymptotic", "calibrated"
BOUNDS = (ASYMPTOTIC, CALIBRATED, "")
"""Kinds of bound of the bulk: the edges of the law for infinite matrices, or those that noise of this size keeps to."""

SHARE, MEAN = "share", "mean"


class Claim(NamedTuple):
    """One kind of conclusion: what its ``number`` is, in which unit, and what is claimed of it."""

    quantity: str
    unit: str
    meaning: str


CLAIMS: Mapping[str, Claim] = {
    "beyond_bound": Claim("singular values beyond the bound", SHARE, "how many there are"),
    "beyond_bound_explained": Claim(
        "of the values beyond the bound, those that noise with the matrix's row and column variances has there too",
        SHARE,
        "unequal variances explain them",
    ),
    "matrices_beyond_bound": Claim("matrices with a value beyond the bound", SHARE, "beside the share by chance"),
    "more_beyond_bound_than_control": Claim(
        "matrices with more values beyond the bound than the same ones of the random control",
        SHARE,
        "training put values beyond the bound",
    ),
    "fewer_beyond_bound_than_control": Claim("matrices with fewer than the control", SHARE, "the other side of it"),
    "same_as_control": Claim("matrices that the control has unchanged", SHARE, "they are left out of comparisons"),
    "bulk_fits": Claim("matrices whose values within the bounds follow the law of noise", SHARE, "at the level"),
    "information": Claim("directions that noise does not explain", SHARE, "mean over matrices"),
    "information_beyond_chance": Claim("matrices whose 95 % interval of it is beyond 0", SHARE, "how many there are"),
    "more_information_than_control": Claim(
        "matrices with more such directions than the same ones of the random control",
        SHARE,
        "training made directions that noise does not explain",
    ),
    "fewer_information_than_control": Claim("matrices with fewer than the control", SHARE, "the other side of it"),
    "nonrandom_vectors": Claim("singular vectors that are no random directions", SHARE, "at a false discovery rate"),
    "localised_vectors": Claim(
        "singular vectors whose weight lies in few components", SHARE, "at a false discovery rate"
    ),
    "spacings_differ": Claim("matrices whose level spacings are not those of noise", SHARE, "at the level"),
    "overlap_with_data": Claim(
        "right singular vectors whose overlap with the data lies above the null band",
        SHARE,
        "more vectors overlap with the data than random ones would",
    ),
    "untouched_score": Claim("metric of the untouched model", "metric", "what changes are measured from"),
    "scored": Claim("tokens, words, bytes or items scored", "count", "how much was scored"),
    "untouched_above_chance": Claim("metric of the untouched model", "metric", "it is above chance: there is a loss"),
    "change_after_cut": Claim("change of the metric after a cut", "metric", "the cut changes the metric"),
    "change_after_control": Claim("the same, after a matched control of a cut", "metric", "it changes the metric"),
    "change_after_compression": Claim("the same, after a compression", "metric", "it changes the metric"),
    "damage_at_first_positions": Claim(
        "of the loss that a cut adds, what it adds at the first eight positions of windows",
        "ratio",
        "beside their share of the tokens; above 1 where the cut helps elsewhere",
    ),
    "change_moves_with_window": Claim(
        "loss that a cut adds in the shorter windows minus what it adds in the longer ones",
        "nats per token",
        "what the cut costs per token depends on the length of windows",
    ),
    "smallest_costs_more_than_middle": Claim(
        "loss without decile 1 minus the mean loss without deciles 5 and 6",
        "nats per token",
        "removing the smallest tenth of one role costs more than removing a middle one",
    ),
    "smallest_costs_less_than_middle": Claim(
        "loss without decile 1 minus the mean loss without deciles 5 and 6",
        "nats per token",
        "removing it costs less: the other side of the same two-sided test",
    ),
    "change_beside_control": Claim(
        "change after a cut minus the mean change after its matched controls of one kind",
        "metric",
        "the cut changes the metric otherwise than as much taken elsewhere",
    ),
    "worse_than_every_control": Claim(
        "kinds of matched controls than which a cut hurts significantly more", SHARE, "it hurts more than all of them"
    ),
    "compressed_score": Claim("metric of the compressed model", "metric", "what a size costs"),
    "change_beside_plain": Claim(
        "metric after a compression minus that of plain truncation to the same size", "metric", "the two differ"
    ),
    "predicted_from": Claim("tokens that damage is predicted from", "count", "how much was observed"),
    "damage_predicted": Claim("predicted increase of the loss without one decile of a matrix", "nats per token", ""),
    "damage_measured": Claim(
        "measured increase of the loss after a cut of one decile; the reference is what was predicted",
        "nats per token",
        "whether it is significant is the verdict of change_after_cut",
    ),
    "order_predicted": Claim("Spearman's correlation of predicted and measured damage", "correlation", ""),
    "direction_damage": Claim("predicted increase of the loss without one direction", "nats per token", ""),
    "direction_weight": Claim("the direction's part of the matrix's energy", SHARE, ""),
    "direction_output": Claim("its part of the energy that the matrix puts out", SHARE, ""),
    "direction_reads": Claim("overlap with the eigenvector of the input that `setting` counts", "overlap", ""),
    "direction_constant": Claim("part of its squared activity that is its mean", SHARE, ""),
    "direction_first_tokens": Claim("part of its squared activity at the first tokens of windows", SHARE, ""),
    "verdict_moves": Claim(
        "change after a cut of the noisier copy; the reference is that of the model",
        "metric",
        "the verdict on the cut (worse, better or neither) is another one with more noise",
    ),
    "order_of_changes": Claim("Spearman's correlation of the changes in the copy and the model", "correlation", ""),
    "untouched_accuracy": Claim("accuracy of classifiers without removal, mean over runs", "accuracy", ""),
    "tested": Claim("test examples", "count", "how much was scored"),
    "accuracy_change": Claim(
        "accuracy with a decile removed minus without, mean over runs and examples",
        "accuracy",
        "the removal changes the accuracy",
    ),
    "matrices_changed": Claim("matrices that differ between two models", SHARE, "how many there are"),
    "relative_change": Claim("Frobenius norm of the change over that of the weights", SHARE, "mean over matrices"),
    "change_stable_rank": Claim("stable rank of the change", MEAN, "mean over matrices"),
    "change_above_noise": Claim("singular values of the change above its own noise", MEAN, "mean over matrices"),
    "change_in_decile": Claim("part of the change in a decile, over that of random ones", "ratio", "mean of matrices"),
    "change_outside_band": Claim(
        "matrices whose part of the change in a decile lies outside the 95 % band of random changes",
        SHARE,
        "more matrices lie on this side of the band than by chance",
    ),
    "induction_head_forms": Claim("iteration from which on induction accuracy is 0.5 or more", "iteration", "in all"),
    "induction_accuracy": Claim("induction accuracy at the last checkpoint", "accuracy", ""),
    "located_from": Claim("iteration from which on values are located, more than at first", "iteration", ""),
    "located_before": Claim("iterations by which they come before the induction head", "iteration", ""),
    "runs_formed": Claim("runs in which an induction head formed", SHARE, ""),
    "runs_searched": Claim("of them, those in which values were searched for", SHARE, ""),
    "checkpoints_apart": Claim("largest distance of the checkpoints between which the head forms", "iteration", ""),
    "located_first": Claim("runs in which located values come before the induction head", SHARE, "in all of them"),
    "located_with": Claim("runs in which both come at the same checkpoint", SHARE, ""),
    "located_later": Claim("runs in which located values come later or never", SHARE, ""),
    "accuracy_before_knockout": Claim("accuracy in context without a knock-out", "accuracy", ""),
    "knockout_change": Claim("change of the accuracy in context by a knock-out", "accuracy", "mean over runs"),
    "accuracy_left": Claim("accuracy after a knock-out of all matrices over that before", SHARE, "mean over births"),
    "births_left_out": Claim("births that did not learn, whose knock-outs tell nothing", "count", ""),
    "false_alarms": Claim("random matrices in which values are located", SHARE, "more of them than the level allows"),
    "located": Claim("values located after training", MEAN, "mean over runs"),
    "located_learned": Claim("of them, those that the change made", MEAN, "mean over runs"),
    "located_expected": Claim("values of the change that should show above the bound", MEAN, "mean over runs"),
    "located_precision": Claim("located values in the memories' spaces over all located", SHARE, "mean over runs"),
    "located_recall": Claim("the same over the memories that there are", SHARE, "mean over runs"),
    "learned_share": Claim("located values that were learned, over all located", SHARE, "all matrices together"),
    "true_share": Claim("located values that hold known memories, where that can be told", SHARE, "all together"),
    "runs_scored": Claim("runs on which the locator was scored", "count", ""),
    "births_scored": Claim("births that they belong to", "count", ""),
    "below_floor": Claim("singular values below the rounding floor", SHARE, "`names` has the stored formats"),
    "rounding_coarse": Claim("norm of the rounding errors over that of the weights", SHARE, "rounding is coarse"),
    "decile_below_floor": Claim("singular values of one role below the floor", SHARE, "all of the smallest decile is"),
    "hidden_below_bound": Claim("values below the bound that lie below the rounding floor, too", SHARE, ""),
    "low_rank": Claim("matrices with less than nine tenths of their values above the rounding floor", SHARE, ""),
    "without_law": Claim("matrices of which so much is lost in rounding that no law can be fitted", SHARE, ""),
}
"""Every claim, by its id."""

REGIONS = ("above", "below", "inside", "largest tenth", "smallest tenth", "")
CORRECTIONS = ("holm", "benjamini_hochberg", "none", "")


def _word(name: str, meaning: str, one_of: tuple[str, ...] = ()) -> Column:
    return Column(name, pa.string(), meaning, one_of)


def _place(name: str, meaning: str, kind: pa.DataType) -> Column:
    return Column(name, kind, meaning, minimum=-1)


def _number(name: str, meaning: str) -> Column:
    return Column(name, pa.float64(), meaning, nan=True, infinite=True)


_SUBJECT = (
    _word("subject", "the module of weightspectra.conclusions that drew it"),
    _word("claim", "what is concluded: see the list of claims", tuple(CLAIMS)),
    _word("model", "the model's name in the configuration"),
    _word("beside", "the control, copy, other model, experiment or cut that it is compared with"),
    _word("corpus", "the corpus"),
    _word("experiment", "the experiment, fine-tuning or comparison"),
    _word("metric", "the metric"),
    _word("cut", "label of the cut"),
    _word("birth", "the birth"),
    _word("matrix", "the matrix of a birth, or 'all'"),
    _word("role", "role of the matrices; several are joined by '+'"),
    _place("layer", "block of the model", pa.int16()),
    _place("expert", "expert of a mixture", pa.int16()),
    _place("index", "place of a singular value, the largest is 0", pa.int32()),
    _word("region", "where values or shares lie, of bounds, a band or the spectrum", REGIONS),
    _word("bound", "kind of bound that divides the regions", BOUNDS),
    _word("side", "whose singular vectors", (*SIDES, "")),
    Column("decile", pa.int16(), "decile of singular values, 1 (smallest) to 10", minimum=0, maximum=10),
    _word("scope", "how matrices were grouped into cuts, or which of them"),
    _word("detail", "kind of control, method, predictor, order, kind of share, locator; windows of a text"),
    _number("setting", "epoch, size asked for, tokens per window, or place in a list, counted from 1"),
)
"""What a conclusion speaks of."""

FINDINGS = Contract(
    "findings",
    1,
    "One row per conclusion: a number, what it is held against, by which test, and whether the claim holds. A word "
    "that does not apply is empty, a number NaN, a layer, expert or index -1, a decile 0.",
    (
        *_SUBJECT,
        _word("quantity", "what `number` is"),
        _word("unit", "its unit"),
        Column("names", list_of(pa.string()), "formats of the stored weights; tokens at which a direction is active"),
        _number("number", "the number; of a share of things that are counted, `n` times it is the count"),
        size("standard_error", "its standard error", nan=True, infinite=True),
        size("sd", "standard deviation from run to run", nan=True),
        _number("low", "lower end of its interval"),
        _number("high", "upper end"),
        share("interval_level", "share of such intervals that cover the truth", nan=True),
        _number("reference", "the value that it is held against"),
        _word("reference_kind", "what has that value: chance, untouched model, a threshold, ..."),
        size("n_reference", "models, cuts or runs that the reference is a mean of", nan=True),
        _word("test", "name of the test"),
        _word("resampled", "what is independent: document, item, matrix, vector, run, ..."),
        size("n", "how many of them; of a share, its denominator", nan=True),
        size("n_all", "of how many, where some have no number", nan=True),
        share("p_value", "of the reference, by this test alone", nan=True),
        share("p_corrected", "corrected over the family", nan=True),
        _word("correction", "how", CORRECTIONS),
        _word("family", "what is corrected together"),
        Column("family_size", pa.int32(), "tests in it", minimum=0),
        share("level", "error rate of the verdict: largest p_corrected at which the claim holds", nan=True),
        _word("worse_if", "which numbers are to the worse", ("larger", "smaller", "")),
        _word("verdict", "whether the claim holds; empty where nothing is claimed", VERDICTS),
        _word("why", "why it cannot be told, or what limits it"),
    ),
    key=tuple(column.name for column in _SUBJECT),
    ordered=(("low", "high"),),
)
