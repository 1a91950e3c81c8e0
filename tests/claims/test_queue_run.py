"""A queue that is killed at random ends as one that is not; failures, deaths, a second queue."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")

from fleetfoot.claims.queue import Order, Queue
from fleetfoot.claims.queue_run import MOST_DEATHS, work_on
from fleetfoot.core.child_process import child_environment
from fleetfoot.core.errors import UsageError
from fleetfoot.core.file_lock import locked
from fleetfoot.core.listener import Silent

HERE = Path(__file__).parent
COMMAND = (sys.executable, str(HERE / "queue_claims.py"))


class Ears(Silent):
    def __init__(self) -> None:
        self.heard: list[str] = []

    def message(self, text: str) -> None:
        self.heard.append(text)


def queue_of(folder: Path, *ids: str) -> Queue:
    queue = Queue(folder / "queue")
    queue.take(Order(scale="smoke", out=folder / "out", data=None, ids=ids))
    (folder / "out").mkdir(exist_ok=True)
    return queue


def worked(queue: Queue, **words: Any) -> list[str]:
    ears = Ears()
    work_on(queue, queue.order(), listener=ears, command=COMMAND, **{"workers": 2, **words})
    return ears.heard


def ends(folder: Path) -> dict[str, Any]:
    """What a queue ends with: the values of its claims and the bits of its trainings."""
    results = {
        path.name: json.loads(path.read_text())["measurement"]
        for path in (folder / "out").glob("*.json")
    }
    kept = (folder / "queue" / "trainings").glob("*.npy")  # not what a kill left half
    weights = {path.name: path.read_bytes() for path in kept}
    return {"results": results, "weights": weights}


def killed(queue: Queue, after: float, *, whole: bool) -> bool:
    """Kill the parent or a worker some time after a step; return whether it was going."""
    command = [sys.executable, str(HERE / "queue_parent.py"), str(queue.folder)]
    process = subprocess.Popen(command, env=child_environment(1), start_new_session=True)
    before = newest(queue)
    while newest(queue) == before and process.poll() is None:
        time.sleep(0.01)
    time.sleep(after)
    going = process.poll() is None
    victims = [process.pid] if whole else children(process.pid)[:1]
    for victim in victims:
        os.kill(victim, signal.SIGKILL)
    if not whole:  # the parent goes on without that worker
        time.sleep(0.3)
        process.kill()
    process.wait()
    return going


def newest(queue: Queue) -> int:
    """When a training was last saved."""
    files = queue.trainings.glob("*.npy")
    return max((path.stat().st_mtime_ns for path in files), default=0)


def children(parent: int) -> list[int]:
    path = Path(f"/proc/{parent}/task/{parent}/children")
    return [int(word) for word in path.read_text().split()] if path.exists() else []


def wait_for_the_end_of(queue: Queue) -> None:
    """Children of a killed parent end by themselves: nobody's command line names the queue."""
    end = time.monotonic() + 20
    while time.monotonic() < end:
        lines = [p.read_bytes() for p in Path("/proc").glob("[0-9]*/cmdline") if p.exists()]
        if not any(str(queue.folder).encode() in line for line in lines):
            return
        time.sleep(0.1)
    raise AssertionError("a worker outlived its parent")


@pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="looks at /proc")
def test_a_queue_that_is_killed_ends_with_the_bits_of_the_undisturbed_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QUEUE_STEPS", "300")
    whole = queue_of(tmp_path / "whole", "toy/one", "toy/two")
    worked(whole)
    broken = queue_of(tmp_path / "broken", "toy/one", "toy/two")
    draw = random.Random(0)
    kills = [killed(broken, draw.uniform(0.0, 0.5), whole=turn != 1) for turn in range(3)]
    wait_for_the_end_of(broken)
    assert any(kills)
    worked(broken)
    assert ends(tmp_path / "broken") == ends(tmp_path / "whole")
    assert len(ends(tmp_path / "whole")["results"]) == 2
    assert worked(broken) == []  # done is done


def test_a_failure_is_kept_and_tried_again_only_when_asked(tmp_path: Path) -> None:
    queue = queue_of(tmp_path, "toy/bad", "toy/one")
    assert sorted(worked(queue)) == ["toy/bad: its images are gone", "toy/one: done"]
    bad = queue.entry("toy/bad")
    assert (bad.state, bad.error, bad.exit_code) == ("failed", "its images are gone", 3)
    assert worked(queue) == []
    assert worked(queue, again=True) == ["toy/bad: its images are gone"]


def test_a_process_that_dies_is_started_again_a_few_times(tmp_path: Path) -> None:
    queue = queue_of(tmp_path, "toy/dying")
    said = worked(queue)
    assert len(said) == MOST_DEATHS
    entry = queue.entry("toy/dying")
    assert (entry.state, entry.exit_code) == ("failed", 1)
    assert "was ended by SIGABRT" in (entry.error or "")


def test_a_damaged_file_costs_little(tmp_path: Path) -> None:
    queue = queue_of(tmp_path, "toy/one")
    worked(queue)
    before = ends(tmp_path)
    (queue.folder / "claims" / "toy.one.json").write_text("{")
    problem, done = worked(queue)
    assert "toy.one.json" in problem
    assert done == "toy/one: done"
    assert ends(tmp_path) == before


def test_a_second_queue_on_one_folder_is_refused(tmp_path: Path) -> None:
    queue = queue_of(tmp_path, "toy/one")
    with locked(queue.lock) as held:
        assert held
        with pytest.raises(UsageError, match="another process works on this queue"):
            worked(queue)
    assert worked(queue) == ["toy/one: done"]


def test_a_full_disk_ends_the_queue_and_not_what_it_holds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    queue = queue_of(tmp_path, "toy/one")

    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(queue, "write", full)
        with pytest.raises(OSError, match="No space"):
            worked(queue)
    assert worked(queue) == ["toy/one: done"]
