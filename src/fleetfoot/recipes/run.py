"""Run one complete recipe: network, data, training, evaluation, deployment, in a run folder.

A run is decided by its `RunSpec`; what the machine decides is in the plan that training writes.
Everything here is a function of spec, data and folder, so a resumed run goes the same way.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from torch import nn

from fleetfoot.core.files import write_json
from fleetfoot.core.listener import Listener
from fleetfoot.core.results import to_json
from fleetfoot.data.preprocess import Preprocess
from fleetfoot.data.samples import Data
from fleetfoot.deploy.deploy import BundleRecord
from fleetfoot.deploy.options import Options
from fleetfoot.deploy.write_bundle import Card
from fleetfoot.measure.accuracy import Evaluation
from fleetfoot.measure.process_memory import give_back
from fleetfoot.nets.catalog import CLASS_MAP
from fleetfoot.nets.portable import save_portable
from fleetfoot.nets.protocol import Classifier
from fleetfoot.ops.class_map import ClassMap
from fleetfoot.recipes import method
from fleetfoot.recipes.build import build
from fleetfoot.recipes.deploy_trained import deploy_trained
from fleetfoot.recipes.evaluation import evaluate_split, predict_split, temperature_of
from fleetfoot.recipes.pixels import preprocess_for
from fleetfoot.recipes.run_spec import RunSpec, initial_weights
from fleetfoot.train.evaluate import Predictions
from fleetfoot.train.loop import TrainResult, train
from fleetfoot.train.planning.make_plan import make_plan
from fleetfoot.train.planning.plan import read_plan
from fleetfoot.train.process.allocator import keep_freed_memory
from fleetfoot.train.process.distributed import this_process


@dataclass(frozen=True, kw_only=True)
class RunResult:
    """What a finished run has; the same records lie in the run folder.

    Attributes:
        surgeries: what methods changed of the network.
    """

    surgeries: tuple[method.Surgery, ...]
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

    Under torchrun every process trains; the first alone deploys, and the others get None.

    Raises:
        TrainingError: the loss is not a number, or the state cannot be saved.
        Interrupted: the user stopped the run; the state was saved.
        GateError: not even the float32 form agrees with the trained network.
    """
    keep_freed_memory()
    preprocess = preprocess_for(spec, data)
    begun = resume and (folder / "state" / "latest").exists()  # its weights are those to go on with
    surgeries: list[method.Surgery] = []
    net = build(spec, data, preprocess, initialise=not begun, tell=surgeries.append)
    for surgery in surgeries:
        listener.message(str(surgery))
    training = _train(spec, net, data, preprocess, folder=folder, listener=listener, resume=resume)
    net = method.finish(net, spec.recipe)
    listener.stage("evaluating the trained network")
    answers = {
        name: predict_split(net, split, preprocess, device=spec.device)
        for name, split in data.splits.items()
        if name != "train"
    }
    if not this_process().is_first:
        return None
    give_back()  # deploying has processes of its own beside this one
    _note_head(net, classes=len(data.classes))
    save_portable(
        folder / "weights", net, preprocess=preprocess.to_json(), classes=list(data.classes)
    )
    val, test = _evaluated(answers, data, preprocess, folder)
    listener.stage("deploying: export, parity on validation images, tuning")
    bundle = deploy_trained(
        net,
        folder / "bundle",
        preprocess=preprocess,
        classes=data.classes,
        card=Card(net=spec.net, weights=initial_weights(spec)),
        gate=data.val,
        training=data.train,
        options=Options(
            threads=(spec.threads,),
            max_drop=spec.max_drop,
            budget_ms=spec.budget_ms,
            golden=not spec.no_golden,
            listener=listener,
        ),
    )
    return RunResult(
        surgeries=tuple(surgeries), training=training, val=val, test=test, bundle=bundle
    )


def _evaluated(
    answers: Mapping[str, Predictions], data: Data, preprocess: Preprocess, folder: Path
) -> tuple[Evaluation, Evaluation | None]:
    """Write and return the metrics of the answers to the validation and the test images."""
    temperature = temperature_of(answers["val"])
    found = {
        name: evaluate_split(
            said, data.splits[name], preprocess, classes=data.classes, temperature=temperature
        )
        for name, said in answers.items()
    }
    val, test = found["val"], found.get("test")
    record = to_json({"val": val, "test": test}, schema="fleetfoot.evaluation/2")
    write_json(folder / "evaluation.json", record)
    return val, test


def _note_head(net: nn.Module, *, classes: int) -> None:
    """Let the network say how `create` makes it, now that it has the head it was trained with."""
    if isinstance(net, Classifier) and net.created_as is not None:
        head = net.classifier
        mapped = {CLASS_MAP: head.known.out_features} if isinstance(head, ClassMap) else {}
        options = {**net.created_as.options, **mapped}
        net.created_as = replace(net.created_as, num_classes=classes, options=options)


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
    methods = f" with {', '.join(map(str, spec.recipe.methods))}" if spec.recipe.methods else ""
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
