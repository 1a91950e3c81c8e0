"""Dead channels go and the answers stay: sums, concatenations, depthwise layers, borders."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from fleetfoot.measure.counts import count
from fleetfoot.nets.create import create
from fleetfoot.passes.compact import compact
from tests.contracts.subjects import randomise


def silence(net: nn.Module, share: float = 0.4, *, offset: bool = False) -> nn.Module:
    """Set filters to 0, and the offset of the norms behind them, unless they shall be constant."""
    torch.manual_seed(1)
    with torch.no_grad():
        modules = list(net.modules())
        for module, after in zip(modules, [*modules[1:], None]):
            if isinstance(module, nn.Conv2d) and module.groups == 1:
                dead = torch.rand(module.out_channels) < share
                module.weight[dead] = 0
                if module.bias is not None:
                    module.bias[dead] = 0
                if isinstance(after, nn.BatchNorm2d):
                    after.get_buffer("running_mean")[dead] = 0
                    if not offset:
                        after.bias[dead] = 0
    return net.eval()


@pytest.mark.parametrize("offset", [False, True])
@pytest.mark.parametrize("name", ["resnet20_cifar", "vovnet27_slim", "mobilenetv2_035"])
def test_answers_stay(name: str, offset: bool):
    torch.manual_seed(0)
    net = silence(randomise(create(name, num_classes=5)), offset=offset)
    side = getattr(net, "only_size", None) or 32
    x = torch.randn(2, 3, side, side)
    before = {key: value.clone() for key, value in net.state_dict().items()}
    result = compact(net)
    assert all(torch.equal(value, before[key]) for key, value in net.state_dict().items())
    with torch.no_grad():
        expected, found = net(x), result.model(x)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)
    if name != "resnet20_cifar":
        assert result.changed
        old, new = (count(each, (3, side, side)).macs for each in (net, result.model))
        assert new < (0.7 if not offset else 0.95) * old


def test_a_network_without_zeros_is_left_as_it_is():
    net = create("resnet20_cifar").eval()
    assert compact(net).changed == ()


def test_constants_go_into_biases_but_not_across_borders():
    torch.manual_seed(0)

    def chain(padding: int) -> nn.Sequential:
        first = nn.Conv2d(3, 4, 1, bias=False)
        norm = nn.BatchNorm2d(4).eval()
        with torch.no_grad():
            first.weight[1:3] = 0
            norm.bias.copy_(torch.tensor([0.1, 0.7, -0.7, 0.2]))
        return nn.Sequential(first, norm, nn.ReLU(), nn.Conv2d(4, 2, 3, padding=padding)).eval()

    x = torch.randn(1, 3, 6, 6)
    for padding, channels in ((0, 2), (1, 3)):  # relu(0.7) is seen inside alone, relu(-0.7) nowhere
        net = chain(padding)
        result = compact(net).model
        assert result[0].out_channels == channels
        with torch.no_grad():
            torch.testing.assert_close(result(x), net(x))


def test_what_nobody_reads_goes_with_what_leads_to_it():
    torch.manual_seed(0)
    net = nn.Sequential(
        *(nn.Conv2d(3, 6, 1), nn.ReLU(), nn.Conv2d(6, 5, 1), nn.ReLU(), nn.Conv2d(5, 2, 1))
    ).eval()
    with torch.no_grad():
        net[4].weight[:, 1:] = 0
        net[2].weight[0, 3:] = 0
    result = compact(net).model
    assert [layer.out_channels for layer in result[::2]] == [3, 1, 2]
    x = torch.randn(2, 3, 4, 4)
    with torch.no_grad():
        torch.testing.assert_close(result(x), net(x))


def test_a_layer_keeps_a_channel_and_unknown_layers_keep_all():
    net = nn.Sequential(nn.Conv2d(3, 4, 1), nn.ReLU(), nn.Conv2d(4, 2, 1)).eval()
    with torch.no_grad():
        net[0].weight.zero_()
    result = compact(net).model
    assert result[0].out_channels == 1
    x = torch.randn(1, 3, 4, 4)
    with torch.no_grad():
        torch.testing.assert_close(result(x), net(x))

    class Odd(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.last = nn.Conv2d(3, 4, 1), nn.Conv2d(4, 2, 1)

        def forward(self, x: Tensor) -> Tensor:
            return self.last(self.conv(x) * 2)

    net = Odd().eval()
    with torch.no_grad():
        net.conv.weight[0] = 0
    assert compact(net).changed == ()


class Two(nn.Module):
    """Two convolutions with a dead filter at the same place, and a way to join what they give."""

    def __init__(self, join: Callable[[Tensor, Tensor], Tensor], channels: int = 4) -> None:
        super().__init__()
        self.a, self.b = nn.Conv2d(3, 4, 1, bias=False), nn.Conv2d(3, 4, 1, bias=False)
        self.join, self.last = join, nn.Conv2d(channels, 2, 1)
        with torch.no_grad():
            self.a.weight[1] = self.b.weight[1] = 0

    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.join(self.a(x), self.b(x)))


@pytest.mark.parametrize(
    ("join", "channels", "left"),
    [
        (lambda a, b: torch.cat([a, b], dim=1), 8, 6),
        (lambda a, _: torch.cat([a, a], dim=1), 8, 8),
        (lambda a, b: torch.cat([a, b], dim=2), 4, 4),
        (lambda a, b: a + b, 4, 3),
        (lambda a, b: torch.add(a, b, alpha=2), 4, 4),
    ],
)
def test_ways_to_join(join: Callable[[Tensor, Tensor], Tensor], channels: int, left: int):
    torch.manual_seed(0)
    net, x = Two(join, channels).eval(), torch.randn(2, 3, 4, 4)
    result = compact(net).model
    assert result.last.in_channels == left
    with torch.no_grad():
        torch.testing.assert_close(result(x), net(x))


class Shared(Two):
    """One convolution and one activation, called once or twice."""

    def __init__(self, calls: int) -> None:
        super().__init__(torch.add)
        self.shared, self.act, self.calls = nn.Conv2d(4, 4, 1), nn.ReLU(), calls
        with torch.no_grad():
            self.shared.weight[1] = self.shared.bias[1] = 0

    def forward(self, x: Tensor) -> Tensor:
        a, b = self.act(self.shared(self.a(x))), self.b(x)
        return self.last(a + self.act(self.shared(b) if self.calls == 2 else b))


@pytest.mark.parametrize(("calls", "left", "skipped"), [(1, 3, []), (2, 4, ["shared"])])
def test_an_activation_may_be_shared_and_a_layer_keeps_what_two_calls_read(
    calls: int, left: int, skipped: list[str]
):
    torch.manual_seed(0)
    net, x = Shared(calls).eval(), torch.randn(2, 3, 4, 4)
    result = compact(net)
    assert [skip.site for skip in result.skipped] == skipped
    assert result.model.shared.weight.shape[:2] == (left, left)
    with torch.no_grad():
        torch.testing.assert_close(result.model(x), net(x))


@pytest.mark.parametrize(
    "layers",
    [
        (nn.Flatten(), nn.BatchNorm1d(16), nn.Linear(16, 2)),
        (nn.Flatten(2), nn.Linear(4, 2)),
        (nn.BatchNorm2d(4, track_running_stats=False), nn.Conv2d(4, 2, 1)),
    ],
)
def test_what_does_not_go_by_channels_keeps_them(layers: tuple[nn.Module, ...]):
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(3, 4, 1, bias=False), *layers).eval()
    with torch.no_grad():
        net[0].weight[1] = 0
    result, x = compact(net), torch.randn(2, 3, 2, 2)
    assert result.changed == ()
    assert len(result.skipped) == 1
    with torch.no_grad():
        torch.testing.assert_close(result.model(x), net(x))
