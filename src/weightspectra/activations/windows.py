"""Documents -> windows of tokens, spread evenly over a corpus by rule and not by chance.

Sampling rule, the same for observing and for evaluating: documents are visited
in turns, and each visit takes one window, until enough are taken. Documents
are visited in the order of the fractional parts of ``i * golden ratio``, of
which every beginning is spread evenly over 0, 1, 2, ... (three-distance
theorem; Ravenstein, J. Austral. Math. Soc. A 45, 360 (1988)), so that ten
windows come from ten documents from all over the corpus. Inside a document the
windows follow the same rule from a start that differs from document to
document; the short window at a document's end comes last. A document is
tokenised only when it is visited.
"""

import math
import sys
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from weightspectra.activations.unknown import check_known
from weightspectra.base.errors import UserError

GOLDEN_RATIO = (1 + math.sqrt(5)) / 2


class Window(NamedTuple):
    """A stretch of one document, ready for a model.

    ``input_ids`` are the tokens; ``n_scored`` says how many of the last ones
    are scored (0 in a window that is only observed), and ``first_scored`` is
    the number of the first of these among the document's tokens. The tokens
    before them are context.
    """

    document: str
    input_ids: list[int]
    n_scored: int
    first_scored: int = 0


def observation_windows(texts: Mapping[str, str], tokenizer: Any, *, window: int, n_tokens: int) -> list[Window]:
    """Cut texts into the windows that a model is observed on.

    Windows do not overlap, hold at most ``window`` tokens with the special
    tokens that the tokenizer puts around a text ([CLS] and [SEP], or a
    beginning-of-sequence token), and lie within one document. Only the last
    window of a document is shorter.

    Parameters
    ----------
    texts : mapping from document name to text
    tokenizer : transformers tokenizer
    window : int
        Tokens per window, special tokens included.
    n_tokens : int
        Windows are taken until they hold this many tokens, or no text is left.

    Returns
    -------
    list of Window
        In the order of the documents and, inside each, of the text.

    Raises
    ------
    UserError
        When all texts together are shorter than one window, or the tokenizer does not know them.
    """
    before, after = special_tokens(tokenizer)
    n_text = _room(window, before, after)

    def cut(name: str, ids: list[int]) -> list[Window]:
        starts = range(0, len(ids), n_text)
        return [Window(name, [*before, *ids[start : start + n_text], *after], 0) for start in starts]

    return _spread(texts, tokenizer, cut, window, n_tokens, lambda taken: len(taken.input_ids), "tokens")


def evaluation_windows(
    texts: Mapping[str, str], tokenizer: Any, *, window: int, stride: int, n_windows: int, bos: bool
) -> list[Window]:
    """Cut texts into the windows that a causal model is scored on.

    Window k of a document spans its tokens ``k * stride`` to ``k * stride +
    window`` and scores those that no earlier window has scored, so that every
    token is scored exactly once if ``n_windows`` is large enough. With ``bos``
    the beginning-of-sequence token stands before every window and is not
    scored; without (or if the tokenizer has none) the first token of a document
    is context only, and a window that begins with a token to be scored gets
    the token before it as context.

    The last token of ``input_ids`` is a target only. A model that is fed all
    but the last token sees at most ``window`` tokens.

    Parameters
    ----------
    texts : mapping from document name to text
    tokenizer : transformers tokenizer
    window, stride : int
        In tokens; ``stride`` is at most ``window``.
    n_windows : int
        How many windows to take; fewer if the texts hold fewer.
    bos : bool
        Put the beginning-of-sequence token before every window.

    Returns
    -------
    list of Window
        In the order of the documents and, inside each, of the text.

    Raises
    ------
    UserError
        When all texts together are shorter than one window, or the tokenizer does not know them.
    """
    if not 1 <= stride <= window:
        raise ValueError(f"a stride of {stride} tokens skips text in windows of {window}")
    first = [tokenizer.bos_token_id] if bos and tokenizer.bos_token_id is not None else []

    def cut(name: str, ids: list[int]) -> list[Window]:
        windows = []
        for start, scored, end in _stretches(0 if first else 1, len(ids), window, stride):
            context = ids[start:scored] if start < scored or first else ids[scored - 1 : scored]
            windows.append(Window(name, [*first, *context, *ids[scored:end]], end - scored, scored))
        return windows

    return _spread(texts, tokenizer, cut, window, n_windows, lambda taken: 1, "windows")


def masked_windows(
    texts: Mapping[str, str], tokenizer: Any, *, window: int, stride: int, n_windows: int
) -> list[Window]:
    """Cut texts into the windows that a masked model is scored on.

    As :func:`evaluation_windows`, but with the tokens that the tokenizer puts
    around a text ([CLS] and [SEP]) in each window and among its ``window``
    tokens. They are not scored: the scored tokens are the last ``n_scored``
    before those that follow the text. A stride that would skip text is
    shortened.

    Parameters
    ----------
    texts, tokenizer, window, stride, n_windows
        As there.

    Returns
    -------
    list of Window

    Raises
    ------
    UserError
        When all texts together are shorter than one window, or a window has no room for text.
    """
    before, after = special_tokens(tokenizer)
    n_text = _room(window, before, after)

    def cut(name: str, ids: list[int]) -> list[Window]:
        return [
            Window(name, [*before, *ids[start:end], *after], end - scored, scored)
            for start, scored, end in _stretches(0, len(ids), n_text, min(stride, n_text))
        ]

    return _spread(texts, tokenizer, cut, window, n_windows, lambda taken: 1, "windows")


def _stretches(first: int, n_tokens: int, window: int, stride: int) -> Iterator[tuple[int, int, int]]:
    """Yield where each window of a document starts, where its scored tokens start, and where both end."""
    start, end = 0, first
    while end < n_tokens:
        scored, end = end, min(start + window, n_tokens)
        yield start, scored, end
        start += stride


def _room(window: int, before: list[int], after: list[int]) -> int:
    """Return how many of a window's tokens are left beside the special ones."""
    room = window - len(before) - len(after)
    if room < 1:
        raise UserError(f"a window of {window} tokens has no room beside the tokenizer's special tokens; enlarge it")
    return room


def special_tokens(tokenizer: Any) -> tuple[list[int], list[int]]:
    """Return the tokens that a tokenizer puts before and after a text."""
    if not tokenizer.num_special_tokens_to_add():
        return [], []  # without a text to try: tokenizers of single characters may not know its letters
    bare = _tokens(tokenizer, "a")
    whole = list(tokenizer("a", truncation=False, padding=False).input_ids)
    for start in range(len(whole) - len(bare) + 1):
        if whole[start : start + len(bare)] == bare:
            return whole[:start], whole[start + len(bare) :]
    raise UserError("the tokenizer changes a text's own tokens when it adds special tokens; it cannot be used here")


def check_window(window: int, model: Any, key: str = "window") -> None:
    """Refuse windows (or whatever ``key`` of the configuration limits) longer than what a model has positions for.

    Raises
    ------
    UserError
        Names both lengths and the key to change.
    """
    limit = _positions(model)
    if limit is not None and window > limit:
        raise UserError(
            f"windows of {window} tokens are longer than the {limit} positions of this model; "
            f"set '{key}' to at most {limit}"
        )


def _positions(model: Any) -> int | None:
    """Return how many positions a model has, None if it names no limit.

    RoBERTa counts positions from its padding index + 1, so that it has fewer than its configuration says.
    """
    for name, module in model.named_modules():
        if name.endswith("position_embeddings") and getattr(module, "padding_idx", None) is not None:
            return module.num_embeddings - module.padding_idx - 1
    return getattr(model.config, "max_position_embeddings", None)


def _spread(
    texts: Mapping[str, str],
    tokenizer: Any,
    cut: Callable[[str, list[int]], list[Window]],
    window: int,
    wanted: int,
    size: Callable[[Window], int],
    unit: str,
) -> list[Window]:
    """Take windows by the rule above until their sizes add up to ``wanted``."""
    lengths: dict[str, int] = {}

    def windows_of(name: str, shift: float) -> Iterator[tuple[int, Window]]:
        ids = _tokens(tokenizer, texts[name])
        lengths[name] = len(ids)
        yield from _by_rule(cut(name, ids), shift)

    names = list(texts)
    waiting = [(document, windows_of(names[document], math.sqrt(2) * document)) for document in _order(len(names))]
    taken: list[tuple[int, int, Window]] = []
    found = 0
    while waiting and found < wanted:
        visits, waiting = waiting, []
        for document, windows in visits:
            position, piece = next(windows, (0, None))
            if piece is not None:
                taken.append((document, position, piece))
                waiting.append((document, windows))
                found += size(piece)
                if found >= wanted:
                    break
    if len(lengths) == len(names) and sum(lengths.values()) < window:
        raise UserError(
            f"the text holds {sum(lengths.values())} tokens, less than one window of {window}; "
            "give more text or make 'window' smaller"
        )
    if found < wanted:
        print(f"the text holds only {found:,} of the {wanted:,} {unit} asked for; all are used", file=sys.stderr)
    pieces = [piece for _, _, piece in sorted(taken, key=lambda entry: entry[:2])]
    check_known([piece.input_ids for piece in pieces], tokenizer)
    return pieces


def _by_rule(windows: list[Window], shift: float) -> Iterator[tuple[int, Window]]:
    """Yield a document's windows with their positions: the full ones spread evenly, then the short last one."""
    ends_short = len(windows) > 1 and len(windows[-1].input_ids) < len(windows[-2].input_ids)
    n_full = len(windows) - ends_short
    for position in [*_order(n_full, shift), *range(n_full, len(windows))]:
        yield position, windows[position]


def _order(count: int, shift: float = 0.0) -> list[int]:
    """Return 0 ... count - 1 in an order of which every beginning is evenly spread."""
    return sorted(range(count), key=lambda i: (i * GOLDEN_RATIO + shift) % 1.0)


def _tokens(tokenizer: Any, text: str) -> list[int]:
    """Return a text's tokens without special ones, whatever truncation and padding the tokenizer was saved with."""
    encoded = tokenizer(text, add_special_tokens=False, truncation=False, padding=False, verbose=False)
    return list(encoded.input_ids)
