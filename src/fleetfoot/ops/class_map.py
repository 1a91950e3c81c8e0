"""A classifier that speaks through another one: known classes first, then what they mean to us.

p(c | x) = sum_k p(k | x) q(c | k): the pretrained classifier names one of its K classes, and each
of them counts towards ours by a learned share.

Paper    none, ours: the law of total probability over the classes of a pretrained network; how
         the shares are learned from few images is `train/head/fits.py`
Cost     F * K + K * C multiply-adds
Letters  N batch, F features, K classes of the pretrained classifier, C classes
"""

import torch
from torch import Tensor, nn

from fleetfoot.core.arguments import at_least
from fleetfoot.core.costs import Cost, Shape, cost_formula

FLOOR = 1e-30  # of a probability before its logarithm: shares can underflow


def class_map(known: Tensor, log_shares: Tensor) -> Tensor:
    """Return logits of our classes: logarithms of probabilities.

    Args:
        known: logits of the pretrained classifier, (N, K).
        log_shares: log q(c | k), (K, C).

    Returns:
        log p(c | x), (N, C); up to an added constant where the shares do not sum to 1.

    >>> known = torch.tensor([[2.0, 0.0, 0.0]])
    >>> shares = torch.tensor([[0.9, 0.1], [0.5, 0.5], [0.1, 0.9]])
    >>> [round(p, 2) for p in class_map(known, shares.log()).exp()[0].tolist()]
    [0.77, 0.23]
    """
    known = known.to(log_shares.dtype)  # under autocast too: small numbers follow
    powers_NK = (known - known.amax(dim=1, keepdim=True)).exp()
    mixed_NC = (powers_NK @ log_shares.exp()).clamp(min=FLOOR)
    return mixed_NC.log() - powers_NK.sum(dim=1, keepdim=True).log()


class ClassMap(nn.Module):
    """Features (N, F) to logits (N, C) by way of the pretrained classifier `known`.

    Raises:
        UsageError: no features, or no classes on either side.
    """

    def __init__(self, features: int, known_classes: int, classes: int) -> None:
        super().__init__()
        at_least(1, features, "features")
        at_least(1, known_classes, "known_classes")
        at_least(1, classes, "classes")
        self.known = nn.Linear(features, known_classes)
        self.log_shares = nn.Parameter(torch.zeros(known_classes, classes))

    def forward(self, x: Tensor) -> Tensor:
        return class_map(self.known(x), self.log_shares)


@cost_formula(ClassMap)
def _class_map_cost(module: ClassMap, in_shape: Shape) -> Cost:
    known, classes = module.log_shares.shape
    macs = in_shape[0] * known * (module.known.in_features + classes)
    return Cost(macs, in_shape[0] * (5 * known + 3 * classes + 1))
