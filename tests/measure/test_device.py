"""Quotas are read from files below a root of the test's own: a fake /proc and /sys on disk."""

from pathlib import Path

import pytest

from fleetfoot.measure import device
from fleetfoot.measure.device import (
    allowed_cpus,
    allowed_threads,
    device_profile,
    fingerprint,
    idlest_cpus,
    quota_cpus,
    usable_threads,
)

CPUINFO = """processor\t: 0
model name\t: Test CPU @ 3.0GHz
flags\t\t: fpu sse4_2 avx2 avx512f avx512_vnni amx_bf16 amx_tile
"""


@pytest.fixture
def many_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device, "allowed_cpus", lambda: tuple(range(32)))


def write(root: Path, name: str, text: str) -> None:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


@pytest.mark.usefixtures("many_cores")
def test_v2_quota_of_two_cpus_on_32_cores_gives_two_threads(tmp_path: Path):
    write(tmp_path, "proc/self/cgroup", "0::/\n")
    write(tmp_path, "sys/fs/cgroup/cpu.max", "200000 100000\n")
    assert quota_cpus(tmp_path) == 2.0
    assert allowed_threads(tmp_path) == 2


@pytest.mark.usefixtures("many_cores")
def test_v2_quota_of_a_parent_counts(tmp_path: Path):
    write(tmp_path, "proc/self/cgroup", "0::/pod/box\n")
    write(tmp_path, "sys/fs/cgroup/pod/box/cpu.max", "max 100000\n")
    write(tmp_path, "sys/fs/cgroup/pod/cpu.max", "350000 100000\n")
    assert quota_cpus(tmp_path) == 3.5
    assert allowed_threads(tmp_path) == 3


@pytest.mark.usefixtures("many_cores")
def test_v2_path_of_the_host_falls_back_to_the_mount(tmp_path: Path):
    write(tmp_path, "proc/self/cgroup", "0::/docker/0123\n")
    write(tmp_path, "sys/fs/cgroup/cpu.max", "200000 100000\n")
    assert allowed_threads(tmp_path) == 2


@pytest.mark.usefixtures("many_cores")
@pytest.mark.parametrize("mount", ["cpu", "cpu,cpuacct"])
def test_v1_quota_nested(tmp_path: Path, mount: str):
    write(tmp_path, "proc/self/cgroup", "4:memory:/x\n3:cpu,cpuacct:/kube/pod\n")
    write(tmp_path, f"sys/fs/cgroup/{mount}/kube/pod/cpu.cfs_quota_us", "400000\n")
    write(tmp_path, f"sys/fs/cgroup/{mount}/kube/pod/cpu.cfs_period_us", "100000\n")
    write(tmp_path, f"sys/fs/cgroup/{mount}/kube/cpu.cfs_quota_us", "250000\n")
    write(tmp_path, f"sys/fs/cgroup/{mount}/kube/cpu.cfs_period_us", "100000\n")
    assert quota_cpus(tmp_path) == 2.5
    assert allowed_threads(tmp_path) == 2


@pytest.mark.usefixtures("many_cores")
def test_no_limit_is_no_quota(tmp_path: Path):
    write(tmp_path, "proc/self/cgroup", "1:cpu:/\n0::/\n")
    write(tmp_path, "sys/fs/cgroup/cpu.max", "max 100000\n")
    write(tmp_path, "sys/fs/cgroup/cpu/cpu.cfs_quota_us", "-1\n")
    write(tmp_path, "sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n")
    assert quota_cpus(tmp_path) is None
    assert allowed_threads(tmp_path) == 32


@pytest.mark.usefixtures("many_cores")
def test_half_a_cpu_still_gives_one_thread(tmp_path: Path):
    write(tmp_path, "sys/fs/cgroup/cpu.max", "50000 100000\n")
    assert allowed_threads(tmp_path) == 1


@pytest.mark.usefixtures("many_cores")
@pytest.mark.parametrize("text", ["", "nonsense", "x y", "100 0"])
def test_unreadable_quota_is_none(tmp_path: Path, text: str):
    write(tmp_path, "sys/fs/cgroup/cpu.max", text)
    assert quota_cpus(tmp_path) is None


def test_affinity_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(device, "allowed_cpus", lambda: (1,))
    assert allowed_threads(tmp_path) == 1


def test_profile_of_a_fake_machine(tmp_path: Path):
    write(tmp_path, "proc/cpuinfo", CPUINFO)
    write(tmp_path, "proc/meminfo", "MemTotal:       1000 kB\n")
    write(tmp_path, "proc/loadavg", "0.50 0.40 0.30 1/100 1\n")
    cpu = "sys/devices/system/cpu/cpu0"
    write(tmp_path, f"{cpu}/cache/index2/level", "2")
    write(tmp_path, f"{cpu}/cache/index2/type", "Unified")
    write(tmp_path, f"{cpu}/cache/index2/size", "2048K")
    write(tmp_path, f"{cpu}/cache/index0/level", "1")
    write(tmp_path, f"{cpu}/cache/index0/type", "Data")
    write(tmp_path, f"{cpu}/cache/index0/size", "48K")
    write(tmp_path, f"{cpu}/topology/thread_siblings_list", "0-1")
    write(tmp_path, f"{cpu}/cpufreq/scaling_governor", "performance\n")
    profile = device_profile(tmp_path)
    assert profile.cpu == "Test CPU @ 3.0GHz"
    assert profile.instruction_sets == (
        *("sse4_2", "avx2", "avx512f", "avx512_vnni", "amx_tile", "amx_bf16"),
    )
    assert profile.caches == {"L1d": 48 << 10, "L2": 2 << 20}
    assert (profile.governor, profile.load_1min) == ("performance", 0.5)
    assert (profile.memory_bytes, profile.threads_per_core) == (1_024_000, 2)
    assert profile.fingerprint == fingerprint(tmp_path)
    assert "numpy" in profile.versions


def test_fingerprint_follows_the_instruction_sets(tmp_path: Path):
    write(tmp_path, "proc/cpuinfo", CPUINFO)
    before = fingerprint(tmp_path)
    write(tmp_path, "proc/cpuinfo", CPUINFO.replace("amx_bf16", ""))
    assert fingerprint(tmp_path) != before


def test_unknown_is_none_not_zero(tmp_path: Path):
    profile = device_profile(tmp_path)
    assert profile.governor is None
    assert profile.memory_bytes is None
    assert profile.load_1min is None
    assert profile.threads_per_core is None
    assert profile.caches == {}


def test_this_machine():
    profile = device_profile()
    assert 1 <= profile.threads <= profile.cores_allowed == len(allowed_cpus())


def test_idlest_cpus_of_a_fake_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(device, "allowed_cpus", lambda: (0, 1, 2))
    ticks = iter([{0: 0, 1: 0, 2: 0}, {0: 9, 1: 1, 2: 5}])
    monkeypatch.setattr(device, "_idle_ticks", lambda _: next(ticks))
    assert idlest_cpus(2, seconds=0.0) == (0, 2)
    assert idlest_cpus(5) == (0, 1, 2)
    write(tmp_path, "proc/stat", "cpu  1 1 1 1 1\ncpu0 1 2 3 40 5 0\n")
    monkeypatch.undo()
    assert device._idle_ticks(tmp_path) == {0: 45}


def test_threads_beyond_those_allowed_are_cut_and_said():
    said: list[str] = []
    assert usable_threads(3, said.append, allowed=4) == 3
    assert said == []
    assert usable_threads(9999, said.append, allowed=4) == 4
    assert usable_threads(9999, said.append, word="--jobs") == allowed_threads()
    assert said == [
        "--threads 9999: 4 is all this process may use",
        f"--jobs 9999: {allowed_threads()} is all this process may use",
    ]
