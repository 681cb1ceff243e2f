"""Parameters of simplified transformers whose memories were put in by hand."""

import numpy as np

from weightspectra.birth.model.parameters import WEIGHTS


def linear(n_out, n_in, rng):
    """Draw a matrix as the model's linear layers begin."""
    return rng.uniform(-1, 1, (n_out, n_in)) / n_in**0.5


def parameters(n_tokens, length, dimension, rng, *, feed_forward=False):
    """Draw all parameters at iteration 0."""
    d = dimension
    drawn = {
        "embedding.weight": rng.standard_normal((n_tokens, d)),
        "positions.weight": rng.standard_normal((length, d)),
    }
    names = [f"layers.{layer}.attention.{part}.weight" for layer in (0, 1) for part in ("key", "value", "output")]
    names.remove("layers.0.attention.output.weight")
    drawn["layers.0.attention.output.weight"] = linear(d, d, rng)
    drawn |= {name: linear(d, d, rng) for name in names}
    drawn["unembedding.weight"] = linear(n_tokens, d, rng)
    if feed_forward:
        drawn[WEIGHTS["feed_forward"]] = linear(d, d, rng)
    return drawn


def ideal(drawn, triggers):
    """Return sums of all memories' outer products, by the formulas of the paper, written out as loops."""
    embedding, positions = drawn["embedding.weight"], drawn["positions.weight"]
    through = drawn["layers.0.attention.output.weight"] @ drawn["layers.0.attention.value.weight"]
    value = drawn["layers.1.attention.value.weight"]
    key_1 = sum(np.outer(positions[t], positions[t - 1]) for t in range(1, len(positions)))
    key_2 = sum(np.outer(embedding[q], through @ embedding[q]) for q in triggers)
    unembedding = drawn["unembedding.weight"]
    output_2 = sum(np.outer(unembedding[k], value @ embedding[k]) for k in range(len(embedding)))
    return {"output_2": output_2, "key_2": key_2, "key_1": key_1}
