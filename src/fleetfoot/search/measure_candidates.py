"""Time candidate networks in deployed form, before anything is trained."""

import contextlib
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from torch import nn

from fleetfoot.core.errors import FleetfootError
from fleetfoot.core.listener import Listener
from fleetfoot.deploy.calibrate_norms import calibrate_norms
from fleetfoot.deploy.cells import CellTiming
from fleetfoot.deploy.measure_deployed import Exporter, Sized, likely_engine, measure_deployed
from fleetfoot.nets.catalog import CLASS_MAP
from fleetfoot.nets.create import create
from fleetfoot.nets.weights import pretrained
from fleetfoot.passes.fold_batch_norm import fold_batch_norm
from fleetfoot.search.choice import Candidate


class CandidateTimer:
    """Times candidates at batch 1, preprocessing outside; a network is made once, at any sizes.

    The weights' values do not matter for time, so each network is made untrained.

    Args:
        folder: for exported networks.
        classes: outputs of the networks.
        channels: channels of their input.
        threads: threads of the engine.
        listener: hears each measurement.
        options: words for `create`, by network.
    """

    def __init__(
        self,
        folder: Path,
        *,
        classes: int,
        channels: int,
        threads: int,
        listener: Listener,
        options: Mapping[str, Mapping[str, Any]] | None = None,
    ) -> None:
        self.classes, self.channels, self.threads = classes, channels, threads
        self.listener = listener
        self.options = options or {}
        self.exporter = Exporter(folder)
        self._nets: dict[str, nn.Module] = {}
        self._longest = 0.0  # seconds that a network took to be made and exported

    def __call__(self, candidates: Sequence[Candidate], seconds: float) -> list[Candidate]:
        """Return the candidates whose networks there was time to make, timed side by side.

        Those of the lowest prior come first: where there is little time, something small is known.
        """
        start = time.perf_counter()
        items: dict[str, tuple[Candidate, Sized]] = {}
        for candidate in sorted(candidates, key=lambda c: c.prior):
            begun = time.perf_counter()
            if candidate.net not in self._nets and begun - start + self._longest > seconds:
                continue
            name = f"{candidate.net} at {candidate.size} px"
            items[name] = candidate, self._sized(name, candidate)
            self._longest = max(self._longest, time.perf_counter() - begun)
        engine = likely_engine()
        timings = measure_deployed(
            [item for _, item in items.values()],
            threads=self.threads,
            engine=engine,
            exporter=self.exporter,
        )
        return [
            self._timed(replace(candidate, engine=engine), name, timings[name])
            for name, (candidate, _) in items.items()
        ]

    def _sized(self, name: str, candidate: Candidate) -> Sized:
        """Return a candidate to measure; a network is made and exported at its first size."""
        shape = (self.channels, candidate.size, candidate.size)
        if candidate.net in self._nets:
            return Sized(name, self._nets[candidate.net], shape)
        own = _dearest_head(candidate) | dict(self.options.get(candidate.net, {}))
        net = create(candidate.net, num_classes=self.classes, in_chans=self.channels, **own)
        self._nets[candidate.net] = fold_batch_norm(calibrate_norms(net, shape)).model
        item = Sized(name, self._nets[candidate.net], shape)
        with contextlib.suppress(FleetfootError):  # measuring says so
            self.exporter.file(item)
        return item

    def _timed(self, candidate: Candidate, name: str, timing: CellTiming) -> Candidate:
        if timing.latency is None:
            self.listener.message(f"  {name}: cannot run: {timing.error}")
            return replace(candidate, reason=f"cannot run: {timing.error}")
        self.listener.message(f"  {name}: {timing.latency.ms_p50:.2f} ms")
        return replace(
            candidate, latency_ms_p50=timing.latency.ms_p50, precision=timing.actual_precision
        )


def _dearest_head(candidate: Candidate) -> dict[str, Any]:
    """Return the options of `create` for the slowest head that training may choose."""
    info = pretrained(candidate.net) if candidate.pretrained else None
    return {} if info is None else {CLASS_MAP: len(info.classes)}
