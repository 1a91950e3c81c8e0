"""Two tiny claims, and one that fails, for tests of the queue; run as the process of one claim.

They need no torch: a process of theirs begins in a moment.
"""

import io
import os
import sys
import time
from pathlib import Path

import numpy as np

from fleetfoot.claims import ledger, queue_worker
from fleetfoot.claims.claim import Claim, Control, Measurement, Setting
from fleetfoot.claims.rules import at_least
from fleetfoot.core.errors import DataError
from fleetfoot.core.files import write_bytes
from fleetfoot.core.machine_lock import working

STEPS = int(os.environ.get("QUEUE_STEPS", "60"))


def trained(setting: Setting, name: str) -> np.ndarray:
    """Return weights after `STEPS` steps: a training that goes on after any stop."""
    assert setting.trainings is not None
    path = setting.trainings / f"{name}.npy"
    state = np.load(path) if path.exists() else np.zeros(9)  # the step, eight weights
    while state[0] < STEPS:
        with working():
            draws = np.random.default_rng(int(state[0])).standard_normal(8)
            state = np.array([state[0] + 1, *(0.99 * state[1:] + draws)])
            if state[0] % 10 == 0 or state[0] == STEPS:
                content = io.BytesIO()
                np.save(content, state)
                write_bytes(path, content.getvalue())
            time.sleep(0.005)
        setting.listener.update(step=int(state[0]), total_steps=STEPS)
    return state[1:]


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
