"""`deploy`: from a trained run or a pretrained network to a bundle, or to one exported file."""

import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fleetfoot.core.errors import DataError, UsageError, require
from fleetfoot.core.files import new_folder, read_json, write_json
from fleetfoot.core.listener import Listener, Silent
from fleetfoot.core.results import to_json
from fleetfoot.core.seeds import rng
from fleetfoot.data.open_data import open_data, open_for_evaluation
from fleetfoot.data.preprocess import Preprocess
from fleetfoot.data.samples import Split
from fleetfoot.deploy.engines import ENGINES, PRECISIONS
from fleetfoot.deploy.gate import GATE_IMAGES, MAX_DROP, spread
from fleetfoot.jobs.runs import Network, Target, load_network, resolve

NOISE_IMAGES = 32
TO_ENGINE = {"onnx": "onnxruntime", "openvino": "openvino"}
EXPORTED = {".onnx": (".onnx",), ".xml": (".xml", ".bin")}


@dataclass(frozen=True, kw_only=True)
class DeployRecord:
    """What `deploy` prints.

    Attributes:
        bundle: folder of the bundle, or of the exported file with ``--to``.
        net: name of the network.
        chosen: the form that answers, with its figures.
        candidates: every form that was tried, with figures and the reason why it was not kept.
        yardsticks: eager torch, measured beside.
        reference: accuracy of the eager float32 network on the gate images.
        gate_images: how many images the gate saw, and where they come from.
        gate_source: the data set, or "noise".
    """

    bundle: str
    net: str
    chosen: dict[str, Any]
    candidates: tuple[dict[str, Any], ...]
    yardsticks: tuple[dict[str, Any], ...]
    reference: dict[str, Any]
    gate_images: int
    gate_source: str


@dataclass(frozen=True)
class _Gate:
    images: NDArray[np.uint8]
    labels: NDArray[np.int64] | None
    source: str


def deploy(  # noqa: PLR0913  the words of the verb
    run: str,
    *,
    weights: str = "auto",
    to: str | None = None,
    threads: int = 1,
    engine: str | None = None,
    precision: str | None = None,
    size: int | None = None,
    max_drop: float = MAX_DROP,
    calibrate: str | None = None,
    graph_preprocess: bool = False,
    out: str | None = None,
    listener: Listener | None = None,
) -> DeployRecord:
    """Fold, export, compare on real images, tune, and write the bundle.

    Args:
        run: run folder or network name.
        weights: for a network name: "auto", "none" or a path.
        to: "onnx" or "openvino" writes that format alone, gate included.
        threads: threads of the deployed network.
        engine: engines to try, separated by commas; None for all that are installed.
        precision: precisions to try, separated by commas; None for all.
        size: side of the square input in pixels; None keeps the network's own.
        max_drop: share of the gate images that the deployed form may lose.
        calibrate: data set for the gate and for int8 ranges; a run takes its own validation images.
        graph_preprocess: put the preprocessing inside the graph: uint8 in, probabilities out.
        out: folder to write; None is ``RUN/bundle``, or ``NAME-bundle`` for a network name.
        listener: hears how it gets on.

    Raises:
        UsageError: an unknown network, engine, precision or format.
        DataError: the run, the weights or the data set is missing or damaged.
        GateError: not even float32 answers as the network does.
        MissingError: torch or an exporter is not installed.
    """
    require("torch", extra="train")
    from fleetfoot.deploy.calibrate_norms import calibrate_norms
    from fleetfoot.deploy.deploy import Options
    from fleetfoot.deploy.deploy import deploy as write
    from fleetfoot.deploy.gate import GateSet
    from fleetfoot.deploy.write_bundle import Card
    from fleetfoot.nets.protocol import check_size
    from fleetfoot.passes.fold_batch_norm import fold_batch_norm

    listener = listener or Silent()
    _check(to=to, threads=threads, size=size, max_drop=max_drop)
    target = resolve(run)
    network = load_network(target, weights=weights)
    preprocess = _sized(network.preprocess, size)
    check_size(network.net, preprocess.size, name=network.name)
    _remark_untrained(target, network, weights, listener)
    listener.stage(f"deploying {network.name} at {preprocess.size} px")
    gate = _gate(target, network, preprocess, calibrate, listener)
    net = network.net
    if network.weights["source"].startswith("none"):
        net = calibrate_norms(net, (preprocess.channels, preprocess.size, preprocess.size))
    options = Options(
        threads=(threads,),
        max_drop=max_drop,
        engines=_engines(engine, to),
        precisions=_precisions(precision),
        graph_preprocess=graph_preprocess,
        calibration_images=gate.images[:: max(1, len(gate.images) // 100)],
    )
    folder = _folder(target, network, out, to)
    listener.stage("export, parity gate, tuning")
    with tempfile.TemporaryDirectory(prefix="fleetfoot-") as scratch:
        place = folder if to is None else Path(scratch) / "bundle"
        content = write(
            fold_batch_norm(net).model,
            place,
            preprocess=preprocess,
            classes=network.classes,
            gate=GateSet(gate.images, gate.labels),
            card=Card(net=network.name, weights=network.weights, aliases=network.aliases),
            eager=net,
            options=options,
        ).content
        record = DeployRecord(
            bundle=str(folder),
            net=network.name,
            chosen=dict(content["chosen"]),
            candidates=tuple(content["candidates"]),
            yardsticks=tuple(content["yardsticks"]),
            reference=dict(content["reference"]),
            gate_images=len(gate.images),
            gate_source=gate.source,
        )
        if to is not None:
            _write_export(place, folder, record)
    return record


def _remark_untrained(target: Target, network: Network, weights: str, listener: Listener) -> None:
    """Say so where trained weights were hoped for and there are none."""
    from fleetfoot.nets.weights import pretrained

    untrained = network.weights["source"].startswith("none")
    if target.kind != "net" or weights != "auto" or not untrained:
        return
    known = pretrained(network.name)
    why = (
        f"no trained weights are known for {network.name}"
        if known is None
        else f"{known.package}, which has the weights of {network.name}, is not installed"
    )
    listener.message(f"{why}: this network is untrained")


def _gate(
    target: Target,
    network: Network,
    preprocess: Preprocess,
    calibrate: str | None,
    listener: Listener,
) -> _Gate:
    """Return crops that every form is compared on: real images where there are any."""
    if calibrate is not None:
        listener.stage(f"reading {calibrate}")
        split = open_for_evaluation(calibrate, network.classes, aliases=network.aliases)
        return _crops(split, preprocess, calibrate)
    if target.kind == "run" and target.folder is not None:
        spec = read_json(target.folder / "run.json", what="run").get("data")
        if spec is None:
            raise DataError(
                f"{target.text}: run.json does not name its data; give --calibrate DATA"
            )
        listener.stage(f"reading {spec}")
        return _crops(open_data(str(spec)).val, preprocess, str(spec))
    listener.message(
        "no --calibrate DATA: the forms are compared on noise, which proves less than real images"
    )
    shape = (NOISE_IMAGES, preprocess.size, preprocess.size, preprocess.channels)
    noise = rng(0, "gate").integers(0, 256, shape, dtype=np.uint8)
    return _Gate(noise, None, "noise")


def _crops(split: Split, preprocess: Preprocess, source: str) -> _Gate:
    from fleetfoot.recipes.evaluation import crops

    shown = spread(len(split), GATE_IMAGES)
    return _Gate(crops(split, preprocess, limit=GATE_IMAGES), split.labels[shown], source)


def _sized(preprocess: Preprocess, size: int | None) -> Preprocess:
    return preprocess if size is None else replace(preprocess, size=size)


def _engines(words: str | None, to: str | None) -> tuple[str, ...] | None:
    if to is not None:
        return (TO_ENGINE[to],)
    if words is None or words == "all":
        return None
    return _known(words, ENGINES, "--engine")


def _precisions(words: str | None) -> tuple[str, ...]:
    return PRECISIONS if words in (None, "all") else _known(words, PRECISIONS, "--precision")


def _known(words: str, allowed: Sequence[str], option: str) -> tuple[str, ...]:
    named = tuple(word.strip() for word in words.split(",") if word.strip())
    for word in named:
        if word not in allowed:
            raise UsageError(f"{option} {word}: is not one of {', '.join(allowed)}")
    if not named:
        raise UsageError(f"{option}: name one of {', '.join(allowed)}")
    return named


def _check(*, to: str | None, threads: int, size: int | None, max_drop: float) -> None:
    if to is not None and to not in TO_ENGINE:
        raise UsageError(f"--to {to}: is not one of {', '.join(TO_ENGINE)}")
    if threads < 1:
        raise UsageError(f"--threads {threads}: must be at least 1")
    if size is not None and size < 8:
        raise UsageError(f"--size {size}: must be at least 8")
    if not 0 <= max_drop < 1:
        raise UsageError(f"--max-drop {max_drop:g}: must be a share, from 0 to below 1")


def _folder(target: Target, network: Network, out: str | None, to: str | None) -> Path:
    """Return where to write; a folder that is no bundle is not replaced."""
    if out is not None:
        folder = Path(out).expanduser()
    elif target.folder is not None:
        folder = target.folder / (to or "bundle")
    else:
        folder = Path(f"{network.name}-{to or 'bundle'}")
    ours = ("bundle.json", "export.json")
    free = not folder.exists() or (folder.is_dir() and not any(folder.iterdir()))
    if not free and not any((folder / name).is_file() for name in ours):
        raise UsageError(f"{folder}: exists and is no bundle; name another folder with --out")
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
        write_json(place / "export.json", to_json(record, schema="fleetfoot.export/1"))
