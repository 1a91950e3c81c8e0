import math
import unicodedata
from decimal import Decimal
from typing import Any

import pytest

from fleetfoot.data.names import (
    alike,
    class_name,
    group_name,
    one_form,
    remarks,
    without_points,
)

NFD = unicodedata.normalize("NFD", "café")


@pytest.mark.parametrize(
    ("cell", "name"),
    [
        ("cat", "cat"),
        (" cat\t", "cat"),
        ("\ufeffcat\u200b", "cat"),
        ("red  fox", "red  fox"),
        (b"cat ", "cat"),
        ("b'cat'", "cat"),
        ('b"it\'s"', "it's"),
        ("b'", "b'"),
        ("b'\\'", "b'\\'"),
        (7, "7"),
        (7.0, "7"),
        (-0.0, "0"),
        (Decimal("3.00"), "3"),
        (True, "True"),
        ("None", "None"),
        ("007", "007"),
        (NFD, NFD),
    ],
)
def test_a_cell_as_a_class(cell: Any, name: str) -> None:
    assert class_name(cell) == name


@pytest.mark.parametrize(
    ("cell", "reason"),
    [
        (None, "has no label"),
        (" ", "has no label"),
        (math.nan, "has no label"),
        ("NaN", "has no label"),
        (Decimal("NaN"), "has no label"),
        (0.5, "label is 0.5; a class is a name or a whole number"),
        (math.inf, "label is inf; a class is"),
        (["cat"], "label is a list; an image has one class"),
        ({"a": 1}, "label is a table"),
        (b"\xff", "holds bytes that are no UTF-8"),
        ("cat\ud83d", "holds half of a character"),
    ],
)
def test_a_cell_that_is_no_class(cell: Any, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        class_name(cell)


def test_numbers_of_named_classes() -> None:
    names = ("zebra", "ant")
    assert [class_name(cell, names) for cell in (1, 0.0, True, "ant")] == [
        *("ant", "zebra", "ant", "ant")
    ]
    for number in (-1, 2.0):
        with pytest.raises(ValueError, match=r"is none of the 2 named classes"):
            class_name(number, names)


@pytest.mark.parametrize("cell", [None, "", "  ", math.nan, "nan", "None", "NULL", "n/a", "<NA>"])
def test_no_group(cell: Any) -> None:
    assert group_name(cell) is None


def test_groups() -> None:
    cells = ["p1 ", 3, 3.0, 2.5, b"p1", ["a", "b"]]
    assert [group_name(cell) for cell in cells] == ["p1", "3", "3", "2.5", "p1", "['a', 'b']"]


def test_points_go_only_where_every_text_is_a_number() -> None:
    assert without_points(["1.0", "", "2.", None, 3]) == ["1", "", "2", None, 3]
    for names in (["1.0", "cat"], ["1.0", "1.5"], ["1", "02"], ["v1.0"]):
        assert without_points(names) == names


def test_one_name_and_names_alike() -> None:
    assert one_form(NFD) == one_form(" café") == "café"
    assert one_form("Cat") != one_form("cat")
    groups = [["Red fox", "red_fox", "redfox"], ["Straße", "strasse"], ["ﬁn", "fin"]]
    names = [name for group in groups for name in group]
    assert sorted(map(sorted, alike(["dog", *names]))) == sorted(map(sorted, groups))


def test_remarks() -> None:
    assert remarks(["cat", "dog"]) == ()
    assert remarks(["cat", "Cat", "NA"]) == (
        "classes 'Cat' and 'cat' differ only in case, blanks or Unicode form: are they one class?",
        "class 'NA' reads like an empty cell: is it a class?",
    )
    many = remarks([name for letter in "abcdefg" for name in (letter, letter.upper())])
    assert many[5:] == ("and 2 more such classes",)
