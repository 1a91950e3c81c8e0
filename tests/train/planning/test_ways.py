from typing import Any

import pytest
import tiny_run as tiny

from fleetfoot.core.errors import UsageError
from fleetfoot.train.planning import ways as module
from fleetfoot.train.planning.ways import Cell, Way, ways_of

AUTO = {"precision": "auto", "layout": "auto"}


@pytest.mark.parametrize(
    ("device", "fast", "first"),
    [("cpu", False, "float32"), ("cpu", True, "bfloat16"), ("cuda", False, "bfloat16")],
)
def test_the_likely_fastest_comes_first(
    device: str, fast: bool, first: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "computes_bfloat16", lambda: fast)
    found = ways_of(tiny.recipe(**AUTO), device=device)
    assert (found[0].precision, [way.layout for way in found]) == (
        first,
        ["nhwc"] * 2 + ["nchw"] * 2,
    )
    assert len({*found}) == 4


@pytest.mark.parametrize(
    ("changes", "count"),
    [({"precision": "float32"}, 2), ({"layout": "nchw"}, 2), ({"kernels": "fused"}, 2)],
)
def test_what_the_recipe_says_is_kept(changes: dict[str, Any], count: int) -> None:
    found = ways_of(tiny.recipe(**{**AUTO, **changes}), device="cpu")
    assert len(found) == count
    for name, value in changes.items():
        wanted = "nhwc" if value == "fused" else value
        assert {getattr(way, "layout" if value == "fused" else name) for way in found} == {wanted}


def test_fused_kernels_are_for_maps_that_lie_channels_last() -> None:
    with pytest.raises(UsageError, match="channels last"):
        ways_of(tiny.recipe(kernels="fused", layout="nchw"), device="cpu")


def test_a_way_in_words() -> None:
    assert str(Way("float32", "nhwc")) == "float32 nhwc"
    assert str(Cell("bfloat16", "nhwc", "fused", 1.0, 1).way) == "bfloat16 nhwc, fused kernels"
