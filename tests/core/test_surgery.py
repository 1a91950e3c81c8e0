"""Modules of a kind, and no others, are replaced: in a copy, or in place."""

import torch
from torch import nn

from fleetfoot.core.surgery import replaced, swap_modules


def test_modules_of_a_kind_are_replaced_in_a_copy():
    net = nn.Sequential(nn.Conv2d(1, 2, 1), nn.GELU(), nn.Sequential(nn.GELU(), nn.Tanh()))
    seen: list[nn.Module] = []
    other = replaced(net, nn.GELU, lambda module: seen.append(module) or nn.ReLU())
    assert [type(m) for m in other.modules() if not list(m.children())] == [
        nn.Conv2d,
        nn.ReLU,
        nn.ReLU,
        nn.Tanh,
    ]
    assert isinstance(net[1], nn.GELU)
    assert net.training
    assert not other.training
    assert all(module is not net[1] for module in seen)
    assert torch.equal(other[0].weight, net[0].weight)


def test_modules_are_swapped_in_place_once_for_all_their_paths():
    shared = nn.ReLU()
    net = nn.Sequential(nn.Linear(2, 2), shared, nn.Sequential(shared, nn.ReLU()), nn.ReLU6())
    net[2][1].eval()
    result = swap_modules(
        net, (nn.ReLU,), lambda path, module: "the last" if path == "2.1" else nn.Tanh()
    )
    assert result.model is net
    assert result.changed == ("1", "2.0")
    assert [(skip.site, skip.reason) for skip in result.skipped] == [("2.1", "the last")]
    assert net[1] is net[2][0]
    assert [type(m) for m in (net[1], net[2][1], net[3])] == [nn.Tanh, nn.ReLU, nn.ReLU6]
    assert net.training
    assert net[1].training
    assert [*net.state_dict()] == ["0.weight", "0.bias"]
    assert swap_modules(net, (nn.GELU,), lambda *_: nn.ReLU()).changed == ()
