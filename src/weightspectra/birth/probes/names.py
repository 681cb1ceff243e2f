"""Names of the probes of the transformers that are trained here; needs no deep-learning library."""

from weightspectra.birth.settings import Birth


def probes_of(birth: Birth) -> list[str]:
    """Return the names of the probes of one birth.

    Notes
    -----
    Memories are known only in the simplified model, what W_F has learned only
    where there is one, and looking behind copies takes a second layer. Probes of
    triggers that are their own output are absent where none is.
    """
    simplified, feed_forward = birth.model.kind == "simplified", birth.model.feed_forward
    with_second, repeats = simplified or birth.model.n_layers != 1, not birth.data.no_repeat
    names = {
        "in_context_accuracy": True,
        "induction_accuracy": True,
        "in_context_loss": True,
        "global_loss": True,
        "recall_output": simplified,
        "recall_output_corrected": simplified and feed_forward == "linear",
        "recall_key_2": simplified,
        "recall_key_1": simplified,
        "recall_key_1_early": simplified,
        "divergence_bigram": simplified and feed_forward != "none",
        "divergence_bigram_weighted": simplified and feed_forward != "none",
        "attends_previous": True,
        "attends_previous_start": True,
        "attends_answer_repeats_first": repeats,
        "attends_repeat": with_second,
        "attends_previous_repeat": with_second,
        "predicts_attended": with_second,
        "attends_answer": with_second,
        "attends_answer_repeats": with_second and repeats,
    }
    return [name for name, present in names.items() if present]
