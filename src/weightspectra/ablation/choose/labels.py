"""The labels of cuts: as folder names, and which one was meant."""

import difflib
import re
from collections.abc import Sequence

from weightspectra.base.errors import UserError


def slug(label: str) -> str:
    """Return a label as a folder name: ``"decile 1 of down"`` becomes ``"decile-1-of-down"``."""
    return re.sub(r"[^a-z0-9._]+", "-", label.lower()).strip("-.")


def find(wanted: str, labels: Sequence[str]) -> str:
    """Return the label of which ``wanted`` is the folder name.

    Raises
    ------
    UserError
        When there is none, with the nearest ones.
    """
    by_slug = {slug(label): label for label in labels}
    if wanted in by_slug:
        return by_slug[wanted]
    near = [by_slug[name] for name in difflib.get_close_matches(wanted, by_slug, n=3, cutoff=0.6)] or labels[:3]
    listed = " or ".join(f"'{label}'" for label in near)
    raise UserError(f"the experiment has no cut '{wanted.replace('-', ' ')}' ({len(labels)} others); perhaps {listed}?")
