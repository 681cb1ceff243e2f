import hashlib

import pytest

from weightspectra.base.errors import UserError
from weightspectra.sources.hub_cache import check_blobs, is_whole

CONTENT = b"what is up, doc?"
SHA1 = "bd9dbf5aae1a3862dd1526723246b20206e5fc37"
"""Of that content, as Git names it (Pro Git, chapter 10.2)."""


@pytest.fixture
def cached(tmp_path):
    """A function: a file of a snapshot, and the blob of this name that it leads to."""
    (tmp_path / "blobs").mkdir()
    (tmp_path / "snapshots" / "c").mkdir(parents=True)

    def made(name):
        blob, link = tmp_path / "blobs" / name, tmp_path / "snapshots" / "c" / "file"
        blob.write_bytes(CONTENT)
        link.symlink_to(f"../../blobs/{name}")
        return link, blob

    return made


@pytest.mark.parametrize("name", [SHA1, hashlib.sha256(CONTENT).hexdigest()])
def test_a_damaged_file_is_removed_and_its_link_tells_that_it_is_gone(name, cached):
    link, blob = cached(name)
    check_blobs([link])
    blob.write_bytes(b"what is up, dob?")
    with pytest.raises(UserError, match=rf"file: damaged in the hub's cache: expected the hash {name}, found .*anew$"):
        check_blobs([link])
    assert not blob.exists()
    assert not is_whole(link.parent)


def test_a_name_that_is_no_hash_says_nothing(cached, tmp_path):
    link, _ = cached("etag-of-a-mirror")
    (tmp_path / "plain").write_bytes(CONTENT)
    check_blobs([link, tmp_path / "plain"])
    assert is_whole(link.parent)
