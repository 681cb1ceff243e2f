"""A model, or its tokenizer, from a local folder."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModel, AutoModelForCausalLM, AutoModelForMaskedLM, AutoTokenizer
from transformers.utils import logging

from weightspectra.base.errors import UserError
from weightspectra.models.families.registry import FAMILIES
from weightspectra.sources import checkpoints
from weightspectra.sources.formats.damaged import REFETCH

UNUSED = ("pooler.",)
"""Parts that a checkpoint may lack when no head is wanted: they come after the last block."""


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
    local = {"local_files_only": True, "trust_remote_code": trust_remote_code}
    kind: Any = KINDS[head]
    with quiet():
        try:
            model, info = kind.from_pretrained(Path(folder), dtype=dtype, output_loading_info=True, **local)
        except (OSError, ValueError) as error:
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

    Raises
    ------
    UserError
        When the folder holds no tokenizer.
    """
    teach_architecture(folder)
    with quiet():
        try:
            return AutoTokenizer.from_pretrained(
                Path(folder), local_files_only=True, trust_remote_code=trust_remote_code
            )
        except (OSError, ValueError) as error:
            raise UserError(f"{folder}: no loadable tokenizer: {error}") from error


def teach_architecture(folder: str | os.PathLike[str]) -> None:
    """Make the ``Auto`` classes know the architecture of the model in a folder, if they do not and we do."""
    family = FAMILIES.get(checkpoints.config(folder).get("model_type", ""))
    if family and family.taught_by:
        import_module(family.taught_by)


def _check_nothing_invented(folder: str | os.PathLike[str], missing: set[str], head: str | None) -> None:
    invented = sorted(name for name in missing if head or not any(part in name for part in UNUSED))
    if invented:
        cure = f"use a checkpoint with a head for {head} language modelling" if head else REFETCH
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
