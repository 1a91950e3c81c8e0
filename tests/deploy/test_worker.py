"""The worker's protocol, spoken by hand."""

import json
import subprocess
import sys
from pathlib import Path

from fleetfoot.deploy.export_onnx import export_onnx


def talk(lines: list[bytes]) -> tuple[list[dict], str]:
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "fleetfoot.deploy.worker"],
        input=b"\n".join(lines) + b"\n",
        capture_output=True,
        check=False,
    )
    return [json.loads(line) for line in done.stdout.splitlines()], done.stderr.decode()


def test_opens_and_times_without_torch(subject, tmp_path: Path):
    file = export_onnx(subject.net, tmp_path / "m.onnx", image=(3, 24, 24))
    cell = {
        "engine": "openvino",
        "precision": "float32",
        "layout": "nchw",
        "threads": 1,
        "input_shape": [1, 3, 24, 24],
        "input_dtype": "float32",
        "device": "cpu",
        "replay": False,
        "file": str(file),
        "cpus": [],
        "module_bytes": 0,
    }
    replies, imports = talk([json.dumps(cell).encode(), b'{"calls": 3}', b'{"calls": 1}'])
    assert replies[0]["actual_precision"] == "float32"
    assert 0 < replies[0]["first_call_ms"] < replies[0]["open_ms"]
    assert replies[0]["process_bytes"] is None or replies[0]["process_bytes"] > 1 << 24
    assert [len(reply["ms"]) for reply in replies[1:]] == [3, 1]
    assert " torch\n" not in imports
    assert "openvino._pyopenvino" in imports


def test_nonsense_gets_an_error_and_an_end():
    replies, _ = talk([b"not json"])
    assert len(replies) == 1
    assert replies[0]["exit_code"] == 1
    assert "error" in replies[0]
