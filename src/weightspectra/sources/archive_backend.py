"""A build backend for pip (PEP 517) that builds nothing and runs nothing of a source archive.

pip asks a backend for a package's name and version before it keeps a source
archive. setuptools would run the archive's ``setup.py`` for the answer; this
module, put in its place, reads it from ``PKG-INFO``, which every source archive
brings. pip runs it alone, outside this package, in the archive's folder.

An archive may name another backend, even one of its own modules. pip tells its
helper process the name in the environment. So this file also lies where Python
imports it at the start of every process (as ``sitecustomize``), and there puts
itself in place of whatever was named, before the helper looks.
"""

import email
import os
import shutil
import sys
from pathlib import Path

__legacy__ = sys.modules[__name__]
"""What pip asks for where an archive has no ``pyproject.toml``."""


def stand_in() -> None:
    """Make pip's helper process ask this module, whatever backend the archive names; end it if that cannot be done."""
    if not any("in_process" in word for word in sys.orig_argv):
        return
    named = [name for name in os.environ if name.endswith("BUILD_BACKEND")]
    for name in named:
        os.environ[name] = "setuptools.build_meta"
    for name in [name for name in os.environ if name.endswith("BACKEND_PATH")]:
        del os.environ[name]
    if not named:
        os._exit(1)  # another pip, with other words


stand_in()


def prepare_metadata_for_build_wheel(metadata_directory: str, config_settings: object = None) -> str:
    """Put the archive's own metadata where pip looks for it; return the folder's name."""
    described = email.message_from_string(Path("PKG-INFO").read_text(encoding="utf-8"))
    folder = f"{described['Name'].replace('-', '_')}-{described['Version']}.dist-info"
    Path(metadata_directory, folder).mkdir()
    shutil.copy("PKG-INFO", Path(metadata_directory, folder, "METADATA"))
    return folder
