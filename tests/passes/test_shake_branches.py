"""ShakeDrop in residual branches, and its mean gain folded away."""

import pytest
import torch
from torch import Tensor, nn

from fleetfoot.core.errors import UsageError
from fleetfoot.nets.create import skeleton
from fleetfoot.ops.shake_drop import ShakeDrop
from fleetfoot.ops.stochastic_depth import StochasticDepth
from fleetfoot.passes.shake_branches import fold_shake_drop, shake_branches
from tests.contracts.subjects import randomise


class Branches(nn.Module):
    """Three residual branches, ending in a norm, a convolution and an activation."""

    def __init__(self) -> None:
        super().__init__()
        self.norm, self.conv, self.act = nn.BatchNorm2d(3), nn.Conv2d(3, 3, 1), nn.Tanh()
        self.first, self.second, self.third = (StochasticDepth(0.2) for _ in range(3))

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.first(self.norm(x))
        x = x + self.second(self.conv(x))
        return x + self.third(self.act(x))


def shaken() -> nn.Module:
    torch.manual_seed(0)
    return shake_branches(randomise(Branches()).train(), last=0.5).model


def test_branches_with_a_place_for_the_gain_get_falling_rates() -> None:
    result = shake_branches(Branches(), last=0.5, level="image")
    assert result.changed == ("first", "second")
    assert [skip.site for skip in result.skipped] == ["third"]
    net = result.model
    assert (net.first.keep, net.second.keep, net.second.level) == (0.75, 0.5, "image")
    assert isinstance(net.third, StochasticDepth)
    assert net.training
    assert net.first.training


def test_a_part_in_evaluation_mode_stays_in_it() -> None:
    net = Branches().train()
    net.norm.eval()
    assert shake_branches(net).model.training
    assert not net.norm.training


def test_the_folded_network_is_that_of_evaluation() -> None:
    net, x = shaken().eval(), torch.randn(2, 3, 4, 4)
    expected = net(x)
    keys = list(net.state_dict())
    folded = fold_shake_drop(net)
    torch.testing.assert_close(folded(x), expected)
    assert list(folded.state_dict()) == keys
    assert not any(isinstance(module, ShakeDrop) for module in folded.modules())
    again = {name: tensor.clone() for name, tensor in folded.state_dict().items()}
    fold_shake_drop(folded)
    assert all(torch.equal(tensor, again[n]) for n, tensor in folded.state_dict().items())


def test_a_gain_put_in_by_hand_where_it_cannot_be_folded_stays() -> None:
    net = Branches()
    net.third = ShakeDrop(0.5)
    assert isinstance(fold_shake_drop(net).third, ShakeDrop)


def test_a_branch_without_a_layer_has_no_place_for_the_gain() -> None:
    class Doubled(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.drop_path = StochasticDepth(0.2)

        def forward(self, x: Tensor) -> Tensor:
            return x + self.drop_path(2 * x)

    assert shake_branches(Doubled()).changed == ()


@pytest.mark.parametrize("name", ["resnet20_cifar", "fasternet_t0", "efficientnet_b0"])
def test_residual_networks_have_branches(name: str) -> None:
    result = shake_branches(skeleton(name))
    assert len(result.changed) > 5
    assert result.skipped == ()


def test_refuses_what_cannot_be_traced() -> None:
    class Branching(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x if x.sum() > 0 else -x

    with pytest.raises(UsageError, match="cannot be traced"):
        shake_branches(Branching())
