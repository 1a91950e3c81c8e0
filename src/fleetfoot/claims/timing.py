"""Timing for claims: modules in fresh pinned processes, interleaved.

A process of its own leaves a module alone with its allocator: what was timed before it leaves no
trace. On an accelerator every call waits for the device, so that a time is that of the work and
not of its launch alone.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
import torch
from torch import nn

from fleetfoot.claims.claim import Measurement, Setting
from fleetfoot.core.errors import FleetfootError, require
from fleetfoot.core.machine_lock import measuring
from fleetfoot.core.seeds import seed_everything
from fleetfoot.deploy.calibrate_norms import calibrate_norms
from fleetfoot.deploy.cells import Cell, CellTiming, measure_cells
from fleetfoot.measure.compare import bootstrap_interval
from fleetfoot.measure.latency import Latency, Schedule, measure_interleaved
from fleetfoot.measure.torch_settings import denormals_flushed, torch_threads
from fleetfoot.nets.create import create

# So few that a smoke run takes seconds; nothing is judged by them.
SMOKE = Schedule(min_samples=4, min_seconds=0.02, rounds=2, warm_up_seconds=0.05, max_seconds=0.2)
# 50 calls of whatever takes up to 0.4 s, fewer of what takes longer (`columns` tells how many), and
# enough rounds for an interval.
FULL = Schedule(min_samples=50, min_seconds=1.0, rounds=10, warm_up_seconds=2.0, max_seconds=20.0)

RECALIBRATING_SIDE = 224

Image = tuple[int, ...]
Layout = str
Rows = tuple[Mapping[str, Any], ...]


def schedule_of(setting: Setting) -> Schedule:
    """Return how long each thing is timed at the setting's scale."""
    return SMOKE if setting.scale == "smoke" else FULL


def native(name: str, **options: Any) -> nn.Module:
    """Return one of our networks in evaluation mode, with the weights of seed 0."""
    seed_everything(0)
    return create(name, **options).eval()


def foreign(name: str, **options: Any) -> nn.Module:
    """Return timm's network ``name`` in evaluation mode, untrained, with the weights of seed 0.

    Raises:
        MissingError: timm is not installed.
    """
    timm = require("timm", extra="claims")
    seed_everything(0)
    return timm.create_model(name, pretrained=False, **options).eval()


def network_ms(
    nets: Mapping[str, nn.Module],
    image: Image | Mapping[str, Image],
    setting: Setting,
    *,
    threads: int = 1,
    batch: int = 1,
    layout: Layout | Mapping[str, Layout] = "nchw",
) -> dict[str, Latency]:
    """Return the latency of each network in torch's eager float32, norms recalibrated on noise.

    A network may be a stack of operators or a single one. On the CPU each has a process of its
    own, pinned, and blocks of all of them alternate in random order; a smoke run, which decides
    nothing, stays in this process to be quick.

    Args:
        nets: by name.
        image: shape of one input without the batch axis, of all networks or by name.
        setting: gives scale and device.
        threads: to compute with; on the CPU alone.
        batch: images of one call.
        layout: ``nchw`` or ``nhwc``, of all networks or by name.

    Raises:
        FleetfootError: a network cannot be run.
    """
    shapes = {name: tuple(image[name] if isinstance(image, Mapping) else image) for name in nets}
    layouts = layout if isinstance(layout, Mapping) else dict.fromkeys(nets, layout)
    ready = {name: recalibrated(net, shapes[name]) for name, net in nets.items()}
    if setting.device != "cpu" or setting.scale == "smoke":
        calls = {
            n: network_call(net, (batch, *shapes[n]), setting.device, layout=layouts[n])
            for n, net in ready.items()
        }
        return operator_ms(calls, setting, threads=threads)
    cells = [
        Cell(name=name, engine="eager", layout=layouts[name], threads=threads, module=net,
             input_shape=(batch, *shapes[name]))
        for name, net in ready.items()
    ]  # fmt: skip
    with measuring(setting.listener):
        timings = measure_cells(cells, schedule_of(setting))
    return {name: _latency_of(timing) for name, timing in timings.items()}


def recalibrated(net: nn.Module, image: Image) -> nn.Module:
    """Return a copy of ``net`` whose batch norms fit its activations on noise of this shape."""
    channels, *sides = image
    # statistics per channel need no large maps
    return calibrate_norms(net, (channels, *(min(s, RECALIBRATING_SIDE) for s in sides)), batch=4)


def _latency_of(timing: CellTiming) -> Latency:
    if timing.latency is None:
        raise FleetfootError(f"{timing.name} cannot be timed: {timing.error}")
    return timing.latency


def columns(latency: Latency) -> dict[str, Any]:
    """Return what every table of times has of a latency."""
    return {
        "latency_ms_p50": latency.ms_p50,
        "latency_ms_iqr": latency.ms_iqr,
        "samples": latency.samples,
    }


def rows_of(times: Mapping[str, Latency], key: str, **further: Mapping[str, Any]) -> Rows:
    """Return a row for each thing that was timed: its name, further columns and its latency.

    Args:
        times: latencies by name.
        key: what the column of names is called.
        further: columns, each with a value by name.
    """
    return tuple(
        {key: name, **{column: of[name] for column, of in further.items()}, **columns(latency)}
        for name, latency in times.items()
    )


def times_as_long(slow: Latency, fast: Latency, *, table: Rows = ()) -> Measurement:
    """Return how many times as long one takes as another, with its 95 % interval.

    The two blocks of one round lie next to each other in time: their ratio is one observation.
    """
    return median_ratio(round_ms(slow), round_ms(fast), table=table)


def round_ms(latency: Latency) -> list[float]:
    """Return the median of each round's block, in milliseconds."""
    return [float(np.median(block)) for block in latency.blocks_ms]


def median_ratio(slow: Iterable[float], fast: Iterable[float], *, table: Rows = ()) -> Measurement:
    """Return the median of one ratio a round, with its 95 % interval."""
    logs = [float(np.log(a / b)) for a, b in zip(slow, fast)]
    low, high = bootstrap_interval(logs)
    value, low, high = (float(np.exp(x)) for x in (np.median(logs), low, high))
    return Measurement(value=value, low=low, high=high, table=table)


def network_call(
    net: nn.Module, shape: Image, device: str, *, layout: Layout = "nchw"
) -> Callable[[], Any]:
    """Return a call of ``net`` on one standard normal input of ``shape``, batch first."""
    memory = torch.channels_last if layout == "nhwc" else torch.contiguous_format
    placed = net.to(device).to(memory_format=memory)
    x = torch.randn(shape, generator=torch.Generator().manual_seed(0)).to(device)
    x = x.contiguous(memory_format=memory)
    return lambda: placed(x)


def operator_ms(
    callables: Mapping[str, Callable[[], Any]], setting: Setting, *, threads: int = 1
) -> dict[str, Latency]:
    """Return the latency of calls in this process, alternating, without autograd or TF32.

    For an accelerator, and for smoke runs, which decide nothing.
    """
    plain = torch.backends.cudnn.flags(enabled=True, allow_tf32=False)
    with torch_threads(threads), denormals_flushed(), torch.inference_mode(), plain:
        return measure_interleaved(
            {name: waited(call, setting.device) for name, call in callables.items()},
            schedule_of(setting),
        )


def waited(call: Callable[[], Any], device: str) -> Callable[[], Any]:
    """Return a call that ends when an accelerator has done its work."""
    if device == "cpu":
        return call

    def waiting() -> None:
        call()
        torch.cuda.synchronize()

    return waiting
