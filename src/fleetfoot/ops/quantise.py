"""Numbers in k bits: evenly spaced, or powers of two; their gradients in few bits too.

Paper    Hubara et al., "Quantized Neural Networks", 2016, arXiv:1609.07061, section 3: LQ and LogQ.
         k counts the sign; k = 1 is the sign itself (`ops.sign`)
Departs  the paper does not say which form its 6-bit gradients take: powers of two here, since
         gradients have long tails, drawn so that their mean stays (`stochastic=True`)
Cost     linear four operations an element, logarithmic fifteen
"""

from typing import Any

import torch
from torch import Tensor, nn

from fleetfoot.core.arguments import one_of
from fleetfoot.core.costs import Cost, Shape, cost_formula, per_element
from fleetfoot.core.errors import UsageError

BITS = range(2, 17)
FORMS = ("linear", "log")


def power_of_two(x: Tensor) -> Tensor:
    """Return AP2: the nearest power of two, by logarithm, with the sign of ``x``; 0 stays 0."""
    # Numbers below the least normal one have no power of two of their own: they count as 0.
    tiny = torch.finfo(x.dtype).tiny
    exponent = torch.log2(x.abs().clamp_min(tiny)).round()
    return torch.sign(x) * torch.exp2(exponent) * (x.abs() >= tiny)


def linear_levels(bits: int) -> tuple[float, float]:
    """Return the least and the largest value of k bits: whole multiples of 2^(1 - k) in [-1, 1).

    >>> linear_levels(2), linear_levels(4)
    ((-1.0, 0.5), (-1.0, 0.875))
    """
    _check_bits(bits)
    return -1.0, 1.0 - 2.0 ** (1 - bits)


def log_levels(bits: int) -> tuple[float, float]:
    """Return the least and the largest size of k bits: a sign and 2^(k - 1) powers of two up to 1.

    >>> log_levels(2), log_levels(4)
    ((0.5, 1.0), (0.0078125, 1.0))
    """
    _check_bits(bits)
    return 2.0 ** (1 - 2 ** (bits - 1)), 1.0


def linear_quantise(x: Tensor, bits: int) -> Tensor:
    """Return LQ: round to multiples of 2^(1 - bits), then clip to the range of ``bits``."""
    low, high = linear_levels(bits)
    steps = 2.0 ** (bits - 1)
    return (torch.round(x * steps) / steps).clamp(low, high)


def log_quantise(x: Tensor, bits: int) -> Tensor:
    """Return LogQ: the nearest power of two within ``bits``; 0 takes the least, with a plus.

    Raises:
        UsageError: the type of ``x`` does not reach down so far; float32 does to 7 bits.
    """
    low, high = log_levels(bits)
    if low < torch.finfo(x.dtype).tiny:
        kind = str(x.dtype).removeprefix("torch.")
        raise UsageError(f"bits={bits}: {kind} has no power of two as small as {bits} bits ask for")
    size = power_of_two(x).abs().clamp(low, high)
    return torch.where(x < 0, -size, size)


class _Quantise(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, bits: int, form: str) -> Tensor:
        ctx.save_for_backward(x)
        ctx.range = linear_levels(bits) if form == "linear" else (-1.0, 1.0)
        return linear_quantise(x, bits) if form == "linear" else log_quantise(x, bits)

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        (x,), (low, high) = ctx.saved_tensors, ctx.range
        return grads[0] * ((x >= low) & (x <= high)), None, None


def quantise(x: Tensor, bits: int, *, form: str = "linear") -> Tensor:
    """Return ``x`` in k bits; the gradient passes where ``x`` lies in their range.

    Args:
        x: any shape; values are meant to lie in [-1, 1].
        bits: k, 2 to 16, the sign among them.
        form: "linear" or "log".

    Raises:
        UsageError: another number of bits, or another form.
    """
    return _Quantise.apply(x, bits, one_of(form, FORMS, "form"))  # pyright: ignore[reportReturnType]


def quantise_gradient(grad: Tensor, bits: int = 6, *, stochastic: bool = True) -> Tensor:
    """Return a gradient as powers of two: the largest 2^(bits - 1) below its largest size, and 0.

    Args:
        grad: any shape; finite, which the loop has checked of the loss.
        bits: 2 to 16, the sign among them.
        stochastic: draw between the two powers around a number, so that its mean is the number; a
            number below the least power becomes that or 0. Else the nearest by logarithm.
    """
    if not grad.numel():
        return grad
    least_of_one, _ = log_levels(bits)
    top = power_of_two(grad.abs().max().clamp_min(torch.finfo(grad.dtype).tiny))
    low, size = top * least_of_one, grad.abs()
    if not stochastic:
        nearest = torch.minimum(power_of_two(size), top)
        return torch.where(size < low / 2, 0.0, torch.sign(grad) * nearest.clamp_min(low))
    below = torch.exp2(torch.log2(size.clamp_min(low)).floor())
    below = torch.where(size < low, 0.0, below)
    step = torch.where(size < low, low, below)
    drawn = below + step * (torch.rand_like(grad) * step < size - below)
    return torch.sign(grad) * drawn


class _FewBitGradient(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, bits: int, stochastic: bool) -> Tensor:
        ctx.how = bits, stochastic
        return x.view_as(x)

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        bits, stochastic = ctx.how
        return quantise_gradient(grads[0], bits, stochastic=stochastic), None, None


def few_bit_gradient(x: Tensor, bits: int = 6, *, stochastic: bool = True) -> Tensor:
    """Return ``x`` as it is; the gradient that passes back through here has few bits."""
    return _FewBitGradient.apply(x, bits, stochastic)  # pyright: ignore[reportReturnType]


class Quantise(nn.Module):
    """`quantise` as a layer."""

    def __init__(self, bits: int, *, form: str = "linear") -> None:
        super().__init__()
        _check_bits(bits)
        self.bits = bits
        self.form = one_of(form, FORMS, "form")

    def forward(self, x: Tensor) -> Tensor:
        return quantise(x, self.bits, form=self.form)

    def extra_repr(self) -> str:
        return f"{self.bits}, {self.form}"


@cost_formula(Quantise)
def _quantise_cost(module: Quantise, in_shape: Shape) -> Cost:
    return per_element(4 if module.form == "linear" else 15)(module, in_shape)


def _check_bits(bits: int) -> None:
    if bits not in BITS:
        hint = "; one bit is the sign, `Sign`" if bits == 1 else ""
        raise UsageError(f"bits={bits} is not {BITS[0]} to {BITS[-1]}{hint}")
