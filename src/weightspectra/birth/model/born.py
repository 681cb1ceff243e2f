"""Checkpoints of the transformers that are trained here, as ordinary folders of models."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from weightspectra import contracts
from weightspectra.base.errors import UserError
from weightspectra.birth.model.bigram_config import BigramConfig
from weightspectra.birth.model.bigram_transformer import BigramTransformer
from weightspectra.models.fetching.order import Order, Origin
from weightspectra.models.loading import quiet

TIED = "unembedding.weight", "embedding.weight"
"""Where embeddings are tied, the first is the second and has no rows of its own."""


def parameters_at(checkpoints: pd.DataFrame, iteration: int) -> dict[str, np.ndarray]:
    """Return all parameters of one run after so many iterations, those that are never trained included.

    Parameters
    ----------
    checkpoints : DataFrame
        Rows of ``contracts.CHECKPOINTS`` of one run.
    iteration : int

    Returns
    -------
    dict from str to ndarray of float32
        In their shapes, in the order of the model.

    Raises
    ------
    UserError
        When there is no checkpoint of that iteration; names those that there are.
    """
    kept = sorted(set(checkpoints["iteration"]))
    if iteration not in kept:
        raise UserError(
            f"birth '{checkpoints['birth'].iloc[0]}', seed {checkpoints['seed'].iloc[0]}: no checkpoint of iteration "
            f"{iteration}; there are {', '.join(map(str, kept))} (births/.../training/checkpoints)"
        )
    found: dict[str, np.ndarray] = {}
    for when in (0, iteration):
        rows = checkpoints[checkpoints["iteration"] == when]
        for name, shape, values in zip(rows["parameter"], rows["shape"], rows["values"], strict=True):
            found[name] = np.asarray(values, np.float32).reshape(tuple(shape))
    tied = json.loads(checkpoints["config"].iloc[0])["tie_embeddings"]
    return {**found, TIED[0]: found[TIED[1]]} if tied else found


def rebuilt(config: BigramConfig, parameters: dict[str, np.ndarray]) -> BigramTransformer:
    """Return a model with these parameters, in evaluation mode.

    Raises
    ------
    RuntimeError
        When a parameter is missing, unknown or of another shape.
    """
    model = BigramTransformer(config)
    model.load_state_dict({name: torch.from_numpy(np.array(values)) for name, values in parameters.items()})
    return model.eval()


def take_from_birth(order: Order) -> Origin:
    """Write the checkpoint of a birth that a model's entry names."""
    spec = order.spec
    if order.made_from is None:
        raise ValueError(f"the checkpoints of birth '{spec.birth}' are needed to take '{order.name}' from them")
    return Origin("birth", spec.birth, write_born(order.made_from, spec.iteration, order.staging))


def write_born(path: Path, iteration: int, folder: Path) -> str:
    """Write one checkpoint of a run as ``save_pretrained`` leaves a model, with its tokenizer.

    Parameters
    ----------
    path : path
        A file of ``contracts.CHECKPOINTS``.
    iteration : int
    folder : path
        Where the files will stand.

    Returns
    -------
    str
        What tells this checkpoint from others of its birth: ``"seed 0, iteration 50"``.

    Raises
    ------
    UserError
        When there is no checkpoint of that iteration.
    """
    checkpoints = contracts.CHECKPOINTS.read(path)
    config = BigramConfig(**json.loads(checkpoints["config"].iloc[0]))
    with quiet():
        rebuilt(config, parameters_at(checkpoints, iteration)).save_pretrained(folder)
        tokenizer(config.characters).save_pretrained(folder)
    return f"seed {checkpoints['seed'].iloc[0]}, iteration {iteration}"


def tokenizer(characters: str) -> PreTrainedTokenizerFast:
    """Return a tokenizer with one token for each character, in their order, and no special ones.

    Decoding gives the same text back. A character that is not among them cannot be encoded: the library raises.
    """
    whole = Tokenizer(models.WordLevel({character: token for token, character in enumerate(characters)}))
    whole.pre_tokenizer = pre_tokenizers.Split(Regex(r"[\s\S]"), "isolated")
    whole.decoder = decoders.Fuse()
    return PreTrainedTokenizerFast(tokenizer_object=whole, clean_up_tokenization_spaces=False)
