"""How a network is deployed: what is tried, how long it is measured, what it may lose."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from fleetfoot.core.listener import SILENT, Listener
from fleetfoot.deploy.names import MAX_DROP, PRECISIONS
from fleetfoot.measure.latency import Schedule

if TYPE_CHECKING:
    from fleetfoot.kernels.packed_net import PackedNet

SCHEDULE = Schedule(min_seconds=0.3, warm_up_seconds=0.3, max_seconds=5.0)


@dataclass(frozen=True, kw_only=True)
class Options:
    """How a network is deployed.

    Attributes:
        threads: numbers of threads to try.
        max_drop: see `gate.allowed_loss`.
        engines: engines to try; None for all that are installed.
        precisions: precisions to try.
        graph_preprocess: put the affine step and softmax into the graph: uint8 image in,
            probabilities out.
        calibration_images: uint8 crops (N, H, W, C) for the ranges of int8; without them there is
            no int8.
        baselines: torch engines measured beside, ``eager`` and ``compile``.
        budget_ms: limit that the chosen form is verified against, in three fresh processes.
        packed: the network in bits, or the reason why a binary one could not be packed; None for a
            network that is none.
        schedule: how long candidates are measured.
        golden: keep the gate images in the bundle by which another machine can check it.
        listener: hears when another measurement is waited for.
    """

    threads: tuple[int, ...] = (1,)
    max_drop: float = MAX_DROP
    engines: tuple[str, ...] | None = None
    precisions: tuple[str, ...] = PRECISIONS
    graph_preprocess: bool = False
    calibration_images: NDArray[np.uint8] | None = None
    baselines: tuple[str, ...] = ("eager",)
    budget_ms: float | None = None
    packed: "PackedNet | str | None" = None
    schedule: Schedule = SCHEDULE
    golden: bool = True
    listener: Listener = SILENT
