"""The tree itself: names, sizes, marks, and the two commands that must stay equal."""

import re
import statistics
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "src" / "fleetfoot"
TESTS = ROOT / "tests"

# Folders and files of tests that stand for the whole and not for one source file.
WHOLE = {"contracts", "golden"}
SOURCE_LINES = 500  # the house refuses more; core/ is held to 200, a test file to 400
CORE_LINES = 200
TEST_LINES = 400
NET_LINES = 200  # a network file; half of them are shorter than the median
NET_MEDIAN = 150

# Put together here so that this file does not find itself.
MARK = re.compile(r"\b(" + "|".join(["TO" + "DO", "FIX" + "ME", "XX" + "X", "HA" + "CK"]) + r")\b")
WITH_ISSUE = re.compile(r"\(#\d+\)")
TEXT = {".py", ".md", ".toml", ".j2", ".css", ".yml", ""}


def _files() -> list[Path]:
    """Return the files that git knows, or all of them where there is no git."""
    try:
        listed = subprocess.run(
            ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True, text=True
        ).stdout.split("\0")
    except (OSError, subprocess.CalledProcessError):
        return [path for path in ROOT.rglob("*") if path.is_file() and ".git" not in path.parts]
    return [ROOT / name for name in listed if name and (ROOT / name).is_file()]


def _lines(path: Path) -> int:
    return len(path.read_text(encoding="utf-8").splitlines())


def _block_after(marker: str) -> str:
    """Return the shell block of the README that follows a marker comment."""
    found = re.search(
        rf"<!-- {marker} -->\s*```\w*\n(.*?)\n```", (ROOT / "README.md").read_text(), re.DOTALL
    )
    assert found, f"README.md has no block after <!-- {marker} -->"
    return found[1].strip()


def test_tests_mirror_sources() -> None:
    """`nets/test_create.py` or, for a part of it, `nets/test_create_pretrained.py`."""
    strays = []
    for path in TESTS.glob("*/**/test_*.py"):
        relative = path.relative_to(TESTS)
        folder = SOURCE / relative.parent
        name = relative.stem.removeprefix("test_")
        sources = {source.stem for source in folder.glob("*.py")}
        if relative.parts[0] not in WHOLE and not any(
            name == source or name.startswith(f"{source}_") for source in sources
        ):
            strays.append(f"{path.relative_to(ROOT)}: {folder.relative_to(ROOT)} has no {name}.py")
    assert not strays, "\n".join([*strays, "tests of the whole go to tests/contracts/"])


def test_no_junk_drawers() -> None:
    names = {"utils", "helpers", "misc", "common", "tools"}
    found = [p for p in SOURCE.rglob("*") if p.stem in names and "__pycache__" not in p.parts]
    assert not found, f"give these files the name of what they do: {found}"


def test_files_stay_readable() -> None:
    limits = [(SOURCE, SOURCE_LINES), (SOURCE / "core", CORE_LINES), (TESTS, TEST_LINES)]
    long = [
        f"{path.relative_to(ROOT)}: {_lines(path)} lines, at most {limit}"
        for folder, limit in limits
        for path in folder.rglob("*.py")
        if _lines(path) > limit
    ]
    assert not long, "\n".join(long)


def test_a_network_file_reads_in_one_go() -> None:
    """The network files are those that register; `mobilenet.py` holds what five of them share."""
    files = (SOURCE / "nets").glob("*.py")
    found = {f.name: _lines(f) for f in files if "\nregister_family(" in f.read_text("utf-8")}
    assert len(found) >= 20
    assert statistics.median(found.values()) < NET_MEDIAN, found
    assert max(found.values()) <= NET_LINES, found


def test_unfinished_work_names_its_issue() -> None:
    bare = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()}"
        for path in _files()
        if path.suffix in TEXT and path.name != "LICENSE"
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if MARK.search(line) and not WITH_ISSUE.search(line)
    ]
    assert not bare, "write the issue, as in (#12):\n" + "\n".join(bare)


def test_ci_runs_the_command_of_the_readme() -> None:
    script = (ROOT / ".ci" / "run").read_text()
    command = _block_after("test-command")
    assert command == "python -m pip install -e '.[dev]' && just check"
    assert script.rstrip().splitlines()[-1] == command


def test_first_command_of_the_readme_is_the_main_job() -> None:
    command = _block_after("first-command")
    assert command == "python -m pip install -e '.[train]' && fleetfoot fit digits --minutes 1"


def test_figures_in_the_readme_name_a_committed_file() -> None:
    readme = (ROOT / "README.md").read_text()
    links = re.findall(r"\]\((?!https?:|#)([^)#]+)", readme)
    missing = [link for link in links if not (ROOT / link).exists()]
    assert not missing, f"README.md links to what is not there: {missing}"


@pytest.mark.parametrize("verb", ["format", "lint", "types", "floors", "tiny", "test", "test-slow"])
def test_just_has_the_verb(verb: str) -> None:
    assert re.search(rf"^{verb}\b", (ROOT / "justfile").read_text(), re.MULTILINE)


def test_guides_use_words_that_exist() -> None:
    reference = (ROOT / "docs" / "reference" / "command-line.md").read_text()
    known = set(re.findall(r"`(--[a-z-]+)", reference))
    verbs = set(re.findall(r"^## fleetfoot (\w+)", reference, re.MULTILINE))
    unknown = []
    for page in [ROOT / "README.md", *(ROOT / "docs" / "guide").glob("*.md")]:
        for verb, rest in re.findall(r"\bfleetfoot (\w+)([^\n`#]*)", page.read_text()):
            words = set(re.findall(r"--[a-z-]+", rest)) - known
            unknown += [f"{page.name}: {word}" for word in words]
            unknown += [] if verb in verbs else [f"{page.name}: fleetfoot {verb}"]
    assert not unknown


def test_every_decision_is_in_the_index() -> None:
    folder = ROOT / "docs" / "decisions"
    index = (folder / "README.md").read_text()
    pages = sorted(page.name for page in folder.glob("0*.md"))
    assert sorted(re.findall(r"\((0\d{3}-[\w-]+\.md)\)", index)) == pages
    assert [int(name[:4]) for name in pages] == list(range(1, len(pages) + 1))
