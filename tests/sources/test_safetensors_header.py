"""The header of a safetensors file is a stranger's text: what is not of the format is refused in a sentence."""

import json
from pathlib import Path

import numpy as np
import pytest
from damaging import damaged
from safetensors.numpy import load_file, save_file

from weightspectra.base.errors import UserError
from weightspectra.sources import checkpoints
from weightspectra.sources.formats.safetensors_header import read_header

TENSOR = {"dtype": "F32", "shape": [2, 2], "data_offsets": [0, 16]}


def written(folder: Path, header, n_data: int = 16) -> Path:
    """Write a file with this header (text, or what becomes JSON) and so many bytes of numbers."""
    head = header if isinstance(header, bytes) else json.dumps(header).encode()
    path = folder / "model.safetensors"
    path.write_bytes(len(head).to_bytes(8, "little") + head + bytes(n_data))
    return path


def test_the_librarys_own_files_are_read(tmp_path):
    rng = np.random.default_rng(0)
    kept = {"b": rng.normal(size=(3, 4)), "a": np.arange(5, dtype=np.int32), "none": np.zeros((0, 4), np.float32)}
    save_file(kept, tmp_path / "model.safetensors", metadata={"format": "np"})
    entries, metadata = read_header(tmp_path / "model.safetensors")
    assert metadata == {"format": "np"}
    assert {name: entry.shape for name, entry in entries.items()} == {"b": (3, 4), "a": (5,), "none": (0, 4)}
    for name, tensor in checkpoints.tensors(tmp_path).items():
        np.testing.assert_array_equal(tensor.array(), kept[name])


def test_metadata_may_be_null(tmp_path):
    path = written(tmp_path, {"__metadata__": None, "a": TENSOR})
    assert read_header(path)[1] == {}
    assert load_file(path)["a"].shape == (2, 2)  # the library agrees
    assert checkpoints.tensors(tmp_path)["a"].array().shape == (2, 2)


@pytest.mark.parametrize(
    ("header", "n_data", "message"),
    [
        ([TENSOR], 16, "its header is a list, and not a mapping"),
        (b"[" * 200_000, 16, "nested too deeply"),
        (b'{"a":' * 200_000, 16, "nested too deeply"),
        ({"a": {**TENSOR, "dtype": "Q9"}}, 16, "tensor 'a' has the unknown number format 'Q9'"),
        ({"a": {**TENSOR, "dtype": ["F32"]}}, 16, "unknown number format"),
        ({"a": "F32"}, 16, "does not hold just dtype, shape and data_offsets"),
        ({"a": {**TENSOR, "data_offsets": [-16, 0]}}, 16, "which cannot be"),
        ({"a": {**TENSOR, "data_offsets": [16, 0]}}, 16, "which cannot be"),
        ({"a": {**TENSOR, "data_offsets": [0, 1 << 70]}}, 16, "which cannot be"),
        ({"a": {**TENSOR, "data_offsets": [0, 1 << 62]}}, 16, "which is 16 bytes, and offsets of 4,611,686,018,427"),
        ({"a": {**TENSOR, "data_offsets": [0.0, 16.0]}}, 16, "which cannot be"),
        ({"a": {**TENSOR, "shape": [2, -2]}}, 16, "which cannot be"),
        ({"a": {**TENSOR, "shape": [True, 4]}}, 16, "which cannot be"),
        ({"a": {**TENSOR, "shape": [1] * 65}}, 16, "which cannot be"),
        ({"a": {**TENSOR, "shape": [2, 3]}}, 16, "shape [2, 3] of F32, which is 24 bytes, and offsets of 16 bytes"),
        ({"a": TENSOR, "b": {**TENSOR, "data_offsets": [8, 24]}}, 24, "'a' and tensor 'b' overlap"),
        ({"a": TENSOR, "b": TENSOR}, 16, "tensor 'a' and tensor 'b' overlap"),
        ({"a": TENSOR, "b": {**TENSOR, "data_offsets": [24, 40]}}, 40, "'a' and tensor 'b' leave a hole"),
        ({"a": {**TENSOR, "data_offsets": [8, 24]}}, 24, "the header and tensor 'a' leave a hole"),
        ({"a": TENSOR}, 20, "4 bytes follow its last tensor"),
        ({"a": TENSOR}, 12, "truncated or damaged safetensors file of"),
        ({"__metadata__": ["pt"], "a": TENSOR}, 16, "'__metadata__' in its header is no mapping of texts"),
        (b'{"a": {}, "a": {}}', 0, "a name stands in it twice"),
        (b'{"a": ' + b"9" * 5000 + b"}", 0, "its header cannot be read"),
    ],
)
def test_what_is_not_of_the_format_is_refused(tmp_path, header, n_data, message):
    path = written(tmp_path, header, n_data)
    with pytest.raises(UserError) as refusal:
        checkpoints.tensors(tmp_path)
    assert message in str(refusal.value)
    assert str(path) in str(refusal.value)
    assert len(str(refusal.value)) < 600


@pytest.mark.parametrize("notes", ['["a"]', "{", "[" * 100_000])
def test_notes_that_no_converter_wrote_are_refused(tmp_path, notes):
    written(tmp_path, {"__metadata__": {"rounding_std": notes}, "a": TENSOR})
    with pytest.raises(UserError, match="'rounding_std' in its header's metadata is no mapping of tensors"):
        checkpoints.tensors(tmp_path)


@pytest.mark.parametrize("n_files", [300, pytest.param(20_000, marks=pytest.mark.full)])
def test_a_damaged_file_is_read_or_refused(tmp_path, n_files):
    """Seeded damage: only the one error of a user may come out, and what is read has the size that it says."""
    rng, path = np.random.default_rng(1), tmp_path / "model.safetensors"
    save_file({"a": rng.normal(size=(3, 4)), "b": np.arange(5)}, path, metadata={"rounding_std": '{"a": 0.5}'})
    whole, n_refused = path.read_bytes(), 0
    for _ in range(n_files):
        path.write_bytes(damaged(whole, rng))
        try:
            for tensor in checkpoints.tensors(tmp_path).values():
                if tensor.format in checkpoints.STORAGE:
                    assert tensor.array().shape == tensor.shape
        except UserError:
            n_refused += 1
    assert n_files / 2 < n_refused < n_files
