"""Provenance: digests that follow what computes, and streams of random numbers that stay apart."""

import pytest

from weightspectra import contracts
from weightspectra.base import provenance
from weightspectra.base.provenance import code_digest, digest

SCRIPT = """
from weightspectra import contracts
from weightspectra.wing.outer import solve

def main(smk):
    contracts.BULK.write(solve(), smk.output[0])
"""
OUTER = '''
"""Outer."""
from weightspectra.base import progress
from weightspectra.wing import inner

def solve():
    """Solve it."""
    return inner.FACTOR * 2  # twice
'''


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A script and a package of two modules, one of which imports the other."""
    root = tmp_path / "weightspectra"
    (root / "wing").mkdir(parents=True)
    monkeypatch.setattr(provenance, "PACKAGE", root)
    (root / "wing" / "outer.py").write_text(OUTER)
    (root / "wing" / "inner.py").write_text("FACTOR = 3\n")
    (root / "wing" / "unrelated.py").write_text("FACTOR = 3\n")
    (root / "base").mkdir()
    (root / "base" / "progress.py").write_text("SECONDS = 5\n")
    (tmp_path / "script.py").write_text(SCRIPT)
    return tmp_path


def edit(path, old, new):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("weightspectra/wing/outer.py", "# twice", "# two times"),
        ("weightspectra/wing/outer.py", '"""Solve it."""', '"""Solve it, at length."""'),
        ("weightspectra/wing/outer.py", '"""Outer."""', '"""The outer one."""'),
        ("weightspectra/wing/outer.py", "\n\ndef", "\n\n\n\ndef"),
        ("weightspectra/wing/unrelated.py", "3", "4"),
        ("weightspectra/base/progress.py", "5", "6"),
        ("script.py", "\ndef main", "# comment\ndef main"),
    ],
)
def test_what_computes_nothing_changes_nothing(file, old, new, package):
    before = code_digest(package / "script.py")
    edit(package / file, old, new)
    assert code_digest(package / "script.py") == before


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("script.py", "output[0]", "output[1]"),
        ("weightspectra/wing/outer.py", "* 2", "* 3"),
        ("weightspectra/wing/inner.py", "3", "4"),
    ],
)
def test_code_counts_wherever_it_is(file, old, new, package):
    before = code_digest(package / "script.py")
    edit(package / file, old, new)
    assert code_digest(package / "script.py") != before


@pytest.mark.parametrize(
    ("line", "module"),
    [
        ("from weightspectra.wing.inner import FACTOR", "wing/inner.py"),
        ("from weightspectra.wing import inner", "wing/inner.py"),
        ("import weightspectra.wing.inner", "wing/inner.py"),
        ("import weightspectra.wing.inner as i", "wing/inner.py"),
    ],
)
def test_every_way_to_import_is_followed(line, module, package):
    (package / "script.py").write_text(f"{line}\n")
    before = code_digest(package / "script.py")
    edit(package / "weightspectra" / module, "3", "4")
    assert code_digest(package / "script.py") != before


def test_a_contract_counts_for_those_who_name_it(package, monkeypatch):
    def with_another_column(contract):
        extra = contracts.Column("extra", contracts.contract.pa.float64(), "something else")
        return contracts.Contract(contract.name, contract.version, contract.meaning, (*contract.columns, extra))

    before = code_digest(package / "script.py")
    monkeypatch.setattr(contracts, "SPECTRA", with_another_column(contracts.SPECTRA))
    assert code_digest(package / "script.py") == before
    monkeypatch.setattr(contracts, "BULK", with_another_column(contracts.BULK))
    assert code_digest(package / "script.py") != before


def test_digests_ignore_the_order_of_keys_and_nothing_else():
    assert digest({"a": 1, "b": [1, 2]}) == digest({"b": [1, 2], "a": 1})
    assert len({digest(value) for value in ({"a": 1}, {"a": 2}, {"b": 1}, {"a": "1"}, [1, 2], [2, 1], None)}) == 7


def test_a_file_digest_is_that_of_its_bytes(tmp_path):
    (tmp_path / "abc").write_bytes(b"abc")
    known = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"  # FIPS 180-2, appendix B.1
    assert provenance.file_sha256(tmp_path / "abc") == known
