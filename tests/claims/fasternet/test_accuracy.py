"""The forms of a block and their work; trained on the digits."""

import pytest
import torch
from torch import nn

pytest.importorskip("sklearn")

from fleetfoot.claims.claim import Setting
from fleetfoot.claims.comparison import macs_of
from fleetfoot.claims.fasternet import accuracy as fasternet_accuracy
from fleetfoot.claims.fasternet.accuracy import CLAIMS, FORMS, SHAPES, Shape, built
from fleetfoot.ops.partial_conv import PartialConv2d

SMOKE = Setting(scale="smoke")
TINY = Shape(32, (1,), 8)


def kinds(name: str) -> dict[str, int]:
    names = [type(module).__name__ for module in built(FORMS[name], TINY, 32).modules()]
    return {kind: names.count(kind) for kind in set(names)}


def test_each_form_changes_one_thing() -> None:
    published = kinds("published")
    assert published["PartialConv2d"] == 1
    assert published["GELU"] == published["BatchNorm2d"] == 2
    assert kinds("layer norm")["ChannelNorm"] == 2
    assert kinds("ReLU")["ReLU"] == 2
    for name in ("depthwise", "regular", "no 3x3"):
        assert "PartialConv2d" not in kinds(name)
    assert "BatchNorm2d" not in kinds("no norm") | kinds("layer norm")
    assert "GELU" not in kinds("no activation") | kinds("ReLU")


@pytest.mark.parametrize(("name", "mixed"), [("r = 1/2", 16), ("r = 1/8", 4), ("r = 1/32", 1)])
def test_ratios(name: str, mixed: int) -> None:
    net = built(FORMS[name], TINY, 32)
    (layer,) = (module for module in net.modules() if isinstance(module, PartialConv2d))
    assert layer.weight.shape == (mixed, mixed, 3, 3)


def test_what_is_put_in_is_drawn_like_the_rest() -> None:
    torch.manual_seed(0)
    net = built(FORMS["regular"], TINY, 32)
    for module in net.modules():
        if isinstance(module, nn.Conv2d):
            assert float(module.weight.detach().std()) == pytest.approx(0.02, rel=0.2)


def test_the_small_shape_is_of_the_family_of_t0() -> None:
    assert SHAPES["gpu"] == (40, (1, 2, 8, 2), 1280)


@pytest.mark.parametrize("name", ["ReLU", "layer norm"])
def test_what_changes_no_work_keeps_the_width(name: str) -> None:
    assert fasternet_accuracy.channels_of(name, "cpu") == 32


@pytest.mark.slow
def test_forms_do_equal_work() -> None:
    shape = SHAPES["cpu"]
    with torch.device("meta"):
        wanted = macs_of(built(FORMS["published"], shape, 32), 32)
        for name, form in FORMS.items():
            channels = fasternet_accuracy.channels_of(name, "cpu")
            assert macs_of(built(form, shape, channels), 32) == pytest.approx(wanted, rel=0.03)


@pytest.mark.slow
@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: claim.id)
def test_each_claim_runs(claim) -> None:
    assert len(claim.measure(SMOKE).table) == 2
    control = claim.control.measure(SMOKE)
    other, broken = (row["way"] for row in control.table)
    assert other in claim.unit
    assert broken != "published"


def test_as_accurate_is_not_fulfilled_by_what_is_far_better_or_worse() -> None:
    claim = next(claim for claim in CLAIMS if claim.id == "fasternet/norm-accuracy")
    verdicts = [claim.rule(value) for value in (0.0, -0.5, 0.8, 1.5, -1.5)]
    assert verdicts == ["reproduced", "reproduced", "partly", "not reproduced", "not reproduced"]
