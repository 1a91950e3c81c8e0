"""`fleetfoot predict`: labels for images, from a bundle; imports no torch."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from fleetfoot.core.errors import DataError, UsageError, printable
from fleetfoot.core.out_folder import expanded, is_folder
from fleetfoot.data.image_files import LeftOut, images_in
from fleetfoot.data.picture_formats import EXTENSIONS
from fleetfoot.deploy.bundle import Prediction, load
from fleetfoot.jobs.runs import bundle_of

NAMED = 5  # classes of an image in JSON


@dataclass(frozen=True)
class PredictRecord:
    """One prediction per image, in the order asked; folders in the order of their file names.

    Attributes:
        notes: what differs from the form that was chosen and measured, and what folders hold
            besides images, one sentence each.
        shown: how many classes of each a person sees; not in JSON.
    """

    predictions: tuple[Prediction, ...]
    notes: tuple[str, ...] = ()
    shown: int = 1

    def as_json(self) -> dict[str, Any]:
        """Return what ``--json`` prints."""
        return {"predictions": self.predictions, "notes": self.notes}

    @property
    def failures(self) -> tuple[str, ...]:
        """Why images have no answer."""
        return tuple(p.error for p in self.predictions if p.error is not None)

    @property
    def exit_code(self) -> int:
        """That of bad data if an image has no answer."""
        return DataError.exit_code if self.failures else 0


def predict(run: str, images: Sequence[str | Path], *, top: int | None = None) -> PredictRecord:
    """Return labels for image files and folders.

    An image that cannot be read, or a folder without images, gets an error of its own; the others
    are answered. Of each, the ``top`` likeliest classes are named; without it five, of which a
    person sees one.

    Raises:
        UsageError: no image is named, or ``top`` is below 1.
        DataError: the bundle is missing or damaged.
    """
    if not images:
        raise UsageError("predict needs at least one image: fleetfoot predict RUN IMAGE...")
    if top is not None and top < 1:
        raise UsageError(f"--top {top}: name at least 1 class")
    bundle = load(bundle_of(run))
    bundle.warm_up()
    answers: list[Prediction] = []
    left_out: list[str] = []
    for image in images:
        try:
            answers += bundle.predict(list(expand(image, left_out)), top=top or NAMED)
        except DataError as error:
            answers.append(Prediction(path=str(image), error=str(error)))
    return PredictRecord(tuple(answers), (*bundle.notes, *left_out), shown=top or 1)


def expand(image: str | Path, notes: list[str]) -> Iterable[Path]:
    """Yield a file as it is named, or the image files in a folder, sorted by path.

    Args:
        image: a file or a folder.
        notes: gets what is left out of each folder.

    Raises:
        DataError: it is no name, or a folder without image files.
    """
    if not str(image).strip():
        raise DataError("the name of the image is empty; name a file or a folder")
    if str(image) == "-":
        raise DataError("-: images are not read from standard input; name a file or a folder")
    path = expanded(image)
    if not is_folder(path):
        yield path
        return
    left_out = LeftOut(path)
    found = sorted(images_in(path, left_out))
    if not found:
        why = "; ".join(left_out.notes) or f"none ends in {', '.join(sorted(EXTENSIONS))}"
        raise DataError(f"{path}: has no image files ({why})")
    notes.extend(f"{path}: {note}" for note in left_out.notes)
    yield from found


def show(record: PredictRecord, stream: TextIO) -> None:
    """Write the record for a person: the likeliest classes, and the time for each image."""
    answered = [p for p in record.predictions if p.error is None]
    paths = [printable(p.path or "") for p in answered]
    classes = [_classes(p, record.shown) for p in answered]
    path_width, width = (max(map(len, texts), default=0) for texts in (paths, classes))
    for path, text, p in zip(paths, classes, answered):
        stream.write(
            f"{path:<{path_width}}  {text:<{width}}  "
            f"engine {p.latency_ms or 0:.1f} ms, in all {p.total_ms or 0:.1f} ms\n"
        )


def _classes(answer: Prediction, count: int) -> str:
    named = (answer.top or ())[:count]
    return ", ".join(f"{printable(c.label)} {100 * c.probability:.1f} %" for c in named)
