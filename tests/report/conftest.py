"""A run folder that `fit` wrote, on hostile names; tests change copies of it."""

import csv
import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from fleetfoot.core.results import to_json
from fleetfoot.jobs.fit import fit
from fleetfoot.jobs.requests import FitRequest
from fleetfoot.search.candidates import candidates_for, choose_within
from fleetfoot.search.choice import Choice, Situation
from tests.conftest import deployed_quickly

CLASSES = ["bird", "dog", "<script>alert('x')</script>", "Käfer & Ameise", "虫", "$reptile_1$"]
UNMEASURED = ("precision=float32", "layout=nchw", "kernels=torch")  # `fit` has tests of its plan
EACH = {"train": 8, "val": 4, "test": 4}
Json = dict[str, Any]


def write_table(folder: Path) -> Path:
    """Write pictures and a table of them: a damaged one, a CMYK one, one in two splits."""
    generator = np.random.default_rng(0)
    rows: list[tuple[str, str, str]] = []
    for number, label in enumerate(CLASSES):
        for split, images in EACH.items():
            for image in range(images):
                name = f'{number} {split} "{image}" <b>.jpg'
                middle = np.array([40 * number + 20, 240 - 40 * number, 90])
                pixels = np.clip(generator.normal(middle, 60, (16, 16, 3)), 0, 255)
                picture = Image.fromarray(pixels.astype(np.uint8))
                (picture.convert("CMYK") if image == 1 else picture).save(folder / name)
                rows.append((name, label, split))
    (folder / "damaged <u>.jpg").write_bytes(b"no picture")
    rows.append(("damaged <u>.jpg", CLASSES[0], "train"))
    shutil.copyfile(folder / rows[0][0], folder / "again.jpg")
    rows.append(("again.jpg", CLASSES[0], "val"))
    with (folder / "photos.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("path", "label", "split"), *rows])
    return folder / "photos.csv"


@pytest.fixture(scope="session")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A complete run, written once; read it, never change it."""
    folder = tmp_path_factory.mktemp("report")
    request = FitRequest(
        data=str(write_table(folder)),
        net="fleetnet_small",
        size=16,
        budget="500ms",
        epochs=2,
        skip_damaged=True,
        out=folder / "photos",
        settings=("batch=16", "ema=0.5", 'options=[["width",0.125]]', *UNMEASURED),
    )
    with deployed_quickly(precisions=("float32",)):
        run = Path(fit(request).run)
    change(run, "run.json", choice=to_json(measured_choice()))
    return run


def measured_choice() -> Choice:
    """Return a choice among measured candidates; measuring them would take a minute."""
    situation = Situation(images=48, pixels=16)
    candidates = candidates_for(situation, nets=("fleetnet_small",))
    measured = [replace(c, latency_ms_p50=float(i)) for i, c in enumerate(candidates, 1)]
    return choose_within(measured, budget_ms=2.0, seconds=31.0)


@pytest.fixture
def make_run(written: Path) -> Callable[[Path], Path]:
    """Return a function that copies the run to a folder and returns the folder."""

    def make(folder: Path) -> Path:
        return Path(shutil.copytree(written, folder))

    return make


@pytest.fixture
def run_folder(make_run: Callable[[Path], Path], tmp_path: Path) -> Path:
    """Return a complete run folder that a test may change."""
    return make_run(tmp_path / "photos")


def part(run: Path, name: str) -> Json:
    """Return a JSON file of a run."""
    return json.loads((run / name).read_text())


def change(run: Path, name: str, **fields: Any) -> Json:
    """Change fields of a JSON file of a run; return what it holds now."""
    record = part(run, name) | fields
    (run / name).write_text(json.dumps(record))
    return record
