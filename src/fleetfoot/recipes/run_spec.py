"""What decides a run, and what its initial weights say of themselves."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fleetfoot.deploy.names import MAX_DROP
from fleetfoot.nets.portable import Portable, read_portable
from fleetfoot.nets.weights import pretrained
from fleetfoot.train.recipe import Recipe


@dataclass(frozen=True, kw_only=True)
class RunSpec:
    """Everything that a person or the choice decided about a run.

    Attributes:
        data: the words the data set was opened with.
        net: name of the network.
        size: side of the square input, pixels.
        weights: initial weights: "none", "auto" (published ones) or a path.
        recipe: the training recipe.
        device: "cpu" or "cuda".
        threads: threads of the deployed network.
        budget_ms: latency the bundle has to keep, or None.
        max_drop: share of the gate images that the deployed form may lose.
        no_golden: keep images out of the bundle.
    """

    data: str
    net: str
    size: int
    weights: str = "none"
    recipe: Recipe = field(default_factory=Recipe)
    device: str = "cpu"
    threads: int = 1
    budget_ms: float | None = None
    max_drop: float = MAX_DROP
    no_golden: bool = False


def saved_weights(spec: RunSpec) -> Portable | None:
    """Return what a folder of portable weights says of itself; None of any other weights."""
    named = spec.weights in ("auto", "none")
    if named or not (Path(spec.weights) / "config.json").is_file():
        return None
    return read_portable(Path(spec.weights))


def initial_weights(spec: RunSpec) -> dict[str, Any]:
    """Return source and licence of the initial weights; "unknown" where unknown."""
    if spec.weights == "none":
        return {"source": "trained from scratch", "licence": "yours"}
    info = pretrained(spec.net) if spec.weights == "auto" else None
    if info is None:
        return {"source": spec.weights, "licence": "unknown"}
    return {"source": info.source, "licence": info.licence}
