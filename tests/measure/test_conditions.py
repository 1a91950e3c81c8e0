"""Limits and disturbances, from a fake machine on disk."""

from dataclasses import replace
from pathlib import Path

import pytest

from fleetfoot.measure.conditions import disturbances, thread_limit, throttled_ms
from fleetfoot.measure.device import device_profile

FREE = replace(
    device_profile(),
    cores_logical=8,
    cores_allowed=8,
    quota_cpus=None,
    threads=8,
    governor="performance",
    load_1min=0.1,
)


def test_a_free_machine_has_nothing_to_say():
    assert thread_limit(FREE) is None
    assert disturbances(FREE) == ()
    assert disturbances(replace(FREE, governor=None, load_1min=None)) == ()


def test_the_affinity_mask_is_named():
    limit = thread_limit(replace(FREE, cores_allowed=1, threads=1))
    assert limit == "at most 1 thread: this process may run on 1 of 8 processors"


def test_the_quota_is_named_where_it_is_tighter():
    limit = thread_limit(replace(FREE, quota_cpus=2.5, threads=2))
    assert limit == "at most 2 threads: the quota of the cgroup grants 2.5 processors"
    assert thread_limit(replace(FREE, quota_cpus=16.0)) is None


def test_load_and_governor_are_named():
    busy, governor = disturbances(replace(FREE, load_1min=1.7, governor="powersave"))
    assert "load average 1.70 on 8 processors" in busy
    assert "powersave" in governor


@pytest.mark.parametrize(
    ("folder", "text", "expected"),
    [
        ("pod", "usage_usec 9\nnr_throttled 2\nthrottled_usec 1500\n", 1.5),
        ("cpu/pod", "nr_periods 1\nthrottled_time 2500000\n", 2.5),
        ("pod", "usage_usec 9\n", None),
    ],
)
def test_time_stopped_by_a_quota(tmp_path: Path, folder: str, text: str, expected: float | None):
    (tmp_path / "proc/self").mkdir(parents=True)
    (tmp_path / "proc/self/cgroup").write_text("3:cpu:/pod\n0::/pod\n")
    group = tmp_path / "sys/fs/cgroup" / folder
    group.mkdir(parents=True)
    (group / "cpu.stat").write_text(text)
    assert throttled_ms(tmp_path) == expected
