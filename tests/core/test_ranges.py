from dataclasses import dataclass
from typing import Literal

import pytest

from fleetfoot.core.errors import UsageError
from fleetfoot.core.ranges import AtLeastOne, BelowOne, Factor, Positive, Rising, check_fields


@dataclass(frozen=True)
class Part:
    side: int = 3  # a plain type: not checked


@dataclass(frozen=True)
class Other:
    pass


@dataclass(frozen=True, kw_only=True)
class Record:
    count: AtLeastOne = 1
    lr: Positive = 0.1
    share: BelowOne | None = None
    factor: Factor = 1.0
    flip: BelowOne | Literal["alternate"] = 0.5
    milestones: Rising = ()
    on: bool = False
    word: Literal["a", "b"] = "a"
    part: Part | Other = Part()
    note: str | BelowOne = ""

    def __post_init__(self) -> None:
        check_fields(self, what="record")


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("count", 0, "a whole number of at least 1"),
        ("count", True, "a whole number of at least 1"),
        ("count", 1.5, "a whole number of at least 1"),
        ("lr", 0, "a number above 0"),
        ("lr", float("nan"), "a number above 0"),
        ("lr", None, "a number above 0"),
        ("share", 1.0, "a number from 0 to below 1"),
        ("factor", 0.0, "a number above 0 and at most 1"),
        ("flip", "sometimes", "a number from 0 to below 1 or one of alternate"),
        ("milestones", (0.5, 0.4), "a list of rising numbers between 0 and 1"),
        ("milestones", 3, "a list of rising numbers between 0 and 1"),
        ("on", 1, "true or false"),
        ("word", "c", "one of a, b"),
        ("part", "side", "Part(...) or Other(...)"),
    ],
)
def test_what_its_annotation_does_not_allow_is_named(field: str, value: object, words: str) -> None:
    with pytest.raises(UsageError) as caught:
        Record(**{field: value})  # type: ignore[arg-type]
    assert str(caught.value) == f"record: {field} = {value!r} is not {words}"


def test_what_is_allowed_is_taken() -> None:
    record = Record(share=0.0, flip="alternate", milestones=(0.2, 0.9), part=Other(), lr=1)
    assert (record.share, record.lr) == (0.0, 1)
    assert Record(part=Part(side="not checked")).note == ""  # type: ignore[arg-type]
