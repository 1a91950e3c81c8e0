"""What the version before wrote is still read; tests/samples/README.md says how it was made.

The bits of a training belong to a processor's kernels and to a version of torch: where those differ
from the machine of the samples, bits are not compared, but losses are, and the run has to end at
the planned step.
"""

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.numpy import load_file

from fleetfoot.claims.ledger import claims
from fleetfoot.claims.stored import results_of, stored
from fleetfoot.core.errors import Interrupted
from fleetfoot.core.files import read_json
from fleetfoot.core.listener import Silent
from fleetfoot.deploy.bundle import load
from fleetfoot.jobs.fit import fit
from fleetfoot.jobs.requests import FitRequest
from fleetfoot.jobs.stored_run import read_run
from fleetfoot.measure.device import device_profile
from fleetfoot.report.write_report import write_report
from fleetfoot.train.planning.plan import read_plan

SAMPLES = Path(__file__).resolve().parent / "samples"
LOSS_TOLERANCE = 0.02  # other kernels: rounding grows over twenty steps, a wrong step shows more


class StopBeforeDeploying(Silent):
    """The user stops the run when its weights are written."""

    def stage(self, text: str) -> None:
        if text.startswith("deploying"):
            raise KeyboardInterrupt


def copy_of(name: str, folder: Path) -> Path:
    return Path(shutil.copytree(SAMPLES / name, folder / name))


def expected(name: str) -> dict[str, Any]:
    return read_json(SAMPLES / f"{name}.expected.json", what="sample")


def losses(run: Path) -> list[float]:
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    steps = [line for line in lines if line["kind"] == "step"]
    assert [line["step"] for line in steps] == list(range(1, len(steps) + 1))
    return [line["loss"] for line in steps]


def hashes(run: Path) -> dict[str, str]:
    tensors = load_file(run / "weights" / "model.safetensors")
    return {name: hashlib.sha256(t.tobytes()).hexdigest() for name, t in tensors.items()}


def same_kind_of_machine(made_on: dict[str, str]) -> bool:
    here = {
        "cpu": device_profile().cpu,
        "kernels": torch.backends.cpu.get_cpu_capability(),
        "torch": torch.__version__.partition("+")[0],
    }
    return here == made_on


def check_ends_as_before(name: str, run: Path) -> None:
    before, plan = expected(name), read_plan(run)
    assert losses(run) == pytest.approx(before["losses"], abs=LOSS_TOLERANCE)
    assert len(losses(run)) == plan.total_steps
    assert read_json(run / "evaluation.json")["val"]["top1"] == pytest.approx(
        before["val_top1"], abs=0.02
    )
    assert hashes(run).keys() == before["tensors"].keys()
    if same_kind_of_machine(before["made_on"]):
        assert losses(run) == before["losses"]
        assert hashes(run) == before["tensors"]
    else:
        pytest.skip(f"resumed and ended within {LOSS_TOLERANCE}; bits are of {before['made_on']}")


@pytest.mark.parametrize("name", ["stopped", "planned"])
def test_a_run_of_before_goes_on(name: str, tmp_path: Path) -> None:
    """From its state, or from its plan: with methods, Muon, and a layout that was measured."""
    run = copy_of(name, tmp_path)
    with pytest.raises(Interrupted):  # the tests of `fit` deploy
        fit(FitRequest(resume=run), listener=StopBeforeDeploying())
    check_ends_as_before(name, run)


def test_a_bundle_of_before_predicts_as_it_did() -> None:
    folder = SAMPLES / "finished"
    for line in read_json(folder / "predictions.json")["predictions"]:
        answer = load(folder).predict(folder / "bundle" / "golden" / Path(line["path"]).name)
        assert answer.label == line["label"]
        assert [best.label for best in answer.top] == [entry["label"] for entry in line["top"]]
        assert [best.probability for best in answer.top] == pytest.approx(
            [entry["probability"] for entry in line["top"]], abs=1e-4
        )


def test_settings_of_before_are_read() -> None:
    request, recipe = read_run(SAMPLES / "planned")
    assert (request.data, request.net, request.size) == ("digits", "fleetnet_small", 16)
    assert (request.weights, request.max_drop, request.budget_ms) == ("none", 0.01, None)
    plan = read_plan(SAMPLES / "planned")
    assert (plan.total_steps, plan.layout, plan.precision) == (22, "nhwc", "float32")
    assert list(map(str, recipe.methods)) == plan.recipe["methods"]
    assert (recipe.seed, recipe.batch) == (plan.seed, plan.batch)


def test_a_plan_of_format_1_is_read() -> None:
    """It knew no kernels of ours: torch's computed."""
    plan = read_plan(SAMPLES / "plan_1")
    written = read_json(SAMPLES / "plan_1" / "plan.json")
    assert written["schema"] == "fleetfoot.plan/1"
    assert "kernels" not in written
    assert plan.kernels == "torch"
    assert plan.total_steps == written["total_steps"] == 33
    assert [cell.kernels for cell in plan.measured] == ["torch"] * len(written["measured"])


def test_a_claim_result_of_before_is_read() -> None:
    found = stored([SAMPLES / "results"])
    assert found.keys() == {("fasternet/relu-gelu", "cpu")}
    (result,) = results_of(claims()["fasternet/relu-gelu"], found)
    assert result.measurement.value == pytest.approx(1.0852801)
    assert result.judgement.control_outcome == "failed_as_it_should"
    # It was "partly" then; its interval holds the border of "reproduced", 1.12.
    assert (result.judgement.verdict, result.judgement.by_rule) == ("undecided", "partly")


def test_a_run_and_a_bundle_of_before_have_a_report(tmp_path: Path) -> None:
    stopped = write_report(copy_of("stopped", tmp_path))
    assert len(stopped["curves"]["steps"]) == 16
    assert stopped["provenance"]["status"] == "Interrupted"
    assert stopped["missing"] == [
        {"part": "accuracy, confusion, calibration", "reason": "evaluation.json is not there"},
        {"part": "deployed form, latency, parity", "reason": "bundle.json is not there"},
        {"part": "preprocessing", "reason": "preprocess.json is not there"},
    ]
    finished = write_report(copy_of("finished", tmp_path))
    assert finished["headline"]["engine"] == "onnxruntime"
    assert finished["headline"]["speedup"] > 1
