"""Fixtures that several rooms use."""

import os
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """The folder of real data sets; the test is skipped where there is none."""
    folder = Path(os.environ.get("FLEETFOOT_DATA", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"no data at {folder}: set FLEETFOOT_DATA")
    return folder


@contextmanager
def deployed_quickly(**only: Any) -> Generator[None]:
    """Deploy with these options instead of those asked for, timed for a moment."""
    from fleetfoot.deploy.options import Options
    from fleetfoot.measure.latency import Schedule

    schedule = Schedule(min_samples=4, min_seconds=0.0, rounds=2, warm_up_seconds=0.0)

    def options(**words: Any) -> Options:
        return Options(**{**words, **only, "schedule": schedule})

    with pytest.MonkeyPatch.context() as patch:
        for name in ("fleetfoot.recipes.run.Options", "fleetfoot.jobs.deploy.Options"):
            patch.setattr(name, options)
        yield


@pytest.fixture(scope="module")
def one_form() -> Iterator[None]:
    """Networks are deployed in one form: for tests of something else."""
    with deployed_quickly(engines=("onnxruntime",), precisions=("float32",), baselines=()):
        yield
