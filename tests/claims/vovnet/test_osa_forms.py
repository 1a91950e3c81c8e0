"""The forms that VoVNet's paper argues against: shapes, work by hand, the original untouched."""

import pytest
import torch

from fleetfoot.blocks.osa import OSA
from fleetfoot.claims.vovnet.osa_forms import (
    EveryLayerJoined,
    bottlenecked,
    joined_at_every_layer,
    joined_for_equal_work,
)
from fleetfoot.measure.counts import count
from fleetfoot.nets.create import skeleton

IMAGE = (6, 8, 8)
PIXELS = 8 * 8


@pytest.fixture
def module() -> torch.nn.Sequential:
    torch.manual_seed(0)
    return torch.nn.Sequential(OSA(6, 4, 10, layers=3)).eval()


def test_every_layer_reads_all_maps_before_it(module: torch.nn.Sequential) -> None:
    joined = joined_at_every_layer(module)
    layers = 9 * 4 * (6 + 10 + 14)
    assert count(joined, IMAGE).macs == PIXELS * (layers + (6 + 3 * 4) * 10)
    assert joined(torch.randn(1, *IMAGE)).shape == (1, 10, 8, 8)


@pytest.mark.parametrize(
    ("name", "image"),
    [("vovnet39", (3, 320, 320)), ("vovnet57", (3, 320, 320)), ("osa_cifar_5x43", (3, 32, 32))],
)
def test_narrower_layers_keep_the_work(name: str, image: tuple[int, ...]) -> None:
    net = skeleton(name)
    work = count(net, image).macs
    narrowed = count(joined_for_equal_work(net), image).macs
    assert narrowed == pytest.approx(work, rel=0.02)
    assert count(joined_at_every_layer(net), image).macs > 1.5 * work


def test_a_concatenation_that_is_kept_cannot_be_narrowed() -> None:
    with pytest.raises(ValueError, match="would narrow the concatenation"):
        joined_for_equal_work(torch.nn.Sequential(OSA(6, 4, None, layers=3)))


def test_a_bottleneck_halves_the_input_of_each_layer(module: torch.nn.Sequential) -> None:
    halved = bottlenecked(module)
    first, others = 6 * 3 + 9 * 3 * 4, 2 * (4 * 2 + 9 * 2 * 4)
    assert count(halved, IMAGE).macs == PIXELS * (first + others + 18 * 10)
    assert halved(torch.randn(1, *IMAGE)).shape == (1, 10, 8, 8)


def test_the_network_itself_is_left_alone(module: torch.nn.Sequential) -> None:
    before = count(module, IMAGE).macs
    joined_at_every_layer(module)
    bottlenecked(module)
    assert count(module, IMAGE).macs == before


def test_joining_is_the_concatenation_by_hand() -> None:
    torch.manual_seed(0)
    joined = EveryLayerJoined(3, 2, None, layers=2).eval()
    x = torch.randn(1, 3, 4, 4)
    first = joined.layers[0](x)
    second = joined.layers[1](torch.cat([x, first], dim=1))
    assert torch.equal(joined(x), torch.cat([x, first, second], dim=1))


def test_every_osa_module_is_replaced_and_none_gets_memory() -> None:
    net = joined_at_every_layer(skeleton("vovnet27_slim"))
    assert not any(isinstance(module, OSA) for module in net.modules())
    assert sum(isinstance(module, EveryLayerJoined) for module in net.modules()) == 4
    assert all(parameter.is_meta for parameter in net.parameters())
