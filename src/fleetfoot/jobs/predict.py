"""`fleetfoot predict`: labels for images, from a bundle; imports no torch."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from fleetfoot.core.errors import DataError, UsageError, printable
from fleetfoot.data.image_files import LeftOut, images_in
from fleetfoot.data.picture_formats import EXTENSIONS
from fleetfoot.deploy.bundle import Prediction, load
from fleetfoot.jobs.runs import bundle_of


@dataclass(frozen=True)
class PredictRecord:
    """One prediction per image, in the order asked; folders in the order of their file names.

    Attributes:
        notes: what differs from the form that was chosen and measured, and what folders hold
            besides images, one sentence each.
    """

    predictions: tuple[Prediction, ...]
    notes: tuple[str, ...] = ()

    @property
    def failures(self) -> tuple[str, ...]:
        """Why images have no answer."""
        return tuple(p.error for p in self.predictions if p.error is not None)

    @property
    def exit_code(self) -> int:
        """That of bad data if an image has no answer."""
        return DataError.exit_code if self.failures else 0


def predict(run: str, images: Sequence[str | Path], *, top: int = 5) -> PredictRecord:
    """Return labels for image files and folders.

    An image that cannot be read gets an error of its own; the others are answered. Of each, the
    ``top`` likeliest classes are named.

    Raises:
        UsageError: no image is named, or ``top`` is below 1.
        DataError: the bundle is missing or damaged, or a folder has no images.
    """
    if not images:
        raise UsageError("predict needs at least one image: fleetfoot predict RUN IMAGE...")
    if top < 1:
        raise UsageError(f"--top {top}: name at least 1 class")
    bundle = load(bundle_of(run))
    left_out: list[str] = []
    paths = list(expand(images, left_out))
    answers = tuple(bundle.predict(paths, top=top))
    return PredictRecord(answers, (*bundle.notes, *left_out))


def expand(images: Iterable[str | Path], notes: list[str]) -> Iterable[Path]:
    """Yield files as they are named, and the image files in folders, sorted by path.

    Args:
        images: files and folders.
        notes: gets what is left out of each folder.

    Raises:
        DataError: a folder without image files.
    """
    for image in images:
        path = Path(image).expanduser()
        if not path.is_dir():
            yield path
            continue
        left_out = LeftOut(path)
        found = sorted(images_in(path, left_out))
        if not found:
            why = "; ".join(left_out.notes) or f"none ends in {', '.join(sorted(EXTENSIONS))}"
            raise DataError(f"{path}: has no image files ({why})")
        notes.extend(f"{path}: {note}" for note in left_out.notes)
        yield from found


def show(record: PredictRecord, stream: TextIO) -> None:
    """Write the record for a person."""
    answered = [p for p in record.predictions if p.error is None]
    rows = [(printable(p.path or ""), printable(str(p.label)), p) for p in answered]
    path_width = max((len(path) for path, _, _ in rows), default=0)
    label_width = max((len(label) for _, label, _ in rows), default=0)
    for path, label, p in rows:
        stream.write(
            f"{path:<{path_width}}  {label:<{label_width}}  "
            f"{100 * (p.probability or 0.0):5.1f} %  {p.latency_ms:.1f} ms\n"
        )
