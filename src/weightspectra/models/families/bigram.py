"""The transformers of *Birth of a Transformer*, which are trained here."""

from weightspectra.models.families.family import Family
from weightspectra.models.layouts import Config, count


def _lacks(config: Config, layer: int) -> set[str]:
    """Find what a block does without: queries in the simplified model, and a perceptron or half of one."""
    full, kind = config["kind"] == "full", config["feed_forward"]
    fed = config["first_feed_forward"] or layer > 0 if full else layer == config["n_layers"] - 1
    without = {"none": {"up", "down"}, "linear": {"up"}, "mlp": set()}[kind] if fed else {"up", "down"}
    return without | (set() if full else {"query"})


BIGRAM_TRANSFORMER = Family(
    "bigram_transformer",
    {
        "attention.query.weight": "query",
        "attention.key.weight": "key",
        "attention.value.weight": "value",
        "attention.output.weight": "attention_output",
        "feed_forward.up.weight": "up",
        "feed_forward.down.weight": "down",
        "feed_forward.linear.weight": "down",  # it writes what it finds, like the second matrix of a perceptron
    },
    causal=True,
    depth=lambda config: count(config, "n_layers"),
    lacks=_lacks,
    taught_by="weightspectra.birth.model.bigram_transformer",
)
