"""Frequency Dropout: in training, filter each channel by a random blur, edge or stripe filter.

Paper    Islam, Glocker, "Frequency Dropout", ECCV 2022 workshops, arXiv:2209.09844; formulas and
         figures of `FAMILIES` are those of the authors' code for classification
Departs  the abstract filters in training only; the released code draws filters once an epoch and
         leaves them in place at evaluation. ``redraw="pass"`` and ``keep=False`` are the first,
         ``redraw="epoch"`` and ``keep=True`` the second. A width below 0.1, where the formulas are
         0 / 0, is the identity. The published Laplacian is divided by its sum, which makes a blur
         of it at most widths; the family "sharpen" is a Laplacian that has no mean, taken from the
         map (ours). Gabor filters are the published ones: stripes along the last axis
Cost     nothing at evaluation; K^2 multiply-adds an element in training, and where filters stay
Letters  N batch, C channels, K side of a filter, sigma width of a filter in positions
"""

import math
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fleetfoot.core.arguments import at_least, odd, one_of
from fleetfoot.core.costs import Cost, Shape, cost_formula

LEAST_SIGMA = 0.1
STRIPE = 3.0  # wavelength of the Gabor filter, positions


class Family(NamedTuple):
    """How the widths of a family of filters are drawn."""

    spared: float  # share of the channels that are not filtered
    low: float  # least width
    high: float  # largest width


FAMILIES = {
    "gaussian": Family(0.4, 0.2, 1.0),
    "laplacian": Family(0.5, 0.2, 3.0),
    "gabor": Family(0.8, 0.0, 1.0),
    "sharpen": Family(0.5, 0.2, 3.0),
}
RANDOM = ("gaussian", "laplacian", "gabor")  # FD-RF; FD-GF has the first alone
REDRAW = ("pass", "epoch")


def kernels(family: str, sigma: Tensor, *, size: int = 3, axes: int = 2) -> Tensor:
    """Return a filter for each width, (C, 1, K, K); a width below 0.1 gives the identity.

    Args:
        family: a name in `FAMILIES`.
        sigma: widths, (C,).
        size: K, odd.
        axes: of the map; 3 gives (C, 1, K, K, K) by the same formulas.

    Raises:
        UsageError: another family, or an even size.
    """
    odd(size, "size")
    make = _MAKERS[one_of(family, _MAKERS, "family")]
    offsets = torch.arange(size, dtype=sigma.dtype, device=sigma.device) - size // 2
    steps = torch.meshgrid(*[offsets] * axes, indexing="ij")
    square = sum((step * step for step in steps), torch.zeros_like(steps[0]))
    wide = sigma.clamp_min(LEAST_SIGMA).view(-1, *[1] * axes)
    made = make(square, steps[-1], wide)
    identity = (square == 0).to(sigma.dtype).expand_as(made)
    return torch.where(sigma.view_as(wide) < LEAST_SIGMA, identity, made)[:, None]


def _whole(values: Tensor) -> Tensor:
    """Return filters divided by their sums."""
    return values / values.flatten(1).sum(dim=1).view(-1, *[1] * (values.ndim - 1))


def _gaussian(square: Tensor, _: Tensor, sigma: Tensor) -> Tensor:
    return _whole(torch.exp(-square / (2 * sigma**2)))


def _log(square: Tensor, sigma: Tensor) -> Tensor:
    bent = square / (2 * sigma**2)
    return -(1 - bent) * torch.exp(-bent) / (math.pi * sigma**4)


def _laplacian(square: Tensor, _: Tensor, sigma: Tensor) -> Tensor:
    return _whole(_log(square, sigma))


def _gabor(_: Tensor, step: Tensor, sigma: Tensor) -> Tensor:
    return torch.exp(-(step**2) / (2 * sigma**2)) * torch.cos(2 * math.pi * step / STRIPE)


def _sharpen(square: Tensor, _: Tensor, sigma: Tensor) -> Tensor:
    found = _log(square, sigma)
    found = found - found.flatten(1).mean(dim=1).view(-1, *[1] * square.ndim)
    size = found.flatten(1).abs().sum(dim=1).view(-1, *[1] * square.ndim)
    return (square == 0).to(found.dtype) - found / size


_MAKERS = {"gaussian": _gaussian, "laplacian": _laplacian, "gabor": _gabor, "sharpen": _sharpen}


def draw_sigma(
    family: Family, channels: int, *, generator: torch.Generator | None = None
) -> Tensor:
    """Return a width for each channel, (C,): uniform, or 0 for those that are spared."""
    width = torch.rand(channels, generator=generator) * (family.high - family.low) + family.low
    filtered = torch.rand(channels, generator=generator) >= family.spared
    return width * filtered


def draw_kernels(
    families: tuple[str, ...],
    channels: int,
    *,
    size: int = 3,
    axes: int = 2,
    generator: torch.Generator | None = None,
) -> Tensor:
    """Return filters for one layer: a family drawn from ``families``, then a width a channel.

    Draws come from torch's CPU generator, or from ``generator``.
    """
    name = families[int(torch.randint(len(families), (), generator=generator))]
    sigma = draw_sigma(FAMILIES[name], channels, generator=generator)
    return kernels(name, sigma, size=size, axes=axes)


def filter_channels(x: Tensor, kernels: Tensor) -> Tensor:
    """Return each channel of ``x`` filtered by its own kernel; zeros lie around the map.

    Args:
        x: (N, C, H, W), or (N, C, D, H, W).
        kernels: (C, 1, K, K), or (C, 1, K, K, K).
    """
    conv = F.conv2d if kernels.ndim == 4 else F.conv3d
    return conv(x, kernels.to(x), padding=kernels.shape[-1] // 2, groups=kernels.shape[0])


class FrequencyDropout(nn.Module):
    """Filters of a layer's output: drawn in training, absent at evaluation unless they are kept.

    Args:
        channels: C.
        families: that a family is drawn from, names in `FAMILIES`.
        size: K.
        axes: of the map, 2 or 3.
        redraw: "pass" draws in every call in training mode; "epoch" uses what was last put into
            `kernels`, at first the identity.
        keep: at evaluation, apply `kernels`: what was last drawn.
    """

    def __init__(
        self,
        channels: int,
        *,
        families: tuple[str, ...] = RANDOM,
        size: int = 3,
        axes: int = 2,
        redraw: str = "pass",
        keep: bool = False,
    ) -> None:
        super().__init__()
        for family in families:
            one_of(family, FAMILIES, "family")
        self.channels = at_least(1, channels, "channels")
        self.families, self.size, self.axes = families, size, axes
        self.redraw, self.keep = one_of(redraw, REDRAW, "redraw"), keep
        self.kernels: Tensor
        # in the state of a run, not in portable weights
        identity = kernels("gaussian", torch.zeros(channels), size=size, axes=axes)
        self.register_buffer("kernels", identity, persistent=False)

    @torch.no_grad()
    def draw(
        self, families: tuple[str, ...] | None = None, *, generator: torch.Generator | None = None
    ) -> None:
        """Put new filters into `kernels`.

        Args:
            families: instead of the layer's own.
            generator: instead of torch's.
        """
        found = draw_kernels(
            families or self.families,
            self.channels,
            size=self.size,
            axes=self.axes,
            generator=generator,
        )
        self.kernels.copy_(found)

    def forward(self, x: Tensor) -> Tensor:
        if not (self.training or self.keep):
            return x
        if self.training and self.redraw == "pass":
            self.draw()
        # a copy, since the next call may overwrite what the backward pass of this one reads
        return filter_channels(x, self.kernels.clone() if self.training else self.kernels)

    def extra_repr(self) -> str:
        words = f"{self.channels}, {'|'.join(self.families)}, size={self.size}"
        return f"{words}, redraw={self.redraw}, keep={self.keep}"


@cost_formula(FrequencyDropout)
def _frequency_dropout_cost(module: FrequencyDropout, in_shape: Shape) -> Cost:
    return Cost(math.prod(in_shape) * module.size**module.axes if module.keep else 0)
