"""The lock of the machine: who waits for whom, what needs no waiting, where there is no lock."""

import contextlib
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from fleetfoot.core import machine_lock
from fleetfoot.core.file_lock import ALONE, AT_ONCE, flock
from fleetfoot.core.listener import Silent
from fleetfoot.core.machine_lock import WAITING, is_measuring, measuring, rest, working

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="no flock")

MEASURE = """
import sys
from fleetfoot.core.machine_lock import measuring
with measuring():
    print("measuring", flush=True)
    sys.stdin.readline()
"""
WORK = """
import sys, time
from fleetfoot.core.machine_lock import working
while True:
    with working():
        print("step", flush=True)
        time.sleep(float(sys.argv[1]))
"""


class Ears(Silent):
    def __init__(self) -> None:
        self.heard: list[str] = []

    def message(self, text: str) -> None:
        self.heard.append(text)


@pytest.fixture(autouse=True)
def own_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """A lock of the test's own, so that nothing else on the machine disturbs it."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(machine_lock, "_lock", machine_lock._Lock())
    yield
    machine_lock._close(machine_lock._lock.files)


@contextlib.contextmanager
def process(code: str, *words: str) -> Iterator["subprocess.Popen[str]"]:
    """A process that has said its first line."""
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen([sys.executable, "-c", code, *words], **pipes) as started:
        try:
            assert started.stdout
            assert started.stdout.readline()
            yield started
        finally:
            started.kill()


def test_a_measurement_waits_for_another_and_says_so() -> None:
    ears, order = Ears(), []
    with process(MEASURE) as other:
        assert is_measuring()

        def let_go() -> None:
            while not ears.heard:
                time.sleep(0.01)
            order.append("other ends")
            other.communicate("\n")

        thread = threading.Thread(target=let_go)
        thread.start()
        with measuring(ears):
            order.append("measured")
        thread.join()
    assert order == ["other ends", "measured"]
    assert ears.heard == [WAITING]
    assert not is_measuring()


def test_a_measurement_waits_for_a_step_and_is_then_alone() -> None:
    with process(WORK, "0.05") as worker:
        with measuring():
            assert worker.stdout
            os.set_blocking(worker.stdout.fileno(), False)
            with contextlib.suppress(BlockingIOError, TypeError):
                worker.stdout.read()
            time.sleep(0.3)  # six steps' time
            with contextlib.suppress(BlockingIOError, TypeError):
                assert not worker.stdout.read()
        os.set_blocking(worker.stdout.fileno(), True)
        assert worker.stdout.readline() == "step\n"  # and goes on afterwards


def test_workers_do_not_starve_a_measurement() -> None:
    with process(WORK, "0.02"), process(WORK, "0.03"), process(WORK, "0.05"):
        start = time.monotonic()
        for _ in range(10):
            with measuring():
                pass
        assert time.monotonic() - start < 5


def test_steps_of_several_workers_run_side_by_side() -> None:
    with process(WORK, "60"), working():
        pass


def test_a_measurement_inside_another_goes_on() -> None:
    with measuring():
        with measuring(), working(), measuring():
            assert is_measuring()
        assert is_measuring()
    assert not is_measuring()


def test_a_process_that_a_measurement_starts_goes_on_too() -> None:
    nested = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {MEASURE!r}])"
    with measuring():
        for code in (MEASURE, nested):
            subprocess.run(
                [sys.executable, "-c", code], input="\n", text=True, check=True, timeout=60
            )
        assert is_measuring()
    assert machine_lock.MEASURING not in os.environ


def test_the_name_of_a_measurement_that_is_over_opens_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with measuring():
        name = os.environ[machine_lock.MEASURING]
    monkeypatch.setenv(machine_lock.MEASURING, name)
    with process(MEASURE):
        assert is_measuring()


def test_a_turn_rests_while_it_measures() -> None:
    """Two workers that measure inside their steps do not wait for each other for ever."""
    code = """
import time
from fleetfoot.core.machine_lock import measuring, working
print("begun", flush=True)
for _ in range(20):
    with working():
        time.sleep(0.005)
        with measuring():
            pass
"""
    with process(code) as first, process(code) as second:
        assert (first.wait(timeout=30), second.wait(timeout=30)) == (0, 0)
    with working(), measuring():
        assert is_measuring()


def test_a_killed_measurement_holds_nothing() -> None:
    with process(MEASURE) as other:
        other.kill()
        other.wait()
        with measuring():
            pass


def test_a_forked_child_holds_nothing_of_its_parent() -> None:
    read, write = os.pipe()
    with measuring():
        child = os.fork()
        if child == 0:
            os.close(write)
            os.read(read, 1)  # until the parent closes its end
            os._exit(0)
    assert not is_measuring()
    os.close(write)
    os.waitpid(child, 0)
    os.close(read)


@pytest.mark.parametrize("hindrance", ["a file", "a link", "open to all"])
def test_without_a_folder_of_its_own_there_is_no_lock(
    hindrance: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(machine_lock, "FOLDERS", (str(tmp_path),))
    folder, elsewhere = tmp_path / f"fleetfoot-{os.geteuid()}", tmp_path / "elsewhere"
    if hindrance == "a file":
        folder.write_text("")
    elif hindrance == "a link":
        elsewhere.mkdir()
        folder.symlink_to(elsewhere)
    else:
        folder.mkdir()
        folder.chmod(0o777)
    with measuring(), working():
        assert not is_measuring()
    assert not elsewhere.exists() or not any(elsewhere.iterdir())


def test_a_folder_that_was_tidied_up_is_made_again(tmp_path: Path) -> None:
    with measuring():
        pass
    for file in (folder := tmp_path / f"fleetfoot-{os.geteuid()}").iterdir():
        file.unlink()
    folder.rmdir()
    with measuring():
        assert is_measuring()


def test_work_in_a_long_turn_rests_for_a_measurement() -> None:
    """Also between the turns inside it; without a turn there is nothing to rest from."""
    code = """
import sys, time
from fleetfoot.core.machine_lock import rest, working
with working():
    print("begun", flush=True)
    while True:
        if sys.argv[1] == "rest":
            rest()
        with working() if sys.argv[1] == "turn" else open("/dev/null"):
            time.sleep(0.01)
"""
    rest()
    for way in ("rest", "turn"):
        with process(code, way), measuring():
            assert is_measuring()
    with process(code, "neither"):
        gate, busy = machine_lock._lock.open() or (0, 0)
        assert not flock(busy, ALONE | AT_ONCE)
        assert gate
