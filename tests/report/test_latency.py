from typing import Any

from fleetfoot.report.latency import chosen_parity, eager_ms, latency_rows


def cell(engine: str, precision: str, ms: float | None, **more: Any) -> dict[str, Any]:
    return {"engine": engine, "precision": precision, "latency_ms_p50": ms, "threads": 1} | more


BUNDLE = {
    "chosen": cell("openvino", "bfloat16", 2.0),
    "candidates": [
        cell("onnxruntime", "float16", None, kept=False, reason="no kernels"),
        cell("onnxruntime", "float32", 5.0, kept=True, reason="slower"),
        cell("openvino", "bfloat16", 2.0, kept=True, parity={"images": 7, "net_lost": 0}),
    ],
    "yardsticks": [cell("eager", "bfloat16", 6.0), cell("eager", "float32", 8.0)],
}


def test_rows_are_fastest_first_and_unknown_last() -> None:
    rows = latency_rows(BUNDLE)
    assert [row["latency_ms_p50"] for row in rows] == [2.0, 5.0, 6.0, 8.0, None]
    assert [row["chosen"] for row in rows] == [True, False, False, False, False]
    assert rows[-1]["reason"] == "no kernels"
    assert rows[0]["speedup"] == 4.0
    assert rows[-1]["speedup"] is None
    assert rows[2]["kept"] is None  # a yardstick is no candidate


def test_eager_is_the_float32_one() -> None:
    assert eager_ms(BUNDLE) == 8.0
    assert eager_ms({"yardsticks": [cell("compile", "float32", 3.0)]}) is None


def test_parity_of_the_chosen() -> None:
    parity = chosen_parity(BUNDLE)
    assert parity is not None
    assert (parity["images"], parity["top1_agreement"]) == (7, None)
    assert chosen_parity({}) is None


def test_a_chosen_form_that_is_no_candidate_is_still_shown() -> None:
    rows = latency_rows({"chosen": cell("onnxruntime", "float32", 3.0)})
    assert [(row["chosen"], row["kept"]) for row in rows] == [(True, True)]
