"""Pseudo-perplexity of a masked model: every token is masked in turn and predicted from all others."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

from weightspectra.ablation.measure.metrics import Measurement
from weightspectra.ablation.measure.perplexity import ScoredDocuments, hidden_of, with_hidden
from weightspectra.ablation.measure.prefix import forward_replaced
from weightspectra.activations.windows import Window, special_tokens
from weightspectra.base.errors import UserError


class PseudoPerplexity:
    """Pseudo-perplexity per token and per word, and pseudo-bits per byte, of a masked model.

    The pseudo-log-likelihood of a text is the sum over its tokens of the
    logarithm of the probability of each, given all the others (J. Salazar, D.
    Liang, T. Q. Nguyen and K. Kirchhoff, ACL 2020, arXiv 1910.14659, Eq. 1);
    pseudo-perplexity is exp of minus its mean (Eq. 3). It is no perplexity: the
    probabilities are not those of one distribution over texts, and a word of
    several tokens is easy to guess while all but one of them are seen. So it
    compares a model with itself, not with a causal one.

    Parameters
    ----------
    windows : sequence of Window
        As ``windows.masked_windows`` cuts them.
    texts : mapping from document name to text
    tokenizer : transformers tokenizer
    batch_size : int
        Masked copies of a window per forward pass.
    read : mapping
        As for :class:`weightspectra.ablation.measure.perplexity.ScoredDocuments`.

    Raises
    ------
    UserError
        When the tokenizer has no token for masking.
    """

    def __init__(
        self,
        windows: Sequence[Window],
        texts: Mapping[str, str],
        tokenizer: Any,
        *,
        batch_size: int,
        read: Mapping[str, Any] = {},
    ):
        if tokenizer.mask_token_id is None:
            raise UserError(
                "metric 'pseudo_perplexity' masks tokens, and the tokenizer has no mask token; "
                "take the model out of the experiment, or ask perplexity of it if it predicts the next token"
            )
        self._windows, self._batch_size = windows, batch_size
        self._mask, self._n_after = tokenizer.mask_token_id, len(special_tokens(tokenizer)[1])
        self._documents = ScoredDocuments(windows, texts, tokenizer, read)

    def measure(self, model: Any, first_layer: int = 0) -> list[Measurement]:
        """Mask and predict every scored token; all blocks run."""
        nll = np.array([self._window_nll(model, window) for window in self._windows])
        return self._documents.measurements(nll, prefix="pseudo_")

    def _window_nll(self, model: Any, window: Window) -> float:
        end = len(window.input_ids) - self._n_after
        device = next(model.parameters()).device
        tokens = torch.tensor(window.input_ids, device=device)
        total = 0.0
        with torch.inference_mode():
            for positions in torch.arange(end - window.n_scored, end, device=device).split(self._batch_size):
                copies = tokens.repeat(len(positions), 1)
                copies[torch.arange(len(positions), device=device), positions] = self._mask
                logits = _logits_at(model, copies, positions)
                total += float(F.cross_entropy(logits.float(), tokens[positions], reduction="none").double().sum())
        return total


def _logits_at(model: Any, inputs: torch.Tensor, positions: torch.Tensor) -> torch.Tensor:
    """Return the logits of one position in each row: only these go on to the model's own head."""
    encoder = model.base_model
    own = encoder.forward

    def at_positions(*args: Any, **kwargs: Any) -> Any:
        output = own(*args, **kwargs)
        hidden = hidden_of(output)
        return with_hidden(output, hidden[torch.arange(len(hidden), device=hidden.device), positions][:, None])

    with forward_replaced(encoder, at_positions):
        return model(input_ids=inputs).logits[:, 0]
