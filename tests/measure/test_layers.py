"""Which layers there are and what they cost, by hand; times only have to be there."""

import copy
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from fleetfoot.core.errors import UsageError
from fleetfoot.measure import layers
from fleetfoot.measure.latency import Schedule
from fleetfoot.measure.layers import layer_points, level_of
from fleetfoot.measure.roofline import Ceilings
from fleetfoot.measure.torch_settings import denormals_flushed
from fleetfoot.ops.partial_conv import PartialConv2d

ROOF = Ceilings(
    threads=1,
    gflops={"float32": 1.0, "bfloat16": 1.0},
    gb_per_s={"memory": 1.0, "L3": 2.0, "L2": 4.0},
)
BRIEF = Schedule(min_samples=2, min_seconds=0.0, rounds=2, warm_up_seconds=0.0, max_seconds=0.1)


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 8, 1, bias=False), nn.Identity())
        self.mix = PartialConv2d(8)
        self.act = nn.ReLU(inplace=True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.act(self.stem(x))
        return self.act(self.mix(x) + x)


def test_every_layer_is_a_point_with_its_counts():
    net = Net()
    points = layer_points(net, (3, 6, 6), batch=2, ceilings=ROOF, schedule=BRIEF)
    by_path = {point.path: point for point in points}
    assert list(by_path) == ["stem.0", "act", "mix"]  # the identity computes nothing
    stem = by_path["stem.0"]
    assert (stem.kind, stem.macs) == ("conv", 2 * 36 * 3 * 8)
    assert stem.bytes_moved == 4 * (2 * 36 * (3 + 8) + 24)
    assert stem.intensity == pytest.approx(2 * stem.macs / stem.bytes_moved)
    assert stem.gflops == pytest.approx(2 * stem.macs / stem.ms / 1e6)
    assert by_path["mix"].macs == 2 * 36 * 9 * 2 * 2  # a quarter of the channels, 3 x 3
    # Called twice, counted for one call: reads and writes 2 x 8 x 36 numbers.
    assert by_path["act"].bytes_moved == 4 * 2 * (2 * 8 * 36)
    assert (by_path["act"].kind, by_path["act"].gflops) == ("elementwise", 0.0)


def test_the_fraction_is_the_shortest_time_over_the_time():
    (point,) = layer_points(
        nn.Sequential(nn.Conv2d(3, 8, 1)), (3, 6, 6), ceilings=ROOF, schedule=BRIEF
    )
    bandwidth = {"L2": 4.0, "L3": 2.0, "memory": 1.0}[point.level]
    shortest = max(2 * point.macs / 1e6, point.bytes_moved / bandwidth / 1e6)
    assert point.roof_fraction == pytest.approx(shortest / point.ms)


def test_a_lower_precision_moves_fewer_bytes():
    net = nn.Sequential(nn.Linear(8, 8, bias=False))
    (half,) = layer_points(net, (8,), precision="bfloat16", ceilings=ROOF, schedule=BRIEF)
    assert half.bytes_moved == 2 * (8 + 8 + 64)
    assert net[0].weight.dtype == torch.float32
    with pytest.raises(UsageError, match="int8: layers are timed in"):
        layer_points(net, (8,), precision="int8", ceilings=ROOF)


def test_the_level_is_the_innermost_that_holds_the_bytes():
    caches = {"L2": 100, "L3": 1000}
    assert [level_of(n, ROOF, caches) for n in (100, 101, 1001)] == ["L2", "L3", "memory"]
    assert level_of(1, Ceilings(threads=1, gflops={}, gb_per_s={"memory": 1.0}), caches) == "memory"


class Squashed(nn.Module):
    """Its activation overwrites what the convolution before it returned."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 1)
        self.act = nn.SiLU(inplace=True)
        self.seen: list[torch.Tensor] = []
        self.act.register_forward_pre_hook(lambda _, args: self.seen.append(args[0].clone()))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.act(self.conv(x))


def test_an_activation_in_place_always_gets_the_input_of_the_network(
    monkeypatch: pytest.MonkeyPatch,
):
    net = Squashed()
    monkeypatch.setattr(copy, "deepcopy", lambda module: module)  # so that the test sees its calls
    monkeypatch.setattr(layers, "count", lambda *_, **__: SimpleNamespace(records=()))
    layer_points(net, (3, 6, 6), ceilings=ROOF, schedule=BRIEF)
    assert len(net.seen) > 4
    assert all(torch.equal(found, net.seen[0]) for found in net.seen)


@pytest.mark.parametrize("before", [True, False])
def test_the_setting_of_denormals_is_put_back(before: bool):
    torch.set_flush_denormal(before)
    try:
        with denormals_flushed():
            assert torch.tensor(2.0**-126) * 0.5 == 0
        assert bool(torch.tensor(2.0**-126) * 0.5 == 0) == before
    finally:
        torch.set_flush_denormal(False)


def test_memory_access_of_a_convolution_stands_beside_its_bound():
    """1x1 on 36 positions: 36 (4 + 16) + 64 elements; the bound is that of 8 to 8 channels."""
    net = nn.Sequential(nn.Conv2d(4, 16, 1, bias=False), nn.ReLU())
    conv, act = layer_points(net, (4, 6, 6), ceilings=ROOF, schedule=BRIEF)
    assert conv.mem_access == 36 * 20 + 64
    assert conv.least_mem_access == pytest.approx(36 * 16 + 64)
    assert conv.mem_access_excess == pytest.approx(784 / 640)
    assert (act.mem_access, act.least_mem_access, act.mem_access_excess) == (None, None, None)
