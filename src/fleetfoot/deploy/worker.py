"""The process behind one timing cell: opens one network, then times calls when it is told to.

Talks in JSON lines over its standard input and output. The first line describes the cell; after
it come ``{"calls": n}``, answered by ``{"ms": [...]}``, until the input ends. For the engines
``eager`` and ``compile``, which alone import torch, the network's bytes follow the first line: they
come from the process that started this one, never from a file.
"""

import contextlib
import io
import itertools
import json
import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from fleetfoot.core.child_process import end_with_parent, look_also_in
from fleetfoot.core.errors import MissingError, first_line
from fleetfoot.core.seeds import rng
from fleetfoot.measure.latency import Block, timed_block
from fleetfoot.measure.process_memory import highest_resident

TORCH_PRECISIONS = ("float32", "bfloat16", "float16")
POOL = 4  # inputs that are taken in turn, so that none stays in the first cache


@dataclass(frozen=True)
class _Opened:
    """A network that can be called; `prepare` turns a NumPy batch into what `run` takes."""

    run: Callable[[Any], Any]
    precision: Callable[[], str]
    prepare: Callable[[Any], Any] = lambda batch: batch
    note: Callable[[], str | None] = lambda: None


def main() -> None:
    """Serve one cell; every failure is one JSON line with ``error``."""
    replies = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever a library prints goes to the log, not among the replies
    commands = sys.stdin.buffer
    end_with_parent()
    try:
        cell = json.loads(commands.readline())
        call, facts = _open(cell, commands)
        _reply(replies, facts)
        block = _block(cell, call)
        for line in commands:
            _reply(replies, {"ms": block(json.loads(line)["calls"])})
    except Exception as error:
        _reply(replies, {"error": first_line(error), "exit_code": getattr(error, "exit_code", 1)})


def _reply(replies: BinaryIO, record: dict[str, Any]) -> None:
    replies.write(json.dumps(record).encode() + b"\n")
    replies.flush()


def _open(cell: dict[str, Any], commands: BinaryIO) -> tuple[Callable[[], Any], dict[str, Any]]:
    if cell["cpus"] and hasattr(os, "sched_setaffinity"):
        with contextlib.suppress(OSError):  # an affinity that is forbidden is no reason to stop
            os.sched_setaffinity(0, cell["cpus"])
    start = time.perf_counter()
    if cell["engine"] in ("eager", "compile"):
        opened = _open_torch(cell, commands.read(cell["module_bytes"]))
    else:
        opened = _open_engine(cell)
    inputs, run = [opened.prepare(x) for x in _inputs(cell)], opened.run
    if cell["replay"]:
        from fleetfoot.measure.cuda import replayed

        run = replayed(run, inputs[0])
    first = time.perf_counter()
    output = _on_host(run(inputs[0]))
    end = time.perf_counter()
    if not np.isfinite(np.asarray(output, dtype=np.float32)).all():
        raise ValueError("its outputs are not finite numbers")
    on_host = cell["device"] == "cpu"  # an accelerator's memory is not the process's
    return _in_turn(run, inputs), {
        "open_ms": 1000 * (end - start),
        "first_call_ms": 1000 * (end - first),
        "actual_precision": opened.precision(),
        "note": opened.note(),
        "process_bytes": highest_resident(lambda: run(inputs[1])) if on_host else None,
    }


def _on_host(output: Any) -> Any:
    return output.float().cpu().numpy() if hasattr(output, "cpu") else output


def _block(cell: dict[str, Any], call: Callable[[], Any]) -> Block:
    if cell["device"] != "cuda":
        return timed_block(call)
    from fleetfoot.measure.cuda import event_block

    return event_block(call)


def _open_engine(cell: dict[str, Any]) -> "_Opened":
    from fleetfoot.deploy.engines import open_engine

    engine = open_engine(
        Path(cell["file"]),
        engine=cell["engine"],
        precision=cell["precision"],
        threads=cell["threads"],
    )
    return _Opened(
        engine.run,
        lambda: engine.actual_precision,
        note=lambda: getattr(engine, "note", None),
    )


def _open_torch(cell: dict[str, Any], content: bytes) -> "_Opened":
    if cell["precision"] not in TORCH_PRECISIONS:
        raise MissingError(
            f"{cell['engine']} has no {cell['precision']}; it has {', '.join(TORCH_PRECISIONS)}"
        )
    import torch

    look_also_in(cell["folders"])
    device = cell["device"]
    if device == "cuda":
        from fleetfoot.measure.cuda import require_cuda

        require_cuda()
        # A row that says float32 must not multiply in TF32, which has ten bits of mantissa.
        torch.backends.cuda.matmul.allow_tf32 = False
        torch.backends.cudnn.allow_tf32 = False
    torch.set_num_threads(cell["threads"])
    torch.set_num_interop_threads(1)
    torch.set_flush_denormal(True)
    net = torch.load(io.BytesIO(content), weights_only=False).eval()
    memory = torch.channels_last if cell["layout"] == "nhwc" else torch.contiguous_format
    net = net.to(device=device, memory_format=memory)
    if cell["engine"] == "compile":
        net = torch.compile(net)
    lower = cell["precision"] != "float32"
    kind = torch.float16 if cell["precision"] == "float16" else torch.bfloat16

    def tensor(batch: Any) -> Any:
        images = torch.from_numpy(batch).to(device)
        return images.contiguous(memory_format=memory) if images.dim() == 4 else images

    def run(images: Any) -> Any:
        with torch.inference_mode(), torch.autocast(device, dtype=kind, enabled=lower):
            return net(images).float()

    if device == "cuda":  # inputs are on the device: copying them there is not timed
        return _Opened(run, lambda: cell["precision"], tensor)
    return _Opened(lambda batch: run(tensor(batch)).numpy(), lambda: cell["precision"])


def _inputs(cell: dict[str, Any]) -> list[Any]:
    generator = rng("cell input")
    shape = (POOL, *cell["input_shape"])
    if cell["input_dtype"] == "uint8":
        return list(generator.integers(0, 256, shape, dtype=np.uint8))
    return list(generator.standard_normal(shape, dtype=np.float32))


def _in_turn(run: Callable[[Any], Any], inputs: list[Any]) -> Callable[[], Any]:
    turns = itertools.cycle([*inputs[1:], inputs[0]])
    return lambda: run(next(turns))


if __name__ == "__main__":
    main()
