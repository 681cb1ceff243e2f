"""Settings of the observation of layer inputs."""

from typing import Annotated

from weightspectra.base.settings import AtLeastTwo, Names, Positive, Reference, Section


class Observe(Section):
    """Which models' layer inputs to observe, on which corpora."""

    models: Annotated[Names, Reference("model")] = ()
    """Models to observe."""
    corpora: Annotated[Names, Reference("corpus")] = ()
    """Corpora to observe them on."""
    n_tokens: Positive = 16384
    """Tokens to average over; use at least ten times the largest input dimension."""
    window: AtLeastTwo = 256
    """Tokens per sequence."""
    batch_size: Positive = 16
    """Sequences per forward pass."""
