"""What importing costs: nothing heavy before it is needed."""

import os
import subprocess
import sys

import pytest

import fleetfoot

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


def test_an_unknown_name() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'fitt'"):
        fleetfoot.fitt  # noqa: B018
