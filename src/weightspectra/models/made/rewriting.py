"""Copies of a model in which the weight matrices that are analysed are made anew, one tensor in memory at a time.

They are stored as float32. Embeddings, norms, biases and heads keep their bits.
"""

import json
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from weightspectra.base.progress import track
from weightspectra.models import number_formats, weights
from weightspectra.models.weights import StoredMatrix
from weightspectra.sources import checkpoints, folders
from weightspectra.sources.checkpoints import StoredTensor

Remake = Callable[[StoredMatrix, np.ndarray], np.ndarray]
"""From where a matrix lies, and its entries (float32, free to be changed), to those that take their place."""


@dataclass(frozen=True)
class Original:
    """A model that is copied.

    Parameters
    ----------
    folder : path
        Dequantised.
    tensors : mapping from str to StoredTensor
        All of them, in the order of their names.
    matrices : mapping from str to list of StoredMatrix
        The weight matrices in each tensor that holds some.
    """

    folder: Path
    tensors: Mapping[str, StoredTensor]
    matrices: Mapping[str, list[StoredMatrix]]

    def read(self, doing: str) -> Iterator[tuple[StoredMatrix, np.ndarray]]:
        """Yield every weight matrix with its entries, tensor by tensor."""
        for held in track(self.matrices.values(), len(self.matrices), f"{doing} {self.folder.name}", "tensors"):
            for stored in held:
                yield stored, stored.read()


def opened(folder: Path, fused_split: str = "interleaved") -> Original:
    """Find the tensors and weight matrices of a model; reads only headers.

    Parameters
    ----------
    folder : path
    fused_split : {'interleaved', 'thirds'}
        As in :func:`weightspectra.models.claims.claim`.
    """
    found: dict[str, list[StoredMatrix]] = {}
    for stored in weights.matrices(folder, fused_split=fused_split).values():
        found.setdefault(stored.slot.tensor, []).append(stored)
    return Original(folder, dict(sorted(checkpoints.tensors(folder).items())), found)


def write_copy(
    original: Original,
    folder: Path,
    remake: Remake,
    described: Mapping[str, str],
    *,
    doing: str,
    trust_remote_code: bool = False,
) -> None:
    """Write a copy of a model with other weight matrices.

    Parameters
    ----------
    original : Original
    folder : path
        Where the copy is put.
    remake : callable
        Makes each matrix, in the order in which tensors are stored.
    described : mapping from str to str
        What later stages read in the file's header, as from :func:`rounding_passed_on`.
    doing : str
        What is done, in words, for the line of progress.
    trust_remote_code : bool
        Copy the other model's own Python code, too.

    Raises
    ------
    UserError
        When the disk is full, or a tensor's number format is unknown.
    """
    _copy_companions(original.folder, folder, trust_remote_code)
    tensors = original.tensors
    checkpoints.write_safetensors(
        folder / "model.safetensors",
        {name: ("F32" if name in original.matrices else held.format, held.shape) for name, held in tensors.items()},
        _contents(original, remake, doing),
        {"format": "pt", **described},
    )


def rounding_passed_on(
    original: Original, words: str, added: Callable[[np.ndarray], float] = lambda matrix: 0.0
) -> dict[str, str]:
    """Return what to say of rounding in the header of a copy whose entries still have that of their original.

    Parameters
    ----------
    original : Original
    words : str
        What was done to the entries, to be said behind their format.
    added : callable
        From a matrix to the sum of squares of errors that come on top.

    Returns
    -------
    dict from str to str
        ``quantisation`` and ``rounding_std``, as :func:`weightspectra.sources.checkpoints.tensors` reads them.
    """
    formats: set[str] = set()
    squares, sizes = dict.fromkeys(original.matrices, 0.0), dict.fromkeys(original.matrices, 0)
    for stored, matrix in original.read("estimate rounding of"):
        name, error = stored.rounding(matrix)
        formats.add(name)
        squares[stored.slot.tensor] += matrix.size * error**2 + added(matrix)
        sizes[stored.slot.tensor] += matrix.size
    errors = {name: float(np.sqrt(total / sizes[name])) for name, total in squares.items()}
    return {
        "quantisation": f"{'/'.join(sorted(formats))}, {words}",
        "rounding_std": json.dumps({name: None if np.isnan(e) else e for name, e in errors.items()}, sort_keys=True),
    }


def _copy_companions(like: Path, folder: Path, trust_remote_code: bool) -> None:
    """Copy what stands beside the weights, and say in the configuration that these are float32."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in folders.companions([path.name for path in like.iterdir()], code=trust_remote_code):
        shutil.copyfile(like / name, folder / name)
    config = {**checkpoints.config(like), "dtype": "float32"}
    config.pop("torch_dtype", None)
    (folder / "config.json").write_text(json.dumps(config, indent=2, sort_keys=True) + "\n")


def _contents(original: Original, remake: Remake, doing: str) -> Iterator[np.ndarray]:
    """Yield every tensor as it is to be stored, one at a time."""
    tensors = original.tensors
    for name, held in track(tensors.items(), len(tensors), f"{doing} {original.folder.name}", "tensors"):
        if name not in original.matrices:
            yield held.array()
            continue
        values = number_formats.to_float32(held.array(), held.format)
        for stored in original.matrices[name]:
            views = stored.slot.views(values)
            made, start = remake(stored, np.concatenate(views)), 0
            for view in views:
                view[:] = made[start : start + len(view)]
                start += len(view)
        yield values
