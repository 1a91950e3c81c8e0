import dataclasses
from typing import Any

from fleetfoot.core.results import to_json
from fleetfoot.deploy.gate import Parity
from fleetfoot.deploy.tune import Candidate
from fleetfoot.report.latency import eager_ms, latency_rows


def cell(engine: str, precision: str, ms: float | None, **more: Any) -> dict[str, Any]:
    """Return one form as `deploy` writes it."""
    form = Candidate(
        engine=engine, precision=precision, layout="nchw", threads=1, latency_ms_p50=ms
    )
    return to_json(dataclasses.replace(form, **more))


PARITY = Parity(
    images=7,
    correct_reference=6,
    correct=6,
    net_lost=0,
    top1_agreement=1.0,
    max_logit_difference=0.02,
    mean_logit_difference=0.01,
    logit_spread=1.0,
    worst_image=3,
)
CHOSEN = cell("openvino", "bfloat16", 2.0, kept=True, passed=True, parity=PARITY)
BUNDLE = {
    "chosen": CHOSEN,
    "candidates": [
        cell("onnxruntime", "float16", None, reason="no kernels"),
        cell("onnxruntime", "float32", 5.0, kept=True, passed=True, reason="the fallback"),
        CHOSEN,
    ],
    "baselines": [cell("eager", "bfloat16", 6.0), cell("eager", "float32", 8.0)],
}


def test_rows_are_fastest_first_and_unknown_last() -> None:
    rows = latency_rows(BUNDLE)
    assert [row["latency_ms_p50"] for row in rows] == [2.0, 5.0, 6.0, 8.0, None]
    assert [row["chosen"] for row in rows] == [True, False, False, False, False]
    assert rows[-1]["reason"] == "no kernels"
    assert rows[0]["speedup"] == 4.0
    assert rows[-1]["speedup"] is None
    assert rows[2]["kept"] is None  # a baseline is no candidate


def test_eager_is_the_float32_one() -> None:
    assert eager_ms(BUNDLE) == 8.0
    assert eager_ms({"baselines": [cell("compile", "float32", 3.0)]}) is None


def test_accuracies_on_other_images_are_not_in_the_column() -> None:
    """Bundles before format 3 compared slower forms on 50 images."""
    fewer = dataclasses.replace(PARITY, images=5)
    forms = [
        cell("openvino", "float32", 3.0, top1=1.0, parity=fewer),
        cell("openvino", "int8", 4.0, top1=0.9, parity=PARITY),
    ]
    rows = latency_rows({"chosen": CHOSEN, "candidates": [CHOSEN, *forms], "baselines": []})
    assert [row["top1"] for row in rows] == [None, None, 0.9]


def test_parity_of_the_chosen() -> None:
    (parity,) = [row["parity"] for row in latency_rows(BUNDLE) if row["chosen"]]
    assert (parity["images"], parity["top1_agreement"]) == (7, 1.0)
