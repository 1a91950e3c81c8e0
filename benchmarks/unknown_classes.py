"""Pictures of classes that the pretrained weights do not know: `fit` with and without weights.

Run on an otherwise idle machine, from the root of a checkout:

    python benchmarks/unknown_classes.py --data DATA

DATA is a folder with `mnist/`. ImageNet has no handwriting. 29 training digits of each class become
colour pictures of 128 x 128 pixels in class folders, as a person's photographs would be; 20 test
digits of each class are the validation images. The result goes to
`benchmarks/results/unknown_classes.json`.
"""

import argparse
import tempfile
from pathlib import Path
from typing import Any

from main_job import run
from PIL import Image
from record import write_result

from fleetfoot.data.mnist import read_mnist
from fleetfoot.measure.provenance import provenance

PIXELS = 128
EACH = {"train": ("train", 29), "val": ("test", 20)}  # the split of MNIST, images of each class
MINUTES = "1"


def write_pictures(mnist: Path, folder: Path) -> None:
    """Write the first images of each class as PNG files: ``folder/SPLIT/CLASS/NUMBER.png``."""
    source = read_mnist(mnist)
    for split, (part, each) in EACH.items():
        written = dict.fromkeys(source.classes, 0)
        for row in source.rows[part]:
            if written[row.label] == each:
                continue
            place = folder / split / row.label
            place.mkdir(parents=True, exist_ok=True)
            picture = Image.fromarray(source.reader(row.key)).convert("RGB")
            enlarged = picture.resize((PIXELS, PIXELS), Image.Resampling.BICUBIC)
            enlarged.save(place / f"{written[row.label]:03d}.png")
            written[row.label] += 1


def unknown_classes(data: Path, scratch: Path) -> dict[str, Any]:
    """290 handwritten digits as pictures of 128 px, 1 minute: with pretrained weights, without."""
    pictures = scratch / "handwriting"
    write_pictures(data / "mnist", pictures)
    words = ("fit", pictures, "--minutes", MINUTES)
    return {
        "with_weights": run(*words, "--out", scratch / "with"),
        "without_weights": run(*words, "--weights", "none", "--out", scratch / "without"),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    started = provenance()
    with tempfile.TemporaryDirectory(prefix="fleetfoot-") as scratch:
        figures = unknown_classes(parser.parse_args().data.resolve(), Path(scratch))
    write_result("unknown_classes", unknown_classes.__doc__ or "", figures, started=started)


if __name__ == "__main__":
    main()
