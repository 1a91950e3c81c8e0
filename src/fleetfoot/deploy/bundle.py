"""A bundle: everything that answers "what is on this picture", read without torch.

Loading runs no code of the bundle's author: JSON, ONNX, OpenVINO IR and PNG only. Every file is
checked against its SHA-256 first.

Letters  N images, H height, W width, C classes (of logits) or channels (of images)
"""

import io
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

from fleetfoot.core.errors import DataError, FleetfootError, MissingError, UsageError
from fleetfoot.core.files import read_json
from fleetfoot.data.decode import ImageSource, decode, picture_of
from fleetfoot.data.preprocess import Preprocess
from fleetfoot.deploy.engines import Engine, installed_engines, is_installed, open_engine
from fleetfoot.deploy.form import GraphForm
from fleetfoot.deploy.read_record import read_record
from fleetfoot.measure.accuracy import softmax
from fleetfoot.measure.device import allowed_threads, fingerprint


@dataclass(frozen=True)
class TopClass:
    """One of the likeliest classes of an image."""

    label: str
    probability: float


@dataclass(frozen=True, kw_only=True)
class Prediction:
    """The answer for one image, or one line of `error`; the other fields are then None.

    Attributes:
        path: the file as named; None for an array.
        label: the likeliest class.
        probability: its probability.
        top: the likeliest classes, the likeliest first.
        latency_ms: of the engine call alone.
        total_ms: with reading, decoding and resizing the picture.
        error: why there is no answer.
    """

    path: str | None
    label: str | None = None
    probability: float | None = None
    top: tuple[TopClass, ...] | None = None
    latency_ms: float | None = None
    total_ms: float | None = None
    error: str | None = None


@dataclass(frozen=True)
class Bundle:
    """A deployed network that answers; safe to use from several threads.

    Attributes:
        folder: where it is.
        record: the content of ``bundle.json``.
        classes: names in the order of the logits.
        preprocess: from a decoded image to the network's input.
        form: the border of the graph.
        choice: the form that answers: engine, precision, layout, threads, file.
        engine: the compiled graph.
        notes: what differs from the form that was chosen and measured, one sentence each.
    """

    folder: Path
    record: Mapping[str, Any]
    classes: tuple[str, ...]
    preprocess: Preprocess
    form: GraphForm
    choice: Mapping[str, Any]
    engine: Engine
    notes: tuple[str, ...]

    @cached_property
    def aliases(self) -> dict[str, str]:
        """Other names of classes, such as WordNet numbers, and the class each stands for."""
        return dict(self.record.get("aliases") or {})

    @overload
    def predict(self, images: ImageSource | str, *, top: int = 5) -> Prediction: ...
    @overload
    def predict(self, images: Sequence[ImageSource | str], *, top: int = 5) -> list[Prediction]: ...
    def predict(
        self, images: ImageSource | str | Sequence[ImageSource | str], *, top: int = 5
    ) -> Prediction | list[Prediction]:
        """Return the answer for one image, or a list of answers for a list of images.

        Args:
            images: path, encoded bytes, array (H, W) or (H, W, 1|3|4), Pillow image; or a list.
            top: how many classes to name.

        Raises:
            DataError: the one image cannot be read. In a list its answer carries the `error`, and
                the others are answered.
            UsageError: ``top`` is below 1.
        """
        if top < 1:
            raise UsageError(f"top must be at least 1, got {top}")
        if isinstance(images, (list, tuple)):
            return [self._answer_or_error(image, top) for image in images]
        return self._answer(images, top)  # pyright: ignore[reportArgumentType]

    def warm_up(self) -> None:
        """Answer once for nothing: first calls, of Pillow and the engine, take longer."""
        file = io.BytesIO()
        picture_of(np.zeros((2, 2, 3), np.uint8)).save(file, "PNG")
        self.predict(file.getvalue())

    def logits(self, crops_NHWC: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return logits (N, C) for uint8 crops as `Preprocess.crop` gives them.

        From a graph that ends in probabilities the logits are their logarithms. They are those of
        the network; probabilities are those of logits divided by `temperature`.
        """
        rows = [
            self.engine.run(self.form.prepare(row[None], self.preprocess)) for row in crops_NHWC
        ]
        if not rows:
            return np.empty((0, len(self.classes)), np.float32)
        return self.form.logits(np.concatenate(rows))

    @property
    def temperature(self) -> float:
        """What logits are divided by, so that a probability is a frequency; 1 where none fitted."""
        return (self.record["calibration"] or {"temperature": 1.0})["temperature"]

    def _answer_or_error(self, image: ImageSource | str, top: int) -> Prediction:
        try:
            return self._answer(image, top)
        except DataError as error:
            return Prediction(path=_path(image), error=str(error))

    def _answer(self, image: ImageSource | str, top: int) -> Prediction:
        begun = time.perf_counter()
        source = Path(image) if isinstance(image, str) else image
        crop = self.preprocess.crop(decode(source, depth=self.preprocess.depth))
        batch = self.form.prepare(crop[None], self.preprocess)
        start = time.perf_counter()
        output_NC = self.engine.run(batch)
        elapsed_ms = 1000 * (time.perf_counter() - start)
        logits_C = self.form.logits(output_NC)[0]
        probabilities_C = softmax(logits_C / self.temperature)
        order = np.argsort(-logits_C, kind="stable")[:top]
        best = tuple(TopClass(self.classes[i], float(probabilities_C[i])) for i in order.tolist())
        return Prediction(
            path=_path(image),
            label=best[0].label,
            probability=best[0].probability,
            top=best,
            latency_ms=elapsed_ms,
            total_ms=1000 * (time.perf_counter() - begun),
        )


def load(
    path: Path | str,
    *,
    engine: str | None = None,
    precision: str | None = None,
    threads: int | None = None,
) -> Bundle:
    """Open a bundle, every file checked.

    The chosen form answers if its engine is installed and this is the kind of machine it was
    chosen on; otherwise the ONNX float32 form does, and `Bundle.notes` says why.

    Args:
        path: bundle folder, or a run folder that holds one.
        engine: answer with this engine instead.
        precision: answer in this precision instead; from the float32 graph unless it is the
            chosen one.
        threads: threads instead of the number it was tuned for, which affinity and quota cut.

    Raises:
        DataError: a file is missing or altered, or the format is unknown.
        MissingError: no engine that can read it is installed.
    """
    folder = Path(path)
    if not (folder / "bundle.json").is_file() and (folder / "bundle" / "bundle.json").is_file():
        folder = folder / "bundle"
    record = read_record(folder)
    preprocess = Preprocess.from_json(read_json(folder / "preprocess.json", what="bundle"))
    choices, notes = _choices(record, engine, precision)
    opened, choice, more = _open_first(folder, choices, threads)
    bundle = Bundle(
        folder=folder,
        record=record,
        classes=tuple(record["classes"]),
        preprocess=preprocess,
        form=GraphForm(
            layout=choice["layout"],
            preprocess=bool(record["graph"].get("preprocess")),
            probabilities=bool(record["graph"].get("probabilities")),
        ),
        choice=choice,
        engine=opened,
        notes=(*notes, *more),
    )
    _check_fit(bundle)
    return bundle


def _choices(
    record: Mapping[str, Any], engine: str | None, precision: str | None
) -> tuple[Sequence[Mapping[str, Any]], list[str]]:
    """Return the forms to try in turn, and notes."""
    chosen, fallback = record["chosen"], record["fallback"]
    installed = installed_engines()
    if engine or precision:
        wanted_engine, wanted_precision = _wanted(chosen, fallback, engine, precision)
        if (chosen["engine"], chosen["precision"]) == (wanted_engine, wanted_precision):
            return [chosen], []
        if wanted_engine == "packed" or wanted_precision == "w1a1":
            raise UsageError(
                f"this bundle holds no {wanted_precision} for {wanted_engine}: it answers with "
                f"{chosen['engine']} {chosen['precision']}, and from ONNX float32"
            )
        return [{**fallback, "engine": wanted_engine, "precision": wanted_precision}], []
    plain = [
        {**fallback, "engine": name, "precision": "float32"}
        for name in sorted(installed, key=lambda name: name != fallback["engine"])
    ]
    if chosen["engine"] not in (*installed, *(("packed",) if is_installed("packed") else ())):
        package = "numba" if chosen["engine"] == "packed" else chosen["engine"]
        return plain, [f"{package} is not installed: the ONNX float32 form answers"]
    if fingerprint() != record["device"].get("fingerprint"):
        return plain, [
            "tuned on another kind of machine: the ONNX float32 form answers; "
            "`fleetfoot deploy RUN`, of the run that it came from, tunes for this one"
        ]
    return [chosen, *plain], []


def _wanted(
    chosen: Mapping[str, Any],
    fallback: Mapping[str, Any],
    engine: str | None,
    precision: str | None,
) -> tuple[str, str]:
    """Return engine and precision, of which one was named; packed and w1a1 belong together."""
    if engine is None:
        both = (chosen["engine"] == "packed") == (precision == "w1a1")
        engine = chosen["engine"] if both else fallback["engine"]
    return str(engine), precision or ("w1a1" if engine == "packed" else "float32")


def _open_first(
    folder: Path, choices: Sequence[Mapping[str, Any]], threads: int | None
) -> tuple[Engine, Mapping[str, Any], list[str]]:
    problems: list[FleetfootError] = []
    for choice in choices:
        try:
            engine = open_engine(
                folder / choice["file"],
                engine=choice["engine"],
                precision=choice["precision"],
                threads=threads or min(choice["threads"], allowed_threads()),
            )
        except FleetfootError as error:
            problems.append(error)
            continue
        return engine, choice, [f"another form answers: {problem}" for problem in problems]
    if problems:
        raise problems[0]
    raise MissingError(
        "neither onnxruntime nor openvino is installed: run "
        "`python -m pip install onnxruntime openvino`"
    )


def _check_fit(bundle: Bundle) -> None:
    """Refuse files that are whole but were written for different networks."""
    side, engine = bundle.preprocess.size, bundle.engine
    expected = bundle.form.shape((bundle.preprocess.channels, side, side))
    fits = all(n in (None, m) for n, m in zip(engine.input_shape[1:], expected, strict=False))
    if not fits or len(engine.input_shape) != 4 or engine.input_dtype != bundle.form.dtype:
        raise DataError(
            f"{bundle.folder}: its graph takes {engine.input_dtype} {engine.input_shape}, its "
            f"preprocessing gives {bundle.form.dtype} {expected}; deploy again"
        )
    if engine.outputs not in (None, len(bundle.classes)):
        raise DataError(
            f"{bundle.folder}: its graph has {engine.outputs} outputs, its class list "
            f"{len(bundle.classes)} names; deploy again"
        )


def _path(image: ImageSource | str) -> str | None:
    return str(image) if isinstance(image, (str, Path)) else None
