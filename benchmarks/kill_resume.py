"""Kill a run with -9 at random moments and resume it each time: the end must be bit-identical.

    python benchmarks/kill_resume.py --kills 20

One run of a minute or more with `--epochs` and a state every 10 steps goes undisturbed; a second
begins with the same plan, is killed and resumed, and both are compared by sha256 of weights, EMA
and metrics (times left out).
"""

import argparse
import hashlib
import json
import random
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from record import write_result

from fleetfoot.measure.provenance import provenance

COMMAND = (sys.executable, "-m", "fleetfoot", "fit")
SETTINGS = ("--set", "state_every=10", "--set", "batch=64")
TIMES = ("seconds", "images_per_second")


def fingerprint(run: Path) -> dict[str, str]:
    """Return hashes of what a run ends with."""
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    kept = [{k: v for k, v in line.items() if k not in TIMES} for line in lines]
    state = run / "state" / (run / "state" / "latest").read_text().strip()
    return {
        "weights": _sha256((run / "weights" / "model.safetensors").read_bytes()),
        "state_with_ema": _sha256((state / "tensors.safetensors").read_bytes()),
        "metrics": _sha256(json.dumps(kept).encode()),
    }


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def copy_of_start(whole: Path, run: Path) -> None:
    """Make a run folder that stands where ``whole`` stood just before step 1."""
    run.mkdir()
    for name in ("run.json", "config.toml", "data.json", "plan.json"):
        shutil.copy2(whole / name, run / name)


def killed(run: Path, *, after_seconds: float) -> bool:
    """Resume a run and kill it after some time of training; return whether it was still going."""
    metrics = run / "metrics.jsonl"
    before = metrics.stat().st_mtime_ns if metrics.exists() else 0
    process = subprocess.Popen(
        [*COMMAND, "--resume", str(run)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    while process.poll() is None:
        if metrics.exists() and metrics.stat().st_mtime_ns != before:
            break
        time.sleep(0.01)
    time.sleep(after_seconds)
    going = process.poll() is None
    process.kill()
    process.wait()
    return going


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--epochs", type=int, default=40)
    words = parser.parse_args()
    started = provenance()
    scratch = Path(tempfile.mkdtemp(prefix="fleetfoot-kill-"))
    whole, run = scratch / "whole", scratch / "killed"
    fit = [*COMMAND, "digits", "--epochs", str(words.epochs), *SETTINGS, "--out", str(whole)]
    subprocess.run([*fit, "--quiet"], check=True, stdout=subprocess.DEVNULL)
    plan = json.loads((whole / "plan.json").read_text())
    lines = [json.loads(line) for line in (whole / "metrics.jsonl").read_text().splitlines()]
    undisturbed = next(line["seconds"] for line in reversed(lines) if "seconds" in line)
    copy_of_start(whole, run)
    draw = random.Random(0)
    share = undisturbed / (words.kills + 1)
    moments: list[float] = []
    steps: list[Any] = []
    while len(moments) < words.kills:
        moment = draw.uniform(0.0, 2 * share)
        if not killed(run, after_seconds=moment):
            break
        moments.append(round(moment, 3))
        last = [line for line in (run / "metrics.jsonl").read_text().splitlines() if line][-1:]
        steps.append(json.loads(last[0])["step"] if last and last[0].endswith("}") else None)
        print(f"kill {len(moments)} after {moment:.2f} s, at step {steps[-1]}", flush=True)
    subprocess.run(
        [*COMMAND, "--resume", str(run), "--quiet"], check=True, stdout=subprocess.DEVNULL
    )
    expected, found = fingerprint(whole), fingerprint(run)
    figures = {
        "kills": len(moments),
        "seconds_after_resuming": moments,
        "last_step_written": steps,
        "total_steps": plan["total_steps"],
        "loop_seconds_undisturbed": undisturbed,
        "precision": plan["precision"],
        "layout": plan["layout"],
        "undisturbed": expected,
        "killed_and_resumed": found,
        "identical": expected == found,
    }
    write_result("kill_resume", __doc__.splitlines()[0], figures, started=started)
    print(f"{len(moments)} kills, identical: {expected == found}")
    shutil.rmtree(scratch)
    raise SystemExit(0 if expected == found and len(moments) == words.kills else 1)


if __name__ == "__main__":
    main()
