"""Reading weight files as tables of tensors; no file can run code here.

safetensors, or torch files with ``weights_only=True``.
"""

import pickle
import warnings
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file
from torch import Tensor

from fleetfoot.core.errors import DataError
from fleetfoot.core.files import read_json

WRAPPERS = ("state_dict_ema", "state_dict", "model")
UNKNOWN = "unknown"
TORCH_FILES = (b"PK", b"\x80")  # how an archive and a bare pickle begin


def read_tensors(path: Path) -> dict[str, Tensor]:
    """Return the tensors of a weight file, or of a portable folder, by name, on the CPU.

    Raises:
        DataError: missing, damaged, or a file that holds something other than tensors.
    """
    if path.is_dir():
        path = path / "model.safetensors"
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        with warnings.catch_warnings(action="ignore"):  # what matters comes as an error too
            content = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise DataError(f"{path}: there is no such weight file{_hint(path)}") from None
    except Exception as error:  # a damaged file raises whatever its parser meets first
        raise DataError(f"{path}: is no readable weight file ({_reason(path, error)})") from error
    for word in WRAPPERS:
        if isinstance(content, dict) and isinstance(content.get(word), dict):
            content = content[word]
            break
    if not isinstance(content, dict) or not content:
        raise DataError(f"{path}: holds no table of tensors")
    return {str(k).removeprefix("module."): v for k, v in content.items() if isinstance(v, Tensor)}


def licence_of(path: Path) -> str:
    """Return the licence that a file or portable folder carries with it, "unknown" without one.

    A portable folder has it in config.json, a safetensors file in its metadata.
    """
    try:
        if path.is_dir():
            facts = read_json(path / "config.json", what="weight folder").get("info")
        elif path.suffix == ".safetensors":
            with safe_open(path, framework="pt") as file:
                facts = file.metadata()
        else:
            facts = None
    except (DataError, SafetensorError, OSError):  # reading the tensors says what is wrong
        facts = None
    facts = facts if isinstance(facts, dict) else {}
    return str(facts.get("licence") or facts.get("license") or UNKNOWN)


def _reason(path: Path, error: Exception) -> str:
    """Return one plain line on why a file was not read; torch's own refusal is a page of advice."""
    read_by_torch = path.suffix != ".safetensors" and not isinstance(error, OSError)
    if read_by_torch and not _start(path).startswith(TORCH_FILES):
        return "neither a torch file nor safetensors"
    if isinstance(error, pickle.UnpicklingError):
        return "holds code or objects other than tensors; it was not run"
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return "".join(c for c in lines[0] if c.isprintable())[:120]


def _start(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(2)


def _hint(path: Path) -> str:
    """Return what a name of two parts may have meant."""
    looks_like_hub = len(path.parts) == 2 and path.suffix not in (".safetensors", ".pth", ".pt")
    return f"; a repository of the Hub is written hf-hub:{path}" if looks_like_hub else ""
