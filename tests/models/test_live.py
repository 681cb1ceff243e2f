"""The matrices of a loaded model: the same as on disk, and written exactly where they were read."""

import pytest
import torch

from weightspectra.contracts import MatrixKey
from weightspectra.models import live, weights


@pytest.fixture
def restored(architecture, tiny_models):
    """The tiny model; its parameters are put back after the test."""
    model, _ = tiny_models(architecture)
    before = {name: parameter.detach().clone() for name, parameter in model.named_parameters()}
    yield model, before
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.copy_(before[name])


def test_live_matrices_equal_those_on_disk(architecture, tiny_models):
    model, folder = tiny_models(architecture)
    in_memory, on_disk = live.matrices(model), weights.matrices(folder)
    assert list(in_memory) == list(on_disk)
    for key, matrix in in_memory.items():
        assert torch.equal(matrix.read(), torch.from_numpy(on_disk[key].read())), key


def test_writing_what_was_read_changes_no_bit(restored):
    model, before = restored
    for matrix in live.matrices(model).values():
        matrix.write(matrix.read())
    assert all(torch.equal(parameter, before[name]) for name, parameter in model.named_parameters())


def test_writing_changes_exactly_the_matrix(restored):
    model, before = restored
    found = live.matrices(model)
    parameters = dict(model.named_parameters())
    for key, matrix in found.items():
        original = matrix.read()
        matrix.write(original + 1)
        changed = {name: int((parameters[name] != before[name]).sum()) for name in before}
        assert {name: n for name, n in changed.items() if n} == {matrix.slot.tensor: original.numel()}, key
        assert torch.equal(matrix.read(), original + 1)
        matrix.write(original)


def test_the_module_is_the_one_whose_input_the_matrix_multiplies(architecture, tiny_models):
    model, _ = tiny_models(architecture)
    for matrix in live.matrices(model).values():
        if matrix.module is None:
            assert matrix.parameter.ndim == 3
        else:
            assert matrix.module.weight is matrix.parameter
            n_in = getattr(matrix.module, "in_features", getattr(matrix.module, "nx", None))
            assert matrix.read().shape[1] == n_in


def test_reading_gives_a_copy(tiny_models):
    model, _ = tiny_models("llama")
    matrix = live.matrices(model)[MatrixKey(1, "down")]
    before = matrix.parameter.detach().clone()
    matrix.read().zero_()
    assert torch.equal(matrix.parameter, before)


def test_writing_rounds_to_the_format_of_the_parameter(tiny_models):
    model, _ = tiny_models("gpt2")
    matrix = live.matrices(model)[MatrixKey(0, "key")]
    original = matrix.read()
    precise = original.double() * (1 + 1e-10)
    matrix.write(precise)
    assert matrix.read().dtype == torch.float32
    assert torch.equal(matrix.read(), precise.float())
    matrix.write(original)


def test_writing_another_shape_is_refused(tiny_models):
    model, _ = tiny_models("gpt_neox")
    matrix = live.matrices(model)[MatrixKey(0, "up")]
    with pytest.raises(ValueError, match=r"expected shape \(48, 32\), found \(32, 48\)"):
        matrix.write(matrix.read().T)
