"""What limits or disturbs a measurement here: affinity, quota, throttling, load, governor.

Source   papers/measuring.md, "Protocol", 1, and "Pitfalls"; kernel documentation `cgroup-v2.rst`
         (cpu.stat)
"""

import re
from pathlib import Path

from fleetfoot.measure.device import DeviceProfile, cgroup_folders, file_text

BUSY = 0.2  # load average per allowed processor above which others disturb


def thread_limit(profile: DeviceProfile) -> str | None:
    """Return why fewer threads are used than the host has processors; None if none are lost."""
    threads = _count(profile.threads, "thread")
    if profile.threads < profile.cores_allowed and profile.quota_cpus is not None:
        granted = _count(profile.quota_cpus, "processor")
        return f"at most {threads}: the quota of the cgroup grants {granted}"
    if profile.cores_allowed < profile.cores_logical:
        return (
            f"at most {threads}: this process may run on {profile.cores_allowed} of "
            f"{profile.cores_logical} processors"
        )
    return None


def _count(number: float, thing: str) -> str:
    return f"{number:g} {thing}{'' if number == 1 else 's'}"


def disturbances(profile: DeviceProfile) -> tuple[str, ...]:
    """Return what makes times on this machine vary, a line each."""
    notes: list[str] = []
    if profile.load_1min is not None and profile.load_1min > BUSY * profile.cores_allowed:
        notes.append(
            f"load average {profile.load_1min:.2f} on {_count(profile.cores_allowed, 'processor')} "
            "before measuring: other work disturbs the times"
        )
    if profile.governor not in (None, "performance"):
        notes.append(f"frequency governor {profile.governor}: times vary with the clock")
    return tuple(notes)


def throttled_ms(root: Path | str = "/") -> float | None:
    """Return how long this process's cgroups were stopped by their quotas since they were made.

    Returns:
        Milliseconds, of the cgroup that was stopped longest; None where none is accounted.
    """
    root = Path(root)
    folders = [*cgroup_folders(root, controller="cpu"), *cgroup_folders(root, controller="")]
    found = [_stopped_ms(file_text(folder / "cpu.stat") or "") for folder in folders]
    return max((ms for ms in found if ms is not None), default=None)


def _stopped_ms(text: str) -> float | None:
    v2 = re.search(r"^throttled_usec (\d+)$", text, re.MULTILINE)
    if v2:
        return int(v2[1]) / 1e3
    v1 = re.search(r"^throttled_time (\d+)$", text, re.MULTILINE)
    return int(v1[1]) / 1e6 if v1 else None
