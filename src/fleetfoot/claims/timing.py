"""Timing for claims: networks in fresh pinned processes, operators in this one, both interleaved.

On an accelerator every call waits for the device, so that a time is that of the work and not of
its launch alone.
"""

import contextlib
from collections.abc import Callable, Generator, Mapping
from typing import Any

import numpy as np
import torch
from torch import nn

from fleetfoot.claims.claim import Measurement, Setting
from fleetfoot.core.errors import FleetfootError, require
from fleetfoot.core.seeds import seed_everything
from fleetfoot.deploy.calibrate_norms import calibrate_norms
from fleetfoot.deploy.cells import Cell, CellTiming, measure_cells
from fleetfoot.measure.compare import bootstrap_interval
from fleetfoot.measure.latency import Latency, Schedule, measure_interleaved
from fleetfoot.nets.create import create

# So few that a smoke run takes seconds; nothing is judged by them.
SMOKE = Schedule(min_samples=4, min_seconds=0.02, rounds=2, warm_up_seconds=0.05, max_seconds=0.2)
# At least 50 calls even of a network that takes a third of a second, and enough rounds for an
# interval.
FULL = Schedule(min_samples=50, min_seconds=1.0, rounds=10, warm_up_seconds=2.0, max_seconds=20.0)

SETTLING_SIDE = 224

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
    layout: Layout = "nchw",
) -> dict[str, Latency]:
    """Return the latency of each network in torch's eager float32, batch norms settled by noise.

    On the CPU each network has a process of its own, pinned, and blocks of all of them alternate
    in random order; a smoke run, which decides nothing, stays in this process to be quick.

    Args:
        nets: by name.
        image: shape of one input without the batch axis, of all networks or by name.
        setting: gives scale and device.
        threads: to compute with; on the CPU alone.
        batch: images of one call.
        layout: ``nchw`` or ``nhwc``.

    Raises:
        FleetfootError: a network cannot be run.
    """
    shapes = {name: tuple(image[name] if isinstance(image, Mapping) else image) for name in nets}
    settled = {
        name: calibrate_norms(net, _settling_image(shapes[name]), batch=4)
        for name, net in nets.items()
    }
    if setting.device != "cpu" or setting.scale == "smoke":
        calls = {
            n: network_call(net, (batch, *shapes[n]), setting.device, layout=layout)
            for n, net in settled.items()
        }
        return operator_ms(calls, setting, threads=threads)
    cells = [
        Cell(name=name, engine="eager", layout=layout, threads=threads, module=net,
             input_shape=(batch, *shapes[name]))
        for name, net in settled.items()
    ]  # fmt: skip
    timings = measure_cells(cells, schedule_of(setting))
    return {name: _latency_of(timing) for name, timing in timings.items()}


def _settling_image(image: Image) -> Image:
    """Return the image that norms are settled on: statistics per channel need no large maps."""
    channels, *sides = image
    return (channels, *(min(side, SETTLING_SIDE) for side in sides))


def _latency_of(timing: CellTiming) -> Latency:
    if timing.latency is None:
        raise FleetfootError(f"{timing.name} cannot be timed: {timing.error}")
    return timing.latency


def times_as_long(slow: Latency, fast: Latency, *, table: Rows = ()) -> Measurement:
    """Return how many times as long one takes as another, with its 95 % interval.

    The two blocks of one round lie next to each other in time: their ratio is one observation, the
    value is the median of these.
    """
    rounds = zip(slow.blocks_ms, fast.blocks_ms)
    logs = [float(np.log(np.median(a) / np.median(b))) for a, b in rounds]
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
    """Return the latency of calls in this process, alternating, without autograd or TF32."""
    wait = torch.cuda.synchronize if setting.device == "cuda" else None
    plain = torch.backends.cudnn.flags(enabled=True, allow_tf32=False)
    with _threads(threads), torch.inference_mode(), plain:
        return measure_interleaved(
            {name: _waited(call, wait) for name, call in callables.items()}, schedule_of(setting)
        )


def _waited(call: Callable[[], Any], wait: Callable[[], Any] | None) -> Callable[[], Any]:
    def waited() -> None:
        call()
        if wait is not None:
            wait()

    return waited


@contextlib.contextmanager
def _threads(count: int) -> Generator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_num_threads(before)
        torch.set_flush_denormal(False)
