"""Memory as the system sees it: the arithmetic quickly, real processes in the slow suite."""

from pathlib import Path

import pytest
from torch import nn

from fleetfoot.core.errors import FleetfootError
from fleetfoot.measure import process_memory
from fleetfoot.measure.counts import count
from fleetfoot.measure.process_memory import (
    grown,
    highest_resident,
    peak_of,
    peak_of_events,
    peak_rss_of,
    status,
)
from fleetfoot.nets.create import create

MEBI = 1 << 20
STATUS = "Name:\tpython\nVmHWM:\t   2048 kB\nVmRSS:\t   1024 kB\nThreads:\t1\n"


def test_sizes_of_the_kernel_are_read_as_bytes(tmp_path: Path) -> None:
    (tmp_path / "proc" / "self").mkdir(parents=True)
    (tmp_path / "proc" / "self" / "status").write_text(STATUS)
    assert status(tmp_path) == {"VmHWM": 2 * MEBI, "VmRSS": MEBI}


def test_a_system_without_the_file_says_nothing(tmp_path: Path) -> None:
    assert status(tmp_path) == {}


def sizes(mark: int, resident: int, file: int = 0) -> dict[str, int]:
    return {"VmHWM": mark, "VmRSS": resident, "RssFile": file}


@pytest.mark.parametrize(
    ("before", "after", "peak"),
    [
        (sizes(100, 100, 5), sizes(130, 110, 8), (30, 3)),  # the mark was reset
        (sizes(120, 100, 5), sizes(130, 110, 5), (30, 0)),  # it was not, but rose
        (sizes(120, 100), sizes(120, 110), (None, None)),  # hidden below the old mark
        (sizes(100, 100), sizes(100, 100), (0, 0)),
        ({}, {}, (None, None)),
    ],
)
def test_peak_is_the_mark_above_the_size_before(
    before: dict[str, int],
    after: dict[str, int],
    peak: tuple[int | None, int | None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    answers = iter([before, after])
    monkeypatch.setattr(process_memory, "status", lambda: next(answers))
    monkeypatch.setattr(process_memory, "reset_mark", lambda: None)
    assert peak_of(lambda: None) == peak


def test_a_mark_that_cannot_be_reset_tells_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process_memory, "reset_mark", lambda: False)
    assert highest_resident(lambda: None) is None
    monkeypatch.setattr(process_memory, "reset_mark", lambda: True)
    monkeypatch.setattr(process_memory, "status", lambda: sizes(7, 5))
    assert highest_resident(lambda: None) == 7


def test_a_difference_with_an_unknown_is_unknown() -> None:
    assert grown(None, 3) is grown(3, None) is None
    assert grown(3, 5) == 2


def event(ts: int, size: int, device: int = 0) -> dict[str, object]:
    return {"name": "[memory]", "ts": ts, "args": {"Bytes": size, "Device Type": device}}


def test_events_are_summed_in_order_of_time_and_on_the_cpu_alone() -> None:
    events = [event(3, -10), event(1, 10), event(2, 5), event(4, 7), event(2, 99, device=1)]
    assert peak_of_events([*events, {"name": "aten::add", "ts": 0}]) == 15
    assert peak_of_events([]) == 0


@pytest.mark.slow
def test_a_network_that_fails_is_one_line() -> None:
    with pytest.raises(FleetfootError, match="its memory could not be measured"):
        peak_rss_of(nn.Linear(3, 4), (5,))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["fasternet_t0", "vovnet39a"])
def test_the_peak_lies_above_the_counted_one_and_is_explained(name: str) -> None:
    """At batch 4 the maps outweigh what the kernel and the C library round."""
    net, batch = create(name), 4
    counts = count(net, (3, 224, 224), batch=batch)
    found = peak_rss_of(net, (3, 224, 224), batch=batch)
    if found.reason is not None:
        pytest.skip(found.reason)
    assert found.tensor_bytes is not None
    assert found.exact_bytes is not None
    assert found.call_bytes is not None
    assert found.first_call_bytes is not None
    assert found.loaded_bytes is not None
    assert found.loaded_bytes > 0.95 * found.weights_bytes
    assert counts.held_bytes <= found.tensor_bytes <= 1.02 * counts.held_bytes
    assert found.exact_bytes == pytest.approx(found.tensor_bytes, rel=0.1, abs=2 * MEBI)
    assert found.call_bytes > found.exact_bytes - 2 * MEBI
    assert found.first_call_bytes > found.call_bytes / 2
