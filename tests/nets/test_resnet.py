"""ResNet: torchvision's networks, counts by hand, first weights, options and scaling."""

import pytest
import torch
from torch import nn

from fleetfoot.blocks.residual import ResidualBlock
from fleetfoot.core.errors import UsageError
from fleetfoot.measure.counts import count
from fleetfoot.nets.catalog import entry
from fleetfoot.nets.create import create
from fleetfoot.nets.names import foreign_names
from fleetfoot.nets.resnet import VARIANTS, ResNet, ResNetSpec
from tests.contracts.subjects import randomise

SLOW = [pytest.param(name, marks=pytest.mark.slow) for name in VARIANTS if name != "resnet18"]


@pytest.mark.parametrize("name", ["resnet18", *SLOW])
def test_equals_torchvision(name: str) -> None:
    models = pytest.importorskip("torchvision.models")
    torch.manual_seed(0)
    reference = randomise(models.get_model(name, weights=None))
    state = reference.state_dict()
    with torch.device("meta"):
        net = create(name)
    names = foreign_names(net.state_dict(), "resnet", "torchvision")
    assert set(names.values()) == set(state)
    net.load_state_dict({ours: state[theirs] for ours, theirs in names.items()}, assign=True)
    x = torch.randn(2, 3, 70, 65)
    with torch.no_grad():
        expected, got = reference(x), net.eval()(x)
    assert expected.std() > 0.01
    assert (got - expected).abs().max() <= 1e-4 * expected.abs().max()


@pytest.mark.parametrize("name", VARIANTS)
def test_counts_by_hand(name: str) -> None:
    """Table 1, layer by layer; a norm has two numbers a channel, the maps are 112, 56 ... 7."""
    row = VARIANTS[name].spec
    params, macs = 3 * 49 * 64 + 128, 3 * 49 * 64 * 112**2
    channels = 64
    for stage, (width, blocks) in enumerate(zip((64, 128, 256, 512), row.blocks)):
        side = 56 // 2**stage
        for block in range(blocks):
            before = side * 2 if stage and block == 0 else side  # what a leading 1x1 sees
            out = 4 * width if row.bottleneck else width
            if row.bottleneck:
                convs = [
                    (channels * width, before),
                    (9 * width * width, side),
                    (width * out, side),
                ]
                params += 4 * width + 2 * out
            else:
                convs = [(9 * channels * width, side), (9 * width * width, side)]
                params += 4 * width
            if channels != out:
                convs.append((channels * out, side))
                params += 2 * out
            params += sum(weights for weights, _ in convs)
            macs += sum(weights * size**2 for weights, size in convs)
            channels = out
    assert (entry(name).params, entry(name).macs) == (
        params + channels * 1000 + 1000,
        macs + channels * 1000,
    )


def test_first_weights() -> None:
    torch.manual_seed(0)
    net = create("resnet18")
    for module in net.modules():
        if isinstance(module, nn.Conv2d):
            fan_out = module.weight[:, 0].numel()
            assert module.weight.std().item() == pytest.approx((2 / fan_out) ** 0.5, rel=0.05)


@pytest.mark.parametrize("name", ["resnet18", "resnet20_cifar"])
def test_zero_init_last_makes_each_block_its_shortcut(name: str) -> None:
    net = create(name, zero_init_last=True, num_classes=3).eval()
    plain = create(name, num_classes=3)
    blocks = [module for module in net.modules() if isinstance(module, ResidualBlock)]
    for block in blocks:
        x = torch.rand(1, block.branch[0].conv.in_channels, 6, 6)
        torch.testing.assert_close(block(x), block.shortcut(x).relu())
    gains = [m.weight for m in plain.modules() if isinstance(m, nn.BatchNorm2d)]
    assert all((gain == 1).all() for gain in gains)


@pytest.mark.parametrize(("name", "count"), [("resnet50", 16), ("resnet56_cifar", 27)])
def test_drop_path_rises_linearly(name: str, count: int) -> None:
    with torch.device("meta"):
        net = create(name, drop_path=0.3)
    rates = [m.drop_path.rate for m in net.modules() if isinstance(m, ResidualBlock)]
    assert rates == pytest.approx([0.3 * i / (count - 1) for i in range(count)])


def test_scaled() -> None:
    spec = ResNetSpec(blocks=(3, 4, 6, 3), bottleneck=True)
    assert spec.scaled(width=1.0, depth=1.0) == spec
    wide = spec.scaled(width=1.3, depth=1.5)
    assert wide.blocks == (5, 6, 9, 5)
    assert (wide.stem_channels, wide.channels) == (80, (80, 168, 336, 664))
    with torch.device("meta"):
        net = ResNet(wide, 10)
    assert [item.channels for item in net.feature_info] == [320, 672, 1344, 2656]
    assert count(net, (3, 64, 64)).params > entry("resnet50").params


@pytest.mark.parametrize(("width", "depth"), [(0.0, 1.0), (1.0, -2.0)])
def test_refuses_to_scale_to_nothing(width: float, depth: float) -> None:
    spec = ResNetSpec(blocks=(2, 2, 2, 2), bottleneck=False)
    with pytest.raises(UsageError, match=r"^(width=0\.0|depth=-2\.0) is not above 0$"):
        spec.scaled(width=width, depth=depth)


@pytest.mark.parametrize("word", ["drop_path", "dropout"])
def test_refuses_a_rate_of_1(word: str) -> None:
    with pytest.raises(UsageError, match=rf"^{word}=1\.0 is not in"), torch.device("meta"):
        create("resnet18", **{word: 1.0})


def test_refuses_stages_without_channels() -> None:
    with pytest.raises(UsageError, match="blocks has 5, channels has 4"):
        ResNetSpec(blocks=(2, 2, 2, 2, 2), bottleneck=False)
