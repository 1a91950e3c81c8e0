import inspect
import re
from pathlib import Path

import pytest

from fleetfoot.core import errors
from fleetfoot.core.errors import FleetfootError, MissingError, require

GUIDE = Path(__file__).resolve().parents[2] / "docs" / "guide" / "first-run.md"

# PRODUCT: 0 done, 1 unexpected, 2 usage, 3 data refused, 4 budget not met, 5 gate failed,
# 6 device or dependency missing, 130 interrupted.
CODES = {
    "FleetfootError": 1,
    "TrainingError": 1,
    "UsageError": 2,
    "ShapeError": 2,
    "DataError": 3,
    "BudgetError": 4,
    "GateError": 5,
    "MissingError": 6,
    "Interrupted": 130,
}


def test_exit_codes_are_the_documented_ones() -> None:
    found = {
        name: value.exit_code
        for name, value in vars(errors).items()
        if inspect.isclass(value) and issubclass(value, FleetfootError)
    }
    assert found == CODES


def test_the_guide_lists_every_exit_code() -> None:
    listed = {int(code) for code in re.findall(r"^\| (\d+) \|", GUIDE.read_text(), re.MULTILINE)}
    assert listed == {0, *CODES.values()}


def test_require_returns_the_module() -> None:
    assert require("json.decoder", extra="train").JSONDecoder


@pytest.mark.parametrize("name", ["fleetfoot_absent", "fleetfoot_absent.part"])
def test_an_absent_module_names_the_command(name: str) -> None:
    with pytest.raises(MissingError) as caught:
        require(name, extra="claims")
    assert str(caught.value) == (
        f"{name} is not installed: run `python -m pip install 'fleetfoot[claims]'`"
    )


def test_what_the_base_installation_brings_is_installed_by_its_own_name() -> None:
    with pytest.raises(MissingError, match=r"run `python -m pip install fleetfoot_absent`$"):
        require("fleetfoot_absent.part", extra=None)


def test_a_broken_package_is_reinstalled_by_its_name_on_the_index(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "broken_module.py").write_text("raise OSError('x')\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(
        "importlib.metadata.packages_distributions", lambda: {"broken_module": ["broken-package"]}
    )
    with pytest.raises(MissingError, match=r"--force-reinstall broken-package`$"):
        require("broken_module", extra="train")


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("raise OSError('libtorch.so: wrong\\nELF class')", "libtorch.so: wrong"),
        ("raise RuntimeError", "RuntimeError"),
        ("import fleetfoot_absent_dependency", "No module named 'fleetfoot_absent_dependency'"),
        ("from json import no_such_name", "cannot import name 'no_such_name'"),
        ("1 +", "invalid syntax"),
    ],
)
def test_a_broken_module_says_what_broke(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str, reason: str
) -> None:
    name = f"broken_{abs(hash(source))}"
    (tmp_path / name).mkdir()
    (tmp_path / name / "__init__.py").write_text(source + "\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(MissingError) as caught:
        require(name, extra="train")
    message = str(caught.value)
    assert message.startswith(f"{name} is installed but does not import ({reason}")
    assert message.endswith(f"`python -m pip install --force-reinstall {name}`")
    assert "\n" not in message
