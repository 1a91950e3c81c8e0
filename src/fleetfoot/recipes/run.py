"""Run one complete recipe: network, data, training, evaluation, deployment, in a run folder.

A run is decided by its `RunSpec`; what the machine decides is in the plan that training writes.
Everything here is a function of spec, data and folder, so a resumed run goes the same way.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from fleetfoot.core.errors import UsageError
from fleetfoot.core.files import write_json
from fleetfoot.core.listener import Listener
from fleetfoot.core.results import to_json
from fleetfoot.core.seeds import rng, seed_everything
from fleetfoot.data.preprocess import Preprocess
from fleetfoot.data.samples import Data
from fleetfoot.deploy.deploy import BundleRecord, Options, deploy
from fleetfoot.deploy.gate import GATE_IMAGES, MAX_DROP, GateSet, spread
from fleetfoot.deploy.write_bundle import Card
from fleetfoot.measure.accuracy import Evaluation
from fleetfoot.nets.catalog import CLASS_MAP, CreatedAs, entry, option_names
from fleetfoot.nets.create import create
from fleetfoot.nets.portable import Portable, read_portable, save_portable
from fleetfoot.nets.protocol import check_size
from fleetfoot.nets.weights import load_weights, pretrained
from fleetfoot.ops.class_map import ClassMap
from fleetfoot.passes.fold_batch_norm import fold_batch_norm
from fleetfoot.recipes import method
from fleetfoot.recipes.evaluation import crops, evaluate_split, predict_split
from fleetfoot.train.allocator import keep_freed_memory
from fleetfoot.train.distributed import this_process
from fleetfoot.train.loop import TrainResult, train
from fleetfoot.train.plan import make_plan, read_plan
from fleetfoot.train.recipe import Recipe

# Crops that calibrate int8, and that whiten a stem: more would only cost time.
CALIBRATION_IMAGES = 64
WHITENING_IMAGES = 2000
# Options of a saved network that the next training decides anew.
OF_TRAINING = (CLASS_MAP, "frozen_stem", "size", "drop_path", "dropout")
START_IMAGES = 5000  # that an initialiser may look at
SMALL = 64  # pixels: up to here images are evaluated whole


@dataclass(frozen=True, kw_only=True)
class RunSpec:
    """Everything that a person or the choice decided about a run.

    Attributes:
        data: the words the data set was opened with.
        net: name of the network.
        size: side of the square input, pixels.
        weights: initial weights: "none", "auto" (published ones) or a path.
        recipe: the training recipe.
        device: "cpu" or "cuda".
        threads: threads of the deployed network.
        budget_ms: latency the bundle has to keep, or None.
        max_drop: share of the gate images that the deployed form may lose.
    """

    data: str
    net: str
    size: int
    weights: str = "none"
    recipe: Recipe = field(default_factory=Recipe)
    device: str = "cpu"
    threads: int = 1
    budget_ms: float | None = None
    max_drop: float = MAX_DROP


@dataclass(frozen=True, kw_only=True)
class RunResult:
    """What a finished run has; the same records lie in the run folder."""

    training: TrainResult
    val: Evaluation
    test: Evaluation | None
    bundle: BundleRecord


def run(
    spec: RunSpec, data: Data, *, folder: Path, listener: Listener, resume: bool = False
) -> RunResult | None:
    """Train, evaluate and deploy ``spec.net`` on ``data``, with every file in ``folder``.

    Args:
        spec: what to do.
        data: the opened data set.
        folder: an existing run folder.
        listener: hears how it gets on.
        resume: go on from the last state in ``folder``, by the plan that is there.

    Under torchrun every process trains; the first alone evaluates and deploys, and the others get
    None.

    Raises:
        TrainingError: the loss is not a number, or the state cannot be saved.
        Interrupted: the user stopped the run; the state was saved.
        GateError: not even the float32 form agrees with the trained network.
    """
    keep_freed_memory()
    preprocess = preprocess_for(spec, data)
    begun = resume and (folder / "state" / "latest").exists()  # its weights are those to go on with
    net = build(spec, data, preprocess, initialise=not begun)
    training = _train(spec, net, data, preprocess, folder=folder, listener=listener, resume=resume)
    net = method.finish(net, spec.recipe)
    listener.stage("evaluating the trained network")
    reference = predict_split(net, data.val, preprocess, device=spec.device)
    read_once = None
    if data.test is not None:
        read_once = predict_split(net, data.test, preprocess, device=spec.device)
    if not this_process().is_first:
        return None
    _note_head(net, classes=len(data.classes))
    save_portable(
        folder / "weights", net, preprocess=preprocess.to_json(), classes=list(data.classes)
    )
    val = evaluate_split(reference, data.val, preprocess, classes=data.classes)
    test = None
    if data.test is not None and read_once is not None:
        test = evaluate_split(read_once, data.test, preprocess, classes=data.classes)
    record = {"val": val, "test": test}
    write_json(folder / "evaluation.json", to_json(record, schema="fleetfoot.evaluation/1"))
    listener.stage("deploying: export, parity on validation images, tuning")
    shown = spread(len(data.val), GATE_IMAGES)
    bundle = deploy(
        fold_batch_norm(net.cpu()).model,
        folder / "bundle",
        preprocess=preprocess,
        classes=data.classes,
        gate=GateSet(crops(data.val, preprocess, limit=GATE_IMAGES), data.val.labels[shown]),
        card=Card(net=spec.net, weights=initial_weights(spec)),
        eager=net,
        options=Options(
            threads=(spec.threads,),
            max_drop=spec.max_drop,
            calibration_images=crops(data.train, preprocess, limit=CALIBRATION_IMAGES),
            budget_ms=spec.budget_ms,
        ),
    )
    return RunResult(training=training, val=val, test=test, bundle=bundle)


def build(
    spec: RunSpec, data: Data, preprocess: Preprocess, *, initialise: bool = True
) -> nn.Module:
    """Return the network with its initial weights, a function of spec and data alone.

    Without ``initialise`` the methods of the recipe that set first weights are left out.

    One that starts from published weights keeps the published classifier if the head phase may
    speak through it.

    Raises:
        UsageError: a word that the network does not take, or a method that would undo trained
            weights.
    """
    recipe = spec.recipe
    initialisers = method.initialisers(recipe)
    if initialisers and spec.weights != "none":
        raise UsageError(
            f"method {initialisers[0]} sets first weights, and --weights {spec.weights} brings "
            "trained ones: give --weights none, or leave out the method"
        )
    if spec.weights == "none":
        for word in method.second_runs(recipe):
            raise UsageError(
                f"method {word} is for a network that has been trained: give --weights RUN/weights"
            )
    seed_everything(recipe.seed)
    options = _net_options(spec)
    net = create(
        spec.net,
        num_classes=None if _may_map(spec) else len(data.classes),
        in_chans=preprocess.channels,
        pretrained=spec.weights == "auto",
        **options,
    )
    for size in dict.fromkeys((spec.size, *(side for _, side in recipe.sizes))):
        check_size(net, size, name=spec.net)
    if spec.weights not in ("auto", "none"):
        load_weights(net, spec.weights)
    elif recipe.whitened_stem:
        whiten_stem: Any = net.whiten_stem
        images = preprocess.normalise(crops(data.train, preprocess, limit=WHITENING_IMAGES))
        whiten_stem(torch.from_numpy(images))
    net = method.operate(net, recipe)
    if initialisers and initialise:
        method.initialise(net, _start(data, preprocess, recipe))
    return net


def _start(data: Data, preprocess: Preprocess, recipe: Recipe) -> method.Start:
    images = preprocess.normalise(crops(data.train, preprocess, limit=START_IMAGES))
    labels = data.train.labels[spread(len(data.train), START_IMAGES)]
    return method.Start(
        images=torch.from_numpy(images), labels=torch.from_numpy(labels), recipe=recipe
    )


def _net_options(spec: RunSpec) -> dict[str, Any]:
    """Return the words for `create`; what the recipe leaves open is as published."""
    recipe = spec.recipe
    known = option_names(entry(spec.net).builder)
    rates = {"drop_path": recipe.drop_path, "dropout": recipe.dropout}
    # A rate of 0 is what a network without that word has; any other it refuses itself.
    options: dict[str, Any] = {
        word: rate for word, rate in rates.items() if rate or (rate == 0 and word in known)
    }
    options = _saved_options(spec) | options | dict(recipe.options)
    if recipe.whitened_stem:
        options["frozen_stem"] = True
    if "size" in known:  # a network with filters of their own at each position
        options["size"] = spec.size
    return options


def _saved_options(spec: RunSpec) -> dict[str, Any]:
    """Return what a folder of weights of the same network says that belongs to its function."""
    saved = _saved(spec)
    if saved is None or saved.created_as.name != spec.net:
        return {}
    return {word: v for word, v in saved.created_as.options.items() if word not in OF_TRAINING}


def _saved(spec: RunSpec) -> Portable | None:
    """Return what a folder of portable weights says of itself; None of any other weights."""
    named = spec.weights in ("auto", "none")
    if named or not (Path(spec.weights) / "config.json").is_file():
        return None
    return read_portable(Path(spec.weights))


def preprocess_for(spec: RunSpec, data: Data) -> Preprocess:
    """Return the numbers that fit the initial weights, or those of the training images."""
    info = pretrained(spec.net) if spec.weights == "auto" else None
    if info is not None:
        return Preprocess.from_json({**info.preprocess, "size": spec.size})
    saved = _saved(spec)
    if saved is not None and saved.preprocess is not None:
        return Preprocess.from_json({**saved.preprocess, "size": spec.size})
    pixels = _some_pixels(data)
    grey = bool((pixels == pixels[:, :1]).all())
    values = pixels[:, :1] if grey else pixels
    std = np.maximum(values.std(axis=0), 1.0)
    if spec.recipe.centred_input:
        std = np.ones_like(std)
    small = spec.size <= SMALL
    return Preprocess(
        size=spec.size,
        crop_fraction=spec.recipe.crop_fraction or (1.0 if small else 0.9),
        interpolation="bilinear" if small else "bicubic",
        mean=tuple(round(float(mean), 1) for mean in values.mean(axis=0)),
        std=tuple(round(float(deviation), 1) for deviation in std),
        channels=1 if grey else 3,
    )


def initial_weights(spec: RunSpec) -> dict[str, Any]:
    """Return source and licence of the initial weights; "unknown" where unknown."""
    if spec.weights == "none":
        return {"source": "trained from scratch", "licence": "yours"}
    info = pretrained(spec.net) if spec.weights == "auto" else None
    if info is None:
        return {"source": spec.weights, "licence": "unknown"}
    return {"source": info.source, "licence": info.licence}


def _may_map(spec: RunSpec) -> bool:
    recipe = spec.recipe
    return spec.weights == "auto" and recipe.head_steps > 0 and recipe.head != "linear"


def _note_head(net: nn.Module, *, classes: int) -> None:
    """Let the network say how `create` makes it, now that it has the head it was trained with."""
    made, head = net.created_as, net.classifier
    if isinstance(made, CreatedAs):
        mapped = {CLASS_MAP: head.known.out_features} if isinstance(head, ClassMap) else {}
        options = {**made.options, **mapped}
        net.created_as = CreatedAs(made.name, classes, made.in_chans, options)  # pyright: ignore[reportArgumentType]


def _train(
    spec: RunSpec,
    net: nn.Module,
    data: Data,
    preprocess: Preprocess,
    *,
    folder: Path,
    listener: Listener,
    resume: bool,
) -> TrainResult:
    step = method.step_of(spec.recipe)
    if resume:
        plan = read_plan(folder)
    else:
        listener.stage("planning: measuring precision and layout on this device")
        plan = make_plan(
            net,
            data,
            spec.recipe,
            preprocess=preprocess,
            folder=folder,
            device=spec.device,
            step=step,
            progress=listener,
        )
    methods = f" with {', '.join(spec.recipe.methods)}" if spec.recipe.methods else ""
    listener.stage(f"training: {spec.net} at {spec.size} px{methods}")
    return train(
        net,
        data,
        spec.recipe,
        plan=plan,
        folder=folder,
        preprocess=preprocess,
        step=step,
        progress=listener,
        resume=resume,
    )


def _some_pixels(data: Data) -> np.ndarray[Any, Any]:
    """Return pixels of up to 256 training images, (P, 3), drawn alike every time."""
    draw = rng(0, "statistics")
    found: list[np.ndarray[Any, Any]] = []
    for index in spread(len(data.train), 256):
        flat = data.train.read(int(index)).reshape(-1, 3)
        found.append(flat[draw.integers(0, len(flat), 512)])
    return np.concatenate(found)
