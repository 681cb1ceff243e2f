"""What a job reads of a model is what was fetched, or nothing of it is read."""

import hashlib
import json
import os
import re
from pathlib import Path

import pytest

from weightspectra import contracts
from weightspectra.base.errors import UserError
from weightspectra.sources import fetched

ROOT = Path(__file__).parents[2]
FILES = {"config.json": b'{"model_type": "llama"}', "model.safetensors": bytes(range(256)), "tokenizer.json": b"{}"}


@pytest.fixture
def source(tmp_path, monkeypatch):
    """A function: the manifest of a model that was fetched from a kind of source, its files beside it."""
    monkeypatch.chdir(tmp_path)

    def made(kind):
        given, folder = tmp_path / "given", tmp_path / "sources" / "tiny.v1"
        for place in (given, folder):
            place.mkdir(parents=True)
        for name, content in FILES.items():
            (given / name).write_bytes(content)
            if kind in ("path", "hub"):
                (folder / name).symlink_to(given / name)
            else:
                (folder / name).write_bytes(content)
        rows = [
            {"model": "tiny.v1", "path": name, "n_bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
            for name, content in FILES.items()
        ]
        origins = {
            "tiny.v1": {"kind": kind, "name": "given"},
            "other": {"kind": "path", "name": "that it is made like"},
        }
        manifest = folder.with_name("tiny.v1.parquet")
        contracts.SOURCES.write(rows, manifest, {"sources": origins})
        return manifest

    return made


def flip(path, *, keep_time=False):
    """Flip one bit in the middle of a file."""
    before, content = path.stat(), bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    later = before.st_mtime_ns + (0 if keep_time else 1)
    os.utime(path, ns=(before.st_atime_ns, later))


def test_what_is_as_it_was_fetched_is_opened(source):
    manifest = source("gguf")
    assert fetched.opened(str(manifest)) == manifest.with_suffix("")
    assert fetched.config_of(manifest) == {"model_type": "llama"}
    assert list(fetched.faults(manifest)) == []


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("kind", ["gguf", "hub", "random"])
def test_a_flipped_bit_is_named_with_both_hashes_and_the_model_is_fetched_anew(name, kind, source):
    manifest = source(kind)
    path = manifest.with_suffix("") / name
    fetched.opened(manifest)
    flip(path)
    expected, found = (hashlib.sha256(content).hexdigest() for content in (FILES[name], path.read_bytes()))
    with pytest.raises(UserError) as caught:
        fetched.opened(manifest)
    assert str(caught.value) == (
        f"{path}: not what was fetched: expected SHA-256 {expected}, found {found}; "
        f"{manifest} was deleted: run again and the model is fetched anew"
    )
    assert not manifest.exists()


def test_the_user_s_own_file_is_for_the_user_to_restore(source):
    manifest = source("path")
    flip(manifest.with_suffix("") / "model.safetensors")
    with pytest.raises(
        UserError, match="it is a link to your own file: put back what that was, or, to analyse it as it is now, delete"
    ):
        fetched.opened(manifest)
    assert manifest.exists()


def test_a_missing_file_is_a_fault(source):
    manifest = source("package")
    (manifest.with_suffix("") / "tokenizer.json").unlink()
    with pytest.raises(UserError, match=r"tokenizer\.json: not what was fetched: it is missing; "):
        fetched.opened(manifest)


def test_who_reads_the_configuration_alone_checks_it_alone(source):
    manifest = source("package")
    flip(manifest.with_suffix("") / "model.safetensors")
    assert fetched.config_of(manifest) == {"model_type": "llama"}
    flip(manifest.with_suffix("") / "config.json")
    with pytest.raises(UserError, match=r"config\.json: not what was fetched"):
        fetched.config_of(manifest)


def test_a_file_is_hashed_once_for_each_change_and_run(source, monkeypatch):
    manifest, hashed = source("package"), []
    monkeypatch.setattr(
        fetched, "file_sha256", lambda path, real=fetched.file_sha256: hashed.append(path) or real(path)
    )
    for _ in range(3):
        fetched.opened(manifest)
    assert len(hashed) == len(FILES)
    os.utime(manifest.with_suffix("") / "config.json", ns=(0, 0))
    fetched.opened(manifest)
    assert len(hashed) == len(FILES) + 1
    fetched.Hashes().forget()
    fetched.opened(manifest)
    assert len(hashed) == 2 * len(FILES) + 1


def test_a_flip_that_no_time_tells_is_seen_by_the_next_run_and_by_who_remembers_nothing(source):
    manifest = source("package")
    fetched.opened(manifest)
    flip(manifest.with_suffix("") / "model.safetensors", keep_time=True)
    fetched.opened(manifest)
    assert [fault.path.name for fault in fetched.faults(manifest)] == ["model.safetensors"]
    fetched.Hashes().forget()
    with pytest.raises(UserError, match="not what was fetched"):
        fetched.opened(manifest)


@pytest.mark.parametrize("damaged", ["", "[1]", "{", "\x00", '{"x": 3}'])
def test_damaged_memory_costs_a_hash_and_no_more(damaged, source):
    manifest = source("package")
    fetched.opened(manifest)
    fetched.REMEMBERED.write_text(damaged)
    assert fetched.opened(manifest)
    assert json.loads(fetched.REMEMBERED.read_text()).keys() >= {str(manifest.with_suffix("") / "config.json")}


def test_every_job_that_reads_a_source_opens_it_here():
    """A rule whose input is a manifest reads the files beside it, but for those that show what was fetched."""
    for path in (ROOT / "workflow" / "rules").glob("*.smk"):
        for rule, body in re.findall(r"^rule (\w+):\n((?:    .*\n|\n)+)", path.read_text(), flags=re.M):
            if "/sources/{model}.parquet" in body.partition("    output:")[0]:
                script = (ROOT / "scripts" / f"{rule}.py").read_text()
                assert "fetched.opened(" in script or "fetched.config_of(" in script, rule
    for script in (ROOT / "scripts").glob("*.py"):
        assert not re.search(r'source\S*\)\.with_suffix\(""\)', script.read_text()), script
