"""DenseNet: a second implementation, counts by hand, and which norms can fold."""

from typing import NamedTuple

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fleetfoot.core.errors import UsageError
from fleetfoot.nets.catalog import entry
from fleetfoot.nets.create import create
from fleetfoot.nets.densenet import ROWS, DenseNet, DenseNetSpec
from fleetfoot.nets.names import foreign_names
from fleetfoot.passes.fold_batch_norm import fold_batch_norm
from tests.nets.naive_state import Reader, assert_equal, double, noise


class Form(NamedTuple):
    """A line of the sheet; `narrow` is the width of the 1x1 convolutions, 0 for none."""

    growth: int
    layers: tuple[int, ...]
    stem: int
    narrow: int
    keep: int = 2  # one channel in so many
    pools: tuple[str, ...] = ("mean", "mean", "mean")
    pixels: int = 224


FORMS = {
    "densenet121": Form(32, (6, 12, 24, 16), 64, 128),
    "densenet161": Form(48, (6, 12, 36, 24), 96, 192),
    "densenet169": Form(32, (6, 12, 32, 32), 64, 128),
    "densenet201": Form(32, (6, 12, 48, 32), 64, 128),
    "densenet67": Form(16, (6, 8, 8, 8), 128, 64, 1, ("max", "max", "none")),
    "densenet40": Form(12, (12, 12, 12), 16, 0, 1, ("mean", "mean"), 32),
}


def naive_densenet(read: Reader, x: Tensor, form: Form, *, stem: str, classes: int) -> Tensor:
    if stem == "large":
        x = F.max_pool2d(read.unit(x, form.stem, 7, stride=2), 3, 2, 1)
    elif stem == "deep":
        x = read.unit(read.unit(x, form.stem // 2, 3, stride=2), form.stem // 2, 3)
        x = F.max_pool2d(read.unit(x, form.stem, 3), 2, ceil_mode=True)
    else:
        x = read.conv(x, form.stem, 3)
    for stage, layers in enumerate(form.layers):
        if stage:
            x = read.conv(read.norm_relu(x), x.shape[1] // form.keep, 1)
            if form.pools[stage - 1] == "mean":
                x = F.avg_pool2d(x, 2)
            elif form.pools[stage - 1] == "max":
                x = F.max_pool2d(x, 2, ceil_mode=True)
        before = [x]
        for _ in range(layers):
            new = torch.cat(before, dim=1)
            if form.narrow:
                new = read.conv(read.norm_relu(new), form.narrow, 1)
            before.append(read.conv(read.norm_relu(new), form.growth, 3))
        x = torch.cat(before, dim=1)
    return read.linear(read.norm_relu(x), classes)


def stem_of(name: str) -> str:
    return {"densenet67": "deep", "densenet40": "small"}.get(name, "large")


def check_against_naive(name: str) -> None:
    torch.manual_seed(0)
    net = double(create(name, num_classes=7))
    x = noise(2, 3, 35, 46)
    expected = naive_densenet(Reader(net), x, FORMS[name], stem=stem_of(name), classes=7)
    assert_equal(net(x), expected)


@pytest.mark.parametrize("name", ["densenet121", "densenet67", "densenet40"])
def test_is_its_naive_form(name: str) -> None:
    check_against_naive(name)


@pytest.mark.parametrize("name", FORMS)
def test_counts_by_hand(name: str) -> None:
    form, stem = FORMS[name], stem_of(name)
    half, side = form.pixels // 2, form.pixels if stem == "small" else form.pixels // 4
    if stem == "large":
        params, macs = 49 * 3 * form.stem + 2 * form.stem, 49 * 3 * form.stem * half**2
    elif stem == "deep":
        weights = 9 * (3 * 64 + 64 * 64 + 64 * 128)
        params, macs = weights + 2 * (64 + 64 + 128), weights * half**2
    else:
        params, macs = 9 * 3 * 16, 9 * 3 * 16 * side**2
    channels = form.stem
    for stage, layers in enumerate(form.layers):
        if stage:
            weights = channels * (channels // form.keep)
            params, macs = params + weights + 2 * channels, macs + weights * side**2
            channels //= form.keep
            side //= 1 if form.pools[stage - 1] == "none" else 2
        for _ in range(layers):
            weights = 9 * (form.narrow or channels) * form.growth + channels * form.narrow
            params += weights + 2 * channels + 2 * form.narrow
            macs += weights * side**2
            channels += form.growth
    classes = entry(name).classes
    params += 2 * channels + channels * classes + classes
    assert (entry(name).params, entry(name).macs) == (params, macs + channels * classes)


@pytest.mark.parametrize(
    ("name", "params", "billions"),
    [
        ("densenet121", 7_978_856, 2.834),
        ("densenet169", 14_149_480, 3.360),
        ("densenet201", 20_013_928, 4.291),
        ("densenet161", 28_681_000, 7.728),
        ("densenet40", 1_019_722, 0.265),
    ],
)
def test_counts_are_the_sheets(name: str, params: int, billions: float) -> None:
    assert entry(name).params == params
    assert round(entry(name).macs / 1e9, 3) == billions


def test_densenet67_is_the_body_of_a_detector_of_5_833_372_weights() -> None:
    """The sheet counts DSOD, DS/64-64-16-1; what is not the body is added here by hand."""
    body = entry("densenet67").params - (608 * 1000 + 1000)
    last = 608 * 256  # behind the norm that the body ends with
    pooled_scale = 2 * 352 + 352 * 256

    def halving(channels: int, half: int) -> int:
        return 2 * (2 * channels + channels * half) + 2 * half + 9 * half * half

    scales = halving(512, 256) + halving(512, 128) + 2 * halving(256, 128)
    heads = sum(
        channels + 9 * channels * boxes * 25 + 2 * boxes * 25
        for channels, boxes in zip((352, 512, 512, 256, 256, 256), (4, 6, 6, 6, 4, 4))
    )
    assert body + last + pooled_scale + scales + heads == 5_833_372


def test_memory_access_of_densenet40_is_the_sheets() -> None:
    """The sum of h w (c_in + c_out) + k^2 c_in c_out over all convolutions."""
    assert memory_access(create("densenet40")) == 3_679_504


def memory_access(net: nn.Module) -> int:
    found = []

    def note(module: nn.Conv2d, inputs: tuple[Tensor, ...], out: Tensor) -> None:
        positions = out.shape[2] * out.shape[3]
        ends = module.in_channels + module.out_channels
        found.append(positions * ends + module.weight.numel())

    for module in net.modules():
        if isinstance(module, nn.Conv2d):
            module.register_forward_hook(note)
    net.to("meta")(torch.empty(1, 3, 32, 32, device="meta"))
    return sum(found)


def test_maps_of_each_resolution() -> None:
    with torch.device("meta"):
        found = {name: create(name).feature_info for name in FORMS}
    facts = [(i.channels, i.reduction) for i in found["densenet121"]]
    assert facts == [(256, 4), (512, 8), (1024, 16), (1024, 32)]
    facts = [(i.stage, i.channels, i.reduction) for i in found["densenet67"]]
    assert facts == [(0, 224, 4), (1, 352, 8), (3, 608, 16)]
    facts = [(i.channels, i.reduction) for i in found["densenet40"]]
    assert facts == [(160, 1), (304, 2), (448, 4)]


def test_a_norm_folds_behind_its_convolution_and_stays_before_one() -> None:
    torch.manual_seed(0)
    spec = DenseNetSpec(growth=4, layers=(2, 3), stem_channels=8, bottleneck=8, pools=("mean",))
    net, x = double(DenseNet(spec, 5)), noise(1, 3, 33, 40)
    result = fold_batch_norm(net)
    norms = [name for name, m in net.named_modules() if isinstance(m, nn.BatchNorm2d)]
    stay = [name for name in norms if not name.endswith(("stem.norm", "grow.norm"))]
    assert [skip.site for skip in result.skipped] == stay
    assert {skip.reason for skip in result.skipped} == {"its input is not a plain convolution"}
    assert len(result.changed) == len(norms) - len(stay) == 1 + 5
    assert_equal(result.model(x), net(x))


def test_without_bottlenecks_no_norm_folds() -> None:
    spec = DenseNetSpec(growth=4, layers=(2, 2), stem="small", stem_channels=8, pools=("mean",))
    result = fold_batch_norm(double(DenseNet(spec, 5)))
    assert result.changed == ()
    assert len(result.skipped) == 2 + 1 + 2 + 1


def test_timm_and_the_old_files_have_these_names() -> None:
    with torch.device("meta"):
        ours = create("densenet121").state_dict()
    new, timm, old = (
        foreign_names(ours, "densenet", d) for d in ("torchvision", "timm", "torchvision_files")
    )
    assert new == timm
    key = "stages.3.layers.15.grow.conv.weight"
    assert new[key] == "features.denseblock4.denselayer16.conv2.weight"
    assert old[key] == "features.denseblock4.denselayer16.conv.2.weight"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ({"stem": "flat"}, "stem='flat' is not offered: take 'large', 'deep' or 'small'"),
        ({"pools": ("mean", "sum", "max")}, "pool='sum' is not offered"),
        ({"pools": ("mean",)}, "transitions has 3, pools has 1"),
    ],
)
def test_a_spec_refuses_what_does_not_match(words: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        DenseNetSpec(growth=4, layers=(2, 2, 2, 2), **words)


def test_densenet67_is_of_another_paper() -> None:
    assert entry("densenet67").paper == "arXiv:1708.01241"
    assert entry("densenet40").paper == "arXiv:1608.06993"


def test_the_register_is_the_table() -> None:
    assert set(ROWS) == set(FORMS)
