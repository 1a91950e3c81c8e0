"""A process that may ask nobody for a name, nor those that it starts; what asks is written down.

C        the kernel ends a process with SIGSYS when it opens a socket of the internet (seccomp)
Python   every look-up and connection is heard, in processes with `sitecustomize` in their path
Command  ``without_network.py COMMANDS`` runs commands of Fleetfoot, given as a list in JSON
"""

import ctypes
import json
import os
import platform
import socket
import struct
import sys
from pathlib import Path

PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP, SECCOMP_MODE_FILTER = 38, 22, 2
LOAD, EQUAL, RETURN = 0x20, 0x15, 0x06  # of the kernel's packet filters
KILL_PROCESS, ALLOW = 0x80000000, 0x7FFF0000
# Number of an architecture, and of `socket` there (linux/audit.h, asm/unistd.h).
SOCKET_CALLS = {"x86_64": (0xC000003E, 41), "aarch64": (0xC00000B7, 198)}
NUMBER, ARCHITECTURE, FIRST_ARGUMENT = 0, 4, 16  # places in what the filter sees
HEARD = ("socket.getaddrinfo", "socket.gethostbyname", "socket.getnameinfo", "socket.connect")
NOTES = "FLEETFOOT_TEST_LOOK_UPS"  # the file for what is heard
# Where these are set, engines are silent by themselves.
SILENCE = ("CI", "GITHUB_ACTIONS", "TF_BUILD", "JENKINS_URL", "GITLAB_CI", "ORT_DISABLE_TELEMETRY")


def can_be_watched() -> bool:
    """Return whether this machine has such filters."""
    return sys.platform == "linux" and platform.machine() in SOCKET_CALLS


def allow_no_network() -> None:
    """End this process and its children when they open a socket of the internet.

    Raises:
        OSError: the kernel has no such filters.
    """
    architecture, call = SOCKET_CALLS[platform.machine()]
    steps = [
        (LOAD, 0, 0, ARCHITECTURE),
        (EQUAL, 0, 6, architecture),
        (LOAD, 0, 0, NUMBER),
        (EQUAL, 0, 4, call),
        (LOAD, 0, 0, FIRST_ARGUMENT),
        (EQUAL, 1, 0, socket.AF_INET),
        (EQUAL, 0, 1, socket.AF_INET6),
        (RETURN, 0, 0, KILL_PROCESS),
        (RETURN, 0, 0, ALLOW),
    ]
    program = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *step) for step in steps))
    described = struct.pack("HP", len(steps), ctypes.addressof(program))
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) or libc.prctl(
        PR_SET_SECCOMP, SECCOMP_MODE_FILTER, described, 0, 0
    ):
        raise OSError(ctypes.get_errno(), "no filter of system calls")
    sys.addaudithook(_note)


def _note(event: str, arguments: tuple[object, ...]) -> None:
    of_this_machine = event == "socket.connect" and isinstance(arguments[1], (str, bytes))
    if event in HEARD and not of_this_machine:
        with open(os.environ[NOTES], "a") as file:  # noqa: PTH123
            file.write(f"{event} {arguments} in {sys.argv}\n")


def watched_environment(folder: Path) -> dict[str, str]:
    """Return the environment of a process that may ask nobody; what it asks goes into a file."""
    known = {name: value for name, value in os.environ.items() if name not in SILENCE}
    if not can_be_watched():
        return known
    site = folder / "site"
    site.mkdir()
    (site / "sitecustomize.py").write_text(
        f"import sys; sys.path.append({str(Path(__file__).parent)!r})\n"
        "import without_network; without_network.allow_no_network()\n"
    )
    paths = [str(site), *filter(None, [os.environ.get("PYTHONPATH")])]
    return known | {"PYTHONPATH": os.pathsep.join(paths), NOTES: str(folder / "notes.txt")}


def heard(environment: dict[str, str]) -> str:
    """Return what a process of this environment, and those that it started, asked for."""
    notes = Path(environment.get(NOTES, os.devnull))
    return notes.read_text() if notes.exists() else ""


if __name__ == "__main__":
    from fleetfoot.cli import run

    for command in json.loads(sys.argv[1]):
        sys.stderr.write(f"$ {' '.join(command)}\n")
        if (code := run(command)) != 0:
            sys.exit(code)
