"""Modules of a kind or at a path, and no others, are replaced: in a copy, in place, in a graft."""

import torch
from torch import nn

from fleetfoot.core.surgery import grafted, replaced, swap_modules


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


def test_a_graft_shares_all_but_the_containers_on_the_way():
    net = nn.Sequential(
        nn.Linear(2, 3),
        nn.Sequential(nn.ReLU(), nn.Sequential(nn.Linear(3, 3), nn.GELU())),
        nn.Sequential(nn.Linear(3, 1)),
    )
    before = [(path, id(module)) for path, module in net.named_modules()]
    tanh, wider = nn.Tanh(), nn.Sequential(nn.Linear(3, 9), nn.Linear(9, 3))
    made = grafted(net, {"1.0": tanh, "1.1.0": wider})
    assert [(path, id(module)) for path, module in net.named_modules()] == before
    assert made[1][0] is tanh
    assert made[1][1][0] is wider
    assert [made[0], made[1][1][1], made[2]] == [net[0], net[1][1][1], net[2]]
    for new, old in [(made, net), (made[1], net[1]), (made[1][1], net[1][1])]:
        assert new is not old
        assert type(new) is type(old)
    x = torch.randn(4, 2)
    assert torch.equal(made(x), net[2](net[1][1][1](wider(net[0](x).tanh()))))


def test_training_a_graft_trains_the_network():
    net = nn.Sequential(nn.BatchNorm1d(2), nn.Sequential(nn.Linear(2, 2), nn.ReLU()))
    made = grafted(net, {"1.1": nn.Tanh()})
    before = net[1][0].weight.clone()
    made(torch.randn(4, 2)).sum().backward()
    torch.optim.SGD(made.parameters(), lr=1.0).step()
    assert not torch.equal(net[1][0].weight, before)
    assert net[0].num_batches_tracked == 1
    assert [*made.state_dict()] == [*net.state_dict()]


def test_a_graft_at_the_top_keeps_order_and_mode():
    net = nn.Sequential(nn.Linear(2, 2), nn.ReLU(), nn.Linear(2, 1)).eval()
    made = grafted(net, {"1": nn.Tanh()})
    assert [type(module) for module in made] == [nn.Linear, nn.Tanh, nn.Linear]
    assert not made.training
    assert type(net[1]) is nn.ReLU


def test_a_graft_keeps_every_place_of_a_module():
    act = nn.ReLU()
    net = nn.Sequential(nn.Linear(2, 2), act, nn.Linear(2, 2), act)
    made = grafted(net, {"0": nn.Linear(2, 2)})
    assert [*made][1:] == [*net][1:]


def test_a_graft_keeps_a_place_without_a_module():
    net = nn.Sequential(nn.Linear(2, 2))
    net.register_module("shortcut", None)
    assert grafted(net, {"0": nn.Tanh()}).shortcut is None


def test_an_empty_sequence_may_be_grafted():
    assert len(grafted(nn.Sequential(nn.ReLU()), {"0": nn.Sequential()})[0]) == 0
