"""The main job from end to end on two dozen small pictures, as a person would call it."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.contracts.without_network import heard, watched_environment

SMALL = ("kernels=torch", 'options=[["width",0.125]]')
FILES = (
    *("run.json", "config.toml", "data.json", "plan.json", "metrics.jsonl", "evaluation.json"),
    *("report.html", "report.json", "weights/model.safetensors", "weights/config.json"),
    *("weights/preprocess.json", "bundle/bundle.json", "bundle/preprocess.json"),
    "bundle/labels.json",
)


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two classes that brightness tells apart."""
    root = tmp_path_factory.mktemp("data") / "lamps"
    generator = np.random.default_rng(0)
    for name, mean in (("dark", 60), ("light", 190)):
        (root / name).mkdir(parents=True)
        for index in range(12):
            pixels = generator.integers(mean - 50, mean + 50, (16, 16, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(root / name / f"{index}.png")
    return root


def fleetfoot(*words: str | Path, watched: dict[str, str]) -> dict[str, object]:
    """Run a command, which may ask nobody for a name, and return its one JSON object."""
    result = subprocess.run(
        [sys.executable, "-m", "fleetfoot", *map(str, words), "--json"],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
        env=watched,
    )
    assert result.returncode == 0, result.stderr
    assert heard(watched) == ""
    return json.loads(result.stdout)


def test_from_pictures_to_a_deployed_network(pictures: Path, tmp_path: Path) -> None:
    run, watched = tmp_path / "run", watched_environment(tmp_path)
    # Precision and layout are given so that nothing is measured to choose them.
    words = ("precision=float32", "layout=nchw", "batch=8", "lr=0.05", "ema=none", *SMALL)
    settings = [f"--set={word}" for word in words]
    net = ("--net", "fleetnet_small", "--size", "16", "--epochs", "40")
    fit = fleetfoot("fit", pictures, *net, *settings, "--out", run, watched=watched)
    assert "SIGSYS" not in (run / "bundle" / "bundle.json").read_text()  # of what measured
    assert fit["schema"] == "fleetfoot.fit/1"
    assert fit["val_top1"] == 1.0
    assert [name for name in FILES if not (run / name).is_file()] == []

    report = json.loads((run / "report.json").read_text())
    assert report["headline"]["net"] == "fleetnet_small"
    assert report["headline"]["top1"] == fit["val_top1"]
    assert report["headline"]["latency_ms_p50"] == fit["bundle"]["latency_ms_p50"]  # type: ignore[index]
    assert report["headline"]["eager_latency_ms_p50"] == fit["eager_latency_ms_p50"]
    assert report["missing"] == []

    answer = fleetfoot(
        "predict", run, pictures / "dark" / "3.png", pictures / "light" / "4.png", watched=watched
    )
    labels = [line["label"] for line in answer["predictions"]]  # type: ignore[attr-defined]
    assert labels == ["dark", "light"]

    again = fleetfoot("evaluate", run, pictures, "--split", "all", watched=watched)
    assert (again["images"], again["correct"]) == (24, 24)
