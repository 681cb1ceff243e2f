"""The error of a checkpoint that is not what its author published."""

from pathlib import Path

from weightspectra.base.errors import UserError

REFETCH = "remove the model's folder and the manifest beside it, and run again to fetch it anew"

_WEIGHTS = (".safetensors", ".bin", ".pt", ".gguf")


class DamagedCheckpointError(UserError):
    """A checkpoint that is not what its author published; what cures that depends on where it came from.

    Parameters
    ----------
    fault : str
        What was found, without a cure.
    path : path, optional
        The file that it was found in.
    """

    def __init__(self, fault: str, path: Path | None = None):
        super().__init__(f"{fault}; {cure_of(path)}")
        self.fault = fault


def cure_of(path: Path | None) -> str:
    """Say what cures damage in a file of a fetched folder: a link to a local folder would only be made again."""
    if path is None or not path.is_symlink():
        return REFETCH
    target = path.readlink()
    if target.parent.name == "blobs":  # the hub's cache, from which a damaged file has to go first
        return f"remove {target}, too: {REFETCH}"
    return f"restore {target}, to which it is a link"


def cure_of_model(folder: Path) -> str:
    """Say what cures a model that is whole as a file and yet lacks something, by where its folder's files came from."""
    own = (path for path in sorted(folder.iterdir()) if path.name == "config.json" or path.suffix in _WEIGHTS)
    for path in own:
        if path.is_symlink() and path.readlink().parent.name != "blobs":
            return f"complete the model in {path.readlink().parent}, to which this folder links, and run again"
    return REFETCH
