"""The main job as a user runs it: whole commands, timed from outside, one result file each.

Run one, some or all of them on an otherwise idle machine, from the root of a checkout:

    python benchmarks/main_job.py --data DATA digits photos cifar10 budget budget_scratch

DATA is a folder with `photos/`, `cifar10/` and `imagenet_sample/`. Each figure is the JSON that the
command prints, plus the wall time of the whole process; results go to
`benchmarks/results/NAME.json`.
"""

import argparse
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from record import write_result

from fleetfoot.core.machine_lock import measuring
from fleetfoot.measure.provenance import provenance

PRECISIONS = ("float32", "bfloat16", "float16", "int8")
FLEETFOOT = (sys.executable, "-m", "fleetfoot")


@measuring()
def run(*words: str | Path) -> dict[str, Any]:
    """Run one command with --json; return what it printed with `wall_seconds` and `exit_code`."""
    command = [*FLEETFOOT, *map(str, words), "--json"]
    start = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    wall = time.perf_counter() - start
    try:
        printed = json.loads(done.stdout)
    except ValueError:
        raise SystemExit(f"{' '.join(command)}: {done.stdout}\n{done.stderr}") from None
    return {**printed, "wall_seconds": round(wall, 3), "exit_code": done.returncode}


@measuring()
def wall_seconds(*words: str | Path, repeats: int = 5) -> list[float]:
    """Return the wall times of whole processes, after one to warm the file cache."""
    seconds: list[float] = []
    for _ in range(repeats + 1):
        start = time.perf_counter()
        subprocess.run([*FLEETFOOT, *map(str, words)], capture_output=True, check=True)
        seconds.append(round(time.perf_counter() - start, 4))
    return seconds[1:]


def digits(_data: Path, scratch: Path) -> dict[str, Any]:
    """`fit digits --minutes 1`: at least 98 % validation top-1 within 2 minutes of wall time."""
    return run("fit", "digits", "--minutes", "1", "--out", scratch / "digits")


def run_seeds(*words: str | Path, out: Path) -> list[dict[str, Any]]:
    """Run a `fit` with seeds 0 to 2, each into a folder of its own: ``out`` and the seed."""
    return [
        run(*words, "--seed", str(seed), "--out", out.with_name(f"{out.name}{seed}"))
        for seed in range(3)
    ]


def photos(data: Path, scratch: Path) -> dict[str, Any]:
    """Fine-tune Lite0 on 290 photographs, seeds 0 to 2, 2 minutes each; then predict five."""
    words = ("fit", data / "photos", "--net", "tf_efficientnet_lite0", "--minutes", "2")
    runs = run_seeds(*words, out=scratch / "photos")
    five = sorted((data / "photos" / "val").rglob("*.jpg"))[::20][:5]
    return {
        "runs": runs,
        "val_top1_mean": statistics.mean(r["val_top1"] for r in runs),
        "val_top1_min": min(r["val_top1"] for r in runs),
        "predict_five_wall_seconds": wall_seconds("predict", scratch / "photos0", *five),
        "predict_one_wall_seconds": wall_seconds("predict", scratch / "photos0", five[0]),
    }


def cifar10(data: Path, scratch: Path) -> dict[str, Any]:
    """CIFAR-10 from scratch in ten minutes, seeds 0 to 2; each reads its test images once."""
    words = ("fit", f"cifar10:{data / 'cifar10'}", "--minutes", "10")
    runs = run_seeds(*words, out=scratch / "cifar")
    return {
        "runs": runs,
        "test_top1_mean": statistics.mean(r["test_top1"] for r in runs),
        "test_top1_min": min(r["test_top1"] for r in runs),
    }


BUDGET_WORDS = ("--threads", "1", "--minutes", "2")


def budget(data: Path, scratch: Path) -> dict[str, Any]:
    """A budget of 5 ms with pretrained weights, and one that nothing can meet."""
    words = ("fit", data / "photos", *BUDGET_WORDS)
    return {
        "with_weights": run(*words, "--budget", "5ms", "--out", scratch / "with"),
        "impossible": run(*words, "--budget", "0.01ms", "--out", scratch / "impossible"),
    }


def budget_scratch(data: Path, scratch: Path) -> dict[str, Any]:
    """A budget of 5 ms without pretrained weights."""
    words = ("fit", data / "photos", *BUDGET_WORDS, "--weights", "none")
    return run(*words, "--budget", "5ms", "--out", scratch / "without")


def lite0(data: Path, scratch: Path) -> dict[str, Any]:
    """Deploy the pretrained Lite0 and evaluate both forms on the 500 sample photographs."""
    manifest = data / "imagenet_sample" / "manifest.csv"
    words = ("deploy", "tf_efficientnet_lite0", "--weights", "auto", "--calibrate", manifest)
    tuned = run(*words, "--out", scratch / "lite0")
    float32 = run(*words, "--precision", "float32", "--out", scratch / "lite0_float32")
    return {
        "deploy": tuned,
        "deploy_float32": float32,
        "tuned": _without_classes(run("evaluate", scratch / "lite0", manifest)),
        "float32": _without_classes(run("evaluate", scratch / "lite0_float32", manifest)),
    }


def tuned(_data: Path, _scratch: Path) -> dict[str, Any]:
    """FasterNet-T0, one thread, batch 1: the tuned form against the eager form, same run."""
    measured = run("measure", "fasternet_t0", "--engine", "eager,best", "--threads", "1")
    eager, best = (
        next(
            cell
            for cell in measured["cells"]
            if cell["form"] == form and cell["precision"] in precisions and cell["error"] is None
        )
        for form, precisions in (("eager", ("float32",)), ("tuned", PRECISIONS))
    )
    times = {"eager_ms_p50": eager["latency_ms_p50"], "tuned_ms_p50": best["latency_ms_p50"]}
    return {**measured, **times, "speed_up": times["eager_ms_p50"] / times["tuned_ms_p50"]}


def startup(_data: Path, _scratch: Path) -> dict[str, Any]:
    """Whole processes that have to feel instant."""
    return {"help_wall_seconds": wall_seconds("--help", repeats=10)}


JOBS: dict[str, Callable[[Path, Path], dict[str, Any]]] = {
    job.__name__: job
    for job in (digits, photos, cifar10, budget, budget_scratch, lite0, tuned, startup)
}


def _without_classes(record: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in record.items() if key != "per_class"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("jobs", nargs="*", choices=[*JOBS, []], default=list(JOBS))
    parser.add_argument("--keep", type=Path, help="keep the run folders here")
    words = parser.parse_args()
    for name in words.jobs:
        scratch = Path(tempfile.mkdtemp(prefix=f"fleetfoot-{name}-"))
        started, start = provenance(), time.perf_counter()
        figures = JOBS[name](words.data.resolve(), scratch)
        write_result(name, JOBS[name].__doc__ or "", figures, started=started)
        print(f"{name}: {time.perf_counter() - start:.0f} s")
        if words.keep:
            shutil.copytree(scratch, words.keep / name, dirs_exist_ok=True)
        shutil.rmtree(scratch)


if __name__ == "__main__":
    main()
