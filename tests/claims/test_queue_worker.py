"""The process of one claim: last in line, gone with its parent, and its diary."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("torch")

from fleetfoot.claims import queue_worker
from fleetfoot.claims.claim import Scale
from fleetfoot.claims.queue import Entry, Order, Queue
from fleetfoot.claims.queue_worker import Diary


def queue_of(folder: Path) -> Queue:
    scale: Scale = "smoke"
    queue = Queue(folder)
    queue.take(Order(scale=scale, out=folder / "out", data=None, ids=("toy/one",)))
    return queue


@pytest.mark.skipif(not hasattr(os, "sched_getscheduler"), reason="has no such priorities")
def test_it_takes_what_time_others_leave() -> None:
    code = """
import os
from fleetfoot.claims import queue_worker
queue_worker._be_last()
print(os.nice(0), os.sched_getscheduler(0) == os.SCHED_IDLE)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["19", "True"]


@pytest.mark.skipif(not Path("/proc/self/autogroup").is_file(), reason="has no groups of sessions")
@pytest.mark.parametrize(("own_session", "nice"), [(True, 19), (False, 0)])
def test_its_session_is_last_too_if_it_is_its_own(own_session: bool, nice: int) -> None:
    code = """
from pathlib import Path
from fleetfoot.claims import queue_worker
queue_worker._be_last()
print(Path("/proc/self/autogroup").read_text())
"""
    command = [sys.executable, "-c", code]
    outer = [sys.executable, "-c", f"import subprocess; subprocess.run({command!r}, check=True)"]
    done = subprocess.run(
        command if own_session else outer,
        capture_output=True,
        text=True,
        check=True,
        start_new_session=True,
    )
    assert done.stdout.split()[-1] == str(nice)


def test_it_ends_when_its_parent_closes_the_pipe() -> None:
    code = """
import time
from fleetfoot.claims import queue_worker
queue_worker._end_with_parent()
time.sleep(60)
"""
    process = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE)
    assert process.stdin is not None
    process.stdin.close()
    assert process.wait(timeout=30) == 1


def test_the_diary_counts_trainings_and_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queue_worker, "WRITE_SECONDS", 0.0)
    queue = queue_of(tmp_path)
    queue.write("toy/one", Entry(state="waiting", worked_minutes=7.0))
    diary = Diary(queue, "toy/one")
    diary.stage("toy/one: measuring")
    for step in (40, 41, 1, 2):  # goes on with one training, begins another
        diary.update(step=step, total_steps=50)
    entry = queue.entry("toy/one")
    assert (entry.state, entry.step, entry.total_steps, entry.trainings) == ("running", 2, 50, 2)
    assert entry.stage == "toy/one: measuring"
    assert entry.since
    assert 7.0 <= entry.worked_minutes < 8.0
    diary.finish(state="done", stage=None)
    entry = queue.entry("toy/one")
    assert (entry.state, entry.step, entry.since) == ("done", None, None)


def test_progress_that_cannot_be_written_does_not_stop_a_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    queue = queue_of(tmp_path)
    diary = Diary(queue, "toy/one")
    monkeypatch.setattr(queue, "write", full)
    diary.stage("begins")
    diary.update(step=1)
    with pytest.raises(OSError, match="No space"):
        diary.finish(state="done")
