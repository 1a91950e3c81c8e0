"""The rows that a request stands for: engines and precisions by name, and a plan for each row."""

import itertools
from collections.abc import Iterable
from dataclasses import astuple, dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple

from fleetfoot.core.errors import FleetfootError, MissingError, one_line, require
from fleetfoot.deploy.cells import Cell
from fleetfoot.deploy.engines import engine_precisions, installed_engines, is_installed
from fleetfoot.deploy.names import BASELINES, PRECISIONS, TIMED_ENGINES
from fleetfoot.jobs.measure_record import Setup
from fleetfoot.jobs.words import one_of
from fleetfoot.measure.totals import Totals

if TYPE_CHECKING:
    from torch import nn

BYTES = {"float32": 4, "bfloat16": 2, "float16": 2, "int8": 1}


class Counted(NamedTuple):
    """Counts of one call, and what they leave out."""

    totals: Totals = Totals()
    note: str | None = None


def counted(net: "nn.Module", image: tuple[int, ...], *, batch: int, precision: str) -> Counted:
    """Return the counts of a call with this many images."""
    from fleetfoot.measure.counts import count

    found = count(net, image, batch=batch, bytes_per_element=BYTES.get(precision, 4))
    note = f"not counted: {', '.join(found.uncounted)}" if found.uncounted else None
    return Counted(found.totals, note)


@dataclass(frozen=True, kw_only=True)
class Planned:
    """One row to be: its words, and the cell to time or the reason why there is none.

    Attributes:
        setup: how the network is to be run.
        best: one of those that compete for ``--engine best``.
        exit_code: that a command ends with for `error`.
    """

    setup: Setup
    best: bool = False
    cell: Cell | None = None
    error: str | None = None
    exit_code: int | None = None

    def refused(self, error: FleetfootError) -> "Planned":
        """Return the row with the reason why it cannot be measured."""
        return replace(self, error=one_line(str(error)), exit_code=error.exit_code)

    def timed(self, image: tuple[int, ...], **more: Any) -> Cell:
        """Return the cell that times the row on images of this shape; `more` are its fields."""
        how = self.setup
        return Cell(
            name=self.name,
            engine=how.engine,
            precision=how.precision,
            layout=how.layout,
            threads=how.threads,
            input_shape=(how.batch, *image),
            **more,
        )

    @property
    def name(self) -> str:
        """A name that is unique among the rows of one subject."""
        return f"{' '.join(map(str, astuple(self.setup)))}{' best' if self.best else ''}"


def refuse_unknown(setup: Setup) -> None:
    """Refuse an engine or precision that does not exist.

    Raises:
        UsageError: there is none of that name.
    """
    one_of("--engine", setup.engine, TIMED_ENGINES)
    one_of("--precision", setup.precision, PRECISIONS)


def torch_is_there() -> bool:
    """Return whether torch can be imported."""
    try:
        require("torch", extra="train")
    except MissingError:
        return False
    return True


def named_engines(
    names: Iterable[str], *, torch: bool, device: str = "cpu", bits: bool = False
) -> tuple[str, ...]:
    """Return the engines to try; "all" is every installed one that needs no compiler.

    Args:
        names: as asked for.
        torch: the network can run in torch.
        device: "cpu" or "cuda".
        bits: it has a packed form.
    """
    everything = ("eager",) * torch + (installed_engines() if device == "cpu" else ())
    if bits and device == "cpu" and is_installed("packed"):
        everything += ("packed",)
    found = [everything if name == "all" else (name,) for name in names if name != "best"]
    return tuple(dict.fromkeys(itertools.chain(*found)))


def named_precisions(engine: str, names: Iterable[str]) -> tuple[str, ...]:
    """Return the precisions to try; "all" is every one that needs no calibration images.

    w1a1 and packed belong together: what is named of either is left out beside others.
    """
    if engine in TIMED_ENGINES:
        names = [
            name for name in names if name == "all" or (name == "w1a1") == (engine == "packed")
        ]
    if engine not in TIMED_ENGINES:
        return ("float32",)  # one row to say that there is no such engine
    everything: tuple[str, ...] = ("float32",)
    if engine in BASELINES:
        everything = ("float32", "bfloat16")
    elif engine == "packed":
        everything = ("w1a1",)
    elif engine in installed_engines():
        everything = tuple(name for name in engine_precisions(engine) if name != "int8")
    return tuple(
        dict.fromkeys(itertools.chain(*(everything if n == "all" else (n,) for n in names)))
    )
