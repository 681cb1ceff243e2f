"""Settings of the prediction of damage."""

from typing import Annotated

from weightspectra.base.settings import AtLeastTwo, Names, Natural, Positive, Reference, Section
from weightspectra.models.settings import Dtype


class Predict(Section):
    """Which models' damage to predict before any cut is evaluated, on the observed part of which corpora."""

    models: Annotated[Names, Reference("model")] = ()
    """Models with a language-model head."""
    corpora: Annotated[Names, Reference("corpus")] = ()
    """Corpora whose part to observe is run, forward and backward."""
    n_tokens: Positive = 8192
    """Tokens to run. More of them help more than more probes of each."""
    window: AtLeastTwo = 256
    """Tokens per sequence."""
    batch_size: Positive = 2
    """Sequences per pass; memory beside the model grows with it."""
    n_probes: Positive = 2
    """Backward passes with random probes. Predictions scatter by sqrt(2 / (n_probes * sequences)) of themselves, a
    quarter for 4 probes of 8 sequences, an eighth for 4 of 32."""
    bos: bool = True
    """Put the tokenizer's beginning-of-sequence token before every window."""
    dtype: Dtype = "float32"
    """Number format in which the model runs."""
    n_directions: Natural = 20
    """Singular directions to name, those whose predicted damage exceeds most what their singular value says; half of
    them from the smaller half of each spectrum."""
