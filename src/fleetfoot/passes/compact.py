"""Remove channels that do nothing: what they put out is constant, or nobody reads it.

before   conv (O filters, some all 0) -> norm -> act -> conv (I = O) -> ...
after    conv (fewer filters) -> norm -> act -> conv (fewer inputs, what was constant in its bias)

Exact    to rounding: a constant that is not 0 goes into the bias of whoever reads it; in front of a
         convolution with a border, which does not see the constant, its channel stays
Skips    channels that meet a layer not known here (gates, shuffles, partial convolutions) stay
Method   every channel of every map has a number; a sum gives the channels it adds one number, a
         concatenation keeps those of its parts. A number goes if at every place where it is read it
         is constant or multiplied by 0 alone
Letters  O outputs, I inputs
"""

import copy
import operator
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, fx, nn

from fleetfoot.core.results import PassResult, Skip
from fleetfoot.core.trace import trace
from fleetfoot.ops.drop_block import DropBlock2d
from fleetfoot.ops.fixed_size import FixedSize
from fleetfoot.ops.stochastic_depth import StochasticDepth

Ids = NDArray[np.int64]
ACTIVATIONS = (nn.ReLU, nn.ReLU6, nn.LeakyReLU, nn.ELU, nn.GELU, nn.SiLU, nn.Mish, nn.Hardswish)
MORE_ACTIVATIONS = (nn.Hardsigmoid, nn.Hardtanh, nn.Sigmoid, nn.Tanh)
POOLS = (nn.MaxPool2d, nn.AdaptiveAvgPool2d, nn.AdaptiveMaxPool2d)
PASSED_ON = (nn.Identity, nn.Dropout, StochasticDepth, DropBlock2d, FixedSize)
SUMS = (operator.add, operator.iadd, torch.add)


@dataclass
class _Map:
    """The channels of a value: their numbers, and the constant of each, NaN where it varies."""

    ids: Ids
    constant: Tensor


@dataclass(frozen=True)
class _Site:
    """A layer with channels, what it reads and the numbers it puts out.

    Without `inputs` what it reads is not known, and stays.
    """

    path: str
    layer: Any
    inputs: _Map | None
    outputs: Ids


@dataclass
class _Walk:
    """The network, and what was found in it so far.

    Attributes:
        net: the copy that is changed.
        parent: of each number, the number that it is one with.
        kept: numbers that stay.
        readers: convolutions and linear layers, which multiply channels.
        sites: norms and depthwise convolutions, which pass them on.
        skipped: layers that are not known here.
        seen: paths of the layers so far.
    """

    net: nn.Module
    parent: list[int] = field(default_factory=list[int])
    kept: set[int] = field(default_factory=set[int])
    readers: list[_Site] = field(default_factory=list[_Site])
    sites: list[_Site] = field(default_factory=list[_Site])
    skipped: list[Skip] = field(default_factory=list[Skip])
    seen: set[str] = field(default_factory=set[str])

    def new(self, count: int) -> Ids:
        first = len(self.parent)
        self.parent += range(first, first + count)
        return np.arange(first, first + count)

    def root(self, number: int) -> int:
        while self.parent[number] != number:
            self.parent[number] = self.parent[self.parent[number]]
            number = self.parent[number]
        return number

    def stay(self, ids: Ids) -> Tensor:
        """Return which of some numbers stay, once all are known."""
        roots = {self.root(number) for number in self.kept}
        return torch.tensor([self.root(number) in roots for number in ids.tolist()])

    def leave(self, found: Sequence[_Map | None]) -> None:
        """Keep all channels of some values."""
        for value in found:
            if value is not None:
                self.kept |= set(value.ids.tolist())


def compact(model: nn.Module) -> PassResult:
    """Return the network without dead channels, in evaluation mode; ``model`` is left alone.

    Raises:
        UsageError: it cannot be traced.
    """
    walk = _Walk(copy.deepcopy(model).eval().requires_grad_(False))
    maps: dict[fx.Node, _Map | None] = {}
    for node in trace(walk.net).graph.nodes:
        read = [maps[each] for each in node.all_input_nodes]
        maps[node] = _follow(walk, node, read)
    _settle(walk)
    changed = [site.path for site in walk.readers if _cut_reader(walk, site)]
    changed += [site.path for site in walk.sites if _cut_site(walk, site)]
    return PassResult(model=walk.net, changed=tuple(changed), skipped=tuple(walk.skipped))


def _follow(walk: _Walk, node: fx.Node, read: list[_Map | None]) -> _Map | None:
    """Return the channels that a node puts out; None of a value that is not known."""
    first = read[0] if read else None
    if node.op == "call_module":
        return _follow_layer(walk, str(node.target), read)
    if node.target in SUMS and len(read) == 2 and not node.kwargs:
        if first is not None and read[1] is not None:
            return _sum(walk, first, read[1])
    elif node.target is torch.cat and _of_channels(node) and None not in read:
        parts = cast(list[_Map], read)
        ids = np.concatenate([part.ids for part in parts])
        return _Map(ids, torch.cat([part.constant for part in parts]))
    elif node.target in (torch.flatten, "flatten") and _words(node) in ([1], [1, -1]):
        return first
    walk.leave(read)
    return None


def _follow_layer(walk: _Walk, path: str, read: list[_Map | None]) -> _Map | None:
    """Return the channels that a call of a layer puts out."""
    layer = walk.net.get_submodule(path)
    again = path in walk.seen and bool(layer.state_dict())
    walk.seen.add(path)
    for kinds, follow in FOLLOW:
        if isinstance(layer, kinds) and not again:
            return follow(walk, path, layer, read[0])
    why = "called more than once" if again else f"{type(layer).__name__} is not known"
    walk.skipped.append(Skip(path, why))
    for site in [*walk.readers, *walk.sites]:
        if site.path == path:  # its one weight has to fit both calls
            walk.leave([site.inputs])
            walk.kept |= set(site.outputs.tolist())
    walk.leave(read)
    return None


def _words(node: fx.Node) -> list[Any]:
    """Return all that a call is told behind its first argument."""
    return [*node.args[1:], *node.kwargs.values()]


def _of_channels(node: fx.Node) -> bool:
    """Return whether a concatenation is of channels, and of as many values as it reads."""
    count = len(cast(Sequence[Any], node.args[0]))
    return _words(node) == [1] and count == len(node.all_input_nodes)


def _sum(walk: _Walk, a: _Map, b: _Map) -> _Map | None:
    if len(a.ids) != len(b.ids):
        walk.leave([a, b])
        return None
    for x, y in zip(a.ids.tolist(), b.ids.tolist(), strict=True):
        walk.parent[walk.root(x)] = walk.root(y)
    return _Map(a.ids, a.constant + b.constant)


def _conv(walk: _Walk, path: str, conv: nn.Conv2d, read: _Map | None) -> _Map | None:
    if conv.groups == conv.in_channels == conv.out_channels > 1:
        return _depthwise(walk, path, conv, read)
    if conv.groups > 1:
        walk.leave([read])
        walk.skipped.append(Skip(path, "grouped"))
        return None
    return _multiplied(walk, path, conv, read)


def _linear(walk: _Walk, path: str, linear: nn.Linear, read: _Map | None) -> _Map:
    return _multiplied(walk, path, linear, read)


def _multiplied(walk: _Walk, path: str, layer: nn.Conv2d | nn.Linear, read: _Map | None) -> _Map:
    outputs = walk.new(len(layer.weight))
    site = _Site(path, layer, read, outputs)
    walk.readers.append(site)
    if read is None:
        silent = layer.weight.flatten(1).abs().amax(dim=1) == 0
        return _Map(outputs, _bias(layer).masked_fill(~silent, torch.nan))
    weight, varies = _by_channel(site), _varies(site)
    reached = (weight[:, varies] != 0).flatten(1).any(dim=1)
    value = _bias(layer) + weight[:, ~varies].sum(dim=-1) @ read.constant[~varies]
    return _Map(outputs, value.masked_fill(reached, torch.nan))


def _by_channel(site: _Site) -> Tensor:
    """Return the weights as (O, I, taps or positions of a channel)."""
    channels = 0 if site.inputs is None else len(site.inputs.ids)
    return site.layer.weight.reshape(len(site.layer.weight), channels, -1)


def _varies(site: _Site) -> Tensor:
    """Return which inputs vary, or are a constant that a border does not continue."""
    constant = cast(_Map, site.inputs).constant
    bordered = isinstance(site.layer, nn.Conv2d) and site.layer.padding not in ((0, 0), "valid")
    return constant.isnan() | ((constant != 0) & bordered)


def _bias(layer: nn.Conv2d | nn.Linear) -> Tensor:
    return torch.zeros(len(layer.weight)) if layer.bias is None else layer.bias


def _depthwise(walk: _Walk, path: str, conv: nn.Conv2d, read: _Map | None) -> _Map | None:
    if read is None:
        return None
    walk.sites.append(_Site(path, conv, read, read.ids))
    taps = conv.weight.flatten(1)
    varies = _varies(_Site(path, conv, read, read.ids)) & (taps != 0).any(dim=1)
    value = _bias(conv) + torch.nan_to_num(taps.sum(dim=1) * read.constant)
    return _Map(read.ids, value.masked_fill(varies, torch.nan))


def _norm(walk: _Walk, path: str, norm: Any, read: _Map | None) -> _Map | None:
    if read is None:
        return None
    if norm.running_var is None or len(norm.running_var) != len(read.ids):
        walk.skipped.append(Skip(path, "no statistics of channels"))
        walk.leave([read])
        return None
    walk.sites.append(_Site(path, norm, read, read.ids))
    factor = torch.rsqrt(norm.running_var + norm.eps)
    factor = factor if norm.weight is None else factor * norm.weight
    shift = -norm.running_mean * factor
    shift = shift if norm.bias is None else shift + norm.bias
    # What is multiplied by 0 is constant, too, whatever varies in front.
    value = torch.where(factor == 0, shift, read.constant * factor + shift)
    return _Map(read.ids, value)


def _activation(_: _Walk, __: str, layer: nn.Module, read: _Map | None) -> _Map | None:
    return None if read is None else _Map(read.ids, layer(read.constant))


def _passed_on(_: _Walk, __: str, ___: nn.Module, read: _Map | None) -> _Map | None:
    return read


def _flatten(walk: _Walk, path: str, flatten: nn.Flatten, read: _Map | None) -> _Map | None:
    if (flatten.start_dim, flatten.end_dim) == (1, -1):
        return read
    walk.skipped.append(Skip(path, "flattens something else than channels with their positions"))
    walk.leave([read])
    return None


def _average(_: _Walk, __: str, pool: nn.AvgPool2d, read: _Map | None) -> _Map | None:
    if read is None or pool.padding in (0, (0, 0)):
        return read
    return _Map(read.ids, read.constant.masked_fill(read.constant != 0, torch.nan))


def _settle(walk: _Walk) -> None:
    """Keep what is read: inputs that vary and meet a weight of an output that stays."""
    while True:
        before = len(walk.kept)
        for site in reversed(walk.readers):
            if site.inputs is None:
                continue
            stay = walk.stay(site.outputs)
            met = (_by_channel(site)[stay] != 0).any(dim=-1).any(dim=0)
            walk.kept |= set(site.inputs.ids[(met & _varies(site)).numpy()].tolist())
        if len(walk.kept) == before:
            empty = [site for site in walk.readers if not walk.stay(site.outputs).any()]
            if not empty:
                return
            walk.kept.add(int(empty[0].outputs[0]))  # a layer has at least one channel


def _cut_reader(walk: _Walk, site: _Site) -> bool:
    layer, stay = site.layer, walk.stay(site.outputs)
    weight, bias = layer.weight[stay], None if layer.bias is None else layer.bias[stay]
    if site.inputs is not None:
        left = walk.stay(site.inputs.ids)
        parts = _by_channel(site)[stay]
        constant = torch.nan_to_num(site.inputs.constant)
        more = parts[:, ~left].sum(dim=-1) @ constant[~left]
        if bool((more != 0).any()):
            bias = more if bias is None else bias + more
        channels = parts[:, left]
        weight = channels.reshape(len(weight), -1, *layer.weight.shape[2:])
    if weight.shape == layer.weight.shape:
        return False
    new: Any = copy.copy(layer)
    new._parameters = dict(layer._parameters)
    new.weight = nn.Parameter(weight.clone())
    new.bias = None if bias is None else nn.Parameter(bias.clone())
    if isinstance(new, nn.Conv2d):
        new.out_channels, new.in_channels = weight.shape[:2]
    else:
        new.out_features, new.in_features = weight.shape
    walk.net.set_submodule(site.path, new)
    return True


def _cut_site(walk: _Walk, site: _Site) -> bool:
    stay, layer = walk.stay(site.outputs), site.layer
    if bool(stay.all()):
        return False
    for name, value in [*layer.named_parameters(), *layer.named_buffers()]:
        if value.ndim:  # norms count batches in a number
            kept = value[stay].clone()
            setattr(layer, name, nn.Parameter(kept) if isinstance(value, nn.Parameter) else kept)
    if isinstance(layer, nn.Conv2d):
        layer.in_channels = layer.out_channels = layer.groups = int(stay.sum())
    else:
        layer.num_features = int(stay.sum())
    return True


FOLLOW: tuple[tuple[Any, Any], ...] = (
    (nn.Conv2d, _conv),
    (nn.Linear, _linear),
    ((nn.BatchNorm1d, nn.BatchNorm2d), _norm),
    ((*ACTIVATIONS, *MORE_ACTIVATIONS), _activation),
    (nn.AvgPool2d, _average),
    (nn.Flatten, _flatten),
    ((*POOLS, *PASSED_ON), _passed_on),
)
