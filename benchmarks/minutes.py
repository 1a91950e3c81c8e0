"""What `fit --minutes` makes of its minutes: alone on the machine, and beside busy processes.

    python benchmarks/minutes.py PHOTOS [--minutes 2] [--beside 0 2] [--label NAME]

Each run is `fleetfoot fit PHOTOS` with published weights, in a process of its own; the code is that
of PYTHONPATH, so that a version before is measured with the same file. Beside it stand so many
processes that compute without end.
"""

import argparse
import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator
from pathlib import Path
from typing import Any

from record import RESULTS, write_result

from fleetfoot.measure.provenance import provenance


@contextlib.contextmanager
def busy(processes: int) -> Generator[None]:
    """Let processes compute without end meanwhile."""
    started = [
        subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(processes)
    ]
    try:
        yield
    finally:
        for process in started:
            process.kill()


def fit(photos: Path, minutes: float, folder: Path) -> dict[str, Any]:
    """Run `fit` and return what its files say."""
    words = ("fit", str(photos), "--net", "tf_efficientnet_lite0", "--minutes", f"{minutes:g}")
    start = time.perf_counter()
    with (folder / "talk.txt").open("w") as talk:
        subprocess.run(
            [sys.executable, "-m", "fleetfoot", *words, "--out", str(folder / "run"), "--json"],
            stdout=talk,
            stderr=talk,
            check=True,
        )
    seconds = time.perf_counter() - start
    plan = json.loads((folder / "run" / "plan.json").read_text())
    run = json.loads((folder / "run" / "run.json").read_text())
    lines = [json.loads(x) for x in (folder / "run" / "metrics.jsonl").read_text().splitlines()]
    evaluation = json.loads((folder / "run" / "evaluation.json").read_text())
    return {
        "steps": max((line["step"] for line in lines if line["kind"] == "step"), default=0),
        "planned_steps": plan["total_steps"],
        "stretched": [line["total"] for line in lines if line["kind"] == "stretch"],
        "planning_seconds": round(plan["planning_seconds"], 1),
        "planning_share": round(plan["planning_seconds"] / 60 / minutes, 3),
        "training_seconds": run["train_seconds"],
        "of_the_minutes": round(
            (plan["planning_seconds"] + run["train_seconds"]) / 60 / minutes, 3
        ),
        "command_seconds": round(seconds, 1),
        "step_ms": round(plan["step_ms"], 1),
        "way": f"{plan['precision']} {plan['layout']} {plan['kernels']}",
        "val_top1": evaluation["val"]["top1"],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("photos", type=Path)
    parser.add_argument("--minutes", type=float, default=2.0)
    parser.add_argument("--beside", type=int, nargs="+", default=[0, 2])
    parser.add_argument("--label", default="now", help="names this version in the result")
    parser.add_argument("--out", type=Path, default=RESULTS)
    words, started = parser.parse_args(), provenance()
    stored = words.out / "minutes.json"
    figures = json.loads(stored.read_text())["figures"] if stored.exists() else {}
    figures[words.label] = []
    for processes in words.beside:
        load = round(os.getloadavg()[0], 1)
        with tempfile.TemporaryDirectory(prefix="fleetfoot-minutes-") as name, busy(processes):
            found = fit(words.photos, words.minutes, Path(name))
        case = {"minutes": words.minutes, "busy_processes": processes, "load_before": load}
        figures[words.label].append(case | found)
        print(json.dumps(figures[words.label][-1]), flush=True)
        write_result("minutes", __doc__.splitlines()[0], figures, started=started, folder=words.out)


if __name__ == "__main__":
    main()
