"""What may be spent on planning, by the clock."""

import math
import time

SHARE = 0.12  # of the minutes; a step that is under way may take planning up to 15 %
WITHOUT_MINUTES = 40.0  # seconds, for a run of epochs


class Clock:
    """So many seconds from now on, or from ``started`` on."""

    def __init__(self, seconds: float = math.inf, *, started: float | None = None) -> None:
        self._end = (time.perf_counter() if started is None else started) + seconds

    @classmethod
    def for_planning(cls, minutes: float | None, *, started: float) -> "Clock":
        """Return the clock of a run's planning that began at ``started``."""
        return cls(WITHOUT_MINUTES if minutes is None else SHARE * 60 * minutes, started=started)

    @property
    def left(self) -> float:
        """Seconds that are left; negative once they are up."""
        return self._end - time.perf_counter()

    def part(self, share: float, *, most: float) -> "Clock":
        """Return a clock for a share of what is left, and at most so many seconds."""
        return Clock(min(share * self.left, most))
