"""Forms of VoVNet that its paper argues against: the same network with one idea taken back.

Paper    Lee et al., 2019, arXiv:1904.09730: section 2.2 (aggregation at every layer, as in
         DenseNet), Table 3 (a 1x1 convolution to half the width in front of each 3x3)
Letters  N batch, H height, W width
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from fleetfoot.blocks.osa import OSA
from fleetfoot.core.surgery import replaced
from fleetfoot.ops.conv import conv_norm_act, relu


class EveryLayerJoined(nn.Module):
    """An OSA module with aggregation at every layer: each reads all maps before it.

    Maps (N, in_channels, H, W) to (N, out_channels, H, W).
    """

    def __init__(
        self, in_channels: int, width: int, out_channels: int | None, *, layers: int
    ) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            *(conv_norm_act(in_channels + i * width, width, act=relu) for i in range(layers))
        )
        joined = in_channels + layers * width
        self.merge = (
            nn.Identity()
            if out_channels is None
            else conv_norm_act(joined, out_channels, kernel_size=1, act=relu)
        )

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers:
            x = torch.cat((x, layer(x)), dim=1)
        return self.merge(x)


def joined_at_every_layer(net: nn.Module) -> nn.Module:
    """Return a copy of ``net`` whose OSA modules join at every layer instead of once."""
    return _rebuilt(net, _every_layer_joined)


def joined_for_equal_work(net: nn.Module) -> nn.Module:
    """Return `joined_at_every_layer` with layers so narrow that modules keep their work.

    Layers that read all maps before them do up to three times the work at the width of those that
    read one; the next whole width leaves a module within 2 % of the work of its OSA.

    Raises:
        ValueError: a module keeps its concatenation, whose width cannot change.
    """
    return _rebuilt(net, lambda module: _every_layer_joined(module, width=_narrowed(module)))


def bottlenecked(net: nn.Module) -> nn.Module:
    """Return a copy of ``net`` with a 1x1 convolution to half the width before each 3x3 of OSA."""
    return _rebuilt(net, _bottlenecked)


def _every_layer_joined(module: OSA, *, width: int | None = None) -> nn.Module:
    first = _conv(module.layers[0])
    merges = not isinstance(module.merge, nn.Identity)
    return EveryLayerJoined(
        first.in_channels,
        first.out_channels if width is None else width,
        _conv(module.merge).out_channels if merges else None,
        layers=len(module.layers),
    )


def _narrowed(module: OSA) -> int:
    """Return the width at which layers that join all maps do the work of the module's chain."""
    if isinstance(module.merge, nn.Identity):
        raise ValueError("narrower layers would narrow the concatenation that others read")
    first, layers = _conv(module.layers[0]), len(module.layers)
    start, width, out = first.in_channels, first.out_channels, _conv(module.merge).out_channels

    def joining(width: int) -> int:
        return sum(9 * width * (start + i * width) for i in range(layers)) + merging(width)

    def merging(width: int) -> int:
        return (start + layers * width) * out

    chain = 9 * width * (start + (layers - 1) * width) + merging(width)
    return min(range(1, width + 1), key=lambda narrower: abs(joining(narrower) - chain))


def _bottlenecked(module: OSA) -> nn.Module:
    module.layers = nn.Sequential(*(_behind_bottleneck(_conv(layer)) for layer in module.layers))
    return module


def _behind_bottleneck(conv: nn.Conv2d) -> nn.Sequential:
    half = conv.in_channels // 2
    return nn.Sequential(
        conv_norm_act(conv.in_channels, half, kernel_size=1, act=relu),
        conv_norm_act(half, conv.out_channels, act=relu),
    )


def _rebuilt(net: nn.Module, form: Callable[[OSA], nn.Module]) -> nn.Module:
    with torch.device(next(net.parameters()).device):  # meta, where only shapes are asked for
        return replaced(net, OSA, form)


def _conv(layer: nn.Module) -> nn.Conv2d:
    conv = layer.get_submodule("conv")
    assert isinstance(conv, nn.Conv2d)
    return conv
