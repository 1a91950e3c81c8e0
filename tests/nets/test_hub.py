"""The Hub without a network: a fake package that answers from a dictionary."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest
import torch
from safetensors.torch import save_file

import fleetfoot
from fleetfoot.core.errors import DataError, FleetfootError, MissingError, UsageError
from fleetfoot.nets.create import create
from fleetfoot.nets.hub import hub_file
from fleetfoot.nets.weights import load_weights

NAME = "hf-hub:someone/digits"
README = "---\ntags:\n- x\nlicense: apache-2.0\n---\n# Digits\nlicense: mit\n"


class Hub:
    """Stands for `huggingface_hub`: what a cache and a server hold, and every request made."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.root = root
        self.cache: dict[str, bytes] = {}
        self.server: dict[str, bytes] = {}
        self.fails: Exception | None = None
        self.requests: list[tuple[str, str | None]] = []
        package, errors = ModuleType("huggingface_hub"), ModuleType("huggingface_hub.errors")
        not_found = type("EntryNotFoundError", (Exception,), {})
        missing_repository = type("RepositoryNotFoundError", (OSError,), {})
        for kind, base in (
            ("EntryNotFoundError", not_found),
            ("LocalEntryNotFoundError", type("", (FileNotFoundError, not_found), {})),
            ("RepositoryNotFoundError", missing_repository),
            ("GatedRepoError", type("", (missing_repository,), {})),
            ("RevisionNotFoundError", type("", (OSError,), {})),
        ):
            setattr(errors, kind, base)
        package.hf_hub_download = self.hf_hub_download
        self.errors = errors
        monkeypatch.setitem(sys.modules, "huggingface_hub", package)
        monkeypatch.setitem(sys.modules, "huggingface_hub.errors", errors)

    def hf_hub_download(
        self, repo: str, file: str, *, revision: str | None, local_files_only: bool
    ) -> str:
        assert repo == "someone/digits"
        if not local_files_only:
            self.requests.append((file, revision))
            if self.fails is not None:
                raise self.fails
            if file not in self.server:
                raise self.errors.EntryNotFoundError
            self.cache[file] = self.server[file]
        if file not in self.cache:
            raise self.errors.LocalEntryNotFoundError
        path = self.root / "snapshots" / "0123abc" / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(self.cache[file])
        return str(path)


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Hub:
    return Hub(tmp_path / "cache", monkeypatch)


@pytest.fixture
def weights(tmp_path: Path) -> bytes:
    torch.manual_seed(1)
    save_file(create("mnist_sigmoid", in_chans=1).state_dict(), tmp_path / "w.safetensors")
    return (tmp_path / "w.safetensors").read_bytes()


def test_fetched_only_when_asked(hub: Hub, weights: bytes) -> None:
    hub.server = {"model.safetensors": weights, "README.md": README.encode()}
    net = create("mnist_sigmoid", in_chans=1)
    with pytest.raises(
        MissingError, match=r"is not on this machine; .*allow_download=True"
    ) as error:
        load_weights(net, NAME)
    assert (error.value.exit_code, hub.requests) == (6, [])
    report = fleetfoot.load_weights(net, NAME, allow_download=True)
    assert hub.requests == [("model.safetensors", None), ("README.md", None)]
    assert (report.source, report.licence) == (f"{NAME}@0123abc", "apache-2.0")
    assert (report.loaded, report.missing, report.unused) == (8, (), ())
    again = load_weights(create("mnist_sigmoid", in_chans=1), NAME)  # kept, so no permission needed
    assert (again.licence, len(hub.requests)) == ("apache-2.0", 2)


def test_a_torch_file_where_there_is_no_safetensors(hub: Hub, tmp_path: Path) -> None:
    net = create("mnist_sigmoid", in_chans=1)
    torch.save(net.state_dict(), tmp_path / "w.bin")
    hub.server = {"pytorch_model.bin": (tmp_path / "w.bin").read_bytes()}
    report = load_weights(net, f"{NAME}@v1", allow_download=True)
    assert hub.requests[:2] == [("model.safetensors", "v1"), ("pytorch_model.bin", "v1")]
    assert report.licence == "unknown"


@pytest.mark.parametrize(
    ("page", "licence"),
    [
        ("---\nlicense: other\nlicense_name: 'my-own'\n---\n", "other (my-own)"),
        ('---\r\nlicense: "mit"\r\n---\r\n', "mit"),
        ("---\ntags: [a]\n---\nlicense: mit\n", "unknown"),
        ("license: mit\n", "unknown"),
        ("", "unknown"),
    ],
)
def test_the_licence_is_what_the_head_of_the_page_says(hub: Hub, page: str, licence: str) -> None:
    hub.cache = {"model.safetensors": b"", "README.md": page.encode()}
    assert hub_file(NAME, allow_download=False).licence == licence


@pytest.mark.parametrize("name", ["hf-hub:digits", "hf-hub:", "hf-hub:a/b/c", "hf-hub:a/b@"])
def test_another_form(name: str) -> None:
    with pytest.raises(UsageError, match="is not of the form hf-hub:OWNER/NAME"):
        load_weights(create("mnist_sigmoid"), name, allow_download=True)


@pytest.mark.parametrize(
    ("make", "kind", "message"),
    [
        (lambda e: e.LocalEntryNotFoundError("no route"), MissingError, "cannot be reached"),
        (lambda e: e.GatedRepoError("403"), MissingError, "is gated; accept its licence"),
        (lambda e: e.RepositoryNotFoundError("404"), UsageError, "has no such repository"),
        (lambda e: e.RevisionNotFoundError("404"), UsageError, "has no such repository"),
        (lambda e: RuntimeError("slow\nvery"), MissingError, r"could not fetch .* \(slow\)"),
        (lambda e: RuntimeError(), MissingError, r"\(RuntimeError\)"),
        (lambda e: e.EntryNotFoundError(), DataError, "has neither model.safetensors nor"),
    ],
)
def test_failures_are_one_line(
    hub: Hub,
    make: Callable[[ModuleType], Exception],
    kind: type[FleetfootError],
    message: str,
) -> None:
    hub.fails = make(hub.errors)
    with pytest.raises(kind, match=message) as caught:
        load_weights(create("mnist_sigmoid"), f"{NAME}@main", allow_download=True)
    assert str(caught.value).startswith(NAME)
    assert "\n" not in str(caught.value)


def test_without_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(MissingError, match=r"pip install 'fleetfoot\[hub\]'") as caught:
        load_weights(create("mnist_sigmoid"), NAME, allow_download=True)
    assert caught.value.exit_code == 6


def test_the_errors_are_those_of_the_real_package() -> None:
    errors = pytest.importorskip("huggingface_hub.errors")
    assert issubclass(errors.LocalEntryNotFoundError, errors.EntryNotFoundError)
    assert issubclass(errors.GatedRepoError, errors.RepositoryNotFoundError)
    assert issubclass(errors.RevisionNotFoundError, Exception)


def test_the_package_is_imported_when_it_is_needed() -> None:
    code = (
        "import sys, fleetfoot.nets.hub; assert not {'huggingface_hub', 'torch'} & {*sys.modules}"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
