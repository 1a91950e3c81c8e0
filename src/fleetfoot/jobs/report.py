"""`fleetfoot report`: the page and its figures, made again from a run folder or bundle alone."""

from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from fleetfoot.core.errors import DataError
from fleetfoot.jobs.runs import resolve


@dataclass(frozen=True, kw_only=True)
class ReportRecord:
    """Where the report is.

    Attributes:
        run: the run or bundle folder.
        html: the page, one file.
        json: the same figures.
    """

    run: Path
    html: Path
    json: Path


def report(run: str) -> ReportRecord:
    """Write report.html and report.json into a run or bundle folder; what is there is replaced.

    Raises:
        DataError: no such folder, or neither a run nor a bundle.
        MissingError: jinja2 is not installed.
    """
    target = resolve(run)
    if target.folder is None:
        raise DataError(f"{run}: no such folder; a report is made from a run or a bundle")
    from fleetfoot.report.write_report import write_report

    write_report(target.folder)
    return ReportRecord(
        run=target.folder,
        html=target.folder / "report.html",
        json=target.folder / "report.json",
    )


def show(record: ReportRecord, stream: TextIO) -> None:
    """Write the record for a person."""
    stream.write(f"{record.html}\n{record.json}\n")
