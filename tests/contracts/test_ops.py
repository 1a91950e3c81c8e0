"""The battery over every operator and block: each has a cost formula; an operator is one node."""

import importlib
import inspect
import pkgutil
from collections.abc import Callable
from types import ModuleType

import pytest
import torch
from torch import nn

from fleetfoot import blocks, ops
from fleetfoot.blocks.composite_cost import cost_of_parts
from fleetfoot.blocks.dense import DenseLayer, transition
from fleetfoot.blocks.inverted_residual import Form, Gate, InvertedResidual, Row
from fleetfoot.blocks.mlpconv import MLPConv
from fleetfoot.blocks.osa import OSA, separable
from fleetfoot.blocks.residual import ResidualBlock
from fleetfoot.core.costs import formula_for
from fleetfoot.core.trace import trace
from fleetfoot.measure.counts import count
from fleetfoot.ops.zero_shortcut import ZeroShortcut
from tests.contracts.subjects import randomise

EXAMPLES: dict[str, tuple[tuple[object, ...], tuple[int, ...]]] = {
    "BinaryConv2d": ((4, 6, 3), (4, 6, 5)),
    "BinaryLinear": ((6, 4), (6,)),
    "CeilPad2d": ((3, 2), (4, 8, 6)),
    "ClassMap": ((8, 12, 3), (8,)),
    "DropBlock2d": ((0.1, 3), (4, 5, 6)),
    "DropConnect": ((6, 4), (6,)),
    "EffectiveSqueezeExcite": ((6,), (6, 5, 4)),
    "FPLUS": ((), (4, 5, 5)),
    "FixedSize": ((6,), (4, 6, 6)),
    "FrequencyDropout": ((6,), (6, 5, 4)),
    "LocalResponseNorm": ((5,), (7, 4, 6)),
    "LocallyConnected2d": ((3, 4, (5, 6)), (3, 5, 6)),
    "MaskedConv2d": ((4, 6, 3), (4, 6, 5)),
    "MaskedLinear": ((6, 4), (6,)),
    "MaxDropout": ((0.3,), (4, 5, 6)),
    "NoisySineConv2d": ((4, 6, 3), (4, 6, 5)),
    "NoisySineSign": ((4,), (4, 5, 5)),
    "PFPLUS": ((), (4, 5, 5)),
    "PartialConv2d": ((8,), (8, 7, 5)),
    "Quantise": ((4,), (4, 5, 5)),
    "RPReLU": ((4,), (4, 5, 5)),
    "RSign": ((4,), (4, 5, 5)),
    "RecuConv2d": ((4, 6, 3), (4, 6, 5)),
    "NormalisedSign": ((), (4, 5, 5)),
    "SamePad2d": ((3, 2), (4, 7, 6)),
    "ShakeDrop": ((0.5,), (4, 5, 6)),
    "ShiftBatchNorm": ((4,), (4, 5, 5)),
    "Sign": ((), (4, 5, 5)),
    "SineConv2d": ((4, 6, 3), (4, 6, 5)),
    "SineSign": ((), (4, 5, 5)),
    "SqueezeExcite": ((8, 2), (8, 5, 4)),
    "SpatialResponseNorm": ((3,), (2, 5, 4)),
    "StochasticDepth": ((0.5,), (4, 5, 5)),
    "TargetDrop": ((6,), (6, 5, 4)),
    "Tile": ((2,), (4, 5, 5)),
    "ZeroShortcut": ((7, 2), (4, 7, 6)),
}
TWO_INPUTS = {"ShakeShake"}  # where two branches meet; its own test has cost, layout and dtype


GATED = Form(act=nn.SiLU, gate=Gate(act=nn.functional.silu), padding="same")
BLOCKS: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    "DenseLayer": (lambda: DenseLayer(6, growth=4, bottleneck=8), (6, 5, 4)),
    "DenseLayer, no bottleneck": (lambda: DenseLayer(6, growth=4, bottleneck=0), (6, 5, 4)),
    "InvertedResidual": (
        lambda: InvertedResidual(8, Row(6, 8, 1, 1, 5, gated=True), GATED, stride=1),
        (8, 7, 6),
    ),
    "InvertedResidual, stride 2": (
        lambda: InvertedResidual(8, Row(1, 12, 1, 2, gated=True), GATED, stride=2),
        (8, 7, 6),
    ),
    "MLPConv": (lambda: MLPConv(3, (8, 6, 4), kernel_size=5, stride=2), (3, 9, 8)),
    "OSA": (lambda: OSA(4, 6, 8, layers=3), (4, 6, 5)),
    "OSA, all options": (
        lambda: OSA(8, 6, 8, layers=2, depthwise=True, ese=True, shortcut=True, drop_path=0.1),
        (8, 6, 5),
    ),
    "ResidualBlock": (lambda: ResidualBlock(4, 4), (4, 6, 5)),
    "ResidualBlock, bottleneck": (
        lambda: ResidualBlock(4, 4, stride=2, bottleneck=True),
        (4, 7, 6),
    ),
    "ResidualBlock, option A": (
        lambda: ResidualBlock(4, 8, stride=2, shortcut=ZeroShortcut(8, 2)),
        (4, 7, 6),
    ),
}


def _modules_of(package: ModuleType) -> dict[str, type[nn.Module]]:
    found: dict[str, type[nn.Module]] = {}
    for info in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
        module = importlib.import_module(info.name)
        for name, kind in inspect.getmembers(module, inspect.isclass):
            if issubclass(kind, nn.Module) and kind.__module__ == info.name:
                found[name] = kind
    return found


def _operators() -> dict[str, type[nn.Module]]:
    return _modules_of(ops)


def _block(name: str) -> tuple[nn.Module, tuple[int, ...]]:
    build, shape = BLOCKS[name]
    return randomise(build()), shape


def test_every_operator_has_an_example_here() -> None:
    missing = set(_operators()) - set(EXAMPLES) - TWO_INPUTS
    assert not missing, f"add to EXAMPLES (arguments of the class, shape of one input): {missing}"
    assert set(EXAMPLES) | TWO_INPUTS <= set(_operators())


@pytest.mark.parametrize("name", EXAMPLES)
def test_formula_equals_the_counted_operators(name: str) -> None:
    arguments, shape = EXAMPLES[name]
    module = _operators()[name](*arguments)
    formula = formula_for(module)
    assert formula is not None, f"{name} has no cost formula: see core/costs.py"
    cost = formula(module, (1, *shape))
    counted = count(module, shape)
    assert counted.uncounted == (), "add a rule for each to measure/op_rules.py"
    assert (counted.macs, counted.elementwise_ops) == (cost.macs, cost.elementwise_ops)


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


def test_every_block_has_an_example_and_a_formula() -> None:
    assert set(_modules_of(blocks)) == {name.partition(",")[0] for name in BLOCKS}


@pytest.mark.parametrize("name", BLOCKS)
def test_formula_of_a_block_equals_the_counted_operators(name: str) -> None:
    module, shape = _block(name)
    formula = formula_for(module)
    assert formula is not None
    cost, counted = formula(module, (1, *shape)), count(module, shape)
    assert (counted.macs, counted.elementwise_ops) == (cost.macs, cost.elementwise_ops)
    assert counted.uncounted == ()
    assert cost == cost_of_parts(module, (1, *shape))
    assert formula(module, (3, *shape)).macs == 3 * cost.macs


@pytest.mark.parametrize("name", BLOCKS)
def test_a_block_takes_any_batch_and_layout_and_keeps_the_dtype(name: str) -> None:
    torch.manual_seed(0)
    module, shape = _block(name)
    x = torch.randn(3, *shape)
    expected = module(x)
    torch.testing.assert_close(module(x[1:2]), expected[1:2])
    torch.testing.assert_close(trace(module)(x), expected)
    nhwc = module(x.contiguous(memory_format=torch.channels_last))
    torch.testing.assert_close(nhwc, expected)
    assert module.bfloat16()(x.bfloat16()).dtype == torch.bfloat16


@pytest.mark.parametrize(
    "module", [separable(6, 8), transition(6, 4, nn.AvgPool2d(2))], ids=["separable", "transition"]
)
def test_parts_that_are_plain_sequences_cost_the_sum_of_their_leaves(module: nn.Module) -> None:
    cost, counted = cost_of_parts(module, (1, 6, 8, 6)), count(module, (6, 8, 6))
    assert (counted.macs, counted.elementwise_ops) == (cost.macs, cost.elementwise_ops)
