"""Ctrl-C with manners: the first asks for a stop, the second stops.

What a service manager or a batch system sends (SIGTERM), and a terminal that goes away (SIGHUP),
are the same request. A signal that is ignored, as SIGHUP under `nohup`, stays ignored.
"""

import contextlib
import signal
import threading
from collections.abc import Callable, Generator
from types import FrameType
from typing import Any

SIGNALS = tuple(
    signal.Signals[name] for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
)
Handler = Callable[[int, FrameType | None], None]


class GracefulStop:
    """Context manager that turns the first signal into a request.

    ``with GracefulStop() as stop:`` -- a loop reads ``stop.requested`` after each step. The
    second signal raises KeyboardInterrupt. Outside the main thread signals are left alone.
    """

    def __init__(self) -> None:
        self.requested = False
        self._handled = contextlib.ExitStack()

    def __enter__(self) -> "GracefulStop":
        self._handled.enter_context(_handling(self._handle))
        return self

    def __exit__(self, *_: object) -> None:
        self._handled.close()

    def _handle(self, _number: int, _frame: FrameType | None) -> None:
        if self.requested:
            raise KeyboardInterrupt
        self.requested = True


@contextlib.contextmanager
def interruptible() -> Generator[None]:
    """Let all `SIGNALS` raise KeyboardInterrupt, so that what is under way is put in order."""
    with _handling(_interrupt):
        yield


def ignore_signals() -> None:
    """Leave the end of this process to the one that started it."""
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


@contextlib.contextmanager
def _handling(handler: Handler) -> Generator[None]:
    before: dict[int, Any] = {}
    if threading.current_thread() is threading.main_thread():
        before = {number: signal.getsignal(number) for number in SIGNALS}
        before = {n: was for n, was in before.items() if was not in (signal.SIG_IGN, None)}
    try:
        for number in before:
            signal.signal(number, handler)
        yield
    finally:
        for number, was in before.items():
            signal.signal(number, was)
