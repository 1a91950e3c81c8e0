"""Pack a trained binary network: weights and activations of one bit each, sums by counting.

before   x -> BinaryConv2d -> [MaxPool2d] -> BatchNorm2d -> Sign -> BinaryConv2d -> ... -> logits
after    x -> float sums -> bits -> packed sums -> threshold -> bits -> ... -> norm -> logits

Exact    behind the first layer to the integer: thresholds are found by asking norm and sign about
         every sum that can come. The first layer reads real numbers, and its sums are rounded in
         another order
Skips    nothing: a network that is not a chain of these layers is refused with the reason
Letters  N batch, C channels, H height, W width, O outputs, I inputs
"""

import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from fleetfoot.core.errors import UsageError
from fleetfoot.core.trace import trace
from fleetfoot.kernels.packed_bits import PackedConv, Thresholds, pack_bytes, words_of
from fleetfoot.kernels.packed_net import (
    FirstConv,
    FirstLinear,
    FloatSigns,
    MaxPool,
    Norm,
    PackedLinear,
    PackedNet,
    Step,
    one_group,
)
from fleetfoot.ops.binary_conv import BinaryConv2d, BinaryLinear
from fleetfoot.ops.fixed_size import FixedSize
from fleetfoot.ops.sign import Sign

IGNORED = (FixedSize, nn.Flatten, nn.Dropout, nn.Identity)


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


@dataclass
class _Chain:
    """What is known behind the steps so far; letters as above."""

    steps: list[Step] = field(default_factory=list[Step])
    packed: list[str] = field(default_factory=list[str])
    floats: list[str] = field(default_factory=list[str])
    channels: int = 0
    products: int | None = None  # of a sum of signs; None while numbers are real
    bits: bool = False
    norm: nn.Module | None = None
    bit_bytes: int = 0


def pack_binary(model: nn.Module) -> Packed:
    """Return the packed form of a network in evaluation mode; ``model`` is left alone.

    Raises:
        UsageError: it is not a chain of binary layers, pools, norms and signs.
    """
    chain = _Chain()
    for path, layer in _layers(copy.deepcopy(model).eval().float().requires_grad_(False)):
        _add(chain, path, layer)
    if chain.bits or not chain.packed:
        raise UsageError(
            f"{type(model).__name__} cannot be packed: it "
            + ("ends in bits, without logits" if chain.bits else "has no layer that reads bits")
        )
    if chain.norm is not None:
        chain.steps.append(_norm(chain.norm))
    arrays = sum(_bytes_of(step) for step in chain.steps)
    net = PackedNet(tuple(chain.steps), chain.bit_bytes, arrays - chain.bit_bytes)
    return Packed(net, tuple(chain.packed), tuple(chain.floats))


def _layers(model: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    """Yield the layers of a chain by path, in order."""
    traced = trace(model)
    before = None
    for node in traced.graph.nodes:
        if node.op == "output":
            break
        if node.op == "placeholder" and before is None:
            before = node
            continue
        if node.op != "call_module" or node.args != (before,) or len(node.users) != 1:
            raise UsageError(
                f"{type(model).__name__} cannot be packed: {node.name} is no layer of a chain"
            )
        yield str(node.target), traced.get_submodule(str(node.target))
        before = node


def _add(chain: _Chain, path: str, layer: nn.Module) -> None:
    for kinds, add in RULES:
        if isinstance(layer, kinds):
            add(chain, path, layer)
            return
    if not isinstance(layer, IGNORED):
        raise UsageError(f"{path}: {type(layer).__name__} cannot be packed")


def _add_conv(chain: _Chain, path: str, conv: BinaryConv2d) -> None:
    weight = _acting(conv, path, chain)
    if chain.bits:
        packed = PackedConv.of(
            weight, stride=conv.stride, padding=conv.padding, pad_value=int(conv.pad_value)
        )
        chain.steps += [one_group, packed]
        _note_bits(chain, path, packed.words, weight[0].size)
    else:
        flat = weight.reshape(len(weight), -1).T.copy()
        step = FirstConv(flat, weight.shape[-1], conv.stride, conv.padding, conv.pad_value)
        chain.steps.append(step)
        chain.floats.append(path)
    chain.channels = len(weight)


def _add_linear(chain: _Chain, path: str, linear: BinaryLinear) -> None:
    weight = _acting(linear, path, chain)
    if chain.bits:
        # Torch flattens maps channel by channel, bytes lie position by position.
        positions = weight.shape[1] // chain.channels
        ordered = weight.reshape(len(weight), chain.channels, positions).transpose(0, 2, 1)
        words = words_of(pack_bytes(ordered, name=path).reshape(len(weight), -1))
        chain.steps.append(PackedLinear(words, weight.shape[1]))
        _note_bits(chain, path, words, weight.shape[1])
    else:
        chain.steps.append(FirstLinear(weight.T.copy()))
        chain.floats.append(path)
    chain.channels = len(weight)


def _acting(layer: BinaryConv2d | BinaryLinear, path: str, chain: _Chain) -> NDArray[np.float32]:
    if chain.norm is not None:
        raise UsageError(f"{path}: a norm without a sign stands in front: it cannot be packed")
    if chain.bits and layer.scale != "none":
        raise UsageError(f"{path}: signs with a scale for each {layer.scale} are not packed yet")
    return layer.bits().numpy()


def _note_bits(chain: _Chain, path: str, words: NDArray[np.uint64], products: int) -> None:
    chain.packed.append(path)
    chain.bit_bytes += words.nbytes
    chain.products, chain.bits = products, False


def _add_pool(chain: _Chain, path: str, pool: nn.MaxPool2d) -> None:
    plain = pool.padding in (0, (0, 0)) and pool.dilation in (1, (1, 1)) and not pool.ceil_mode
    if chain.bits or chain.norm is not None or not plain or not isinstance(pool.kernel_size, int):
        raise UsageError(
            f"{path}: this pool cannot be packed: only square ones, in front of a norm"
        )
    chain.steps.append(MaxPool(pool.kernel_size, cast(int, pool.stride)))


def _add_norm(chain: _Chain, path: str, norm: nn.Module) -> None:
    if chain.bits or chain.norm is not None:
        raise UsageError(f"{path}: a norm that follows no layer cannot be packed")
    chain.norm = norm


def _add_sign(chain: _Chain, path: str, _: nn.Module) -> None:
    if chain.norm is None:
        raise UsageError(f"{path}: a sign without a norm in front cannot be packed")
    if chain.products is None:
        chain.steps.append(FloatSigns(_norm(chain.norm)))
    else:
        chain.steps.append(_thresholds(chain.norm, chain.products, chain.channels))
    chain.norm, chain.bits, chain.products = None, True, None


def _thresholds(norm: nn.Module, products: int, channels: int) -> Thresholds:
    """Ask a norm about every sum of signs; borders of zeros give sums of both parities."""
    sums = torch.arange(-products, products + 1, dtype=torch.float32)
    values = sums[:, None].expand(-1, channels)
    shaped = values[:, :, None, None] if isinstance(norm, nn.BatchNorm2d) else values
    positive = (norm(shaped) >= 0).flatten(1).numpy()
    return Thresholds.of(positive, -products)


def _norm(norm: Any) -> Norm:
    factor = torch.rsqrt(norm.running_var + norm.eps) * norm.weight
    return Norm(factor.numpy(), (norm.bias - norm.running_mean * factor).numpy())


def _bytes_of(step: Step) -> int:
    found = vars(step).values() if hasattr(step, "__dict__") else ()
    return sum(
        value.nbytes if isinstance(value, np.ndarray) else _bytes_of(value)
        for value in found
        if isinstance(value, (np.ndarray, Norm))
    )


RULES: tuple[tuple[type[nn.Module] | tuple[type[nn.Module], ...], Callable[..., None]], ...] = (
    (BinaryConv2d, _add_conv),
    (BinaryLinear, _add_linear),
    (nn.MaxPool2d, _add_pool),
    ((nn.BatchNorm1d, nn.BatchNorm2d), _add_norm),
    (Sign, _add_sign),
)
