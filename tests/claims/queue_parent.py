"""Works on a queue of the tiny claims, as `claims run --queue` does; a test kills it."""

import sys
from pathlib import Path

from fleetfoot.claims.queue import Queue
from fleetfoot.claims.queue_run import work_on
from fleetfoot.core.listener import Silent

COMMAND = (sys.executable, str(Path(__file__).with_name("queue_claims.py")))

if __name__ == "__main__":
    queue = Queue(Path(sys.argv[1]))
    work_on(queue, queue.order(), workers=2, listener=Silent(), command=COMMAND)
