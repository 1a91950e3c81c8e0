from pathlib import Path
from typing import Any

import pytest

from fleetfoot.core.errors import UsageError
from fleetfoot.jobs.requests import (
    ClaimsRequest,
    DeployRequest,
    EvaluateRequest,
    FitRequest,
    MeasureRequest,
)


def test_what_differs_from_the_default_was_given():
    request = FitRequest(seed=0, weights="auto", methods=(), settings={}, skip_damaged=True)
    assert request.given() == {"seed": 0, "weights": "auto", "skip_damaged": True}


def test_a_mapping_of_settings_keeps_its_values():
    assert FitRequest(settings={"lr": 0.1}).changes == {"lr": 0.1}
    assert FitRequest(settings=("lr=0.1",)).changes == {"lr": "0.1"}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ({"threads": 0}, "--threads 0: must be at least 1"),
        ({"size": 7}, "--size 7: must be at least 8"),
        ({"max_drop": 1.0}, "--max-drop 1: must be a share of the images"),
        ({"budget": "soon"}, "is not a time"),
        ({"budget": 0}, "is not a time"),
        ({"resume": Path("run"), "device": "cpu"}, "--resume takes everything"),
        ({"resume": Path("run"), "settings": ("lr=1",)}, "--resume takes everything"),
    ],
)
def test_a_request_refuses_what_cannot_be(words: dict[str, Any], message: str):
    with pytest.raises(UsageError, match=message):
        FitRequest(**words)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ({"engine": "tensorrt,tvm"}, "--engine tensorrt: is not one of"),
        ({"precision": "int4"}, "--precision int4: is not one of"),
        ({"layout": "nchw,chwn"}, "--layout chwn"),
        ({"device": "tpu"}, "--device tpu"),
        ({"threads": "0"}, "--threads 0"),
        ({"samples": 0}, "--samples 0"),
    ],
)
def test_a_request_to_measure_refuses_what_cannot_be(words: dict[str, Any], message: str):
    with pytest.raises(UsageError, match=message):
        MeasureRequest(**words)


@pytest.mark.parametrize(
    "words",
    [{"engine": "packed", "precision": "int8"}, {"engine": "openvino", "precision": "w1a1"}],
)
def test_bits_belong_to_their_engine(words: dict[str, Any]):
    with pytest.raises(UsageError, match="packed computes in w1a1, and no other engine does"):
        DeployRequest(run="x", **words)
    with pytest.raises(UsageError, match="packed computes in w1a1, and no other engine does"):
        MeasureRequest(nets=("x",), **words)
    assert DeployRequest(run="x", engine="packed").precisions[-1] == "w1a1"


def test_what_a_request_to_measure_stands_for():
    request = MeasureRequest(engine="eager,tensorrt", threads="1,2", batch=4, size="96, 128")
    assert request.engines == ("eager", "tensorrt")  # the second is to be a row that says so
    assert (request.thread_counts, request.batches, request.sizes) == ((1, 2), (4,), (96, 128))
    assert (request.layouts, MeasureRequest().thread_counts) == (None, ())


@pytest.mark.parametrize("kind", [FitRequest, MeasureRequest, DeployRequest, ClaimsRequest])
def test_a_home_is_spelled_out_in_every_path(kind: Any, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("HOME", "/home/somebody")
    more: dict[str, Any] = {"word": "list"} if kind is ClaimsRequest else {}
    assert kind(out=Path("~/out"), **more).out == Path("/home/somebody/out")
    assert FitRequest(config=Path("~/config.toml")).config == Path("/home/somebody/config.toml")
    for weights, known in (("~/own.pt", "/home/somebody/own.pt"), ("./auto", "./auto")):
        assert EvaluateRequest(weights=weights).weights == known
        assert DeployRequest(weights=weights).weights == known


def test_eager_has_one_precision():
    EvaluateRequest(engine="eager", precision="float32")
    with pytest.raises(UsageError, match="--precision bfloat16: --engine eager computes in fl"):
        EvaluateRequest(engine="eager", precision="bfloat16")
