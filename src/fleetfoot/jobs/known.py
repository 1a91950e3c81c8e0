"""What a person knows of a weight file that says nothing itself: its preprocessing, its classes."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cyclopts import Parameter

from fleetfoot.core.errors import DataError, UsageError
from fleetfoot.core.files import read_json
from fleetfoot.core.out_folder import expanded, is_file, is_folder
from fleetfoot.jobs.screen import percent
from fleetfoot.jobs.words import check_share

TYPICAL = "size=224,mean=0.485/0.456/0.406,std=0.229/0.224/0.225"
MARGIN = 0.02  # of accuracy, beyond the interval of what was seen: this much images may differ
SAID = "--accuracy says"
WORDS = ("size", "channels", "crop", "interpolation", "mean", "std")


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Known:
    """What is known of a weight file.

    Attributes:
        preprocess: How images are prepared for --weights FILE: a preprocess.json, or words such as
            size=224,channels=3,mean=0.5,std=0.5,crop=0.9,interpolation=bicubic.
        classes: Class names of --weights FILE in the order of its outputs: a file (a name a line,
            or labels.json), or names separated by commas.
        accuracy: Share of correct answers that the network is known to have; far less is remarked.
    """

    preprocess: str | None = None
    classes: str | None = None
    accuracy: float | None = None

    def __post_init__(self) -> None:
        if self.accuracy != 1:
            check_share("accuracy", self.accuracy)

    def check(self, weights: str) -> None:
        """Refuse to know better than published weights, or than those of a run.

        Raises:
            UsageError: something is said of weights that say it themselves.
        """
        if weights == "auto" and (self.preprocess or self.classes):
            raise UsageError(
                "--preprocess and --classes are for --weights FILE; these weights say it themselves"
            )

    @property
    def names(self) -> tuple[str, ...] | None:
        """The class names; None where nothing is said of them.

        Raises:
            DataError: the file holds none, or a name stands twice.
        """
        if self.classes is None:
            return None
        path = expanded(self.classes)
        names = _names_in(path) if is_file(path) else self.classes.split(",")
        names = tuple(name.strip() for name in names if name.strip())
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise DataError(f"--classes: {twice!r} stands there twice; each class needs its name")
        if len(names) < 2:
            raise DataError(f"--classes {self.classes}: is one class or none; name at least two")
        return names

    @property
    def contract(self) -> dict[str, Any] | None:
        """The content of `preprocess.json`; None where nothing is said of it.

        Raises:
            UsageError: a word that does not exist, or one that is needed and not there.
            DataError: there is no such file.
        """
        if self.preprocess is None:
            return None
        path = expanded(self.preprocess)
        path = path / "preprocess.json" if is_folder(path) else path
        if is_file(path):
            return read_json(path, what="preprocessing")
        if "=" not in self.preprocess:
            raise DataError(f"--preprocess {self.preprocess}: no such file; or write {TYPICAL}")
        return _contract_of(self.preprocess)


def far_below(
    known: float | None, top1: float | None, high: float | None, *, images: str, who: str = SAID
) -> str | None:
    """Return a remark where a network answers far worse than it is known to.

    Most often the preprocessing, the order of the classes or the images are not those of the
    training.

    Args:
        known: its accuracy elsewhere.
        top1: its accuracy here; None is unknown.
        high: upper end of the interval of ``top1``.
        images: which these are, in words.
        who: knows it, in words.
    """
    if known is None or top1 is None or high is None or high >= known - MARGIN:
        return None
    return (
        f"the network is right on {percent(top1)} of {images}, {who} {percent(known)}: "
        "look at preprocessing, order of classes and images before you use it"
    )


def _names_in(path: Path) -> list[str]:
    try:
        text = path.read_text(encoding="utf-8-sig")  # editors begin a file with a mark
        value = json.loads(text) if path.suffix.lower() == ".json" else text.splitlines()
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(f"--classes {path}: cannot be read ({error})") from error
    value = value.get("classes") if isinstance(value, dict) else value
    if not isinstance(value, list) or any(isinstance(name, list | dict | None) for name in value):
        raise DataError(f"--classes {path}: holds no list of names")
    return [str(name) for name in value]


def _contract_of(text: str) -> dict[str, Any]:
    said: dict[str, str] = {}
    for part in text.split(","):
        key, _, value = (piece.strip() for piece in part.partition("="))
        if key not in WORDS or not value or key in said:
            raise UsageError(f"--preprocess {part}: write each of {', '.join(WORDS)} once, =value")
        said[key] = value
    lacking = [key for key in ("size", "mean", "std") if key not in said]
    if lacking:
        raise UsageError(f"--preprocess {text}: lacks {' and '.join(lacking)}; as in {TYPICAL}")
    try:
        channels = int(said.get("channels", 3))
        mean, std = ([float(part) for part in said[key].split("/")] for key in ("mean", "std"))
        size, crop = int(said["size"]), float(said.get("crop", 1))
    except ValueError as error:
        raise UsageError(f"--preprocess {text}: {error}") from None
    scale = 255 if max(map(abs, (*mean, *std))) <= 1 else 1  # shares of white, or of 255
    mean, std = ([scale * v for v in (vs * channels if len(vs) == 1 else vs)] for vs in (mean, std))
    return {
        "size": size,
        "channels": channels,
        "crop_fraction": crop,
        "interpolation": said.get("interpolation", "bicubic"),
        "mean": mean,
        "std": std,
    }
