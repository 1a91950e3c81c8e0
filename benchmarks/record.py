"""How a benchmark result is written: with the machine, the versions and the code measured."""

import importlib.metadata
import json
import os
import platform
import subprocess
import time
from pathlib import Path
from typing import Any

SCHEMA = "fleetfoot.benchmark/1"
RESULTS = Path(__file__).parent / "results"
PACKAGES = ("fleetfoot", "torch", "torchvision", "onnxruntime", "openvino", "numpy", "pillow")


def write_result(name: str, what: str, figures: dict[str, Any]) -> None:
    """Write ``results/NAME.json``; local folders are cut from paths in ``figures``."""
    result = {
        "schema": SCHEMA,
        "name": name,
        "what": " ".join(what.split()),
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
        "commit": _git("rev-parse", "HEAD"),
        "dirty": bool(_git("status", "--porcelain", "--", "src")),
        "machine": {
            "cpu": _cpu(),
            "cores": len(os.sched_getaffinity(0)),
            "system": f"{platform.system()} {platform.machine()}",
            "python": platform.python_version(),
            "load_average": [round(load, 2) for load in os.getloadavg()],
        },
        "versions": {package: importlib.metadata.version(package) for package in PACKAGES},
        "figures": _without_folders(figures),
    }
    RESULTS.mkdir(exist_ok=True)
    text = json.dumps(result, indent=1, ensure_ascii=False) + "\n"
    (RESULTS / f"{name}.json").write_text(text, encoding="utf-8")


def _without_folders(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_folders(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_without_folders(item) for item in value]
    if isinstance(value, str) and value.startswith("/"):
        return Path(value).name
    return value


def _git(*words: str) -> str:
    done = subprocess.run(["git", *words], capture_output=True, text=True, check=False)
    return done.stdout.strip()


def _cpu() -> str:
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.processor()
