"""Saved states: whole or absent, exact to the bit, and free of code.

``state/step-N/`` holds `tensors.safetensors` and `state.json`; ``state/latest`` names the newest
whole one and is renamed into place last. The last two are kept. A folder that a kill left half
written has a temporary name and is ignored.

Exact    strides are kept too: a channels-last tensor that came back in another memory format
         would send the convolution to another kernel, with other bits
"""

import random
import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from fleetfoot.core.errors import DataError
from fleetfoot.core.files import new_folder, read_json, system_error, write_json, write_text

FORMAT = 1
KEPT = 2


@dataclass(frozen=True)
class SavedState:
    """Everything that a resumed run needs: tensors by name, and plain JSON values."""

    step: int
    tensors: dict[str, Tensor]
    scalars: dict[str, Any]


def save_state(folder: Path, state: SavedState) -> None:
    """Save a state below ``folder`` (the run's ``state/``) and forget all but the last two.

    Raises:
        OSError: the disk is full, or similar; the states saved before are untouched.
    """
    path = folder / f"step-{state.step}"
    try:
        with new_folder(path) as new:
            dense = {name: _dense(tensor) for name, tensor in state.tensors.items()}
            save_file(dense, new / "tensors.safetensors")
            strides = {name: list(tensor.stride()) for name, tensor in state.tensors.items()}
            write_json(
                new / "state.json",
                {
                    "schema": "fleetfoot.state/1",
                    "format": FORMAT,
                    "step": state.step,
                    "scalars": state.scalars,
                    "strides": strides,
                },
            )
    except SafetensorError as error:
        raise system_error(error) from error
    write_text(folder / "latest", path.name + "\n")
    _forget(folder, keep=path.name)


def load_latest(folder: Path) -> SavedState | None:
    """Return the newest whole state below ``folder``, or None if there is none.

    Raises:
        DataError: states are there, but none can be read.
    """
    names = _names(folder)
    latest = folder / "latest"
    if latest.exists():  # a newer folder without the rename of `latest` is whole, but not announced
        named = latest.read_text(encoding="utf-8").strip()
        names = [name for name in names if _step(name) <= _step(named)]
    problem: DataError | None = None
    for name in reversed(names):
        try:
            return _read(folder / name)
        except DataError as error:
            problem = problem or error
    if problem is not None:
        raise problem
    return None


def forget_states(folder: Path) -> None:
    """Remove every state below ``folder``, as a run that starts again does."""
    (folder / "latest").unlink(missing_ok=True)
    for name in _names(folder):
        shutil.rmtree(folder / name, ignore_errors=True)


def random_states() -> dict[str, Any]:
    """Return the states of the global generators of Python and NumPy as JSON values."""
    version, numbers, gauss = random.getstate()
    kind, keys, position, has_gauss, cached = np.random.get_state(legacy=True)  # noqa: NPY002
    return {
        "python": [version, list(numbers), gauss],
        "numpy": [kind, np.asarray(keys).tolist(), position, has_gauss, cached],
    }


def random_tensors() -> dict[str, Tensor]:
    """Return the states of torch's global generators: the CPU and every CUDA device in use."""
    states = {"random.cpu": torch.get_rng_state()}
    if torch.cuda.is_available() and torch.cuda.is_initialized():
        states |= {f"random.cuda.{i}": s for i, s in enumerate(torch.cuda.get_rng_state_all())}
    return states


def restore_random(scalars: dict[str, Any], tensors: dict[str, Tensor]) -> None:
    """Put back what `random_states` and `random_tensors` returned."""
    version, numbers, gauss = scalars["python"]
    random.setstate((version, tuple(numbers), gauss))
    kind, keys, *rest = scalars["numpy"]
    np.random.set_state((kind, np.array(keys, dtype=np.uint32), *rest))  # noqa: NPY002
    torch.set_rng_state(tensors["random.cpu"])
    for name, state in tensors.items():
        if name.startswith("random.cuda.") and torch.cuda.is_available():
            torch.cuda.set_rng_state(state, int(name.rsplit(".", 1)[1]))


def _dense(tensor: Tensor) -> Tensor:
    """The tensor's numbers in a contiguous CPU tensor that shares memory with nothing."""
    return tensor.detach().to("cpu", copy=True, memory_format=torch.contiguous_format)


def _read(path: Path) -> SavedState:
    record = read_json(path / "state.json", what="state")
    if record.get("format") != FORMAT:
        raise DataError(f"{path}: has format {record.get('format')!r}, this version reads {FORMAT}")
    try:
        dense = load_file(path / "tensors.safetensors")
    except (OSError, SafetensorError) as error:
        raise DataError(f"{path}: the state is damaged ({error})") from error
    try:
        tensors = {
            name: torch.empty_strided(dense[name].shape, stride, dtype=dense[name].dtype).copy_(
                dense[name]
            )
            for name, stride in record["strides"].items()
        }
        return SavedState(step=record["step"], tensors=tensors, scalars=record["scalars"])
    except (KeyError, TypeError) as error:
        raise DataError(f"{path}: the state is damaged (no {error})") from error


def _step(name: str) -> int:
    found = re.fullmatch(r"step-(\d+)", name)
    return int(found[1]) if found else -1


def _names(folder: Path) -> list[str]:
    if not folder.is_dir():
        return []
    names = [path.name for path in folder.iterdir() if _step(path.name) >= 0]
    return sorted(names, key=_step)


def _forget(folder: Path, *, keep: str) -> None:
    """Remove all but the last `KEPT` states up to ``keep``, and the remains of kills."""
    names = _names(folder)
    past = names[: names.index(keep) + 1]
    for name in set(names) - set(past[-KEPT:]):
        doomed = folder / f".{name}.old"
        shutil.rmtree(doomed, ignore_errors=True)
        (folder / name).rename(doomed)
    for path in folder.iterdir():
        if path.name.startswith(".") and path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
