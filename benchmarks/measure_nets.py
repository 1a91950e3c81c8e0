"""What `fleetfoot measure --engine all --threads 1 --out DIR` finds of six networks.

    python benchmarks/measure_nets.py [--nets fasternet_t0,...] [--samples N] [--out DIR]

The pictures of docs/reference/measurements.md are drawn from this result: latency over
multiply-accumulates, accuracy over latency (of the networks whose weights have a published
accuracy), rooflines and memory over the schedule.
"""

import argparse
import json
import tempfile
import time
from pathlib import Path

from record import RESULTS, write_result

from fleetfoot.jobs.measure import measure
from fleetfoot.jobs.requests import MeasureRequest
from fleetfoot.measure.provenance import provenance

NETS = (
    *("fasternet_t0", "vovnet39a", "efficientnet_b0"),
    *("tf_efficientnet_lite0", "tf_efficientnet_lite1", "tf_efficientnet_lite2"),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--nets", default=",".join(NETS))
    parser.add_argument("--samples", type=int)
    parser.add_argument("--out", type=Path, default=RESULTS)
    words = parser.parse_args()
    started, begun = provenance(), time.monotonic()
    with tempfile.TemporaryDirectory(prefix="fleetfoot-") as folder:
        request = MeasureRequest(
            nets=tuple(words.nets.split(",")), threads=1, samples=words.samples, out=folder
        )
        record = measure(request)
        report = json.loads((Path(folder) / "measure.json").read_text(encoding="utf-8"))
    figures = {"wall_seconds": time.monotonic() - begun, "report": report}
    what = __doc__.splitlines()[0]
    write_result("measure_nets", what, figures, started=started, folder=words.out)
    failed = sum(cell.exit_code is not None for cell in record.cells)
    print(f"{len(record.cells)} rows, {failed} without times, {figures['wall_seconds']:.0f} s")


if __name__ == "__main__":
    main()
