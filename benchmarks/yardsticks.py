"""Today's ratios to the eager form beside those measured before, from the result of `peers`.

    python benchmarks/yardsticks.py [--out DIR]

Absolute times drift with the machine; ratios within one run do not. Nothing is measured here:
`results/peers.json` is read, and each form's time is divided by that of the eager form (float32,
nchw) of the same network and implementation. Must hold: OpenVINO in bfloat16 runs fasternet_t0 4 to
6.5 times as fast as the eager form.
"""

import argparse
import json
import math
from pathlib import Path
from typing import Any

from record import RESULTS, write_result

EAGER = "eager float32 nchw"
MUST = ("fasternet_t0", "openvino bfloat16 nchw", 4.0, 6.5)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=RESULTS)
    words = parser.parse_args()
    before = json.loads(Path(__file__).with_suffix(".json").read_text(encoding="utf-8"))
    peers = json.loads((words.out / "peers.json").read_text(encoding="utf-8"))
    rows = ratios(before, peers["figures"]["rows"])
    figures = {
        "peers_date": peers["date"],
        "source": before["source"],
        "rows": rows,
        "within_a_fifth": sum(row["change"] <= 0.2 for row in rows),
        "must": must(rows),
    }
    write_result("yardsticks", __doc__.splitlines()[0], figures, folder=words.out)
    print(f"{figures['within_a_fifth']} of {len(rows)} ratios within a fifth; {figures['must']}")


def ratios(before: dict[str, Any], rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return one row per form that both have; `change` is |log| of today's ratio over before's."""
    today = {
        (
            row["net"],
            row["implementation"],
            f"{row['engine']} {row['precision']} {row['layout']}",
        ): row["latency_ms_p50"]
        for row in rows
        if row["error"] is None and row["latency_ms_p50"]
    }
    found = []
    for (net, implementation, form), time in today.items():
        earlier = dict(zip(before["forms"], before["latency_ms"].get(net, [])))
        eager = today.get((net, implementation, EAGER))
        if form == EAGER or eager is None or form not in earlier:
            continue
        now, then = eager / time, earlier[EAGER] / earlier[form]
        found.append(
            {
                "net": net,
                "implementation": implementation,
                "form": form,
                "times_as_fast": now,
                "times_as_fast_before": then,
                "change": abs(math.log(now / then)),
            }
        )
    return found


def must(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the one ratio that has to lie within bounds, for each implementation."""
    net, form, low, high = MUST
    found = {
        row["implementation"]: row["times_as_fast"]
        for row in rows
        if (row["net"], row["form"]) == (net, form)
    }
    return {
        **{"net": net, "form": form, "low": low, "high": high, "times_as_fast": found},
        "holds": bool(found) and all(low <= value <= high for value in found.values()),
    }


if __name__ == "__main__":
    main()
