"""The view trains the network it was made of, in the same steps, and leaves it as it is."""

import copy
import sys
from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fleetfoot.core.errors import MissingError, UsageError
from fleetfoot.nets.create import create
from fleetfoot.train.fused.fused_view import check_fused, fused_view, view_of, why_not_fused

# Side of the images, and how far gradients may lie apart: where an activation has a kink, rounding
# decides for a few of its inputs, in torch's own steps as well.
NETS = {
    "fasternet_t0": (64, 1e-3),
    "fleetnet_small": (32, 1e-3),
    "mobilenetv3_small_050": (64, 1e-2),
    "efficientnet_b0": (32, 1e-2),
    "efficientnet_lite0": (64, 0.1),
    "mobilenetv2_035": (64, 0.1),
    "vovnet27_slim": (64, 0.1),
    "resnet20_cifar": (32, 0.1),
}


class Small(nn.Module):
    """Patches, norm, activation, pointwise convolution, norm, activation; parts may be changed."""

    def __init__(self, **parts: nn.Module) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.conv1 = nn.Conv2d(3, 8, 2, stride=2, bias=False)
        self.norm1 = nn.BatchNorm2d(8)
        self.act1: nn.Module = nn.GELU()
        self.conv2 = nn.Conv2d(8, 8, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(8)
        self.act2: nn.Module = nn.SiLU()
        for name, part in parts.items():
            setattr(self, name, part)

    def forward(self, x: Tensor) -> Tensor:
        x = self.act1(self.norm1(self.conv1(x)))
        return self.act2(self.norm2(self.conv2(x))).mean(dim=(2, 3))


ALL = ("conv1", "norm1", "act1", "conv2", "norm2", "act2")


def laid_out(net: nn.Module) -> nn.Module:
    return net.to(memory_format=torch.channels_last).train()


def images(batch: int = 4, size: int = 8) -> Tensor:
    x = torch.randn(batch, 3, size, size, generator=torch.Generator().manual_seed(1))
    return x.contiguous(memory_format=torch.channels_last)


def step(model: nn.Module, net: nn.Module, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return the loss through ``model``; gradients and buffers of ``net``, each as one vector."""
    torch.manual_seed(2)  # of dropout
    loss = F.cross_entropy(model(x).float(), torch.arange(len(x)))
    loss.backward()
    grads = [parameter.grad for parameter in net.parameters() if parameter.requires_grad]
    buffers = [buffer.double().flatten() for buffer in net.buffers()]
    return loss.detach(), torch.cat([g.flatten() for g in grads]), torch.cat(buffers)


def agree(net: nn.Module, x: Tensor, *, error: float) -> None:
    """Take the same step through a network and through the view of a copy."""
    twin = copy.deepcopy(net)
    its, ours = step(net, net, x), step(fused_view(twin).model, twin, x)
    torch.testing.assert_close(ours[0], its[0], rtol=min(error, 1e-3), atol=0)
    assert (ours[1] - its[1]).norm() < error * its[1].norm()
    torch.testing.assert_close(ours[2], its[2], rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("name", NETS)
def test_a_step_through_the_view_is_one_of_the_network(name: str) -> None:
    size, error = NETS[name]
    torch.manual_seed(0)
    net = laid_out(create(name, num_classes=5))
    assert fused_view(net).skipped == ()
    assert len(fused_view(net).changed) > 10
    agree(net, images(size=size), error=error)


@pytest.mark.parametrize("name", ["fasternet_t0", "vovnet27_slim"])
def test_everything_is_shared_and_the_network_stays_as_it_is(name: str) -> None:
    net = create(name, num_classes=5)
    before = [(path, id(module)) for path, module in net.named_modules()]
    names = [*net.state_dict()]
    result = fused_view(net)
    assert result.model is not net
    for kind in ("parameters", "buffers"):
        theirs, ours = ([*map(id, getattr(m, kind)())] for m in (net, result.model))
        assert sorted(theirs) == sorted(ours)
    assert [(path, id(module)) for path, module in net.named_modules()] == before
    assert [*net.state_dict()] == names


def test_twice_is_once() -> None:
    net = Small()
    result = fused_view(net)
    assert fused_view(net).changed == result.changed == ALL
    again = fused_view(result.model)
    assert again.model is result.model
    assert again.changed == ()


def test_the_network_is_evaluated_with_what_the_view_learned() -> None:
    nets = [laid_out(Small()) for _ in range(2)]
    for net, kernels in zip(nets, ("torch", "fused"), strict=True):
        view = view_of(net, kernels)
        assert (view is net) == (kernels == "torch")
        optimizer = torch.optim.SGD(net.parameters(), lr=0.5)
        for _ in range(5):
            optimizer.zero_grad()
            step(view, net, images())
            optimizer.step()
    fresh, *trained = (net.eval()(images()) for net in (Small(), *nets))
    torch.testing.assert_close(trained[1], trained[0], rtol=1e-3, atol=1e-3)
    assert (trained[1] - fresh).abs().max() > 0.1


def test_autocast_steps_agree_within_the_rounding_of_bfloat16() -> None:
    net = laid_out(Small(act2=nn.GELU()))
    with torch.autocast("cpu", torch.bfloat16):
        agree(net, images(size=16), error=0.05)


def test_norms_that_rest_are_left_to_rest() -> None:
    net = laid_out(Small())
    for norm in (net.norm1, net.norm2):
        norm.eval()
    agree(net, images(), error=1e-4)
    assert net.norm1.num_batches_tracked == 0


def hooked(module: nn.Module) -> nn.Module:
    module.register_forward_hook(lambda *_: None)
    return module


@pytest.mark.parametrize(
    ("parts", "changed", "skipped"),
    [
        (
            lambda: {"norm1": hooked(nn.BatchNorm2d(8))},
            {*ALL} - {"norm1", "act1"},
            [("norm1", "the module has hooks")],
        ),
        (
            lambda: {"conv2": hooked(nn.Conv2d(8, 8, 1, bias=False))},
            {*ALL} - {"conv2"},
            [("conv2", "the module has hooks")],
        ),
        (lambda: {"act1": hooked(nn.ReLU())}, {*ALL} - {"act1"}, []),
        (lambda: {"act1": nn.Tanh()}, {*ALL} - {"act1"}, []),
        (
            lambda: {"norm2": nn.BatchNorm2d(8, affine=False)},
            {*ALL} - {"norm2", "act2"},
            [("norm2", "the norm has no weights or no moving average")],
        ),
        (lambda: {"norm2": nn.GroupNorm(2, 8)}, {*ALL} - {"norm2", "act2"}, []),
        (lambda: {"conv2": nn.Conv2d(8, 8, 3, padding=1, bias=False)}, {*ALL} - {"conv2"}, []),
    ],
    ids=["hooked norm", "hooked conv", "hooked act", "tanh", "bare norm", "other norm", "3 x 3"],
)
def test_what_does_not_fit_is_left(
    parts: Callable[[], dict[str, nn.Module]], changed: set[str], skipped: list[tuple[str, str]]
) -> None:
    net = laid_out(Small(**parts()))
    result = fused_view(net)
    assert {*result.changed} == changed
    assert [(skip.site, skip.reason) for skip in result.skipped] == skipped
    agree(net, images(), error=1e-3)


class Twice(Small):
    """One activation for both norms, and one norm for both convolutions."""

    def forward(self, x: Tensor) -> Tensor:
        x = self.act1(self.norm1(self.conv1(x)))
        x = x + self.act1(self.norm2(self.conv2(x)))
        return self.norm2(x).mean(dim=(2, 3))


def test_what_is_called_twice_stays() -> None:
    net = laid_out(Twice())
    result = fused_view(net)
    assert result.changed == ("conv1", "norm1", "conv2")
    assert {(skip.site, skip.reason) for skip in result.skipped} == {
        ("norm2", "the module is called more than once")
    }
    agree(net, images(), error=1e-3)


class Branching(Small):
    def forward(self, x: Tensor) -> Tensor:
        x = self.norm1(self.conv1(x))
        return (x + self.act1(x)).mean(dim=(2, 3))


def test_an_activation_beside_which_the_norm_is_read_stays() -> None:
    net = laid_out(Branching(conv2=nn.Identity(), norm2=nn.Identity()))
    assert fused_view(net).changed == ("conv1", "norm1")
    agree(net, images(), error=1e-3)


class Aliased(Small):
    """The norm that is called stands at another path as well."""

    def __init__(self) -> None:
        super().__init__()
        self.norm3 = self.norm1

    def forward(self, x: Tensor) -> Tensor:
        x = self.act1(self.norm3(self.conv1(x)))
        return self.act2(self.norm2(self.conv2(x))).mean(dim=(2, 3))


def test_what_stands_at_two_paths_stays() -> None:
    result = fused_view(Aliased().train())
    assert result.changed == ("conv1", "conv2", "norm2", "act2")
    assert [skip.reason for skip in result.skipped] == ["the module stands at several paths"]


@pytest.mark.parametrize("kind", ["norm", "activation"])
def test_a_module_at_two_places_is_computed_at_both(kind: str) -> None:
    torch.manual_seed(0)
    act, end = nn.SiLU(), [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 8)]
    twice = nn.Sequential(nn.BatchNorm2d(3), act, nn.BatchNorm2d(3), act, *end)
    agree(laid_out(Aliased() if kind == "norm" else twice), images(), error=1e-3)


def test_an_activation_in_place_may_follow_a_patch_product() -> None:
    agree(laid_out(Small(norm2=nn.Identity(), act2=nn.ReLU(inplace=True))), images(), error=1e-3)


class Choosing(Small):
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x if x.mean() > 0 else -x)


@pytest.mark.parametrize(
    ("net", "reasons"),
    [(nn.Sequential(nn.Flatten(), nn.Linear(192, 5)), []), (Choosing(), ["cannot be traced"])],
    ids=["nothing to fuse", "untraceable"],
)
def test_a_network_may_be_its_own_view(net: nn.Module, reasons: list[str]) -> None:
    result = fused_view(net)
    assert result.model is net
    assert result.changed == ()
    assert len(result.skipped) == len(reasons)
    assert all(word in skip.reason for word, skip in zip(reasons, result.skipped, strict=True))


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ({"device": "cpu", "layout": "nhwc"}, None),
        ({"device": "cuda", "layout": "nhwc"}, "processors"),
        ({"device": "cpu", "layout": "nchw"}, "channels last"),
    ],
)
def test_says_where_it_cannot_be_used(words: dict[str, Any], reason: str | None) -> None:
    found = why_not_fused(**words)
    assert found is None if reason is None else reason in str(found)


def test_fused_kernels_that_cannot_be_are_refused() -> None:
    check_fused(device="cpu", layout="nhwc")
    with pytest.raises(UsageError, match="kernels is 'fused', but the kernels are for maps"):
        check_fused(device="cpu", layout="nchw")


def test_a_network_in_evaluation_mode_has_no_view() -> None:
    with pytest.raises(UsageError, match=r"call `net\.train\(\)` first"):
        fused_view(Small().eval())


def test_numba_is_asked_for_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "numba", None)
    assert "fleetfoot[kernels]" in str(why_not_fused(device="cpu", layout="nhwc"))
    net = Small()
    assert view_of(net, "torch") is net
    with pytest.raises(MissingError, match="numba is not installed"):
        view_of(net, "fused")
