"""The split that a run was trained with, found again in its data: by name and by pixels.

Images that were added since belong to no split; those that were renamed are known by their pixels;
those that are gone or changed are left out. All of it is said in notes.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from fleetfoot.core.errors import DataError, first_line
from fleetfoot.core.files import read_json
from fleetfoot.data.open_data import absolute, read_source
from fleetfoot.data.samples import Split
from fleetfoot.data.scan import FULL_LIMIT, scan
from fleetfoot.jobs.runs import Target

SPLITS = ("train", "val", "test")


@dataclass(frozen=True)
class OwnSplits:
    """What `data.json` of a run says of its images.

    Attributes:
        run: the folder.
        spec: the data set.
        pixels: of each split the hash of each image by its name; None where it was not looked at.
        knows_pixels: whether the run kept what tells changed images; a version before did not.
    """

    run: Path
    spec: str
    pixels: Mapping[str, Mapping[str, str | None]]
    knows_pixels: bool

    @property
    def names(self) -> tuple[str, ...]:
        """The splits that the run has."""
        return tuple(self.pixels)

    @property
    def final(self) -> str:
        """The split whose images training saw nothing of."""
        return "test" if "test" in self.names else "val"

    def is_at(self, spec: str) -> bool:
        """Return whether these words name the data set of the run."""
        return absolute(spec) == absolute(self.spec)

    def may_be(self, spec: str) -> bool:
        """Return whether a data set may be the one of the run, perhaps moved: names agree."""
        if self.is_at(spec):
            return True
        if read_source(spec).built_in:
            return False
        keys = {row.key for rows in read_source(spec).rows.values() for row in rows}
        own = self._all()
        return 2 * sum(key in keys for key in own) > len(own)

    def find(self, name: str, now: Split) -> Split:
        """Return a split of the run among the images that are there now, with notes.

        Raises:
            DataError: none of its images is there.
        """
        then, everything = self.pixels[name], self._all()
        there = {sample.key: sample for sample in now.samples}
        hashes = _hashes([key for key, pixels in then.items() if pixels and key in there], now)
        # one that was not looked at, or is damaged, is what its name says: reading it tells
        same = {key for key in then if key in there and hashes.get(key, then[key]) == then[key]}
        lost = {key: pixels for key, pixels in then.items() if key not in same}
        renamed = _renamed(lost, [key for key in there if key not in everything], now)
        added = there.keys() - everything - set(renamed.values())
        said = (
            (renamed, "known by their pixels: they were renamed"),
            (lost.keys() - there.keys() - renamed.keys(), "left out: they are gone or damaged"),
            ((lost.keys() & there.keys()) - renamed.keys(), "left out: they were changed"),
        )
        notes = [_told(keys, f"{name} images of the run", what) for keys, what in said if keys]
        if added:
            notes.append(_told(added, "images", "added since the run: in none of its splits"))
        order = [key if key in same else renamed.get(key) for key in then]
        samples = [there[key] for key in order if key is not None]
        if not samples:
            raise DataError(f"none of the {len(then)} {name} images of {self.run} is there")
        return replace(now.holding(samples), name=name, notes=tuple(notes))

    def find_in(self, spec: str, name: str, now: Split) -> Split | None:
        """Return `find` of a data set; None if it only has the names of the run's, not its pixels.

        Raises:
            DataError: it is the one of the run, and none of the images is there.
        """
        try:
            found = self.find(name, now)
        except DataError:
            if self.is_at(spec):
                raise
            return None
        return found if self.is_at(spec) or 2 * len(found) >= len(self.pixels[name]) else None

    def trained_on(self, now: Split) -> str:
        """Return how many of these images the run was trained on, by their names."""
        known = self.pixels["train"].keys()
        count = sum(sample.key in known for sample in now.samples)
        return f"{count} of these {len(now)} images are the run's training images"

    def _all(self) -> set[str]:
        return {key for name in self.names for key in self.pixels[name]}


def own_splits(target: Target) -> OwnSplits | None:
    """Return the splits of a run, or of the run that a bundle lies in; None where none are kept.

    Raises:
        DataError: its record of them is damaged.
    """
    if target.folder is None:
        return None
    run = target.folder if target.kind == "run" else target.folder.resolve().parent
    if not (run / "data.json").is_file():
        return None
    record = read_json(run / "data.json", what="run")
    if "spec" not in record or "splits" not in record:
        return None
    try:
        there = record["splits"]
        splits = {name: there[name] for name in SPLITS if name != "test" or name in there}
        pixels = {name: _pixels(split) for name, split in splits.items()}
    except (TypeError, ValueError, LookupError) as error:
        raise DataError(f"{run / 'data.json'}: is damaged ({first_line(error)})") from error
    kept = all("pixels_sha256" in split for split in splits.values())
    return OwnSplits(run, str(record["spec"]), pixels, kept)


def _pixels(split: Mapping[str, Any]) -> dict[str, str | None]:
    keys = [str(key) for key, _ in split["samples"]]
    return dict(zip(keys, split.get("pixels_sha256") or [None] * len(keys), strict=True))


def _told(keys: Collection[str], images: str, what: str) -> str:
    first = min(keys)
    return f"{len(keys)} {images} {what} ({first}{', ...' if len(keys) > 1 else ''})"


def _hashes(keys: Sequence[str], now: Split) -> dict[str, str | None]:
    """Return the hashes of images as they are; of more than are looked at for a run, of none."""
    if not keys or len(keys) > FULL_LIMIT:
        return {}
    facts = scan(keys, now.reader, full=True).facts
    return {key: fact.pixels_sha256 for key, fact in facts.items()}


def _renamed(lost: Mapping[str, str | None], strange: Sequence[str], now: Split) -> dict[str, str]:
    """Return the present name of images that are no longer under theirs."""
    if not any(lost.values()):
        return {}
    places = {pixels: key for key, pixels in _hashes(strange, now).items() if pixels}
    return {key: places[pixels] for key, pixels in lost.items() if pixels in places}
