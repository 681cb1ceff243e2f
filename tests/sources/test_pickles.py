"""Pickled checkpoints of PyTorch: every number format is told by its name, and read to the bit."""

import numpy as np
import pytest
import torch

from weightspectra.base.errors import UserError
from weightspectra.sources.formats import pickles

BITS_OF_BFLOAT16 = {1.5: 0x3FC0, -2.0: 0xC000, 0.0: 0x0000}


@pytest.mark.parametrize(
    ("dtype", "name"),
    [(torch.float16, "F16"), (torch.float32, "F32"), (torch.float64, "F64"), (torch.int8, "I8"), (torch.int64, "I64")],
)
@pytest.mark.parametrize("zipped", [True, False])
def test_numbers_keep_their_format_shape_and_values(dtype, name, zipped, tmp_path):
    path = tmp_path / "model.bin"
    torch.save({"w": torch.tensor([[1, -2, 0], [3, 4, 5]]).to(dtype)}, path, _use_new_zipfile_serialization=zipped)
    (number_format, shape, numbers) = pickles.tensors(path)["w"]
    assert (number_format, shape) == (name, (2, 3))
    np.testing.assert_array_equal(numbers(), [[1, -2, 0], [3, 4, 5]])
    assert str(numbers().dtype) == str(dtype).removeprefix("torch.")


def test_bfloat16_comes_as_its_bits_since_numpy_does_not_know_it(tmp_path):
    path = tmp_path / "model.bin"
    torch.save({"w": torch.tensor(list(BITS_OF_BFLOAT16), dtype=torch.bfloat16)}, path)
    number_format, shape, bits = pickles.tensors(path)["w"]
    assert (number_format, shape) == ("BF16", (3,))
    assert bits().dtype == np.uint16
    assert bits().tolist() == list(BITS_OF_BFLOAT16.values())


def test_what_is_no_mapping_of_tensors_is_refused(tmp_path):
    torch.save([torch.zeros(2)], tmp_path / "list.bin")
    with pytest.raises(UserError, match="it holds a list, and not tensors by name"):
        pickles.tensors(tmp_path / "list.bin")
