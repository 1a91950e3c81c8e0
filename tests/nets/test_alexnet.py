"""AlexNet: a second implementation on two explicit GPUs, the sheet's counts, first weights."""

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fleetfoot.core.errors import UsageError
from fleetfoot.measure.counts import count
from fleetfoot.nets.alexnet import ONE_GPU, ONE_TOWER, SIXTH, TWO_GPUS, AlexNet, AlexNetSpec
from fleetfoot.nets.catalog import entry
from fleetfoot.nets.create import create
from fleetfoot.ops.local_response_norm import LocalResponseNorm

COLUMNS = {"alexnet_2012": 2, "alexnet_2012_one_gpu": 1, "alexnet_2012_22k": 2}
CROSSES = (1, 3)  # convolutions that read the maps of both GPUs


def naive_alexnet(x: Tensor, state: dict[str, Tensor], *, columns: int, alpha: float) -> Tensor:
    """Sections 3.2 to 3.5 on ``columns`` GPUs, each with its part of every layer's kernels.

    ``alpha`` is torch's, which divides it by the five channels of a window.
    """
    names = [key.removesuffix(".weight") for key in state if "conv" in key and "weight" in key]
    gpus = [F.pad(x, (0, 3, 0, 3))] * columns  # the images are on both
    for number, name in enumerate(names, start=1):
        if number == 6:  # over the last pooling layer
            gpus = [F.max_pool2d(g, 3, 2) for g in gpus]
        if number in CROSSES and number > 1:
            gpus = [torch.cat(gpus, dim=1)] * columns
        weights = state[f"{name}.weight"].chunk(columns)
        biases = state[f"{name}.bias"].chunk(columns)
        stride, padding = (4, 0) if number == 1 else (1, weights[0].shape[-1] // 2)
        gpus = [
            F.relu(F.conv2d(g, w, b, stride=stride, padding=padding))
            for g, w, b in zip(gpus, weights, biases)
        ]
        if number < 3:
            gpus = [F.local_response_norm(g, 5, alpha=alpha, beta=0.75, k=2.0) for g in gpus]
            gpus = [F.max_pool2d(g, 3, 2) for g in gpus]
    x = torch.cat(gpus, dim=1)
    x = (x if len(names) == 6 else F.max_pool2d(x, 3, 2)).flatten(1)
    for name in ("fc6", "fc7"):
        x = F.relu(F.linear(x, state[f"{name}.weight"], state[f"{name}.bias"]))
    return F.linear(x, state["classifier.weight"], state["classifier.bias"])


def check_against_naive(name: str, *, lrn: str = "paper", alpha: float = 5e-4) -> None:
    torch.manual_seed(0)
    net = create(name, num_classes=10, lrn=lrn).eval()
    x = 100 * torch.randn(1, 3, 224, 224)  # pixels less their mean: LRN and ReLU have work to do
    with torch.no_grad():
        expected = naive_alexnet(x, net.state_dict(), columns=COLUMNS[name], alpha=alpha)
        got = net(x)
    assert expected.std() > 0.01
    assert (got - expected).abs().max() <= 1e-4 * expected.abs().max()


@pytest.mark.slow
def test_released_alpha_is_a_fifth() -> None:
    check_against_naive("alexnet_2012", lrn="released", alpha=1e-4)
    with pytest.raises(AssertionError):
        check_against_naive("alexnet_2012", lrn="paper", alpha=1e-4)


def on_meta(spec: AlexNetSpec, **words: object) -> AlexNet:
    with torch.device("meta"):
        return AlexNet(spec, 1000, **words).eval()  # type: ignore[arg-type]


def test_counts_of_the_sheet_layer_by_layer() -> None:
    net = on_meta(AlexNetSpec(convs=TWO_GPUS, columns=2))
    layers = [m for m in net.modules() if isinstance(m, (nn.Conv2d, nn.Linear))]
    weights = [34_848, 307_200, 884_736, 663_552, 442_368, 37_748_736, 16_777_216, 4_096_000]
    assert [layer.weight.numel() for layer in layers] == weights
    assert [layer.bias.numel() for layer in layers] == [96, 256, 384, 384, 256, 4096, 4096, 1000]
    sides = (55, 27, 13, 13, 13, 1, 1, 1)
    macs = [side**2 * weight for side, weight in zip(sides, weights)]
    assert [round(m / 1e6, 1) for m in macs] == [105.4, 223.9, 149.5, 112.1, 74.8, 37.7, 16.8, 4.1]
    known = entry("alexnet_2012")
    assert known.params == sum(weights) + 10_568 == 60_965_224
    assert known.macs == sum(macs) == 724_406_816


def test_counts_without_groups() -> None:
    whole = tuple(row._replace(groups=1) for row in TWO_GPUS)
    counts = count(on_meta(AlexNetSpec(convs=whole)), (3, 224, 224))
    assert counts.params == 62_378_344
    assert round(counts.macs / 1e6, 1) == 1135.3


def test_counts_of_the_other_forms() -> None:
    sixth = 9 * 128 * 256
    known = entry("alexnet_2012_22k")
    assert known.params == 60_965_224 + sixth + 256 + 4097 * (known.classes - 1000)
    assert known.macs == 724_406_816 + 6**2 * sixth + 4096 * (known.classes - 1000)
    linear = 9216 * 4096 + 4096 * 4096 + 4096 * 1000
    convs = [
        (55, 363 * 48),
        (27, 25 * 48 * 128),
        (13, 9 * 128 * 192),
        (13, 9 * 192**2),
        (13, 9 * 192 * 256),
    ]
    known = entry("alexnet_2012_one_gpu")
    biases = 48 + 128 + 192 + 192 + 256 + 2 * 4096 + 1000
    assert known.params == linear + biases + sum(weights for _, weights in convs)
    assert known.macs == linear + sum(side**2 * weights for side, weights in convs)
    assert entry("alexnet").params == 61_100_840
    assert round(entry("alexnet").macs / 1e6, 1) == 714.2


def test_the_one_gpu_net_has_about_as_many_parameters() -> None:
    assert entry("alexnet_2012_one_gpu").params / 60_965_224 == pytest.approx(1, abs=0.02)
    assert [row.channels for row in ONE_GPU] == [48, 128, 192, 192, 256]


def test_neurons_of_the_abstract() -> None:
    """About 650,000 with 55 x 55 x 96; the paper's list has 253,440 there, far too few."""
    net = on_meta(AlexNetSpec(convs=TWO_GPUS, columns=2))
    sizes: list[int] = []
    for layer in net.modules():
        if isinstance(layer, (nn.Conv2d, nn.Linear)):
            layer.register_forward_hook(lambda *call: sizes.append(call[-1].numel()))
    net(torch.empty(1, 3, 224, 224, device="meta"))
    assert sizes == [290_400, 186_624, 64_896, 64_896, 43_264, 4096, 4096, 1000]
    assert round(sum(sizes), -4) == 660_000


@pytest.mark.parametrize("number", [2, 4, 5])
def test_a_grouped_convolution_is_two_of_half_the_width(number: int) -> None:
    torch.manual_seed(0)
    row, before = TWO_GPUS[number - 1], TWO_GPUS[number - 2].channels
    assert row.groups == 2
    conv = nn.Conv2d(before, row.channels, row.kernel_size, padding=2, groups=2).double()
    x = torch.randn(1, before, 6, 5, dtype=torch.float64)
    halves = zip(x.chunk(2, 1), conv.weight.chunk(2), conv.bias.chunk(2))
    columns = [F.conv2d(part, weight, bias, padding=2) for part, weight, bias in halves]
    torch.testing.assert_close(conv(x), torch.cat(columns, dim=1))


def test_columns_meet_at_the_third_convolution_and_the_linear_layers_only() -> None:
    torch.manual_seed(0)
    net = AlexNet(AlexNetSpec(convs=(*TWO_GPUS, SIXTH), columns=2), 0).eval()
    x = torch.rand(1, 96, 55, 55)
    other = x.clone()
    other[:, 48:] += 1.0
    with torch.no_grad():
        lone, changed = (net.stages[0](t) for t in (x, other))
        assert torch.equal(lone[:, :128], changed[:, :128])
        assert not torch.equal(lone[:, 128:], changed[:, 128:])
        lone, changed = (net.stages[1].conv3(net.stages[1].pool(t)) for t in (lone, changed))
        assert not torch.equal(lone[:, :192], changed[:, :192])
        norm = net.stem.norm1
        assert torch.equal(norm(x)[:, :48], norm(other)[:, :48])


@pytest.mark.parametrize("pixels", [224, 227])
def test_sizes_round_up(pixels: int) -> None:
    net = on_meta(AlexNetSpec(convs=TWO_GPUS, columns=2))
    x = torch.empty(1, 3, pixels, pixels, device="meta")
    assert net.stem(x).shape[2:] == (55, 55)
    maps = net.forward_features(x)
    assert [tuple(m.shape[1:]) for m in maps] == [(256, 27, 27), (256, 13, 13)]
    assert net.pool(maps[-1]).shape[1:] == (256, 6, 6)


def test_first_weights() -> None:
    torch.manual_seed(0)
    net = AlexNet(AlexNetSpec(convs=TWO_GPUS, columns=2), 10)
    layers = [m for m in net.modules() if isinstance(m, (nn.Conv2d, nn.Linear))]
    for layer, bias in zip(layers, (0, 1, 0, 1, 1, 1, 1, 0)):
        assert layer.weight.std().item() == pytest.approx(0.01, rel=0.02)
        assert (layer.bias == bias).all()


def test_lrn_option() -> None:
    def norms(**words: object) -> list[LocalResponseNorm]:
        net = on_meta(AlexNetSpec(convs=TWO_GPUS, columns=2), **words)
        return [m for m in net.modules() if isinstance(m, LocalResponseNorm)]

    assert [(m.convention, m.groups, m.size) for m in norms()] == 2 * [("paper", 2, 5)]
    assert [m.convention for m in norms(lrn="released")] == 2 * ["released"]
    assert norms(lrn="none") == []
    with pytest.raises(
        UsageError, match="lrn='caffe' is not offered: take 'paper', 'released' or 'none'"
    ):
        norms(lrn="caffe")


@pytest.mark.parametrize("name", ["alexnet_2012", "alexnet"])
def test_places_of_the_dropout(name: str) -> None:
    """2012: the outputs of fc6 and fc7; 2014 (torchvision): the inputs of fc6 and fc7."""
    spec = entry(name).spec
    narrow = replace(spec, convs=tuple(row._replace(groups=1, channels=4) for row in spec.convs))
    net = AlexNet(narrow, 2, dropout=0.5).train()
    dropped: dict[str, bool] = {}
    for word in ("fc6", "fc7", "classifier"):
        net.get_submodule(word).register_forward_pre_hook(
            lambda _, args, word=word: dropped.update({word: bool((args[0] == 0).any())})
        )
    for layer in net.modules():
        if isinstance(layer, (nn.Conv2d, nn.Linear)):  # no zeros but those of the dropout
            nn.init.zeros_(layer.weight)
            nn.init.ones_(layer.bias)
    net(torch.rand(1, 3, 224, 224))
    first = name == "alexnet"
    assert dropped == {"fc6": first, "fc7": True, "classifier": not first}


def test_pooling_of_the_tower_rounds_down() -> None:
    x = torch.empty(1, 3, 72, 72, device="meta")
    for spec, sides in (
        (AlexNetSpec(convs=TWO_GPUS, columns=2), [8, 4]),
        (AlexNetSpec(convs=ONE_TOWER, as_torchvision=True), [8, 3]),
    ):
        assert [m.shape[-1] for m in on_meta(spec).forward_features(x)] == sides


def test_smallest_image_of_the_tower() -> None:
    net = on_meta(AlexNetSpec(convs=ONE_TOWER, as_torchvision=True))
    assert net.min_size == 63
    assert net(torch.empty(1, 3, 63, 63, device="meta")).shape == (1, 1000)
    with pytest.raises(RuntimeError):
        net(torch.empty(1, 3, 62, 62, device="meta"))


def test_the_one_column_net_has_its_own_paper() -> None:
    papers = {name: entry(name).paper for name in ("alexnet", "alexnet_2012")}
    assert papers["alexnet"] == "arXiv:1404.5997"
    assert papers["alexnet_2012"].startswith("NIPS 2012")
