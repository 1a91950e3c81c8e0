"""A small network, its images, and one bundle of it that is written once."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from fleetfoot.data.preprocess import Preprocess
from fleetfoot.deploy.deploy import BundleRecord, deploy
from fleetfoot.deploy.gate import GateSet
from fleetfoot.deploy.options import Options
from fleetfoot.deploy.reference import eager_logits
from fleetfoot.deploy.write_bundle import Card
from fleetfoot.measure.latency import Schedule

CLASSES = ("ant", "bee", "cat", "dog")
INSTANT = Schedule(min_samples=4, min_seconds=0.0, rounds=2, warm_up_seconds=0.0)


@dataclass(frozen=True)
class Subject:
    """A network with what it takes to deploy it; labels are its own answers."""

    net: nn.Module
    preprocess: Preprocess
    crops: np.ndarray
    logits: np.ndarray
    labels: np.ndarray

    @property
    def gate(self) -> GateSet:
        return GateSet(self.crops, self.labels)


@pytest.fixture(scope="session")
def subject() -> Subject:
    torch.manual_seed(0)
    net = nn.Sequential(
        nn.Conv2d(3, 16, 3, stride=2, padding=1),
        nn.ReLU(),
        nn.Conv2d(16, 16, 3, padding=1, groups=16),
        nn.GELU(),
        nn.Conv2d(16, 32, 1),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(32, len(CLASSES)),
    ).eval()
    preprocess = Preprocess(24, 1.0, "bilinear", (120.0, 110.0, 100.0), (60.0, 61.0, 62.0))
    generator = np.random.default_rng(0)
    tint = generator.integers(0, 200, (12, 1, 1, 3))
    crops = (tint + generator.integers(0, 56, (12, 24, 24, 3))).astype(np.uint8)
    logits = eager_logits(net, crops, preprocess)
    net[-1].weight.data /= logits.std()  # answers that rounding does not turn over
    net[-1].bias.data -= torch.from_numpy(logits.mean(axis=0))
    net[-1].bias.data /= logits.std()
    logits = eager_logits(net, crops, preprocess)
    return Subject(net, preprocess, crops, logits, logits.argmax(axis=1))


@pytest.fixture(scope="session")
def instant() -> Schedule:
    return INSTANT


@pytest.fixture(scope="session")
def record(subject: Subject, tmp_path_factory: pytest.TempPathFactory) -> BundleRecord:
    """A bundle of `subject`; tests that alter it make a copy."""
    folder: Path = tmp_path_factory.mktemp("deployed") / "bundle"
    return deploy(
        subject.net,
        folder,
        preprocess=subject.preprocess,
        classes=CLASSES,
        gate=subject.gate,
        card=Card(net="subject", aliases={"n1": "ant"}, weights={"source": "x", "licence": "y"}),
        options=Options(
            precisions=("float32", "bfloat16", "int8"),
            calibration_images=subject.crops,
            schedule=INSTANT,
            budget_ms=1000.0,
            max_drop=1.0,
        ),
    )
