"""The shape that mobile networks share: scaling rule, features, options, torchvision's weights."""

from pathlib import Path

import pytest
import torch
from torch import nn

from fleetfoot.blocks.inverted_residual import Form, Row
from fleetfoot.nets.catalog import entry
from fleetfoot.nets.create import create
from fleetfoot.nets.mobilenet import MobileNet, MobileNetSpec
from fleetfoot.nets.weights import load_weights
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
    rates = [m.rate for m in net.modules() if hasattr(m, "rate")]
    assert rates == pytest.approx([0.01 * i for i in range(17)])
    assert {m.eps for m in net.modules() if isinstance(m, nn.BatchNorm2d)} == {1e-3}


TORCHVISION = {
    "mobilenetv2_100": "mobilenet_v2",
    "mobilenetv3_large_100": "mobilenet_v3_large",
    "mobilenetv3_small_100": "mobilenet_v3_small",
} | {f"efficientnet_b{i}": f"efficientnet_b{i}" for i in range(8)}


def slow_but_small(name: str) -> list[pytest.MarkDecorator]:
    return [pytest.mark.slow] if name[:-1] == "efficientnet_b" and name[-1] != "0" else []


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


def test_the_form_of_tensorflow() -> None:
    plain, tensorflow = (entry(f"{p}mobilenetv3_small_100").spec for p in ("", "tf_"))
    assert (plain.form.padding, plain.form.eps) == ("symmetric", 1e-5)
    assert (tensorflow.form.padding, tensorflow.form.eps) == ("same", 1e-3)
    assert tensorflow.stages == plain.stages
