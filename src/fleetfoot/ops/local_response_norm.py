"""Local response normalisation (LRN): divide each channel by the energy of its neighbours.

Paper    Krizhevsky et al., "ImageNet Classification", NIPS 2012, section 3.3:
         a / (k + alpha * sum of a^2 over `size` channels around)^beta
Departs  convention="released" divides alpha by `size`, as cuda-convnet, Caffe and torch do and the
         paper's formula does not; with `groups` the window stays inside a group of channels, as it
         stays inside one column of the two-GPU network
Cost     size + 4 elementwise operations an element
Letters  N batch, C channels, G groups, H height, W width
"""

import torch.nn.functional as F
from torch import Tensor, nn

from fleetfoot.core.arguments import at_least, odd, one_of
from fleetfoot.core.costs import Cost, Shape, cost_formula
from fleetfoot.core.errors import ShapeError, UsageError

CONVENTIONS = ("paper", "released")


def local_response_norm(
    x: Tensor,
    *,
    size: int = 5,
    alpha: float = 1e-4,
    beta: float = 0.75,
    k: float = 2.0,
    groups: int = 1,
    convention: str = "paper",
) -> Tensor:
    """Normalise a map across its channels, at each position by itself; keeps (N, C, H, W).

    Args:
        x: feature map.
        size: channels in a window, odd; fewer at either end of a group.
        alpha: weight of the sum of squares, or of their mean; see ``convention``.
        beta: power of the denominator.
        k: its constant.
        groups: G parts of the channels that do not see each other.
        convention: "paper" is the formula, "released" divides alpha by ``size``.

    Raises:
        ShapeError: channels that do not divide into groups.
        UsageError: an even window, no groups, or another word for the convention.
    """
    _check(size, groups, convention)
    if x.shape[1] % groups:
        raise ShapeError(f"LRN in {groups} groups needs channels that divide, got {x.shape[1]}")
    weight = alpha if convention == "paper" else alpha / size
    channels = x.shape[1] // groups
    edge = size // 2
    squares_NGCHW = F.pad((x * x).unflatten(1, (groups, channels)), (0, 0, 0, 0, edge, edge))
    total = squares_NGCHW.narrow(2, 0, channels)
    for shift in range(1, size):  # sums of shifted maps run twice as fast as torch's average pool
        total = total + squares_NGCHW.narrow(2, shift, channels)
    return x * (total.flatten(1, 2) * weight + k).pow(-beta)


def _check(size: int, groups: int, convention: str) -> None:
    odd(size, "size")
    at_least(1, groups, "groups")
    one_of(convention, CONVENTIONS, "convention")


def check_constants(norm: str, *, alpha: float, beta: float, k: float) -> None:
    """Refuse constants with which a response norm is no norm or divides by 0.

    Raises:
        UsageError: alpha is negative, or beta or k is not positive.
    """
    if not (alpha >= 0 and beta > 0 and k > 0):
        raise UsageError(
            f"{norm} needs alpha >= 0, beta > 0 and k > 0, got alpha={alpha}, beta={beta}, k={k}"
        )


class LocalResponseNorm(nn.Module):
    """`local_response_norm` with fixed constants; the defaults are the paper's.

    Raises:
        UsageError: an even window, no groups, another word for the convention, or a power or
            constant that is not positive.
    """

    def __init__(
        self,
        size: int = 5,
        *,
        alpha: float = 1e-4,
        beta: float = 0.75,
        k: float = 2.0,
        groups: int = 1,
        convention: str = "paper",
    ) -> None:
        super().__init__()
        _check(size, groups, convention)
        check_constants("LRN", alpha=alpha, beta=beta, k=k)
        self.size = size
        self.alpha, self.beta, self.k = alpha, beta, k
        self.groups = groups
        self.convention = convention

    def forward(self, x: Tensor) -> Tensor:
        return local_response_norm(
            x,
            size=self.size,
            alpha=self.alpha,
            beta=self.beta,
            k=self.k,
            groups=self.groups,
            convention=self.convention,
        )

    def extra_repr(self) -> str:
        return (
            f"{self.size}, alpha={self.alpha}, beta={self.beta}, k={self.k}, "
            f"groups={self.groups}, convention={self.convention}"
        )


@cost_formula(LocalResponseNorm)
def _local_response_norm_cost(module: LocalResponseNorm, in_shape: Shape) -> Cost:
    batch, channels, height, width = in_shape
    return Cost(elementwise_ops=batch * channels * height * width * (module.size + 4))
