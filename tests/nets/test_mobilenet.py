"""The shape that mobile networks share: scaling rule, features, options, torchvision's weights."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from fleetfoot.blocks.inverted_residual import Form, InvertedResidual, Row
from fleetfoot.core.errors import UsageError
from fleetfoot.nets.catalog import entry
from fleetfoot.nets.create import create
from fleetfoot.nets.mobilenet import MobileNet, MobileNetSpec
from fleetfoot.nets.weights import load_weights
from fleetfoot.ops.same_pad import SamePad2d
from tests.contracts.subjects import randomise

ROWS = (Row(4, 24, 1, 2), Row(3, 24, 2, 1))


def layers(spec: MobileNetSpec) -> list[list[int]]:
    return [[row.layers for row in stage] for stage in spec.stages]


@pytest.mark.parametrize(
    ("depth", "expected"), [(1.0, [1, 2]), (2.0, [1, 5]), (0.5, [1, 1]), (0.2, [1])]
)
def test_a_stage_of_several_rows_grows_and_shrinks_at_its_end(
    depth: float, expected: list[int]
) -> None:
    spec = MobileNetSpec(stages=(ROWS,), form=Form())
    assert layers(spec.scaled(width=1.0, depth=depth)) == [expected]


def test_what_is_fixed_stays() -> None:
    stages = ((Row(1, 16, 1, 1),), (Row(6, 24, 2, 2),), (Row(6, 320, 1, 1),))
    free = MobileNetSpec(stages=stages, form=Form()).scaled(width=1.5, depth=2)
    assert (free.stem, free.head, layers(free)) == (48, 1920, [[2], [4], [2]])
    names = ("stem", "head", "ends")
    kept = MobileNetSpec(stages=stages, form=Form(), fixed=names).scaled(width=1.5, depth=2)
    assert (kept.stem, kept.head, layers(kept)) == (32, 1280, [[1], [4], [1]])
    least = MobileNetSpec(stages=stages, form=Form(), least_head=1280)
    assert [least.scaled(width=w, depth=1).head for w in (0.5, 1.5)] == [1280, 1920]
    headless = MobileNetSpec(stages=stages, form=Form(), head=0)
    assert headless.scaled(width=2, depth=1).head == 0


def test_features_are_the_last_map_of_each_resolution() -> None:
    with torch.device("meta"):
        b0, small = create("efficientnet_b0"), create("mobilenetv3_small_100")
    found = [(f.stage, f.channels, f.reduction) for f in b0.feature_info]
    assert found == [(0, 16, 2), (1, 24, 4), (2, 40, 8), (4, 112, 16), (6, 320, 32)]
    found = [(f.stage, f.channels, f.reduction) for f in small.feature_info]
    assert found == [(0, 16, 4), (1, 24, 8), (3, 48, 16), (4, 96, 32)]


def test_rates_and_norms_are_options() -> None:
    with torch.device("meta"):
        net = create("mobilenetv2_100", drop_path=0.17, norm_eps=1e-3)
    assert isinstance(net, MobileNet)
    blocks = [m for m in net.modules() if isinstance(m, InvertedResidual)]
    assert len(blocks) == 17
    for index, block in enumerate(blocks):  # where nothing is added there is nothing to drop
        if block.adds_input:
            assert block.drop_path.rate == pytest.approx(0.01 * index)
        else:
            assert isinstance(block.drop_path, nn.Identity)
    assert {m.eps for m in net.modules() if isinstance(m, nn.BatchNorm2d)} == {1e-3}


@pytest.mark.parametrize(
    ("name", "pads"),
    [
        ("mobilenetv1_100", 5),
        ("mobilenetv2_100", 5),
        ("mobilenetv3_small_100", 5),
        ("mnasnet_100", 5),
        ("efficientnet_b0", 5),
        ("efficientnet_lite0", 5),
    ],
)
def test_padding_is_an_option(name: str, pads: int) -> None:
    x = torch.empty(1, 3, 65, 65, device="meta")
    with torch.device("meta"):
        nets = [create(name, padding=word).eval() for word in ("same", "symmetric")]
        default = create(name)
    found = [sum(isinstance(m, SamePad2d) for m in net.modules()) for net in (*nets, default)]
    assert found == [pads, 0, 0]
    assert nets[0](x).shape == nets[1](x).shape
    assert list(nets[0].state_dict()) == list(nets[1].state_dict())


def test_the_plain_name_with_options_is_the_name_of_tensorflow() -> None:
    torch.manual_seed(0)
    original = randomise(create("tf_efficientnet_b0", num_classes=5))
    plain = create("efficientnet_b0", num_classes=5, padding="same", norm_eps=1e-3).eval()
    plain.load_state_dict(original.state_dict())
    again = create("tf_efficientnet_b0", num_classes=5, padding="symmetric").eval()
    again.load_state_dict(original.state_dict())
    x = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        expected = original(x)
        assert torch.equal(plain(x), expected)
        assert not torch.allclose(again(x), expected)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ({"padding": "valid"}, "padding='valid' is not offered: take 'symmetric' or 'same'"),
        ({"norm_eps": 0.0}, "norm_eps=0.0 is not above 0"),
        ({"norm_eps": -1e-3}, "norm_eps=-0.001 is not above 0"),
        ({"drop_path": 1.0}, r"drop_path=1.0 is not in \[0, 1\)"),
        ({"drop_path": -0.1}, r"drop_path=-0.1 is not in \[0, 1\)"),
        ({"dropout": 1.0}, r"dropout=1.0 is not in \[0, 1\)"),
    ],
)
def test_wrong_options(words: dict[str, Any], message: str) -> None:
    with torch.device("meta"), pytest.raises(UsageError, match=message):
        create("mobilenetv3_small_050", **words)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ({"width": 0.0, "depth": 1.0}, "width=0.0 is not above 0"),
        ({"width": 1.0, "depth": -2.0}, "depth=-2.0 is not above 0"),
        ({"width": float("nan"), "depth": 1.0}, "width=nan is not above 0"),
    ],
)
def test_wrong_factors(words: dict[str, float], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        MobileNetSpec(stages=(ROWS,), form=Form()).scaled(**words)


def test_refuses_to_fix_what_it_does_not_know() -> None:
    with pytest.raises(UsageError, match="fixed='tail' is not offered: take 'stem', 'head' or"):
        MobileNetSpec(stages=(ROWS,), form=Form(), fixed=("tail",))


TORCHVISION = {
    "mnasnet_050": "mnasnet0_5",
    "mnasnet_075": "mnasnet0_75",
    "mnasnet_100": "mnasnet1_0",
    "mobilenetv2_100": "mobilenet_v2",
    "mobilenetv3_large_100": "mobilenet_v3_large",
    "mobilenetv3_small_100": "mobilenet_v3_small",
} | {f"efficientnet_b{i}": f"efficientnet_b{i}" for i in range(8)}


QUICK = ("mnasnet_050", "mobilenetv3_small_100")


def slow_but_small(name: str) -> list[pytest.MarkDecorator]:
    return [] if name in QUICK else [pytest.mark.slow]


@pytest.mark.parametrize("name", [pytest.param(n, marks=slow_but_small(n)) for n in TORCHVISION])
def test_weights_of_torchvision(name: str, tmp_path: Path) -> None:
    """Its file loads, its norms' eps given, and the networks agree."""
    models = pytest.importorskip("torchvision.models")
    torch.manual_seed(0)
    reference = randomise(models.get_model(TORCHVISION[name], weights=None))
    nn.init.normal_(reference.classifier[-1].weight)
    torch.save(reference.state_dict(), tmp_path / "w.pth")
    eps = {m.eps for m in reference.modules() if isinstance(m, nn.BatchNorm2d)}
    assert len(eps) == 1
    net = create(name, norm_eps=eps.pop()).eval()
    report = load_weights(net, tmp_path / "w.pth")
    assert report.dialect.startswith("torchvision")
    assert (report.missing, report.unused) == ((), ())
    assert bool(report.notes) == ("v3" in name)  # its hidden layer is a linear one
    x = torch.randn(2, 3, 65, 65)
    with torch.no_grad():
        expected, got = reference(x), net(x)
    assert expected.std() > 0.01
    assert (got - expected).abs().max() <= 1e-4 * expected.abs().max()


def test_every_mobile_network_of_torchvision_is_here() -> None:
    """Its EfficientNetV2 is of a later paper; mnasnet1_3 is `test_compound_scaling`'s."""
    models = pytest.importorskip("torchvision.models")
    theirs = {
        name
        for name in models.list_models(module=models)
        if name.startswith(("mobilenet", "mnasnet", "efficientnet_b"))
    }
    assert theirs - set(TORCHVISION.values()) == {"mnasnet1_3"}


def test_the_form_of_tensorflow() -> None:
    plain, tensorflow = (entry(f"{p}mobilenetv3_small_100").spec for p in ("", "tf_"))
    assert (plain.form.padding, plain.form.eps) == ("symmetric", 1e-5)
    assert (tensorflow.form.padding, tensorflow.form.eps) == ("same", 1e-3)
    assert tensorflow.stages == plain.stages
