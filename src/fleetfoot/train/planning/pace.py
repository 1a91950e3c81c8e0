"""A run with `minutes` ends on time, also where steps turn out faster or slower than planned."""

import statistics
from collections import deque

from fleetfoot.train.optim.stretch import Stretch, planned_step
from fleetfoot.train.planning.fit_steps import Times, fitted_steps, minutes_left
from fleetfoot.train.planning.plan import Plan
from fleetfoot.train.train_state import Progress

LEAST_STEPS = 3  # that a pace is the mean of
WINDOW = 0.03  # of the minutes, at least, that a pace is the mean of
FEW_STEPS = 8  # of a whole run, up to which its first step is a pace already
CLEARLY = 0.2  # of the steps that are left: fewer more or less are not worth a change


class Pace:
    """Watches the steps of one process, and says when the run is to be stretched."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._least = WINDOW * 60 * (plan.minutes or 0)
        self._seconds: deque[float] = deque()
        self._is_first = True  # the first step of a process pays for many things

    def after(self, seconds: float, done: Progress, *, spent: float) -> Stretch | None:
        """Return how the run goes on after a step; None where it is about as planned.

        Args:
            seconds: what the step took.
            done: where the run stands.
            spent: seconds of the run without its planning, in all its processes.
        """
        self._note(seconds)
        plan, total = self._plan, done.ends_at(self._plan.total_steps)
        if plan.minutes is None or plan.world > 1 or done.step >= total:
            return None
        enough = len(self._seconds) >= LEAST_STEPS and sum(self._seconds) >= self._least
        if not enough and total > FEW_STEPS:
            return None
        pace = statistics.fmean(self._seconds or [seconds])
        slower = pace / (plan.step_ms / 1e3)
        left = fitted_steps(
            minutes_left(plan.minutes, plan.planning_seconds + spent),
            Times(step=pace, evaluation=plan.evaluation_seconds * slower),
            steps_per_epoch=plan.steps_per_epoch,
            every=plan.evaluate_every,
            done=done.step,
        )
        if abs(done.step + left - total) <= max(1, CLEARLY * (total - done.step)):
            return None
        position = planned_step(done.step, done.stretch, planned=plan.total_steps)
        return Stretch(done.step, position, done.step + left)

    def _note(self, seconds: float) -> None:
        if not self._is_first:
            self._seconds.append(seconds)
        self._is_first = False
        while len(self._seconds) > LEAST_STEPS and sum(self._seconds) > 2 * self._least:
            self._seconds.popleft()
