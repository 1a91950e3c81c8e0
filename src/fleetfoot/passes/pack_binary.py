"""Pack a trained binary network: weights and activations of one bit each, sums by counting.

before   x -> conv -> BatchNorm2d -> Sign -> BinaryConv2d -> BatchNorm2d -> + x -> ... -> logits
after    x -> float sums -> bits -> packed sums -> threshold -> bits -> ... -> norm -> logits

Exact    of signs to the integer: thresholds are found by asking norm and sign about every sum that
         can come. Real layers and scales of filters are rounded in another order
Skips    nothing: a network with a layer that has no step here is refused with the reason
Letters  N batch, C channels, H height, W width, O outputs, I inputs
"""

import contextlib
import copy
import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import fx, nn

from fleetfoot.core.errors import UsageError
from fleetfoot.core.trace import trace
from fleetfoot.kernels.packed_bits import PackedConv, Thresholds, pack_bytes, words_of
from fleetfoot.kernels.packed_net import Call, PackedNet
from fleetfoot.kernels.packed_steps import (
    Add,
    Affine,
    AffineAdd,
    AveragePool,
    ChannelsLast,
    Clamp,
    Concat,
    FloatConv,
    FloatLinear,
    FloatSigns,
    GlobalMean,
    MaxPool,
    PackedLinear,
    Repeat,
    ShiftedPrelu,
    Step,
    Subsample,
)
from fleetfoot.ops.binary_conv import BinaryConv2d, BinaryLinear, has_binary_layers
from fleetfoot.ops.drop_block import DropBlock2d
from fleetfoot.ops.fixed_size import FixedSize
from fleetfoot.ops.max_dropout import MaxDropout
from fleetfoot.ops.recu_conv import NormalisedSign
from fleetfoot.ops.repeat_conv import Tile
from fleetfoot.ops.rsign import RPReLU, RSign
from fleetfoot.ops.sign import Sign
from fleetfoot.ops.sine_sign import SineSign
from fleetfoot.ops.stochastic_depth import StochasticDepth
from fleetfoot.ops.zero_shortcut import ZeroShortcut

NORMS = (nn.BatchNorm1d, nn.BatchNorm2d)
IN_TRAINING = (nn.Dropout, StochasticDepth, DropBlock2d, MaxDropout)
IGNORED = (FixedSize, nn.Flatten, nn.Identity, *IN_TRAINING)
FLATTENERS = ("flatten", torch.flatten)


@dataclass(frozen=True)
class Packed:
    """What packing gave.

    Attributes:
        net: the packed network.
        packed: layers whose weights became bits.
        floats: layers that still read real numbers.
    """

    net: PackedNet
    packed: tuple[str, ...]
    floats: tuple[str, ...]


@dataclass(frozen=True)
class _Value:
    """What a place of the graph holds: value ``at`` of the program, layers behind it not yet done.

    Attributes:
        at: number of the value.
        channels: of it.
        bits: it is packed signs.
        products: of a sum of signs; None where numbers are real.
        scale: what sums are to be multiplied by, (C,); None for 1.
        layers: norms and activations that wait for what comes behind: a sign in front of which
            sums of signs stand makes one threshold of them all.
    """

    at: int
    channels: int
    bits: bool = False
    products: int | None = None
    scale: NDArray[np.float32] | None = None
    layers: tuple[nn.Module, ...] = ()

    @property
    def waits(self) -> bool:
        return bool(self.layers) or self.products is not None


@dataclass
class _Program:
    """The calls so far; letters as above."""

    calls: list[Call] = field(default_factory=list[Call])
    packed: list[str] = field(default_factory=list[str])
    floats: list[str] = field(default_factory=list[str])
    _done: dict[tuple[int, tuple[nn.Module, ...]], _Value] = field(
        default_factory=dict[tuple[int, tuple[nn.Module, ...]], _Value]
    )

    def add(self, step: Step, *inputs: _Value, **of_value: Any) -> _Value:
        self.calls.append(Call(step, tuple(value.at for value in inputs)))
        return _Value(len(self.calls), **of_value)

    def real(self, value: _Value, path: str) -> _Value:
        """Return the value as real numbers, its norms done."""
        if value.bits:
            raise UsageError(f"{path}: reads bits that no layer multiplies: it cannot be packed")
        if not value.waits:
            return value
        key = value.at, value.layers  # two layers may read it
        if key not in self._done:
            rest = self.up_to_norms(value, path)
            if rest.waits:
                rest = self.add(Affine(*_affine(rest)), rest, channels=rest.channels)
            self._done[key] = rest
        return self._done[key]

    def up_to_norms(self, value: _Value, path: str) -> _Value:
        """Return the value with its activations done; the norms behind the last one wait."""
        last = max(
            (i for i, layer in enumerate(value.layers, 1) if not isinstance(layer, NORMS)),
            default=0,
        )
        if not last:
            return value
        before = self.real(replace(value, layers=value.layers[: last - 1]), path)
        step = _activation(value.layers[last - 1], value.channels)
        done = self.add(step, before, channels=value.channels)
        return replace(done, layers=value.layers[last:])


def pack_binary(model: nn.Module, image: tuple[int, int, int]) -> Packed:
    """Return the packed form of a network in evaluation mode; ``model`` is left alone.

    Args:
        model: the network.
        image: (C, H, W) of what it takes.

    Raises:
        UsageError: it has no binary layer, or a layer that has no packed form.
    """
    name = type(model).__name__
    if not has_binary_layers(model):
        raise UsageError(f"{name} cannot be packed: it has no binary layer")
    traced = trace(copy.deepcopy(model).eval().float().requires_grad_(False))
    program = _Program()
    values: dict[fx.Node, _Value] = {}
    last = None
    for node in traced.graph.nodes:
        if node.op == "placeholder":
            values[node] = program.add(ChannelsLast(), _Value(0, image[0]), channels=image[0])
        elif node.op == "output":
            last = values.get(node.args[0])
        else:
            inputs = [values[each] for each in node.all_input_nodes]
            values[node] = _step(program, traced, node, inputs)
    if last is None or last.bits or not program.packed:
        raise UsageError(
            f"{name} cannot be packed: it "
            + ("ends in bits, without logits" if program.packed else "has no layer that reads bits")
        )
    program.real(last, "output")
    return Packed(
        PackedNet(tuple(program.calls), image), tuple(program.packed), tuple(program.floats)
    )


def _step(
    program: _Program, traced: fx.GraphModule, node: fx.Node, inputs: Sequence[_Value]
) -> _Value:
    """Add the call of a node and return what it gives."""
    if node.op == "call_module":
        path = str(node.target)
        layer = traced.get_submodule(path)
        for kinds, add in RULES:
            if isinstance(layer, kinds):
                return add(program, path, layer, inputs[0])
        if isinstance(layer, IGNORED):
            return inputs[0]
        raise UsageError(f"{path}: {type(layer).__name__} cannot be packed")
    if node.target in (operator.add, torch.add) and len(inputs) == 2:
        return _add_sum(program, node.name, inputs)
    if node.target is torch.cat and (node.args[1:] == (1,) or node.kwargs == {"dim": 1}):
        real = [program.real(value, node.name) for value in inputs]
        return program.add(Concat(), *real, channels=sum(value.channels for value in real))
    if node.target in FLATTENERS:
        return inputs[0]
    raise UsageError(f"{node.name}: {node.target} cannot be packed")


def _add_sum(program: _Program, path: str, inputs: Sequence[_Value]) -> _Value:
    """Add two maps; a norm of one of them is done on the way."""
    first, second = sorted(inputs, key=lambda value: not value.waits)
    other = program.real(second, path)
    first = program.up_to_norms(first, path)
    if first.waits:
        step: Step = AffineAdd(*_affine(first))
    else:
        step, first = Add(), program.real(first, path)
    return program.add(step, first, other, channels=first.channels)


def _add_conv(program: _Program, path: str, conv: BinaryConv2d, x: _Value) -> _Value:
    if not x.bits:
        weight, bias = conv.bits().numpy(), np.zeros(len(conv.weight), np.float32)
        return _real_conv(program, path, (weight, bias), conv, program.real(x, path))
    signs, scale = _signs_and_scale(conv)
    packed = PackedConv.of(
        signs, stride=conv.stride, padding=conv.padding, pad_value=int(conv.pad_value)
    )
    program.packed.append(path)
    return program.add(packed, x, channels=len(signs), products=signs[0].size, scale=scale)


def _add_float_conv(program: _Program, path: str, conv: nn.Conv2d, x: _Value) -> _Value:
    square = len(set(conv.kernel_size)) == len(set(conv.stride)) == len(set(conv.padding)) == 1
    if conv.groups != 1 or conv.dilation != (1, 1) or not square or conv.padding_mode != "zeros":
        raise UsageError(f"{path}: only plain square convolutions stand beside packed layers")
    weight = conv.weight.numpy()
    bias = np.zeros(len(weight), np.float32) if conv.bias is None else conv.bias.numpy()
    return _real_conv(program, path, (weight, bias), conv, program.real(x, path))


def _real_conv(
    program: _Program,
    path: str,
    arrays: tuple[NDArray[np.float32], NDArray[np.float32]],
    conv: Any,
    x: _Value,
) -> _Value:
    weight, bias = arrays
    taps_first = np.moveaxis(weight, 1, -1).reshape(len(weight), -1)
    step = FloatConv(
        np.ascontiguousarray(taps_first.T),
        bias,
        kernel=weight.shape[-1],
        stride=_side(conv.stride),
        padding=_side(conv.padding),
        pad_value=float(getattr(conv, "pad_value", 0.0)),
    )
    program.floats.append(path)
    return program.add(step, x, channels=len(weight))


def _add_linear(program: _Program, path: str, linear: BinaryLinear, x: _Value) -> _Value:
    if not x.bits:
        bias = np.zeros(len(linear.weight), np.float32)
        return _real_linear(program, path, linear.bits().numpy(), bias, x)
    signs, scale = _signs_and_scale(linear)
    ordered = _positions_first(signs, x.channels)
    words = words_of(pack_bytes(ordered, name=path).reshape(len(signs), -1))
    program.packed.append(path)
    step = PackedLinear(words, signs.shape[1])
    return program.add(step, x, channels=len(signs), products=signs.shape[1], scale=scale)


def _add_float_linear(program: _Program, path: str, linear: nn.Linear, x: _Value) -> _Value:
    weight = linear.weight.numpy()
    bias = np.zeros(len(weight), np.float32) if linear.bias is None else linear.bias.numpy()
    return _real_linear(program, path, weight, bias, x)


def _real_linear(
    program: _Program,
    path: str,
    weight: NDArray[np.float32],
    bias: NDArray[np.float32],
    x: _Value,
) -> _Value:
    ordered = _positions_first(weight, x.channels).reshape(len(weight), -1)
    program.floats.append(path)
    step = FloatLinear(np.ascontiguousarray(ordered.T), bias)
    return program.add(step, program.real(x, path), channels=len(weight))


def _positions_first(weight: NDArray[np.float32], channels: int) -> NDArray[np.float32]:
    """Return weights (O, positions, C): torch flattens channel by channel, maps lie otherwise."""
    outputs, inputs = weight.shape
    return weight.reshape(outputs, channels, inputs // channels).transpose(0, 2, 1)


def _signs_and_scale(
    layer: BinaryConv2d | BinaryLinear,
) -> tuple[NDArray[np.float32], NDArray[np.float32] | None]:
    """Return weights as +1 and -1, and what the sums of a filter are multiplied by."""
    acting = layer.bits().numpy()
    signs = np.where(acting < 0, -1, 1).astype(np.float32)
    if layer.scale == "none":
        return signs, None
    return signs, np.abs(acting.reshape(len(acting), -1)[:, 0])


def _add_max_pool(program: _Program, path: str, pool: nn.MaxPool2d, x: _Value) -> _Value:
    plain = pool.padding in (0, (0, 0)) and pool.dilation in (1, (1, 1)) and not pool.ceil_mode
    if x.bits or x.layers or not plain or not isinstance(pool.kernel_size, int):
        raise UsageError(
            f"{path}: this pool cannot be packed: only square ones, in front of a norm"
        )
    step = MaxPool(pool.kernel_size, cast(int, pool.stride))
    return replace(program.add(step, x, channels=x.channels), products=x.products, scale=x.scale)


def _add_average_pool(program: _Program, path: str, pool: nn.AvgPool2d, x: _Value) -> _Value:
    kernel, stride = _side(pool.kernel_size), _side(pool.stride)
    if pool.padding not in (0, (0, 0)) or kernel != stride or (pool.ceil_mode and kernel != 2):
        raise UsageError(f"{path}: an average pool with a border or overlaps cannot be packed")
    return program.add(
        AveragePool(kernel, pool.ceil_mode), program.real(x, path), channels=x.channels
    )


def _add_global_mean(program: _Program, path: str, pool: nn.AdaptiveAvgPool2d, x: _Value) -> _Value:
    if pool.output_size not in (1, (1, 1)):
        raise UsageError(f"{path}: only the mean of all positions can be packed")
    return program.add(GlobalMean(), program.real(x, path), channels=x.channels)


def _add_waiting(_: _Program, path: str, layer: nn.Module, x: _Value) -> _Value:
    if x.bits:
        raise UsageError(f"{path}: a {type(layer).__name__} of bits cannot be packed")
    return replace(x, layers=(*x.layers, layer))


def _activation(layer: nn.Module, channels: int) -> Step:
    if isinstance(layer, nn.Hardtanh):
        return Clamp(layer.min_val, layer.max_val)
    if isinstance(layer, nn.ReLU):
        return Clamp(0.0, float("inf"))
    none = np.zeros(channels, np.float32)
    slope = cast(torch.Tensor, layer.weight).expand(channels).contiguous().numpy()
    if isinstance(layer, RPReLU):
        return ShiftedPrelu(layer.shift_in.numpy(), slope, layer.shift_out.numpy())
    return ShiftedPrelu(none, slope, none)


def _add_subsample(program: _Program, path: str, layer: ZeroShortcut, x: _Value) -> _Value:
    front = (layer.channels - x.channels) // 2 if layer.centred else 0
    step = Subsample(layer.stride, layer.channels, front)
    return program.add(step, program.real(x, path), channels=layer.channels)


def _add_tile(program: _Program, path: str, layer: Tile, x: _Value) -> _Value:
    x = x if x.products is not None and not x.layers else program.real(x, path)
    tiled = program.add(Repeat(layer.times), x, channels=x.channels * layer.times)
    scale = None if x.scale is None else np.tile(x.scale, layer.times)
    return replace(tiled, products=x.products, scale=scale)


def _add_sign(program: _Program, path: str, sign: nn.Module, x: _Value) -> _Value:
    if x.bits:
        raise UsageError(f"{path}: a sign of signs cannot be packed")
    shift = sign.bias.numpy() if isinstance(sign, RSign) else np.zeros(x.channels, np.float32)
    step: Step | None = None
    if x.products is not None:
        with contextlib.suppress(UsageError):  # an activation that falls makes no threshold
            step = _thresholds(x, sign)
    if step is None:
        x = program.up_to_norms(x, path)
        factor, summand = _affine(x)
        step = FloatSigns(factor, summand + shift)
    return program.add(step, x, channels=x.channels, bits=True)


def _thresholds(x: _Value, sign: nn.Module) -> Thresholds:
    """Ask norms and sign about every sum of signs; borders of zeros give sums of both parities."""
    products = x.products or 0
    sums = torch.arange(-products, products + 1, dtype=torch.float32)
    values = sums[:, None].expand(-1, x.channels)
    if x.scale is not None:
        values = values * torch.from_numpy(x.scale)
    shaped = values[:, :, None, None]
    for layer in x.layers:
        flat = isinstance(layer, nn.BatchNorm1d)
        shaped = layer(shaped[:, :, 0, 0])[:, :, None, None] if flat else layer(shaped)
    return Thresholds.of((sign(shaped) > 0).flatten(1).numpy(), -products)


def _affine(x: _Value) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return factor and summand of the scale and the norms that wait."""
    factor = torch.ones(x.channels) if x.scale is None else torch.from_numpy(x.scale)
    summand = torch.zeros(x.channels)
    for norm in cast(tuple[Any, ...], x.layers):
        slope = torch.rsqrt(norm.running_var + norm.eps)
        slope = slope if norm.weight is None else slope * norm.weight
        factor, summand = factor * slope, (summand - norm.running_mean) * slope
        summand = summand if norm.bias is None else summand + norm.bias
    return factor.numpy(), summand.numpy()


def _side(value: Any) -> int:
    return int(value[0]) if isinstance(value, tuple) else int(value)


RULES: tuple[tuple[Any, Callable[..., _Value]], ...] = (
    (BinaryConv2d, _add_conv),
    (BinaryLinear, _add_linear),
    (nn.Conv2d, _add_float_conv),
    (nn.Linear, _add_float_linear),
    (nn.MaxPool2d, _add_max_pool),
    (nn.AvgPool2d, _add_average_pool),
    (nn.AdaptiveAvgPool2d, _add_global_mean),
    ((*NORMS, nn.Hardtanh, nn.ReLU, nn.PReLU, RPReLU), _add_waiting),
    ((Sign, RSign, SineSign, NormalisedSign), _add_sign),
    (Tile, _add_tile),
    (ZeroShortcut, _add_subsample),
)
