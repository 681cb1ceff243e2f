"""What counts as the code behind a script: everything that computes its result, and nothing else."""

import os

import pytest

from weightspectra.base import code, digests
from weightspectra.base.code import Target
from weightspectra.base.digests import Digests, code_digest

SCRIPT = '''
"""A script."""
import numpy as np
from weightspectra import contracts
from weightspectra.wing.outer import solve

def main(smk):
    contracts.BULK.write(solve(np.ones(2)), smk.output[0])
'''
OUTER = '''
"""Outer."""
from weightspectra.base import progress
from weightspectra.wing import inner
from weightspectra.wing.settings import Method

def unused():
    return inner.unused

def doubled(value):
    return inner.FACTOR * value  # twice

def halved(value):
    return inner.HALF * value

WAYS = {"doubled": doubled, "halved": halved}

def solve(values, method: Method = "doubled"):
    """Solve it."""
    return progress.counted(WAYS[method](value) for value in values)
'''
FILES = {
    "weightspectra/__init__.py": "",
    "weightspectra/base/__init__.py": "",
    "weightspectra/base/progress.py": "def counted(items):\n    return list(items)\n",
    "weightspectra/wing/__init__.py": "",
    "weightspectra/wing/outer.py": OUTER,
    "weightspectra/wing/inner.py": "FACTOR = 2\nHALF = 0.5\nunused = 1\n",
    "weightspectra/wing/unrelated.py": "FACTOR = 3\nprint('loose')\n",
    "weightspectra/wing/settings.py": "class Method:\n    kind: str = 'x'\n    'What it is.'\n",
    "weightspectra/contracts/__init__.py": (
        "from weightspectra.contracts.contract import ROLES\n"
        "from weightspectra.contracts.randomness import BULK\n"
        "from weightspectra.contracts.spectra import SPECTRA\n"
    ),
    "weightspectra/contracts/contract.py": "ROLES = ('query', 'key')\nclass Contract:\n    size = 4\n",
    "weightspectra/contracts/randomness.py": (
        "from weightspectra.contracts.contract import ROLES, Contract\n"
        "KINDS = ('double', 'single')\n"
        "BULK = Contract('bulk', 1, 'All edges.', (\n"
        "    Column('edge', pa.float64(), 'lower edge of the bulk', minimum=0),\n"
        "    Column('role', pa.string(), 'what it does', one_of=ROLES),\n"
        "), key=('role',))\n"
    ),
    "weightspectra/contracts/spectra.py": "SPECTRA = Contract('spectra', 1, 'All.', ())\n",
    "script.py": SCRIPT,
}


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A script and a package, in which one can edit."""
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    monkeypatch.setattr(code, "PACKAGE", tmp_path / "weightspectra")
    return tmp_path


def edit(path, old, new):
    text = path.read_text()
    assert old in text
    rewrite(path, text.replace(old, new))


def rewrite(path, text):
    """Write a file whose time is another, however coarse the clock of the file system."""
    before = path.stat().st_mtime_ns
    path.write_text(text)
    os.utime(path, ns=(before + 10**9, before + 10**9))


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("script.py", "\ndef main", "# comment\ndef main"),
        ("script.py", '"""A script."""', '"""The script."""'),
        ("wing/outer.py", "# twice", "# two times"),
        ("wing/outer.py", '"""Solve it."""', '"""Solve it, at length."""'),
        ("wing/outer.py", '"""Outer."""', '"""The outer one."""'),
        ("wing/outer.py", "\n\ndef", "\n\n\n\ndef"),
        ("wing/outer.py", "return inner.unused", "return 5"),
        ("wing/outer.py", ": Method = ", ": str = "),
        ("wing/inner.py", "unused = 1", "unused = 2"),
        ("wing/inner.py", "unused = 1", "unused = 1\nadded = 2"),
        ("wing/unrelated.py", "3", "4"),
        ("wing/settings.py", "What it is.", "What it is, in words."),
        ("base/progress.py", "list", "tuple"),
        ("contracts/randomness.py", "lower edge of the bulk", "its lower edge"),
        ("contracts/randomness.py", "All edges.", "Each edge."),
        ("contracts/randomness.py", "minimum=0", "minimum=-1"),
        ("contracts/randomness.py", "key=('role',)", "key=()"),
        ("contracts/contract.py", "'query', 'key'", "'key', 'query'"),
        ("contracts/contract.py", "size = 4", "size = 5"),
        ("contracts/spectra.py", "1", "2"),
    ],
)
def test_what_computes_nothing_changes_nothing(file, old, new, package):
    before = code_digest(package / "script.py")
    edit(package / file if file == "script.py" else package / "weightspectra" / file, old, new)
    assert code_digest(package / "script.py") == before


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("script.py", "output[0]", "output[1]"),
        ("script.py", "import numpy as np", "import scipy as np"),
        ("wing/outer.py", "FACTOR * value", "FACTOR + value"),
        ("wing/outer.py", "inner.HALF * value", "value"),  # reached through a table alone
        ("wing/outer.py", '"halved": halved', '"halved": doubled'),
        ("wing/outer.py", '= "doubled"', '= "halved"'),
        ("wing/inner.py", "FACTOR = 2", "FACTOR = 3"),
        ("wing/inner.py", "unused = 1", "unused = 1\nFACTOR += 1"),
        ("wing/inner.py", "unused = 1", "print('loose')"),
        ("wing/settings.py", "class", "print('loose')\nclass"),  # imported, if only for a type
        ("wing/__init__.py", "", "print('loose')"),
        ("contracts/randomness.py", "'edge'", "'edges'"),
        ("contracts/randomness.py", "float64", "float32"),
        ("contracts/randomness.py", "'bulk', 1", "'bulk', 2"),
    ],
)
def test_code_counts_wherever_it_is(file, old, new, package):
    before = code_digest(package / "script.py")
    edit(package / file if file == "script.py" else package / "weightspectra" / file, old, new)
    assert code_digest(package / "script.py") != before


@pytest.mark.parametrize(
    "text",
    [
        "from weightspectra.wing.inner import FACTOR\nprint(FACTOR)",
        "from weightspectra.wing import inner\nprint(inner.FACTOR)",
        "from weightspectra import wing\nprint(wing.inner.FACTOR)",
        "import weightspectra.wing.inner\nprint(weightspectra.wing.inner.FACTOR)",
        "import weightspectra.wing.inner as i\nprint(i.FACTOR)",
        "from weightspectra.wing import inner\nprint(getattr(inner, 'FACT' + 'OR'))",
        "from weightspectra.wing.inner import *\nprint(FACTOR)",
        "def main():\n    from weightspectra.wing import inner\n    print(inner.FACTOR)",
        "def main():\n    from weightspectra.wing.inner import FACTOR as f\n    print(f)",
        "def main():\n    from weightspectra.wing.inner import *",
        "from importlib import import_module\nprint(import_module('weightspectra.wing.inner').FACTOR)",
        "try:\n    from weightspectra.wing.inner import FACTOR\nexcept ImportError:\n    FACTOR = 1",
        "class Table:\n    from weightspectra.wing.inner import FACTOR",
        "from weightspectra.wing import inner\nprint(f'{inner.FACTOR}')",
        "from weightspectra.wing import inner\nprint(lambda x=inner.FACTOR: x)",
    ],
)
def test_every_way_to_name_a_thing_is_followed(text, package):
    script = package / "script.py"
    script.write_text(text)
    before = code_digest(script)
    edit(package / "weightspectra" / "wing" / "inner.py", "FACTOR = 2", "FACTOR = 3")
    assert code_digest(script) != before


@pytest.mark.parametrize(
    "text",
    [
        "def get():\n    return globals()['FACTOR']\nFACTOR = 2",
        "TABLE = {}\nTABLE['factor'] = 2\ndef get():\n    return TABLE['factor']",
        "TABLE = []\nTABLE.append(2)\ndef get():\n    return TABLE",
        "if True:\n    FACTOR = 2\ndef get():\n    return FACTOR",
        "ALL = {}\ndef add(made):\n    ALL[0] = made\n@add\ndef factor():\n    return 2\ndef get():\n    return ALL",
        "class A:\n    factor = 2\nclass B(A):\n    pass\ndef get():\n    return B.factor",
        "def factor():\n    return 2\ndef twice(made):\n    return lambda: factor()\n@twice\ndef get():\n    pass",
        "a, (b, c) = 1, (2, 3)\ndef get():\n    return b",
        "a, b = 1, 2\ndef get():\n    return b",
        "FACTOR: int = 2\ndef get():\n    return FACTOR",
    ],
)
def test_what_runs_on_import_and_what_is_looked_up_counts(text, package):
    module, script = package / "weightspectra" / "wing" / "inner.py", package / "script.py"
    script.write_text("from weightspectra.wing.inner import get\nget()")
    rewrite(module, text)
    before = code_digest(script)
    edit(module, "2", "7")
    assert code_digest(script) != before


def test_the_order_of_roles_counts_for_those_who_name_it(package):
    before = code_digest(package / "script.py")
    edit(package / "script.py", "contracts.BULK", "print(contracts.ROLES), contracts.BULK")
    shown = code_digest(package / "script.py")
    assert shown != before
    edit(package / "weightspectra" / "contracts" / "contract.py", "'query', 'key'", "'key', 'query'")
    assert code_digest(package / "script.py") != shown


def test_digests_are_remembered_until_the_tree_changes(package, tmp_path, monkeypatch):
    (package / "scripts").mkdir()
    (package / "script.py").rename(package / "scripts" / "script.py")
    store, inner = tmp_path / "kept" / "digests.json", Target("weightspectra.wing.unrelated", "FACTOR")

    def found():
        kept = Digests(package / "scripts", store)
        return kept.of_script("script"), kept.of_script("script", [inner]), kept.of(inner)

    first = found()
    assert first[0] == code_digest(package / "scripts" / "script.py")
    assert len(set(first)) == 3
    edit(package / "weightspectra" / "wing" / "unrelated.py", "FACTOR = 3", "FACTOR = 4")
    second = found()
    assert [old == new for old, new in zip(first, second, strict=True)] == [True, False, False]
    with monkeypatch.context() as context:
        context.setattr(digests, "dependencies", None)  # nothing is read again
        assert found() == second
    for damaged in ("", "{", "[]", '{"tree": 1}'):
        store.write_text(damaged)
        assert found() == second
