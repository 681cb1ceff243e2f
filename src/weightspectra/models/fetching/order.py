"""What is asked of a source, and what it says of itself."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from weightspectra.models.settings import Model
from weightspectra.sources import checkpoints, folders

Check = Callable[[dict[str, Any]], None]


@dataclass(frozen=True)
class Origin:
    """Where a model came from.

    ``name`` is the repository, package, folder or other model, without any
    path of this machine; ``revision`` the commit, version, hash or seed that
    fixes its content, where there is one; ``changes`` says in words what of its
    files was made another on the way.
    """

    kind: str
    name: str
    revision: str | None = None
    quantisation: str | None = None
    changes: Sequence[str] = ()


@dataclass(frozen=True)
class Order:
    """A model to be put into an empty folder.

    Parameters
    ----------
    name : str
        The model's name; the weights of one that is made like another depend on it.
    entry : Model
        Its entry in the configuration.
    staging : path
        The empty folder.
    seed : int or None
        The configuration's seed; only models that are made like another need it.
    made_from : path or None
        Folder of the model that this one is made like; file of ``contracts.CHECKPOINTS`` that holds a checkpoint of
        a birth.
    check : callable
        Called with the content of ``config.json``, before weights are
        downloaded or converted; raises what it objects to.
    """

    name: str
    entry: Model
    staging: Path
    seed: int | None
    made_from: Path | None
    check: Check

    @property
    def spec(self) -> Any:
        """What stands under the kind of source."""
        return self.entry.source.value

    def original(self) -> tuple[Path, int]:
        """Return the folder of the model that this one is made like, after checking its configuration, and the seed."""
        if self.made_from is None or self.seed is None:
            raise ValueError(f"a seed and the folder of '{self.spec.like}' are needed to make '{self.name}' like it")
        self.check(checkpoints.config(self.made_from))
        return self.made_from, self.seed

    def wanted(self, source: Path, where: str) -> Iterable[str]:
        """Return the names of a folder's files that make up the model, after checking that they are whole."""
        names = [path.name for path in source.iterdir() if path.is_file()]
        checkpoint = folders.checkpoint(names, where, allow_pickle=self.entry.allow_pickle)
        weights = folders.weight_files(checkpoint, source)
        folders.check_weights(source, weights, where)
        return [*folders.companions(names, code=self.entry.trust_remote_code), *weights]
