"""What `measure` measures: a network by name, or a bundle; and the cells each stands for."""

import itertools
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, fields, replace
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol, cast

from fleetfoot.core.errors import FleetfootError, MissingError, UsageError, one_line, require
from fleetfoot.core.seeds import rng
from fleetfoot.deploy.bundle import load
from fleetfoot.deploy.cells import YARDSTICKS, Cell
from fleetfoot.deploy.engines import ENGINES as GRAPH_ENGINES
from fleetfoot.deploy.engines import engine_precisions, installed_engines
from fleetfoot.deploy.form import GraphForm
from fleetfoot.deploy.worker import POOL
from fleetfoot.jobs.measure_words import ENGINES, Words, why_unknown
from fleetfoot.jobs.runs import bundle_of, check_net, resolve
from fleetfoot.measure.device import free_memory

if TYPE_CHECKING:
    from torch import nn

    from fleetfoot.measure.counts import Counts

NOISE_IMAGES = 16  # for int8 ranges, which decide no time
LAUNCH_BOUND = 8  # images: up to here launching kernels can take longer than running them
BYTES = {"float32": 4, "bfloat16": 2, "float16": 2, "int8": 1}


@dataclass(frozen=True)
class Facts:
    """Counts of one call; None where they are not known. `note` says what they leave out."""

    params: int | None = None
    macs: int | None = None
    bytes_moved: int | None = None
    bytes_moved_fused: int | None = None
    elementwise_ops: int | None = None
    activations: int | None = None
    peak_live_bytes: int | None = None
    arena_bytes: int | None = None
    least_peak_bytes: int | None = None
    note: str | None = None

    @classmethod
    def of(cls, counts: "Counts") -> "Facts":
        """Return the fields that bear the names of those of ``counts``."""
        names = [field.name for field in fields(cls) if field.name != "note"]
        note = f"not counted: {', '.join(counts.uncounted)}" if counts.uncounted else None
        return cls(**{name: getattr(counts, name) for name in names}, note=note)


@dataclass(frozen=True, kw_only=True)
class Planned:
    """One row to be: its words, and the cell to time or the reason why there is none.

    Attributes:
        form: ``eager`` as published, ``replayed`` the same as one graph of kernels, ``tuned``
            folded and exported.
        best: one of those that compete for ``--engine best``.
        exit_code: that a command ends with for `error`.
    """

    form: str
    engine: str
    precision: str
    layout: str
    threads: int
    batch: int
    size: int
    best: bool = False
    cell: Cell | None = None
    error: str | None = None
    exit_code: int | None = None

    def refused(self, error: FleetfootError) -> "Planned":
        """Return the row with the reason why it cannot be measured."""
        return replace(self, error=one_line(str(error)), exit_code=error.exit_code)

    @property
    def name(self) -> str:
        """A name that is unique among the rows of one subject."""
        words = (
            *(self.form, self.engine, self.precision, self.layout),
            *(self.threads, self.batch, self.size),
        )
        return f"{' '.join(map(str, words))}{' best' if self.best else ''}"


class Subject(Protocol):
    """Something that can be measured."""

    name: str

    def check(self, words: Words) -> None:
        """Refuse sizes that it cannot take."""
        ...

    def plan(self, words: Words, folder: Path) -> Iterable[Planned]:
        """Yield the rows that the words stand for; files go to ``folder``."""
        ...

    def facts(self, size: int, batch: int, precision: str) -> Facts:
        """Return the counts of one call."""
        ...


def subject_of(text: str) -> Subject:
    """Return the network or bundle behind an argument.

    Raises:
        UsageError: no such network.
        DataError: no such folder, or a damaged bundle.
        MissingError: a network by name, and torch is not installed.
    """
    target = resolve(text)
    if target.folder is None:
        check_net(text, or_folder=True)
        return NetSubject(text)
    return BundleSubject(text, bundle_of(text))


class NetSubject:
    """A registered network, untrained: times do not depend on the values of weights."""

    def __init__(self, name: str) -> None:
        from fleetfoot.nets.catalog import entry

        self.name = name
        self.entry = entry(name)
        self._bytes_needed = cache(self._memory_of)  # every form of a network asks again

    def check(self, words: Words) -> None:
        from fleetfoot.nets.create import skeleton
        from fleetfoot.nets.protocol import check_size

        if words.sizes is not None:
            net = skeleton(self.name)
            for size in words.sizes:
                check_size(net, size, name=self.name)

    def facts(self, size: int, batch: int, precision: str) -> Facts:
        from fleetfoot.measure.counts import count

        shape = (self.entry.input[0], size, size)
        width = BYTES.get(precision, 4)
        try:
            counts = count(self._net, shape, batch=batch, bytes_per_element=width)
        except Exception:  # whatever a forward pass raises: the row itself says what
            return Facts(params=self.entry.params)
        return Facts.of(counts)

    def plan(self, words: Words, folder: Path) -> Iterator[Planned]:
        sizes = words.sizes or (self.entry.input[-1],)
        for size, batch, threads in itertools.product(sizes, words.batches, words.threads):
            for engine, precision, layout, best in self._forms(words):
                plan = Planned(
                    form="tuned" if engine in GRAPH_ENGINES else "eager",
                    engine=engine,
                    precision=precision,
                    layout=layout,
                    threads=threads,
                    batch=batch,
                    size=size,
                    best=best,
                )
                yield self._with_cell(plan, folder, words.device)
                if words.device == "cuda" and engine == "eager" and batch <= LAUNCH_BOUND:
                    yield self._with_cell(replace(plan, form="replayed"), folder, words.device)

    def _forms(self, words: Words) -> Iterator[tuple[str, str, str, bool]]:
        """Yield engine, precision, layout, and whether the form competes for ``best``."""
        for engine in _named_engines(words.engines, torch=True, device=words.device):
            for precision in _named_precisions(engine, words.precisions):
                for layout in words.layouts or ("nchw",):
                    yield engine, precision, layout, False
        if "best" in words.engines:
            for engine in installed_engines():
                for precision in _named_precisions(engine, ("all",)):
                    for layout in ("nchw", "nhwc"):
                        yield engine, precision, layout, True

    def _with_cell(self, plan: Planned, folder: Path, device: str) -> Planned:
        image = (self.entry.input[0], plan.size, plan.size)
        cell = Cell(
            name=plan.name,
            engine=plan.engine,
            precision=plan.precision,
            layout=plan.layout,
            threads=plan.threads,
            input_shape=(plan.batch, *image),
            device=device,
            replay=plan.form == "replayed",
        )
        try:
            _refuse_unknown(plan, device)
            self._refuse_too_large(plan)
            if plan.engine in YARDSTICKS:
                return replace(plan, cell=replace(cell, module=self._net))
            file, shape = self._graph(plan, folder, image)
        except FleetfootError as error:
            return plan.refused(error)
        except Exception as error:  # an exporter raises anything; the other rows go on
            return plan.refused(FleetfootError(f"its export fails: {_first_line(error)}"))
        return replace(plan, cell=replace(cell, file=file, input_shape=shape))

    def _refuse_too_large(self, plan: Planned) -> None:
        """Refuse a row whose weights, maps and inputs do not fit into the memory that is free."""
        needed, free = self._bytes_needed(plan.size, plan.batch), free_memory()
        if needed is not None and free is not None and needed > free:
            raise UsageError(
                f"--size {plan.size} --batch {plan.batch}: needs {needed / 2**30:.1f} GiB of "
                f"memory, {free / 2**30:.1f} are free; take a smaller size or batch"
            )

    def _memory_of(self, size: int, batch: int) -> int | None:
        """Return the bytes of weights, maps and inputs of a call in float32; None is unknown."""
        facts = self.facts(size, batch, "float32")
        if facts.params is None or facts.peak_live_bytes is None:
            return None
        inputs = 4 * POOL * batch * self.entry.input[0] * size**2
        return 4 * facts.params + facts.peak_live_bytes + inputs

    def _graph(
        self, plan: Planned, folder: Path, image: tuple[int, ...]
    ) -> tuple[Path, tuple[int, ...]]:
        """Return the exported graph of a row and the shape of its input."""
        from fleetfoot.deploy.export_int8 import export_int8
        from fleetfoot.deploy.export_onnx import export_onnx

        form = GraphForm(layout=cast(Literal["nchw", "nhwc"], plan.layout))
        shape = (plan.batch, *form.shape(image))
        file = folder / f"{plan.size} {plan.batch} {plan.layout}.onnx"
        if not file.exists():
            export_onnx(self._folded, file, image=image, form=form, batch=plan.batch)
        if plan.precision != "int8":
            return file, shape
        if plan.batch != 1:
            raise FleetfootError("int8 is measured at batch 1")
        quantised = file.with_suffix(".int8.onnx")
        if not quantised.exists():
            noise = rng("calibration").standard_normal((NOISE_IMAGES, *shape[1:]), dtype="f4")
            export_int8(file, quantised, inputs=noise)
        return quantised, shape

    @property
    def _net(self) -> "nn.Module":
        if isinstance(self._built, FleetfootError):
            raise self._built
        return self._built

    @cached_property
    def _built(self) -> "nn.Module | FleetfootError":
        """The network in evaluation mode, its norms settled by noise; or why there is none."""
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
            return FleetfootError(f"its forward pass fails: {_first_line(error)}")

    @cached_property
    def _folded(self) -> "nn.Module":
        from fleetfoot.passes.fold_batch_norm import fold_batch_norm

        return fold_batch_norm(self._net).model


def _refuse_unknown(plan: Planned, device: str) -> None:
    reason = why_unknown(plan.engine, plan.precision)
    if reason is not None:
        raise UsageError(reason)
    if device == "cuda" and plan.engine not in YARDSTICKS:
        raise UsageError(f"{plan.engine} is measured on the cpu alone")


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def _named_engines(names: Iterable[str], *, torch: bool, device: str = "cpu") -> tuple[str, ...]:
    """Return the engines to try; "all" is every installed one that needs no compiler."""
    everything = (
        *(("eager",) if torch else ()),
        *(installed_engines() if device == "cpu" else ()),
    )
    found = [everything if name == "all" else (name,) for name in names if name != "best"]
    return tuple(dict.fromkeys(itertools.chain(*found)))


def _named_precisions(engine: str, names: Iterable[str]) -> tuple[str, ...]:
    """Return the precisions to try; "all" is every one that needs no calibration images."""
    if engine not in ENGINES:
        return ("float32",)  # one row to say that there is no such engine
    if engine in YARDSTICKS:
        everything: tuple[str, ...] = ("float32", "bfloat16")
    elif engine in installed_engines():
        everything = tuple(name for name in engine_precisions(engine) if name != "int8")
    else:
        everything = ("float32",)
    return tuple(
        dict.fromkeys(itertools.chain(*(everything if n == "all" else (n,) for n in names)))
    )


class BundleSubject:
    """A bundle: the forms that lie in it, as they are."""

    def __init__(self, text: str, folder: Path) -> None:
        self.name = text
        self.bundle = load(folder)

    def check(self, words: Words) -> None:
        """Refuse nothing: a bundle of another size is a row with the reason."""

    def facts(self, size: int, batch: int, precision: str) -> Facts:
        """Return the counts of the network in the bundle, where torch is there to count them."""
        try:
            require("torch", extra="train")
        except MissingError:
            return Facts()
        from fleetfoot.measure.counts import count
        from fleetfoot.nets.create import create

        channels = self.bundle.preprocess.channels
        try:
            net = create(
                self.bundle.record["net"], num_classes=len(self.bundle.classes), in_chans=channels
            )
            width = BYTES.get(precision, 4)
            counts = count(net, (channels, size, size), batch=batch, bytes_per_element=width)
        except Exception:  # a network of another version, or one that nobody registered
            return Facts()
        return Facts.of(counts)

    def plan(self, words: Words, folder: Path) -> Iterator[Planned]:
        size = self.bundle.preprocess.size
        for choice in self._choices(words):
            for batch, threads in itertools.product(words.batches, words.threads):
                plan = Planned(
                    form="tuned",
                    engine=choice["engine"],
                    precision=choice["precision"],
                    layout=choice["layout"],
                    threads=threads,
                    batch=batch,
                    size=size,
                )
                yield self._with_cell(plan, choice["file"], words)

    def _choices(self, words: Words) -> Iterator[Mapping[str, Any]]:
        """Yield the forms that the words stand for: the chosen one, others from the fallback."""
        record = self.bundle.record
        chosen, fallback = record["chosen"], record["fallback"]
        if "best" in words.engines:
            yield chosen
        for engine in _named_engines(words.engines, torch=False):
            for precision in _named_precisions(engine, words.precisions):
                if (engine, precision) == (chosen["engine"], chosen["precision"]):
                    if "best" not in words.engines:
                        yield chosen
                else:
                    yield {**fallback, "engine": engine, "precision": precision}

    def _with_cell(self, plan: Planned, file: str, words: Words) -> Planned:
        problem = why_unknown(plan.engine, plan.precision) or self._problem(plan, words)
        if problem is not None:
            return plan.refused(UsageError(problem))
        channels = self.bundle.preprocess.channels
        inside = bool(self.bundle.record["graph"].get("preprocess"))
        form = GraphForm(layout=cast(Literal["nchw", "nhwc"], plan.layout), preprocess=inside)
        cell = Cell(
            name=plan.name,
            engine=plan.engine,
            precision=plan.precision,
            layout=plan.layout,
            threads=plan.threads,
            input_shape=(plan.batch, *form.shape((channels, plan.size, plan.size))),
            input_dtype=form.dtype,
            file=self.bundle.folder / file,
        )
        return replace(plan, cell=cell)

    def _problem(self, plan: Planned, words: Words) -> str | None:
        if words.device != "cpu":
            return "a bundle is measured on the cpu alone"
        if plan.engine in YARDSTICKS:
            return f"a bundle holds no torch network: measure {self.bundle.record.get('net')}"
        if words.sizes is not None and words.sizes != (plan.size,):
            return f"the bundle is made for {plan.size} px"
        if words.layouts is not None and plan.layout not in words.layouts:
            return f"the bundle is made for {plan.layout}"
        if plan.precision == "int8" and self.bundle.record["chosen"]["precision"] != "int8":
            return "the bundle holds no int8 form"
        return None
