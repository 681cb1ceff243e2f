"""Names single singular directions by what they read: which direction of the activations, at which tokens."""

from collections.abc import Collection, Mapping, Sequence
from contextlib import ExitStack
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from weightspectra.base.progress import track
from weightspectra.contracts import MatrixKey
from weightspectra.damage.prediction import most_surprising, predicted_damage, surprise
from weightspectra.damage.sensitivity import Batch, ExaminedModel, Response

N_SHOWN = 5
"""Tokens listed for a direction."""


class Reading(NamedTuple):
    """What one direction reads; see ``contracts.DIRECTIONS``. ``at`` are the numbers of the tokens shown."""

    component: int
    overlap: float
    component_share: float
    mean_share: float
    first_token_share: float
    peak: float
    at: np.ndarray


def name_directions(
    subject: ExaminedModel,
    batches: Sequence[Batch],
    singular_values: Mapping[MatrixKey, np.ndarray],
    responses: Mapping[MatrixKey, Response],
    count: int,
    tokenizer: Any,
) -> list[dict[str, Any]]:
    """Choose the singular directions whose predicted damage surprises most, and say what they read.

    Parameters
    ----------
    subject : ExaminedModel
        Run forward once more, without gradients.
    batches : sequence of Batch
    singular_values : mapping from MatrixKey to ndarray of shape (n_values,)
    responses : mapping from MatrixKey to Response
    count : int
        How many to name; see :func:`weightspectra.damage.prediction.most_surprising`.
    tokenizer : transformers tokenizer
        To spell tokens.

    Returns
    -------
    list of dict
        Rows of ``contracts.DIRECTIONS`` without the names of model and corpus.
    """
    chosen = most_surprising({key: surprise(singular_values[key], responses[key]) for key in responses}, count)
    inputs = observe_inputs(subject, batches, {key for key, _ in chosen})
    tokens, positions = places(batches)
    principal: dict[int, tuple[np.ndarray, np.ndarray]] = {}
    rows = []
    for key, index in track(chosen, len(chosen), "name", "directions"):
        own = inputs[key]
        if id(own) not in principal:
            principal[id(own)] = principal_directions(own)
        vector = right_vector(subject.matrices[key].read(), subject.vectors(key), index)
        found = describe(vector, own, principal[id(own)], positions)
        values, response = singular_values[key], responses[key]
        rows.append(
            {
                **key._asdict(),
                "index": index,
                "n_values": len(values),
                "singular_value": float(values[index]),
                "weight_energy": float(values[index] ** 2 / np.square(values).sum()),
                "output_energy": float(response.energy[index] / response.energy.sum()),
                "predicted": float(predicted_damage(response.first_order[index], response.second_order[index])),
                **{name: value for name, value in found._asdict().items() if name != "at"},
                "tokens": [tokenizer.decode([token]) for token in tokens[found.at].tolist()],
                "positions": positions[found.at].tolist(),
            }
        )
    return rows


def observe_inputs(
    subject: ExaminedModel, batches: Sequence[Batch], keys: Collection[MatrixKey]
) -> dict[MatrixKey, Tensor]:
    """Run a model over batches and keep what some matrices read.

    Parameters
    ----------
    subject : ExaminedModel
    batches : sequence of Batch
    keys : collection of MatrixKey
        Those that share a module share one tensor.

    Returns
    -------
    dict from MatrixKey to float32 tensor of shape (n_tokens, n_in)
        On the CPU, without padding; tokens in the order of :func:`places`.
    """
    modules = {key: subject.matrices[key].module for key in keys}
    seen: dict[nn.Module | None, list[Tensor]] = {module: [] for module in modules.values()}
    mask = torch.zeros(0, dtype=torch.bool)

    def note(module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        seen[module].append(inputs[0].detach().flatten(end_dim=-2)[mask.reshape(-1)].float().cpu())

    with torch.no_grad(), ExitStack() as hooks:
        for module in filter(None, seen):
            hooks.callback(module.register_forward_pre_hook(note).remove)
        for batch in batches:
            mask = batch["attention_mask"].bool()
            subject.outcomes(subject.model, batch)
    joined = {module: torch.cat(pieces) for module, pieces in seen.items()}
    return {key: joined[module] for key, module in modules.items()}


def places(batches: Sequence[Batch]) -> tuple[np.ndarray, np.ndarray]:
    """Return the token and its position in its window, of every token that is not padding."""
    tokens, positions = [], []
    for batch in batches:
        mask = batch["attention_mask"].bool().cpu()
        tokens.append(batch["input_ids"].cpu()[mask])
        positions.append(torch.arange(mask.shape[1]).expand(mask.shape)[mask])
    return torch.cat(tokens).numpy(), torch.cat(positions).numpy()


def right_vector(weight: Tensor, vectors: np.ndarray, index: int) -> np.ndarray:
    """Return the unit right singular vector of one value, float64, from the stored vectors of the short side."""
    vector = torch.from_numpy(np.array(vectors[index])).double()
    if weight.shape[0] <= weight.shape[1]:
        vector = vector @ weight.double().cpu()
    return (vector / torch.linalg.vector_norm(vector)).numpy()


def principal_directions(inputs: Tensor) -> tuple[np.ndarray, np.ndarray]:
    """Return the eigenvectors, one per row, of the second moment <x x'> of inputs, and their shares of its trace.

    Parameters
    ----------
    inputs : tensor of shape (n_tokens, n_in)

    Returns
    -------
    directions : ndarray of shape (min(n_tokens, n_in), n_in)
    shares : ndarray of shape (min(n_tokens, n_in),)
        Largest first.
    """
    _, sizes, directions = torch.linalg.svd(inputs.double(), full_matrices=False)
    shares = sizes.square() / sizes.square().sum()
    return directions.numpy(), shares.numpy()


def describe(
    vector: np.ndarray, inputs: Tensor, principal: tuple[np.ndarray, np.ndarray], positions: np.ndarray
) -> Reading:
    """Describe what one direction reads.

    Parameters
    ----------
    vector : ndarray of shape (n_in,)
        A unit vector.
    inputs : tensor of shape (n_tokens, n_in)
    principal : as from :func:`principal_directions`
    positions : ndarray of int, shape (n_tokens,)
        0 for the first token of a window.
    """
    directions, shares = principal
    signed = inputs.double().numpy() @ vector
    activation, squares = np.abs(signed), signed**2
    overlaps = np.abs(directions @ vector)
    component = int(overlaps.argmax())
    return Reading(
        component=component,
        overlap=float(overlaps[component]),
        component_share=float(shares[component]),
        mean_share=float(signed.mean() ** 2 / squares.mean()),
        first_token_share=float(squares[positions == 0].sum() / squares.sum()),
        peak=float(activation.max() / np.sqrt(squares.mean())),
        at=np.argsort(-activation, kind="stable")[:N_SHOWN],
    )
