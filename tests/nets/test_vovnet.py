"""VoVNet: a second implementation from the sheet's table, counts by hand, and the options."""

from dataclasses import replace
from typing import NamedTuple

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fleetfoot.core.errors import UsageError
from fleetfoot.measure.counts import count
from fleetfoot.nets.catalog import entry
from fleetfoot.nets.create import create
from fleetfoot.nets.names import foreign_names
from fleetfoot.nets.vovnet import V1, V2, VoVNet
from fleetfoot.passes.fold_batch_norm import fold_batch_norm
from tests.nets.naive_state import Reader, assert_equal, double, noise

WIDE = ((128, 160, 192, 224), (256, 512, 768, 1024))
SLIM = (64, 80, 96, 112)


class Form(NamedTuple):
    """A line of the sheet."""

    modules: tuple[int, ...]
    chain: tuple[int, ...]
    out: tuple[int, ...]
    layers: int = 5
    stem: str = "pool"
    shortcut: bool = False
    ese: str = "none"
    separable: bool = False


V39, V57, V99 = (Form(m, *WIDE) for m in ((1, 1, 2, 2), (1, 1, 4, 3), (1, 3, 9, 3)))
SECOND = {"stem": "stride", "shortcut": True}
V19 = Form((1, 1, 1, 1), *WIDE, layers=3, ese="last", **SECOND)
V19_SLIM = V19._replace(chain=SLIM, out=(112, 256, 384, 512))
FORMS = {
    "vovnet27_slim": Form((1, 1, 1, 1), SLIM, (128, 256, 384, 512)),
    "vovnet39": V39,
    "vovnet57": V57,
    "vovnet39a": V39._replace(stem="stride"),
    "vovnet57a": V57._replace(stem="stride"),
    "ese_vovnet19b": V19,
    "ese_vovnet19b_dw": V19._replace(separable=True),
    "ese_vovnet19b_slim": V19_SLIM,
    "ese_vovnet19b_slim_dw": V19_SLIM._replace(separable=True),
    "ese_vovnet39": V39._replace(ese="every", **SECOND),
    "ese_vovnet57": V57._replace(ese="every", **SECOND),
    "ese_vovnet99": V99._replace(ese="every", **SECOND),
    "ese_vovnet39b": V39._replace(ese="last", **SECOND),
    "ese_vovnet57b": V57._replace(ese="last", **SECOND),
    "ese_vovnet99b": V99._replace(ese="last", **SECOND),
}


def naive_vovnet(read: Reader, x: Tensor, form: Form, *, thinner: int, classes: int) -> Tensor:
    """Logits; all channels are divided by ``thinner``."""

    def layer(x: Tensor, out: int, *, stride: int = 1) -> Tensor:
        if not form.separable:
            return read.unit(x, out, 3, stride=stride)
        deep = read.conv(x, x.shape[1], 3, stride=stride, groups=x.shape[1])
        return read.unit(deep, out, 1)

    x = read.unit(x, 64 // thinner, 3, stride=2)
    x = layer(x, 64 // thinner)
    stride = 2 if form.stem == "stride" else 1
    x = layer(x, (64 if form.separable else 128) // thinner, stride=stride)
    for stage in range(4):
        if stage > 0 or form.stem == "pool":
            x = F.max_pool2d(x, 3, 2, ceil_mode=True)
        wide, out = form.chain[stage] // thinner, form.out[stage] // thinner
        for index in range(form.modules[stage]):
            chain, last = [x], x
            if form.separable and x.shape[1] != wide:
                last = read.unit(x, wide, 1)
            for _ in range(form.layers):
                last = layer(last, wide)
                chain.append(last)
            y = read.unit(torch.cat(chain, dim=1), out, 1)
            if form.ese == "every" or (form.ese == "last" and index == form.modules[stage] - 1):
                weight, bias = read.take(out, out, 1, 1)[:, :, 0, 0], read.take(out)
                gate = (y.mean(dim=(2, 3)) @ weight.T + bias + 3).clamp(0, 6) / 6
                y = y * gate[:, :, None, None]
            x = x + y if form.shortcut and index > 0 else y
    return read.linear(x, classes)


def check_against_naive(name: str) -> None:
    torch.manual_seed(0)
    net = double(create(name))
    x = noise(2, 3, 33, 32)
    assert_equal(net(x), naive_vovnet(Reader(net), x, FORMS[name], thinner=1, classes=1000))


def thin(name: str, **options: object) -> nn.Module:
    """A member with a sixteenth of the channels."""
    spec = (V1 | V2)[name].spec
    spec = replace(
        spec,
        widths=tuple(c // 16 for c in spec.widths),
        channels=tuple(c // 16 for c in spec.channels),
        stem_channels=tuple(c // 16 for c in spec.stem_channels),
    )
    return double(VoVNet(spec, 7, **options))


# The deep ones differ in how often a module comes.
EVERY = [
    pytest.param(name, marks=pytest.mark.slow if sum(form.modules) > 6 else [])
    for name, form in FORMS.items()
]


@pytest.mark.parametrize("name", EVERY)
def test_every_member_is_its_naive_form(name: str) -> None:
    torch.manual_seed(0)
    net, x = thin(name), noise(2, 3, 45, 38)
    assert_equal(net(x), naive_vovnet(Reader(net), x, FORMS[name], thinner=16, classes=7))


@pytest.mark.parametrize(
    "options",
    [
        {"stem": "stride", "shortcut": True},
        {"shortcut": True, "ese": "every"},
        {"stem": "stride", "ese": "last"},
    ],
)
def test_options_are_the_naive_form_too(options: dict[str, object]) -> None:
    torch.manual_seed(0)
    net, x = thin("vovnet39", **options), noise(1, 3, 40, 45)
    form = V39._replace(**options)
    assert_equal(net(x), naive_vovnet(Reader(net), x, form, thinner=16, classes=7))


def test_the_register_is_the_table() -> None:
    assert set(V1) | set(V2) == set(FORMS)


@pytest.mark.parametrize(
    ("name", "params"),
    [
        ("vovnet27_slim", 3_525_736),
        ("vovnet39", 22_600_296),
        ("vovnet57a", 36_640_296),
        ("ese_vovnet19b", 11_205_416),
        ("ese_vovnet39", 26_209_128),
        ("ese_vovnet39b", 24_568_936),
        ("ese_vovnet57", 42_479_912),
        ("ese_vovnet57b", 38_608_936),
        ("ese_vovnet99", 70_548_520),
        ("ese_vovnet99b", 63_199_272),
    ],
)
def test_params_are_the_sheets(name: str, params: int) -> None:
    assert entry(name).params == params


@pytest.mark.parametrize(
    ("name", "stem", "billions"),
    [
        ("vovnet27_slim", "pool", 2.870),
        ("vovnet27_slim", "stride", 2.177),
        ("vovnet39", "pool", 7.766),
        ("vovnet39", "stride", 7.072),
        ("vovnet57", "pool", 9.624),
        ("vovnet57", "stride", 8.930),
    ],
)
def test_both_stems_cost_what_the_sheet_says(name: str, stem: str, billions: float) -> None:
    with torch.device("meta"):
        net = create(name, stem=stem)
    counts = count(net, (3, 224, 224))
    assert round(counts.macs / 1e9, 3) == billions
    assert counts.params == entry(name).params


@pytest.mark.parametrize("name", [name for name in FORMS if not FORMS[name].separable])
def test_macs_by_hand(name: str) -> None:
    form = FORMS[name]
    third_side = 112 if form.stem == "pool" else 56
    macs = 9 * (3 * 64 * 112**2 + 64 * 64 * 112**2 + 64 * 128 * third_side**2)
    channels = 128
    for side, wide, out, modules in zip((56, 28, 14, 7), form.chain, form.out, form.modules):
        for index in range(modules):
            chain = 9 * (channels * wide + (form.layers - 1) * wide * wide)
            macs += (chain + (channels + form.layers * wide) * out) * side**2
            if form.ese == "every" or (form.ese == "last" and index == modules - 1):
                macs += out * out
            channels = out
    assert entry(name).macs == macs + channels * 1000


def test_the_grid_of_pooling_that_rounds_up() -> None:
    with torch.device("meta"):
        net = create("vovnet39").eval()
        for pixels, sides in ((300, [75, 37, 18, 9]), (320, [80, 40, 20, 10])):
            maps = net.forward_features(torch.empty(1, 3, pixels, pixels))
            assert [m.shape[-1] for m in maps] == sides


def test_only_shortcuts_drop() -> None:
    with torch.device("meta"):
        rates = [m.rate for m in create("ese_vovnet39b", drop_path=0.5).modules() if _drops(m)]
        assert rates == pytest.approx([0.3, 0.5])
        assert not any(_drops(m) for m in create("vovnet39", drop_path=0.5).modules())


def _drops(module: nn.Module) -> bool:
    return hasattr(module, "rate")


@pytest.mark.parametrize("name", ["vovnet39", "ese_vovnet39", "ese_vovnet19b_slim_dw"])
def test_every_norm_folds(name: str) -> None:
    torch.manual_seed(0)
    net, x = thin(name), noise(1, 3, 33, 36)
    result = fold_batch_norm(net)
    assert result.skipped == ()
    assert len(result.changed) == sum(isinstance(m, nn.BatchNorm2d) for m in net.modules())
    assert_equal(result.model(x), net(x))


def test_names_of_the_official_files() -> None:
    with torch.device("meta"):
        ours = create("vovnet39", stem="stride", shortcut=True).state_dict()
    theirs = set(foreign_names(ours, "vovnet", "official").values())
    assert len(theirs) == len(ours)
    assert theirs >= {
        "stem.stem_3/conv.weight",
        "stage2.OSA2_1.layers.0.OSA2_1_0/conv.weight",
        "stage4.OSA4_2.layers.4.OSA4_2_4/norm.running_var",
        "stage5.OSA5_2.concat.OSA5_2_concat/norm.bias",
        "classifier.bias",
    }


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"stem": "patch"}, "stem='patch' is not offered: take 'pool' or 'stride'"),
        ({"ese": "first"}, "ese='first' is not offered: take 'none', 'last' or 'every'"),
        ({"drop_path": 1.5}, r"drop_path=1\.5 is not in"),
        ({"dropout": -0.1}, r"dropout=-0\.1 is not in"),
    ],
)
def test_refuses_other_words(options: dict[str, object], message: str) -> None:
    with torch.device("meta"), pytest.raises(UsageError, match=message):
        create("ese_vovnet39", **options)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"stem": "patch"}, "stem='patch' is not offered"),
        ({"ese": "all"}, "ese='all' is not offered"),
        ({"widths": SLIM[:3]}, "modules has 4, widths has 3, channels has 4"),
    ],
)
def test_a_spec_refuses_what_does_not_match(change: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        replace(V1["vovnet39"].spec, **change)


def test_the_second_version_has_its_own_paper() -> None:
    papers = {name.startswith("ese"): entry(name).paper for name in V1 | V2}
    assert papers == {True: "arXiv:1911.06667", False: "arXiv:1904.09730"}
