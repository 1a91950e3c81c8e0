"""Write docs/reference/ and the results in README from the program and benchmarks/results/.

`just docs` writes the pages; with `--check` nothing is written and a difference is an error.
"""

import inspect
import re
import sys
from collections.abc import Callable
from itertools import groupby
from pathlib import Path

from results import machine_line, results_table

from fleetfoot.cli import app
from fleetfoot.core import errors, registry
from fleetfoot.nets.create import list_nets

FOLDER = Path(__file__).resolve().parent / "reference"
README = FOLDER.parent.parent / "README.md"
HEAD = "<!-- written by `just docs`; do not edit -->\n\n"


def main() -> int:
    """Write or check every page; return the exit code."""
    pages = {
        "command-line.md": command_line(),
        "exit-codes.md": exit_codes(),
        "networks.md": networks(),
        "../../README.md": readme(),
    }
    if "--check" in sys.argv[1:]:
        stale = [name for name, text in pages.items() if _read(name) != text]
        stale += [path.name for path in FOLDER.glob("*") if path.name not in pages]
        if stale:
            print(f"docs/reference is not up to date ({', '.join(stale)}): run `just docs`")
        return int(bool(stale))
    FOLDER.mkdir(exist_ok=True)
    for name, text in pages.items():
        (FOLDER / name).write_text(text, encoding="utf-8")
    return 0


def command_line() -> str:
    """Return the words of every verb, from its function; `--help` says the same in boxes."""
    verbs: dict[str, Callable[..., object]] = {}
    for name in sorted(app):
        function = None if name.startswith("-") else app[name].default_command
        if function is not None:
            verbs[name] = function
    parts = [
        f"{HEAD}# Command line\n\nEvery verb also takes `--json` (exactly one JSON object) and "
        "`--quiet` (no progress and no remarks on stderr).\n"
    ]
    for name, function in verbs.items():
        summary, meanings = _docstring(function)
        parts.append(f"\n## fleetfoot {name}\n\n{summary}\n")
        if meanings:
            parts.append("\n| word | meaning | default |\n|---|---|---|\n")
        for parameter in inspect.signature(function).parameters.values():
            if parameter.name in meanings:
                word = _word(parameter)
                parts.append(f"| `{word}` | {meanings[parameter.name]} | {_default(parameter)} |\n")
    return "".join(parts)


def exit_codes() -> str:
    """Return the errors with their exit codes."""
    kinds = [
        value
        for value in vars(errors).values()
        if inspect.isclass(value) and issubclass(value, errors.FleetfootError)
    ]
    lines = [HEAD, "# Exit codes\n\n", "| code | error | when |\n|--:|---|---|\n"]
    lines.append("| 0 | | Done. |\n")
    for kind in sorted(kinds, key=lambda kind: (kind.exit_code, kind.__name__)):
        lines.append(f"| {kind.exit_code} | `{kind.__name__}` | {inspect.getdoc(kind)} |\n")
    return "".join(lines)


def readme() -> str:
    """Return the README with its table of results made anew."""
    before, begin, rest = (README.read_text(encoding="utf-8")).partition("<!-- results -->\n")
    _, end, after = rest.partition("<!-- end of results -->")
    return f"{before}{begin}{results_table()}\n{machine_line()}{end}{after}"


def networks() -> str:
    """Return the register, a table for each network file."""
    list_nets()
    parts = [HEAD, "# Networks\n"]
    for family, members in groupby(
        sorted(registry.entries("*"), key=lambda e: (e.family, e.name)), key=lambda e: e.family
    ):
        parts.append(
            f"\n## {family}\n\n| name | what sets it apart | parameters | MACs per image | input "
            "| classes | paper | checked against |\n|---|---|--:|--:|---|--:|---|---|\n"
        )
        parts += [
            f"| `{e.name}` | {e.note} | {e.params:,} | {e.macs:,} | {'x'.join(map(str, e.input))} "
            f"| {e.classes} | {e.paper} | `{e.checked_against}` |\n"
            for e in members
        ]
    return "".join(parts)


def _docstring(function: Callable[..., object]) -> tuple[str, dict[str, str]]:
    """Return the summary of a docstring and the meaning of each argument."""
    summary, _, rest = (inspect.getdoc(function) or "").partition("\n\nArgs:\n")
    meanings: dict[str, str] = {}
    name = ""
    for line in rest.splitlines():
        found = re.fullmatch(r"    (\w+): (.*)", line)
        if found:
            name = found[1]
            meanings[name] = found[2]
        elif line.startswith("        ") and name:
            meanings[name] += f" {line.strip()}"
        elif line:
            break
    return " ".join(summary.split()), meanings


def _word(parameter: inspect.Parameter) -> str:
    if parameter.kind is parameter.VAR_POSITIONAL:
        return f"{parameter.name.upper()}..."
    if parameter.kind is parameter.POSITIONAL_ONLY:
        return parameter.name.upper()
    return "--" + parameter.name.rstrip("_").replace("_", "-")


def _default(parameter: inspect.Parameter) -> str:
    default = parameter.default
    return "" if default in (None, False, (), inspect.Parameter.empty) else f"`{default}`"


def _read(name: str) -> str | None:
    path = FOLDER / name
    return path.read_text(encoding="utf-8") if path.is_file() else None


if __name__ == "__main__":
    sys.exit(main())
