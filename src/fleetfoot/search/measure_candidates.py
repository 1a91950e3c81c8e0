"""Time candidate networks in deployed form, before anything is trained."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from torch import nn

from fleetfoot.core.listener import Listener
from fleetfoot.core.machine_lock import measuring
from fleetfoot.deploy.calibrate_norms import calibrate_norms
from fleetfoot.deploy.cells import CellTiming
from fleetfoot.deploy.measure_deployed import Sized, likely_engine, measure_deployed
from fleetfoot.nets.catalog import CLASS_MAP
from fleetfoot.nets.create import create
from fleetfoot.nets.weights import pretrained
from fleetfoot.passes.fold_batch_norm import fold_batch_norm
from fleetfoot.search.choice import Candidate


def measure_candidates(
    candidates: Sequence[Candidate],
    *,
    classes: int,
    channels: int,
    threads: int,
    listener: Listener,
    options: Mapping[str, Mapping[str, Any]] | None = None,
    seconds: float = 35.0,
) -> tuple[Candidate, ...]:
    """Return the candidates with their median latency at batch 1, preprocessing outside.

    The weights' values do not matter for time, so that each network is made untrained, and its
    sizes are measured side by side.

    Args:
        candidates: what to measure, the highest prior first.
        classes: outputs of the network.
        channels: channels of its input.
        threads: threads of the engine.
        listener: hears how it gets on.
        options: words for `create`, by network.
        seconds: no further network is begun after this time; its candidates say so.
    """
    start = time.perf_counter()
    by_net: dict[str, list[Candidate]] = {}
    for candidate in candidates:
        by_net.setdefault(candidate.net, []).append(candidate)
    measured: list[Candidate] = []
    for done, group in enumerate(by_net.values()):
        listener.update(done=done, total=len(by_net))
        if time.perf_counter() - start > seconds:
            measured += [replace(c, reason=f"not measured: {seconds:g} s were up") for c in group]
        else:
            own = _dearest_head(group[0]) | dict((options or {}).get(group[0].net, {}))
            net = create(group[0].net, num_classes=classes, in_chans=channels, **own)
            with measuring(listener):
                measured += _measured(net, group, channels=channels, threads=threads)
    return tuple(measured)


def _measured(
    net: nn.Module, group: Sequence[Candidate], *, channels: int, threads: int
) -> list[Candidate]:
    """Return the candidates of one network, timed."""
    largest = max(candidate.size for candidate in group)
    folded = fold_batch_norm(calibrate_norms(net, (channels, largest, largest))).model
    items = [Sized(str(c.size), folded, (channels, c.size, c.size)) for c in group]
    engine = likely_engine()
    timings = measure_deployed(items, threads=threads, engine=engine)
    return [replace(_timed(c, timings[str(c.size)]), engine=engine) for c in group]


def _dearest_head(candidate: Candidate) -> dict[str, Any]:
    """Return the options of `create` for the slowest head that training may choose."""
    info = pretrained(candidate.net) if candidate.pretrained else None
    return {} if info is None else {CLASS_MAP: len(info.classes)}


def _timed(candidate: Candidate, timing: CellTiming) -> Candidate:
    if timing.latency is None:
        return replace(candidate, reason=f"cannot run: {timing.error}")
    return replace(
        candidate, latency_ms_p50=timing.latency.ms_p50, precision=timing.actual_precision
    )
