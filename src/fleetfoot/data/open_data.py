"""From the words a person types to a data set that is ready to train on.

`open_data` reads a source, looks at every image, makes the class map, checks it by name and holds
out validation images where the source names none. `open_for_evaluation` applies an existing class
map instead.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from fleetfoot.core.errors import DataError
from fleetfoot.core.out_folder import expanded
from fleetfoot.data.cifar10 import read_cifar10
from fleetfoot.data.classes import check_split, class_map, hint, label_of, listed, one_spelling
from fleetfoot.data.decode import FULL_DEPTH
from fleetfoot.data.depth import at_depth, depth_of_set
from fleetfoot.data.digits import read_digits
from fleetfoot.data.folders import read_folder
from fleetfoot.data.held_out import Rows, held_out
from fleetfoot.data.mnist import read_mnist
from fleetfoot.data.names import one_form, remarks
from fleetfoot.data.samples import Damage, Data, Reader, Sample, Scan, Split
from fleetfoot.data.scan import FULL_LIMIT, HEADER_LIMIT, damage_notes, refuse_damage, scan
from fleetfoot.data.source import WHOLE, Row, Source
from fleetfoot.data.tables import SUFFIXES, read_table

BUILT_IN = {"mnist": read_mnist, "cifar10": read_cifar10}
SEED = 0  # of the choice of validation images, where the source names none
WAYS = (
    "a folder of class folders, a .csv, .tsv, .jsonl or .parquet file, digits, mnist:DIR, "
    "cifar10:DIR"
)


def open_data(
    spec: str, *, seed: int = SEED, allow_class_mismatch: bool = False, skip_damaged: bool = False
) -> Data:
    """Open a data set for training.

    Args:
        spec: a folder, a table file, ``digits``, ``mnist:DIR`` or ``cifar10:DIR``.
        seed: of the choice of validation images; an evaluation knows `SEED` alone.
        allow_class_mismatch: go on if a split lacks a class (its scores are then of the others)
            or has an unknown one (its images are then left out).
        skip_damaged: go on without images that cannot be read.

    Raises:
        DataError: nothing there, damaged images, a class without images, a class that is missing
            or unknown in a split, or too little to train and validate on.
    """
    source = read_source(spec)
    found, source, notes = _look(source, source.rows, skip_damaged=skip_damaged)
    rows = _without(source.rows, found.damaged)
    _refuse_nothing(spec, source, rows, found.damaged)
    refuse_damage(found.damaged, images=found.images, skip_damaged=skip_damaged)
    _refuse_empty_classes(spec, source)
    train_rows = rows.get("train", rows.get(WHOLE, ()))
    classes = class_map(train_rows, source.classes)
    left_out = (*source.notes, *damage_notes(found.damaged))
    _refuse_too_little(spec, train_rows, classes, left_out)
    notes = (*notes, *remarks(classes))
    is_held_out = "val" not in rows
    if is_held_out:
        parts, remark = held_out(spec, source, train_rows, found, seed)
        rows, notes = {**rows, **parts}, (*notes, *remark)
    for name in ("val", "test"):
        if name in rows and not (is_held_out and name not in source.rows):
            note = check_split(classes, rows[name], split=name, allowed=allow_class_mismatch)
            notes = (*notes, note) if note else notes
    splits = {
        name: _split(name, rows[name], classes, source.reader)
        for name in ("train", "val", "test")
        if name in rows
    }
    return Data(
        spec=spec,
        name=source.name,
        classes=classes,
        train=splits["train"],
        val=splits["val"],
        test=splits.get("test"),
        held_out=is_held_out,
        notes=(*source.notes, *notes, *damage_notes(found.damaged)),
        scan=found,
    )


def open_for_evaluation(
    spec: str,
    classes: Sequence[str],
    *,
    split: str | None = None,
    aliases: Mapping[str, str] | None = None,
    allow_class_mismatch: bool = False,
    skip_damaged: bool = False,
    depth: int = FULL_DEPTH,
    decode: bool = True,
) -> Split:
    """Open a data set for an existing network, its classes applied by name.

    Classes that the data lack are no error: the accuracy is of the images there are.

    Args:
        spec: as in `open_data`.
        classes: the network's class names; the position is the label.
        split: "train", "val", "test" or "all"; None takes test, else val, else all images (of
            ``digits`` those that training never saw).
        aliases: further names of classes, such as WordNet ids, each with the class name.
        allow_class_mismatch: leave out images of classes that the network does not know.
        skip_damaged: leave out images that cannot be read.
        depth: bits that count in 16-bit grey pictures, of the network's `Preprocess`.
        decode: look for damage behind the headers, too; False leaves that to who reads the images.

    Raises:
        DataError: as `open_data`, or the split or a class is unknown.
    """
    source = read_source(spec)
    rows = _chosen(spec, source, split, skip_damaged=skip_damaged)
    look = partial(_look, source, {"chosen": rows}, skip_damaged=skip_damaged, depth=depth)
    found, source, notes = look(near=False, decode=decode)
    if found.damaged and not (decode or skip_damaged):  # which is refused: with all that there is
        found, source, notes = look(near=False)
    left = _without({"chosen": rows}, found.damaged)
    _refuse_nothing(spec, source, left, found.damaged)
    refuse_damage(found.damaged, images=found.images, skip_damaged=skip_damaged)
    rows = one_spelling(left, [*classes, *(aliases or ())])["chosen"]
    known = {name: label for label, name in enumerate(classes)}
    unknown = sorted({row.label for row in rows if label_of(row, known, aliases=aliases) is None})
    if unknown and not allow_class_mismatch:
        raise DataError(
            f"{spec}: {listed(unknown)} not among the network's {len(classes)} classes"
            f"{hint(unknown, classes)}; correct the labels or leave these images out with "
            "--allow-class-mismatch"
        )
    kept = tuple(row for row in rows if label_of(row, known, aliases=aliases) is not None)
    if not kept:
        raise DataError(f"{spec}: no image is left to evaluate on; check the labels")
    if unknown:
        first = next(row.key for row in rows if row.label in unknown)
        count = len(rows) - len(kept)
        notes = (*notes, f"left out {count} images: {listed(unknown)} unknown (first {first})")
    notes = (*source.notes, *notes, *damage_notes(found.damaged))
    return _split(split or "evaluation", kept, classes, source.reader, aliases, notes)


def training_images(spec: str, *, besides: Split) -> Split | None:
    """Return the training images of a source without their classes, or None if it has none.

    Args:
        spec: as in `open_data`.
        besides: images that do not count: a network is tested on them.
    """
    source = read_source(spec)
    taken = {sample.key for sample in besides.samples}
    rows = source.rows.get("train", source.rows.get(WHOLE, ()))
    keys = (row.key for row in rows if row.key not in taken)
    samples = tuple(Sample(index, key, label=-1) for index, key in enumerate(keys))
    return Split("train", samples, besides.reader) if samples else None


def absolute(spec: str) -> str:
    """Return the same words for use from another folder: with an absolute path.

    >>> absolute("digits"), absolute("mnist:/data/mnist")
    ('digits', 'mnist:/data/mnist')
    """
    if spec == "digits":
        return spec
    kind, folder = _built_in(spec)
    return f"{kind}:{Path(folder).absolute()}" if kind else str(expanded(spec).absolute())


def read_source(spec: str) -> Source:
    """Return the rows behind the words, unchecked; a class is spelled in one way.

    Raises:
        DataError: the words name nothing that can be read.
    """
    source = _found(spec)
    return replace(source, rows=one_spelling(source.rows, source.classes or ()))


def _found(spec: str) -> Source:
    if spec == "digits":
        return read_digits()
    kind, folder = _built_in(spec)
    if kind:
        if not folder:
            raise DataError(f"{spec}: name the folder, as in {kind}:DIR")
        if not Path(folder).is_dir():
            raise DataError(f"{spec}: {folder} is no folder")
        return BUILT_IN[kind](Path(folder))
    if not spec.strip():
        raise DataError(f"the name of the data is empty; give {WAYS}")
    path = expanded(spec)
    if path.suffix.lower() in SUFFIXES and not path.is_dir():
        return read_table(path)
    if not path.exists():
        raise DataError(f"{spec}: no such folder or file; give {WAYS}")
    if not path.is_dir():
        raise DataError(f"{spec}: is neither a folder nor a table; give {WAYS}")
    return read_folder(path)


def _built_in(spec: str) -> tuple[str, str]:
    """Return kind and folder of ``mnist:DIR`` and its like, two times "" for anything else."""
    kind, colon, folder = spec.partition(":")
    if kind not in BUILT_IN or not (colon or not Path(spec).exists()):
        return "", ""
    return kind, str(expanded(folder)) if folder else ""


def _look(
    source: Source,
    rows: Mapping[str, tuple[Row, ...]],
    *,
    skip_damaged: bool,
    near: bool = True,
    decode: bool = True,
    depth: int | None = None,
) -> tuple[Scan, Source, tuple[str, ...]]:
    """Return what images are, the source as it is to be read, and notes; see `open_for_evaluation`.

    Args:
        source: of the images.
        rows: the images.
        skip_damaged: look at all of every image, however many there are.
        near: keep what tells whether images are alike.
        decode: look behind the headers, where there are not too many images.
        depth: of the network; None for the one that the images show.
    """
    keys = list(dict.fromkeys(row.key for of_split in rows.values() for row in of_split))
    of_table = Scan(damaged=source.damaged, contradictory=source.contradictory)
    if source.built_in:
        return of_table, source, ()
    notes: tuple[str, ...] = ()
    few = len(keys) <= FULL_LIMIT
    if decode and not few:
        notes = (f"{len(keys)} images: {_seen(len(keys), near, skip_damaged)}",)
    found = Scan()
    if skip_damaged or len(keys) <= HEADER_LIMIT:
        whole = decode and (few or skip_damaged)
        found = scan(keys, source.reader, full=near and few, decode=whole)
    own, remark = depth_of_set(found, keys, source.reader, wanted=depth)
    reader = at_depth(source.reader, own if depth is None else depth)
    of_table = replace(of_table, facts=found.facts, damaged=(*source.damaged, *found.damaged))
    return of_table, replace(source, reader=reader), (*notes, *remark)


def _seen(images: int, near: bool, skip_damaged: bool) -> str:
    unseen = ", near duplicates not searched" if near else ""
    if skip_damaged:
        return f"decoded once for damage{unseen}"
    checked = "headers checked only" if images <= HEADER_LIMIT else "not checked for damage"
    return f"{checked}{unseen} (--skip-damaged decodes them all first)"


def _chosen(spec: str, source: Source, split: str | None, *, skip_damaged: bool) -> tuple[Row, ...]:
    everything = tuple(row for rows in source.rows.values() for row in rows)
    if split is None:
        split = next((name for name in ("test", "val") if name in source.rows), None)
        split = split or ("val" if source.built_in else WHOLE)
    if split == WHOLE:
        return everything
    if split in source.rows:
        return source.rows[split]
    if split in ("train", "val", "test") and "val" not in source.rows:
        rows = source.rows.get("train", source.rows.get(WHOLE, ()))
        found, _, _ = _look(source, {"train": rows}, skip_damaged=skip_damaged)
        rows = _without({"train": rows}, found.damaged)["train"]
        parts, _ = held_out(spec, source, rows, found, SEED)
        if split in parts:
            return parts[split]
    raise DataError(f"{spec}: has no split {split!r}; it has {', '.join(source.rows)}")


def _split(
    name: str,
    rows: Sequence[Row],
    classes: Sequence[str],
    reader: Reader,
    aliases: Mapping[str, str] | None = None,
    notes: tuple[str, ...] = (),
) -> Split:
    known = {name: label for label, name in enumerate(classes)}
    labels = [(row, label_of(row, known, aliases=aliases)) for row in rows]
    kept = [(row, label) for row, label in labels if label is not None]
    samples = tuple(
        Sample(index, row.key, label, row.group) for index, (row, label) in enumerate(kept)
    )
    return Split(name=name, samples=samples, reader=reader, notes=notes)


def _without(rows: Mapping[str, tuple[Row, ...]], damaged: Sequence[Damage]) -> Rows:
    bad = {damage.key for damage in damaged}
    return {
        split: tuple(row for row in split_rows if row.key not in bad)
        for split, split_rows in rows.items()
    }


def _refuse_empty_classes(spec: str, source: Source) -> None:
    for split in ("train", WHOLE):
        there = {one_form(row.label) for row in source.rows.get(split, ())}
        empty = (source.empty_classes or {}).get(split, ())
        empty = [name for name in empty if one_form(name) not in there]
        if empty:
            raise DataError(
                f"{spec}: {listed(empty)} without images{_because(source.notes)}; add images or "
                "remove the folder"
            )


def _refuse_nothing(spec: str, source: Source, left: Rows, damaged: Sequence[Damage]) -> None:
    """Stop where no image is left: one reason stands for all, such as a table that was moved."""
    if any(left.values()) or not damaged:
        return
    first, count = damaged[0], len(damaged)
    root = getattr(source.reader, "root", None)
    if root is None or not all(d.reason.endswith(": no such file") for d in damaged):
        raise DataError(
            f"{spec}: none of its {count} images can be used; the first: {first.reason}"
        )
    where = "" if Path(first.key).is_absolute() else f", looked for in {root.absolute()}"
    raise DataError(
        f"{spec}: none of the {count} files that it names is there; the first is "
        f"{first.key}{where}; correct the paths or move the table"
    )


def _refuse_too_little(
    spec: str, rows: Sequence[Row], classes: Sequence[str], left_out: Sequence[str]
) -> None:
    if not rows:
        raise DataError(
            f"{spec}: has no training images{_because(left_out)}; add some, or a folder train"
        )
    if len(classes) < 2:
        count = "one image" if len(rows) == 1 else f"{len(rows)} images"
        raise DataError(
            f"{spec}: has {count} of one class, {classes[0]!r}; add a second class to tell apart"
        )


def _because(notes: Sequence[str]) -> str:
    return f" ({'; '.join(notes)})" if notes else ""
