"""Numbers of a safetensors file begin at a multiple of eight bytes, so that they can be mapped as they are."""

import numpy as np
import pytest
from safetensors.numpy import load_file

from weightspectra.sources import checkpoints


@pytest.mark.parametrize("length", range(8))
def test_numbers_begin_at_a_multiple_of_eight(tmp_path, length):
    path, values = tmp_path / "model.safetensors", np.arange(6, dtype=np.float32).reshape(2, 3)
    checkpoints.write_safetensors(path, {"a": ("F32", (2, 3))}, [values], {"note": "x" * length})
    assert int.from_bytes(path.read_bytes()[:8], "little") % 8 == 0
    np.testing.assert_array_equal(load_file(path)["a"], values)
