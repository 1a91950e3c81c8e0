"""A recipe: everything a person decides about a training run, in one frozen record.

What the machine decides (step count, precision, layout, threads) is in `plan.py`. The record is
complete: a run is reproduced by its recipe, its plan, its data and its initial weights.
"""

import dataclasses
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from fleetfoot.core.errors import UsageError
from fleetfoot.data.augment import Augment

Schedule = Literal["cosine", "linear", "steps", "exponential", "plateau"]


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
        optimizer: "adamw"; "sgd"; "velocity_sgd", AlexNet's rule; "rmsprop", TensorFlow's;
            "muon": filter banks by orthogonal updates, the rest as "sgd".
        lr: highest learning rate, for this batch as it is (never rescaled).
        momentum: of SGD and RMSProp; for AdamW the first beta.
        nesterov: Nesterov's form of the momentum of "sgd".
        muon_lr: learning rate of filter banks under Muon, whose updates all have one size.
        muon_momentum: their momentum.
        beta2: AdamW's second beta; of RMSProp what is left of the mean square after a step.
        weight_decay: added to the gradient, but AdamW shrinks weights by lr * weight_decay.
        decay_norms_and_biases: also decay parameters with fewer than two axes.
        decay_biases: of those, decay the biases of layers alone, and not the norms.
        layer_decay: factor on the learning rate per layer counted from the classifier down;
            None is 1.
        body_lr: factor on the learning rate of everything but the classifier.
        bias_lr: factor on the learning rate of biases outside the classifier.
        schedule: "cosine" or "linear" from the highest learning rate to `final_lr`; or falls by
            `step_factor`: "steps" at each of the `milestones`, "exponential" after every
            `decay_every`, "plateau" when `patience` evaluations bring no lower error.
        milestones: shares of the run, rising, at which the rate of "steps" falls.
        step_factor: what is left of the learning rate after a fall.
        decay_every: share of the run after which the rate of "exponential" falls, and again.
        patience: evaluations that "plateau" waits for a better one.
        drops: falls of "plateau", at most.
        epochwise: the learning rate changes between epochs only.
        warmup: share of the steps during which the learning rate rises linearly.
        final_lr: learning rate at the last step, as a share of `lr`.
        label_smoothing: share of the target spread evenly over all classes.
        clip_norm: gradients are scaled down to this norm; None leaves them.
        drop_path: stochastic depth of the last block, for networks that have it; None is the
            network's published rate (used by whoever creates the network).
        dropout: before the classifier; None is the published rate (likewise).
        options: further words of the network, as pairs such as ("lrn", True) (likewise).
        whitened_stem: the first filters are set from the training images and not trained (by
            whoever creates the network; for networks with `whiten_stem`).
        frozen_norm: batch norms keep their running statistics and use them in training, as
            suits pretrained weights and few images.
        frozen_body: train the classifier alone.
        augment: what happens to training images.
        sizes: progressive resolution: pairs of a share of the run, rising from 0, and the side of
            the training images from the next epoch on, in pixels; () keeps the network's.
        centred_input: images are only freed of their mean, and keep the scale of 0-255, for which
            AlexNet's first weights are made (used by whoever reads the images).
        crop_fraction: side of the evaluated square as a share of an image's short side; None is
            1 for sizes up to 64, else 0.9; published weights bring their own (likewise).
        balance: "none"; "weights" weighs the loss by inverse class frequency; "sampler" draws
            every class equally often.
        ema: decay of the averaged weights per step; None keeps no average.
        early_stop: stop after so many epochs without a better validation accuracy.
        evaluate_every: epochs between evaluations; None lets the plan choose: about twenty over
            a run, with `minutes` fewer where they would cost more than a twentieth of the time.
        state_every: steps between saved states besides those at evaluations; None lets the
            plan choose (about one a minute).
        precision: "float32", "bfloat16" (autocast), or "auto": the faster one, measured.
        layout: "nchw", "nhwc" (channels last), or "auto": the faster one, measured.
        kernels: "torch", "fused" (our own for batch norm, activation and pointwise convolutions, on
            processors, channels last; needs Numba), or "auto": the faster ones, measured where the
            run is long enough.
        workers: processes that read and augment images that do not fit in memory; None is the
            number of threads.
        head_steps: iterations of L-BFGS that fit the classifier to cached features of the frozen
            body before the rest; 0 for no such phase. For pretrained weights.
        head: form of that classifier: "linear", "class_map" (over the pretrained classifier's
            classes), or "auto": cross-validation inside the training images decides.
        head_views: augmented views of each training image that are cached, besides the plain
            and the mirrored one.
        head_penalty: on the squared weights of the linear form.
        head_only: train nothing but the head; `epochs` and `minutes` then only limit.
        methods: words of the methods that are switched on, such as "max_dropout:drop=0.2"; they
            are known to `recipes.method`.
    """

    epochs: int | None = None
    minutes: float | None = None
    batch: int = 32
    seed: int = 0
    optimizer: Literal["adamw", "sgd", "velocity_sgd", "rmsprop", "muon"] = "adamw"
    lr: float = 1e-3
    momentum: float = 0.9
    nesterov: bool = True
    muon_lr: float = 0.12
    muon_momentum: float = 0.6
    beta2: float = 0.999
    weight_decay: float = 0.05
    decay_norms_and_biases: bool = False
    decay_biases: bool = False
    layer_decay: float | None = None
    body_lr: float = 1.0
    bias_lr: float = 1.0
    schedule: Schedule = "cosine"
    milestones: tuple[float, ...] = (0.5, 0.75)
    step_factor: float = 0.1
    decay_every: float = 0.01
    patience: int = 5
    drops: int = 3
    epochwise: bool = False
    warmup: float = 0.05
    final_lr: float = 0.0
    label_smoothing: float = 0.1
    clip_norm: float | None = None
    drop_path: float | None = None
    dropout: float | None = None
    options: tuple[tuple[str, bool | int | float | str], ...] = ()
    whitened_stem: bool = False
    frozen_norm: bool = False
    frozen_body: bool = False
    augment: Augment = field(default_factory=lambda: Augment(crop="none"))
    sizes: tuple[tuple[float, int], ...] = ()
    centred_input: bool = False
    crop_fraction: float | None = None
    balance: Literal["none", "weights", "sampler"] = "none"
    ema: float | None = None
    early_stop: int | None = None
    evaluate_every: int | None = None
    state_every: int | None = None
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    layout: Literal["auto", "nchw", "nhwc"] = "auto"
    kernels: Literal["auto", "torch", "fused"] = "auto"
    workers: int | None = None
    head_steps: int = 0
    head: Literal["auto", "linear", "class_map"] = "auto"
    head_views: int = 0
    head_penalty: float = 0.1
    head_only: bool = False
    methods: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.epochs is not None and self.minutes is not None:
            raise UsageError(
                f"epochs = {self.epochs} and minutes = {self.minutes:g} are both given: "
                "a run is as long as one of them says"
            )
        if self.epochs is None and self.minutes is None:
            object.__setattr__(self, "epochs", DEFAULT_EPOCHS)
        for name, (allowed, text) in _RANGES.items():
            value = getattr(self, name)
            if value is None and name in _OPTIONAL:
                continue
            if not allowed(value):
                raise UsageError(f"recipe: {name} = {value!r} is not {text}")
        if self.head_only and not self.head_steps:
            raise UsageError("recipe: head_only = True needs head_steps above 0")

    def with_changes(self, **changes: Any) -> "Recipe":
        """Return a copy with some fields replaced; giving epochs drops minutes and vice versa.

        Raises:
            UsageError: no such field, or a value out of its range.
        """
        unknown = set(changes) - {field.name for field in dataclasses.fields(self)}
        if unknown:
            raise UsageError(f"recipe: there is no field {', '.join(sorted(unknown))}")
        if changes.get("epochs") is not None:
            changes.setdefault("minutes", None)
        elif changes.get("minutes") is not None:
            changes.setdefault("epochs", None)
        return dataclasses.replace(self, **changes)


DEFAULT_EPOCHS = 20

_Range = tuple[Callable[[Any], bool], str]


def _number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _whole(least: int) -> _Range:
    def allowed(value: Any) -> bool:
        return isinstance(value, int) and not isinstance(value, bool) and value >= least

    return allowed, f"a whole number of at least {least}"


def _one_of(*words: str) -> _Range:
    return (lambda value: value in words), f"one of {', '.join(words)}"


_FLAG: _Range = (lambda value: isinstance(value, bool)), "true or false"
_POSITIVE: _Range = (lambda value: _number(value) and value > 0), "a number above 0"
_NOT_NEGATIVE: _Range = (lambda value: _number(value) and value >= 0), "a number of at least 0"
_SHARE: _Range = (lambda value: _number(value) and 0 <= value <= 1), "a number from 0 to 1"
_BELOW_ONE: _Range = (
    (lambda value: _number(value) and 0 <= value < 1),
    "a number from 0 to below 1",
)
_FACTOR: _Range = (
    (lambda value: _number(value) and 0 < value <= 1),
    "a number above 0 and at most 1",
)


def _rises_inside(value: Any) -> bool:
    return (
        isinstance(value, tuple)
        and all(map(_number, value))
        and list(value) == sorted({0.0, 1.0, *value})[1:-1]
    )


_RISING: _Range = (_rises_inside, "a list of rising numbers between 0 and 1")


def _are_sizes(value: Any) -> bool:
    if not isinstance(value, tuple) or not all(len(pair) == 2 for pair in value):
        return False
    starts, sides = [start for start, _ in value], [side for _, side in value]
    rising = not starts or (starts[0] == 0 and _rises_inside(tuple(starts[1:])))
    return rising and all(isinstance(side, int) and side >= 8 for side in sides)


_SIZES: _Range = (_are_sizes, "a list of pairs of a share, rising from 0, and a side of 8 or more")

_OPTIONAL = {
    "epochs",
    "minutes",
    "layer_decay",
    "clip_norm",
    "drop_path",
    "dropout",
    "crop_fraction",
    "ema",
    "early_stop",
    "evaluate_every",
    "state_every",
    "workers",
}
_RANGES: dict[str, _Range] = {
    "epochs": _whole(1),
    "minutes": _POSITIVE,
    "batch": _whole(1),
    "seed": _whole(0),
    "optimizer": _one_of("adamw", "sgd", "velocity_sgd", "rmsprop", "muon"),
    "lr": _POSITIVE,
    "momentum": _BELOW_ONE,
    "nesterov": _FLAG,
    "muon_lr": _POSITIVE,
    "muon_momentum": _BELOW_ONE,
    "beta2": _BELOW_ONE,
    "weight_decay": _NOT_NEGATIVE,
    "decay_norms_and_biases": _FLAG,
    "decay_biases": _FLAG,
    "layer_decay": _FACTOR,
    "body_lr": _NOT_NEGATIVE,
    "bias_lr": _POSITIVE,
    "schedule": _one_of(*get_args(Schedule)),
    "milestones": _RISING,
    "step_factor": _FACTOR,
    "decay_every": _FACTOR,
    "patience": _whole(1),
    "drops": _whole(0),
    "epochwise": _FLAG,
    "warmup": _SHARE,
    "final_lr": _SHARE,
    "label_smoothing": _BELOW_ONE,
    "clip_norm": _POSITIVE,
    "drop_path": _BELOW_ONE,
    "dropout": _BELOW_ONE,
    "options": (
        (lambda value: isinstance(value, tuple) and all(len(pair) == 2 for pair in value)),
        "a list of pairs of a word and its value",
    ),
    "whitened_stem": _FLAG,
    "frozen_norm": _FLAG,
    "frozen_body": _FLAG,
    "augment": ((lambda value: isinstance(value, Augment)), "an Augment record"),
    "sizes": _SIZES,
    "centred_input": _FLAG,
    "crop_fraction": _FACTOR,
    "balance": _one_of("none", "weights", "sampler"),
    "ema": _BELOW_ONE,
    "early_stop": _whole(1),
    "evaluate_every": _whole(1),
    "state_every": _whole(1),
    "precision": _one_of("auto", "float32", "bfloat16"),
    "layout": _one_of("auto", "nchw", "nhwc"),
    "kernels": _one_of("auto", "torch", "fused"),
    "workers": _whole(0),
    "head_steps": _whole(0),
    "head": _one_of("auto", "linear", "class_map"),
    "head_views": _whole(0),
    "head_penalty": _NOT_NEGATIVE,
    "head_only": _FLAG,
    "methods": (
        (lambda value: isinstance(value, tuple) and all(isinstance(word, str) for word in value)),
        "a list of words",
    ),
}
