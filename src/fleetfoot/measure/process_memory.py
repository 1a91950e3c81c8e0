"""Peak memory of a network as the system sees it, measured in fresh processes.

Method   Linux keeps the highest resident size of a process (VmHWM) and resets it on request. Before
         each call freed memory is given back and the mark is reset; the peak is the mark after the
         call less the resident size before it, which holds the weights. The input is made in the
         call. The kernel adds up lazily: a figure may miss up to 0.25 MB
Beyond   what the peak has beyond the counted one (`measure.counts`) is measured as well.
         `held_bytes` there: maps that variables of the program name longer than they are needed;
         `tensor_bytes` here: workspace that operators take from torch's allocator;
         `exact_bytes`: workspace that they take from the system;
         `call_bytes`: blocks that the C library keeps for later and cannot use again
"""

import ctypes
import itertools
import json
import platform
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fleetfoot.core.child_process import (
    child_environment,
    end_with_parent,
    import_folders,
    look_also_in,
)
from fleetfoot.core.costs import Shape
from fleetfoot.core.errors import FleetfootError

if TYPE_CHECKING:
    from torch import nn

SECONDS = 300.0  # for one network
# Blocks from 64 KiB get pages of their own, which go back to the system when they are freed.
KEEP_NOTHING = {"GLIBC_TUNABLES": "glibc.malloc.mmap_threshold=65536"}
CPU = 0  # a profiler's word


@dataclass(frozen=True, kw_only=True)
class ProcessMemory:
    """Bytes of one process; None where the system does not say.

    Attributes:
        weights_bytes: of parameters and buffers.
        loaded_bytes: by which the process grew when it read the network.
        first_call_bytes: peak of the first call above the process with its weights.
        code_bytes: the part of it that is code read from files on first use.
        call_bytes: peak of a later call above the process before it.
        exact_bytes: the same when freed blocks go back to the system at once.
        tensor_bytes: peak of what torch asked its allocator for during a call.
        reason: why figures are missing; None where none is.
    """

    weights_bytes: int
    loaded_bytes: int | None = None
    first_call_bytes: int | None = None
    code_bytes: int | None = None
    call_bytes: int | None = None
    exact_bytes: int | None = None
    tensor_bytes: int | None = None
    reason: str | None = None


def peak_rss_of(
    net: "nn.Module", input_shape: Shape, *, batch: int = 1, threads: int = 1
) -> ProcessMemory:
    """Measure the memory of a network's forward pass, in two fresh processes.

    Args:
        net: the network; its class must be importable, its weights be on the CPU.
        input_shape: of one image, such as (3, 224, 224).
        batch: images in a call.
        threads: to compute with; each has a workspace of its own.

    Raises:
        FleetfootError: a process failed, for instance because the network's forward did.
    """
    import torch

    weights = sum(t.numel() * t.element_size() for t in net.state_dict().values())
    with tempfile.TemporaryDirectory(prefix="fleetfoot-") as folder:
        file = Path(folder, "net.pt")
        torch.save(net, file)
        task = {"file": str(file), "input_shape": (batch, *input_shape), "threads": threads}
        task = {**task, "folders": import_folders()}
        found = _in_fresh_process({**task, "profile": True}, {})
        exact = None
        if platform.libc_ver()[0] == "glibc":
            exact = _in_fresh_process(task, KEEP_NOTHING)["call_bytes"]
    return ProcessMemory(weights_bytes=weights, exact_bytes=exact, **found)


def _in_fresh_process(task: Mapping[str, Any], settings: Mapping[str, str]) -> dict[str, Any]:
    try:
        done = subprocess.run(
            [sys.executable, "-m", "fleetfoot.measure.process_memory", json.dumps(task)],
            env={**child_environment(task["threads"]), **settings},
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise FleetfootError(f"its memory could not be measured in {SECONDS:.0f} s") from None
    if done.returncode:
        last = done.stderr.strip().splitlines()[-1:]
        raise FleetfootError(f"its memory could not be measured: {''.join(last)}")
    return json.loads(Path(task["file"]).with_name("memory.json").read_text("utf-8"))


def main() -> None:
    """Measure the network that the first argument describes; this is the fresh process."""
    end_with_parent()
    task = json.loads(sys.argv[1])
    look_also_in(task["folders"])
    import torch

    torch.set_num_threads(task["threads"])
    before = status().get("VmRSS")
    net = torch.load(task["file"], weights_only=False).eval()
    give_back()
    found: dict[str, Any] = {"loaded_bytes": grown(before, status().get("VmRSS"))}

    def call() -> None:
        with torch.inference_mode():
            net(torch.randn(task["input_shape"]))

    found["first_call_bytes"], found["code_bytes"] = peak_of(call)
    found["call_bytes"], _ = peak_of(call)
    if found["call_bytes"] is None:
        found["reason"] = "the system tells or resets no peak (VmHWM of /proc/self/status)"
    if "profile" in task:
        found["tensor_bytes"] = _tensor_bytes(call, Path(task["file"]).with_name("trace.json"))
    Path(task["file"]).with_name("memory.json").write_text(json.dumps(found), encoding="utf-8")


def peak_of(call: Callable[[], None]) -> tuple[int | None, int | None]:
    """Return the peak of a call above the process before it, and by how much its code grew.

    Where the system's mark cannot be reset, a peak below the old mark is unknown.
    """
    give_back()
    reset_mark()
    before = status()
    call()
    after = status()
    mark = after.get("VmHWM")
    if mark is None or (mark == before.get("VmHWM") and mark > before["VmRSS"]):
        return None, None
    return mark - before["VmRSS"], grown(before.get("RssFile"), after.get("RssFile"))


def status(root: Path | str = "/") -> Mapping[str, int]:
    """Return the sizes of this process in bytes, by the kernel's names; empty where unknown."""
    try:
        text = Path(root, "proc/self/status").read_text(encoding="utf-8")
    except OSError:
        return {}
    pairs = (line.split(":", 1) for line in text.splitlines() if line.endswith(" kB"))
    return {name: 1024 * int(value.split()[0]) for name, value in pairs}


def grown(before: int | None, after: int | None) -> int | None:
    """Return a difference, unknown if one of the two is."""
    return None if before is None or after is None else after - before


def highest_resident(call: Callable[[], Any]) -> int | None:
    """Return the highest resident size of this process during a call, all that it holds included.

    None where the system keeps no mark or does not let it be reset.
    """
    if not reset_mark():
        return None
    call()
    return status().get("VmHWM")


def reset_mark() -> bool:
    """Make the highest resident size the present one; False where that is not allowed."""
    try:
        Path("/proc/self/clear_refs").write_text("5", encoding="utf-8")
    except OSError:
        return False
    return True


def give_back() -> None:
    """Give freed memory back to the system, where the C library can."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


def _tensor_bytes(call: Callable[[], None], trace: Path) -> int:
    """Return the peak of what torch's allocator holds for a call, from its own events."""
    from torch.profiler import ProfilerActivity, profile

    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiler:
        call()
    profiler.export_chrome_trace(str(trace))
    return peak_of_events(json.loads(trace.read_text(encoding="utf-8"))["traceEvents"])


def peak_of_events(events: list[dict[str, Any]]) -> int:
    """Return the largest running sum of the bytes taken and freed on the CPU."""
    memory = [e for e in events if e.get("name") == "[memory]" and e["args"]["Device Type"] == CPU]
    steps = (e["args"]["Bytes"] for e in sorted(memory, key=lambda e: e["ts"]))
    return max(itertools.accumulate(steps), default=0)


if __name__ == "__main__":
    main()
