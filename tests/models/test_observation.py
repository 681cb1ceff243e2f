"""Every architecture can be observed: each of its matrices that has a module reads exactly one collected input."""

import numpy as np

from weightspectra.activations.collection import batches_of, collect_moments, find_shared_inputs
from weightspectra.activations.windows import Window
from weightspectra.models import live


def test_each_matrix_is_served_by_one_input_of_its_dimension(tiny_models, architecture, capsys):
    model, _ = tiny_models(architecture)
    rng = np.random.default_rng(5)
    windows = [Window("text", rng.integers(4, 60, length).tolist(), 0) for length in (20, 7, 13)]
    batches = batches_of(windows, 2, pad_id=0)
    matrices = live.matrices(model)
    shared = find_shared_inputs(model, {key: matrix.module for key, matrix in matrices.items()}, batches[-1])
    served = [(found.key.layer, role) for found in shared for role in found.roles]
    reading = {(key.layer, key.role) for key, matrix in matrices.items() if matrix.module is not None}
    assert len(served) == len(set(served))
    assert set(served) == reading
    assert ("experts of a mixture" in capsys.readouterr().err) == any(m.module is None for m in matrices.values())
    for found, moments in collect_moments(model, shared, batches, label="test").items():
        assert moments.n_tokens == 40 * found.n_calls
        for role in found.roles:
            assert moments.dimension == matrices[found.key._replace(role=role)].read().shape[1]
