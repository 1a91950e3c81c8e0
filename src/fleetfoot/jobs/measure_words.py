"""The words of `fleetfoot measure`: lists separated by commas, and what they stand for."""

from collections.abc import Sequence
from dataclasses import dataclass

from fleetfoot.core.errors import UsageError
from fleetfoot.deploy.names import PRECISIONS, TIMED_ENGINES
from fleetfoot.jobs.requests import EMPTY, MeasureRequest, one_of

LAYOUTS = ("nchw", "nhwc")
DEVICES = ("cpu", "cuda")


@dataclass(frozen=True, kw_only=True)
class Words:
    """What to combine; None leaves it to the subject; "all" and "best" are still words here.

    An engine or precision that does not exist stays in, so that it becomes a row with the reason.
    """

    engines: tuple[str, ...]
    precisions: tuple[str, ...]
    layouts: tuple[str, ...] | None
    threads: tuple[int, ...]
    batches: tuple[int, ...]
    sizes: tuple[int, ...] | None
    device: str = "cpu"


def parse_words(request: MeasureRequest, threads: tuple[int, ...]) -> Words:
    """Return the lists that a request stands for, with these thread counts.

    Raises:
        UsageError: none of the engines or precisions exists, a layout or device does not, or a
            number is below 1.
    """
    layout, size, device = request.layout, request.size, request.device
    one_of("--device", device, DEVICES)
    return Words(
        engines=_names("--engine", request.engine, (*TIMED_ENGINES, "all", "best")),
        precisions=_names("--precision", request.precision, (*PRECISIONS, "all")),
        layouts=None if layout is None else _names("--layout", layout, LAYOUTS, all_must=True),
        threads=threads,
        batches=parse_numbers("--batch", request.batch),
        sizes=None if size is None else parse_numbers("--size", size),
        device=device,
    )


def parse_threads(
    threads: str | int | None, allowed: int
) -> tuple[tuple[int, ...], tuple[str, ...]]:
    """Return the thread counts to measure with, none above what is allowed, and what was cut.

    Raises:
        UsageError: a number is below 1.
    """
    asked = parse_numbers("--threads", allowed if threads is None else threads)
    cut = [number for number in asked if number > allowed]
    notes = tuple(f"--threads {number}: {allowed} is all this process may use" for number in cut)
    return tuple(dict.fromkeys(min(number, allowed) for number in asked)), notes


def parse_numbers(word: str, text: str | int) -> tuple[int, ...]:
    """Return the whole numbers of a list, each once.

    Raises:
        UsageError: one is not a whole number of at least 1.
    """
    numbers: list[int] = []
    for part in str(text).split(","):
        if not part.strip().isdecimal() or int(part) < 1:
            raise UsageError(f"{word} {part.strip() or EMPTY}: is not a whole number of at least 1")
        numbers.append(int(part))
    return tuple(dict.fromkeys(numbers))


def why_unknown(engine: str, precision: str) -> str | None:
    """Return why an engine or precision cannot be measured: there is none of that name."""
    try:
        one_of("--engine", engine, TIMED_ENGINES)
        one_of("--precision", precision, PRECISIONS)
    except UsageError as error:
        return str(error)
    return None


def _names(
    word: str, text: str, known: Sequence[str], *, all_must: bool = False
) -> tuple[str, ...]:
    names = tuple(dict.fromkeys(part.strip() for part in text.split(",")))
    unknown = [name for name in names if name not in known]
    if unknown and (all_must or len(unknown) == len(names)):
        one_of(word, unknown[0], known)
    return names
