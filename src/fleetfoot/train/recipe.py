"""A recipe: everything a person decides about a training run, in one frozen record of parts.

What the machine decides (step count, precision, layout, threads) is in the plan. The record is
complete: a run is reproduced by its recipe, its plan, its data and its initial weights. Every part
checks itself. Update rules are in `optim.rules`, schedules in `optim.schedules`, the rest is here.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Annotated, Any, Literal

from fleetfoot.core.errors import UsageError
from fleetfoot.core.parts import changed
from fleetfoot.core.ranges import (
    AtLeastOne,
    AtLeastZero,
    BelowOne,
    Checked,
    Factor,
    NotNegative,
    Positive,
    Range,
    Seed,
    check_fields,
    rises_inside,
)
from fleetfoot.core.results import to_json
from fleetfoot.data.augment import Augment
from fleetfoot.train.method_word import MethodWord, methods
from fleetfoot.train.optim.rules import AdamW, Rule
from fleetfoot.train.optim.schedules import Cosine, Schedule

DEFAULT_EPOCHS = 20


def _are_sizes(value: Any) -> bool:
    if not isinstance(value, tuple) or not all(len(pair) == 2 for pair in value):
        return False
    starts, sides = [start for start, _ in value], [side for _, side in value]
    rising = not starts or (starts[0] == 0 and rises_inside(tuple(starts[1:])))
    return rising and all(isinstance(side, int) and side >= 8 for side in sides)


def _are_pairs(value: Any) -> bool:
    return isinstance(value, tuple) and all(len(pair) == 2 for pair in value)


def _are_words(value: Any) -> bool:
    return isinstance(value, tuple) and all(isinstance(word, MethodWord) for word in value)


Sizes = Annotated[
    tuple[tuple[float, int], ...],
    Range(_are_sizes, "a list of pairs of a share, rising from 0, and a side of 8 or more"),
]
Options = Annotated[
    tuple[tuple[str, bool | int | float | str], ...],
    Range(_are_pairs, "a list of pairs of a word and its value"),
]
Methods = Annotated[
    tuple[MethodWord, ...],
    Range(_are_words, "a list of words of methods"),
]


@dataclass(frozen=True, kw_only=True)
class Examples(Checked):
    """What the network is shown: training images, and labels.

    Attributes:
        augment: what happens to training images.
        sizes: progressive resolution: pairs of a share of the run, rising from 0, and the side of
            the training images from the next epoch on, in pixels; () keeps the network's.
        centred_input: images are only freed of their mean, and keep the scale of 0-255, for which
            AlexNet's first weights are made (used by whoever reads the images).
        crop_fraction: side of the evaluated square as a share of an image's short side; None is
            1 for sizes up to 64, else 0.9; published weights bring their own (likewise).
        balance: "none"; "weights" weighs the loss by inverse class frequency; "sampler" draws
            every class equally often.
        label_smoothing: share of the target spread evenly over all classes.
    """

    augment: Augment = field(default_factory=lambda: Augment(crop="none"))
    sizes: Sizes = ()
    centred_input: bool = False
    crop_fraction: Factor | None = None
    balance: Literal["none", "weights", "sampler"] = "none"
    label_smoothing: BelowOne = 0.1


@dataclass(frozen=True, kw_only=True)
class Network(Checked):
    """How the network is made for training (used by whoever creates it), and what is frozen.

    Attributes:
        drop_path: stochastic depth of the last block, for networks that have it; None is the
            network's published rate.
        dropout: before the classifier; None is the published rate.
        options: further words of the network, as pairs such as ("lrn", True).
        whitened_stem: the first filters are set from the training images and not trained, for
            networks with `whiten_stem`.
        frozen_norm: batch norms keep their running statistics and use them in training, as
            suits pretrained weights and few images.
        frozen_body: train the classifier alone.
    """

    drop_path: BelowOne | None = None
    dropout: BelowOne | None = None
    options: Options = ()
    whitened_stem: bool = False
    frozen_norm: bool = False
    frozen_body: bool = False


@dataclass(frozen=True, kw_only=True)
class Head:
    """The phase before the rest, for pretrained weights: a classifier for cached features.

    Attributes:
        kind: form of the classifier: "linear", "class_map" (over the pretrained classifier's
            classes), or "auto": cross-validation inside the training images decides.
        steps: iterations of L-BFGS; 0 for no such phase.
        views: augmented views of each training image that are cached, besides the plain and the
            mirrored one.
        penalty: on the squared weights of the linear form.
        only: train nothing but the head; `epochs` and `minutes` then only limit.
    """

    kind: Literal["auto", "linear", "class_map"] = "auto"
    steps: AtLeastZero = 0
    views: AtLeastZero = 0
    penalty: NotNegative = 0.1
    only: bool = False

    def __post_init__(self) -> None:
        check_fields(self, what="recipe: head")
        if self.only and not self.steps:
            raise UsageError("recipe: head: only = True needs steps above 0")


@dataclass(frozen=True, kw_only=True)
class Checkpoints(Checked):
    """When the network is evaluated and saved, and which weights are kept.

    Attributes:
        evaluate_every: epochs between evaluations; None lets the plan choose: about twenty over
            a run, with `minutes` fewer where they would cost more than a twentieth of the time.
        state_every: steps between saved states besides those at evaluations; None lets the
            plan choose (about one a minute).
        early_stop: stop after this many epochs without a better validation accuracy.
        ema: decay of the averaged weights per step; None keeps no average.
    """

    evaluate_every: AtLeastOne | None = None
    state_every: AtLeastOne | None = None
    early_stop: AtLeastOne | None = None
    ema: BelowOne | None = None


@dataclass(frozen=True, kw_only=True)
class Compute(Checked):
    """How it is computed; "auto" is what is measured to be fastest.

    Attributes:
        precision: "float32", "bfloat16" (autocast), or "auto".
        layout: "nchw", "nhwc" (channels last), or "auto".
        kernels: "torch", "fused" (our own for batch norm, activation and pointwise convolutions, on
            processors, channels last; needs Numba), or "auto": measured where the run is long
            enough.
        workers: processes that read and augment images that do not fit in memory; None is the
            number of threads.
    """

    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    layout: Literal["auto", "nchw", "nhwc"] = "auto"
    kernels: Literal["auto", "torch", "fused"] = "auto"
    workers: AtLeastZero | None = None


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How to train; a value out of range raises UsageError that names the field.

    Exactly one of `epochs` and `minutes` says how long; with neither, 20 epochs.

    Attributes:
        epochs: passes over the training images.
        minutes: wall time for the whole of planning, head, training and evaluations; the
            schedule is fitted to the measured step time so that it ends annealed.
        batch: images per step, over all processes together.
        seed: decides the order of images, the augmentation, dropout and the new head.
        optimizer: the update rule with its learning rate.
        schedule: how the learning rate changes over the run.
        examples: images and labels.
        network: how the network is made, and what of it is frozen.
        head: the phase before the rest.
        checkpoints: evaluations, saved states, averaged weights.
        compute: precision, layout, kernels, workers.
        methods: what else is switched on; known to `recipes.method`.
    """

    epochs: AtLeastOne | None = None
    minutes: Positive | None = None
    batch: AtLeastOne = 32
    seed: Seed = 0
    optimizer: Rule = field(default_factory=AdamW)
    schedule: Schedule = field(default_factory=Cosine)
    examples: Examples = Examples()
    network: Network = Network()
    head: Head = Head()
    checkpoints: Checkpoints = Checkpoints()
    compute: Compute = Compute()
    methods: Methods = ()

    def __post_init__(self) -> None:
        if self.epochs is not None and self.minutes is not None:
            raise UsageError(
                f"epochs = {self.epochs} and minutes = {self.minutes:g} are both given: "
                "a run is as long as one of them says"
            )
        if self.epochs is None and self.minutes is None:
            object.__setattr__(self, "epochs", DEFAULT_EPOCHS)
        check_fields(self)

    @property
    def augment(self) -> Augment:
        """What happens to training images."""
        return self.examples.augment

    def with_changes(self, **changes: Any) -> "Recipe":
        """Return a copy with parts or settings changed, by the shortest path that names one alone.

        Methods may be given as words.

        >>> Recipe().with_changes(lr=0.1, schedule="linear").optimizer.lr
        0.1

        Raises:
            UsageError: no such setting, or a value out of its range.
        """
        if isinstance(words := changes.get("methods"), tuple):
            changes["methods"] = methods(*map(str, words))
        return changed(self, changes)

    def with_fields(self, **fields: Any) -> "Recipe":
        """Return a copy with fields replaced; giving epochs drops minutes and vice versa."""
        if fields.get("epochs") is not None:
            fields.setdefault("minutes", None)
        elif fields.get("minutes") is not None:
            fields.setdefault("epochs", None)
        return replace(self, **fields)

    def to_json(self) -> dict[str, Any]:
        """Return plain values: a table for each part, methods as their words."""
        return {**to_json(self), "methods": [str(word) for word in self.methods]}

    @staticmethod
    def from_format_1(flat: Mapping[str, Any]) -> "Recipe":
        """Return a recipe that was written as one flat table, with settings of every rule.

        Raises:
            UsageError: a setting that is not known.
        """
        values = {key: _tuples(value) for key, value in flat.items()}
        values |= {f"augment.{k}": _tuples(v) for k, v in values.pop("augment", {}).items()}
        return Recipe().with_changes(**kinds_last(values))


def kinds_last(flat: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings of format 1 in an order in which a kind drops what others alone have."""
    kinds = {key: flat[key] for key in ("optimizer", "schedule") if key in flat}
    return {key: value for key, value in flat.items() if key not in kinds} | kinds


def _tuples(value: Any) -> Any:
    return tuple(map(_tuples, value)) if isinstance(value, list) else value
