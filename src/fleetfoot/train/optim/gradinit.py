"""GradInit: learn one factor for each parameter tensor, so that the first step goes far down.

Paper    Zhu et al., "GradInit", NeurIPS 2021, arXiv:2102.08098; what is not in its formulas is as
         the released code does it, which takes the step's direction as given (`second_order`
         differentiates through it)
Departs  a gradient norm that is not finite raises an error
Cost     an iteration reads 1.5 batches and takes a forward pass, a backward pass and either their
         like again (objective) or a second backward pass through the first (constraint)
Letters  N images, M parameter tensors ("blocks")
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call

from fleetfoot.core.arguments import above_zero, at_least, one_of
from fleetfoot.core.errors import TrainingError
from fleetfoot.core.keeping import keeping
from fleetfoot.core.seeds import torch_rng

Loss = Callable[[Tensor, Tensor], Tensor]
Blocks = dict[str, Tensor]

NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)
EPS = 1e-8


@dataclass(frozen=True, kw_only=True)
class GradInit:
    """How the factors are learnt.

    Attributes:
        rule: the first step of training to prepare for: "sgd" along the gradient, bounded in its
            L2 norm, or "adam" along its sign, bounded in its L1 norm.
        step_size: of that step (eta).
        bound: on the norm of the gradient (gamma).
        normalise: the "sgd" step has length `step_size`, whatever the gradient's.
        lr: learning rate of the factors.
        iterations: how often they are changed.
        batch: images of a batch; the two batches of an iteration share half of theirs.
        overlap: share of a batch that the second one has of the first: 0.5, or 0 for none.
        least: lower end of the factors of weights; those of biases may fall to 0.
        most_layer_norm: upper end of the factors of layer norms' weights; None leaves it open.
        clip: on each derivative.
        betas: decays of the first and second moments of Adam on the factors.
        separate_moments: objective and constraint have second moments of their own, as in the
            released code for translation; first moments of their own they always have.
        second_order: the objective is differentiated through the step too.
        seed: decides which images are drawn.
    """

    rule: Literal["sgd", "adam"] = "sgd"
    step_size: float = 0.1
    bound: float = 1.0
    normalise: bool = True
    lr: float = 1e-2
    iterations: int = 390
    batch: int = 128
    overlap: float = 0.5
    least: float = 0.01
    most_layer_norm: float | None = None
    clip: float = 1.0
    betas: tuple[float, float] = (0.9, 0.999)
    separate_moments: bool = False
    second_order: bool = False
    seed: int = 0

    def __post_init__(self) -> None:
        one_of(self.rule, ("sgd", "adam"), "rule")
        one_of(self.overlap, (0.0, 0.5), "overlap")
        for name in ("step_size", "bound", "clip"):
            above_zero(getattr(self, name), name)
        at_least(0, self.iterations, "iterations")
        at_least(2, self.batch, "batch")


class Iteration(NamedTuple):
    """One change of the factors: the norm of the gradient, and the loss after the step.

    `loss` is None where the norm was above its bound, and was made smaller instead.
    """

    norm: float
    loss: float | None


class Learnt(NamedTuple):
    """The factor of each block by name, and every iteration."""

    factors: dict[str, float]
    iterations: tuple[Iteration, ...]


def gradinit(
    net: nn.Module,
    images: Tensor,
    labels: Tensor,
    settings: GradInit,
    *,
    loss: Loss = F.cross_entropy,
) -> Learnt:
    """Multiply every parameter of ``net`` by the factor that is learnt for it, in place.

    Dropout is off; batch norms use the statistics of the batch and leave their running ones alone.
    Blocks of zeros stay zero. The mode of the network is put back.

    Args:
        net: with its ordinary first weights.
        images: normalised, at least 1.5 batches of them (2 without overlap), (N, C, H, W).
        labels: their classes, (N,).
        settings: how.
        loss: of logits and labels.

    Raises:
        TrainingError: the gradient's norm is not a finite number.
    """
    start = {n: p.detach().clone() for n, p in net.named_parameters() if p.requires_grad}
    state = _Factors.of(net, start, settings)
    done: list[Iteration] = []
    with keeping(net.modules(), "training"):
        net.eval()
        for module in net.modules():
            if isinstance(module, NORMS):
                module.train()
        for number in range(settings.iterations):
            first, second = _batches(images, labels, settings, number)
            done.append(_iterate(net, start, state, first, second, settings, loss))
    with torch.no_grad():
        for factor, (name, value) in zip(state.values, start.items(), strict=True):
            net.get_parameter(name).copy_(factor * value)
    return Learnt(dict(zip(start, state.values.tolist(), strict=True)), tuple(done))


def step_direction(grads: tuple[Tensor, ...], settings: GradInit) -> tuple[Tensor, ...]:
    """Return what the first step goes against: A[g], a tensor a block."""
    if settings.rule == "adam":
        return tuple(grad.sign() for grad in grads)
    length = gradient_norm(grads, settings) if settings.normalise else 1.0
    return tuple(grad / length for grad in grads)


def gradient_norm(grads: tuple[Tensor, ...], settings: GradInit) -> Tensor:
    """Return the norm of all blocks together: L2 for "sgd", L1 for "adam"."""
    if settings.rule == "adam":
        return torch.stack([grad.abs().sum() for grad in grads]).sum()
    return torch.stack([grad.square().sum() for grad in grads]).sum().sqrt()


@dataclass
class _Factors:
    """The factors, and Adam's moments of them; place 0 is the objective, 1 the constraint."""

    values: Tensor  # (M,)
    least: Tensor  # (M,)
    most: Tensor  # (M,)
    alive: Tensor  # blocks that are not all zeros, (M,)
    first: tuple[Tensor, Tensor] = field(init=False)
    second: tuple[Tensor, Tensor] = field(init=False)
    counts: list[int] = field(default_factory=lambda: [0, 0])

    def __post_init__(self) -> None:
        self.first, self.second = (
            (torch.zeros_like(self.values), torch.zeros_like(self.values)) for _ in range(2)
        )

    @classmethod
    def of(cls, net: nn.Module, start: Blocks, settings: GradInit) -> "_Factors":
        """Return factors of 1 for the blocks of ``start``."""
        layer_norms = {
            f"{path}.weight" for path, m in net.named_modules() if isinstance(m, nn.LayerNorm)
        }
        most = settings.most_layer_norm
        ends = [
            (
                0.0 if name.rpartition(".")[2] == "bias" else settings.least,
                most if most is not None and name in layer_norms else float("inf"),
            )
            for name in start
        ]
        like = next(iter(start.values()))
        least, most = like.new_tensor(ends).unbind(dim=1)
        alive = torch.stack([value.any() for value in start.values()])
        return cls(torch.ones_like(least), least, most, alive)

    def change(self, grads: Tensor, settings: GradInit, *, constraint: bool) -> None:
        """Take one step of Adam down these derivatives, (M,), between the ends."""
        grads = grads.clamp(-settings.clip, settings.clip)
        own = int(constraint)
        spread = self.second[own if settings.separate_moments else 0]
        mean = self.first[own]
        self.counts[own] += 1
        count = self.counts[own] if settings.separate_moments else sum(self.counts)
        beta1, beta2 = settings.betas
        mean.mul_(beta1).add_(grads, alpha=1 - beta1)
        spread.mul_(beta2).addcmul_(grads, grads, value=1 - beta2)
        size = (spread / (1 - beta2**count)).sqrt() + EPS
        moved = self.values - settings.lr * mean / (1 - beta1**count) / size
        moved = torch.minimum(torch.maximum(moved, self.least), self.most)
        self.values = torch.where(self.alive, moved, self.values)


Images = tuple[Tensor, Tensor]


def _iterate(
    net: nn.Module,
    start: Blocks,
    state: _Factors,
    first: Images,
    second: Images,
    settings: GradInit,
    loss: Loss,
) -> Iteration:
    factors = state.values.clone().requires_grad_()
    blocks = {name: f * value for f, (name, value) in zip(factors, start.items(), strict=True)}
    here = _loss_of(net, blocks, first, loss)
    grads = torch.autograd.grad(
        here,
        tuple(blocks.values()),
        create_graph=True,
        allow_unused=True,
        materialize_grads=True,
    )
    norm = gradient_norm(grads, settings)
    length = norm.item()
    if not length < float("inf"):
        raise TrainingError(
            f"gradinit: the gradient has the norm {length}: the first weights are too large for "
            "the depth of this network"
        )
    if length > settings.bound:
        (derivatives,) = torch.autograd.grad(norm, factors)
        state.change(derivatives, settings, constraint=True)
        return Iteration(length, None)
    if not settings.second_order:
        grads = tuple(grad.detach() for grad in grads)
    direction = step_direction(grads, settings)
    moved = {
        name: block - settings.step_size * along
        for (name, block), along in zip(blocks.items(), direction, strict=True)
    }
    after = _loss_of(net, moved, second, loss)
    (derivatives,) = torch.autograd.grad(after / settings.step_size, factors)
    state.change(derivatives, settings, constraint=False)
    return Iteration(length, after.item())


def _loss_of(net: nn.Module, blocks: Blocks, batch: Images, loss: Loss) -> Tensor:
    # Copies, so that batch norms in training mode write their statistics elsewhere.
    buffers = {name: buffer.clone() for name, buffer in net.named_buffers()}
    return loss(functional_call(net, {**blocks, **buffers}, (batch[0],)), batch[1])


def _batches(
    images: Tensor, labels: Tensor, settings: GradInit, number: int
) -> tuple[Images, Images]:
    """Return the two batches of an iteration: a function of seed and number alone."""
    half = settings.batch // 2
    generator = torch_rng(settings.seed, "gradinit", number)
    order = torch.randperm(len(labels), generator=generator).to(labels.device)
    parts = order.split(half)[:4]
    if len(parts) < (3 if settings.overlap else 4):
        parts = (parts * 4)[:4]  # so few images that batches repeat them
    own = (parts[0], parts[1])
    other = (parts[0], parts[2]) if settings.overlap else (parts[2], parts[3])
    first, second = (torch.cat(pair) for pair in (own, other))
    return (images[first], labels[first]), (images[second], labels[second])
