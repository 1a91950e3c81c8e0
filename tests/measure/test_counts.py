"""Counts of toy networks worked out by hand, and of torchvision's and timm's as published."""

import pytest
import torch
from torch import Tensor, nn

from fleetfoot.measure.counts import count
from fleetfoot.nets.create import skeleton


class Toy(nn.Module):
    """relu(norm(conv(x))) + x, pooled and classified: every kind of operator once."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(4, 4, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(4)
        self.act = nn.ReLU(inplace=True)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Linear(4, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.act(self.norm(self.conv(x)))
        return self.classifier(self.pool(x).flatten(1))


MAP = 4 * 8 * 8  # elements of each map of Toy at 8 x 8


def test_totals_by_hand() -> None:
    counts = count(Toy(), (4, 8, 8))
    assert counts.params == 144 + 8 + 50
    assert counts.macs == 64 * 144 + 40
    assert counts.elementwise_ops == 2 * MAP + MAP + MAP + MAP + 10  # norm, act, sum, pool, bias
    assert counts.activations == MAP + 10
    assert counts.uncounted == ()
    kinds = ["conv", "norm", "elementwise", "elementwise", "pool", "linear"]
    assert [record.kind for record in counts.records] == kinds
    paths = ["conv", "norm", "act", "", "pool", "classifier"]
    assert [record.path for record in counts.records] == paths


def test_bytes_by_hand() -> None:
    counts = count(Toy(), (4, 8, 8))
    conv, norm, act, add = 2 * MAP + 144, 2 * MAP + 16, 2 * MAP, 3 * MAP
    head = (MAP + 4) + (4 + 50 + 10)
    assert counts.bytes_moved == 4 * (conv + norm + act + add + head)
    fused = 144 + 16 + 2 * MAP  # filters, norm, x once, the sum out
    assert counts.bytes_moved_fused == 4 * (fused + head)
    assert count(Toy(), (4, 8, 8), bytes_per_element=2).bytes_moved * 2 == counts.bytes_moved


def test_memory_by_hand() -> None:
    """At the norm: the input (read again by the sum), the convolution's output, the norm's.

    The activation works in place; the sum reads two maps and writes one.
    """
    counts = count(Toy(), (4, 8, 8))
    maps = (2 * MAP, 3 * MAP, 2 * MAP, 3 * MAP, MAP + 4, 4 + 10)
    assert counts.live_bytes == tuple(4 * n for n in maps)
    assert counts.peak_live_bytes == counts.arena_bytes == counts.least_peak_bytes == 4 * 3 * MAP


def test_batch() -> None:
    one, three = count(Toy(), (4, 8, 8)), count(Toy(), (4, 8, 8), batch=3)
    assert (one.macs, one.activations) == (three.macs, three.activations)
    assert three.peak_live_bytes == 3 * one.peak_live_bytes
    parameters = 144 + 16 + 50
    assert three.bytes_moved - 4 * parameters == 3 * (one.bytes_moved - 4 * parameters)


def test_the_network_is_not_touched() -> None:
    net = Toy().train()
    before = {key: value.clone() for key, value in net.state_dict().items()}
    count(net, (4, 8, 8))
    assert net.training
    assert net.conv.weight.device.type == "cpu"
    assert not net._forward_hooks
    assert not net.conv._forward_pre_hooks
    assert all(torch.equal(value, before[key]) for key, value in net.state_dict().items())


def test_other_dtypes_count_alike() -> None:
    assert count(Toy().bfloat16(), (4, 8, 8)) == count(Toy(), (4, 8, 8))


def test_an_operator_without_a_rule_is_named() -> None:
    class Sorted(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x.sort(dim=-1).values

    assert count(Sorted(), (4,)).uncounted == ("aten.sort.default",)


def test_views_are_free_and_shared() -> None:
    class Split(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            head, rest = x.split([1, 3], dim=1)
            return torch.cat((rest, head), dim=1)

    counts = count(Split(), (4, 8, 8))
    assert [record.kind for record in counts.records] == ["copy"]
    assert counts.bytes_moved == counts.peak_live_bytes == 4 * 2 * MAP


# Convolutions and linear layers at 224 x 224, from the publications; ours bear the same names.
ANCHORS = {
    "resnet18": 1_814_073_344,
    "resnet34": 3_663_761_408,
    "resnet50": 4_089_184_256,
    "mobilenetv2_100": 300_774_272,
    "alexnet": 714_188_480,
}


@pytest.mark.parametrize("name", ANCHORS)
def test_published_anchors(name: str) -> None:
    assert count(skeleton(name), (3, 224, 224)).macs == ANCHORS[name]


@pytest.mark.parametrize("name", ANCHORS)
def test_published_anchors_of_other_libraries(name: str) -> None:
    library = pytest.importorskip("torchvision.models" if name == "alexnet" else "timm")
    make = library.get_model if name == "alexnet" else library.create_model
    with torch.device("meta"):
        net = make(name)
    assert count(net, (3, 224, 224)).macs == ANCHORS[name]


def test_transposed_convolution_counts_input_positions() -> None:
    net = nn.ConvTranspose2d(3, 5, 2, stride=2, bias=False)
    assert count(net, (3, 4, 4)).macs == 16 * 3 * 5 * 4
