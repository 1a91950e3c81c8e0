"""Where and with what a figure was measured: machine, versions, code, load."""

import hashlib
import os
import subprocess
import time
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import fleetfoot
from fleetfoot.measure.device import device_profile, package_versions

PACKAGES = (
    *("fleetfoot", "torch", "torchvision", "onnxruntime", "openvino", "numpy", "pillow", "timm"),
)
SOURCE = Path(fleetfoot.__file__).parent
_SOURCES = "*.py"  # of the folder in which git is asked, and below it


@dataclass(frozen=True, kw_only=True)
class Provenance:
    """Stored beside every figure; None where the system does not say.

    Attributes:
        date: UTC, to the second.
        machine: processor, cores allowed, accelerator with its driver and CUDA, system, Python.
        versions: of the packages that are installed.
        commit: of the source tree; None outside one.
        dirty: whether the package's source files differ from that commit; results beside them do
            not count.
        code_sha256: of all source files of the package.
        load_1min: load average when this record was made.
    """

    date: str
    machine: dict[str, Any]
    versions: dict[str, str]
    commit: str | None
    dirty: bool | None
    code_sha256: str
    load_1min: float | None


def utc_now() -> str:
    """Return date and time, to the second."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


def provenance(*, device: str = "cpu") -> Provenance:
    """Return the provenance of what is about to be measured on ``device``."""
    profile = device_profile()
    git = git_state()
    return Provenance(
        date=utc_now(),
        machine={
            "cpu": profile.cpu,
            "cores": profile.threads,
            "accelerator": accelerator(device),
            **_cuda(device),
            "system": profile.system,
            "python": profile.python,
            "fingerprint": profile.fingerprint,
        },
        versions=package_versions(PACKAGES),
        commit=None if git is None else git["commit"],
        dirty=None if git is None else git["dirty"],
        code_sha256=code_sha256(),
        load_1min=os.getloadavg()[0] if hasattr(os, "getloadavg") else None,
    )


def git_state() -> dict[str, Any] | None:
    """Return commit and cleanliness of the checkout this code runs from, None outside one."""
    commit = _git("rev-parse", "HEAD")
    changes = _git("status", "--porcelain", "--", _SOURCES)
    return None if commit is None else {"commit": commit, "dirty": bool(changes)}


@cache
def code_sha256(folders: tuple[str, ...] = (".",)) -> str:
    """Return one hash of all Python files of the package, or of those in some folders."""
    digest = hashlib.sha256()
    for path in sorted({file for folder in folders for file in (SOURCE / folder).rglob("*.py")}):
        digest.update(f"{path.relative_to(SOURCE).as_posix()}\0".encode() + path.read_bytes())
    return digest.hexdigest()


def accelerator(device: str) -> str | None:
    """Return the name of the CUDA device; None for another device, or where torch sees none."""
    if device != "cuda":
        return None
    import torch

    return torch.cuda.get_device_name() if torch.cuda.is_available() else None


def _cuda(device: str) -> dict[str, str | None]:
    """Return the CUDA version that torch was built for and the driver's, where they are used."""
    if accelerator(device) is None:
        return {"cuda": None, "driver": None}
    import torch

    driver = _said("nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader")
    return {"cuda": torch.version.cuda, "driver": driver.splitlines()[0] if driver else None}


def _git(*words: str) -> str | None:
    return _said("git", "-C", str(SOURCE), *words)


def _said(*command: str) -> str | None:
    """Return what a command says; None where it is missing or fails."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError:
        return None
    return done.stdout.strip() if done.returncode == 0 else None
