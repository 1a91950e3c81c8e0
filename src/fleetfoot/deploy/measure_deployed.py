"""How fast a network would be once deployed: measured before it is trained.

For choosing among networks and sizes within a budget. Latency does not depend on the weights (as
long as activations are ordinary numbers), so a network that was only just made will do; what
cannot be known yet is whether a precision passes the gate.
"""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from torch import nn

from fleetfoot.core.errors import FleetfootError, MissingError
from fleetfoot.deploy.cells import Cell, CellTiming, measure_cells
from fleetfoot.deploy.edit_onnx import resize_input
from fleetfoot.deploy.engines import engine_precisions, installed_engines
from fleetfoot.deploy.export_onnx import export_onnx
from fleetfoot.measure.latency import Schedule

QUICK = Schedule(min_samples=20, min_seconds=0.2, rounds=5, warm_up_seconds=0.3, max_seconds=2.0)


@dataclass(frozen=True)
class Sized:
    """A network at one input shape (C, H, W), under a unique name.

    Several sizes of one network share the `net` object: it is then exported once.
    """

    name: str
    net: nn.Module
    image: tuple[int, int, int]


def measure_deployed(
    items: Sequence[Sized],
    *,
    threads: int = 1,
    engine: str | None = None,
    schedule: Schedule = QUICK,
    exporter: "Exporter | None" = None,
) -> dict[str, CellTiming]:
    """Return the timing of every item in one engine by name, in `likely_precision`, batch 1.

    Args:
        items: networks, folded, in evaluation mode, at sizes.
        threads: threads to compute with.
        engine: OpenVINO if it is installed, else ONNX Runtime.
        schedule: how long; short by default, since a dozen items should take well under a minute.
        exporter: keeps what it exported for the next call; None for this call alone.

    Raises:
        MissingError: no engine is installed.
    """
    engine = engine or likely_engine()
    precision = likely_precision(engine)
    with tempfile.TemporaryDirectory(prefix="fleetfoot-") as name:
        exporter = exporter or Exporter(Path(name))
        cells: list[Cell] = []
        failed: dict[str, CellTiming] = {}
        for item in items:
            try:
                file = exporter.file(item)
            except FleetfootError as error:
                failed[item.name] = CellTiming(name=item.name, error=str(error))
                continue
            cells.append(
                Cell(
                    name=item.name,
                    engine=engine,
                    precision=precision,
                    threads=threads,
                    input_shape=(1, *item.image),
                    file=file,
                )
            )
        timings = {**failed, **measure_cells(cells, schedule)}
    return {item.name: timings[item.name] for item in items}


def likely_precision(engine: str) -> str:
    """Return the floating-point precision that `deploy` most likely ends with in ``engine``."""
    return "bfloat16" if "bfloat16" in engine_precisions(engine) else "float32"


def likely_engine() -> str:
    """Return the engine that `deploy` most likely ends with here.

    Raises:
        MissingError: no engine is installed.
    """
    installed = installed_engines()
    if not installed:
        raise MissingError(
            "no engine to measure in: run `python -m pip install onnxruntime openvino`"
        )
    return "openvino" if "openvino" in installed else installed[0]


class Exporter:
    """Exports each network once, into a folder, and rewrites the input for its other sizes."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._known: dict[int, tuple[Sized, Path]] = {}

    def file(self, item: Sized) -> Path:
        path = self._folder / f"{len(list(self._folder.iterdir()))}.onnx"
        first, source = self._known.get(id(item.net), (None, None))
        if first is None or source is None or not _resizable(first, item):
            export_onnx(item.net, path, image=item.image)
            self._known[id(item.net)] = (item, path)
            return path
        return resize_input(source, path, size=item.image[1])


def _resizable(first: Sized, item: Sized) -> bool:
    square = first.image[1] == first.image[2] and item.image[1] == item.image[2]
    whole = all(side % 32 == 0 for side in (*first.image[1:], *item.image[1:]))
    return square and whole and first.image[0] == item.image[0]
