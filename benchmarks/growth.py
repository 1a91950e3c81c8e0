"""Time and memory of commands on sets that grow: damaged, one camera, classes, large pictures.

    python benchmarks/growth.py [damaged camera classes large] [--out DIR]

Every set is made here, from seed 0. Memory is the largest sum over the command and its children of
what each holds for itself (Linux: proportional set size), looked at twenty times a second.
"""

import argparse
import io
import json
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from PIL import Image
from record import RESULTS, write_result

from fleetfoot.measure.provenance import provenance

FLEETFOOT = (sys.executable, "-m", "fleetfoot")
QUICK = ("--net", "fleetnet_small", "--epochs", "1")
LOOK_SECONDS = 0.05


def run(*words: str | Path, folder: Path) -> dict[str, Any]:
    """Run one command; return seconds, peak memory, exit code and the bytes that it printed."""
    start = time.perf_counter()
    with (folder / "out.json").open("wb") as out, (folder / "err.txt").open("wb") as err:
        process = subprocess.Popen([*FLEETFOOT, *map(str, words), "--json"], stdout=out, stderr=err)
        peak = peak_bytes(process)
    text = (folder / "out.json").read_text()
    lines = (folder / "err.txt").read_text().strip().splitlines()
    found = {
        "command": " ".join(Path(str(word)).name for word in words),
        "exit_code": process.returncode,
        "seconds": round(time.perf_counter() - start, 1),
        "peak_bytes": peak,
        "printed_bytes": len(text),
        "last_line": lines[-1][:300] if lines else "",
    }
    print(found, flush=True)
    return found


def peak_bytes(process: subprocess.Popen[bytes]) -> int:
    """Wait for a process; return the largest memory of it and its children."""
    peak, done = 0, threading.Event()
    root = psutil.Process(process.pid)

    def look() -> None:
        nonlocal peak
        while not done.wait(LOOK_SECONDS):
            peak = max(peak, tree_bytes(root))

    watcher = threading.Thread(target=look)
    watcher.start()
    process.wait()
    done.set()
    watcher.join()
    return peak


def tree_bytes(root: psutil.Process) -> int:
    total = 0
    try:
        family = [root, *root.children(recursive=True)]
    except psutil.Error:
        return 0
    for member in family:
        try:
            total += member.memory_full_info().pss
        except psutil.Error:
            continue
    return total


def damaged(scratch: Path) -> dict[str, Any]:
    """20,002 small pictures of two classes, one of which is no picture."""
    root, draw = scratch / "damaged", np.random.default_rng(0)
    for index in range(20_001):
        pixels = draw.integers(0, 256, (8, 8, 3), dtype=np.uint8)
        save(Image.fromarray(pixels).resize((32, 32)), root / "ab"[index % 2] / f"{index}.jpg")
    (root / "a" / "broken.jpg").write_bytes(b"\xff\xd8\xff no picture")
    runs = scratch / "damaged_run"
    return {
        "refused": run("fit", root, *QUICK, "--out", runs, folder=scratch),
        "fit": run("fit", root, *QUICK, "--skip-damaged", "--out", runs, folder=scratch),
        "evaluate": run("evaluate", runs, root, "--skip-damaged", folder=scratch),
    }


def camera(scratch: Path) -> dict[str, Any]:
    """Frames of a camera that does not move: one scene, a little noise, two classes."""
    found = {}
    for frames in (1000, 2000, 4000):
        root, draw = scratch / f"camera{frames}", np.random.default_rng(0)
        scene = draw.integers(0, 226, (12, 16, 3), dtype=np.uint8)
        large = np.asarray(Image.fromarray(scene).resize((160, 120), Image.Resampling.BICUBIC))
        for index in range(frames):
            noise = draw.integers(0, 30, large.shape, dtype=np.uint8)
            noise[40:60, 40:60] += 50 * (index % 2)
            pixels = np.clip(large.astype(int) + noise, 0, 255).astype(np.uint8)
            save(Image.fromarray(pixels), root / ("open", "shut")[index % 2] / f"{index:05}.jpg")
        found[str(frames)] = {
            "audit": run("audit", root, folder=scratch),
            "fit": run("fit", root, *QUICK, "--out", scratch / f"c{frames}", folder=scratch),
        }
    return found


def classes(scratch: Path) -> dict[str, Any]:
    """Sets of many classes, five small pictures each."""
    found = {}
    for count in (1250, 2500, 5000):
        root, draw = scratch / f"classes{count}", np.random.default_rng(0)
        for index in range(5 * count):
            pixels = draw.integers(0, 256, (8, 8, 3), dtype=np.uint8)
            path = root / f"class{index // 5:05}" / f"{index}.png"
            save(Image.fromarray(pixels).resize((32, 32)), path)
        runs = scratch / f"classes{count}_run"
        found[str(count)] = {
            "fit": run("fit", root, *QUICK, "--out", runs, folder=scratch),
            "evaluate": run("evaluate", runs, root, folder=scratch),
            "file_bytes": {
                path.name: path.stat().st_size for path in sorted(runs.glob("*")) if path.is_file()
            },
        }
    return found


def large(scratch: Path) -> dict[str, Any]:
    """64 pictures of 48 megapixels, evaluated and predicted by a network of 32 pixels."""
    root, draw = scratch / "large", np.random.default_rng(0)
    for index in range(64):
        pixels = draw.integers(0, 256, (60, 80, 3), dtype=np.uint8)
        picture = Image.fromarray(pixels).resize((8000, 6000))
        save(picture, root / "ab"[index % 2] / f"{index}.jpg")
    small = scratch / "small"
    for path in sorted(root.rglob("*.jpg")):
        picture = Image.open(path)
        picture.draft("RGB", (500, 375))
        save(picture, small / path.relative_to(root))
    runs = scratch / "large_run"
    return {
        "fit_on_small_ones": run("fit", small, *QUICK, "--out", runs, folder=scratch),
        "evaluate": run("evaluate", runs, root, folder=scratch),
        "predict": run("predict", runs, root, folder=scratch),
        "fit": run("fit", root, *QUICK, "--out", scratch / "large_fit", folder=scratch),
    }


def save(picture: Image.Image, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    file = io.BytesIO()
    picture.save(file, "PNG" if path.suffix == ".png" else "JPEG")
    path.write_bytes(file.getvalue())


CASES: dict[str, Callable[[Path], dict[str, Any]]] = {
    case.__name__: case for case in (damaged, camera, classes, large)
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("cases", nargs="*", default=list(CASES))
    parser.add_argument("--out", type=Path, default=RESULTS)
    words, started = parser.parse_args(), provenance()
    stored = words.out / "growth.json"
    figures = json.loads(stored.read_text())["figures"] if stored.exists() else {}
    for name in words.cases:
        with tempfile.TemporaryDirectory(prefix="fleetfoot-growth-") as scratch:
            figures[name] = CASES[name](Path(scratch))
    write_result("growth", __doc__.splitlines()[0], figures, started=started, folder=words.out)


if __name__ == "__main__":
    main()
