import torch
import torch.nn.functional as F
from torch import nn

from fleetfoot.ops.masked import MaskedConv2d, MaskedLinear, Pruning, masked_layers

PRUNING = Pruning(rule="scl", density=0.5)


def test_layers_are_the_plain_ones_without_what_is_not_connected():
    torch.manual_seed(0)
    conv, linear = nn.Conv2d(4, 6, 3, stride=2, padding=1), nn.Linear(5, 3, bias=False)
    for plain, masked, x in (
        (conv, MaskedConv2d.of(conv, PRUNING), torch.randn(2, 4, 7, 7)),
        (linear, MaskedLinear.of(linear, PRUNING), torch.randn(2, 5)),
    ):
        assert torch.equal(masked(x), plain(x))
        assert masked.weight is plain.weight
        with torch.no_grad():
            masked.mask.normal_()
        kept = masked.weight * (masked.mask > 0)
        words = {"stride": 2, "padding": 1} if plain is conv else {}
        function = F.conv2d if plain is conv else F.linear
        expected = function(x, kept, masked.bias, **words)
        torch.testing.assert_close(masked(x), expected)
        again = masked.plain()
        assert type(again) is type(plain)
        assert torch.equal(again.weight, kept)
        assert masked.density == (masked.mask > 0).float().mean().item()


def test_the_target_falls_between_two_shares_of_the_run():
    gradual, at_once = (Pruning(rule=rule, density=0.1) for rule in ("gradual", "oneshot"))
    assert [gradual.target(p) for p in (0.0, 0.1, 0.6, 1.0)] == [1.0, 1.0, 0.1, 0.1]
    assert at_once.target(0.09) == 1.0
    assert at_once.target(0.1) == 0.1


def test_masked_layers_are_found_by_path():
    net = nn.Sequential(nn.Conv2d(1, 1, 1), MaskedConv2d.of(nn.Conv2d(1, 2, 1), PRUNING))
    assert list(masked_layers(net)) == ["1"]
