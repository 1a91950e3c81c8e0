"""TargetDrop: in training, cut the square around the peak out of the most attended channels.

Paper    Zhu & Zhao, "TargetDrop", 2020, arXiv:2010.10716; its abstract and the survey
         arXiv:2201.03299, the paper's own figures were not at hand
Departs  the choice of channels passes no gradient, so the layers that attend learn only if the
         attention touches the map besides: ``gate="straight"`` multiplies by 1 + m - stop(m), whose
         value is 1, ``gate="full"`` by m, at evaluation too; ``gate="none"`` leaves them as drawn
Cost     nothing at evaluation; with ``gate="full"`` that of squeeze-and-excitation without biases
Letters  N batch, C channels, S squeezed channels, H height, W width
"""

from typing import Literal, get_args

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fleetfoot.core import arguments
from fleetfoot.core.costs import Cost, Shape, cost_formula

AttentionGate = Literal["none", "straight", "full"]


def target_mask(x: Tensor, attention_NC: Tensor, *, share: float, block: int) -> Tensor:
    """Return 0 in a square around the peak of each target channel and 1 elsewhere.

    Args:
        x: feature map, (N, C, H, W).
        attention_NC: the channels with the largest are the targets.
        share: of the channels that are targets, rounded, at least one.
        block: odd side of the square, clipped at the borders.

    Returns:
        The mask, (N, C, H, W), in the dtype of ``x``.
    """
    height, width = x.shape[2:]
    targets = max(1, round(share * x.shape[1]))
    chosen = attention_NC.topk(targets, dim=1).indices
    is_target = torch.zeros_like(attention_NC, dtype=torch.bool).scatter_(1, chosen, value=True)
    peak_NC = x.detach().flatten(2).argmax(dim=2)
    rows = torch.arange(height, device=x.device)
    columns = torch.arange(width, device=x.device)
    near_row = (rows - (peak_NC // width)[..., None]).abs() <= block // 2  # (N, C, H)
    near_column = (columns - (peak_NC % width)[..., None]).abs() <= block // 2  # (N, C, W)
    inside = near_row[..., :, None] & near_column[..., None, :] & is_target[..., None, None]
    return (~inside).to(x.dtype)


class TargetDrop(nn.Module):
    """Mask of `target_mask` on a feature map, the rest scaled up by elements / kept elements.

    Args:
        channels: C of the map.
        share: of the channels that are targets.
        block: odd side of the square.
        reduction: C / S of the attention.
        gate: how the attention touches the map besides: "none", "straight" or "full".

    Raises:
        UsageError: a value out of its range.
    """

    def __init__(
        self,
        channels: int,
        *,
        share: float = 0.15,
        block: int = 5,
        reduction: int = 16,
        gate: AttentionGate = "straight",
    ) -> None:
        super().__init__()
        self.share = arguments.rate(share, "share")
        self.block = arguments.odd(block, "block")
        self.gate: AttentionGate = arguments.one_of(gate, get_args(AttentionGate), "gate")
        squeezed = max(1, channels // arguments.at_least(1, reduction, "reduction"))
        self.reduce_weight = nn.Parameter(torch.empty(squeezed, channels))
        self.expand_weight = nn.Parameter(torch.empty(channels, squeezed))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw both layers from He's normal (fan-in)."""
        for weight in (self.reduce_weight, self.expand_weight):
            nn.init.kaiming_normal_(weight)

    def attention(self, x: Tensor) -> Tensor:
        """Return the attention of each channel, 0 to 1, (N, C)."""
        squeezed_NS = F.linear(x.mean(dim=(2, 3)), self.reduce_weight).relu()
        return F.linear(squeezed_NS, self.expand_weight).sigmoid()

    def forward(self, x: Tensor) -> Tensor:
        if not self.training and self.gate != "full":
            return x
        attention_NC = self.attention(x)
        factor = attention_NC if self.gate == "full" else torch.ones_like(attention_NC)
        if self.gate == "straight":
            factor = 1.0 + attention_NC - attention_NC.detach()
        gated = x * factor.to(x.dtype)[..., None, None]
        if not self.training:
            return gated
        mask = target_mask(x, attention_NC.detach(), share=self.share, block=self.block)
        scale = mask.numel() / mask.sum(dtype=torch.float32).clamp(min=1.0)
        return gated * (mask * scale.to(x.dtype))

    def extra_repr(self) -> str:
        channels, squeezed = self.expand_weight.shape
        return f"{channels}, {squeezed}, share={self.share:g}, block={self.block}, gate={self.gate}"


@cost_formula(TargetDrop)
def _target_drop_cost(module: TargetDrop, in_shape: Shape) -> Cost:
    if module.gate != "full":
        return Cost()
    batch, channels, height, width = in_shape
    squeezed = module.reduce_weight.shape[0]
    positions = batch * channels * height * width
    return Cost(2 * batch * channels * squeezed, 2 * positions + batch * (channels + squeezed))
