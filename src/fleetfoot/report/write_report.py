"""`report.json` and `report.html` of a run folder or a bundle."""

from pathlib import Path

from fleetfoot.core.errors import DataError
from fleetfoot.core.files import write_json, write_text
from fleetfoot.core.results import Json
from fleetfoot.report.build import build_report
from fleetfoot.report.page import render
from fleetfoot.report.run_files import read_run


def write_report(run: Path) -> Json:
    """Write both files into ``run`` from what is there, replacing older ones.

    Args:
        run: run folder, complete or not, or a bundle folder.

    Returns:
        What report.json holds.

    Raises:
        DataError: no such folder, neither a run nor a bundle, or values of the wrong kind in it.
        MissingError: Jinja2 is not installed.
    """
    files = read_run(run)
    try:
        report = build_report(files)
        page = render(report)
    except (TypeError, ValueError, LookupError, AttributeError, ArithmeticError) as error:
        # The files are somebody's input: a string where a number belongs is no bug of ours.
        raise DataError(
            f"{run}: a file of the run holds a value of the wrong kind "
            f"({type(error).__name__}: {error}); write the run again"
        ) from error
    write_json(run / "report.json", report)
    write_text(run / "report.html", page)
    return report
