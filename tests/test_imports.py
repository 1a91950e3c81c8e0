"""What importing costs: nothing heavy before it is needed."""

import inspect
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import fleetfoot
from fleetfoot.jobs import from_python

PLAIN = (type(None), bool, int, str, tuple)
GOLDEN = Path(__file__).parent / "golden" / "public_names.json"

HEAVY = ("torch", "torchvision", "openvino", "onnxruntime", "onnx", "numpy", "PIL", "sklearn")
HEAVY += ("pyarrow", "matplotlib", "pydantic", "jinja2", "timm")


def heavy_after(program: str) -> list[str]:
    """Return which heavy packages a fresh process has loaded after a program."""
    listing = f"import sys; print([m for m in {HEAVY!r} if m in sys.modules], file=sys.__stderr__)"
    result = subprocess.run(
        [sys.executable, "-c", f"{program}\n{listing}"],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
        env=os.environ | {"PYTHONWARNINGS": "error"},
    )
    return list(eval(result.stderr.splitlines()[-1]))


def test_importing_the_package_imports_nothing_heavy() -> None:
    assert heavy_after("import fleetfoot; fleetfoot.__version__; dir(fleetfoot)") == []


def test_help_imports_no_torch() -> None:
    program = """
import runpy, sys
sys.argv = ["fleetfoot", "--help"]
try:
    runpy.run_module("fleetfoot", run_name="__main__")
except SystemExit as end:
    assert not end.code, end.code
"""
    assert not set(heavy_after(program)) & {"torch", "torchvision", "openvino", "onnxruntime"}


def test_names_load_on_first_use() -> None:
    assert fleetfoot.__all__ == sorted(fleetfoot.__all__)
    for name in fleetfoot.__all__:
        assert callable(getattr(fleetfoot, name))
    assert set(fleetfoot.__all__) < set(dir(fleetfoot))


def _words(function: Callable[..., Any]) -> str:
    """Return names and kinds of the parameters, with their defaults where these are plain."""
    empty = inspect.Parameter.empty
    words = [
        part.replace(
            annotation=empty,
            default=part.default if isinstance(part.default, (*PLAIN, type(empty))) else ...,
        )
        for part in inspect.signature(function).parameters.values()
    ]
    return str(inspect.Signature(words))


def test_public_names_are_those_of_the_golden_list() -> None:
    """`FLEETFOOT_ACCEPT=1 pytest tests/test_imports.py` accepts a change."""
    pytest.importorskip("torch")
    found = {
        name: getattr(from_python, name, getattr(fleetfoot, name)) for name in fleetfoot.__all__
    }
    now = {name: _words(function) for name, function in found.items()}
    if os.environ.get("FLEETFOOT_ACCEPT") == "1":
        GOLDEN.write_text(json.dumps(now, indent=1) + "\n")
    assert now == json.loads(GOLDEN.read_text())


def test_a_verb_is_one_whatever_was_imported_before() -> None:
    program = "import fleetfoot.deploy.names, fleetfoot; assert callable(fleetfoot.deploy)"
    assert heavy_after(f"{program}; assert fleetfoot.deploy.names.ENGINES") == []


def test_the_package_says_that_it_is_typed() -> None:
    assert (Path(fleetfoot.__file__).parent / "py.typed").is_file()


def test_an_unknown_name() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'fitt'"):
        fleetfoot.fitt  # noqa: B018
