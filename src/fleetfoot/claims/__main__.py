"""Measure claims from a source tree with torch, numpy and safetensors alone.

Command   python -m fleetfoot.claims run ID... --scale gpu --device cuda --data DIR --out DIR

For machines where nothing else is installed; `fleetfoot claims` is the same with a screen.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from fleetfoot.claims.claim import DEVICES, OWN, SCALES, Setting, fitting_scale
from fleetfoot.claims.ledger import attempt, matching
from fleetfoot.claims.stored import Result, store
from fleetfoot.core.errors import FleetfootError
from fleetfoot.core.out_folder import check_out


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the named claims and store their results; return the exit code of the first failure."""
    words = _parser().parse_args(arguments)
    scale = words.scale or fitting_scale(words.device)
    setting = Setting(scale=scale, data=words.data, device=words.device)
    code = 0
    try:
        check_out(words.out)  # now, not after minutes of measuring
        chosen = matching(words.ids, scale=scale)
    except FleetfootError as error:
        _say(str(error))
        return error.exit_code
    for claim in chosen:
        result = attempt(claim, setting)
        if isinstance(result, Result):
            _say(_summary(result))
            code = code or _stored(result, words.out)
        else:
            _say(str(result))
            code = code or result.exit_code
    return code


def _stored(result: Result, out: Path) -> int:
    """Store a result; what cannot be stored has been shown all the same."""
    try:
        _say(str(store(result, out)))
    except OSError as error:
        _say(f"{out}: {result.id} is not stored, {error}")
        return 1
    return 0


def _summary(result: Result) -> str:
    paper = "no figure" if result.paper_value is None else f"{result.paper_value:.3g}"
    control = result.control_error if result.control is None else f"{result.control.value:.3g}"
    told = result.judgement
    because = f" ({told.reason})" if told.reason else ""
    return (
        f"{result.id}: {told.verdict}{because}, {result.measurement.value:.3g} (paper {paper}, "
        f"{told.footing or 'no footing'}), control {told.control_outcome}: {control}"
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m fleetfoot.claims")
    run = parser.add_subparsers(required=True).add_parser("run", help="measure and store claims")
    run.add_argument("ids", nargs="+", metavar="ID", help="claim, or a pattern such as fasternet/*")
    run.add_argument("--scale", choices=SCALES, help="that of the device unless given")
    run.add_argument("--data", type=Path, help="folder of data sets")
    run.add_argument("--device", choices=DEVICES, default="cpu")
    run.add_argument("--out", type=Path, default=OWN, help="folder of results")
    return parser


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
