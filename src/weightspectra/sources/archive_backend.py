"""A build backend for pip (PEP 517) that builds nothing and runs nothing of a source archive.

pip asks a backend for a package's name and version before it keeps a source
archive. setuptools would run the archive's ``setup.py`` for the answer; this
module, put in its place, reads it from ``PKG-INFO``, which every source archive
brings. pip runs it alone, outside this package, in the archive's folder.
"""

import email
import shutil
import sys
from pathlib import Path

__legacy__ = sys.modules[__name__]
"""What pip asks for where an archive has no ``pyproject.toml``."""


def prepare_metadata_for_build_wheel(metadata_directory: str, config_settings: object = None) -> str:
    """Put the archive's own metadata where pip looks for it; return the folder's name."""
    described = email.message_from_string(Path("PKG-INFO").read_text(encoding="utf-8"))
    folder = f"{described['Name'].replace('-', '_')}-{described['Version']}.dist-info"
    Path(metadata_directory, folder).mkdir()
    shutil.copy("PKG-INFO", Path(metadata_directory, folder, "METADATA"))
    return folder
