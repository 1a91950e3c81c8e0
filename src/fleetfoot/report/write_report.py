"""`report.json` and `report.html` of a run folder or a bundle."""

from pathlib import Path

from fleetfoot.core.files import write_json, write_text
from fleetfoot.report.build import build_report
from fleetfoot.report.page import render
from fleetfoot.report.run_files import Json, read_run


def write_report(run: Path) -> Json:
    """Write both files into ``run`` from what lies there, replacing older ones.

    Args:
        run: run folder, complete or not, or a bundle folder.

    Returns:
        What report.json holds.

    Raises:
        DataError: no such folder, or neither a run nor a bundle.
        MissingError: Jinja2 is not installed.
    """
    report = build_report(read_run(run))
    write_json(run / "report.json", report)
    write_text(run / "report.html", render(report))
    return report
