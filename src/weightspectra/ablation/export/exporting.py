"""Writes a model with one cut applied, whole and, where that is smaller, with its matrices as two factors."""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors.torch import save_file
from transformers.pytorch_utils import Conv1D

from weightspectra.ablation.choose.cuts import PlannedCut
from weightspectra.ablation.edit.truncation import Change, Edit, Stored, edited
from weightspectra.ablation.export import factorised
from weightspectra.contracts import MatrixKey
from weightspectra.models import requests
from weightspectra.models.live import LiveMatrix
from weightspectra.models.loading import quiet
from weightspectra.sources import checkpoints, folders

LOADER = "load_factorised.py"
FACTORISED = "factorised"


class Exported(NamedTuple):
    """What was written.

    Attributes
    ----------
    change : Change
    n_parameters : int
        Of the whole model.
    n_factorised : int
        Matrices stored as two factors in the folder ``factorised``; 0 if there is no such folder.
    n_parameters_factorised : int
        Of the whole model with these.
    """

    change: Change
    n_parameters: int
    n_factorised: int
    n_parameters_factorised: int


def head_of(config: Mapping[str, Any]) -> str | None:
    """Return which head a checkpoint has, of those that can be loaded: ``causal``, ``masked``, or None."""
    named = (config.get("architectures") or [""])[0]
    return next((head for head, endings in requests.HEADS_OF.items() if named.endswith(endings)), None)


def write_checkpoint(
    model: Any, matrices: Mapping[MatrixKey, LiveMatrix], cut: PlannedCut, stored: Stored, source: Path, folder: Path
) -> Exported:
    """Write a model after a cut as a folder that ``transformers`` loads; the model itself is as before afterwards.

    Parameters
    ----------
    model : PreTrainedModel
    matrices : mapping from MatrixKey to LiveMatrix
        Of this model.
    cut : PlannedCut
    stored : Stored
        What the cut's edits read.
    source : path
        The model's folder, for its tokenizer and what else comes with it.
    folder : path
        Exists, and is empty.

    Returns
    -------
    Exported
    """
    companions = folders.companions([path.name for path in source.iterdir()], code=True)
    for name in companions:
        shutil.copyfile(source / name, folder / name)
    n_parameters = sum(parameter.numel() for parameter in model.parameters())
    layers = _factorisable(model, matrices, cut.edits)
    with edited(matrices, cut.edits, stored) as change:
        _save(model, source, folder)
        saved = 0
        if layers:
            (folder / FACTORISED).mkdir()
            for path in folder.glob("*.*"):
                if path.suffix != ".safetensors" and not path.name.endswith(".index.json"):
                    shutil.copyfile(path, folder / FACTORISED / path.name)
            saved = _save_factorised(model, matrices, layers, folder / FACTORISED)
    return Exported(change, n_parameters, len(layers), n_parameters - saved)


def _save(model: Any, source: Path, folder: Path) -> None:
    """Write weights and configuration; the cache of keys and values is as the original's configuration has it."""
    cached, own = checkpoints.config(source).get("use_cache", True), model.config.use_cache
    model.config.use_cache = cached
    try:
        with quiet():
            model.save_pretrained(folder)
    finally:
        model.config.use_cache = own


def _factorisable(
    model: torch.nn.Module, matrices: Mapping[MatrixKey, LiveMatrix], edits: Mapping[MatrixKey, Edit]
) -> dict[str, tuple[MatrixKey, int]]:
    """Return the layers that two factors make smaller, by name: their matrix and its rank.

    A matrix that shares its tensor with others (fused, or a stack of experts)
    has no layer of its own to divide.
    """
    names = {module: name for name, module in model.named_modules()}
    found = {}
    for key, edit in edits.items():
        matrix = matrices[key]
        n_out, n_in = matrix.read().shape
        is_own = isinstance(matrix.module, (torch.nn.Linear, Conv1D)) and matrix.parameter.numel() == n_out * n_in
        if edit.n_removed and edit.n_parameters and is_own:
            found[names[matrix.module]] = key, edit.n_parameters // (n_out + n_in)
    return found


def _save_factorised(
    model: Any, matrices: Mapping[MatrixKey, LiveMatrix], layers: Mapping[str, tuple[MatrixKey, int]], folder: Path
) -> int:
    """Write the weights with factors in the place of some matrices, and their loader; return the parameters saved."""
    tensors: dict[str, torch.Tensor] = {}
    seen = set()
    for name, tensor in model.state_dict().items():
        layer = name.removesuffix(".weight")
        if layer in layers:
            key, rank = layers[layer]
            tensors[f"{layer}.1.weight"], tensors[f"{layer}.0.weight"] = factors(matrices[key].read(), rank)
        elif tensor.data_ptr() not in seen:  # a tied tensor is stored once
            moved = layer.removesuffix(".bias") in layers
            tensors[f"{layer.removesuffix('.bias')}.1.bias" if moved else name] = tensor.contiguous()
            seen.add(tensor.data_ptr())
    save_file(tensors, folder / factorised.WEIGHTS, metadata={"format": "pt"})
    ranks = {layer: rank for layer, (_, rank) in layers.items()}
    (folder / factorised.RANKS).write_text(json.dumps(ranks, indent=1) + "\n")
    shutil.copyfile(factorised.__file__, folder / LOADER)
    whole = sum(matrices[key].parameter.numel() for key, _ in layers.values())
    return whole - sum(tensors[f"{layer}.{part}.weight"].numel() for layer in layers for part in (0, 1))


def factors(weight: torch.Tensor, rank: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Divide a matrix of low rank into two factors, ``W = A B``.

    Parameters
    ----------
    weight : Tensor of shape (n_out, n_in)
        Of this rank, but for rounding to its number format.
    rank : int

    Returns
    -------
    A : Tensor of shape (n_out, rank)
    B : Tensor of shape (rank, n_in)
        In the weight's number format. The factor of the short side is orthonormal.

    Raises
    ------
    ValueError
        When the product misses the matrix by more than the rounding of its entries.

    Notes
    -----
    The short side's directions are the leading eigenvectors of its float64 Gram matrix.
    """
    exact = weight.to(torch.float64)
    is_wide = exact.shape[0] <= exact.shape[1]
    wide = exact if is_wide else exact.T
    basis = torch.linalg.eigh(wide @ wide.T).eigenvectors.flip(1)[:, :rank]
    other = basis.T @ wide
    missed = torch.linalg.vector_norm(wide - basis @ other)
    allowed = 2 * torch.finfo(weight.dtype).eps * torch.linalg.vector_norm(wide)
    if missed > allowed:
        raise ValueError(f"a matrix of shape {tuple(weight.shape)} has not rank {rank}: |W - A B| = {missed:.3g}")
    pair = (basis, other) if is_wide else (other.T, basis.T)
    return pair[0].to(weight.dtype).contiguous(), pair[1].to(weight.dtype).contiguous()
