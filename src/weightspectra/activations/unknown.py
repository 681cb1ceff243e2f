"""Tokens of a text that its tokenizer, or its model, does not know: with many, a model reads no text at all."""

import sys
from collections.abc import Iterable, Sequence
from typing import Any

from weightspectra.base.errors import UserError

REFUSED, WARNED = 0.1, 0.01
"""Shares of unknown tokens above which a text is refused, and above which a line says so."""


def unknown_share(tokens: Iterable[Sequence[int]], tokenizer: Any) -> float:
    """Return the share of unknown tokens; 0 of a tokenizer that knows every text.

    Parameters
    ----------
    tokens : iterable of sequences of int
        Without any padding: the unknown token often fills batches, too.
    tokenizer : transformers tokenizer
        Where its unknown token begins or ends texts, too (as GPT-2's), it stands for no unknown text.
    """
    unknown = getattr(tokenizer, "unk_token_id", None)
    others = ("bos_token_id", "eos_token_id", "cls_token_id", "sep_token_id", "mask_token_id")
    if unknown is None or unknown in [getattr(tokenizer, name, None) for name in others]:
        return 0.0
    n_unknown = n_all = 0
    for ids in tokens:
        n_unknown += sum(token == unknown for token in ids)
        n_all += len(ids)
    return n_unknown / n_all if n_all else 0.0


def check_known(tokens: Iterable[Sequence[int]], tokenizer: Any, what: str = "the text") -> float:
    """Refuse tokens of which one has no row in the embedding, or more than a tenth are unknown.

    From one unknown token in a hundred on a line says so.

    Parameters
    ----------
    tokens, tokenizer
        As for :func:`unknown_share`; as ``loading.load_tokenizer`` returns it.
    what : str
        What was tokenised.

    Returns
    -------
    float
        The share.

    Raises
    ------
    UserError
        Names the token, or the share and the tokenizer, and what cures it.
    """
    tokens = [*tokens]
    _check_rows(tokens, tokenizer, what)
    share = unknown_share(tokens, tokenizer)
    found = (
        f"{100 * share:.3g} % of the tokens of {what} are unknown to the model's tokenizer "
        f"({type(tokenizer).__name__}, '{tokenizer.unk_token}' in their place)"
        if share
        else ""
    )
    if share > REFUSED:
        raise UserError(
            f"{found}: it is not the tokenizer that the model was trained with, or not a text that the model can read; "
            "name the right one in the model's entry (tokenizer), or choose another corpus"
        )
    if share > WARNED:
        print(f"{found}: results are those of a text with holes", file=sys.stderr)
    return share


def _check_rows(tokens: Sequence[Sequence[int]], tokenizer: Any, what: str) -> None:
    """Refuse tokens that the model has no row for; it would stop in the middle, or read another token's."""
    rows = getattr(tokenizer, "embedding_rows", None)
    last = max((max(ids) for ids in tokens if len(ids)), default=0)
    if rows is not None and last >= rows:
        raise UserError(
            f"{what} holds '{tokenizer.convert_ids_to_tokens(last)}', which the tokenizer knows as number {last}, but "
            f"the embedding has {rows} rows, 0 to {rows - 1}: resize the embedding (resize_token_embeddings) and train "
            "it, or take the token out of the tokenizer's files or the text"
        )
