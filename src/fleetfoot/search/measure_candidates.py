"""Time candidate networks in deployed form, before anything is trained.

A latency does not depend on the weights' values, so each network is built, folded and exported
once; its other sizes are the same graph with another input shape. That holds for sizes which are
multiples of 32, where the padding of every convolution is the same.
"""

import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from fleetfoot.core.errors import FleetfootError
from fleetfoot.core.listener import Listener
from fleetfoot.core.seeds import rng
from fleetfoot.deploy.calibrate_norms import calibrate_norms
from fleetfoot.deploy.engines import Engine, engine_precisions, installed_engines, open_engine
from fleetfoot.deploy.export_onnx import export_onnx
from fleetfoot.deploy.export_openvino import export_openvino
from fleetfoot.measure.latency import Latency, Schedule, measure_interleaved
from fleetfoot.nets.create import create
from fleetfoot.passes.fold_batch_norm import fold_batch_norm
from fleetfoot.search.choose import Candidate

SCHEDULE = Schedule(min_samples=30, min_seconds=0.15, rounds=3, warm_up_seconds=0.3, max_seconds=1)


def measure_candidates(
    candidates: Sequence[Candidate],
    *,
    classes: int,
    channels: int,
    threads: int,
    listener: Listener,
    seconds: float = 40.0,
) -> tuple[Candidate, ...]:
    """Return the candidates with their batch-1 median latency, batch-1, preprocessing outside.

    Args:
        candidates: what to measure, the highest prior first.
        classes: outputs of the network.
        channels: channels of its input.
        threads: threads of the engine.
        listener: hears how it gets on.
        seconds: no further network is begun after this time; its candidates say so.
    """
    start = time.perf_counter()
    by_net: dict[str, list[Candidate]] = {}
    for candidate in candidates:
        by_net.setdefault(candidate.net, []).append(candidate)
    measured: list[Candidate] = []
    with tempfile.TemporaryDirectory(prefix="fleetfoot-") as scratch:
        for done, (net, group) in enumerate(by_net.items()):
            listener.update(done=done, total=len(by_net))
            if time.perf_counter() - start > seconds:
                measured += [
                    replace(c, reason=f"not measured: {seconds:g} s were up") for c in group
                ]
                continue
            folder = Path(scratch) / net
            folder.mkdir()
            try:
                measured += _measured(group, folder, classes, channels, threads)
            except FleetfootError as error:
                measured += [replace(c, reason=f"cannot run: {error}") for c in group]
    return tuple(measured)


def _measured(
    group: list[Candidate], folder: Path, classes: int, channels: int, threads: int
) -> list[Candidate]:
    """Return the candidates of one network with the fastest engine and precision of each."""
    engines = _engines(group, folder, classes, channels, threads)
    latencies = measure_interleaved(
        {str(key): _call(engine) for key, engine in engines.items()}, SCHEDULE
    )
    best: dict[int, tuple[Latency, Engine]] = {}
    for (size, *_), engine in engines.items():
        latency = latencies[str((size, engine.engine, engine.precision))]
        if size not in best or latency.ms_p50 < best[size][0].ms_p50:
            best[size] = (latency, engine)
    return [
        replace(
            candidate,
            latency_ms_p50=best[candidate.size][0].ms_p50,
            engine=best[candidate.size][1].engine,
            precision=best[candidate.size][1].precision,
        )
        for candidate in group
    ]


def _engines(
    group: list[Candidate], folder: Path, classes: int, channels: int, threads: int
) -> dict[tuple[int, str, str], Engine]:
    largest = max(candidate.size for candidate in group)
    net = create(group[0].net, num_classes=classes, in_chans=channels)
    folded = fold_batch_norm(calibrate_norms(net, (channels, largest, largest))).model
    onnx = export_onnx(folded, folder / "net.onnx", image=(channels, largest, largest))
    engines: dict[tuple[int, str, str], Engine] = {}
    for size in {candidate.size for candidate in group}:
        image = (channels, size, size)
        if "openvino" in installed_engines():
            graph = export_openvino(onnx, folder / f"{size}.xml", input_shape=(1, *image))
            names = [("openvino", p) for p in engine_precisions("openvino") if p != "int8"]
        else:
            graph = export_onnx(folded, folder / f"{size}.onnx", image=image)
            names = [("onnxruntime", "float32")]
        for engine, precision in names:
            opened = open_engine(graph, engine=engine, precision=precision, threads=threads)
            engines[size, engine, precision] = opened
    return engines


def _call(engine: Engine) -> Callable[[], object]:
    shape = tuple(length or 1 for length in engine.input_shape)
    image = rng(0, "candidate", *shape).standard_normal(shape).astype(np.float32)
    return lambda: engine.run(image)
