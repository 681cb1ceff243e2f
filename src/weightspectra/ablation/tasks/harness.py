"""lm-eval on a model in memory: without noise, with exact windows, and with the cache of keys only while generating."""

import contextlib
import logging
import sys
import time
import warnings
from collections.abc import Iterable, Iterator
from importlib import import_module
from typing import Any

import datasets
import lm_eval.utils
import torch
from jinja2 import Environment
from jinja2.sandbox import ImmutableSandboxedEnvironment
from lm_eval.defaults import DEFAULT_OTHER_SEED
from lm_eval.models.huggingface import HFLM
from lm_eval.models.utils import resolve_max_length
from transformers.utils import logging as transformers_logging

from weightspectra.activations.unknown import check_known
from weightspectra.base.errors import UserError
from weightspectra.base.progress import duration, is_due

SEED = DEFAULT_OTHER_SEED
"""The seed with which lm-eval draws worked examples by default, so that prompts are those of published numbers."""


def _sandboxed(environment: Environment) -> Environment:
    """Return an environment of templates in which those of a task file can format documents, and reach nothing else."""
    sandbox = ImmutableSandboxedEnvironment(
        loader=environment.loader, undefined=environment.undefined, keep_trailing_newline=True
    )
    sandbox.filters.update(environment.filters)
    return sandbox


lm_eval.utils.env = _sandboxed(lm_eval.utils.env)


class LiveModel(HFLM):
    """A causal model in memory, as lm-eval asks it.

    Log-likelihoods are taken in float32. The special tokens that the tokenizer
    puts before a text stand before every prompt. Texts scored as a whole
    (``loglikelihood_rolling``) begin after the beginning-of-sequence token, once:
    lm-eval itself would score that token given itself.

    Parameters
    ----------
    model : transformers causal language model
    tokenizer : transformers tokenizer
    batch_size : int
    max_length : int, optional
        Tokens of prompt and answer together; longer prompts lose their
        beginning. By default what the model was made for.

    Raises
    ------
    UserError
        When the model does not predict the next token from those before it.
    """

    def __init__(self, model: Any, tokenizer: Any, *, batch_size: int, max_length: int | None = None):
        _refuse_what_is_not_causal(model, tokenizer)
        self.unknown_tokens: dict[str, float] = {}
        first = tokenizer("a").input_ids[:1]
        self.starts_with_bos = first == [tokenizer.bos_token_id]
        with quiet_lm_eval():
            super().__init__(
                pretrained=model,
                backend="causal",
                tokenizer=tokenizer,
                batch_size=batch_size,
                max_length=max_length or resolve_max_length(model.config, tokenizer, default=2048),
                softmax_dtype="float32",
                add_bos_token=self.starts_with_bos,
            )

    def loglikelihood(self, requests: list[Any], disable_tqdm: bool = False) -> list[tuple[float, bool]]:
        """Score answers to prompts."""
        check_requests(requests, self.tokenizer, self.unknown_tokens)
        found: list[tuple[float, bool]] = super().loglikelihood(requests, disable_tqdm)
        return found

    def loglikelihood_rolling(self, requests: list[Any], disable_tqdm: bool = False) -> list[float]:
        """Score whole texts, with one beginning-of-sequence token before each."""
        check_requests(requests, self.tokenizer, self.unknown_tokens)
        self.add_bos_token = False
        try:
            found: list[float] = super().loglikelihood_rolling(requests, disable_tqdm)
        finally:
            self.add_bos_token = self.starts_with_bos
        return found

    def generate_until(self, requests: list[Any], disable_tqdm: bool = False) -> list[str]:
        """Generate text; keys and values are kept while it does, whatever the model is set to."""
        check_requests(requests, self.tokenizer, self.unknown_tokens)
        config = self.model.config
        before, config.use_cache = config.use_cache, True
        try:
            found: list[str] = super().generate_until(requests, disable_tqdm)
        finally:
            config.use_cache = before
        return found


def check_requests(requests: Iterable[Any], tokenizer: Any, shares: dict[str, float]) -> None:
    """Refuse a task of whose prompts and answers the tokenizer knows too little, as of a text.

    Parameters
    ----------
    requests : iterable of lm-eval's instances
    tokenizer : transformers tokenizer
    shares : dict from str to float
        Share of unknown tokens of each task that was looked at, and needs no look any more, since other cuts were
        asked the same; gets those of the others.

    Raises
    ------
    UserError
        As :func:`weightspectra.activations.unknown.check_known` does.
    """
    texts: dict[str, list[str]] = {}
    for request in requests:
        if (task := str(request.task_name)) not in shares:
            # The text before an answer is tokenised with it; the settings of what is generated are no text.
            texts.setdefault(task, []).append("".join(part for part in request.args if isinstance(part, str)))
    for task, found in texts.items():
        tokens = tokenizer(found, add_special_tokens=False).input_ids
        shares[task] = check_known(tokens, tokenizer, f"the prompts of task '{task}'")


def _refuse_what_is_not_causal(model: Any, tokenizer: Any) -> None:
    """Look whether what a model predicts after a token depends on the token after it."""
    name = type(model).__name__
    cure = "take the model out of the experiments with tasks; an encoder can be probed (probes)"
    if model.get_output_embeddings() is None or getattr(model.config, "is_encoder_decoder", False):
        raise UserError(f"tasks need a causal language model with its head, found {name}; {cure}")
    one, other, another = (tokenizer(text, add_special_tokens=False).input_ids[0] for text in "abc")
    pair = torch.tensor([[one, other], [one, another]], device=model.device)
    with torch.inference_mode():
        logits = model(input_ids=pair, use_cache=False).logits[:, 0].float()
    if not torch.allclose(logits[0], logits[1], rtol=1e-3, atol=1e-3 * float(logits.abs().max())):
        raise UserError(
            f"tasks need a model that predicts each token from those before it; {name} looks at those after it too, "
            f"and its answers would mean nothing; {cure}"
        )


class _Lines:
    """Progress bars of lm-eval as lines with the time left, none within the first seconds."""

    label = "tasks"

    def __init__(self, iterable: Iterable[Any] = (), total: int | None = None, desc: str = "", **_: Any):
        self.items, self.total, self.done = iterable, total or 0, 0
        self.what = desc.removeprefix("Running ") or "requests"
        self.start = self.last = time.monotonic()

    def __iter__(self) -> Iterator[Any]:
        return iter(self.items)

    def update(self, count: int = 1) -> None:
        """Note finished requests."""
        self.done += count
        now = time.monotonic()
        if is_due(self.start, self.last, now):
            left = duration((now - self.start) / self.done * (self.total - self.done))
            print(f"{self.label}: {self.done} of {self.total} {self.what}, {left} left", file=sys.stderr, flush=True)
            self.last = now

    def close(self) -> None:
        """Do nothing."""


class _Truncations(logging.Filter):
    """Counts the prompts that lost their beginning, and keeps lm-eval's remarks off the log."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def filter(self, record: logging.LogRecord) -> bool:
        """Count a remark on a prompt that was cut; let nothing but errors through."""
        self.count += "runcat" in str(record.msg)
        return record.levelno >= logging.ERROR


@contextlib.contextmanager
def quiet_lm_eval(label: str = "tasks") -> Iterator[_Truncations]:
    """Keep the bars, remarks and warnings of lm-eval and what it uses off the log; print progress as lines.

    Yields an object whose ``count`` says how many prompts (or batches of them) were cut.
    """
    truncations = _Truncations()
    loggers = [logging.getLogger(name) for name in ("lm_eval.models.huggingface", "lm_eval.api.task")]
    others = [logging.getLogger(name) for name in ("lm_eval", "httpx", "datasets")]
    levels = [logger.level for logger in others]
    lines = type("Lines", (_Lines,), {"label": label})
    verbosity, bars = transformers_logging.get_verbosity(), datasets.are_progress_bars_disabled()
    with contextlib.ExitStack() as stack:
        stack.enter_context(warnings.catch_warnings())
        warnings.simplefilter("ignore")
        for module in ("lm_eval.models.huggingface", "lm_eval.api.task", "lm_eval.api.model"):
            stack.enter_context(_bars_replaced(import_module(module), lines))
        for logger in loggers:
            logger.addFilter(truncations)
            stack.callback(logger.removeFilter, truncations)
        for logger, level in zip(others, levels, strict=True):
            logger.setLevel(max(logging.WARNING, level) if logger.name == "lm_eval" else logging.ERROR)
            stack.callback(logger.setLevel, level)
        transformers_logging.set_verbosity_error()
        stack.callback(transformers_logging.set_verbosity, verbosity)
        datasets.disable_progress_bars()
        if not bars:
            stack.callback(datasets.enable_progress_bars)
        yield truncations


@contextlib.contextmanager
def _bars_replaced(module: Any, lines: type[_Lines]) -> Iterator[None]:
    """Let a module of lm-eval report with lines instead of bars; no setting turns its bars off."""
    bars, module.tqdm = module.tqdm, lines
    try:
        yield
    finally:
        module.tqdm = bars
