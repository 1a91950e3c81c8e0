"""Write the files of a bundle around its graphs, and check the golden images of one.

Files    bundle.json  preprocess.json  labels.json  model files  golden/*.png  golden/expected.json
"""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from fleetfoot.core.errors import GateError
from fleetfoot.core.files import read_json, sha256_of, write_json
from fleetfoot.core.results import to_json
from fleetfoot.data.decode import decode
from fleetfoot.data.preprocess import Preprocess
from fleetfoot.deploy.bundle import Bundle
from fleetfoot.deploy.form import GraphForm
from fleetfoot.deploy.read_record import FORMAT, SCHEMA
from fleetfoot.deploy.tune import Candidate
from fleetfoot.measure.device import device_profile
from fleetfoot.measure.temperature import Temperature

GOLDEN_SCHEMA = "fleetfoot.golden/1"
LABELS_SCHEMA = "fleetfoot.labels/1"


@dataclass(frozen=True, kw_only=True)
class Card:
    """What a bundle says about its network beyond figures.

    Attributes:
        net: name of the network.
        weights: ``source`` and ``licence`` of the weights; None where unknown.
        aliases: other names of classes, and the class each stands for.
        more: anything else worth keeping, as JSON values.
    """

    net: str
    weights: Mapping[str, Any] | None = None
    aliases: Mapping[str, str] | None = None
    more: Mapping[str, Any] | None = None


@dataclass(frozen=True, kw_only=True)
class Measured:
    """The figures that go into a bundle.

    Attributes:
        chosen: the form that answers.
        fallback: the ONNX float32 form.
        candidates: all forms, fastest first.
        baselines: cells of eager and compiled torch, never candidates.
        reference: accuracy of the eager float32 network on the gate images.
        budget: limit and what was verified; None without a budget.
        calibration: the temperature that probabilities take, and what it gives; None where there
            were too few labels.
        use: what whoever uses the bundle waits for: see `figures_of_use`.
    """

    chosen: Candidate
    fallback: Candidate
    candidates: Sequence[Candidate]
    baselines: Sequence[Mapping[str, Any]]
    reference: Mapping[str, Any]
    budget: Mapping[str, Any] | None
    calibration: Temperature | None
    use: Mapping[str, Any]


def write_contract(
    folder: Path, *, preprocess: Preprocess, classes: Sequence[str], card: Card
) -> None:
    """Write ``preprocess.json`` and ``labels.json``."""
    write_json(folder / "preprocess.json", preprocess.to_json())
    labels = {
        "schema": LABELS_SCHEMA,
        "classes": list(classes),
        "aliases": dict(card.aliases or {}),
    }
    write_json(folder / "labels.json", labels)


def write_golden(
    folder: Path,
    *,
    crops_NHWC: NDArray[np.uint8],
    logits_NC: NDArray[np.floating],
    tolerance: float,
) -> None:
    """Write crops as PNG, the reference's logits, and how far off `verify_golden` lets one be."""
    golden = folder / "golden"
    golden.mkdir()
    images: list[dict[str, Any]] = []
    for i, (crop, logits) in enumerate(zip(crops_NHWC, logits_NC, strict=True)):
        name = f"golden/{i}.png"
        Image.fromarray(crop[:, :, 0] if crop.shape[2] == 1 else crop).save(folder / name)
        images.append({"file": name, "logits": [float(value) for value in logits]})
    record = {"schema": GOLDEN_SCHEMA, "tolerance": tolerance, "images": images}
    write_json(golden / "expected.json", record)


def verify_golden(bundle: Bundle) -> float:
    """Return the largest difference between the golden logits and those of the bundle now.

    Raises:
        GateError: it is above the tolerance stored beside the images.
    """
    expected = read_json(bundle.folder / "golden" / "expected.json", what="bundle")
    largest = 0.0
    for image in expected["images"]:
        crop = bundle.preprocess.crop(decode(bundle.folder / image["file"]))
        logits_C = bundle.logits(crop[None])[0]
        wanted_C = np.asarray(image["logits"])
        if bundle.form.probabilities:  # only differences between classes are then known
            logits_C, wanted_C = logits_C - logits_C.max(), wanted_C - wanted_C.max()
        largest = max(largest, float(np.abs(logits_C - wanted_C).max()))
    if not largest <= expected["tolerance"]:
        raise GateError(
            f"{bundle.folder}: a golden image gives logits {largest:.3g} off, "
            f"{expected['tolerance']:.3g} allowed; deploy again on this machine"
        )
    return largest


def write_record(
    folder: Path, *, card: Card, classes: Sequence[str], form: GraphForm, measured: Measured
) -> dict[str, Any]:
    """Write ``bundle.json`` over the files in ``folder`` and return its content."""
    files = sorted(file for file in folder.rglob("*") if file.is_file())
    names = [file.relative_to(folder).as_posix() for file in files]
    record: dict[str, Any] = to_json(
        {
            "format": FORMAT,
            "net": card.net,
            "classes": list(classes),
            "aliases": dict(card.aliases or {}),
            "graph": {"preprocess": form.preprocess, "probabilities": form.probabilities},
            "files": {name: sha256_of(folder / name) for name in names if name != "bundle.json"},
            "device": device_profile(),
            **vars(measured),
            "weights": card.weights,
            "more": card.more,
            "created": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
        },
        schema=SCHEMA,
    )
    write_json(folder / "bundle.json", record)
    return record
