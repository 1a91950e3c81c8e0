"""JoCoR: two networks learn together from the samples that both find easy and alike.

Paper    Wei et al., "Combating noisy labels by agreement", CVPR 2020, arXiv:2003.02752, section 3
Departs  optimiser and schedule are the recipe's; the authors' Adam changes its first beta late in
         the run. The first network alone is kept. Label smoothing and weights of classes, which a
         recipe may have, do not act: small losses are those of the plain cross-entropy
Letters  N batch, C classes
"""

from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fleetfoot.data.loader import Batch
from fleetfoot.train.steps.step import Context, Metrics, Step, accuracy_of, inputs_of


class Pair(nn.Module):
    """Two networks: the logits of both in training, (2, N, C), of the first at evaluation."""

    def __init__(self, first: nn.Module, second: nn.Module) -> None:
        super().__init__()
        self.first = first
        self.second = second

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            return self.first(x)
        return torch.stack([self.first(x), self.second(x)])


def joint_losses(first_NC: Tensor, second_NC: Tensor, targets: Tensor, weight: float) -> Tensor:
    """Return the loss of each sample, (N,): of both networks, and of their disagreement.

    Args:
        first_NC, second_NC: logits.
        targets: classes (N,), which may be wrong, or shares of them (N, C).
        weight: of the disagreement, the two Kullback-Leibler divergences, in 0..1.
    """
    own = [F.cross_entropy(x, targets, reduction="none") for x in (first_NC, second_NC)]
    first, second = first_NC.log_softmax(dim=1), second_NC.log_softmax(dim=1)
    apart_NC = (first.exp() - second.exp()) * (first - second)  # both divergences in one
    return (1.0 - weight) * (own[0] + own[1]) + weight * apart_NC.sum(dim=1)


def easiest(losses_N: Tensor, forgotten: float) -> Tensor:
    """Return the indices of the smallest losses, all but a share; at least one."""
    kept = max(1, int((1.0 - forgotten) * len(losses_N)))
    return losses_N.detach().topk(kept, largest=False).indices


def jocor_step(*, noise: float, weight: float, ramp: int) -> Step:
    """Return the step on a `Pair`.

    Args:
        noise: share of the samples that are left out, from epoch ``ramp`` on.
        weight: of the disagreement.
        ramp: epochs over which that share rises from 0.
    """

    def step(net: nn.Module, batch: Batch, context: Context) -> tuple[Tensor, Metrics]:
        images, targets = inputs_of(batch, context)
        with context.autocast():
            logits = net(images)
        first_NC, second_NC = cast(Tensor, logits).float().unbind(dim=0)
        losses_N = joint_losses(first_NC, second_NC, targets, weight)
        kept = easiest(losses_N, noise * min(1.0, context.epoch / ramp))
        return losses_N[kept].mean(), {"accuracy": accuracy_of(first_NC, targets)}

    return step
