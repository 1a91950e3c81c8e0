"""What a choice depends on, what was considered, and what was chosen."""

from dataclasses import dataclass

SMALL_PIXELS = 40


@dataclass(frozen=True, kw_only=True)
class Situation:
    """What the choice depends on.

    Attributes:
        pixels: median short side of the training images.
        images: training images.
        grey: the images have no colour.
        weights: names of networks whose pretrained weights are installed.
    """

    pixels: int
    images: int
    grey: bool = False
    weights: frozenset[str] = frozenset()

    @property
    def small(self) -> bool:
        """Whether the images are small enough for the networks that are made for that."""
        return self.pixels <= SMALL_PIXELS


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """One network at one size, before and after it was measured."""

    net: str
    size: int
    pretrained: bool
    recipe: str
    prior: float
    latency_ms_p50: float | None = None
    engine: str | None = None
    precision: str | None = None
    kept: bool = False
    reason: str = "not measured"


@dataclass(frozen=True, kw_only=True)
class Choice:
    """The network to train, and why."""

    net: str
    size: int
    pretrained: bool
    recipe: str
    reason: str
    budget_ms: float | None = None
    seconds: float = 0.0
    candidates: tuple[Candidate, ...] = ()
