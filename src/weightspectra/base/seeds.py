"""Random numbers: for each purpose a stream of its own, from the configuration's seed and words."""

import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import torch


def generator(seed: int, *purpose: str) -> np.random.Generator:
    """Return a random generator for one purpose.

    The stream depends on the configuration's seed and on the words given
    (model, purpose, ...), never on which other models are configured.
    """
    return np.random.default_rng(derived_seed(seed, *purpose))


def derived_seed(seed: int, *purpose: str) -> int:
    """Return a 63-bit seed for one purpose, for libraries that take an integer."""
    described = json.dumps([seed, *purpose])
    return int.from_bytes(hashlib.sha256(described.encode()).digest()[:8], "big") >> 1


@contextmanager
def seeded(seed: int, device: "torch.device") -> Iterator[None]:
    """Seed PyTorch's generators while a block runs, and on a GPU ask for algorithms that repeat their bits."""
    import torch  # not for jobs that draw without it

    on_gpu = device.type == "cuda"
    before = torch.are_deterministic_algorithms_enabled()
    with torch.random.fork_rng(devices=[device] if on_gpu else []):
        torch.manual_seed(seed)
        if on_gpu:
            os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # read when the first product is computed
            torch.use_deterministic_algorithms(True)
        try:
            yield
        finally:
            torch.use_deterministic_algorithms(before)
