"""Let the threads of torch's operators wait patiently for one another.

They wait at the end of every operator, and by default they spin for milliseconds meanwhile. Beside
other work on the same cores each then burns the time that the one it waits for needs.

Measured  a step of EfficientNet-Lite0, 16 images, two threads on two cores that five processes
          share: 22 to 36 s by default, 5 to 9 s without spinning
          (benchmarks/results/minutes.json has whole runs)
"""

import contextlib
import os
import sys
from collections.abc import Generator

SPINS = "GOMP_SPINCOUNT"  # of libgomp, which torch computes with on Linux
OTHERS = ("OMP_WAIT_POLICY", SPINS)  # with which a person has decided already
FEW = "1000"  # some tens of microseconds: as long as the gaps between operators


@contextlib.contextmanager
def patient_threads() -> Generator[None]:
    """Import torch in here, and its threads spin for a moment only.

    They read the environment once, so that it is as before afterwards: other processes decide for
    themselves. Where torch is imported already, or a person has decided, nothing changes.
    """
    if "torch" in sys.modules or any(name in os.environ for name in OTHERS):
        yield
        return
    os.environ[SPINS] = FEW
    try:
        yield
    finally:
        del os.environ[SPINS]
