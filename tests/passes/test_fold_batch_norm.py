"""Folding: the algebra in float64, the graph, every refusal, and that the input is left alone."""

import copy

import pytest
import torch
from torch import Tensor, nn

from fleetfoot.core.results import Skip
from fleetfoot.ops.conv import conv_norm_act
from fleetfoot.passes.fold_batch_norm import fold_batch_norm, folded_conv


def randomised(net: nn.Module) -> nn.Module:
    """Give every norm statistics that matter."""
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d) and module.running_var is not None:
            nn.init.normal_(module.running_mean)
            nn.init.uniform_(module.running_var, 0.5, 2.0)
            if module.affine:
                nn.init.uniform_(module.weight, 0.5, 2.0)
                nn.init.normal_(module.bias)
    return net.eval()


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("affine", [True, False])
@pytest.mark.parametrize("groups", [1, 2])
def test_algebra_is_exact_in_float64(bias: bool, affine: bool, groups: int) -> None:
    conv = nn.Conv2d(4, 6, 3, padding=1, bias=bias, groups=groups).double()
    norm = nn.BatchNorm2d(6, affine=affine).double()
    randomised(norm)
    x = torch.randn(2, 4, 5, 5, dtype=torch.float64)
    torch.testing.assert_close(folded_conv(conv, norm)(x), norm(conv(x)), rtol=0, atol=1e-13)


def test_keeps_the_dtype_of_the_convolution() -> None:
    folded = folded_conv(nn.Conv2d(2, 2, 1).bfloat16(), nn.BatchNorm2d(2))
    assert folded.weight.dtype == folded.bias.dtype == torch.bfloat16


def test_folds_every_site_and_leaves_the_input_alone() -> None:
    net = randomised(
        nn.Sequential(conv_norm_act(3, 8, stride=2, padding="same"), conv_norm_act(8, 4, act=None))
    ).train()
    before = copy.deepcopy(net.state_dict())
    x = torch.randn(2, 3, 9, 9)
    result = fold_batch_norm(net)
    assert result.changed == ("0.conv", "1.conv")
    assert result.skipped == ()
    assert not any(isinstance(m, nn.BatchNorm2d) for m in result.model.modules())
    assert net.training
    assert all(torch.equal(net.state_dict()[key], value) for key, value in before.items())
    torch.testing.assert_close(result.model(x), net.eval()(x), rtol=1e-5, atol=1e-5)


def test_twice_is_once_and_no_site_is_no_change() -> None:
    once = fold_batch_norm(randomised(conv_norm_act(3, 4)))
    twice = fold_batch_norm(once.model)
    assert twice.changed == ()
    assert twice.skipped == ()
    x = torch.randn(1, 3, 4, 4)
    assert torch.equal(twice.model(x), once.model(x))


class Awkward(nn.Module):
    """One convolution and one norm, used in the way `forward` of a subclass says."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(4, 4, 1)
        self.norm = nn.BatchNorm2d(4)


class ReadTwice(Awkward):
    def forward(self, x: Tensor) -> Tensor:
        y = self.conv(x)
        return self.norm(y) + y


class CalledTwice(Awkward):
    def forward(self, x: Tensor) -> Tensor:
        return self.norm(self.conv(self.norm(self.conv(x))))


class FiltersReadElsewhere(Awkward):
    def forward(self, x: Tensor) -> Tensor:
        return self.norm(self.conv(x)) * self.conv.weight.mean()


class NormFirst(Awkward):
    def forward(self, x: Tensor) -> Tensor:
        return self.conv(self.norm(x))


class NoStatistics(Awkward):
    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(4, track_running_stats=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(self.conv(x))


class ByKeyword(Awkward):
    def forward(self, x: Tensor) -> Tensor:
        return self.norm(input=self.conv(x))


class Parametrised(Awkward):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.utils.parametrizations.weight_norm(self.conv)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(self.conv(x))


@pytest.mark.parametrize(
    ("kind", "reasons"),
    [
        (ReadTwice, ["the convolution is read by something else"]),
        (CalledTwice, ["the module is called more than once"] * 2),
        (FiltersReadElsewhere, ["the filters are read by something else"]),
        (NormFirst, ["its input is not a plain convolution"]),
        (NoStatistics, ["the normalisation keeps no running statistics"]),
        (ByKeyword, ["its input is not a plain convolution"]),
        (Parametrised, ["its input is not a plain convolution"]),
    ],
)
def test_declines_with_a_reason_and_stays_right(kind: type[Awkward], reasons: list[str]) -> None:
    net = randomised(kind())
    result = fold_batch_norm(net)
    assert result.changed == ()
    assert result.skipped == tuple(Skip("norm", reason) for reason in reasons)
    x = torch.randn(2, 4, 3, 3)
    torch.testing.assert_close(result.model(x), net(x))
