"""What `measure` measures: a network by name, or a bundle; and the rows each stands for."""

from collections.abc import Iterable
from pathlib import Path
from typing import Protocol

from fleetfoot.jobs.bundle_subject import BundleSubject
from fleetfoot.jobs.measure_plan import Counted, Planned
from fleetfoot.jobs.net_subject import NetSubject
from fleetfoot.jobs.requests import MeasureRequest
from fleetfoot.jobs.runs import bundle_of, check_net, resolve


class Subject(Protocol):
    """Something that can be measured."""

    name: str

    def check(self, request: MeasureRequest) -> None:
        """Refuse sizes that it cannot take."""
        ...

    def plan(self, request: MeasureRequest, folder: Path) -> Iterable[Planned]:
        """Yield the rows that a request stands for; files go to ``folder``."""
        ...

    def counted(self, size: int, batch: int, precision: str) -> Counted:
        """Return the counts of one call."""
        ...


def subject_of(text: str) -> Subject:
    """Return the network or bundle behind an argument.

    Raises:
        UsageError: no such network.
        DataError: no such folder, or a damaged bundle.
        MissingError: a network by name, and torch is not installed.
    """
    if resolve(text).kind == "net":
        check_net(text, or_folder=True)
        return NetSubject(text)
    return BundleSubject(text, bundle_of(text))
