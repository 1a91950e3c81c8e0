"""From a folded network to a bundle: export, measure, compare, choose, write.

Letters  N images, H height, W width, C channels (of images) or classes (of logits)
"""

import dataclasses
import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from fleetfoot.core.errors import GateError, UsageError
from fleetfoot.core.files import new_folder
from fleetfoot.core.results import to_json
from fleetfoot.data.preprocess import Preprocess
from fleetfoot.deploy.bundle import load
from fleetfoot.deploy.cells import Cell, CellTiming, measure_cells, median_of_fresh
from fleetfoot.deploy.edit_onnx import take_nhwc
from fleetfoot.deploy.engines import PRECISIONS, installed_engines
from fleetfoot.deploy.export_int8 import export_int8
from fleetfoot.deploy.export_onnx import export_onnx
from fleetfoot.deploy.export_openvino import export_openvino
from fleetfoot.deploy.form import GraphForm, Layout
from fleetfoot.deploy.gate import MAX_DROP, GateSet, spread
from fleetfoot.deploy.tune import EQUAL, Candidate, as_cell, choose, gated, list_candidates, timed
from fleetfoot.deploy.write_bundle import (
    Card,
    Measured,
    verify_golden,
    write_contract,
    write_golden,
    write_record,
)
from fleetfoot.measure.accuracy import wilson_interval
from fleetfoot.measure.latency import Schedule

FALLBACK_FILE = "model.onnx"
CALIBRATION_IMAGES = 50
SLOWER_IMAGES = 50
SCHEDULE = Schedule(min_seconds=0.3, warm_up_seconds=0.3, max_seconds=5.0)


@dataclass(frozen=True, kw_only=True)
class Options:
    """How a network is deployed.

    Attributes:
        threads: numbers of threads to try.
        max_drop: see `gate.allowed_loss`.
        engines: engines to try; None for all that are installed.
        precisions: precisions to try.
        graph_preprocess: put the affine step and softmax into the graph: uint8 image in,
            probabilities out.
        calibration_images: uint8 crops (N, H, W, C) for int8, of which `CALIBRATION_IMAGES`,
            evenly spread, are used; without them there is no int8.
        yardsticks: torch engines measured beside, ``eager`` and ``compile``.
        budget_ms: limit that the chosen form is verified against, in three fresh processes.
        schedule: how long candidates are measured.
    """

    threads: tuple[int, ...] = (1,)
    max_drop: float = MAX_DROP
    engines: tuple[str, ...] | None = None
    precisions: tuple[str, ...] = PRECISIONS
    graph_preprocess: bool = False
    calibration_images: NDArray[np.uint8] | None = None
    yardsticks: tuple[str, ...] = ("eager",)
    budget_ms: float | None = None
    schedule: Schedule = SCHEDULE


@dataclass(frozen=True)
class BundleRecord:
    """A bundle that was written: its folder and the content of its ``bundle.json``."""

    path: Path
    content: Mapping[str, Any]

    @property
    def chosen(self) -> Mapping[str, Any]:
        """The form that answers, with its figures."""
        return self.content["chosen"]

    @property
    def budget_met(self) -> bool | None:
        """Whether the verified latency is within the budget; None without one."""
        budget = self.content["budget"]
        return None if budget is None else budget["met"]


def deploy(
    net: nn.Module,
    folder: Path,
    *,
    preprocess: Preprocess,
    classes: Sequence[str],
    gate: GateSet,
    card: Card,
    eager: nn.Module | None = None,
    options: Options | None = None,
) -> BundleRecord:
    """Write the fastest form of ``net`` that passes the gate as a bundle.

    Args:
        net: the network to deploy, folded, in evaluation mode.
        folder: of the bundle; what is there is replaced once the new one is complete.
        preprocess: from an image to the network's input.
        classes: names, in the order of the logits.
        gate: real images that every form is compared on.
        card: what the bundle says about the network.
        eager: the network as trained, unfolded: the reference and the yardstick; ``net`` if None.
        options: see `Options`.

    Raises:
        GateError: ONNX float32, or every form, answers otherwise than the reference.
        MissingError: a package that exporting needs is not installed.
    """
    options = options or Options()
    reference = (eager or net).eval()
    reference_NC = eager_logits(reference, gate.images, preprocess)
    if reference_NC.shape[1] != len(classes):
        raise UsageError(
            f"the network has {reference_NC.shape[1]} outputs, the class list {len(classes)} names"
        )
    with new_folder(folder) as place:
        job = _Job(net, place, preprocess, options)
        candidates = job.export(job.candidates())
        timings = measure_cells(
            [*job.cells(candidates), *_yardstick_cells(reference, job.image, options)],
            options.schedule,
        )
        candidates = [
            timed(candidate, timings[candidate.name]) if candidate.file else candidate
            for candidate in candidates
        ]
        candidates = choose(job.gate(candidates, gate, reference_NC))
        chosen = next(candidate for candidate in candidates if candidate.kept)
        fallback = job.fallback(candidates)
        measured = Measured(
            chosen=chosen,
            fallback=fallback,
            candidates=candidates,
            yardsticks=_yardsticks(reference, job.image, options, timings),
            reference=_reference(reference_NC, gate),
            budget=_verify(options, job.cells([chosen])[0]),
        )
        job.drop_unused(chosen, fallback)
        write_contract(place, preprocess=preprocess, classes=classes, card=card)
        _golden(place, gate, reference_NC, chosen)
        content = write_record(
            place, card=card, classes=classes, form=job.form(chosen), measured=measured
        )
        verify_golden(load(place))
    return BundleRecord(folder, content)


def eager_logits(
    net: nn.Module, crops_NHWC: NDArray[np.uint8], preprocess: Preprocess, *, batch: int = 8
) -> NDArray[np.float32]:
    """Return the logits (N, C) of ``net`` in eager float32 for uint8 crops.

    Small batches, channels last: EfficientNet-Lite0 at 224 px then takes half the processor time
    that it takes by 32 and channels first, much of which is the kernel's, handing out memory.
    """
    logits: list[NDArray[np.float32]] = []
    with torch.inference_mode():
        for start in range(0, len(crops_NHWC), batch):
            images = torch.from_numpy(preprocess.normalise(crops_NHWC[start : start + batch]))
            logits.append(net(images.contiguous(memory_format=torch.channels_last)).numpy())
    return np.concatenate(logits)


class _Job:
    """The graphs of one network in one folder."""

    def __init__(
        self, net: nn.Module, place: Path, preprocess: Preprocess, options: Options
    ) -> None:
        self.net, self.place = net, place
        self.preprocess, self.options = preprocess, options
        self.image = (preprocess.channels, preprocess.size, preprocess.size)
        self.layouts: tuple[Layout, ...] = (
            ("nhwc",) if options.graph_preprocess else ("nchw", "nhwc")
        )

    def candidates(self) -> list[Candidate]:
        """Return what is to be tried."""
        engines = self.options.engines or installed_engines()
        images = self.options.calibration_images
        return list_candidates(
            engines,
            self.options.precisions,
            layouts=self.layouts,
            threads=self.options.threads,
            calibrated=images is not None and len(images) > 0,
        )

    def form(self, candidate: Candidate) -> GraphForm:
        inside = self.options.graph_preprocess
        layout: Layout = "nhwc" if candidate.layout == "nhwc" else "nchw"
        return GraphForm(layout=layout, preprocess=inside, probabilities=inside)

    def export(self, candidates: Sequence[Candidate]) -> list[Candidate]:
        """Write the graphs and return the candidates with their files."""
        self._graph(self.layouts[0])
        return [
            candidate
            if candidate.reason
            else dataclasses.replace(candidate, file=self._file(candidate).name)
            for candidate in candidates
        ]

    def gate(
        self, candidates: Sequence[Candidate], gate: GateSet, reference_NC: NDArray[np.float32]
    ) -> list[Candidate]:
        """Compare every candidate that was exported with the reference, the fastest first.

        Once one has passed, those clearly slower cannot win any more: they are compared on
        `SLOWER_IMAGES` images, for the record. The fallback is always compared on all.
        """
        everything = np.arange(len(gate.images))
        few = spread(len(gate.images), SLOWER_IMAGES)
        compared: list[Candidate] = []
        limit_ms = math.inf
        for candidate in sorted(candidates, key=lambda c: c.latency_ms_p50 or math.inf):
            if candidate.file is None:
                compared.append(candidate)
                continue
            time_ms = candidate.latency_ms_p50 or math.inf
            is_needed = candidate.file == FALLBACK_FILE or time_ms <= limit_ms
            result = gated(
                candidate,
                self.place,
                form=self.form(candidate),
                preprocess=self.preprocess,
                gate=gate,
                places=everything if is_needed else few,
                reference_NC=reference_NC,
                max_drop=self.options.max_drop,
            )
            if result.passed:
                limit_ms = min(limit_ms, EQUAL * time_ms)
            compared.append(result)
        return compared

    def cells(self, candidates: Sequence[Candidate]) -> list[Cell]:
        return [
            as_cell(candidate, self.place, form=self.form(candidate), image=self.image)
            for candidate in candidates
            if candidate.file
        ]

    def fallback(self, candidates: Sequence[Candidate]) -> Candidate:
        """Return the ONNX float32 form, measured or not.

        Raises:
            GateError: it was compared and failed; what answers elsewhere has to be right, too.
        """
        plain = Candidate(
            engine="onnxruntime",
            precision="float32",
            layout=self.layouts[0],
            threads=self.options.threads[0],
            file=FALLBACK_FILE,
            actual_precision="float32",
            reason="fallback, not measured",
        )
        found = next((c for c in candidates if c.name == plain.name and c.file), plain)
        if found.passed is False:
            raise GateError(
                f"the ONNX float32 form, which every bundle needs, fails the gate ({found.reason})"
            )
        return found

    def drop_unused(self, *used: Candidate) -> None:
        stems = {Path(candidate.file or "").stem for candidate in used}
        suffixes = {(Path(c.file or "").stem, Path(c.file or "").suffix) for c in used}
        for file in self.place.glob("model*"):
            weights = file.suffix == ".bin" and (file.stem, ".xml") in suffixes
            if file.stem not in stems or not (weights or (file.stem, file.suffix) in suffixes):
                file.unlink()

    def _file(self, candidate: Candidate) -> Path:
        layout = self.form(candidate).layout
        graph = self._int8() if candidate.precision == "int8" else self._graph(layout)
        if candidate.engine != "openvino":
            return graph
        path = graph.with_suffix(".xml")
        return path if path.exists() else export_openvino(graph, path)

    def _graph(self, layout: Layout) -> Path:
        first = layout == self.layouts[0]
        path = self.place / (FALLBACK_FILE if first else f"model_{layout}.onnx")
        if path.exists():
            return path
        if not first:
            return take_nhwc(self._graph(self.layouts[0]), path)
        inside = self.options.graph_preprocess
        form = GraphForm(layout=layout, preprocess=inside, probabilities=inside)
        return export_onnx(self.net, path, image=self.image, form=form, preprocess=self.preprocess)

    def _int8(self) -> Path:
        path = self.place / "model_int8.onnx"
        images = self.options.calibration_images
        if path.exists() or images is None:
            return path
        inside = self.options.graph_preprocess
        form = GraphForm(layout=self.layouts[0], preprocess=inside, probabilities=inside)
        some = images[spread(len(images), CALIBRATION_IMAGES)]
        inputs = form.prepare(some, self.preprocess)
        return export_int8(self._graph(self.layouts[0]), path, inputs=inputs)


def _yardstick_cells(net: nn.Module, image: tuple[int, ...], options: Options) -> list[Cell]:
    return [
        Cell(
            name=engine,
            engine=engine,
            threads=options.threads[0],
            input_shape=(1, *image),
            module=net,
        )
        for engine in options.yardsticks
    ]


def _yardsticks(
    net: nn.Module, image: tuple[int, ...], options: Options, timings: Mapping[str, CellTiming]
) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    for cell in _yardstick_cells(net, image, options):
        blank = Candidate(
            engine=cell.engine, precision=cell.precision, layout=cell.layout, threads=cell.threads
        )
        rows.append(to_json(timed(blank, timings[cell.name])))
    return rows


def _reference(reference_NC: NDArray[np.float32], gate: GateSet) -> dict[str, Any]:
    images = len(reference_NC)
    names = ("correct", "top1", "top1_low", "top1_high")
    if gate.labels is None:
        return {"images": images, **dict.fromkeys(names)}
    correct = int((reference_NC.argmax(axis=1) == gate.labels).sum())
    values = (correct, correct / images, *wilson_interval(correct, images))
    return {"images": images, **dict(zip(names, values, strict=True))}


def _verify(options: Options, cell: Cell) -> dict[str, Any] | None:
    if options.budget_ms is None:
        return None
    runs = median_of_fresh(cell, schedule=options.schedule)
    times = [run.latency.ms_p50 for run in runs if run.latency is not None]
    verified = statistics.median(times) if times else None
    return {
        "limit_ms": options.budget_ms,
        "verified_ms_p50": verified,
        "runs_ms_p50": times,
        "met": verified is not None and verified <= options.budget_ms,
    }


def _golden(
    place: Path, gate: GateSet, reference_NC: NDArray[np.float32], chosen: Candidate
) -> None:
    if chosen.parity is None:
        raise GateError("the chosen form was not compared with the reference")
    count = len(gate.images)
    rows = sorted({chosen.parity.worst_image, 0, count // 2, count - 1, count // 4})[:3]
    tolerance = max(1e-3, 2 * chosen.parity.max_logit_difference)
    write_golden(
        place, crops_NHWC=gate.images[rows], logits_NC=reference_NC[rows], tolerance=tolerance
    )
