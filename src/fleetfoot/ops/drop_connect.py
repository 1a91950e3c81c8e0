"""DropConnect: in training, drop single weights of a linear layer, others for every example.

Paper    Wan et al., "Regularization of Neural Networks using DropConnect", ICML 2013, PMLR 28(3):
         sections 2 and 3; `keep` is its p, the probability to keep a weight
Departs  `DropConnect` divides by `keep` in training, so that evaluation takes the weights as they
         are; that is the paper's layer with other weights. ``masks="batch"`` (one mask for all
         examples) and ``masks="gaussian"`` (local reparameterisation: the first two moments of the
         paper's layer, not its distribution) are cheaper methods of their own, not DropConnect
Cost     O * I multiply-adds at evaluation, twice that for what knows the variance. In training N
         masks of O * I booleans are drawn and kept for the backward pass
Letters  N batch, O outputs, I inputs, B examples of a chunk
"""

import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fleetfoot.core.arguments import above_zero, at_least, one_of
from fleetfoot.core.costs import Cost, Shape, cost_formula
from fleetfoot.core.errors import UsageError

MASKS = ("example", "batch", "gaussian")
INFERENCES = ("mean", "closed", "sampled")

CHUNK = 2**18  # weights that are masked at a time: more would not stay in the cache
STEPS = 2**16  # `keep` is met to one part in this many
TINY = 1e-12  # keeps the gradient of a square root finite where nothing is dropped
SAMPLES = 1000


def draw_masks(
    shape: tuple[int, ...], keep: float, *, device: torch.device | str = "cpu"
) -> Tensor:
    """Return booleans that are True with probability ``keep``, met to 2**-16.

    They come from torch's global generator of the device; four from each 64-bit number, which
    takes a tenth of the time of `torch.bernoulli`.
    """
    count = math.prod(shape)
    numbers = torch.empty(-(-count // 4), dtype=torch.int64, device=device)
    numbers.random_(-(2**63), None)  # pyright: ignore[reportCallIssue, reportArgumentType]
    values = numbers.view(torch.int16)[:count].view(shape)
    largest = round(keep * STEPS) - STEPS // 2 - 1
    return values <= largest


def masked_linear(
    v: Tensor, weight: Tensor, bias: Tensor | None, masks: Tensor, bias_masks: Tensor
) -> Tensor:
    """Return (M * W) v + m * b, with masks of its own for each example.

    Args:
        v: inputs, (N, I).
        weight: W, (O, I).
        bias: b, (O,), or None.
        masks: M, booleans, (N, O, I), or (1, O, I) for one mask of all examples.
        bias_masks: m, booleans, (N, O) or (1, O).
    """
    if masks.shape[0] == 1:
        out_NO = F.linear(v, weight * masks[0])
    else:
        out_NO = _MaskedLinear.apply(v, weight, masks)
    return out_NO if bias is None else out_NO + bias_masks * bias


def moments(
    v: Tensor, weight: Tensor, bias: Tensor | None, *, keep: float
) -> tuple[Tensor, Tensor]:
    """Return mean and variance of (M * W) v + m * b over all masks, each (N, O).

    Outputs are independent given ``v``. Half precision is computed in float32, since weights and
    inputs are squared.
    """
    if v.dtype in (torch.float16, torch.bfloat16) or weight.dtype != v.dtype:
        v, weight = v.float(), weight.float()
        bias = None if bias is None else bias.float()
    with torch.autocast("cpu" if v.is_meta else v.device.type, enabled=False):
        mean_NO = keep * F.linear(v, weight, bias)
        squares = None if bias is None else bias.square()
        variance_NO = keep * (1 - keep) * F.linear(v.square(), weight.square(), squares)
    return mean_NO, variance_NO


def expected_relu(mean: Tensor, variance: Tensor) -> Tensor:
    """Return the mean of max(u, 0) for normal u: mu * Phi(mu / sigma) + sigma * phi(mu / sigma)."""
    deviation = variance.clamp_min(TINY).sqrt()
    z = mean / deviation
    below = torch.special.ndtr(z)
    return mean * below + deviation * torch.exp(-0.5 * z * z) / math.sqrt(2 * math.pi)


def sampled_relu(
    mean: Tensor, variance: Tensor, *, samples: int = SAMPLES, seed: int = 0
) -> Tensor:
    """Return the average of max(u, 0) over normal draws of u, the paper's inference.

    The draws depend on ``seed`` alone, so that an evaluation can be repeated.
    """
    generator = torch.Generator(mean.device).manual_seed(seed)
    total = torch.zeros_like(mean)
    deviation = variance.sqrt()
    for _ in range(samples):
        noise = torch.empty_like(mean).normal_(generator=generator)
        total += torch.addcmul(mean, deviation, noise).relu_()
    return total / samples


class DropConnect(nn.Module):
    """A linear layer whose weights and biases are dropped in training; named as `nn.Linear`.

    Args:
        in_features: I.
        out_features: O.
        bias: has a bias.
        keep: probability to keep a weight, in (0, 1].
        masks: "example", the paper's; "batch" or "gaussian", see above.
        inference: at evaluation, "mean" puts out the mean of u. The others are for a layer in
            front of a ReLU: they put out the mean of max(u, 0), which that ReLU leaves as it is,
            for the normal u of equal moments; "closed" by its formula, "sampled" by draws.
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        *,
        bias: bool = True,
        keep: float = 0.5,
        masks: str = "example",
        inference: str = "mean",
    ) -> None:
        super().__init__()
        at_least(1, in_features, "in_features")
        at_least(1, out_features, "out_features")
        if above_zero(keep, "keep") > 1:
            raise UsageError(f"keep={keep} is not in (0, 1]")
        self.keep = keep
        self.masks = one_of(masks, MASKS, "masks")
        self.inference = one_of(inference, INFERENCES, "inference")
        plain = nn.Linear(in_features, out_features, bias=bias)
        self.weight, self.bias = plain.weight, plain.bias

    @classmethod
    def of(cls, linear: nn.Linear, **words: Any) -> "DropConnect":
        """Return a layer with the parameters of ``linear``, the same tensors."""
        made = cls(1, 1, **words).train(linear.training)
        made.weight, made.bias = linear.weight, linear.bias
        return made

    def plain(self) -> nn.Linear:
        """Return the linear layer of the same parameters: inference by the mean, for ever."""
        out_features, in_features = self.weight.shape
        linear = nn.Linear(in_features, out_features, bias=False, device="meta")
        linear.weight, linear.bias = self.weight, self.bias
        return linear.train(self.training)

    def forward(self, v: Tensor) -> Tensor:
        if self.training and self.keep < 1:
            return self._drop(v)
        if self.inference == "mean":
            return F.linear(v, self.weight, self.bias)
        average = expected_relu if self.inference == "closed" else sampled_relu
        return average(*self._moments(v)).to(v.dtype)

    def _drop(self, v: Tensor) -> Tensor:
        if self.masks == "gaussian":
            mean_NO, variance_NO = self._moments(v)
            return mean_NO + (variance_NO + TINY).sqrt() * torch.randn_like(mean_NO)
        count = len(v) if self.masks == "example" else 1
        shape = (count, *self.weight.shape)
        masks, bias_masks = (
            draw_masks(part, self.keep, device=v.device) for part in (shape, shape[:2])
        )
        dropped = masked_linear(v.to(self.weight.dtype), self.weight, self.bias, masks, bias_masks)
        return dropped / self.keep

    def _moments(self, v: Tensor) -> tuple[Tensor, Tensor]:
        mean_NO, variance_NO = moments(v, self.weight, self.bias, keep=self.keep)
        return mean_NO / self.keep, variance_NO / self.keep**2

    def extra_repr(self) -> str:
        out_features, in_features = self.weight.shape
        words = f"keep={self.keep:g}, masks={self.masks}, inference={self.inference}"
        return f"{in_features}, {out_features}, {words}"


class _MaskedLinear(torch.autograd.Function):
    """(M * W) v by chunks of examples; only the booleans are kept for the backward pass."""

    @staticmethod
    def forward(ctx: Any, v: Tensor, weight: Tensor, masks: Tensor) -> Tensor:
        ctx.save_for_backward(v, weight, masks)
        parts = [
            torch.bmm(m_BOI * weight, v_BI[:, :, None])[:, :, 0]
            for v_BI, m_BOI in _chunks(weight, v, masks)
        ]
        return torch.cat(parts)

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        v, weight, masks = ctx.saved_tensors
        weight_grad, parts = torch.zeros_like(weight), list[Tensor]()
        for v_BI, m_BOI, g_BO in _chunks(weight, v, masks, grads[0].contiguous()):
            parts.append(torch.bmm(g_BO[:, None], m_BOI * weight)[:, 0])
            outer_BOI = g_BO[:, :, None] * v_BI[:, None]
            weight_grad += (m_BOI * outer_BOI).sum(dim=0)
        return torch.cat(parts), weight_grad, None


def _chunks(weight: Tensor, *rows: Tensor) -> Any:
    """Return the rows in parts of as many examples as `CHUNK` weights allow."""
    size = max(1, CHUNK // weight.numel())
    return zip(*(row.split(size) for row in rows))


@cost_formula(DropConnect)
def _drop_connect_cost(module: DropConnect, in_shape: Shape) -> Cost:
    outputs = math.prod(in_shape[:-1]) * module.weight.shape[0]
    work = outputs * module.weight.shape[1]
    per_bias = 0 if module.bias is None else outputs
    if module.inference == "mean":
        return Cost(work, per_bias)
    each = 18 if module.inference == "closed" else 6 + 3 * SAMPLES
    return Cost(2 * work, math.prod(in_shape) + 2 * per_bias + each * outputs)
