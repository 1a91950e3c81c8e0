import os
import signal
import subprocess
import sys
import threading

import pytest

from fleetfoot.core.interrupt import SIGNALS, GracefulStop, interruptible

LOOP = """
import sys, time
from fleetfoot.core.interrupt import SIGNALS, GracefulStop, interruptible
with GracefulStop() as stop:
    print("ready", flush=True)
    while not stop.requested:
        time.sleep(0.01)
    print("asked", flush=True)
    {then}
print("after", flush=True)
"""


def interrupt(number: int = signal.SIGINT) -> None:
    os.kill(os.getpid(), number)


@pytest.mark.parametrize("number", SIGNALS, ids=lambda number: number.name)
def test_the_first_asks_and_the_second_stops(number: int) -> None:
    before = signal.getsignal(number)
    with GracefulStop() as stop:
        assert not stop.requested
        interrupt(number)
        assert stop.requested
        with pytest.raises(KeyboardInterrupt):
            interrupt(number)
    assert signal.getsignal(number) is before


@pytest.mark.parametrize("number", SIGNALS, ids=lambda number: number.name)
def test_what_is_under_way_is_put_in_order(number: int) -> None:
    before = signal.getsignal(number)
    with interruptible():
        with GracefulStop() as stop:
            interrupt(number)
        assert stop.requested
        with pytest.raises(KeyboardInterrupt):
            interrupt(number)
    assert signal.getsignal(number) is before


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="has no such signal")
def test_what_is_ignored_stays_ignored() -> None:
    """As under `nohup`."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with interruptible(), GracefulStop() as stop:
            interrupt(signal.SIGHUP)
        assert not stop.requested
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


def test_afterwards_signals_are_as_they_were() -> None:
    with GracefulStop():
        pass
    with pytest.raises(KeyboardInterrupt):
        interrupt()


def test_an_exception_restores_the_handler() -> None:
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(RuntimeError), GracefulStop():
        raise RuntimeError
    assert signal.getsignal(signal.SIGINT) is before


def test_in_another_thread_nothing_is_touched() -> None:
    before = signal.getsignal(signal.SIGINT)
    seen: list[object] = []

    def work() -> None:
        with GracefulStop() as stop:
            seen.extend([signal.getsignal(signal.SIGINT), stop.requested])

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [before, False]


@pytest.mark.parametrize(
    ("then", "output", "code"),
    [("", ["asked", "after"], 0), ("time.sleep(30)", ["asked"], -signal.SIGINT)],
)
def test_a_real_process(then: str, output: list[str], code: int) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", LOOP.format(then=then)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGINT)
        lines = [process.stdout.readline().strip()]
        if then:
            process.send_signal(signal.SIGINT)
        lines += process.stdout.read().split()
        assert process.wait(30) == code
    assert lines == output
