from dataclasses import dataclass, field, replace
from typing import Any, Literal

import pytest

from fleetfoot.core.errors import UsageError
from fleetfoot.core.parts import changed, flatten
from fleetfoot.core.ranges import AtLeastZero, Positive, check_fields


@dataclass(frozen=True, kw_only=True)
class Slow:
    kind: Literal["slow"] = field(default="slow", init=False)
    lr: Positive = 0.1
    momentum: float = 0.9


@dataclass(frozen=True, kw_only=True)
class Fast:
    kind: Literal["fast"] = field(default="fast", init=False)
    lr: Positive = 0.5
    beta: float = 0.99

    def __post_init__(self) -> None:
        check_fields(self)


@dataclass(frozen=True, kw_only=True)
class Inner:
    mixup: float = 0.0
    pad: int = 4


@dataclass(frozen=True, kw_only=True)
class Images:
    inner: Inner = Inner()
    size: int = 8


@dataclass(frozen=True, kw_only=True)
class Head:
    kind: Literal["auto", "linear"] = "auto"
    steps: AtLeastZero = 0
    only: bool = False

    def __post_init__(self) -> None:
        check_fields(self, what="head")
        if self.only and not self.steps:
            raise UsageError("only needs steps")


@dataclass(frozen=True, kw_only=True)
class Whole:
    batch: int = 32
    optimizer: Slow | Fast = Slow()
    images: Images = Images()
    head: Head = Head()


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"batch": 8}, Whole(batch=8)),
        ({"optimizer.lr": 0.2}, Whole(optimizer=Slow(lr=0.2))),
        ({"lr": 0.2}, Whole(optimizer=Slow(lr=0.2))),
        ({"images.mixup": 1.0, "pad": 2}, Whole(images=Images(inner=Inner(mixup=1.0, pad=2)))),
        (
            {"inner": Inner(pad=1), "mixup": 2.0},
            Whole(images=Images(inner=Inner(pad=1, mixup=2.0))),
        ),
        ({"head_steps": 3}, Whole(head=Head(steps=3))),
        ({"head.only": True, "head.steps": 3}, Whole(head=Head(only=True, steps=3))),
        ({"head": "linear"}, Whole(head=Head(kind="linear"))),
        ({"optimizer": Fast(beta=0.5)}, Whole(optimizer=Fast(beta=0.5))),
        ({"lr": 0.2, "optimizer.lr": 0.3}, Whole(optimizer=Slow(lr=0.3))),
    ],
)
def test_a_setting_is_named_by_as_much_of_its_path_as_fits_it_alone(
    changes: dict[str, Any], expected: Whole
) -> None:
    assert changed(Whole(), changes) == expected


def test_another_kind_keeps_what_both_have() -> None:
    slow = Whole(optimizer=Slow(lr=0.3, momentum=0.5))
    assert changed(slow, {"optimizer": "fast"}).optimizer == Fast(lr=0.3)
    assert changed(slow, {"optimizer.kind": "fast", "beta": 0.1}).optimizer == Fast(
        lr=0.3, beta=0.1
    )
    assert changed(slow, {"optimizer": "slow"}) == slow


def test_settings_of_a_kind_may_come_before_it_and_a_later_kind_drops_them() -> None:
    assert changed(Whole(), {"beta": 0.1, "optimizer": "fast"}).optimizer.beta == 0.1  # type: ignore[union-attr]
    again = changed(Whole(), {"optimizer": "fast", "beta": 0.1, "optimizer.kind": "slow"})
    assert again == Whole()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"learning_rate": 1}, "'learning_rate' is not a setting; there are: batch, head.kind"),
        ({"moment": 1}, "'moment' is not a setting; nearest: optimizer.momentum"),
        ({"kind": "slow"}, "'kind' may be optimizer.kind or head.kind: write which"),
        ({"beta": 0.5}, "'beta' is a setting of optimizer=fast alone"),
        ({"optimizer": "faster"}, "optimizer = 'faster' is not one of slow, fast"),
        ({"optimizer": "fast", "lr": 0}, "lr = 0 is not a number above 0"),
        ({"head": "lin"}, "kind = 'lin' is not one of auto, linear"),
    ],
)
def test_what_does_not_fit_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError) as caught:
        changed(Whole(), changes)
    assert message in str(caught.value)


def test_values_are_converted_by_path_and_type() -> None:
    heard: list[tuple[str, Any]] = []

    def convert(path: str, value: Any, kind: Any) -> Any:
        heard.append((path, kind))
        return kind(value)

    assert changed(Whole(), {"pad": "3", "lr": "0.5"}, convert=convert) == Whole(
        optimizer=Slow(lr=0.5), images=Images(inner=Inner(pad=3))
    )
    assert heard == [("images.inner.pad", int), ("optimizer.lr", float)]


def test_a_record_may_know_more_of_its_fields() -> None:
    @dataclass(frozen=True)
    class Length:
        epochs: int | None = 3
        minutes: int | None = None

        def with_fields(self, **fields: Any) -> "Length":
            return replace(self, **{"epochs": None, **fields})

    assert changed(Length(), {"minutes": 2}) == Length(None, 2)


def test_nested_tables_become_paths() -> None:
    assert flatten({"a": 1, "b": {"c": {"d": 2}, "e": []}}) == {"a": 1, "b.c.d": 2, "b.e": []}
