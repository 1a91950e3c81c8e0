"""Weight files of the Hugging Face Hub: fetched only when asked; nothing in them is executed.

Source   huggingface_hub, an optional package; it keeps what it fetched, and a kept file needs
         neither network nor permission
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fleetfoot.core.errors import DataError, MissingError, UsageError, require

PREFIX = "hf-hub:"
FILES = ("model.safetensors", "pytorch_model.bin")  # the first that the repository has
FORM = re.compile(r"hf-hub:(?P<repo>[\w.-]+/[\w.-]+)(@(?P<revision>[\w./-]+))?")


@dataclass(frozen=True)
class HubFile:
    """A weight file that is on this machine now."""

    path: Path  # the file in the package's cache
    source: str  # repository and, where it is known, the commit
    licence: str  # what the repository's page says, "unknown" where it says nothing


@dataclass(frozen=True)
class _Repository:
    hub: Any
    errors: Any
    name: str
    revision: str | None
    online: bool

    def fetch(self, file: str) -> Path | None:
        """Return the local copy of a file, or None if the repository (offline: cache) has none."""
        try:
            path = self.hub.hf_hub_download(
                self.name, file, revision=self.revision, local_files_only=not self.online
            )
        except self.errors.LocalEntryNotFoundError as error:
            if self.online:  # this is how the package says that it got no answer
                raise MissingError(
                    f"{PREFIX}{self.name}: the Hub cannot be reached and {file} was never fetched; "
                    "connect, or give a file"
                ) from error
            return None
        except self.errors.EntryNotFoundError:
            return None
        except self.errors.GatedRepoError as error:
            raise MissingError(
                f"{PREFIX}{self.name}: is gated; accept its licence on the Hub and log in"
            ) from error
        except (
            self.errors.RepositoryNotFoundError,
            self.errors.RevisionNotFoundError,
        ) as error:
            where = f" at {self.revision!r}" if self.revision else ""
            raise UsageError(
                f"{PREFIX}{self.name}: the Hub has no such repository{where}"
            ) from error
        except Exception as error:  # whatever the HTTP library of the day raises
            reason = (str(error).strip() or type(error).__name__).splitlines()[0]
            raise MissingError(
                f"{PREFIX}{self.name}: could not fetch {file} ({reason[:120]})"
            ) from error
        return Path(path)


def hub_file(name: str, *, allow_download: bool) -> HubFile:
    """Return the weight file of a repository; without permission only one that was fetched before.

    Args:
        name: ``hf-hub:OWNER/NAME`` or ``hf-hub:OWNER/NAME@REVISION``.
        allow_download: may use the network.

    Raises:
        UsageError: a name of another form, or a repository that does not exist.
        MissingError: no permission, no package, no network, or a gated repository.
        DataError: the repository has no weight file.
    """
    found = FORM.fullmatch(name)
    if found is None:
        raise UsageError(
            f"{name}: is not of the form {PREFIX}OWNER/NAME or {PREFIX}OWNER/NAME@REVISION"
        )
    repository = _Repository(
        hub=require("huggingface_hub", extra="hub"),
        errors=require("huggingface_hub.errors", extra="hub"),
        name=found["repo"],
        revision=found["revision"],
        online=allow_download,
    )
    path = next((p for p in map(repository.fetch, FILES) if p is not None), None)
    if path is not None:
        return HubFile(path, _source(name, path), _licence(repository))
    if allow_download:
        raise DataError(f"{name}: has neither {' nor '.join(FILES)}")
    raise MissingError(
        f"{name}: is not on this machine; load_weights(..., allow_download=True) fetches it"
    )


def _source(name: str, path: Path) -> str:
    """Return the name with the commit, which the package's cache has as a folder."""
    commit = path.parent.name if path.parent.parent.name == "snapshots" else ""
    return f"{name.partition('@')[0]}@{commit}" if commit else name


def _licence(repository: _Repository) -> str:
    """Return the licence that the head of the repository's README names."""
    try:
        page = repository.fetch("README.md")
    except (MissingError, UsageError):
        page = None
    text = "" if page is None else page.read_text(encoding="utf-8", errors="replace")
    head = re.match(r"---\n(.*?)\n---", text.replace("\r\n", "\n"), re.DOTALL)
    fields = re.findall(
        r"^(license|license_name):[ ]*(.+?)[ ]*$", head[1] if head else "", re.MULTILINE
    )
    facts = {key: value.strip("'\"") for key, value in fields}
    licence = facts.get("license", "unknown")
    own_name = facts.get("license_name")
    return f"{licence} ({own_name})" if own_name else licence
