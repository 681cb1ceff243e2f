"""What removing singular values does to a model, predicted before anything is removed."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from weightspectra.contracts import KEY_COLUMNS, MatrixKey
from weightspectra.damage.sensitivity import Response
from weightspectra.spectra.deciles import decile_ranks

TRANSFERRED = 0.5
"""Share of the first-order term that is carried over from the text seen to other text."""


def predicted_damage(first_order: Any, second_order: Any) -> Any:
    """Return the predicted increase of the loss, in nats per scored token.

    Parameters
    ----------
    first_order, second_order : float or ndarray
        As in :class:`weightspectra.damage.sensitivity.Response`, for the values that go together.

    Notes
    -----
    A trained model is near a minimum of its loss, where removing dW costs half
    of dW' F dW with the Fisher information F. This alone ranks cuts. The slope
    that is left is real for a text that the model was not fitted to, but is
    known from one text only, where its sampling variance is 2 * second_order /
    n_scored; half of it is added. See docs/methods.md for how well this does.
    """
    return second_order + TRANSFERRED * first_order


def values_of_responding(spectra: pd.DataFrame, responses: Mapping[MatrixKey, Response]) -> dict[MatrixKey, np.ndarray]:
    """Return the singular values of the matrices that responded, from rows of ``contracts.SPECTRA``."""
    by_key = spectra.set_index(KEY_COLUMNS)["singular_values"]
    return {key: np.asarray(by_key[tuple(key)]) for key in responses}


def predict(
    singular_values: Mapping[MatrixKey, np.ndarray], responses: Mapping[MatrixKey, Response]
) -> list[dict[str, Any]]:
    """Predict what removing each decile of each matrix does, with simpler measures beside it.

    Parameters
    ----------
    singular_values : mapping from MatrixKey to ndarray of shape (n_values,)
        Largest first.
    responses : mapping from MatrixKey to Response

    Returns
    -------
    list of dict
        One for each decile that holds a value: the rows of ``contracts.PREDICTIONS``
        without the names of model and corpus.
    """
    return [
        {**key._asdict(), "n_tokens": response.n_tokens, **row}
        for key, response in responses.items()
        for row in _predict_deciles(singular_values[key], response)
    ]


def _predict_deciles(singular_values: np.ndarray, response: Response) -> list[dict[str, Any]]:
    squares = singular_values**2
    variances = response.energy - response.mean**2
    rows = []
    for decile in range(1, 11):
        ranks = decile_ranks(len(squares), decile)
        if not len(ranks):
            continue
        first_order = float(response.first_order[ranks].sum())
        second_order = float(np.square(response.answers[:, decile - 1]).sum() / 2)
        rows.append(
            {
                "decile": decile,
                "n_removed": len(ranks),
                "weight_energy": _share(squares, ranks),
                "centred_energy": _share(variances, ranks),
                "output_energy": _share(response.energy, ranks),
                "first_order": first_order,
                "second_order": second_order,
                "predicted": predicted_damage(first_order, second_order),
            }
        )
    return rows


def surprise(singular_values: np.ndarray, response: Response) -> np.ndarray:
    """Return how much more damage each value does alone than its square says.

    Parameters
    ----------
    singular_values : ndarray of shape (n_values,)
    response : Response

    Returns
    -------
    ndarray of shape (n_values,)
        ``d_k ln(d_k / e_k)`` in nats per token, with d_k the second-order damage of value
        k and ``e_k = sum(d) s_k^2 / sum(s^2)`` what it would be if damage went with energy.

    Notes
    -----
    These are the terms of the Kullback-Leibler divergence of the shares of damage
    from the shares of energy, so that a value ranks high by doing much damage
    and by doing it unexpectedly, and not by one of the two alone.
    """
    damage = response.second_order
    expected = damage.sum() * _shares(singular_values**2)
    found = np.zeros_like(damage)
    counts = (damage > 0) & (expected > 0)
    found[counts] = damage[counts] * np.log(damage[counts] / expected[counts])
    return found


def most_surprising(surprises: Mapping[MatrixKey, np.ndarray], count: int) -> list[tuple[MatrixKey, int]]:
    """Choose the values of largest surprise, half of them from the smaller half of each spectrum.

    Parameters
    ----------
    surprises : mapping from MatrixKey to ndarray of shape (n_values,)
        As from :func:`surprise`.
    count : int

    Returns
    -------
    list of (MatrixKey, int)
        Matrix and index of each, first the small values and then the large ones, both by falling surprise.
    """
    small: list[tuple[float, MatrixKey, int]] = []
    large: list[tuple[float, MatrixKey, int]] = []
    for key, values in surprises.items():
        for index, value in enumerate(values.tolist()):
            (large if 2 * index < len(values) else small).append((-value, key, index))
    chosen = [*sorted(small)[: (count + 1) // 2], *sorted(large)[: count // 2]]
    return [(key, index) for _, key, index in chosen]


def _share(values: np.ndarray, ranks: np.ndarray) -> float:
    return float(_shares(values)[ranks].sum())


def _shares(values: np.ndarray) -> np.ndarray:
    total = values.sum()
    return np.asarray(values / total if total > 0 else np.zeros_like(values))
