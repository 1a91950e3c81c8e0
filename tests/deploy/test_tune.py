import dataclasses

import pytest

from fleetfoot.core.errors import GateError
from fleetfoot.deploy.cells import CellTiming
from fleetfoot.deploy.gate import Parity
from fleetfoot.deploy.tune import Candidate, choose, list_candidates, timed
from fleetfoot.measure.latency import summarise


def parity(difference: float) -> Parity:
    return Parity(
        images=10,
        correct_reference=9,
        correct=9,
        net_lost=0,
        top1_agreement=1.0,
        max_logit_difference=difference,
        mean_logit_difference=difference,
        logit_spread=1.0,
        worst_image=0,
    )


def candidate(engine: str, precision: str, ms: float | None, **fields) -> Candidate:
    defaults = {"passed": ms is not None, "parity": parity(0.1), "reason": "0 of 10 images lost"}
    return Candidate(
        engine=engine,
        precision=precision,
        layout="nchw",
        threads=1,
        latency_ms_p50=ms,
        **{**defaults, **fields},
    )


def test_every_combination_once_and_reasons_for_the_rest():
    found = list_candidates(
        ["onnxruntime", "openvino"],
        ["float32", "float16", "int8"],
        layouts=("nchw", "nhwc"),
        threads=(1, 2),
        calibrated=False,
    )
    assert len({c.name for c in found}) == len(found)
    runs = [c for c in found if not c.reason]
    assert sum(c.engine == "onnxruntime" for c in runs) == 4
    reasons = {(c.engine, c.precision): c.reason for c in found if c.reason}
    assert reasons["onnxruntime", "float16"] == "onnxruntime has no float16 on this device"
    assert reasons["openvino", "int8"] == "no calibration images"


def test_the_fastest_that_passed_is_kept_and_the_others_say_why_not():
    ordered = choose(
        [
            candidate("onnxruntime", "float32", 5.0),
            candidate("openvino", "int8", 1.0, passed=False, reason="int8: 3 images lost"),
            candidate("openvino", "bfloat16", 2.0),
            candidate("openvino", "float16", None, reason="openvino has no float16"),
        ]
    )
    assert [c.precision for c in ordered] == ["int8", "bfloat16", "float32", "float16"]
    assert [c.kept for c in ordered] == [False, True, False, False]
    assert ordered[0].reason == "int8: 3 images lost"
    assert ordered[1].reason == "fastest that passed (0 of 10 images lost)"
    assert ordered[2].reason == "slower: 2.50 times the chosen form"
    assert ordered[3].reason == "openvino has no float16"


def test_of_two_as_fast_the_closer_copy_is_kept():
    ordered = choose(
        [
            candidate("openvino", "bfloat16", 1.00, parity=parity(0.3)),
            candidate("openvino", "float16", 1.02, parity=parity(0.1)),
        ]
    )
    assert [c.kept for c in ordered] == [False, True]
    assert "no closer" in ordered[0].reason


def test_when_not_even_float32_passes_the_gate_fails():
    bad = candidate("openvino", "float32", 1.0, passed=False, reason="9 of 10 images lost")
    with pytest.raises(GateError, match=r"not even float32 \(openvino: 9 of 10 images lost\)"):
        choose([bad])


def test_figures_of_a_cell_go_into_its_candidate():
    latency = summarise([[1.0, 2.0, 3.0]], first_call_ms=7.0)
    plain = dataclasses.replace(candidate("openvino", "float32", None), reason="")
    timing = CellTiming(
        name=plain.name, latency=latency, actual_precision="float32", open_ms=1.0, error=None
    )
    found = timed(plain, timing)
    assert (found.latency_ms_p50, found.first_call_ms, found.samples) == (2.0, 7.0, 3)
    dead = dataclasses.replace(timing, latency=None, error="its process was ended by SIGKILL")
    assert timed(plain, dead).reason == "its process was ended by SIGKILL"
