"""A page: a report's JSON rendered by templates beside this file, and by nothing else.

Every figure is an element with `data-key`, the JSON pointer of its value in the report, so that a
test (or a person with a browser) can compare page and JSON one by one.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from fleetfoot.core.errors import require
from fleetfoot.core.results import Json
from fleetfoot.report.checks import COVERED
from fleetfoot.report.figures import ABSENT, UNKNOWN, kind_of, plain_name, shown
from fleetfoot.report.pictures import pictures

TEMPLATES = Path(__file__).parent / "templates"
STYLES = ("chart.css", "page.css")
LISTED = 12  # items of a long list that the page shows; the JSON has all of them

Fact = tuple[str, str, str]


def render(
    report: Json, *, template: str = "page.html.j2", charts: Mapping[str, str] | None = None
) -> str:
    """Return the page as one HTML document without outside resources.

    Args:
        report: what report.json holds, or what ``template`` is about.
        template: of the page, beside this file.
        charts: SVG by name; those of a run's report if not given.

    Raises:
        MissingError: Jinja2 is not installed.
        ValueError: a part of the report is not of the kind that the page expects.
    """
    jinja2 = require("jinja2", extra="train")
    markupsafe = require("markupsafe", extra="train")
    markup: Callable[[str], str] = markupsafe.Markup
    escape = markupsafe.escape
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,  # class names and file names are whatever somebody chose
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )

    def figure(pointer: str, kind: str | None = None, missing: str = UNKNOWN) -> str:
        value = resolve(report, pointer)
        name = pointer.rsplit("/", 1)[-1]
        if value is None:
            words = escape(ABSENT.get(name, missing))
            return markup(f'<span class="unknown" data-key="{escape(pointer)}">{words}</span>')
        kind = kind or kind_of(name, value)
        raw = f' value="{escape(json.dumps(value))}"' if isinstance(value, (int, float)) else ""
        text = escape(shown(value, kind))
        return markup(f'<data data-key="{escape(pointer)}"{raw}>{text}</data>')

    environment.globals.update(
        fig=figure,
        facts=lambda pointer, without=(): [
            fact
            for fact in facts(resolve(report, pointer), pointer)
            if fact[1].removeprefix(f"{pointer}/").partition("/")[0] not in without
        ],
        covered=COVERED,
        pictures={
            name: markup(svg)
            for name, svg in (pictures(report) if charts is None else charts).items()
        },
        style=markup("".join((TEMPLATES / name).read_text("utf-8") for name in STYLES)),
        plain=shown,
        step=token,
        listed=LISTED,
    )
    try:
        return environment.get_template(template).render(report=report)
    except jinja2.UndefinedError as error:
        raise ValueError(str(error)) from error


def resolve(report: Any, pointer: str) -> Any:
    """Return the value at a JSON pointer (RFC 6901); None where there is none.

    >>> resolve({"a/b": [1, {"c": 2}]}, "/a~1b/1/c")
    2
    """
    value = report
    for token in pointer.split("/")[1:]:
        name = token.replace("~1", "/").replace("~0", "~")
        if isinstance(value, list):
            value = value[int(name)] if name.isdigit() and int(name) < len(value) else None
        elif isinstance(value, dict):
            value = value.get(name)
        else:
            return None
    return value


def token(name: object) -> str:
    """Return a name as one step of a JSON pointer."""
    return str(name).replace("~", "~0").replace("/", "~1")


def facts(value: Any, pointer: str, *, label: str = "") -> Iterator[Fact]:
    """Yield (label, pointer, kind) for every value below a pointer, nested names joined.

    Lists of plain values are one fact; lists of objects are cut after `LISTED`. A field without a
    unit takes that of the object around it, as in ``{"seconds": {"train": 3.2}}``.
    """
    if isinstance(value, dict) and value:
        for name, item in value.items():
            words = plain_name(name)
            yield from facts(
                item,
                f"{pointer}/{token(name)}",
                label=f"{label} \u203a {words}" if label else words,
            )
    elif isinstance(value, list) and any(isinstance(item, dict) for item in value):
        for index in range(len(value[:LISTED])):
            yield f"{label} {index + 1}", f"{pointer}/{index}", "text"
    else:
        *_, around, name = ["", *pointer.split("/")]
        kind = kind_of(name, value)
        yield label, pointer, kind_of(around, value) if kind in ("count", "number") else kind
