"""Ctrl-C with manners: the first asks for a stop, the second stops."""

import signal
import threading
from types import FrameType


class GracefulStop:
    """Context manager that turns the first SIGINT into a request.

    ``with GracefulStop() as stop:`` -- a loop reads ``stop.requested`` after each step. The
    second SIGINT raises KeyboardInterrupt. Outside the main thread signals are left alone.
    """

    def __init__(self) -> None:
        self.requested = False

    def __enter__(self) -> "GracefulStop":
        self._active = threading.current_thread() is threading.main_thread()
        if self._active:
            self._previous = signal.signal(signal.SIGINT, self._handle)
        return self

    def __exit__(self, *_: object) -> None:
        if self._active:
            signal.signal(signal.SIGINT, self._previous)

    def _handle(self, _number: int, _frame: FrameType | None) -> None:
        if self.requested:
            raise KeyboardInterrupt
        self.requested = True
