from pathlib import Path

import pytest

from fleetfoot.core.errors import MissingError
from fleetfoot.deploy import measure_deployed as module
from fleetfoot.deploy.measure_deployed import (
    Sized,
    likely_precision,
    measure_deployed,
)


def test_sizes_of_one_network_are_exported_once(subject, instant, monkeypatch):
    exported: list[Path] = []
    real = module.export_onnx

    def counted(net, path, **fields):
        exported.append(path)
        return real(net, path, **fields)

    monkeypatch.setattr(module, "export_onnx", counted)
    timings = measure_deployed(
        [Sized(f"{side}", subject.net, (3, side, side)) for side in (64, 32, 96, 50)],
        schedule=instant,
    )
    assert list(timings) == ["64", "32", "96", "50"]
    assert all(timing.error is None for timing in timings.values())
    assert len(exported) == 2  # 64 for three of them, 50 for itself


def test_a_network_that_cannot_be_exported_gets_an_error(subject, instant):
    timings = measure_deployed(
        [Sized("four", subject.net, (4, 32, 32)), Sized("three", subject.net, (3, 32, 32))],
        engine="onnxruntime",
        schedule=instant,
    )
    assert "cannot be exported" in timings["four"].error
    assert timings["three"].latency is not None


def test_the_likely_precision_is_one_the_engine_has():
    assert likely_precision("onnxruntime") == "float32"


def test_without_engines_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "installed_engines", lambda: ())
    with pytest.raises(MissingError, match="pip install"):
        measure_deployed([])
