"""The tree itself: names, sizes, marks, and the two commands that must stay equal."""

import ast
import re
import statistics
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "src" / "fleetfoot"
TESTS = ROOT / "tests"

# Folders and files of tests that stand for the whole and not for one source file.
WHOLE = {"contracts", "golden"}
# What the house refuses, and what is above it, how far, and why. An exception that is no longer
# needed fails the test; one that has come down may be lowered.
SOURCE_LINES = 500
CORE_LINES = 200
LOOP_LINES = 250  # train/loop.py
TEST_LINES = 400
FUNCTION_LINES = 80
PARAMETERS = 8
FIELDS = 12  # of a record
OWN_BASES = 1  # between a class and nn.Module
IMPORTS_INSIDE = 120  # functions, in all: each is heavy or of an extra; lower it with them
FLAT = "printed as one flat object, whose keys are an interface"
WORDS = "each field is a word of the command line, which is flat"
EXCEPTIONS = {
    "claims/training.py:train_once parameters": (
        10,
        "what a training of a claim may have of its own",
    ),
    "data/audit.py:Audit fields": (17, FLAT),
    "deploy/tune.py:Candidate fields": (17, FLAT),
    "jobs/evaluate.py:EvaluateRecord fields": (13, FLAT),
    "jobs/fit.py:FitRecord fields": (16, FLAT),
    "jobs/requests.py:DeployRequest fields": (13, WORDS),
    "jobs/requests.py:FitRequest fields": (20, WORDS),
    "measure/device.py:DeviceProfile fields": (15, FLAT),
    "nets/mobilenet_v1.py:MobileNetV1 own bases": (2, "MobileNet without drop_path, for one table"),
    "train/optim/gradinit.py:GradInit fields": (
        15,
        "the settings of the paper's algorithm",
    ),
    "train/loop.py:train parameters": (9, "the seam between a recipe and its training"),
    "train/planning/make_plan.py:make_plan parameters": (
        9,
        "what train gets, and where to measure it",
    ),
    "train/planning/plan.py:Plan fields": (25, "plan.json is flat, and read by the version before"),
}
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


def _trees() -> dict[str, ast.Module]:
    return {
        path.relative_to(SOURCE).as_posix(): ast.parse(path.read_text(encoding="utf-8"))
        for path in sorted(SOURCE.rglob("*.py"))
    }


def _functions(tree: ast.AST) -> list[ast.FunctionDef | ast.AsyncFunctionDef]:
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    return [node for node in ast.walk(tree) if isinstance(node, kinds)]


def _parameters(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    given = function.args
    names = [a.arg for a in (*given.posonlyargs, *given.args, *given.kwonlyargs)]
    return len(names) - (names[:1] in (["self"], ["cls"]))


def _records(tree: ast.AST) -> list[ast.ClassDef]:
    classes = [node for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]
    return [c for c in classes if any("dataclass" in ast.unparse(d) for d in c.decorator_list)]


def _own_bases(trees: dict[str, ast.Module]) -> dict[str, int]:
    """Return how many own classes stand between each module class and nn.Module."""
    found = {
        (name, node.name): [ast.unparse(base).partition("[")[0] for base in node.bases]
        for name, tree in trees.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef)
    }
    bases = {name: above for (_, name), above in found.items()}

    def depth(name: str) -> int:
        if name.startswith("nn."):
            return 0
        above = [depth(base) for base in bases.get(name, ()) if base != name]
        return max((d + 1 for d in above if d >= 0), default=-1)

    return {f"{file}:{name}": depth(name) - 1 for file, name in found}


def _sizes() -> Iterator[tuple[str, str, int, int]]:
    """Yield what is measured: name, what, how much, and how much at most."""
    for path in sorted(SOURCE.rglob("*.py")):
        name = path.relative_to(SOURCE).as_posix()
        limit = CORE_LINES if name.startswith("core/") else SOURCE_LINES
        yield name, "lines", _lines(path), LOOP_LINES if name == "train/loop.py" else limit
    for path in sorted(TESTS.rglob("*.py")):
        yield path.relative_to(ROOT).as_posix(), "lines", _lines(path), TEST_LINES
    trees = _trees()
    for name, depth in _own_bases(trees).items():
        yield name, "own bases", depth, OWN_BASES
    for name, tree in trees.items():
        for function in _functions(tree):
            where = f"{name}:{function.name}"
            yield where, "lines", (function.end_lineno or 0) - function.lineno + 1, FUNCTION_LINES
            yield where, "parameters", _parameters(function), PARAMETERS
        for record in _records(tree):
            fields = sum(isinstance(line, ast.AnnAssign) for line in record.body)
            yield f"{name}:{record.name}", "fields", fields, FIELDS


def test_sizes_are_within_the_limits_of_the_house() -> None:
    measured = list(_sizes())
    assert any((count, what) == (1, "own bases") for _, what, count, _ in measured)
    above = {f"{name} {what}": count for name, what, count, limit in measured if count > limit}
    allowed = {name: count for name, (count, _) in EXCEPTIONS.items()}
    wrong = [f"{name}: {count}" for name, count in above.items() if count > allowed.get(name, 0)]
    unneeded = sorted(allowed.keys() - above.keys())
    assert not wrong, "make smaller, or name it with its reason:\n" + "\n".join(wrong)
    assert not unneeded, f"exceptions that are no longer needed: {unneeded}"


def test_imports_inside_functions_do_not_grow() -> None:
    inside = 0
    for tree in _trees().values():
        kinds = (ast.Import, ast.ImportFrom)
        found = [node for f in _functions(tree) for node in ast.walk(f) if isinstance(node, kinds)]
        inside += len({id(node) for node in found})
    assert 0 < inside <= IMPORTS_INSIDE


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
    assert command == (
        "python -m pip install -e '.[train,weights]' && fleetfoot fit digits --minutes 1"
    )


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
