"""What a claim is: a sentence of a paper, how it is measured here, and what would refute it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import wraps
from pathlib import Path
from typing import Any, Concatenate, Literal, ParamSpec, get_args

from fleetfoot.claims.rules import Rule
from fleetfoot.core.listener import Listener, Silent

P = ParamSpec("P")
Scale = Literal["smoke", "cpu", "long", "gpu"]
Device = Literal["cpu", "cuda"]
Footing = Literal["as published", "scaled", "stand-in"]

SCALES: tuple[Scale, ...] = get_args(Scale)
DEVICES: tuple[Device, ...] = get_args(Device)
OWN = Path("results")  # of the results of one's own, unless another folder is named


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
        table: rows of equal keys, for people and pictures; units are in the keys. A training has
            `way` and `train_error_percent`, which the verdict looks at.
        low: lower end of an interval for `value`, None where none was computed.
        high: its upper end.
        note: what the reader must know about this measurement; "" if nothing.
    """

    value: float
    table: tuple[Mapping[str, Any], ...] = ()
    low: float | None = None
    high: float | None = None
    note: str = ""


Measure = Callable[[Setting], Measurement]


def measured(function: Callable[Concatenate[Setting, P], Measurement]) -> Callable[P, Measure]:
    """Return a function of what follows the setting; what that returns measures in a setting."""

    @wraps(function)
    def prepared(*words: P.args, **named: P.kwargs) -> Measure:
        return lambda setting: function(setting, *words, **named)

    return prepared


@dataclass(frozen=True, kw_only=True)
class Effort:
    """How thoroughly the ways of a comparison are trained at a scale.

    Attributes:
        seeds: trainings of each way, with seeds 0, 1, ...
        epochs: of each.
        size: side of the images, pixels; None for that of the data set.
        train_images: a stratified part of the training images; None for all.
        test_images: likewise of the images that judge.
    """

    seeds: int
    epochs: int
    size: int | None = None
    train_images: int | None = None
    test_images: int | None = None

    def __str__(self) -> str:
        """Say it: ``3 seeds, 5 epochs, 4,000 training images, all test images, 24 px``."""
        train, test = (f"{n:,}" if n else "all" for n in (self.train_images, self.test_images))
        told = [f"{self.seeds} seeds", f"{self.epochs} epochs" if self.epochs > 1 else "1 epoch"]
        told += [f"{train} training images", f"{test} test images"]
        return ", ".join([*told, f"{self.size} px"] if self.size else told)


Efforts = Mapping[Scale, Effort]


def effort_at(scale: Scale, efforts: Efforts) -> Effort:
    """Return the effort of a scale; unless it is given, smoke is "cpu" of one seed, long is "gpu".

    >>> effort_at("smoke", {"cpu": Effort(seeds=3, epochs=2)})
    Effort(seeds=1, epochs=2, size=None, train_images=None, test_images=None)
    """
    if scale == "smoke" and scale not in efforts:
        return replace(efforts["cpu"], seeds=1)
    return efforts.get(scale) or efforts["gpu"]


@dataclass(frozen=True, kw_only=True)
class Needs:
    """What must be there before a claim can be measured, or decided.

    Attributes:
        data: data sets in the data folder, such as "cifar10".
        packages: modules by import name, such as "timm".
        device: "cpu", or "cuda" for claims about an accelerator alone.
        train_error: where trainings are compared: the percentage of its training images that the
            network which fits them best may get wrong, or the comparison decides nothing
            (`FITS` for regularisers, else `ANY_ERROR`). None: nothing is trained, or what is
            compared is not the trainings.
        efforts: how thoroughly networks are trained, by scale.
    """

    data: tuple[str, ...] = ()
    packages: tuple[str, ...] = ()
    device: str = "cpu"
    train_error: float | None = None
    efforts: Efforts = field(default_factory=dict[Scale, Effort])


@dataclass(frozen=True)
class Control:
    """The same measurement with the idea removed or broken; the rule must reject its value.

    Attributes:
        sentence: what is removed or broken.
        measure: does it.
    """

    sentence: str
    measure: Measure


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
        rule: what a value says, fixed beforehand.
        control: what must fail.
        footing: by scale, what stands on it: "as published" (same network, data and size, or a
            count), "scaled" (same kind of network and data, less of it) or "stand-in" (another
            network, data or device). Every claim has a smoke scale besides, which decides nothing,
            but those about an accelerator alone.
        decides_at: scales whose result may be judged; the long scale always does.
        needs: what must be there.
    """

    id: str
    paper: str
    sentence: str
    protocol: str
    unit: str
    measure: Measure
    rule: Rule
    control: Control
    footing: Mapping[Scale, Footing]
    paper_value: float | None = None
    decides_at: tuple[Scale, ...] = ("cpu", "gpu")
    needs: Needs = Needs()

    @property
    def scales(self) -> tuple[Scale, ...]:
        """The scales at which it can be run."""
        smoke = ("smoke",) if self.needs.device == "cpu" else ()
        return tuple(scale for scale in SCALES if scale in (*smoke, *self.footing))

    @property
    def whole_protocol(self) -> str:
        """The protocol, and how thoroughly networks are trained at each scale."""
        scales: dict[str, list[str]] = {}
        for scale in self.footing if self.needs.efforts else ():
            scales.setdefault(str(effort_at(scale, self.needs.efforts)), []).append(scale)
        told = [
            f"At the {' and '.join(names)} scale{'s' * (len(names) > 1)}: {effort}."
            for effort, names in scales.items()
        ]
        return " ".join([self.protocol, *told])

    def decides(self, scale: Scale) -> bool:
        """Return whether a result of this scale may be judged."""
        return scale == "long" or scale in self.decides_at


def at_cpu(footing: Footing) -> dict[str, Any]:
    """Return the words of a claim that is measured and decided at the cpu scale alone."""
    return {"footing": {"cpu": footing}, "decides_at": ("cpu",)}


def everywhere(footing: Footing) -> dict[Scale, Footing]:
    """Return the same footing at every scale that trains networks in earnest."""
    return dict.fromkeys(("cpu", "long", "gpu"), footing)


def fitting_scale(device: str) -> Scale:
    """Return the scale that is judged on a device.

    >>> fitting_scale("cuda")
    'gpu'
    """
    return "gpu" if device == "cuda" else "cpu"
