"""The battery over every operator: each module of ops has a cost formula and is one traced node."""

import importlib
import inspect
import pkgutil

import pytest
import torch
from torch import nn

from fleetfoot import ops
from fleetfoot.core.costs import formula_for
from fleetfoot.core.trace import trace
from fleetfoot.measure.counts import count

EXAMPLES: dict[str, tuple[tuple[object, ...], tuple[int, ...]]] = {
    "CeilPad2d": ((3, 2), (4, 8, 6)),
    "ClassMap": ((8, 12, 3), (8,)),
    "EffectiveSqueezeExcite": ((6,), (6, 5, 4)),
    "FixedSize": ((6,), (4, 6, 6)),
    "LocalResponseNorm": ((5,), (7, 4, 6)),
    "LocallyConnected2d": ((3, 4, (5, 6)), (3, 5, 6)),
    "PartialConv2d": ((8,), (8, 7, 5)),
    "SamePad2d": ((3, 2), (4, 7, 6)),
    "SqueezeExcite": ((8, 2), (8, 5, 4)),
    "SpatialResponseNorm": ((3,), (2, 5, 4)),
    "StochasticDepth": ((0.5,), (4, 5, 5)),
    "ZeroShortcut": ((7, 2), (4, 7, 6)),
}


def _operators() -> dict[str, type[nn.Module]]:
    found: dict[str, type[nn.Module]] = {}
    for info in pkgutil.iter_modules(ops.__path__, "fleetfoot.ops."):
        module = importlib.import_module(info.name)
        for name, kind in inspect.getmembers(module, inspect.isclass):
            if issubclass(kind, nn.Module) and kind.__module__ == info.name:
                found[name] = kind
    return found


def test_every_operator_has_an_example_here() -> None:
    assert set(_operators()) == set(EXAMPLES)


@pytest.mark.parametrize("name", EXAMPLES)
def test_formula_equals_the_counted_operators(name: str) -> None:
    arguments, shape = EXAMPLES[name]
    module = _operators()[name](*arguments)
    formula = formula_for(module)
    assert formula is not None
    cost = formula(module, (1, *shape))
    counted = count(module, shape)
    assert (counted.macs, counted.elementwise_ops) == (cost.macs, cost.elementwise_ops)
    assert counted.uncounted == ()


@pytest.mark.parametrize("name", EXAMPLES)
def test_is_one_node_and_takes_any_batch_and_layout(name: str) -> None:
    arguments, shape = EXAMPLES[name]
    module = _operators()[name](*arguments).eval()
    traced = trace(nn.Sequential(module))
    assert [node.op for node in traced.graph.nodes] == ["placeholder", "call_module", "output"]
    x = torch.randn(3, *shape)
    expected = module(x)
    assert torch.equal(traced(x), expected)
    if x.ndim == 4:
        nhwc = module(x.contiguous(memory_format=torch.channels_last))
        torch.testing.assert_close(nhwc, expected)


@pytest.mark.parametrize("name", EXAMPLES)
def test_keeps_the_dtype(name: str) -> None:
    arguments, shape = EXAMPLES[name]
    module = _operators()[name](*arguments).bfloat16()
    assert module(torch.randn(1, *shape, dtype=torch.bfloat16)).dtype == torch.bfloat16
