"""The tracer: operators stay one node, containers are opened, value-dependent code is refused."""

import pytest
import torch
from torch import Tensor, nn

from fleetfoot.core.errors import UsageError
from fleetfoot.core.trace import trace
from fleetfoot.ops.partial_conv import PartialConv2d


class Residual(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.mix = nn.Sequential(PartialConv2d(4), nn.ReLU())

    def forward(self, x: Tensor) -> Tensor:
        return x + self.mix(x)


def test_operators_are_leaves_and_containers_are_not() -> None:
    traced = trace(Residual())
    calls = [node.target for node in traced.graph.nodes if node.op == "call_module"]
    assert calls == ["mix.0", "mix.1"]
    x = torch.randn(1, 4, 5, 5)
    mixed = traced.get_submodule("mix.0")(x)
    assert torch.equal(traced(x), x + mixed.relu())


def test_parameters_are_shared() -> None:
    net = Residual()
    assert trace(net).get_parameter("mix.0.weight") is net.mix[0].weight


@pytest.mark.parametrize("body", [lambda x: x if x.sum() > 0 else -x, lambda x: x[: len(x)]])
def test_value_dependent_code_is_refused(body: object) -> None:
    class Odd(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return body(x)  # type: ignore[operator]

    with pytest.raises(UsageError, match="Odd cannot be traced"):
        trace(Odd())
