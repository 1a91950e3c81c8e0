"""Binarised back-propagation: both products of the backward pass read bits.

    input gradient    dL/dh = conv^T(dL/dz, Wb)    times bits of the weights, not the latent weights
    weight gradient   dL/dWb = corr(hb, dL/dz)     times bits of the neurons

Paper    Hubara, Soudry, El-Yaniv, 2016, arXiv:1602.02505, and the authors' code; error signals of
         few bits after "Quantized Neural Networks", arXiv:1609.07061, section 3
Departs  error signals are real numbers, as in the authors' code, whatever the title of one version
         says; few bits of them are an option. Batch norms get the statistics of neurons that are
         not drawn in the last steps, where the paper leaves them those of drawn ones
Letters  z sums of a layer, h neurons in front of it, W weights, b bits of them

Between forward and backward pass a bit is kept as a byte, and nothing else of that value: what the
products of the backward pass read are bits because nothing else is left. That is a quarter of the
memory too.
"""

import contextlib
from collections.abc import Generator
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor, nn
from torch.autograd.graph import saved_tensors_hooks

from fleetfoot.core.errors import UsageError
from fleetfoot.core.keeping import keeping
from fleetfoot.data.loader import Batch
from fleetfoot.ops.binary_conv import BinaryConv2d, BinaryLinear, has_binary_layers
from fleetfoot.ops.quantise import few_bit_gradient
from fleetfoot.ops.sign import Sign
from fleetfoot.train.steps.recalibrate_norms import recalibrating_norms
from fleetfoot.train.steps.step import Context, Metrics, Step

Neurons = Literal["stochastic", "deterministic"]
ERROR_BITS = range(2, 8)  # more would name powers of two that float32 does not have
FIRST_LOOK = 64  # values; those of a map that is not binary show it among the first few


class Bits(NamedTuple):
    """What is left of a tensor of +1 and -1 until the backward pass."""

    positive: Tensor
    dtype: torch.dtype


def kept(x: Tensor) -> Tensor | Bits:
    """Return what is kept of a tensor for the backward pass: its bits, if it has nothing else."""
    if not (x.is_floating_point() and x.numel() and x.abs().reshape(-1)[:FIRST_LOOK].eq(1).all()):
        return x.detach()
    return Bits(x > 0, x.dtype) if x.abs().eq(1).all() else x.detach()


def given_back(x: Tensor | Bits) -> Tensor:
    """Return the tensor that `kept` was given."""
    return x if isinstance(x, Tensor) else x.positive.to(x.dtype).mul_(2).sub_(1)


def binarised_backprop(
    step: Step, *, neurons: Neurons = "stochastic", gradient_bits: int = 0
) -> Step:
    """Return ``step`` with a backward pass of bits.

    Args:
        step: computes the loss.
        neurons: "stochastic": every `Sign` is drawn, the authors' regulariser; or "deterministic".
        gradient_bits: of error signals, one of `ERROR_BITS`; 0 leaves them as they are.
    """

    def computed(net: nn.Module, batch: Batch, context: Context) -> tuple[Tensor, Metrics]:
        if not has_binary_layers(net):
            raise UsageError(
                f"method binarised_backprop: {type(net).__name__} has no layer with weights of one "
                "bit; take a binary network (fleetfoot nets 'bnn*'), or put --method binary first"
            )
        with (
            _drawing(net, neurons == "stochastic"),
            _few_bit_errors(net, gradient_bits),
            saved_tensors_hooks(kept, given_back),
        ):
            return step(net, batch, context)

    return recalibrating_norms(computed, Sign) if neurons == "stochastic" else computed


@contextlib.contextmanager
def _drawing(net: nn.Module, stochastic: bool) -> Generator[None]:
    """Let neurons be drawn, or not, until the end; those of another slope cannot be."""
    signs = [m for m in net.modules() if isinstance(m, Sign) and m.slope == "window"]
    with keeping(signs, "stochastic"):
        for sign in signs:
            sign.stochastic = stochastic
        yield


@contextlib.contextmanager
def _few_bit_errors(net: nn.Module, bits: int) -> Generator[None]:
    """Let the gradients of all sums of binary layers that are computed meanwhile have few bits."""

    def few(_: nn.Module, __: Any, sums: Tensor) -> Tensor:
        return few_bit_gradient(sums, bits)

    layers = [m for m in net.modules() if isinstance(m, (BinaryConv2d, BinaryLinear))]
    with contextlib.ExitStack() as stack:
        for layer in layers if bits else ():
            stack.callback(layer.register_forward_hook(few).remove)
        yield
