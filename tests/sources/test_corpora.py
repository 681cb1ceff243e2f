import pytest

from weightspectra.base.errors import UserError
from weightspectra.sources import corpora
from weightspectra.sources.corpora import corpus_digest, cut_documents
from weightspectra.sources.settings import Selection

SPEECHES = {f"{year}-Someone-{i}.txt": f"speech {i} of {year}" for year in (1899, 1900, 1979, 1980) for i in (1, 2)}
WIKITEXT = """before

 = First =

 text of the first
 = = Section = =
 = = = Deeper = = =
 a line with = signs = inside

 = Second ( song ) =
 text of the second
"""


def divide(documents, **selections):
    """Return the parts alone."""
    return corpora.divide(documents, **selections).parts


def names(documents):
    return [document.name for document in documents]


def test_a_file_is_one_document():
    documents = cut_documents({"a.txt": " one \n\n two ", "b.txt": " \n", "c.txt": "three"}, "file")
    assert names(documents) == ["a.txt", "c.txt"]
    assert documents[0].text == "one \n\n two"


def test_paragraphs_stand_between_blank_lines():
    documents = cut_documents({"a.txt": "\n\none\nstill one\n\n \u00a0\n\ntwo\n", "b.txt": "three"}, "paragraph")
    assert [document.text for document in documents] == ["one\nstill one", "two", "three"]
    assert names(documents) == ["a.txt#00000", "a.txt#00001", "b.txt#00000"]
    assert [document.origin for document in documents] == ["a.txt", "a.txt", "b.txt"]


def test_articles_begin_with_headings_of_the_first_level_only():
    padded = WIKITEXT.replace(" =\n", " = \n")
    assert cut_documents({"train": WIKITEXT}, "article")[2].text == "= Second ( song ) =\n text of the second"
    documents = cut_documents({"train": padded}, "article")
    assert [document.text.splitlines()[0].strip() for document in documents] == [
        "before",
        "= First =",
        "= Second ( song ) =",
    ]
    assert "Deeper" in documents[1].text
    assert "\n".join(document.text for document in documents).split() == WIKITEXT.split()


def test_articles_in_the_form_of_wikitext_are_all_found():
    """A blank first line, a space around every line, sections of two depths, and signs that are no headings."""
    titles = ["Robert <unk>", "2011 – 12 season", "Du Fu", "U.S. Route 23 ( Michigan )", "<unk> = <unk>"]
    sections = (
        " \n = = Early life = = \n \n It cost $ 5 @,@ 000 = £ 3 , or less . \n \n = = = 1976 – 79 = = = \n \n x = y \n"
    )
    text = "".join(f" \n = {title} = \n \n {title} is one . \n{sections}" for title in titles)
    documents = cut_documents({"test": text}, "article")
    assert [document.text.splitlines()[0].strip() for document in documents] == [f"= {title} =" for title in titles]
    assert "\n".join(document.text for document in documents).split() == text.split()


def test_articles_without_a_heading_and_empty_corpora_are_refused():
    with pytest.raises(UserError, match="no line like '= Title =' was found; set documents: file"):
        cut_documents({"a.txt": "text"}, "article")
    for unit in ("file", "paragraph", "article"):
        with pytest.raises(UserError, match=r"corpus is empty: no text was found in a\.txt"):
            cut_documents({"a.txt": " \n \n"}, unit)


def test_numbers_in_names_include_both_ends_and_only_the_first_number():
    parts = divide(
        cut_documents(SPEECHES, "file"),
        observe=Selection(number_in_name=[1900, 1979]),
        evaluate=Selection(number_in_name=[1980, 2026]),
    )
    assert names(parts["observe"]) == [name for name in SPEECHES if name.startswith(("1900", "1979"))]
    assert names(parts["evaluate"]) == [name for name in SPEECHES if name.startswith("1980")]


def test_numbers_are_read_from_the_file_not_from_its_folder():
    documents = cut_documents({"1999/a-5.txt": "x", "1999/b.txt": "y", "1999/c-7.txt": "z"}, "file")
    parts = divide(documents, observe=Selection(number_in_name=[5, 5]), evaluate=Selection(number_in_name=[6, 2000]))
    assert (names(parts["observe"]), names(parts["evaluate"])) == (["1999/a-5.txt"], ["1999/c-7.txt"])


def test_patterns_and_splits():
    documents = cut_documents({"train": "a\n\nb", "test": "c"}, "paragraph")
    parts = divide(documents, observe=Selection(split="train"), evaluate=Selection(files="te*"))
    assert [len(part) for part in parts.values()] == [2, 1]


@pytest.mark.parametrize("count", [2, 7, 10, 33])
def test_shares_take_every_document_once(count):
    documents = cut_documents({"a": "\n\n".join(map(str, range(count)))}, "paragraph")
    parts = divide(documents, observe=Selection(share=[0, 0.7]), evaluate=Selection(share=[0.7, 1]))
    assert names(parts["observe"]) + names(parts["evaluate"]) == names(documents)


def test_a_document_in_both_parts_is_refused():
    documents = cut_documents(SPEECHES, "file")
    with pytest.raises(UserError, match=r"2 documents are in both parts, for example '1979-Someone-1\.txt'"):
        divide(
            documents, observe=Selection(number_in_name=[1900, 1979]), evaluate=Selection(number_in_name=[1979, 1990])
        )


SAME = {
    "long": ("word " * 400, "word " * 400),
    "short": ("Thank you.", "Thank you."),
    "capitals": ("Thank you.", "THANK YOU."),
    "spaces": ("Thank you all.\nNow", " Thank\tyou\u00a0all.  Now "),
}


@pytest.mark.parametrize("kind", SAME)
def test_the_same_text_under_two_names_is_in_one_part_only(kind):
    one, other = SAME[kind]
    texts = {"a1.txt": one, "b1.txt": "only here", "c1.txt": other, "a2.txt": other, "b2.txt": "only there"}
    ways = {"observe": Selection(files="*1.txt"), "evaluate": Selection(files="*2.txt")}
    parts, n_left_out = corpora.divide(cut_documents(texts, "file"), **ways)
    assert names(parts["observe"]) == ["b1.txt"]
    assert names(parts["evaluate"]) == ["a2.txt", "b2.txt"]
    assert n_left_out == 2
    texts |= {"a2.txt": f"{other} and more"}
    assert corpora.divide(cut_documents(texts, "file"), **ways).n_left_out == 0
    with pytest.raises(UserError, match="observe: each of its 1 documents is the same as one to evaluate"):
        divide(cut_documents({"a1.txt": one, "a2.txt": other}, "file"), **ways)


def test_a_part_without_documents_says_what_the_names_look_like():
    documents = cut_documents(SPEECHES, "file")
    with pytest.raises(UserError) as caught:
        divide(documents, observe=Selection(share=[0, 1]), evaluate=Selection(number_in_name=[2030, 2040]))
    assert str(caught.value) == (
        "evaluate: no document matches number_in_name: [2030, 2040]; there are 8, called "
        "1899-Someone-1.txt, 1899-Someone-2.txt, 1900-Someone-1.txt, ..., 1980-Someone-2.txt"
    )


def test_the_digest_sees_names_texts_and_parts():
    documents = cut_documents({"a": "x", "b": "y"}, "file")
    parts = {"observe": documents[:1], "evaluate": documents[1:]}
    others = [
        {"observe": documents[1:], "evaluate": documents[:1]},
        {"observe": documents, "evaluate": []},
        {"observe": [documents[0]._replace(text="z")], "evaluate": documents[1:]},
        {"observe": [documents[0]._replace(name="z")], "evaluate": documents[1:]},
    ]
    assert len({corpus_digest(parts), *map(corpus_digest, others)}) == 5
    assert corpus_digest(parts) == corpus_digest({part: list(chosen) for part, chosen in parts.items()})
