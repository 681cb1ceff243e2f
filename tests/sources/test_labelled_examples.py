"""No text and no group is in both parts; classes are numbered as the configuration says."""

import numpy as np
import pytest

from weightspectra.base.errors import UserError
from weightspectra.sources.labelled.examples import Example, Source, divide, number_classes


def source(classes=(), **splits):
    return Source({split: list(examples) for split, examples in splits.items()}, tuple(classes), "path", "made", "")


def texts(labels, *, prefix="text", groups=None):
    groups = groups or [""] * len(labels)
    return [
        Example(f"{n}", f"{prefix} {n}", "", str(c), g) for n, (c, g) in enumerate(zip(labels, groups, strict=True))
    ]


def part(examples, share=0.25, seed=0):
    return divide(source(all=examples), (), share, np.random.default_rng(seed)).parts


def test_the_share_holds_in_each_class():
    parts = part(texts([0] * 40 + [1] * 12))
    assert sorted(example.label for example in parts["test"]) == ["0"] * 10 + ["1"] * 3
    assert {example.name for examples in parts.values() for example in examples} == {f"{n}" for n in range(52)}
    assert sum(map(len, parts.values())) == 52


def test_a_group_is_in_one_part_only():
    groups = [f"speech {n // 5}" for n in range(100)]
    parts = part(texts([(n // 5) % 2 for n in range(100)], groups=groups), 0.3)
    found = {split: {example.group for example in examples} for split, examples in parts.items()}
    assert not found["train"] & found["test"]
    assert (len(found["train"]), len(found["test"])) == (14, 6)


def test_the_same_text_is_in_one_part_only_whatever_its_capitals():
    twins = [Example("a", "The same  words", "", "0", "one"), Example("b", "the SAME words", "", "1", "two")]
    for seed in range(10):
        parts = part([*texts([0, 1] * 8, groups=[f"g{n}" for n in range(16)]), *twins], 0.5, seed)
        here = [{" ".join(example.text.casefold().split()) for example in examples} for examples in parts.values()]
        assert not here[0] & here[1]
    alone = [example._replace(group="") for example in twins]
    for seed in range(10):
        names = [
            {example.name for example in examples}
            for examples in part([*texts([0, 1] * 8), *alone], 0.5, seed).values()
        ]
        assert any({"a", "b"} <= found for found in names)


def test_pairs_differ_where_their_second_text_does():
    same = [Example(f"{n}", "question", f"passage {n}", str(n % 2), "") for n in range(8)]
    assert sum(map(len, part(same, 0.5).values())) == 8


def test_splits_of_the_source_are_kept_and_what_is_tested_is_not_learned():
    train, test = texts([0, 1, 0, 1]), texts([1, 0])
    parts = divide(source(test=test, train=train, other=[]), (), 0.25, np.random.default_rng(0)).parts
    assert sorted(parts["test"]) == sorted(test)
    assert sorted(example.name for example in parts["train"]) == ["2", "3"]
    chosen = divide(source(a=train, b=texts([0, 1], prefix="b")), ("b", "a"), 0.25, np.random.default_rng(0)).parts
    assert (len(chosen["train"]), len(chosen["test"])) == (2, 4)


def test_the_first_of_a_part_are_a_sample():
    parts = part(texts([0] * 400 + [1] * 400))
    for examples in parts.values():
        assert 30 < sum(example.label == "1" for example in examples[:100]) < 70


def test_the_same_seed_gives_the_same_parts():
    examples = texts([0, 1] * 20)
    assert part(examples) == part(examples)
    assert part(examples) != part(examples, seed=1)


def test_what_cannot_be_divided_is_said():
    with pytest.raises(UserError, match="found the splits a, b; say which"):
        divide(source(a=[], b=[]), (), 0.25, np.random.default_rng(0))
    with pytest.raises(UserError, match=r"test: found 3 texts, none of class 1; change 'test_share'"):
        part(texts([0] * 12 + [1]))


def test_numbers_are_sorted_by_value_and_names_by_letters():
    assert list(number_classes(source(all=texts([10, 2, 0])))) == ["0", "2", "10"]
    assert number_classes(source(all=texts(["yes", "no"]))) == {"no": (0, "no"), "yes": (1, "yes")}


def test_names_follow_the_order_of_the_labels_or_are_labels():
    named = number_classes(source(all=texts([1, 0])), ["negative", "positive"])
    assert named == {"0": (0, "negative"), "1": (1, "positive")}
    assert number_classes(source(all=texts(["no", "yes"])), ["yes", "no"]) == {"yes": (0, "yes"), "no": (1, "no")}
    known = source(["not_entailment", "entailment"], all=texts(["entailment", "not_entailment"]))
    assert number_classes(known)["entailment"] == (1, "entailment")


def test_too_few_classes_and_missing_labels_are_refused():
    with pytest.raises(UserError, match=r"found 1 classes \(0\), expected two or more"):
        number_classes(source(all=texts([0, 0])))
    with pytest.raises(UserError, match=r"found 3 classes \(0, 1, 2\), expected 2 \(bad, good\)"):
        number_classes(source(all=texts([0, 1, 2])), ["bad", "good"])
    with pytest.raises(UserError, match="have no label"):
        number_classes(source(train=texts([0, 1]), test=texts([-1])))
