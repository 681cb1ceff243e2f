"""Loads a checkpoint in which some weight matrices are stored as two factors.

Needs PyTorch, transformers and safetensors, and nothing else, so that a copy of this file can travel with the
checkpoint:

    from load_factorised import load
    model = load("path/to/factorised")
"""

import json
import os
from pathlib import Path
from typing import Any

import torch
import transformers
from safetensors.torch import load_file

RANKS = "ranks.json"
"""From the name of each factorised layer to the rank of its two factors."""

WEIGHTS = "model.safetensors"


def load(folder: str | os.PathLike[str], device: str | torch.device = "cpu") -> Any:
    """Build the model of a factorised checkpoint.

    Each factorised layer is two linear layers, one after the other: ``W x + b = A (B x) + b``.

    Parameters
    ----------
    folder : path
        Holds ``config.json``, ``ranks.json`` and ``model.safetensors``.
    device : str or torch.device

    Returns
    -------
    PreTrainedModel
        In evaluation mode and in the number format that ``config.json`` names.

    Raises
    ------
    ValueError
        When the checkpoint and the architecture do not fit.
    """
    folder = Path(folder)
    config = transformers.AutoConfig.from_pretrained(folder)
    model = getattr(transformers, config.architectures[0])(config)
    for name, rank in json.loads((folder / RANKS).read_text()).items():
        divide(model, name, rank)
    model.to(config.dtype)
    stored = load_file(folder / WEIGHTS)
    absent, unknown = model.load_state_dict(stored, strict=False)
    filled = {tensor.data_ptr() for name, tensor in model.state_dict().items() if name in stored}
    absent = [name for name in absent if model.state_dict()[name].data_ptr() not in filled]  # tied ones are filled
    if absent or unknown:
        raise ValueError(
            f"{folder}: the checkpoint lacks {absent or 'nothing'}, and holds unknown {unknown or 'nothing'}"
        )
    if (folder / "generation_config.json").is_file():
        model.generation_config = transformers.GenerationConfig.from_pretrained(folder)
    return model.eval().to(device)


def divide(model: torch.nn.Module, name: str, rank: int) -> torch.nn.Sequential:
    """Put two linear layers of some rank, with weights yet to be filled, in the place of one layer of a model.

    Parameters
    ----------
    model : Module
    name : str
        Of a linear layer, or of a ``Conv1D`` as GPT-2 has them, which stores its weight transposed.
    rank : int
    """
    layer: Any = model.get_submodule(name)
    shape = layer.weight.shape
    n_out, n_in = shape if isinstance(layer, torch.nn.Linear) else shape[::-1]
    like: dict[str, Any] = {"device": layer.weight.device, "dtype": layer.weight.dtype}
    factors = torch.nn.Sequential(
        torch.nn.Linear(n_in, rank, bias=False, **like),
        torch.nn.Linear(rank, n_out, bias=layer.bias is not None, **like),
    )
    parent, _, child = name.rpartition(".")
    setattr(model.get_submodule(parent), child, factors)
    return factors
