"""The device that a configuration's ``device`` key names."""

import torch

from weightspectra.base.errors import UserError


def device(name: str) -> torch.device:
    """Resolve ``auto``, ``cpu``, ``cuda`` or ``cuda:n``.

    Parameters
    ----------
    name : str
        ``auto`` takes a GPU if there is one.

    Raises
    ------
    UserError
        When a GPU is asked for that is not there.
    """
    n_gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if name == "auto":
        return torch.device("cuda" if n_gpus else "cpu")
    found = torch.device(name)
    if found.type == "cuda" and (found.index or 0) >= n_gpus:
        raise UserError(
            f"device: {name}, but PyTorch {torch.__version__} sees {n_gpus} CUDA devices; "
            "set device: auto or cpu, or install a CUDA build of PyTorch and check the driver"
        )
    return found


def name(device: torch.device) -> str:
    """Return what a result says of the device it was computed on: ``"cpu"``, or the model of the GPU."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else str(device)
