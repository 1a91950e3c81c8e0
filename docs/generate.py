"""Write what the docs say of the program and of stored results, and the results in README.

From the program: docs/reference/. From `fleetfoot.claims` and its stored results: docs/papers/ and
its pictures in docs/images/. From benchmarks/results/: the table of README, results.md and
measurements.md in docs/reference/, and their pictures. From both: docs/guide/methods.md's tables.
`just docs` writes all of it; with `--check` nothing is written and a difference is an error.
"""

import inspect
import sys
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path

from cyclopts.argument import Argument
from ledger_pages import ledger_pages
from ledger_words import standing, tally
from measurements import measurement_pictures, measurements_page
from methods import methods_table
from pictures import ledger_pictures
from results import machine_line, results_page, results_table

from fleetfoot.claims import ledger
from fleetfoot.claims.claim import Claim
from fleetfoot.claims.stored import SHIPPED, Stored
from fleetfoot.claims.stored import stored as stored_results
from fleetfoot.cli import app
from fleetfoot.core import errors, registry
from fleetfoot.nets.create import list_nets

DOCS = Path(__file__).resolve().parent
README = "../README.md"
METHODS = "guide/methods.md"
# Where every file of this kind is written here: one that is not is left over.
GENERATED = ("reference/*", "papers/*", "images/*.svg")
EVERYWHERE = ("--json", "--quiet")  # words of every verb
HEAD = "<!-- written by `just docs`; do not edit -->\n\n"


def main() -> int:
    """Write or check every page; return the exit code."""
    found = pages()
    left_over = [
        path
        for pattern in GENERATED
        for path in sorted(DOCS.glob(pattern))
        if path.relative_to(DOCS).as_posix() not in found
    ]
    if "--check" in sys.argv[1:]:
        stale = [name for name, text in found.items() if _read(name) != text]
        stale += [path.relative_to(DOCS).as_posix() for path in left_over]
        if stale:
            print(f"docs are not up to date ({', '.join(stale)}): run `just docs`")
        return int(bool(stale))
    for name, text in found.items():
        (DOCS / name).parent.mkdir(exist_ok=True)
        (DOCS / name).write_text(text, encoding="utf-8")
    for path in left_over:
        path.unlink()
    return 0


def pages() -> dict[str, str]:
    """Return the text of every generated file by its path below docs/."""
    claims = tuple(ledger.claims().values())
    stored = stored_results([SHIPPED])
    pictures = ledger_pictures(claims, stored) | measurement_pictures()
    papers = ledger_pages(claims, stored, pictures)
    measurements = measurements_page(pictures)
    return {
        "reference/command-line.md": command_line(),
        "reference/exit-codes.md": exit_codes(),
        "reference/networks.md": networks(),
        "reference/results.md": HEAD + results_page(),
        **({"reference/measurements.md": HEAD + measurements} if measurements else {}),
        README: readme(claims, stored),
        METHODS: _between(_read(METHODS) or "", "methods", methods_table(claims, stored)),
        **{name: HEAD + text for name, text in papers.items()},
        **{f"images/{name}": text for name, text in pictures.items()},
    }


def command_line() -> str:
    """Return the words of every verb as they are parsed; `--help` says the same in boxes."""
    parts = [
        f"{HEAD}# Command line\n\nEvery verb also takes `--json` (exactly one JSON object) and "
        "`--quiet` (no progress and no remarks on stderr).\n"
    ]
    for name in sorted(verb for verb in app if not verb.startswith("-")):
        summary = (inspect.getdoc(app[name].default_command) or "").partition("\n\nArgs:\n")[0]
        parts.append(f"\n## fleetfoot {name}\n\n{' '.join(summary.split())}\n")
        words = [
            a
            for a in app[name].assemble_argument_collection(parse_docstring=True)
            if a.parse and not a.children
        ]
        rows = [
            f"| `{_word(word)}` | {_meaning(word)} | {_default(word)} |\n"
            for word in words
            if word.name not in EVERYWHERE
        ]
        if rows:
            parts += ["\n| word | meaning | default |\n|---|---|---|\n", *rows]
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


def readme(claims: Sequence[Claim], stored: Stored) -> str:
    """Return the README with its table of results, and what it says of claims, made again."""
    text = (DOCS / README).read_text(encoding="utf-8")
    table = results_table(first=True, folder="benchmarks/results")
    text = _between(text, "results", f"{table}\n{machine_line(first=True)}")
    return _between(text, "ledger", f"{standing(claims, stored)}\n{tally(claims, stored)}")


def _between(text: str, name: str, content: str) -> str:
    """Return ``text`` with what stands between the two comments of this name replaced."""
    before, begin, rest = text.partition(f"<!-- {name} -->\n")
    _, end, after = rest.partition(f"<!-- end of {name} -->")
    return f"{before}{begin}{content}{end}{after}"


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


def _word(argument: Argument) -> str:
    several = argument.field_info.kind is inspect.Parameter.VAR_POSITIONAL
    return f"{argument.name}{'...' if several else ''}"


def _meaning(argument: Argument) -> str:
    return " ".join((argument.parameter.help or "").split())


def _default(argument: Argument) -> str:
    default = argument.field_info.default
    return "" if default in (None, False, (), inspect.Parameter.empty) else f"`{default}`"


def _read(name: str) -> str | None:
    path = DOCS / name
    return path.read_text(encoding="utf-8") if path.is_file() else None


if __name__ == "__main__":
    sys.exit(main())
