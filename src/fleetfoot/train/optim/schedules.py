"""The schedules that a recipe may choose: how the learning rate falls from its highest value.

Lengths are shares of the run. `learning_rate` computes them.
"""

from dataclasses import dataclass, field
from typing import Literal

from fleetfoot.core.ranges import AtLeastOne, AtLeastZero, Checked, Factor, Rising, Share


@dataclass(frozen=True, kw_only=True)
class _Schedule(Checked):
    """What every schedule has.

    Attributes:
        kind: its word.
        warmup: share of the steps in which the rate rises linearly.
        epochwise: the rate changes between epochs only.
    """

    kind: str = field(default="", init=False)
    warmup: Share = 0.0
    epochwise: bool = False


@dataclass(frozen=True, kw_only=True)
class Cosine(_Schedule):
    """Half a cosine (Loshchilov and Hutter, arXiv:1608.03983, without restarts).

    It ends at `final_lr`, a share of the highest learning rate.
    """

    kind: Literal["cosine"] = field(default="cosine", init=False)
    warmup: Share = 0.05
    final_lr: Share = 0.0


@dataclass(frozen=True, kw_only=True)
class Linear(_Schedule):
    """A straight line down to `final_lr`, a share of the highest learning rate."""

    kind: Literal["linear"] = field(default="linear", init=False)
    warmup: Share = 0.05
    final_lr: Share = 0.0


@dataclass(frozen=True, kw_only=True)
class Steps(_Schedule):
    """At each of the `milestones`, shares of the run, `step_factor` of the rate is left."""

    kind: Literal["steps"] = field(default="steps", init=False)
    milestones: Rising = (0.5, 0.75)
    step_factor: Factor = 0.1


@dataclass(frozen=True, kw_only=True)
class Exponential(_Schedule):
    """After every `decay_every`, a share of the run, `step_factor` of the rate is left."""

    kind: Literal["exponential"] = field(default="exponential", init=False)
    decay_every: Factor = 0.01
    step_factor: Factor = 0.1


@dataclass(frozen=True, kw_only=True)
class Plateau(_Schedule):
    """When `patience` evaluations bring no lower error, `step_factor` of the rate is left.

    At most `drops` times.
    """

    kind: Literal["plateau"] = field(default="plateau", init=False)
    patience: AtLeastOne = 5
    drops: AtLeastZero = 3
    step_factor: Factor = 0.1


Schedule = Cosine | Linear | Steps | Exponential | Plateau
