import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from fleetfoot import cli
from fleetfoot.jobs import doctor as job


def by_name(record: job.DoctorRecord) -> dict[str, job.Check]:
    return {check.name: check for check in record.checks}


def test_every_part_is_looked_at(tmp_path: Path):
    record = job.doctor(folder=tmp_path)
    checks = by_name(record)
    for name in ("python", "numpy", "pillow", "onnxruntime engine", "openvino engine", "disk"):
        assert checks[name].status == "ok"
    assert record.device is not None
    assert checks["energy counter"].status in ("ok", "absent")
    assert all(check.fix for check in record.checks if check.status == "wrong")


def test_both_forms_of_the_answer(capsys: pytest.CaptureFixture[str]):
    code = cli.run(["doctor", "--json"])
    answer = json.loads(capsys.readouterr().out)
    assert answer.keys() == {"schema", "healthy", "checks", "device"}
    assert code == (0 if answer["healthy"] else 6)
    assert cli.run(["doctor"]) == code
    assert "threads" in capsys.readouterr().out


def test_a_broken_package_is_named_with_what_mends_it(fleetfoot: Any, sabotage: Any):
    done = fleetfoot("doctor", "--json", **sabotage("torch", "torchvision"))
    assert done.returncode == 6
    answer = json.loads(done.stdout)
    checks = {check["name"]: check for check in answer["checks"]}
    for name in ("torch", "torchvision"):
        assert checks[name]["status"] == "wrong"
        assert f"{name}::nms does not exist" in checks[name]["detail"]
        assert checks[name]["fix"] == f"python -m pip install --force-reinstall {name}"


def test_what_is_optional_and_absent_is_not_wrong(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(job, "PACKAGES", {"train": ("no_such_module",)})
    monkeypatch.setattr(job, "INDEX_NAMES", {"no_such_module": "no-such-package"})
    monkeypatch.setattr(job, "WEIGHTS", ("no-such-weights",))
    checks = by_name(job.doctor())
    assert checks["no-such-package"].status == "absent"
    assert checks["no-such-package"].fix == "python -m pip install 'fleetfoot[train]'"
    assert checks["no-such-weights"].status == "absent"
    monkeypatch.setattr(job, "PACKAGES", {None: ("no_such_module",)})
    assert by_name(job.doctor())["no-such-package"].status in ("wrong", "absent")
    assert not job.doctor().healthy


def test_a_disk_without_space_is_wrong(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    full = shutil._ntuple_diskusage(10**12, 10**12, 0)  # type: ignore[attr-defined]
    monkeypatch.setattr(shutil, "disk_usage", lambda _: full)
    check = by_name(job.doctor(folder=tmp_path))["disk"]
    assert check.status == "wrong"
    assert check.fix is not None
    assert "--out" in check.fix


def test_a_folder_that_may_not_be_written_is_wrong(public: Path, nobody: Any):
    nobody()
    if os.geteuid() == 0:
        pytest.skip("this process cannot become another user")
    assert job._writable(public).status == "wrong"


def test_a_device_that_cannot_be_read_is_a_line(monkeypatch: pytest.MonkeyPatch):
    from fleetfoot.measure import device

    def broken() -> None:
        raise ValueError("odd /proc")

    monkeypatch.setattr(device, "device_profile", broken)
    record = job.doctor()
    assert record.device is None
    assert by_name(record)["device"].detail == "ValueError: odd /proc"


def test_a_processor_without_bf16_is_said():
    profile = {
        "cpu": "toy",
        "threads": 2,
        "cores_logical": 32,
        "cores_allowed": 32,
        "quota_cpus": 2.0,
        "instruction_sets": ["avx2"],
    }
    checks = {check.name: check for check in job.device_checks(profile)}
    assert checks["bfloat16"].status == "absent"
    assert checks["threads"].detail == "2 (of 32 CPUs, 32 allowed, quota 2 CPUs)"
