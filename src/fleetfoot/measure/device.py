"""What this machine can do for one process: cores, quota, instruction sets, caches, versions.

A container may see 32 cores and be allowed the time of two; starting 32 threads is then slower
than starting two. So the cores counted are those of the affinity mask, cut by the CPU quota of
every cgroup (v1 or v2) on the way from this process to the root.

Source   kernel documentation `cgroup-v2.rst` (cpu.max), `sched-bwc.rst` (cpu.cfs_quota_us)
"""

import hashlib
import importlib.metadata
import os
import platform
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

PACKAGES = ("numpy", "pillow", "onnxruntime", "openvino", "torch", "torchvision")
INSTRUCTION_SETS = (
    *("sse4_2", "avx", "avx2", "fma", "f16c", "avx_vnni", "avx512f", "avx512bw", "avx512_vnni"),
    *("avx512_bf16", "avx512_fp16", "avx512_vpopcntdq", "amx_tile", "amx_bf16", "amx_int8"),
    *("amx_fp16", "asimd", "asimdhp", "asimddp", "bf16", "i8mm", "sve", "sve2"),
)


@dataclass(frozen=True, kw_only=True)
class DeviceProfile:
    """The machine as this process sees it; None where the system does not say.

    Attributes:
        cpu: model name.
        fingerprint: hash of architecture, model and instruction sets. A candidate tuned under one
            fingerprint is not trusted under another.
        cores_logical: CPUs of the host.
        cores_allowed: CPUs in the affinity mask.
        quota_cpus: CPU time the cgroup quota grants, in CPUs; None without a quota.
        threads: the most threads worth starting: allowed cores cut by the quota.
        threads_per_core: 2 where two logical CPUs share one core.
        instruction_sets: of `INSTRUCTION_SETS`, those present.
        caches: size in bytes by name, such as ``{"L2": 2097152}``.
        governor: frequency governor of the first CPU.
        load_1min: load average over the last minute.
        memory_bytes: RAM of the host.
        system: kernel name and release.
        python: version.
        versions: version of each of `PACKAGES` that is installed.
    """

    cpu: str
    fingerprint: str
    cores_logical: int
    cores_allowed: int
    quota_cpus: float | None
    threads: int
    threads_per_core: int | None
    instruction_sets: tuple[str, ...]
    caches: dict[str, int]
    governor: str | None
    load_1min: float | None
    memory_bytes: int | None
    system: str
    python: str
    versions: dict[str, str]


def device_profile(root: Path | str = "/") -> DeviceProfile:
    """Return the profile of this machine.

    Args:
        root: where ``proc`` and ``sys`` are; a test gives a folder of its own.
    """
    root = Path(root)
    cpu, flags = _cpu(root)
    cpu_folder = root / "sys/devices/system/cpu/cpu0"
    return DeviceProfile(
        cpu=cpu,
        fingerprint=_fingerprint(cpu, flags),
        cores_logical=os.cpu_count() or 1,
        cores_allowed=len(allowed_cpus()),
        quota_cpus=quota_cpus(root),
        threads=allowed_threads(root),
        threads_per_core=_threads_per_core(cpu_folder),
        instruction_sets=flags,
        caches=_caches(cpu_folder / "cache"),
        governor=file_text(cpu_folder / "cpufreq/scaling_governor"),
        load_1min=load_1min(root),
        memory_bytes=_memory(root),
        system=f"{platform.system()} {platform.release()}",
        python=platform.python_version(),
        versions=package_versions(),
    )


def fingerprint(root: Path | str = "/") -> str:
    """Return `DeviceProfile.fingerprint` alone, in a few milliseconds."""
    return _fingerprint(*_cpu(Path(root)))


@cache
def computes_bfloat16() -> bool:
    """Return whether this processor has instructions for bfloat16, by which networks gain."""
    _, flags = _cpu(Path("/"))
    return bool({"amx_bf16", "avx512_bf16"} & {*flags})


def allowed_threads(root: Path | str = "/") -> int:
    """Return the most threads worth starting: at least 1, never more than affinity and quota."""
    quota = quota_cpus(root)
    cores = len(allowed_cpus())
    return cores if quota is None else max(1, min(cores, int(quota)))


def usable_threads(
    asked: int, say: Callable[[str], None], *, word: str = "--threads", allowed: int | None = None
) -> int:
    """Return as many of the threads that were asked for as this process may use.

    Args:
        asked: at least 1.
        say: is told in one line if there are fewer.
        word: of the command line that asked.
        allowed: the most there are; None looks.
    """
    allowed = allowed or allowed_threads()
    if asked > allowed:
        say(f"{word} {asked}: {allowed} is all this process may use")
    return min(asked, allowed)


def allowed_cpus() -> tuple[int, ...]:
    """Return the numbers of the CPUs this process may run on, in order."""
    if hasattr(os, "sched_getaffinity"):
        return tuple(sorted(os.sched_getaffinity(0)))
    return tuple(range(os.cpu_count() or 1))


def quota_cpus(root: Path | str = "/") -> float | None:
    """Return the tightest CPU quota of this process's cgroups, in CPUs; None without one."""
    root = Path(root)
    quotas = [
        _ratio(file_text(folder / "cpu.cfs_quota_us"), file_text(folder / "cpu.cfs_period_us"))
        for folder in cgroup_folders(root, controller="cpu")
    ]
    for folder in cgroup_folders(root, controller=""):
        quota, _, period = (file_text(folder / "cpu.max") or "").partition(" ")
        quotas.append(_ratio(quota, period))
    return min((quota for quota in quotas if quota is not None), default=None)


def package_versions(packages: tuple[str, ...] = PACKAGES) -> dict[str, str]:
    """Return the version of each of these packages that is installed."""
    versions: dict[str, str] = {}
    for name in packages:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return versions


def cgroup_folders(root: Path, *, controller: str) -> list[Path]:
    """Return this process's cgroup of a hierarchy and its ancestors, innermost first.

    A line of /proc/self/cgroup is ``number:controllers:/path``; v2 has no controllers. Inside a
    container the path may name a folder of the host that is not mounted here: the mount itself is
    then the container's own cgroup, and it is always among the folders returned.
    """
    for line in (file_text(root / "proc/self/cgroup") or "").splitlines():
        _, controllers, path = line.split(":", 2)
        if controller in controllers.split(","):
            break
    else:
        path = "/"
    mounts = _mounts(root / "sys/fs/cgroup", controller)
    relative = Path(path.lstrip("/"))
    inner = [relative, *relative.parents] if relative.parts else [relative]
    return [mount / folder for mount in mounts for folder in inner]


def _mounts(base: Path, controller: str) -> list[Path]:
    if controller:
        return [base / controller, base / "cpu,cpuacct"]
    return [base, base / "unified"]


def _ratio(quota: str | None, period: str | None) -> float | None:
    """Return the CPUs that a quota grants; None where there is none, such as "max"."""
    try:
        value = int(quota or "") / int(period or "")
    except (ValueError, ZeroDivisionError):
        return None
    return value if value > 0 else None


def _cpu(root: Path) -> tuple[str, tuple[str, ...]]:
    text = file_text(root / "proc/cpuinfo") or ""
    model = re.search(r"^(?:model name|Model|Hardware)\s*:\s*(.+)$", text, re.MULTILINE)
    flags = re.search(r"^(?:flags|Features)\s*:\s*(.+)$", text, re.MULTILINE)
    name = model[1].strip() if model else platform.processor() or platform.machine()
    present = set(flags[1].split()) if flags else set[str]()
    return name, tuple(flag for flag in INSTRUCTION_SETS if flag in present)


def _fingerprint(cpu: str, flags: tuple[str, ...]) -> str:
    text = "|".join((platform.system(), platform.machine(), cpu, *flags))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _caches(folder: Path) -> dict[str, int]:
    caches: dict[str, int] = {}
    for index in sorted(folder.glob("index*")):
        level, kind = file_text(index / "level"), file_text(index / "type") or ""
        size = re.fullmatch(r"(\d+)([KMG]?)", file_text(index / "size") or "")
        if level and size:
            letter = {"Data": "d", "Instruction": "i"}.get(kind, "")
            unit = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30}[size[2]]
            caches[f"L{level}{letter}"] = int(size[1]) * unit
    return caches


def _threads_per_core(cpu_folder: Path) -> int | None:
    siblings = file_text(cpu_folder / "topology/thread_siblings_list")
    if not siblings:
        return None
    spans = [part.split("-") for part in siblings.split(",")]
    return sum(int(span[-1]) - int(span[0]) + 1 for span in spans)


def load_1min(root: Path | str = "/") -> float | None:
    """Return the load average over the last minute."""
    words = (file_text(Path(root) / "proc/loadavg") or "").split()
    return float(words[0]) if words else None


def free_memory(root: Path | str = "/") -> int | None:
    """Return the bytes of memory that can be taken without swapping; None if nobody says."""
    return _memory(Path(root), "MemAvailable")


def _memory(root: Path, what: str = "MemTotal") -> int | None:
    text = file_text(root / "proc/meminfo") or ""
    found = re.search(rf"^{what}:\s*(\d+) kB", text, re.MULTILINE)
    return int(found[1]) * 1024 if found else None


def file_text(path: Path) -> str | None:
    """Return what a file of the kernel says, None where it cannot be read."""
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return None


def idlest_cpus(count: int, *, root: Path | str = "/", seconds: float = 0.1) -> tuple[int, ...]:
    """Return ``count`` of the allowed CPUs, those that were idle most during ``seconds``.

    For pinning a measurement away from whatever else runs; fewer are allowed, fewer are returned.
    """
    allowed = allowed_cpus()
    if count >= len(allowed):
        return allowed
    before = _idle_ticks(Path(root))
    time.sleep(seconds)
    after = _idle_ticks(Path(root))
    idle = {cpu: after.get(cpu, 0) - before.get(cpu, 0) for cpu in allowed}
    # On a tie the last CPUs: the first one serves interrupts.
    return tuple(sorted(sorted(allowed, key=lambda cpu: (idle[cpu], cpu))[-count:]))


def _idle_ticks(root: Path) -> dict[int, int]:
    rows = re.findall(r"^cpu(\d+) (.+)$", file_text(root / "proc/stat") or "", re.MULTILINE)
    return {int(cpu): sum(int(word) for word in row.split()[3:5]) for cpu, row in rows}
