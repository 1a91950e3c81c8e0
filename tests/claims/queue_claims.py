"""Two tiny claims, and one that fails, for tests of the queue; run as the process of one claim."""

import os
import sys
import time
from pathlib import Path

import torch
from safetensors.torch import load_file, save

from fleetfoot.claims import ledger, queue_worker
from fleetfoot.claims.claim import Claim, Control, Measurement, Setting
from fleetfoot.claims.rules import at_least
from fleetfoot.core.errors import DataError
from fleetfoot.core.files import write_bytes
from fleetfoot.core.machine_lock import working

STEPS = int(os.environ.get("QUEUE_STEPS", "60"))


def trained(setting: Setting, name: str) -> torch.Tensor:
    """Return weights after `STEPS` steps: a training that goes on after any stop."""
    assert setting.trainings is not None
    path = setting.trainings / f"{name}.safetensors"
    start = {"weights": torch.zeros(8), "step": torch.tensor(0)}
    kept = load_file(path) if path.exists() else start
    weights, step = kept["weights"], int(kept["step"])
    while step < STEPS:
        with working():
            generator = torch.Generator().manual_seed(step)
            weights = 0.99 * weights + torch.randn(8, generator=generator)
            step += 1
            if step % 10 == 0 or step == STEPS:
                write_bytes(path, save({"weights": weights, "step": torch.tensor(step)}))
            time.sleep(0.005)
        setting.listener.update(step=step, total_steps=STEPS)
    return weights


def claim(name: str) -> Claim:
    return Claim(
        id=f"toy/{name}",
        paper="a paper",
        sentence="A sum is large.",
        protocol="none",
        unit="",
        paper_value=None,
        measure=lambda setting: Measurement(value=float(trained(setting, name).sum())),
        rule=at_least(1.0, 0.5),
        control=Control("nothing is added", lambda _: Measurement(value=0.0)),
        footing={},
    )


def broken(_: Setting) -> Measurement:
    raise DataError("its images are gone")


def claims() -> dict[str, Claim]:
    bad = Claim(**{**vars(claim("bad")), "measure": broken})
    dying = Claim(**{**vars(claim("dying")), "measure": lambda _: os.abort()})
    return {c.id: c for c in (bad, dying, claim("one"), claim("two"))}


COMMAND = (sys.executable, str(Path(__file__)))

if __name__ == "__main__":
    ledger.claims = claims
    queue_worker._be_last = lambda: None  # a busy machine has no time for a test of this priority
    sys.exit(queue_worker.main(sys.argv[1:]))
