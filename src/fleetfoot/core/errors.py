"""Errors that a person can act on, each with the exit code the command line documents.

A message is one line: the value, what is wrong with it, what to do.
"""

import errno
import importlib
from types import ModuleType


class FleetfootError(Exception):
    """Anything Fleetfoot refuses to do; `exit_code` is what the command line returns."""

    exit_code = 1


class TrainingError(FleetfootError):
    """Training cannot go on: a loss that is not a number, or a state that cannot be saved."""

    exit_code = 1


class UsageError(FleetfootError):
    """A word or value that does not exist or does not fit."""

    exit_code = 2


class ShapeError(UsageError):
    """A tensor or a layer of a shape the operator cannot take."""


class DataError(FleetfootError):
    """Data, a bundle or a run folder that is missing, damaged or not allowed."""

    exit_code = 3


class BudgetError(FleetfootError):
    """No candidate, or not the trained network, stays within the latency budget."""

    exit_code = 4


class GateError(FleetfootError):
    """The deployed form differs from the trained one by more than the gate allows."""

    exit_code = 5


class MissingError(FleetfootError):
    """A device, package or capability that this command needs is not there."""

    exit_code = 6


class Interrupted(FleetfootError):  # noqa: N818  an interruption is no error
    """The user stopped the run; the state was saved."""

    exit_code = 130


def require(module: str, *, extra: str | None) -> ModuleType:
    """Import ``module``, or say in one line which command mends it.

    Args:
        module: dotted name of the module.
        extra: the optional part of Fleetfoot that brings it, such as ``train``; None for what the
            base installation brings, whose modules are called as their packages are.

    Raises:
        MissingError: the module is absent or broken.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if not f"{module}.".startswith(f"{error.name}."):
            raise MissingError(_broken(module, error)) from error
        wanted = _top(module) if extra is None else f"'fleetfoot[{extra}]'"
        raise MissingError(
            f"{module} is not installed: run `python -m pip install {wanted}`"
        ) from error
    except Exception as error:  # a broken binary package raises anything: OSError, RuntimeError
        raise MissingError(_broken(module, error)) from error


def explain(error: BaseException) -> tuple[str, int]:
    """Return the one line and the exit code with which a command ends after ``error``."""
    if isinstance(error, FleetfootError):
        return one_line(str(error)), error.exit_code
    if isinstance(error, KeyboardInterrupt):
        return "interrupted", Interrupted.exit_code
    if isinstance(error, OSError):
        return _explain_os(error)
    if isinstance(error, MemoryError):
        return "out of memory: use a smaller batch or size, or fewer workers", 1
    name = type(error).__name__
    return (
        f"unexpected {name}: {one_line(str(error))} "
        "(run with FLEETFOOT_TRACEBACK=1 for the traceback)",
        1,
    )


def _explain_os(error: OSError) -> tuple[str, int]:
    where = f"{one_line(str(error.filename))}: " if error.filename is not None else ""
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return f"{where}the disk is full ({error.strerror}): free some space and run again", 1
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return f"{where}{error.strerror}: change the permission or name another folder", 3
    if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.EISDIR):
        return f"{where}{error.strerror}: check the path", 3
    return f"{where}{error.strerror or one_line(str(error)) or type(error).__name__}", 1


def first_line(error: Exception) -> str:
    r"""Return the first line of an error's message, or its kind where it has none.

    >>> first_line(ValueError("bad\nvalue")), first_line(ValueError())
    ('bad', 'ValueError')
    """
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def one_line(text: str) -> str:
    r"""Return text on one line, with what a terminal would obey spelled out.

    >>> print(one_line("two\n lines\x07"))
    two lines\x07
    """
    return printable(" ".join(text.split()))


def printable(text: str) -> str:
    """Return text with what a terminal would obey spelled out: a file name may hold anything."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def _broken(module: str, error: Exception) -> str:
    from importlib.metadata import packages_distributions  # a tenth of the start of `--help`

    packages = packages_distributions().get(_top(module), [_top(module)])
    return (
        f"{module} is installed but does not import ({first_line(error)}): run "
        f"`python -m pip install --force-reinstall {packages[0]}`"
    )


def _top(module: str) -> str:
    return module.partition(".")[0]
