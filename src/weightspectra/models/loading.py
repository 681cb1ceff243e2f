"""A model, or its tokenizer, from a local folder."""

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModel, AutoModelForCausalLM, AutoModelForMaskedLM, AutoTokenizer
from transformers.utils import logging

from weightspectra.base.errors import UserError
from weightspectra.models.families.registry import FAMILIES
from weightspectra.sources import checkpoints, folders
from weightspectra.sources.formats.damaged import cure_of_model

UNUSED = ("pooler.",)
"""Parts that a checkpoint may lack when no head is wanted: they come after the last block."""


EMBEDDINGS = ("embed_tokens.weight", "word_embeddings.weight", "wte.weight", "embed_in.weight", "tok_embeddings.weight")
"""How the name of the tensor ends that has a row for each token."""

LARGEST_TOKENIZER = 500_000_000
"""Bytes of a ``tokenizer.json``; those of vocabularies of 256,000 tokens have up to 35 million."""

BYTES_IN_MEMORY = 17
"""For each byte of a ``tokenizer.json`` (measured with 3.5 million words)."""

KINDS = {None: AutoModel, "causal": AutoModelForCausalLM, "masked": AutoModelForMaskedLM}


def load(
    folder: str | os.PathLike[str],
    *,
    head: str | None = None,
    dtype: torch.dtype = torch.float32,
    device: str | torch.device = "cpu",
    trust_remote_code: bool = False,
) -> Any:
    """Load a model for evaluation, without any network.

    Parameters
    ----------
    folder : path
        As written by ``save_pretrained``.
    head : {'causal', 'masked'}, optional
        The head that is needed: one that predicts the next token, or masked ones.
    dtype : torch.dtype
        Number format of the weights in memory.
    device : str or torch.device
    trust_remote_code : bool
        Whether to run Python code that lies in the folder.

    Returns
    -------
    PreTrainedModel
        In evaluation mode, keeping no cache of keys and values.

    Raises
    ------
    UserError
        When a weight is not in the checkpoint (the library would invent it),
        or the folder holds no model.
    """
    teach_architecture(folder)
    local: dict[str, Any] = {"local_files_only": True, "trust_remote_code": trust_remote_code}
    config = checkpoints.config(folder)
    if not _has_row(config.get("pad_token_id"), config):
        local["pad_token_id"] = None  # or no embedding could be made
    kind: Any = KINDS[head]
    with quiet():
        try:
            model, info = kind.from_pretrained(Path(folder), dtype=dtype, output_loading_info=True, **local)
        except (OSError, ValueError, RuntimeError) as error:  # the last where shapes differ
            raise UserError(f"{folder}: no loadable model: {error}") from error
    _check_nothing_invented(folder, info["missing_keys"], head)
    model.config.use_cache = False
    return model.eval().to(device)


def load_tokenizer(folder: str | os.PathLike[str], *, trust_remote_code: bool = False) -> Any:
    """Load a model's tokenizer alone, which takes no time and can show that a corpus is unusable.

    Parameters
    ----------
    folder, trust_remote_code
        As in :func:`load`.

    Returns
    -------
    transformers tokenizer
        Beside its own attributes it has ``embedding_rows``, how many tokens the model has a row for (None if its
        configuration does not say), against which texts are held. A token to fill batches with that has none is
        replaced by the first token: what fills a batch is masked.

    Raises
    ------
    UserError
        When the folder holds no tokenizer, or one of another size than tokenizers have.
    """
    teach_architecture(folder)
    _check_size(Path(folder) / "tokenizer.json")
    with quiet():
        try:
            tokenizer = AutoTokenizer.from_pretrained(
                Path(folder), local_files_only=True, trust_remote_code=trust_remote_code
            )
        except Exception as error:  # the library of tokenizers raises this very class
            held = ", ".join(name for name in folders.TOKENIZER if (Path(folder) / name).is_file()) or "none of them"
            reason = (str(error).splitlines() or [type(error).__name__])[0]
            raise UserError(
                f"{folder}: no loadable tokenizer, without which the model reads no text: expected tokenizer.json, or "
                f"the files of an older one, found {held} ({reason}); put in tokenizer.json as save_pretrained of a "
                "fast tokenizer writes it, or ask of this model only its spectra"
            ) from error
    config = checkpoints.config(folder)
    tokenizer.embedding_rows = config.get("vocab_size")
    if not _has_row(tokenizer.pad_token_id, config):
        tokenizer.pad_token_id = 0
    return tokenizer


def _has_row(token: int | None, config: Mapping[str, Any]) -> bool:
    """Say whether the embedding has a row for a token; of none, and where its size is not told, it has."""
    return token is None or token < (config.get("vocab_size") or token + 1)


def _check_size(file: Path) -> None:
    """Refuse a file that would fill the memory before anything could be said of it."""
    n_bytes = file.stat().st_size if file.is_file() else 0
    if n_bytes > LARGEST_TOKENIZER:
        raise UserError(
            f"{file}: {n_bytes:,} bytes, of which about {BYTES_IN_MEMORY} times as many would be needed in memory; the "
            f"largest tokenizer that is read has {LARGEST_TOKENIZER:,}: put in the one that belongs to the model"
        )


def check_reads_texts(folder: str | os.PathLike[str], *, trust_remote_code: bool = False) -> None:
    """Refuse a fetched model that cannot read texts, as far as that shows without its weights.

    Spectra need neither tokenizer nor embedding; so this is asked only of models that are given texts. Tokens that were
    added to a tokenizer, and not to the model, are named: a text that holds one is refused when it is read.

    Raises
    ------
    UserError
        When the embedding has other rows than the configuration says, there is no tokenizer that can be loaded, or a
        token of its own vocabulary, or one that it puts around texts, has no row; with both numbers.
    """
    config, tensors = checkpoints.config(folder), checkpoints.tensors(folder)
    name = min((name for name in tensors if name.endswith(EMBEDDINGS)), key=len, default=None)
    size = int(config.get("vocab_size") or 0)
    rows = tensors[name].shape[0] if name else size
    if rows != size:
        raise UserError(
            f"config.json says vocab_size {size}, but the embedding '{name}' has {rows} rows: "
            f"correct vocab_size to {rows}, or take the weights that belong to it"
        )
    tokenizer = load_tokenizer(folder, trust_remote_code=trust_remote_code)
    tokens = tokenizer.get_vocab()
    late = sorted((token for token, number in tokens.items() if number >= rows), key=lambda token: tokens[token])
    if not late:
        return
    found = (
        f"the tokenizer knows '{late[0]}' as number {tokens[late[0]]}, but the embedding has {rows} rows, 0 to "
        f"{rows - 1} ({len(late)} tokens have none)"
    )
    around = {getattr(tokenizer, f"{name}_token", None) for name in ("bos", "eos", "cls", "sep", "mask", "unk")}
    if set(late) <= tokenizer.get_added_vocab().keys() - around:
        print(f"{found}: texts in which such a token occurs are refused", file=sys.stderr)
        return
    raise UserError(
        f"{found}: resize the embedding (resize_token_embeddings) and train it, or take these tokens out of the "
        "tokenizer's files"
    )


def teach_architecture(folder: str | os.PathLike[str]) -> None:
    """Make the ``Auto`` classes know the architecture of the model in a folder, if they do not and we do."""
    family = FAMILIES.get(checkpoints.config(folder).get("model_type", ""))
    if family and family.taught_by:
        import_module(family.taught_by)


def _check_nothing_invented(folder: str | os.PathLike[str], missing: set[str], head: str | None) -> None:
    invented = sorted(name for name in missing if head or not any(part in name for part in UNUSED))
    if invented:
        cure = f"use a checkpoint with a head for {head} language modelling" if head else cure_of_model(Path(folder))
        raise UserError(
            f"{folder}: the checkpoint lacks {len(invented)} weights, which would be random: "
            f"{', '.join(invented[:4])}{', ...' if len(invented) > 4 else ''}; {cure}"
        )


@contextmanager
def quiet() -> Iterator[None]:
    """Keep the library's remarks and progress bars off the log while a block runs; what matters is raised."""
    verbosity, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        if bars:
            logging.enable_progress_bar()
