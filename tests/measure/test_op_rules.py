"""Rules of single operators that no network of ours reaches."""

import torch
from torch import Tensor, nn

from fleetfoot.measure.counts import count


class Attention(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return torch.baddbmm(x, torch.bmm(x, x.mT), x)


def test_batched_products() -> None:
    counts = count(Attention(), (5, 6))
    assert counts.macs == 2 * 5 * 5 * 6
    assert counts.elementwise_ops == 5 * 6  # the sum of baddbmm
    assert {record.kind for record in counts.records} == {"linear"}


class Reductions(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.amax(dim=-1) + x.sum(dim=-1) + x.mean(dim=-1)


def test_reductions_cost_what_they_read() -> None:
    counts = count(Reductions(), (4, 6))
    assert counts.elementwise_ops == 3 * 24 + 2 * 4
    assert counts.uncounted == ()
