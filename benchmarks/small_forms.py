"""The small form of each published recipe, trained with three seeds on one thread each.

    python benchmarks/small_forms.py                     all of them, about 20 core-minutes
    python benchmarks/small_forms.py --only alexnet      one; results of the others are kept

What to expect is in `small_forms.json`, stored before the run: the mean over the seeds has to come
within two points of the value there, and above the baseline. The last weights are judged, once, on
images of the test split.
"""

import argparse
import json
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
from record import RESULTS, write_result

from fleetfoot.claims.training_images import images_of
from fleetfoot.core.listener import Silent
from fleetfoot.data.samples import Data
from fleetfoot.measure.provenance import provenance
from fleetfoot.recipes.build import build
from fleetfoot.recipes.catalog import PUBLISHED
from fleetfoot.recipes.method import step_of
from fleetfoot.recipes.pixels import preprocess_for
from fleetfoot.recipes.run_spec import RunSpec
from fleetfoot.recipes.small import FORMS, Form, small
from fleetfoot.train.loop import train
from fleetfoot.train.planning.make_plan import make_plan

EXPECTED = Path(__file__).with_suffix(".json")
SEEDS, TEST_IMAGES, TOLERANCE = (0, 1, 2), 2000, 2.0
DIGITS = tuple("0123456789")
NAME = "small_forms"


def opened(form: Form, folder: Path, *, test_images: int) -> Data:
    """Return the images of a form; those of the test split stand for validation."""
    train_split = images_of(form.data, folder, "train", form.images)
    test_split = images_of(form.data, folder, "test", test_images)
    return Data(
        spec=form.data,
        name=form.data,
        classes=DIGITS,
        train=train_split,
        val=test_split,
        test=None,
        held_out=False,
    )


def trained(name: str, form: Form, data: Data, *, seed: int) -> dict[str, float]:
    """Return accuracy (percent) and processor seconds of one training."""
    recipe = small(PUBLISHED[name], form).with_changes(seed=seed, evaluate_every=form.epochs)
    spec = RunSpec(data=form.data, net=form.net, size=form.size, recipe=recipe)
    preprocess = preprocess_for(spec, data)
    net = build(spec, data, preprocess)
    start = time.process_time()
    with tempfile.TemporaryDirectory() as folder:
        words: dict[str, Any] = {"preprocess": preprocess, "folder": Path(folder)}
        words["step"] = step_of(recipe)
        plan = make_plan(net, data, recipe, threads=1, **words)
        result = train(net, data, recipe, plan=plan, progress=Silent(), **words)
    return {"top1": 100 * result.val_top1, "seconds": time.process_time() - start}


def measured(name: str, data_folder: Path, *, seeds: tuple[int, ...]) -> dict[str, Any]:
    """Return the row of one form: what was expected, what came, and whether that is near."""
    form, known = FORMS[name], json.loads(EXPECTED.read_text())["forms"].get(name, {})
    data = opened(form, data_folder, test_images=TEST_IMAGES)
    runs = [trained(name, form, data, seed=seed) for seed in seeds]
    top1 = [round(run["top1"], 2) for run in runs]
    mean = statistics.mean(top1)
    row = {
        "net": form.net,
        "data": form.data,
        "top1": top1,
        "mean": round(mean, 2),
        "core_minutes": round(sum(run["seconds"] for run in runs) / 60, 2),
        **known,
    }
    if known:
        row["near"] = abs(mean - known["expected"]) <= TOLERANCE
        row["above_baseline"] = mean > known["baseline"]
    return row


def stored() -> dict[str, Any]:
    """Return the rows that an earlier run wrote."""
    path = RESULTS / f"{NAME}.json"
    return json.loads(path.read_text())["figures"]["forms"] if path.is_file() else {}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", choices=sorted(FORMS), default=sorted(FORMS))
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--pilot", type=int, help="one run with this seed; writes nothing")
    words = parser.parse_args()
    torch.set_num_threads(1)
    for name in words.only:
        started = provenance()
        seeds = SEEDS if words.pilot is None else (words.pilot,)
        row = measured(name, words.data, seeds=seeds)
        print(f"{name}: {json.dumps(row)}", flush=True)
        if words.pilot is None:
            rows = dict(sorted((stored() | {name: row}).items()))
            minutes = round(sum(row["core_minutes"] for row in rows.values()), 1)
            figures = {"tolerance": TOLERANCE, "core_minutes": minutes, "forms": rows}
            write_result(NAME, __doc__.splitlines()[0], figures, started=started)
            print(f"{len(rows)} of {len(FORMS)} forms, {minutes} core-minutes in all", flush=True)


if __name__ == "__main__":
    main()
