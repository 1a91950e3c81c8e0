"""Parses words, calls one job, prints one record.

stdout carries the result (a table for a person, or exactly one JSON object with ``--json``), stderr
the talk. Nothing heavy is imported before the words are understood: each command imports its job.
"""

import importlib
import json
import os
import sys
import traceback
import warnings
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, Literal

from cyclopts import App, CycloptsError, Parameter

from fleetfoot import __version__
from fleetfoot.core.errors import UsageError, explain, one_line
from fleetfoot.core.interrupt import interruptible
from fleetfoot.core.results import to_json
from fleetfoot.core.streams import hush_libraries, open_closed_streams
from fleetfoot.core.torchrun import started_as
from fleetfoot.jobs.requests import (
    ClaimsRequest,
    CompressRequest,
    DeployRequest,
    EvaluateRequest,
    FitRequest,
    MeasureRequest,
)

WITHOUT_VALUE = Parameter(negative=())

app = App(
    name="fleetfoot",
    help="From my images, my device and my latency budget to a measured, deployed network.",
    version=__version__,
    help_format="plaintext",
    default_parameter=WITHOUT_VALUE,
    exit_on_error=False,
    print_error=False,
    help_on_error=False,
    result_action="return_value",
    suppress_keyboard_interrupt=False,
)


@Parameter(name="*")
@dataclass(frozen=True)
class Talk:
    """How the answer is given.

    Attributes:
        json: Print exactly one JSON object.
        quiet: No progress and no remarks on stderr.
    """

    json: bool = False
    quiet: bool = False


QUIET = Talk()
QUOTES = "''"  # what a shell shows of a word without letters
FIT, DEPLOY, COMPRESS = FitRequest(), DeployRequest(), CompressRequest()
EVALUATE, MEASURE = EvaluateRequest(), MeasureRequest()
CLAIMS = ClaimsRequest()
SCHEMA_VERSIONS = {
    "measure": 2,
    "claims": 2,
    "deploy": 2,
}  # verbs whose keys have changed since the first


@app.command
def fit(data: str | None = None, /, *, request: FitRequest = FIT, talk: Talk = QUIET) -> int:
    """Audit, choose, train, evaluate, deploy, report.

    Args:
        data: Folder, table file, digits, mnist:DIR or cifar10:DIR.
    """
    return _answered("fit", replace(request, data=data), talk)


@app.command
def evaluate(
    run: str, data: str, /, *, request: EvaluateRequest = EVALUATE, talk: Talk = QUIET
) -> int:
    """Metrics of a run, a bundle or a network on a data set.

    Args:
        run: Run folder, bundle folder or network name.
        data: Folder, table file, digits, mnist:DIR or cifar10:DIR.
    """
    return _answered("evaluate", replace(request, run=run, data=data), talk)


@app.command
def predict(run: str, /, *images: str, top: int | None = None, talk: Talk = QUIET) -> int:
    """Labels for images, from a bundle; needs no torch.

    Args:
        run: Run folder or bundle folder.
        images: Image files, or folders of them.
        top: Classes to name for each image; without it one, and five with --json.
    """
    from fleetfoot.jobs.predict import predict as job

    record = job(run, images, top=top)
    for note in () if talk.quiet else record.notes:
        _say(note)
    return _answer("predict", record, talk)


@app.command
def measure(*nets: str, request: MeasureRequest = MEASURE, talk: Talk = QUIET) -> int:
    """Counts, latency, roofline and energy of networks on this device.

    Every list is separated by commas; each combination is one row.

    Args:
        nets: Network names, bundles or run folders.
    """
    return _answered("measure", replace(request, nets=nets), talk)


@app.command
def deploy(run: str, /, *, request: DeployRequest = DEPLOY, talk: Talk = QUIET) -> int:
    """Export, parity gate, tuning of engine, precision, layout; writes the bundle.

    Args:
        run: Run folder or network name.
    """
    return _answered("deploy", replace(request, run=run), talk)


@app.command
def compress(run: str, /, *, request: CompressRequest = COMPRESS, talk: Talk = QUIET) -> int:
    """Make a run smaller, fine-tune, measure; kept only if faster and as accurate.

    Args:
        run: Run folder.
    """
    return _answered("compress", replace(request, run=run), talk)


@app.command
def audit(data: str, /, *, talk: Talk = QUIET) -> int:
    """Class map, damaged files, EXIF, duplicates across splits, imbalance, sizes.

    Args:
        data: Folder, table file, digits, mnist:DIR or cifar10:DIR.
    """
    return _answered("audit", data, talk)


@app.command
def report(run: str, /, *, talk: Talk = QUIET) -> int:
    """Write report.html and report.json of a run again.

    Args:
        run: Run folder or bundle folder.
    """
    from fleetfoot.jobs.report import report as job

    return _answer("report", job(run), talk)


@app.command
def nets(pattern: str = "*", /, *, talk: Talk = QUIET) -> int:
    """Networks with parameters, MACs and the licence of their weights.

    Args:
        pattern: Shell pattern of names, such as 'fasternet*'.
    """
    from fleetfoot.jobs.nets import nets as job

    return _answer("nets", job(pattern), talk)


@app.command
def claims(
    word: Literal["list", "run", "table", "queue"],
    /,
    *ids: str,
    request: ClaimsRequest = CLAIMS,
    talk: Talk = QUIET,
) -> int:
    """The ledger of the papers' claims: list it, measure claims, see paper and measurement.

    Args:
        word: list, run, table, or queue for how far a queue is.
        ids: Claims, or patterns such as 'fasternet/*'; for list and table all without any. For
            queue its folder.
    """
    verb = "claims_queue" if word == "queue" or request.queue is not None else "claims"
    code = _answered(verb, replace(request, word=word, ids=ids), talk)
    return 0 if word == "queue" else code


@app.command
def doctor(*, talk: Talk = QUIET) -> int:
    """What is installed, what the device can do, what is wrong and what mends it."""
    from fleetfoot.jobs.doctor import doctor as job

    return _answer("doctor", job(), talk)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and end the process with its exit code."""
    open_closed_streams()
    words = sys.argv[1:] if arguments is None else arguments
    # a picture that claims too many pixels is refused in one line of our own
    warnings.filterwarnings("ignore", message="Image size .* exceeds limit")
    if _has(words, "--quiet"):
        hush_libraries()
    with interruptible():
        code = run(words)
    sys.exit(code)


def run(arguments: Sequence[str]) -> int:
    """Run one command; return the exit code (0 done ... 130 interrupted)."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # a file name may hold what the terminal cannot show
            stream.reconfigure(errors="backslashreplace")  # pyright: ignore[reportAttributeAccessIssue]
    try:
        _refuse_empty(arguments)
        code = app(list(arguments))
        sys.stdout.flush()
        return code if isinstance(code, int) else 0
    except SystemExit as error:
        if isinstance(error.__context__, BrokenPipeError):  # this is how rich gives up
            return 0
        raise
    except BaseException as error:
        return _fail(error, wants_json=_has(arguments, "--json"))


def _refuse_empty(arguments: Sequence[str]) -> None:
    """Refuse a word without letters (a shell variable that is not set): as a path it means "."."""
    for before, word in zip(("", *arguments), arguments):
        name, equals, value = word.partition("=")
        if not word.strip() or (name.startswith("--") and equals and not value.strip()):
            where = f" after {before}" if before.startswith("--") else ""
            raise UsageError(f"{word or QUOTES}{where}: is empty; name it or leave it out")


def _fail(error: BaseException, *, wants_json: bool) -> int:
    if isinstance(error, BrokenPipeError):  # `fleetfoot nets | head`: the reader has what it wants
        _abandon_stdout()
        return 0
    message, code = explain(UsageError(str(error)) if isinstance(error, CycloptsError) else error)
    if os.environ.get("FLEETFOOT_TRACEBACK") == "1":
        traceback.print_exception(error)
    _say(message)
    try:
        if wants_json:
            _print_json({"schema": "fleetfoot.error/1", "error": message, "exit_code": code})
        sys.stdout.flush()
    except OSError:
        _abandon_stdout()
    return code


def _has(arguments: Sequence[str], word: str) -> bool:
    words = list(arguments)
    return word in (words[: words.index("--")] if "--" in words else words)


def _answered(verb: str, request: Any, talk: Talk) -> int:
    """Do a job while saying how it gets on; answer with its record."""
    from fleetfoot.jobs.progress import listening

    job = getattr(importlib.import_module(f"fleetfoot.jobs.{verb}"), verb)
    speaks = verb != "fit" or started_as().is_first  # under torchrun one process does
    with listening(sys.stderr, quiet=talk.quiet or not speaks) as listener:
        record = job(request, listener=listener)
    return _answer(verb, record, talk, speaks=speaks)


def _answer(verb: str, record: Any, talk: Talk, *, speaks: bool = True) -> int:
    """Print a record and, on stderr, what it says of failures; return its exit code."""
    from fleetfoot.jobs.screen import show

    if speaks and talk.json:
        _print_json(to_json(record, schema=f"fleetfoot.{verb}/{SCHEMA_VERSIONS.get(verb, 1)}"))
    elif speaks:
        show(verb, record, sys.stdout)
    for line in getattr(record, "failures", ()):
        _say(line)
    return getattr(record, "exit_code", 0)


def _print_json(value: Any) -> None:
    # ASCII with escapes: readable by every program, whatever the locale and the file names
    sys.stdout.write(json.dumps(value, allow_nan=False) + "\n")


def _say(message: str) -> None:
    with suppress(OSError):  # nobody reads stderr: the exit code still says it
        sys.stderr.write(f"fleetfoot: {one_line(message)}\n")
        sys.stderr.flush()


def _abandon_stdout() -> None:
    """Point stdout at nothing, so that Python's flush at exit does not fail again."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
