"""An induction head made by hand, and small tasks to try it on."""

import numpy as np
import torch

from weightspectra.birth.model.bigram_transformer import BigramConfig, BigramTransformer
from weightspectra.birth.model.parameters import WEIGHTS
from weightspectra.birth.task import characters
from weightspectra.birth.task.bigram_task import BigramTask, Sequences


def small_task(rng, *, n_tokens=8, n_letters=4000, **options):
    """A task on a text of a few letters, some of them frequent."""
    letters = np.array(list("abcdefghijklmnop"[:n_tokens]))
    frequencies = rng.dirichlet(np.full(n_tokens, 5.0))
    text = "".join(rng.choice(letters, size=n_letters, p=frequencies))
    return BigramTask(characters.count(text), **{"n_triggers": 3, "length": 24, **options})


def without_first_trigger(sequences):
    """Sequences that do not begin with a trigger.

    The first position can attend only itself, so that it looks like the one after such a trigger.
    """
    kept = sequences.occurrences[:, 0] == 0
    return Sequences(*(part[kept] for part in sequences))


def target_memories(n_tokens, length, sought):
    """Parameters whose every weight is the sum of outer products that the paper names, with orthonormal directions.

    The blocks of the space: tokens, positions, what the first layer writes, what the second layer reads out.
    """
    tokens, places, written, read = np.split(np.eye(3 * n_tokens + length), [n_tokens, n_tokens + length, -n_tokens])
    first, second = (f"layers.{layer}.attention" for layer in range(2))
    return {
        "embedding.weight": tokens,
        "positions.weight": places,
        "unembedding.weight": read,
        f"{first}.value.weight": written.T @ tokens,
        f"{first}.output.weight": written.T @ written,
        f"{second}.value.weight": read.T @ tokens,
        WEIGHTS["key_1"]: places[1:].T @ places[:-1],
        WEIGHTS["key_2"]: tokens[sought].T @ written[sought],
        WEIGHTS["output_2"]: read.T @ read,
    }


def simplified_model(parameters, *, scale=1.0):
    """The simplified transformer with these parameters; what it trains is multiplied by ``scale``."""
    n_tokens, dimension = parameters["embedding.weight"].shape
    fed = {name.split(".")[3] for name in parameters if "feed_forward" in name}
    config = BigramConfig(
        kind="simplified",
        dimension=dimension,
        feed_forward="linear" if "linear" in fed else "mlp" if fed else "none",
        scale_attention=False,
        vocab_size=n_tokens,
        max_position_embeddings=len(parameters["positions.weight"]),
    )
    model = BigramTransformer(config)
    trained = set(WEIGHTS.values())
    scaled = {name: values * (scale if name in trained else 1) for name, values in parameters.items()}
    model.load_state_dict({name: torch.tensor(values, dtype=torch.float32) for name, values in scaled.items()})
    return model.eval()


def gaussian_parameters(rng, n_tokens, length, dimension, *, feed_forward="none"):
    """Random parameters of the simplified transformer, of the size that training begins with."""

    def linear(n_out, n_in=dimension):
        return rng.standard_normal((n_out, n_in)) / np.sqrt(3 * n_in)

    attention = [f"layers.{layer}.attention.{part}.weight" for layer in range(2) for part in ("key", "value", "output")]
    fed = {
        "none": {},
        "linear": {"linear": (dimension, dimension)},
        "mlp": {"up": (4 * dimension, dimension), "down": (dimension, 4 * dimension)},
    }[feed_forward]
    return {
        "embedding.weight": rng.standard_normal((n_tokens, dimension)),
        "positions.weight": rng.standard_normal((length, dimension)),
        "unembedding.weight": linear(n_tokens),
        **{name: linear(dimension) for name in attention},
        **{f"layers.1.feed_forward.{part}.weight": linear(*shape) for part, shape in fed.items()},
    }
