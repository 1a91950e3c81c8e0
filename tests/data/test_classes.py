import pytest

from fleetfoot.core.errors import DataError
from fleetfoot.data.classes import check_split, class_map, hint, label_of, one_spelling
from fleetfoot.data.source import Row


def rows(*labels: str) -> list[Row]:
    return [Row(f"{place}.png", label) for place, label in enumerate(labels)]


def test_names_are_sorted_and_numbers_by_value() -> None:
    assert class_map(rows("b", "a", "B", "b"), None) == ("B", "a", "b")
    assert class_map(rows("10", "9", "1"), None) == ("1", "9", "10")
    assert class_map(rows("10", "9", "x"), None) == ("10", "9", "x")


def test_an_order_of_the_source_wins() -> None:
    assert class_map(rows("a", "z"), ("z", "m", "a")) == ("z", "a")


def test_a_split_that_fits_says_nothing() -> None:
    assert check_split(("a", "b"), rows("b", "a"), split="val", allowed=False) == ""


@pytest.mark.parametrize(
    ("labels", "match"),
    [
        (("a",), "val: the split lacks class 'b';"),
        (("a", "b", "d"), "val: the split has class 'd', unknown in training;"),
        (("a", "d", "e"), "lacks class 'b' and has classes 'd', 'e', unknown"),
    ],
)
def test_missing_and_unknown_classes_are_named(labels: tuple[str, ...], match: str) -> None:
    with pytest.raises(DataError, match=match):
        check_split(("a", "b"), rows(*labels), split="val", allowed=False)
    assert check_split(("a", "b"), rows(*labels), split="val", allowed=True)


def test_many_are_counted() -> None:
    names = tuple(f"c{i}" for i in range(9))
    with pytest.raises(DataError, match="'c4' and 4 more;"):
        check_split(names, [], split="val", allowed=False)


def test_labels_by_name_or_alias() -> None:
    labels = {"tench": 0, "hen": 1}
    assert label_of(Row("", "hen"), labels) == 1
    assert label_of(Row("", "n01514859"), labels) is None
    assert label_of(Row("", "n01514859"), labels, aliases={"n01514859": "hen"}) == 1


def test_one_spelling_in_all_splits() -> None:
    nfc, nfd = "caf\u00e9", "cafe\u0301"
    found = one_spelling({"val": tuple(rows(nfd, "b ")), "train": tuple(rows(nfc, nfd, "b"))})
    assert [row.label for row in (*found["val"], *found["train"])] == [nfc, "b", nfc, nfc, "b"]
    found = one_spelling({"all": tuple(rows(nfc, "1"))}, known=[nfd, "1.0"])
    assert [row.label for row in found["all"]] == [nfd, "1.0"]
    both = one_spelling({"all": tuple(rows(nfc, nfd))}, known=[nfd, nfc])
    assert [row.label for row in both["all"]] == [nfc, nfd]


def test_a_hint_names_what_is_alike() -> None:
    assert "'red fox' and 'red_fox'" in hint(["red_fox", "x"], ["red fox", "y"])
    assert hint(["x"], ["cat", "Cat"]) == ""
