"""The pages hold together: links lead somewhere, names exist, the code of guides runs."""

import importlib
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = [*ROOT.glob("*.md"), *DOCS.rglob("*.md"), *(ROOT / "tests").rglob("*.md")]
FENCE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
HEADING = re.compile(r"^#+ +(.+?) *$", re.MULTILINE)
LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
DOCUMENTED = re.compile(r"^\.\. auto(?:function|class|module):: ([\w.]+)$", re.MULTILINE)
# What the page leaves to the machine, and what is enough to see that it works.
QUICK = (
    'out="digits-bundle")',
    'out="digits-bundle", engine="onnxruntime", precision="float32")',
)


def _words(page: Path) -> str:
    return FENCE.sub("", page.read_text(encoding="utf-8"))


@cache
def _anchors(page: Path) -> set[str]:
    """Return the names that a forge gives to the headings of a page."""
    found: set[str] = set()
    for heading in HEADING.findall(_words(page)):
        text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).lower()
        slug = re.sub(r"[^\w\- ]", "", text).replace(" ", "-")
        same = (f"{slug}-{i}" for i in range(1, 100))
        found.add(slug if slug not in found else next(s for s in same if s not in found))
    return found


def _broken(page: Path) -> Iterator[str]:
    for link in LINK.findall(re.sub(r"`[^`]*`", "", _words(page))):
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        if re.match(r"[a-z]+:", link):
            continue
        if not target.exists() or not target.is_relative_to(ROOT):
            yield f"{page.relative_to(ROOT)}: {link} is not there"
        elif anchor and anchor not in _anchors(target):
            yield f"{page.relative_to(ROOT)}: {link}: no such heading"


def test_every_link_leads_to_a_page_and_a_heading() -> None:
    assert len(PAGES) > 50
    broken = [problem for page in PAGES for problem in _broken(page)]
    assert not broken, "\n".join(broken)


def test_a_broken_link_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(f"{__name__}.ROOT", tmp_path)
    page = tmp_path / "page.md"
    page.write_text(
        "# A page\n\n## Again\n\n## Again\n\n[a](page.md#again-1) [b](#a-page) [c](https://x.org)\n"
        "[d](gone.md) [e](page.md#gone) ![f](../outside.svg) `[g](code.md)`\n\n"
        "```\n# no heading\n[h](code.md)\n```\n[i](#no-heading)\n"
    )
    assert [problem.split(": ", 1)[1] for problem in _broken(page)] == [
        "gone.md is not there",
        "page.md#gone: no such heading",
        "../outside.svg is not there",
        "#no-heading: no such heading",
    ]


def test_every_page_is_in_the_contents_of_the_site() -> None:
    contents = (DOCS / "index.md").read_text(encoding="utf-8").splitlines()
    missing = [
        name
        for page in sorted(DOCS.rglob("*.md"))
        if (name := page.relative_to(DOCS).with_suffix("").as_posix()) != "index"
        and not any(Path(name).match(line) for line in contents if line.strip())
    ]
    assert not missing, f"docs/index.md does not list {missing}"


def test_every_name_in_the_reference_of_python_exists() -> None:
    pages = sorted((DOCS / "api").glob("*.md"))
    names = [name for page in pages for name in DOCUMENTED.findall(page.read_text("utf-8"))]
    assert len(names) > 30
    for name in names:
        module, _, last = name.rpartition(".")
        if not hasattr(importlib.import_module(module), last):
            importlib.import_module(name)


def test_the_code_of_your_own_training_loop_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    page = (DOCS / "guide" / "own-loop.md").read_text(encoding="utf-8")
    code = "\n".join(re.findall(r"```python\n(.*?)```", page, re.DOTALL))
    assert code.count(QUICK[0]) == 1
    monkeypatch.chdir(tmp_path)
    exec(compile(code.replace(*QUICK), "own-loop.md", "exec"), {"__name__": "guide"})
    accuracy, chosen, answer = capsys.readouterr().out.splitlines()
    assert float(accuracy.split("%")[0]) > 95
    assert chosen.startswith("onnxruntime float32 ")
    assert len(set(answer.split())) == 1
    assert {"digits-bundle", "digits-weights"} <= {path.name for path in tmp_path.iterdir()}
