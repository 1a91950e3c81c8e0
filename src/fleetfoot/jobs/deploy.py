"""`deploy`: from a trained run or a pretrained network to a bundle, or to one exported file."""

import shutil
import tempfile
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TextIO

from fleetfoot.core.errors import DataError, UsageError, require
from fleetfoot.core.files import new_folder, read_json, write_json
from fleetfoot.core.listener import SILENT, Listener
from fleetfoot.core.out_folder import check_out, is_vacant
from fleetfoot.core.results import to_json
from fleetfoot.data.open_data import open_for_evaluation, training_images
from fleetfoot.data.samples import Split
from fleetfoot.deploy.options import Options
from fleetfoot.deploy.write_bundle import Card
from fleetfoot.jobs.known import SAID, far_below
from fleetfoot.jobs.own_split import OwnSplits, own_splits
from fleetfoot.jobs.requests import TOLERANCES, DeployRequest
from fleetfoot.jobs.run_data import kept_data, open_run_data
from fleetfoot.jobs.runs import Network, Target, alone_on, load_network, net_name, resolve
from fleetfoot.jobs.screen import interval, lines, number, percent, table, with_golden
from fleetfoot.jobs.stored_run import NAME as CONFIG
from fleetfoot.jobs.stored_run import read_run
from fleetfoot.measure.device import usable_threads

NOISE = "noise"
TOLERANT = dict.fromkeys(TOLERANCES, True)
OTHERWISE = "give --calibrate DATA"
EXPORTED = {".onnx": (".onnx",), ".xml": (".xml", ".bin")}


@dataclass(frozen=True, kw_only=True)
class DeployRecord:
    """What `deploy` prints.

    Attributes:
        bundle: folder of the bundle, or of the exported file with ``--to``.
        net: name of the network.
        chosen: the form that answers, with its figures.
        candidates: every form that was tried, with figures and the reason why it was not kept.
        baselines: eager torch, measured beside.
        reference: accuracy of the eager float32 network on the gate images.
        gate_images: how many images the gate saw, and where they come from.
        gate_source: the data set, or "noise".
        calibration: the temperature that divides logits before they become probabilities, and the
            calibration error before and after; None where there were too few labels.
        notes: what to look at before it is used.
    """

    bundle: str
    net: str
    chosen: dict[str, Any]
    candidates: tuple[dict[str, Any], ...]
    baselines: tuple[dict[str, Any], ...]
    reference: dict[str, Any]
    gate_images: int
    gate_source: str
    calibration: dict[str, Any] | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Images:
    """What the gate compares on, what int8 is calibrated on, and where both come from.

    None is noise, or the images of the gate.
    """

    gate: Split | None = None
    training: Split | None = None
    source: str = NOISE


def deploy(request: DeployRequest, *, listener: Listener = SILENT) -> DeployRecord:
    """Fold, export, compare on real images, tune, and write the bundle.

    Args:
        request: the words of the verb. A run brings its own images; ``calibrate`` names others.
            The folder is ``RUN/bundle``, or ``NAME-bundle`` for a network name.
        listener: hears how it gets on.

    Raises:
        UsageError: an unknown network, a size that it cannot take, a folder in the way, or another
            process at work on the run.
        DataError: the run, the weights or the data set is missing, damaged or changed.
        GateError: not even float32 answers as the network does.
        MissingError: torch or an exporter is not installed.
    """
    require("torch", extra="train")
    target = _run_of(resolve(request.run))
    folder = _folder(target, request)
    inside = target.folder is not None and folder.parent == target.folder
    with alone_on(folder.parent) if inside else nullcontext():
        return _deploy(target, folder, request, listener)


def _deploy(
    target: Target, folder: Path, request: DeployRequest, listener: Listener
) -> DeployRecord:
    from fleetfoot.nets.protocol import check_size

    request = replace(request, threads=usable_threads(request.threads, listener.message))
    network = load_network(target, weights=request.weights, known=request.known)
    if target.folder is not None:  # a run knows what its weights began as
        known = read_json(target.folder / "run.json", what="run").get("initial_weights")
        network = replace(network, weights=known if isinstance(known, dict) else network.weights)
        if (target.folder / CONFIG).is_file() and read_run(target.folder)[0].no_golden:
            request = replace(request, no_golden=True)
    if request.size is not None:
        network = replace(network, preprocess=replace(network.preprocess, size=request.size))
    size = network.preprocess.size
    check_size(network.net, size, name=network.name)
    _remark_untrained(target, network, request, listener)
    listener.stage(f"deploying {network.name} at {size} px")
    images = images_for(target, network, request, listener)
    listener.stage("export, parity gate, tuning")
    record = _deployed(network, folder, images, request, listener)
    remark = accuracy_remark(record, request.known.accuracy, target)
    if remark is not None:
        listener.message(remark)
    notes = () if images.gate is None else images.gate.notes
    return replace(record, notes=(*notes, *filter(None, [remark])))


def _deployed(
    network: Network, folder: Path, images: Images, request: DeployRequest, listener: Listener
) -> DeployRecord:
    """Write the bundle, or the one exported file of it."""
    if request.to is None:
        return _written(network, folder, images, request, listener)
    with tempfile.TemporaryDirectory(prefix="fleetfoot-") as scratch:
        place = Path(scratch) / "bundle"
        record = _written(network, place, images, request, listener)
        record = replace(record, bundle=str(folder))
        _write_export(place, folder, record)
    return record


def accuracy_remark(record: DeployRecord, known: float | None, target: Target) -> str | None:
    """Return a remark where the network itself is far worse on the gate than it is known to be.

    Known by the user, or by the run's own validation.
    """
    who = SAID
    if known is None and target.folder is not None:
        known, who = _validated(target.folder), "its run had"
    top1, high = (record.reference.get(name) for name in ("top1", "top1_high"))
    return far_below(known, top1, high, images="the gate's images", who=who)


def _validated(run: Path) -> float | None:
    path = run / "evaluation.json"
    found = read_json(path, what="run").get("val") if path.is_file() else None
    top1 = found.get("top1") if isinstance(found, dict) else None
    return top1 if isinstance(top1, float) else None


def _run_of(target: Target) -> Target:
    """Return the run that a bundle lies in; its network is deployed again."""
    if target.kind == "bundle" and target.folder is not None:
        run = target.folder.resolve().parent
        if (run / "weights").is_dir() and (run / "run.json").is_file():
            return Target("run", target.text, run)
    return target


def _written(
    network: Network, folder: Path, images: Images, request: DeployRequest, listener: Listener
) -> DeployRecord:
    """Write the bundle, and return what it says."""
    from fleetfoot.deploy.calibrate_norms import calibrate_norms
    from fleetfoot.recipes.deploy_trained import deploy_trained

    net, preprocess = network.net, network.preprocess
    if network.untrained:
        net = calibrate_norms(net, (preprocess.channels, preprocess.size, preprocess.size))
    content = deploy_trained(
        net,
        folder,
        preprocess=preprocess,
        classes=network.classes,
        card=Card(net=network.name, weights=network.weights, aliases=network.aliases),
        gate=images.gate,
        training=images.training,
        options=Options(
            threads=(request.threads,),
            max_drop=request.max_drop,
            engines=request.engines,
            precisions=request.precisions,
            graph_preprocess=request.graph_preprocess,
            golden=not request.no_golden,
            listener=listener,
        ),
    ).content
    return DeployRecord(
        bundle=str(folder),
        net=network.name,
        chosen=dict(content["chosen"]),
        candidates=tuple(content["candidates"]),
        baselines=tuple(content["baselines"]),
        reference=dict(content["reference"]),
        gate_images=content["reference"]["images"],
        gate_source=images.source,
        calibration=content["calibration"],
    )


def images_for(
    target: Target, network: Network, request: DeployRequest, listener: Listener
) -> Images:
    """Return real images where there are any: those of ``--calibrate``, or those of the run.

    Images of the run's data are gated on by its own validation split: it has seen the others.
    """
    spec, run, own = request.calibrate, target.folder, own_splits(target)
    if own is not None and own.knows_pixels and (spec is None or own.may_be(spec)):
        found = _own_images(own, network, spec, listener)
        if found is not None:
            return found
    if spec is None and run is None:
        listener.message(
            "no --calibrate DATA: the forms are compared on noise, which proves less than real "
            "images"
        )
        return Images()
    if spec is None:
        data = open_run_data(run or Path(), listener=listener, otherwise=OTHERWISE)
        return Images(gate=data.val, training=data.train, source=data.spec)
    listener.stage(f"reading {spec}")
    # What a run put up with in its own data it puts up with here.
    kept = {} if run is None else kept_data(run)[1]
    asked = {name: getattr(request.known, name) for name in TOLERANCES}
    tolerances = {name: said or kept.get(name, False) for name, said in asked.items()}
    gate = _open(spec, network, **tolerances)
    for note in gate.notes:
        listener.message(note)
    training = training_images(spec, besides=gate)
    if training is not None and tolerances["skip_damaged"]:
        training = _readable(training, _open(spec, network, split="all", **TOLERANT))
    if training is None:
        listener.message(f"{spec} has no training split: int8 is calibrated on the gate's images")
    else:
        listener.message(f"int8 is calibrated on training images of {spec}, the gate on others")
    return Images(gate=gate, training=training, source=spec)


def _own_images(
    own: OwnSplits, network: Network, asked: str | None, listener: Listener
) -> Images | None:
    """Return the validation and the training images of a run; None if those asked for are others.

    Raises:
        DataError: the run's data are not there, or none of its images is.
    """
    spec = asked or kept_data(own.run)[0]
    listener.stage(f"reading {spec}")
    try:
        now = _open(spec, network, split="all", **TOLERANT)
        gate = own.find("val", now) if asked is None else own.find_in(asked, "val", now)
    except DataError as error:
        raise DataError(f"the data of {own.run} cannot be used: {error}; {OTHERWISE}") from error
    if gate is None:
        return None
    for note in gate.notes:
        listener.message(note)
    return Images(gate=gate, training=own.find("train", now), source=spec)


def _readable(split: Split, everything: Split) -> Split | None:
    """Return the images of a split that can be read; None if none can."""
    known = {sample.key for sample in everything.samples}
    readable = split.holding(sample for sample in split.samples if sample.key in known)
    return readable if len(readable) else None


def _open(spec: str, network: Network, **words: Any) -> Split:
    depth = network.preprocess.depth
    return open_for_evaluation(spec, network.classes, aliases=network.aliases, depth=depth, **words)


def _remark_untrained(
    target: Target, network: Network, request: DeployRequest, listener: Listener
) -> None:
    """Say so where trained weights were hoped for and there are none."""
    from fleetfoot.nets.weights import pretrained

    if target.kind != "net" or request.weights != "auto" or not network.untrained:
        return
    known = pretrained(network.name)
    why = (
        f"no trained weights are known for {network.name}"
        if known is None
        else f"{known.package}, which has the weights of {network.name}, is not installed"
    )
    listener.message(f"{why}: this network is untrained")


def _folder(target: Target, request: DeployRequest) -> Path:
    """Return where to write; a folder that is no bundle is not replaced, one that is full refused.

    Raises:
        UsageError: something else is there.
        DataError: it cannot be written.
    """
    kind = request.to or "bundle"
    if request.out is not None:
        folder = request.out
    elif target.folder is not None:
        folder = target.folder / kind
    else:
        folder = Path(f"{net_name(target)}-{kind}")
    ours = any((folder / name).is_file() for name in ("bundle.json", "export.json"))
    if folder.is_dir() and not is_vacant(folder) and not ours:
        raise UsageError(f"{folder}: exists and is no bundle; name another folder with --out")
    check_out(folder)
    return folder


def _write_export(bundle: Path, folder: Path, record: DeployRecord) -> None:
    """Write the one graph of a bundle with its contract, without the bundle around it."""
    graph = Path(record.chosen["file"])
    with new_folder(folder) as place:
        for name in ("preprocess.json", "labels.json"):
            shutil.copy2(bundle / name, place / name)
        for file in bundle.glob(f"{graph.stem}.*"):
            if file.suffix in EXPORTED[graph.suffix]:
                shutil.copy2(file, place / file.name)
        write_json(place / "export.json", to_json(record, schema="fleetfoot.export/2"))


def show(record: DeployRecord, stream: TextIO) -> None:
    """Write the record for a person."""
    chosen, reference = record.chosen, record.reference
    top1 = f"{_shared(reference)} eager, {_shared(chosen.get('parity') or {})} deployed"
    pairs = [
        ("bundle", record.bundle if record.gate_source == NOISE else with_golden(record.bundle)),
        ("network", str(record.net)),
        ("gate", f"{record.gate_images} images from {record.gate_source}"),
        ("top-1", top1),
        ("calibration", calibration_line(record.calibration)),
        *(("note", note) for note in record.notes),
        *(
            ("eager", f"{number(row['latency_ms_p50'])} ms {row['engine']} {row['precision']}")
            for row in record.baselines
        ),
    ]
    lines(stream, pairs)
    stream.write("\n")
    headings = ("", "engine", "precision", "layout", "threads", "p50 ms", "p90", "agree", "why")
    rows = [
        (
            *("*" if row["kept"] else "", row["engine"], row["precision"], row["layout"]),
            *(str(row["threads"]), number(row["latency_ms_p50"]), number(row["latency_ms_p90"])),
            percent((row["parity"] or {}).get("top1_agreement")) if row["parity"] else "-",
            row["reason"],
        )
        for row in record.candidates
    ]
    table(stream, headings, rows, right=range(4, 8))


def calibration_line(found: Mapping[str, Any] | None) -> str:
    """Return the temperature and what it does to the calibration error."""
    if found is None:
        return "no temperature: too few labelled images, or none that helps"
    before, after = percent(found["ece_before"]), percent(found["ece_after"])
    return (
        f"error {before} -> {after} by temperature {found['temperature']:.3g}, "
        f"cross-fitted on {found['images']} images"
    )


def _shared(counts: dict[str, Any]) -> str:
    """Return correct answers as a share with its interval."""
    correct, images = counts.get("correct"), counts.get("images")
    if correct is None or not images:
        return "unknown"
    return f"{percent(correct / images)} ({interval(correct, images)})"
