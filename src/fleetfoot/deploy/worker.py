"""The process behind one timing cell: opens one network, then times calls when it is told to.

Talks in JSON lines over its standard input and output. The first line describes the cell; after
it come ``{"calls": n}``, answered by ``{"ms": [...]}``, until the input ends. A network for the
engines ``eager`` and ``compile`` follows the first line as so many bytes: it comes from the
process that started this one and never from a file.

Only `eager` and `compile` import torch.
"""

import contextlib
import io
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from fleetfoot.core.seeds import rng
from fleetfoot.measure.latency import timed_block

POOL = 4  # inputs that are taken in turn, so that none stays in the first cache


def main() -> None:
    """Serve one cell; every failure is one JSON line with ``error``."""
    replies = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever a library prints goes to the log, not among the replies
    commands = sys.stdin.buffer
    try:
        call, facts = _open(json.loads(commands.readline()), commands)
        _reply(replies, facts)
        block = timed_block(call)
        for line in commands:
            _reply(replies, {"ms": block(json.loads(line)["calls"])})
    except Exception as error:
        message = str(error).strip().splitlines() or [type(error).__name__]
        _reply(replies, {"error": message[0]})


def _reply(replies: BinaryIO, record: dict[str, Any]) -> None:
    replies.write(json.dumps(record).encode() + b"\n")
    replies.flush()


def _open(cell: dict[str, Any], commands: BinaryIO) -> tuple[Callable[[], Any], dict[str, Any]]:
    if cell["cpus"] and hasattr(os, "sched_setaffinity"):
        with contextlib.suppress(OSError):  # an affinity that is forbidden is no reason to stop
            os.sched_setaffinity(0, cell["cpus"])
    start = time.perf_counter()
    if cell["engine"] in ("eager", "compile"):
        run, precision = _open_torch(cell, commands.read(cell["module_bytes"]))
    else:
        run, precision = _open_engine(cell)
    inputs = _inputs(cell)
    output = run(inputs[0])
    open_ms = 1000 * (time.perf_counter() - start)
    if not np.isfinite(np.asarray(output, dtype=np.float32)).all():
        raise ValueError("its outputs are not finite numbers")
    return _in_turn(run, inputs), {"open_ms": open_ms, "actual_precision": precision()}


def _open_engine(cell: dict[str, Any]) -> tuple[Callable[[Any], Any], Callable[[], str]]:
    from fleetfoot.deploy.engines import open_engine

    engine = open_engine(
        Path(cell["file"]),
        engine=cell["engine"],
        precision=cell["precision"],
        threads=cell["threads"],
    )
    return engine.run, lambda: engine.actual_precision


def _open_torch(
    cell: dict[str, Any], content: bytes
) -> tuple[Callable[[Any], Any], Callable[[], str]]:
    import torch

    torch.set_num_threads(cell["threads"])
    torch.set_num_interop_threads(1)
    torch.set_flush_denormal(True)
    net = torch.load(io.BytesIO(content), weights_only=False).eval()
    memory = torch.channels_last if cell["layout"] == "nhwc" else torch.contiguous_format
    net = net.to(memory_format=memory)
    if cell["engine"] == "compile":
        net = torch.compile(net)
    lower = cell["precision"] != "float32"
    kind = torch.float16 if cell["precision"] == "float16" else torch.bfloat16

    def run(batch: Any) -> Any:
        with torch.inference_mode(), torch.autocast("cpu", dtype=kind, enabled=lower):
            images = torch.from_numpy(batch)
            if images.dim() == 4:
                images = images.contiguous(memory_format=memory)
            return net(images).float().numpy()

    return run, lambda: cell["precision"]


def _inputs(cell: dict[str, Any]) -> list[Any]:
    generator = rng("cell input")
    shape = (POOL, *cell["input_shape"])
    if cell["input_dtype"] == "uint8":
        return list(generator.integers(0, 256, shape, dtype=np.uint8))
    return list(generator.standard_normal(shape, dtype=np.float32))


def _in_turn(run: Callable[[Any], Any], inputs: list[Any]) -> Callable[[], Any]:
    turn = 0

    def call() -> Any:
        nonlocal turn
        turn = (turn + 1) % len(inputs)
        return run(inputs[turn])

    return call


if __name__ == "__main__":
    main()
