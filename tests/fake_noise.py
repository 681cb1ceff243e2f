"""What a finished run says of noise, with known answers, for the models of ``fake_run``.

Of n values planted above the bulk the calibrated bound counts one less, and the
bound for the variance profile two less; so below it. Where anything is planted,
the first layer's bulk and spacings do not fit, every vector of a planted value
is no random direction (below: on the right only), and the first head of every
attention matrix draws two vectors.
"""

import numpy as np
import pandas as pd

from weightspectra import contracts

N_HEADS = 4
ATTENTION = ("query", "key", "value", "attention_output")
UNFOLDINGS = ("replicate", "drop", "law")


def frames(model) -> dict[str, pd.DataFrame]:
    """Return rows of the contracts of the tests against noise, by the contract's name."""
    makers = {
        "levels": _levels,
        "vector_tests": _vector_tests,
        "head_tests": _head_tests,
        "tails": _tails,
        "cleaning": _cleaning,
        "information": _information,
    }
    keys = list(model.matrix_keys())
    columns = {contract.name: contract.schema.names for contract in contracts.ALL}
    return {
        name: pd.DataFrame([row for key in keys for row in make(model, key)], columns=columns[name])
        for name, make in makers.items()
    }


def bulk_columns(model, key, fitted) -> dict[str, object]:
    """Return the columns of BULK that are about noise; bounds lie halfway between the values planted."""
    values = model.singular_values(key.role)
    below = model.below(key.role)
    n_above, n_below = max(model.n_above - 1, 0), max(below - 1, 0)
    edge, planted = fitted.edge_upper, values[: model.n_above]
    low_edge, small = fitted.edge_lower, values[::-1][:below]
    fits = not (key.layer == 0 and model.n_above)
    return {
        "initial_std": min(model.shapes[key.role]) ** -0.5,
        "n_below_initial": 0,
        "n_above_initial": 0,
        "level": 0.05,
        "noise_std": fitted.entry_std,
        "noise_rank": len(values) - n_above - n_below,
        "converged": True,
        "bound_lower": _between(small, n_below, 0.97 * low_edge),
        "bound_upper": _between(planted, n_above, 1.03 * edge),
        "n_below_bound": n_below,
        "n_above_bound": n_above,
        "p_below": np.where(np.arange(len(values)) >= len(values) - n_below, 1e-6, 1.0),
        "p_above": np.where(np.arange(len(values)) < n_above, 1e-6, 1.0),
        "bulk_distance": 0.02 if fits else 0.2,
        "bulk_p_value": 0.5 if fits else 0.001,
        "row_p_value": 0.5,
        "column_p_value": 0.001,
        "row_spread": 0.0,
        "column_spread": 0.2,
        "profile_bound_lower": _between(small, max(below - 2, 0), 0.95 * low_edge),
        "profile_bound_upper": _between(planted, max(model.n_above - 2, 0), 1.05 * edge),
        "n_below_profile": max(below - 2, 0),
        "n_above_profile": max(model.n_above - 2, 0),
        "permutation_bound_lower": np.nan,
        "permutation_bound_upper": np.nan,
        "permutation_p_lower": np.nan,
        "permutation_p_upper": np.nan,
    }


def _between(planted, count, otherwise):
    """Return what parts the ``count`` values farthest out (of those planted, in this order) from the next one in."""
    if len(planted) == 0:
        return otherwise
    if count == 0:
        return planted[0] + np.sign(planted[0] - otherwise) * 1e-9
    return planted[count - 1 : count + 1].mean()


def _name(model, key):
    return {"model": model.name, **key._asdict()}


def _levels(model, key):
    unlike = key.layer == 0 and model.n_above > 0
    lengths = np.array([1.0, 2.0, 5.0, 10.0, 20.0])
    goe = (np.log(2 * np.pi * lengths) + 1.5772 - np.pi**2 / 8) * 2 / np.pi**2
    spacings = np.sqrt(-4 / np.pi * np.log1p(-(np.arange(40) + 0.5) / 40))
    for unfolding in UNFOLDINGS:
        bias = 1.0 if unfolding == "law" else 1 - 0.012 * lengths
        yield {
            **_name(model, key),
            "unfolding": unfolding,
            "n_levels": 41,
            "spacings": np.random.default_rng(3).permutation(spacings),
            "spacing_distance": 0.3 if unlike else 0.05,
            "spacing_p_value": 0.001 if unlike else 0.5,
            "brody": 0.6 if unlike else 1.0,
            "brody_low": 0.5 if unlike else 0.9,
            "brody_high": 0.7 if unlike else 1.1,
            "gap_ratio": 0.53,
            "gap_ratio_p_value": 0.5,
            "lengths": lengths,
            "number_variance": goe * bias * (1 + 0.3 * unlike * lengths),
            "number_variance_null": goe * bias,
            "number_variance_null_sd": 0.05 * goe * np.sqrt(lengths),
            "number_variance_goe": goe,
        }


def _vector_tests(model, key):
    values = model.singular_values(key.role)
    planted = {"left": 0, "right": model.below(key.role)}
    for side, below in planted.items():
        for index, value in enumerate(values):
            told = index < model.n_above or index >= len(values) - below
            p = 1e-4 if told else 0.5
            local = 1e-4 if model.n_above and side == "left" and index == 0 else 0.5
            yield {
                **_name(model, key),
                "side": side,
                "index": index,
                "singular_value": value,
                "distance": 0.3 if told else 0.05,
                "magnitude_distance": 0.2 if told else 0.04,
                "p_value": p,
                "window_p_value": 0.2 if told else 0.5 + 0.1 * np.sin(index),
                "q_value": 10 * p if told else 0.8,
                "participation": 0.5,
                "participation_p_value": local,
                "participation_q_value": 10 * local if local < 0.5 else 0.8,
            }


def _head_tests(model, key):
    if key.role not in ATTENTION:
        return
    for head in range(N_HEADS if key.role in ("query", "attention_output") else 2):
        told = head == 0 and model.n_above > 0
        yield {
            **_name(model, key),
            "side": "right" if key.role == "attention_output" else "left",
            "head": head,
            "n_components": 12,
            "n_vectors": min(model.shapes[key.role]),
            "n_concentrated": 2 * told,
            "n_nonrandom": 0,
            "largest_share": 0.8 if told else 0.3,
            "largest_index": 0,
            "smallest_p_value": 1e-6 if told else 0.1,
        }


def _tails(model, key):
    n_out, n_in = model.shapes[key.role]
    eigenvalues = model.singular_values(key.role) ** 2
    shares = eigenvalues / eigenvalues.sum()
    entropy = float(-(shares * np.log(shares)).sum())
    alpha = 2.0 + key.layer if model.n_above else float("nan")
    largest, norm = float(eigenvalues[0]), float(eigenvalues.sum())
    yield {
        **_name(model, key),
        "n_out": n_out,
        "n_in": n_in,
        "alpha": alpha,
        "alpha_error": 0.1,
        "xmin": 1.0,
        "D": 0.1,
        "num_pl_spikes": 10,
        "alpha_weighted": alpha * np.log10(largest),
        "log_alpha_norm": alpha,
        "hill": 3.0,
        "hill_error": 0.3,
        "hill_local": np.full(10, 3.0),
        "lambda_max": largest,
        "norm": norm,
        "log_norm": np.log10(norm),
        "spectral_norm": largest,
        "log_spectral_norm": np.log10(largest),
        "stable_rank": norm / largest,
        "matrix_rank": len(eigenvalues),
        "entropy": entropy / np.log(len(eigenvalues)),
        "entropy_rank": np.exp(entropy),
        "sigma_mp": 0.9,
        "mp_softrank": 0.5,
        "num_spikes": max(model.n_above - 1, 0),
        "energy_above": 0.2,
        "energy_below": 0.01,
    }


def _cleaning(model, key):
    values = model.singular_values(key.role)
    yield {
        **_name(model, key),
        "boundary_upper": model.n_above,
        "boundary_lower": model.below(key.role),
        "filtered_values": values,
        "shrunk_values": values,
        "filtered_energy": 1.0,
        "shrunk_energy": 1.0,
    }


def _information(model, key):
    """Let a region's information be the share of its directions that were planted, give or take a tenth."""
    n = min(model.shapes[key.role])
    tenth = max(n // 10, 1)
    planted = {"smallest tenth": model.below(key.role), "middle": 0, "largest tenth": model.n_above}
    sizes = {"smallest tenth": tenth, "middle": n - 2 * tenth, "largest tenth": tenth}
    for region, size in sizes.items():
        share = min(planted[region] / size, 1.0)
        yield {
            **_name(model, key),
            "region": region,
            "n_directions": size,
            "n_outliers": min(max(planted[region] - 1, 0), size),
            "information": share,
            "information_low": max(share - 0.1, 0.0),
            "information_high": min(share + 0.1, 1.0),
        }
