"""Settings of fine-tuned classifiers, and of models that are compared."""

from typing import Annotated

from pydantic import Field

from weightspectra.base.settings import (
    AtLeastTwo,
    Decile,
    Filled,
    Positive,
    PositiveNumber,
    Reference,
    Section,
    Share,
    SomeNames,
)


class Finetuning(Section):
    """One classifier, fine-tuned with and without removal."""

    models: Annotated[SomeNames, Reference("model")]
    """Encoders to fine-tune."""
    data_set: Annotated[str, Reference("data set")]
    """Data set to learn."""
    deciles: Filled[Decile] = tuple(range(1, 11))
    """Deciles to remove from every matrix but the embeddings."""
    n_seeds: AtLeastTwo = 6
    """Untouched runs."""
    n_seeds_removed: Positive = Field(default_factory=lambda told: told["n_seeds"])
    """Of these seeds, so many are also fine-tuned after each removal (default: all)."""
    epochs: Positive = 3
    """Passes over the training examples; each is evaluated."""
    learning_rate: PositiveNumber = 0.00002
    """Largest learning rate of AdamW."""
    weight_decay: Annotated[float, Field(ge=0)] = 0.01
    """Weight decay of AdamW."""
    warmup_share: Share = 0.06
    """Share of the steps in which the rate rises; it then falls to zero."""
    batch_size: Positive = 32
    """Examples per step."""
    max_length: Annotated[int, Field(ge=4)] = 128
    """Tokens per example; longer ones are cut."""
    n_train: AtLeastTwo | None = None
    """Training examples (default: all)."""
    n_test: AtLeastTwo | None = None
    """Test examples (default: all)."""


class Comparison(Section):
    """Two models of the same shape whose difference is decomposed."""

    base: Annotated[str, Reference("model")]
    """The model before."""
    tuned: Annotated[str, Reference("model")]
    """The model after."""
