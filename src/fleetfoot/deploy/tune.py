"""Choose the form of a network that is fastest on this device among those that pass the gate.

Every combination of engine, precision, layout and threads is a candidate. All are measured side by
side, all are compared with the reference on real images, and all are recorded, the losers with the
reason why.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fleetfoot.core.errors import FleetfootError, GateError
from fleetfoot.data.preprocess import Preprocess
from fleetfoot.deploy.cells import CellTiming
from fleetfoot.deploy.engines import engine_precisions, open_engine
from fleetfoot.deploy.form import GraphForm, Layout
from fleetfoot.deploy.gate import GateSet, Parity, compare, judge
from fleetfoot.measure.accuracy import softmax

ONE_LAYOUT = ("int8", "w1a1")
EQUAL = 1.03
"""Times within this factor are no difference: the closer copy of the reference is then taken."""


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """One form of the network, measured and compared; None is "not measured".

    Attributes:
        engine, precision, layout, threads: what was asked for.
        file: name of the graph inside the bundle.
        actual_precision: what the engine computes in.
        latency_ms_p50: of one engine call at batch 1, and so the other percentiles.
        samples: timed calls.
        top1: accuracy on the gate images, a fraction.
        parity: against the reference.
        passed: the gate's verdict; None where it was not asked.
        kept: this is the form that the bundle runs, or the fallback.
        reason: why it was kept or not.
    """

    engine: str
    precision: str
    layout: str
    threads: int
    file: str | None = None
    actual_precision: str | None = None
    latency_ms_p50: float | None = None
    latency_ms_p90: float | None = None
    latency_ms_p99: float | None = None
    latency_ms_iqr: float | None = None
    first_call_ms: float | None = None
    samples: int | None = None
    top1: float | None = None
    parity: Parity | None = None
    passed: bool | None = None
    kept: bool = False
    reason: str = ""

    @property
    def name(self) -> str:
        """A name that is unique among candidates."""
        return f"{self.engine} {self.precision} {self.layout} {self.threads}"


def list_candidates(
    engines: Sequence[str],
    precisions: Sequence[str],
    *,
    layouts: Sequence[Layout],
    threads: Sequence[int],
    calibrated: bool,
) -> list[Candidate]:
    """Return every combination; one that cannot be had here carries its reason and is not run.

    int8 is tried in the first layout alone: the layout of the input decides little there, and each
    int8 graph has to be calibrated. Packed bits have one layout and one thread.
    """
    found: list[Candidate] = []
    for engine in engines:
        available = engine_precisions(engine)
        for precision in precisions:
            reason = ""
            if (engine == "packed") != (precision == "w1a1"):
                continue  # they belong to each other
            if precision not in available:
                reason = f"{engine} has no {precision} on this device"
            elif precision == "int8" and not calibrated:
                reason = "no calibration images"
            found += [
                Candidate(
                    engine=engine, precision=precision, layout=layout, threads=count, reason=reason
                )
                for layout in (layouts[:1] if reason or precision in ONE_LAYOUT else layouts)
                for count in (threads[:1] if reason or precision == "w1a1" else threads)
            ]
    return found


def timed(candidate: Candidate, timing: CellTiming) -> Candidate:
    """Return the candidate with its figures, or with the reason why there are none."""
    latency = timing.latency
    if latency is None:
        return replace(candidate, reason=timing.error or "could not be measured")
    return replace(
        candidate,
        actual_precision=timing.actual_precision,
        latency_ms_p50=latency.ms_p50,
        latency_ms_p90=latency.ms_p90,
        latency_ms_p99=latency.ms_p99,
        latency_ms_iqr=latency.ms_iqr,
        first_call_ms=latency.first_call_ms,
        samples=latency.samples,
    )


def gated(
    candidate: Candidate,
    folder: Path,
    *,
    form: GraphForm,
    preprocess: Preprocess,
    gate: GateSet,
    reference_NC: NDArray[np.float32],
    max_drop: float,
) -> Candidate:
    """Return the candidate with its parity and the gate's verdict; ``folder`` has its graph."""
    try:
        engine = open_engine(
            folder / str(candidate.file),
            engine=candidate.engine,
            precision=candidate.precision,
            threads=candidate.threads,
        )
        output_NC = np.concatenate(
            [engine.run(form.prepare(crop[None], preprocess)) for crop in gate.images]
        )
    except FleetfootError as error:
        return replace(candidate, passed=False, reason=str(error))
    parity = compare(
        form.logits(output_NC),
        _comparable(reference_NC, form),
        labels_N=gate.labels,
    )
    verdict = judge(parity, precision=candidate.precision, max_drop=max_drop)
    return replace(
        candidate,
        parity=parity,
        top1=None if parity.correct is None else parity.correct / parity.images,
        passed=verdict.passed,
        reason=verdict.reason,
    )


def choose(candidates: Sequence[Candidate]) -> list[Candidate]:
    """Return all candidates, fastest first, with the fastest that passed marked as kept.

    Among those as fast as the fastest (see `EQUAL`) the one with the smallest mean logit
    difference is kept.

    Raises:
        GateError: none passed; the message has the reason of a float32 form.
    """
    ordered = sorted(candidates, key=_time)
    passed = [c for c in ordered if c.passed and c.latency_ms_p50 is not None]
    if not passed:
        worst = next((c for c in ordered if c.precision == "float32"), None)
        why = f" ({worst.engine}: {worst.reason})" if worst else ""
        raise GateError(
            f"no deployed form answers as the network does, not even float32{why}; report this "
            "with the network's name"
        )
    contenders = [c for c in passed if _time(c) <= EQUAL * _time(passed[0])]
    winner = min(contenders, key=_difference)
    return [_with_reason(c, winner) for c in ordered]


def _with_reason(candidate: Candidate, winner: Candidate) -> Candidate:
    if candidate is winner:
        reason = f"fastest that passed ({candidate.reason})"
        return replace(candidate, kept=True, reason=reason)
    if not candidate.passed or candidate.latency_ms_p50 is None:
        return candidate
    times = _time(candidate) / _time(winner)
    reason = f"slower: {times:.2f} times the chosen form"
    if times < EQUAL:
        reason = "as fast as the chosen form, but no closer to the reference"
    return replace(candidate, reason=reason)


def _difference(candidate: Candidate) -> float:
    return float("inf") if candidate.parity is None else candidate.parity.mean_logit_difference


def _time(candidate: Candidate) -> float:
    return float("inf") if candidate.latency_ms_p50 is None else candidate.latency_ms_p50


def _comparable(reference_NC: NDArray[np.float32], form: GraphForm) -> NDArray[np.float32]:
    """Return reference logits as a graph with softmax inside can show them: normalised."""
    if not form.probabilities:
        return reference_NC
    return form.logits(softmax(reference_NC).astype(np.float32))
