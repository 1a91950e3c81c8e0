"""A schedule that is stretched or shrunk from where it stands, so that a run ends on time.

What is left of it is spread over the steps that are left: the learning rate makes no jump, and ends
where it was to end.
"""

from typing import NamedTuple


class Stretch(NamedTuple):
    """From ``step`` on, where ``position`` planned steps are done, the rest ends at ``total``."""

    step: int
    position: float
    total: int


def planned_step(step: int, stretch: Stretch | None, *, planned: int) -> float:
    """Return how many of the ``planned`` steps are done after ``step`` steps of the run.

    Steps before it was stretched, such as the first of its epoch, count as that moment: the line
    drawn backwards would say that the run had hardly begun.

    >>> [planned_step(step, Stretch(10, 10.0, 20), planned=50) for step in (8, 10, 15, 20)]
    [10.0, 10.0, 30.0, 50.0]
    """
    if stretch is None:
        return step
    rate = (planned - stretch.position) / max(1, stretch.total - stretch.step)
    return stretch.position + max(0, step - stretch.step) * rate
