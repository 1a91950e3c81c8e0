"""`fleetfoot evaluate`: metrics of a bundle, a run or a network on a data set.

A bundle answers in its deployed form, without torch where the data allow; a run with its trained
weights in eager float32 (``RUN/bundle`` is its deployed form); a network by name likewise. Several
views of an image, and several networks, answer by the mean of their probabilities.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fleetfoot.core.errors import UsageError
from fleetfoot.core.listener import Listener, Silent
from fleetfoot.data.decode import Pixels
from fleetfoot.data.multi_crop import check_count, seen, views_of
from fleetfoot.data.open_data import open_for_evaluation
from fleetfoot.data.preprocess import Preprocess
from fleetfoot.data.samples import Split
from fleetfoot.jobs.runs import Network, load_network, resolve
from fleetfoot.measure.accuracy import (
    Calibration,
    ClassScore,
    WorstImage,
    averaged,
    evaluate_logits,
)

BATCH = 64

Logits = Callable[[NDArray[np.uint8]], NDArray[np.floating]]


@dataclass(frozen=True, kw_only=True)
class EvaluateRecord:
    """Metrics on one split; accuracies are fractions.

    Attributes:
        top1_low: with `top1_high`, the Wilson 95 % interval of `top1`.
        top5: None below six classes.
        split: which images: "train", "val", "test", "all" or "evaluation".
        form: what answered, such as "openvino bfloat16" or "eager float32".
        per_class: precision and recall are None where nothing was predicted, or nothing is there.
        worst: the images it was most wrong about; without pictures.
        notes: what was left out, and other remarks.
    """

    top1: float
    top1_low: float
    top1_high: float
    top5: float | None
    images: int
    correct: int
    per_class: tuple[ClassScore, ...]
    loss: float
    calibration: Calibration
    worst: tuple[WorstImage, ...]
    split: str
    form: str
    notes: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class _Answerer:
    """Something that gives logits for crops, and what its outputs mean."""

    logits: Logits
    classes: tuple[str, ...]
    aliases: dict[str, str]
    preprocess: Preprocess
    form: str
    notes: tuple[str, ...] = ()


def evaluate(  # noqa: PLR0913  the words of the verb
    run: str,
    data: str,
    *,
    split: str | None = None,
    crops: int = 1,
    average: Sequence[str] = (),
    weights: str = "auto",
    engine: str | None = None,
    precision: str | None = None,
    threads: int | None = None,
    allow_class_mismatch: bool = False,
    skip_damaged: bool = False,
    listener: Listener | None = None,
) -> EvaluateRecord:
    """Return the metrics of a bundle, a run or a network on a data set.

    Args:
        run: bundle folder, run folder or network name.
        data: folder, table file, ``digits``, ``mnist:DIR`` or ``cifar10:DIR``.
        split: "train", "val", "test" or "all"; None takes test, else val, else all images.
        crops: views of an image whose probabilities are averaged: 1, 2, 10 or 144.
        average: further runs, bundles or networks whose probabilities are averaged in; they have
            the same classes.
        weights: for a network name: ``auto``, ``none`` or a path.
        engine: engine of a bundle instead of the one it chose.
        precision: precision of a bundle instead of the one it chose.
        threads: threads to compute with; None is the bundle's own number, or what is allowed.
        allow_class_mismatch: leave out images of classes that the network does not know.
        skip_damaged: leave out images that cannot be read.
        listener: hears how far it has got.

    Raises:
        DataError: run, bundle or data set missing, damaged, or with unknown classes.
        UsageError: unknown network or engine, or networks of other classes.
        MissingError: a run or network without torch, or an engine that is not installed.
    """
    listener = listener or Silent()
    check_count(crops)
    answerers = [
        _answerer(word, weights=weights, engine=engine, precision=precision, threads=threads)
        for word in (run, *average)
    ]
    answerer = answerers[0]
    for word, other in zip(average, answerers[1:]):
        if other.classes != answerer.classes:
            raise UsageError(f"--average {word}: has other classes than {run}")
    form = _form(answerers, crops)
    listener.stage(f"reading {data}")
    images = open_for_evaluation(
        data,
        answerer.classes,
        split=split,
        aliases=answerer.aliases,
        allow_class_mismatch=allow_class_mismatch,
        skip_damaged=skip_damaged,
    )
    listener.stage(f"evaluating {len(images)} images: {form}")
    found = evaluate_logits(
        _all_logits(answerers, images, crops, listener),
        images.labels,
        classes=answerer.classes,
        keys=[sample.key for sample in images.samples],
    )
    return EvaluateRecord(
        top1=found.top1,
        top1_low=found.top1_low,
        top1_high=found.top1_high,
        top5=found.top5,
        images=found.images,
        correct=found.correct,
        per_class=found.per_class,
        loss=found.loss,
        calibration=found.calibration,
        worst=found.worst,
        split=images.name,
        form=form,
        notes=(*dict.fromkeys(n for one in answerers for n in one.notes), *images.notes),
    )


def _answerer(
    word: str, *, weights: str, engine: str | None, precision: str | None, threads: int | None
) -> _Answerer:
    """Return what answers for a bundle, a run or a network by name."""
    target = resolve(word)
    if target.kind == "bundle":
        return _bundle_answerer(str(target.folder), engine, precision, threads)
    if engine is not None or precision is not None:
        place = f"{word}/bundle" if target.kind == "run" else "a bundle"
        raise UsageError(f"--engine and --precision are for deployed forms: evaluate {place}")
    return _net_answerer(load_network(target, weights=weights), threads)


def _form(answerers: Sequence[_Answerer], crops: int) -> str:
    """Return in words what answers."""
    forms = ", ".join(dict.fromkeys(one.form for one in answerers))
    views = f", {crops} views" if crops > 1 else ""
    return f"{forms}{views}" + (f", mean of {len(answerers)}" if len(answerers) > 1 else "")


def _all_logits(
    answerers: Sequence[_Answerer], images: Split, crops: int, listener: Listener
) -> NDArray[np.floating]:
    parts: list[NDArray[np.floating]] = []
    for start in range(0, len(images), BATCH):
        stop = min(start + BATCH, len(images))
        pictures = [images.read(index) for index in range(start, stop)]
        answers = [said for one in answerers for said in _answers(one, pictures, crops)]
        parts.append(answers[0] if len(answers) == 1 else averaged(answers))
        listener.update(done=stop, total=len(images))
    return np.concatenate(parts)


def _answers(
    answerer: _Answerer, pictures: Sequence[Pixels], crops: int
) -> list[NDArray[np.floating]]:
    """Return the logits of some images, (N, C), one for each view of them."""
    preprocess = answerer.preprocess
    if crops == 1:
        return [answerer.logits(np.stack([preprocess.crop(picture) for picture in pictures]))]
    views = [views_of(p.shape[0], p.shape[1], preprocess, crops) for p in pictures]
    return [
        answerer.logits(
            np.stack([seen(p, own[place], preprocess) for p, own in zip(pictures, views)])
        )
        for place in range(crops)
    ]


def _bundle_answerer(
    folder: str, engine: str | None, precision: str | None, threads: int | None
) -> _Answerer:
    from fleetfoot.deploy.bundle import load

    bundle = load(folder, engine=engine, precision=precision, threads=threads)
    return _Answerer(
        logits=bundle.logits,
        classes=bundle.classes,
        aliases=bundle.aliases,
        preprocess=bundle.preprocess,
        form=f"{bundle.engine.engine} {bundle.engine.actual_precision}",
        notes=bundle.notes,
    )


def _net_answerer(network: Network, threads: int | None) -> _Answerer:
    import torch

    from fleetfoot.deploy.reference import eager_logits
    from fleetfoot.measure.device import allowed_threads

    torch.set_num_threads(threads or allowed_threads())
    return _Answerer(
        logits=lambda crops: eager_logits(network.net, crops, network.preprocess),
        classes=network.classes,
        aliases=network.aliases,
        preprocess=network.preprocess,
        form="eager float32",
        notes=(f"weights: {network.weights['source']}",),
    )
