"""BN-Inception against plain torch functions written from the sheet's table, and its counts."""

import functools
import itertools

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fleetfoot.core.errors import UsageError
from fleetfoot.nets.bn_inception import GRIDS, BNInceptionSpec, Inception
from fleetfoot.nets.catalog import entry
from fleetfoot.nets.create import create
from fleetfoot.nets.names import foreign_names
from tests.contracts.subjects import randomise

NAMES = ("bn_inception", "bn_inception_sigmoid", "inception", "inception_sigmoid")
# The sheet's rows: 1x1, 3x3 reduce, 3x3, double reduce, double, pool, projection; 0 is none.
ROWS = {
    "3a": (64, 64, 64, 64, 96, "avg", 32),
    "3b": (64, 64, 96, 64, 96, "avg", 64),
    "3c": (0, 128, 160, 64, 96, "max", 0),
    "4a": (224, 64, 96, 96, 128, "avg", 128),
    "4b": (192, 96, 128, 96, 128, "avg", 128),
    "4c": (160, 128, 160, 128, 160, "avg", 128),
    "4d": (96, 128, 192, 160, 192, "avg", 128),
    "4e": (0, 128, 192, 192, 256, "max", 0),
    "5a": (352, 192, 320, 160, 224, "avg", 128),
    "5b": (352, 192, 320, 192, 224, "max", 128),
}
WIDTHS = (256, 320, 576, 576, 576, 608, 608, 1056, 1024, 1024)


class Naive:
    """The network layer by layer; takes the tensors of our state dict in the order of the table."""

    def __init__(self, net: nn.Module, name: str, *, lrn: bool) -> None:
        self.state = net.state_dict()
        self.left = list(self.state)
        self.lrn = lrn
        self.act = torch.sigmoid if "sigmoid" in name else F.relu

    def take(self, ending: str) -> Tensor:
        key = self.left.pop(0)
        assert key.endswith(ending), (key, ending)
        return self.state[key]

    def layer(self, x: Tensor, out: int, side: int, *, stride: int = 1) -> Tensor:
        weight = self.take("conv.weight")
        assert weight.shape == (out, x.shape[1], side, side)
        bias = self.take("conv.bias") if self.left[0].endswith("conv.bias") else None
        x = F.conv2d(x, weight, bias, stride, side // 2)
        if self.left[0].endswith("norm.weight"):
            gain, shift, mean, var = (
                self.take(word)[:, None, None] for word in ("weight", "bias", "mean", "var")
            )
            self.take("num_batches_tracked")
            x = (x - mean) / (var + 1e-5).sqrt() * gain + shift
        return self.act(x)

    def logits(self, x: Tensor) -> Tensor:
        """Pools round up without padding, as in the port; right where maps are even."""
        x = F.max_pool2d(self.layer(x, 64, 7, stride=2), 3, 2, ceil_mode=True)
        x = F.local_response_norm(x, 5, 1e-4, 0.75, 1.0) if self.lrn else x
        x = self.layer(self.layer(x, 64, 1), 192, 3)
        x = F.local_response_norm(x, 5, 1e-4, 0.75, 1.0) if self.lrn else x
        x = F.max_pool2d(x, 3, 2, ceil_mode=True)
        for width, row in zip(WIDTHS, ROWS.values(), strict=True):
            x = self.module(x, *row)
            assert x.shape[1] == width
        x = x.mean(dim=(2, 3))
        logits = F.linear(x, self.take("classifier.weight"), self.take("classifier.bias"))
        assert self.left == []
        return logits

    def module(  # one argument a column of the table
        self, x: Tensor, one: int, reduce: int, three: int, reduce2: int, double: int, *end: object
    ) -> Tensor:
        pool, project = end
        stride = 1 if project else 2
        first = [self.layer(x, one, 1)] if one else []
        triple = self.layer(self.layer(x, reduce, 1), three, 3, stride=stride)
        twice = self.layer(self.layer(x, reduce2, 1), double, 3)
        twice = self.layer(twice, double, 3, stride=stride)
        if not project:
            last = F.max_pool2d(x, 3, 2, ceil_mode=True)
        elif pool == "avg":
            last = self.layer(F.avg_pool2d(x, 3, 1, 1, count_include_pad=True), project, 1)
        else:
            last = self.layer(F.max_pool2d(x, 3, 1, 1), project, 1)
        return torch.cat([*first, triple, twice, last], dim=1)


def check_against_naive(name: str, **options: bool) -> None:
    torch.manual_seed(0)
    net = randomise(create(name, num_classes=7, **options)).double()
    for key, value in net.state_dict().items():
        if key.endswith("conv.bias"):
            value.normal_(std=0.1)
    lrn = options.get("lrn", not name.startswith("bn"))
    x = torch.randn(2, 3, 64, 96, dtype=torch.float64)
    with torch.no_grad():
        expected, got = Naive(net, name, lrn=lrn).logits(x), net(x)
    assert got.std() > 0.01
    torch.testing.assert_close(got, expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("name", ["bn_inception", "inception"])
def test_is_its_naive_form(name: str) -> None:
    check_against_naive(name)


def test_the_baseline_of_the_paper() -> None:
    """BN-Baseline: batch norm added and nothing taken away; here with the port's biases, too."""
    check_against_naive("bn_inception", lrn=True, conv_bias=True)


def test_counts_by_hand() -> None:
    """Weights, channels and MACs of every convolution, row by row."""
    convs = [(3, 64, 7, 112), (64, 64, 1, 56), (64, 192, 3, 56)]
    for (name, row), wide in zip(ROWS.items(), itertools.chain((192,), WIDTHS)):
        one, reduce, three, reduce2, double, _, project = row
        side = {"3": 28, "4": 14, "5": 7}[name[0]]
        out = side if project else side // 2
        convs += [(wide, one, 1, side), (wide, reduce, 1, side), (reduce, three, 3, out)]
        convs += [(wide, reduce2, 1, side), (reduce2, double, 3, side), (double, double, 3, out)]
        convs += [(wide, project, 1, side)]
    weights = sum(i * o * k * k for i, o, k, _ in convs)
    channels = sum(o for _, o, _, _ in convs)
    macs = sum(i * o * k * k * side**2 for i, o, k, side in convs) + 1024 * 1000
    assert (weights, channels, macs) == (10_240_192, 10_016, 2_032_600_064)
    classifier = 1024 * 1000 + 1000
    for name in NAMES:
        found = entry(name)
        norms = 2 * channels if name.startswith("bn") else channels  # biases take their place
        assert (found.params, found.macs) == (weights + norms + classifier, macs)


def test_biases_in_front_of_the_norms_are_an_option() -> None:
    with torch.device("meta"):
        net = create("bn_inception", conv_bias=True)
    assert sum(p.numel() for p in net.parameters()) == 11_295_240


def test_maps_have_the_corrected_widths() -> None:
    with torch.device("meta"):
        net = create("bn_inception")
        maps = net.forward_features(torch.empty(2, 3, 224, 224))
    widths = [m.out_channels for s in net.stages[1:] for m in s if hasattr(m, "out_channels")]
    assert widths == list(WIDTHS)
    assert [tuple(m.shape[1:3]) for m in maps] == [(192, 56), (320, 28), (608, 14), (1024, 7)]


def test_what_sets_the_four_apart() -> None:
    with torch.device("meta"):
        for name in NAMES:
            kinds = [type(m).__name__ for m in create(name).modules()]
            assert kinds.count("BatchNorm2d") == (69 if name.startswith("bn") else 0)
            assert kinds.count("LocalResponseNorm") == (0 if name.startswith("bn") else 2)
            assert kinds.count("Sigmoid" if name.endswith("sigmoid") else "ReLU") == 69
            assert create(name).dropout.p == (0.0 if name.startswith("bn") else 0.4)


def test_names_of_the_public_port() -> None:
    """The port was once compared by hand: 2e-7 of the largest logit apart at 224 pixels."""
    with torch.device("meta"):
        keys = create("bn_inception", conv_bias=True).state_dict()
    names = foreign_names(keys, "bn_inception", "pretrainedmodels")
    assert names["stages.2.inception3.double1.conv.bias"] == "inception_4c_double_3x3_1.bias"
    assert names["stages.2.inception3.double1.norm.weight"] == "inception_4c_double_3x3_1_bn.weight"
    assert names["stem.conv.conv.weight"] == "conv1_7x7_s2.weight"


def test_refuses_another_pool() -> None:
    layer = functools.partial(BNInceptionSpec(norm=True, act=nn.ReLU).layer, bias=False)
    with pytest.raises(UsageError, match="pool='sum' is not offered: take 'avg' or 'max'"):
        Inception(4, GRIDS[0][0]._replace(pool="sum"), layer)
