"""A network by name, as `measure` measures it: in torch, or exported."""

import itertools
from collections.abc import Iterator
from dataclasses import replace
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Literal, cast

from fleetfoot.core.errors import FleetfootError, UsageError, first_line, require
from fleetfoot.core.seeds import rng
from fleetfoot.deploy.form import GraphForm
from fleetfoot.deploy.names import BASELINES, ENGINES
from fleetfoot.deploy.worker import POOL
from fleetfoot.jobs.measure_plan import (
    Counted,
    Planned,
    counted,
    named_engines,
    named_precisions,
    refuse_unknown,
)
from fleetfoot.jobs.measure_record import Setup
from fleetfoot.jobs.requests import LAYOUTS, MeasureRequest
from fleetfoot.measure.device import free_memory
from fleetfoot.measure.totals import Totals

if TYPE_CHECKING:
    from torch import nn

NOISE_IMAGES = 16  # for int8 ranges, which decide no time
LAUNCH_BOUND = 8  # images: up to here launching kernels can take longer than running them


class NetSubject:
    """A registered network, untrained: times do not depend on the values of weights."""

    def __init__(self, name: str) -> None:
        from fleetfoot.nets.catalog import entry

        self.name = name
        self.entry = entry(name)
        self._bytes_needed = cache(self._memory_of)  # every form of a network asks again

    def check(self, request: MeasureRequest) -> None:
        from fleetfoot.nets.create import skeleton
        from fleetfoot.nets.protocol import check_size

        if request.sizes is not None:
            net = skeleton(self.name)
            for size in request.sizes:
                check_size(net, size, name=self.name)

    def counted(self, size: int, batch: int, precision: str) -> Counted:
        image = (self.entry.input[0], size, size)
        try:
            return counted(self._net, image, batch=batch, precision=precision)
        except Exception:  # whatever a forward pass raises: the row itself says what
            return Counted(Totals(params=self.entry.params))

    def plan(self, request: MeasureRequest, folder: Path) -> Iterator[Planned]:
        sizes = request.sizes or (self.entry.input[-1],)
        ways = itertools.product(sizes, request.batches, request.thread_counts)
        for size, batch, threads in ways:
            for engine, precision, layout, best in self._forms(request):
                setup = Setup(
                    form="tuned" if engine in ENGINES else "eager",
                    engine=engine,
                    precision=precision,
                    layout=layout,
                    threads=threads,
                    batch=batch,
                    size=size,
                )
                yield self._with_cell(Planned(setup=setup, best=best), folder, request.device)
                if request.device == "cuda" and engine == "eager" and batch <= LAUNCH_BOUND:
                    replayed = Planned(setup=replace(setup, form="replayed"), best=best)
                    yield self._with_cell(replayed, folder, request.device)

    def _forms(self, request: MeasureRequest) -> Iterator[tuple[str, str, str, bool]]:
        """Yield engine, precision, layout, and whether the form competes for ``best``."""
        bits, device = self._is_binary or request.precisions == ("w1a1",), request.device
        for engine in named_engines(request.engines, torch=True, device=device, bits=bits):
            precisions = named_precisions(engine, request.precisions)
            layouts = ("nchw",) if engine == "packed" else request.layouts or ("nchw",)
            for precision, layout in itertools.product(precisions, layouts):
                yield engine, precision, layout, False
        if "best" in request.engines:
            for engine in named_engines(("all",), torch=False, device=device, bits=bits):
                precisions = named_precisions(engine, ("all",))
                layouts = ("nchw",) if engine == "packed" else LAYOUTS
                for precision, layout in itertools.product(precisions, layouts):
                    yield engine, precision, layout, True

    def _with_cell(self, plan: Planned, folder: Path, device: str) -> Planned:
        image = (self.entry.input[0], plan.setup.size, plan.setup.size)
        replay = plan.setup.form == "replayed"
        cell = plan.timed(image, device=device, replay=replay)
        try:
            refuse_unknown(plan.setup)
            if device == "cuda" and plan.setup.engine not in BASELINES:
                raise UsageError(f"{plan.setup.engine} is measured on the cpu alone")
            self._refuse_too_large(plan)
            if plan.setup.engine in BASELINES:
                return replace(plan, cell=replace(cell, module=self._net))
            file, shape = self._graph(plan, folder, image)
        except FleetfootError as error:
            return plan.refused(error)
        except Exception as error:  # an exporter raises anything; the other rows go on
            return plan.refused(FleetfootError(f"its export fails: {first_line(error)}"))
        return replace(plan, cell=replace(cell, file=file, input_shape=shape))

    def _refuse_too_large(self, plan: Planned) -> None:
        """Refuse a row whose weights, maps and inputs do not fit into the memory that is free."""
        size, batch = plan.setup.size, plan.setup.batch
        needed, free = self._bytes_needed(size, batch), free_memory()
        if needed is not None and free is not None and needed > free:
            raise UsageError(
                f"--size {size} --batch {batch}: needs {needed / 2**30:.1f} GiB of "
                f"memory, {free / 2**30:.1f} are free; take a smaller size or batch"
            )

    def _memory_of(self, size: int, batch: int) -> int | None:
        """Return the bytes of weights, maps and inputs of a call in float32; None is unknown."""
        totals = self.counted(size, batch, "float32").totals
        if totals.params is None or totals.peak_live_bytes is None:
            return None
        inputs = 4 * POOL * batch * self.entry.input[0] * size**2
        return 4 * totals.params + totals.peak_live_bytes + inputs

    def _graph(
        self, plan: Planned, folder: Path, image: tuple[int, ...]
    ) -> tuple[Path, tuple[int, ...]]:
        """Return the exported graph of a row and the shape of its input."""
        from fleetfoot.deploy.export_int8 import export_int8
        from fleetfoot.deploy.export_onnx import export_onnx

        if plan.setup.engine == "packed":
            return self._packed(plan, folder, image), (plan.setup.batch, *image)
        form = GraphForm(layout=cast(Literal["nchw", "nhwc"], plan.setup.layout))
        shape = (plan.setup.batch, *form.shape(image))
        file = folder / f"{plan.setup.size} {plan.setup.batch} {plan.setup.layout}.onnx"
        if not file.exists():
            export_onnx(self._folded, file, image=image, form=form, batch=plan.setup.batch)
        if plan.setup.precision != "int8":
            return file, shape
        if plan.setup.batch != 1:
            raise FleetfootError("int8 is measured at batch 1")
        quantised = file.with_suffix(".int8.onnx")
        if not quantised.exists():
            noise = rng("calibration").standard_normal((NOISE_IMAGES, *shape[1:]), dtype="f4")
            export_int8(file, quantised, inputs=noise)
        return quantised, shape

    def _packed(self, plan: Planned, folder: Path, image: tuple[int, ...]) -> Path:
        if plan.setup.precision != "w1a1":
            raise UsageError(f"packed has no {plan.setup.precision}; it has w1a1")
        require("numba", extra="kernels")
        from fleetfoot.kernels.packed_net import save_packed
        from fleetfoot.passes.pack_binary import pack_binary

        file = folder / f"{plan.setup.size} packed.npz"
        channels, height, width = image
        if not file.exists():
            save_packed(pack_binary(self._net, (channels, height, width)).net, file)
        return file

    @property
    def _is_binary(self) -> bool:
        from fleetfoot.ops.binary_conv import has_binary_layers

        return not isinstance(self._built, FleetfootError) and has_binary_layers(self._built)

    @property
    def _net(self) -> "nn.Module":
        if isinstance(self._built, FleetfootError):
            raise self._built
        return self._built

    @cached_property
    def _built(self) -> "nn.Module | FleetfootError":
        """The network in evaluation mode, its norms calibrated on noise; or why there is none."""
        import torch

        from fleetfoot.deploy.calibrate_norms import calibrate_norms
        from fleetfoot.nets.create import create

        try:
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(0)
                net = create(self.name)
            return calibrate_norms(net, self.entry.input, batch=2)
        except FleetfootError as error:
            return error
        except Exception as error:  # a network of one's own may raise anything
            return FleetfootError(f"its forward pass fails: {first_line(error)}")

    @cached_property
    def _folded(self) -> "nn.Module":
        from fleetfoot.passes.fold_batch_norm import fold_batch_norm

        return fold_batch_norm(self._net).model
