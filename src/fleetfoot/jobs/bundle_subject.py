"""A bundle, as `measure` measures it: the forms that it holds."""

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, cast

from fleetfoot.core.errors import UsageError
from fleetfoot.deploy.bundle import load
from fleetfoot.deploy.form import GraphForm
from fleetfoot.deploy.names import BASELINES
from fleetfoot.jobs.measure_plan import (
    Counted,
    Planned,
    counted,
    named_engines,
    named_precisions,
    refuse_unknown,
    torch_is_there,
)
from fleetfoot.jobs.measure_record import Setup
from fleetfoot.jobs.requests import MeasureRequest


class BundleSubject:
    """A bundle: the forms that it holds, as they are."""

    def __init__(self, text: str, folder: Path) -> None:
        self.name = text
        self.bundle = load(folder)

    def check(self, request: MeasureRequest) -> None:
        """Refuse nothing: a bundle of another size is a row with the reason."""

    def counted(self, size: int, batch: int, precision: str) -> Counted:
        """Return the counts of the network in the bundle, where torch is there to count them."""
        if not torch_is_there():
            return Counted()
        from fleetfoot.nets.create import create

        classes, channels = len(self.bundle.classes), self.bundle.preprocess.channels
        try:
            net = create(self.bundle.record["net"], num_classes=classes, in_chans=channels)
            return counted(net, (channels, size, size), batch=batch, precision=precision)
        except Exception:  # a network of another version, or one that nobody registered
            return Counted()

    def plan(self, request: MeasureRequest, folder: Path) -> Iterator[Planned]:
        size = self.bundle.preprocess.size
        for choice in self._choices(request):
            for batch, threads in itertools.product(request.batches, request.thread_counts):
                setup = Setup(
                    form="tuned",
                    engine=choice["engine"],
                    precision=choice["precision"],
                    layout=choice["layout"],
                    threads=threads,
                    batch=batch,
                    size=size,
                )
                yield self._with_cell(Planned(setup=setup), choice["file"], request)

    def _choices(self, request: MeasureRequest) -> Iterator[Mapping[str, Any]]:
        """Yield the forms that are asked for: the chosen one, others from the fallback."""
        record = self.bundle.record
        chosen, fallback = record["chosen"], record["fallback"]
        if "best" in request.engines:
            yield chosen
        bits = chosen["engine"] == "packed" or request.precisions == ("w1a1",)
        for engine in named_engines(request.engines, torch=False, bits=bits):
            for precision in named_precisions(engine, request.precisions):
                if (engine, precision) == (chosen["engine"], chosen["precision"]):
                    if "best" not in request.engines:
                        yield chosen
                else:
                    yield {**fallback, "engine": engine, "precision": precision}

    def _with_cell(self, plan: Planned, name: str, request: MeasureRequest) -> Planned:
        try:
            refuse_unknown(plan.setup)
            self._refuse(plan.setup, request)
        except UsageError as error:
            return plan.refused(error)
        channels = self.bundle.preprocess.channels
        inside = bool(self.bundle.record["graph"].get("preprocess"))
        form = GraphForm(layout=cast(Literal["nchw", "nhwc"], plan.setup.layout), preprocess=inside)
        shape = form.shape((channels, plan.setup.size, plan.setup.size))
        file = self.bundle.folder / name
        return replace(plan, cell=plan.timed(shape, input_dtype=form.dtype, file=file))

    def _refuse(self, how: Setup, request: MeasureRequest) -> None:
        record = self.bundle.record
        if request.device != "cpu":
            raise UsageError("a bundle is measured on the cpu alone")
        if how.engine in BASELINES:
            raise UsageError(f"a bundle holds no torch network: measure {record.get('net')}")
        if request.sizes is not None and request.sizes != (how.size,):
            raise UsageError(f"the bundle is made for {how.size} px")
        if request.layouts is not None and how.layout not in request.layouts:
            raise UsageError(f"the bundle is made for {how.layout}")
        if how.precision == "int8" and record["chosen"]["precision"] != "int8":
            raise UsageError("the bundle holds no int8 form")
        if how.engine == "packed" and record["chosen"]["engine"] != "packed":
            raise UsageError("the bundle holds no packed form")
