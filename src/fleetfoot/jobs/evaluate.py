"""`fleetfoot evaluate`: metrics of a bundle, a run or a network on a data set.

A bundle, and a run that has one, answers in its deployed form, without torch where the data allow;
``--engine eager`` takes the trained weights of a run in float32, as for a network by name. Several
views of an image, and several networks, answer by the mean of their probabilities.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TextIO

import numpy as np
from numpy.typing import NDArray

from fleetfoot.core.errors import DataError, UsageError
from fleetfoot.core.listener import SILENT, Listener
from fleetfoot.data.decode import Pixels
from fleetfoot.data.multi_crop import check_count, seen, views_of
from fleetfoot.data.names import one_form
from fleetfoot.data.open_data import open_for_evaluation
from fleetfoot.data.samples import Damage, Split
from fleetfoot.data.scan import damage_notes, refuse_damage
from fleetfoot.jobs.known import far_below
from fleetfoot.jobs.own_split import own_splits
from fleetfoot.jobs.requests import EvaluateRequest
from fleetfoot.jobs.runs import Network, Target, load_network, resolve
from fleetfoot.jobs.screen import MOST_CLASSES, interval, lines, number, percent, table
from fleetfoot.measure.accuracy import (
    Calibration,
    ClassScore,
    WorstImage,
    averaged,
    evaluate_logits,
)
from fleetfoot.measure.device import allowed_threads, usable_threads

if TYPE_CHECKING:
    from fleetfoot.deploy.bundle import Bundle

BATCH = 64
READ_AT_ONCE = 2  # pictures at full size in memory: they may be large
EAGER = "eager"  # the word for a run's trained weights in torch
NOT_SHOWN = {"classes", "pairs"}  # of an Evaluation

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
    """Something that gives logits for crops; its source says what they mean."""

    logits: Logits
    source: "Bundle | Network"
    form: str
    notes: tuple[str, ...] = ()


def evaluate(request: EvaluateRequest, *, listener: Listener = SILENT) -> EvaluateRecord:
    """Return the metrics of a bundle, a run or a network on a data set.

    Raises:
        DataError: run, bundle or data set missing, damaged, or with unknown classes.
        UsageError: unknown network or engine, or networks of other classes.
        MissingError: a run or network without torch, or an engine that is not installed.
    """
    check_count(request.crops)
    if request.threads is not None:
        request = replace(request, threads=usable_threads(request.threads, listener.message))
    answerers = _answerers(request)
    source = answerers[0].source
    form = _form(answerers, request.crops)
    listener.stage(f"reading {request.data}")
    images = _images(request, source)
    listener.stage(f"evaluating {len(images)} images: {form}")
    logits, images = _answers(answerers, images, request, listener)
    found = evaluate_logits(
        logits,
        images.labels,
        classes=source.classes,
        keys=[sample.key for sample in images.samples],
    )
    remark = far_below(request.known.accuracy, found.top1, found.top1_high, images="these images")
    scores = {name: score for name, score in vars(found).items() if name not in NOT_SHOWN}
    return EvaluateRecord(
        **scores,
        split=images.name,
        form=form,
        notes=(
            *dict.fromkeys(note for one in answerers for note in one.notes),
            *images.notes,
            *([remark] if remark else []),
        ),
    )


def _answerers(request: EvaluateRequest) -> list[_Answerer]:
    """Return what answers: the run, and those to average with.

    Raises:
        UsageError: they do not go together, or a word is for what none of them is.
    """
    targets = [resolve(word) for word in (request.run, *request.average)]
    if request.weights != "auto" and not any(target.kind == "net" for target in targets):
        raise UsageError(f"--weights {request.weights}: {request.run} brings its own; leave it out")
    first, *others = [_answerer(target, request) for target in targets]
    for word, other in zip(request.average, others):
        if [*map(one_form, other.source.classes)] != [*map(one_form, first.source.classes)]:
            raise UsageError(f"--average {word}: has other classes than {request.run}")
        if other.source.preprocess.depth != first.source.preprocess.depth:
            raise UsageError(f"--average {word}: reads 16 bits otherwise than {request.run}")
    for one in (first, *others):  # refuses views that its square does not have, before the work
        size = one.source.preprocess.size
        views_of(size, size, one.source.preprocess, request.crops)
    return [first, *others]


def _images(request: EvaluateRequest, source: "Bundle | Network") -> Split:
    """Return the images to evaluate on; in a run's own data its own split, test before val."""

    def opened(split: str | None) -> Split:
        return open_for_evaluation(
            request.data,
            source.classes,
            split=split,
            aliases=source.aliases,
            allow_class_mismatch=request.allow_class_mismatch,
            skip_damaged=request.skip_damaged,
            depth=source.preprocess.depth,
            decode=False,
        )

    own = own_splits(resolve(request.run))
    if own is None or not own.may_be(request.data):
        return opened(request.split)
    name = own.final if request.split in (None, "all") else request.split
    if name not in own.names:
        raise DataError(f"{request.run}: has no split {name!r}; it has {', '.join(own.names)}")
    now = opened("all")
    found = own.find_in(request.data, name, now)
    if found is None:
        return opened(request.split)
    if request.split == "all":
        return replace(now, notes=(*now.notes, own.trained_on(now)))
    return replace(found, notes=(*now.notes, *found.notes))


def _answerer(target: Target, request: EvaluateRequest) -> _Answerer:
    """Return what answers for a bundle, a run or a network by name."""
    word, eager = target.text, request.engine == EAGER
    if eager and target.kind == "bundle":
        raise UsageError(f"--engine {EAGER}: {word} is a bundle; evaluate the run it came from")
    has_bundle = target.folder is not None and (target.folder / "bundle" / "bundle.json").is_file()
    if not eager and (target.kind == "bundle" or has_bundle):
        return _bundle_answerer(str(target.folder), request)
    if not eager and (request.engine is not None or request.precision is not None):
        raise UsageError(f"--engine and --precision are for deployed forms: {word} has no bundle")
    if target.kind == "net":
        network = load_network(target, weights=request.weights, known=request.known)
    else:  # it says itself what it is; the words are for a network by name beside it
        network = load_network(target)
    return _net_answerer(network, request.threads)


def _form(answerers: Sequence[_Answerer], crops: int) -> str:
    """Return in words what answers."""
    forms = ", ".join(dict.fromkeys(one.form for one in answerers))
    views = f", {crops} views" if crops > 1 else ""
    return f"{forms}{views}" + (f", mean of {len(answerers)}" if len(answerers) > 1 else "")


def _answers(
    answerers: Sequence[_Answerer], images: Split, request: EvaluateRequest, listener: Listener
) -> tuple[NDArray[np.floating], Split]:
    """Return logits, and the images that they are of: each is read once, and may be damaged.

    Raises:
        DataError: images are damaged and may not be skipped, or all are.
    """
    parts: list[NDArray[np.floating]] = []
    damaged: list[Damage] = []
    seers = [one for one in answerers for _ in range(request.crops)]

    def read(index: int) -> list[Pixels] | Damage:
        try:
            return _seen(answerers, images.read(index), request.crops)
        except DataError as error:
            return Damage(images.samples[index].key, str(error))

    with ThreadPoolExecutor(READ_AT_ONCE) as pool:
        for start in range(0, len(images), BATCH):
            stop = min(start + BATCH, len(images))
            found = list(pool.map(read, range(start, stop)))
            damaged += [one for one in found if isinstance(one, Damage)]
            rows = [row for row in found if not isinstance(row, Damage)]
            if rows and (request.skip_damaged or not damaged):
                answers = [one.logits(np.stack(crop)) for one, crop in zip(seers, zip(*rows))]
                parts.append(answers[0] if len(answers) == 1 else averaged(answers))
            listener.update(done=stop, total=len(images))
    if len(damaged) == len(images):
        raise DataError(
            f"{request.data}: none of its {len(images)} images can be used; the first: "
            f"{damaged[0].reason}"
        )
    refuse_damage(damaged, images=len(images), skip_damaged=request.skip_damaged)
    bad = {damage.key for damage in damaged}
    images = images.holding(sample for sample in images.samples if sample.key not in bad)
    notes = (*images.notes, *damage_notes(damaged))
    return np.concatenate(parts), replace(images, notes=notes)


def _seen(answerers: Sequence[_Answerer], picture: Pixels, crops: int) -> list[Pixels]:
    """Return what each is shown of a picture, view by view: the picture itself may be large."""
    shown: list[Pixels] = []
    for one in answerers:
        preprocess = one.source.preprocess
        if crops == 1:
            shown.append(preprocess.crop(picture))
        else:
            views = views_of(picture.shape[0], picture.shape[1], preprocess, crops)
            shown += [seen(picture, view, preprocess) for view in views]
    return shown


def _bundle_answerer(folder: str, request: EvaluateRequest) -> _Answerer:
    from fleetfoot.deploy.bundle import load

    bundle = load(
        folder, engine=request.engine, precision=request.precision, threads=request.threads
    )
    form = f"{bundle.engine.engine} {bundle.engine.actual_precision}"
    scale = bundle.temperature
    fitted = bundle.record["calibration"]
    notes = bundle.notes
    if fitted is not None:
        notes = (
            *notes,
            f"temperature {scale:.3g} was fitted on {fitted['images']} images; on those the "
            f"calibration error is too good, cross-fitted it was {percent(fitted['ece_after'])}",
        )
    return _Answerer(
        logits=lambda crops: bundle.logits(crops) / scale, source=bundle, form=form, notes=notes
    )


def _net_answerer(network: Network, threads: int | None) -> _Answerer:
    import torch

    from fleetfoot.deploy.reference import eager_logits

    torch.set_num_threads(threads or allowed_threads())
    return _Answerer(
        logits=lambda crops: eager_logits(network.net, crops, network.preprocess),
        source=network,
        form="eager float32",
        notes=(f"weights: {network.weights['source']}",),
    )


def show(record: EvaluateRecord, stream: TextIO) -> None:
    """Write the record for a person."""
    interval_text = interval(record.correct, record.images)
    lines(
        stream,
        [
            ("top-1", f"{percent(record.top1)} ({interval_text}, 95 % interval)"),
            ("top-5", percent(record.top5) if record.top5 is not None else "- (fewer classes)"),
            ("images", f"{record.correct} of {record.images} correct, split {record.split}"),
            ("calibration", f"expected error {percent(record.calibration.ece)}"),
            *(("note", note) for note in record.notes),
        ],
    )
    present = [row for row in record.per_class if row.images]
    if len(present) <= MOST_CLASSES:
        stream.write("\n")
        headings = ("class", "images", "precision", "recall", "f1")
        rows = [
            (row.name, str(row.images), *(number(getattr(row, n), "{:.3f}") for n in headings[2:]))
            for row in present
        ]
        table(stream, headings, rows, right=range(1, 5))
    else:
        stream.write(f"\n{len(present)} classes; --json has every one\n")
