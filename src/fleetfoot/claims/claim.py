"""What a claim is: a sentence of a paper, how it is measured here, and what would refute it.

The rule that gives the verdict is fixed before anything is measured; a result carries a hash of
its source, and a test fails if the two no longer agree (`claims.ledger`).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from fleetfoot.core.listener import Listener, Silent

Scale = Literal["smoke", "cpu", "long", "gpu"]
Verdict = Literal["reproduced", "partly", "not reproduced", "not at this scale"]
ControlOutcome = Literal["failed_as_it_should", "passed", "not_run"]

SCALES: tuple[Scale, ...] = ("smoke", "cpu", "long", "gpu")
DEVICES = ("cpu", "cuda")
HELD: tuple[Verdict, ...] = ("reproduced", "partly")


@dataclass(frozen=True, kw_only=True)
class Setting:
    """Where and how thoroughly to measure.

    Attributes:
        scale: "smoke" takes seconds, "cpu" minutes on two cores, "long" hours on them, "gpu" up to
            half an hour on one accelerator.
        data: folder of data sets (`cifar10/`, `photos/`, ...), None where there is none.
        device: "cpu" or "cuda".
        trainings: folder in which trainings are kept, so that they go on after a stop; None keeps
            none.
        listener: hears what is being done; settings that differ in the last two alone are equal.
    """

    scale: Scale = "cpu"
    data: Path | None = None
    device: str = "cpu"
    trainings: Path | None = field(default=None, compare=False)
    listener: Listener = field(default_factory=Silent, compare=False)


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """What was measured: the one figure that is judged, and the rows behind it.

    Attributes:
        value: in the claim's unit.
        table: rows of equal keys, for people and pictures; units are in the keys.
        low: lower end of an interval for `value`, None where none was computed.
        high: its upper end.
        note: what the reader must know about this measurement; "" if nothing.
    """

    value: float
    table: tuple[Mapping[str, Any], ...] = ()
    low: float | None = None
    high: float | None = None
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class Needs:
    """What must be there before a claim can be measured.

    Attributes:
        data: data sets in the data folder, such as "cifar10".
        packages: modules by import name, such as "timm".
        device: "cpu", or "cuda" for claims about an accelerator alone.
    """

    data: tuple[str, ...] = ()
    packages: tuple[str, ...] = ()
    device: str = "cpu"


@dataclass(frozen=True, kw_only=True)
class Claim:
    """One sentence of a paper, made runnable.

    Attributes:
        id: ``family/what``, unique in the ledger.
        paper: where the sentence stands, with the section or table.
        sentence: the claim in our own words.
        protocol: how it is measured here, and how that differs from the paper.
        unit: of `paper_value` and of every measured value.
        paper_value: the paper's figure; None where the paper gives none.
        measure: does it.
        verdict: the rule, fixed beforehand.
        control: the same measurement with the idea removed or broken.
        control_sentence: what is removed or broken.
        needs: what must be there.
        scales: at which it can be run.
        decides_at: scales whose result may be judged; at others the verdict is
            "not at this scale".
    """

    id: str
    paper: str
    sentence: str
    protocol: str
    unit: str
    paper_value: float | None
    measure: Callable[[Setting], Measurement]
    verdict: Callable[[float], Verdict]
    control: Callable[[Setting], Measurement]
    control_sentence: str
    needs: Needs = Needs()
    scales: tuple[Scale, ...] = ("smoke", "cpu")
    decides_at: tuple[Scale, ...] = ("cpu", "gpu")

    def judge(self, value: float, scale: Scale) -> Verdict:
        """Return the verdict on a value measured at a scale."""
        return self.verdict(value) if scale in self.decides_at else "not at this scale"

    def at_border(
        self, scale: Scale, value: float | None, low: float | None, high: float | None
    ) -> bool | None:
        """Return whether an interval contains a border of the rule; None without an interval."""
        return _differs(lambda point: self.judge(point, scale), value, low, high)

    def control_at_border(
        self, value: float | None, low: float | None, high: float | None
    ) -> bool | None:
        """Return whether a control with this interval might as well have had the other outcome."""
        return _differs(self.judge_control, value, low, high)

    def judge_control(self, value: float) -> ControlOutcome:
        """Return whether the rule rejects the control's value, as it must at every scale."""
        return "passed" if self.verdict(value) in HELD else "failed_as_it_should"


def _differs(
    judge: Callable[[float], str], value: float | None, low: float | None, high: float | None
) -> bool | None:
    """Return whether a rule says another thing somewhere in an interval; None without one.

    It is asked all along the interval, whose ends may both lie outside a band.
    """
    if value is None or low is None or high is None:
        return None
    here = judge(value)
    inside = (low + (high - low) * index / 100 for index in range(1, 100))
    return any(judge(point) != here for point in (low, *inside, high))


def fitting_scale(device: str) -> Scale:
    """Return the scale that is judged on a device.

    >>> fitting_scale("cuda")
    'gpu'
    """
    return "gpu" if device == "cuda" else "cpu"


def at_least(reproduced: float, partly: float) -> Callable[[float], Verdict]:
    """Return the rule: reproduced from one value upwards, partly from a smaller one.

    >>> at_least(2.0, 1.0)(1.5)
    'partly'
    """

    def rule(value: float) -> Verdict:
        if value >= reproduced:
            return "reproduced"
        return "partly" if value >= partly else "not reproduced"

    rule.__qualname__ = f"at_least({reproduced}, {partly})"
    return rule


def at_least_ratio(paper: float) -> Callable[[float], Verdict]:
    """Return the rule for a ratio above 1: reproduced from the paper's, partly from half its gain.

    >>> at_least_ratio(2.0)(1.5)
    'partly'
    """
    return at_least(paper, (1 + paper) / 2)


def at_most(reproduced: float, partly: float) -> Callable[[float], Verdict]:
    """Return the rule: reproduced up to one value, partly up to a larger one.

    >>> at_most(1.0, 2.0)(3.0)
    'not reproduced'
    """

    def rule(value: float) -> Verdict:
        if value <= reproduced:
            return "reproduced"
        return "partly" if value <= partly else "not reproduced"

    rule.__qualname__ = f"at_most({reproduced}, {partly})"
    return rule


def within(target: float, *, reproduced: float, partly: float) -> Callable[[float], Verdict]:
    """Return the rule: reproduced within a share of the target, partly within a larger share.

    >>> within(10.0, reproduced=0.1, partly=0.3)(12.0)
    'partly'
    """

    def rule(value: float) -> Verdict:
        distance = abs(value - target) / abs(target)
        if distance <= reproduced:
            return "reproduced"
        return "partly" if distance <= partly else "not reproduced"

    rule.__qualname__ = f"within({target}, reproduced={reproduced}, partly={partly})"
    return rule


def capped(rule: Callable[[float], Verdict]) -> Callable[[float], Verdict]:
    """Return a rule that says "partly" at best: for what only a stand-in can be measured of.

    >>> capped(at_least(2.0, 1.0))(3.0)
    'partly'
    """

    def limited(value: float) -> Verdict:
        verdict = rule(value)
        return "partly" if verdict == "reproduced" else verdict

    limited.__qualname__ = f"capped({rule.__qualname__})"
    return limited
