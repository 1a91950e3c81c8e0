"""From a folded network to a bundle: export, measure, compare, choose, write.

Letters  N images, C classes
"""

import math
import shutil
import statistics
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import nn

from fleetfoot.core.errors import GateError, UsageError
from fleetfoot.core.files import new_folder
from fleetfoot.data.preprocess import Preprocess
from fleetfoot.deploy.bundle import load
from fleetfoot.deploy.cells import CellTiming, measure_cells, median_of_fresh
from fleetfoot.deploy.gate import GateSet
from fleetfoot.deploy.graphs import Graphs
from fleetfoot.deploy.measure_use import figures_of_use
from fleetfoot.deploy.options import Options
from fleetfoot.deploy.reference import accuracy, baseline_cells, baselines, eager_logits
from fleetfoot.deploy.tune import EQUAL, Candidate, choose, gated, timed
from fleetfoot.deploy.write_bundle import (
    Card,
    Measured,
    verify_golden,
    write_contract,
    write_golden,
    write_record,
)
from fleetfoot.measure.temperature import calibrate

RECORD_SECONDS = 60.0
"""For comparing forms that are too slow to be chosen."""


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
        eager: the network as trained, unfolded: the reference and the baseline; ``net`` if None.
        options: see `Options`.

    Raises:
        GateError: ONNX float32, or every form, answers otherwise than the reference.
        MissingError: a package that exporting needs is not installed.
    """
    reference = (eager or net).eval()
    reference_NC = eager_logits(reference, gate.images, preprocess)
    outputs = reference_NC.shape[1]
    if outputs != len(classes):
        raise UsageError(f"the network has {outputs} outputs, the class list {len(classes)} names")
    with new_folder(folder) as place:
        graphs = Graphs(net, place, preprocess, options or Options())
        candidates, timings = _timed(graphs, reference)
        candidates = choose(_gated(graphs, candidates, gate, reference_NC))
        chosen = next(candidate for candidate in candidates if candidate.kept)
        form = graphs.form(chosen.layout)
        fresh = median_of_fresh(
            graphs.cells([chosen])[0],
            repeats=1 if graphs.options.budget_ms is None else 3,
            schedule=graphs.options.schedule,
            listener=graphs.options.listener,
        )
        measured = Measured(
            chosen=chosen,
            fallback=_fallback(graphs, candidates),
            candidates=candidates,
            baselines=baselines(reference, graphs.image, graphs.options, timings),
            reference=accuracy(reference_NC, gate),
            budget=_verify(graphs.options, fresh),
            calibration=None if gate.labels is None else calibrate(reference_NC, gate.labels),
            use=figures_of_use(
                chosen,
                place,
                form=form,
                preprocess=preprocess,
                picture=gate.images[0] if gate.picture is None else gate.picture,
                fresh=fresh,
                options=graphs.options,
            ),
        )
        graphs.drop_unused(chosen, measured.fallback)
        write_contract(place, preprocess=preprocess, classes=classes, card=card)
        _golden(place, gate, reference_NC, chosen)
        record = partial(
            write_record, place, card=card, classes=classes, form=form, measured=measured
        )
        content = record()
        verify_golden(load(place))
        if not graphs.options.golden:
            shutil.rmtree(place / "golden")
            content = record()
    return BundleRecord(folder, content)


def _timed(
    graphs: Graphs, reference: nn.Module
) -> tuple[list[Candidate], Mapping[str, CellTiming]]:
    """Export and time every candidate, and the baselines in turn with them."""
    candidates, options = graphs.export(), graphs.options
    timings = measure_cells(
        [*graphs.cells(candidates), *baseline_cells(reference, graphs.image, options)],
        options.schedule,
        listener=options.listener,
    )
    return [timed(c, timings[c.name]) if c.file else c for c in candidates], timings


def _gated(
    graphs: Graphs,
    candidates: Sequence[Candidate],
    gate: GateSet,
    reference_NC: NDArray[np.float32],
) -> list[Candidate]:
    """Compare every candidate that was exported with the reference, the fastest first.

    All are compared on the same images. Once one has passed, those clearly slower cannot win any
    more: they are compared for the record, as long as `RECORD_SECONDS` last. The fallback always
    is.
    """
    compared: list[Candidate] = []
    limit_ms = math.inf
    end = time.monotonic() + RECORD_SECONDS
    for candidate in sorted(candidates, key=lambda c: c.latency_ms_p50 or math.inf):
        graphs.options.listener.update(done=len(compared), total=len(candidates))
        if candidate.file is None:
            compared.append(candidate)
            continue
        time_ms = candidate.latency_ms_p50 or math.inf
        is_needed = candidate.name == graphs.fallback.name or time_ms <= limit_ms
        if not is_needed and time.monotonic() > end:
            compared.append(replace(candidate, reason="slower, and not compared for want of time"))
            continue
        result = gated(
            candidate,
            graphs.place,
            form=graphs.form(candidate.layout),
            preprocess=graphs.preprocess,
            gate=gate,
            reference_NC=reference_NC,
            max_drop=graphs.options.max_drop,
        )
        if result.passed:
            limit_ms = min(limit_ms, EQUAL * time_ms)
        compared.append(result)
    return compared


def _fallback(graphs: Graphs, candidates: Sequence[Candidate]) -> Candidate:
    """Return the ONNX float32 form, measured or not.

    Raises:
        GateError: it was compared and failed; what answers elsewhere has to be right, too.
    """
    plain = graphs.fallback
    found = next((c for c in candidates if c.name == plain.name and c.file), plain)
    if found.passed is False:
        raise GateError(
            f"the ONNX float32 form, which every bundle needs, fails the gate ({found.reason})"
        )
    return found


def _verify(options: Options, fresh: Sequence[CellTiming]) -> dict[str, Any] | None:
    if options.budget_ms is None:
        return None
    times = [run.latency.ms_p50 for run in fresh if run.latency is not None]
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
