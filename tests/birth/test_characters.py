import hashlib
from collections import Counter
from itertools import pairwise

import numpy as np
import pytest
from generate_counts import TABLE, table_of

from weightspectra import contracts
from weightspectra.base.errors import UserError
from weightspectra.birth.task import characters


@pytest.fixture(scope="module")
def shakespeare():
    return characters.read_bigrams(TABLE.read_bytes())


def same(one, other):
    return (
        one.characters == other.characters
        and np.array_equal(one.counts, other.counts)
        and np.array_equal(one.followers, other.followers)
    )


@pytest.mark.parametrize("text", ["abracadabra!", "to be,\nor not to be", "né à Évian 😀 né", "ab"])
def test_counts_are_those_of_a_plain_loop(text):
    found = characters.count(text)
    assert found.characters == tuple(sorted(set(text)))
    singles, pairs = Counter(text), Counter(pairwise(text))
    for i, first in enumerate(found.characters):
        assert found.counts[i] == singles[first]
        for j, second in enumerate(found.characters):
            assert found.followers[i, j] == pairs[first, second]
    assert found.counts.dtype == found.followers.dtype == np.int64


def test_the_text_is_no_ring_and_rows_are_what_comes_next():
    found = characters.count("aab")  # a: once a, once b
    assert found.followers.tolist() == [[1, 1], [0, 0]]
    assert found.counts.sum() - found.followers.sum() == 1
    np.testing.assert_allclose(found.unigram, [2 / 3, 1 / 3])
    # Behind the last b another text may begin anywhere.
    np.testing.assert_allclose(found.conditional, [[1 / 2, 1 / 2], [2 / 3, 1 / 3]])


def test_a_character_that_is_followed_elsewhere_keeps_its_own_followers():
    found = characters.count("abcb")
    np.testing.assert_array_equal(found.conditional[1], [0, 0, 1])
    np.testing.assert_array_equal(found.transitions, found.followers)


def test_tables_give_back_the_counts(tmp_path):
    found = characters.count("née à,\n\"#\" 'x' 😀,née\t")
    assert same(characters.read_bigrams(characters.to_csv(found, "two lines\nof comment").encode()), found)
    contracts.CHARACTERS.write(list(found.rows()), tmp_path / "characters.parquet", {})
    table = contracts.CHARACTERS.read(tmp_path / "characters.parquet")
    assert same(characters.Bigrams.of(table), found)
    assert same(characters.Bigrams.of(table[::-1]), found)


def test_line_ends_and_byte_order_marks_are_no_characters():
    plain = characters.read_bigrams(b"one\ntwo\nthree")
    assert same(characters.read_bigrams(b"\xef\xbb\xbfone\r\ntwo\rthree"), plain)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "the text holds 0 characters; bigrams need at least 2"),
        (b"x", "the text holds 1 characters"),
        (b"xxxx", "repeats one character; the bigram task needs at least 2"),
        (b"na\xefve", "byte 0xef at position 2 is not UTF-8; convert the text"),
        ("".join(map(chr, range(0x4E00, 0x4E00 + 4097))).encode(), "4,097 distinct characters, at most 4,096"),
    ],
)
def test_texts_that_make_no_task_are_refused(content, message):
    with pytest.raises(UserError, match=message):
        characters.read_bigrams(content)


GOOD = "code_point,count,97,98\n97,2,1,1\n98,1,0,0\n"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("98,1,0,0", "98,1,0,one", "cannot be read"),
        ("98,1,0,0", "98,1,0,0,7", "cannot be read"),
        ("98,1,0,0\n", "", "other code points in its heading"),
        ("97,98\n", "98,97\n", "other code points in its heading"),
        ("98,1,0,0", "98,2,0,0", "not that of a text"),
        ("98,1,0,0", "98,1,1,0", "not that of a text"),
        ("97,2,1,1", "97,2,3,-1", "not that of a text"),
        ("98", "96", "not that of a text"),
    ],
)
def test_tables_that_are_no_counts_are_refused(old, new, message):
    assert same(characters.read_bigrams(GOOD.encode()), characters.count("aab"))
    with pytest.raises(UserError, match=message):
        characters.read_bigrams(GOOD.replace(old, new).encode())


def test_the_table_here_has_the_published_statistics(shakespeare):
    """65 characters, 1,403 distinct bigrams, and their entropies in nats."""
    unigram, conditional = shakespeare.unigram, shakespeare.conditional
    assert shakespeare.n_characters == 65
    assert shakespeare.counts.sum() == 1_115_394
    assert np.count_nonzero(shakespeare.followers) == 1403
    np.testing.assert_allclose([unigram.sum(), *conditional.sum(axis=1)], 1)
    surprise = -np.log(conditional, where=conditional > 0, out=np.zeros_like(conditional))
    assert -(unigram @ np.log(unigram)) == pytest.approx(3.313, abs=5e-4)
    assert unigram @ (conditional * surprise).sum(axis=1) == pytest.approx(2.453, abs=5e-4)


def test_the_table_here_is_the_one_that_was_counted_from_the_text():
    """The text itself is not here; ``docs/generate_counts.py input.txt --check`` counts it anew."""
    counted = "b91b3ce412798ddcfc4fecb38da530e9ebea5c1e7a169eeb66f31fe2fd015e5e"
    assert hashlib.sha256(TABLE.read_bytes()).hexdigest() == counted


def test_a_table_says_which_text_it_was_counted_from(shakespeare):
    content = b"First Citizen:\nBefore we proceed any further, hear me speak.\n"
    lines = table_of(content).splitlines()
    here = TABLE.read_text().splitlines()
    expected = [here[0].replace("1,115,394", str(len(content))), here[1]]
    assert lines[:5] == [*expected, f"# SHA-256: {hashlib.sha256(content).hexdigest()}", *here[3:5]]
    assert same(characters.read_bigrams("\n".join(lines).encode()), characters.count(content.decode()))
    assert here[5:] == characters.to_csv(shakespeare).splitlines()
