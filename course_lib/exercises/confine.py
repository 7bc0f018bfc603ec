"""Shut a process in, before it runs code that nobody has read.

On Linux, namespaces: no network, all files read-only, chosen folders empty, other processes out of sight. This needs no
rights where the system lets users make namespaces; some do not (`confined` says so), and macOS has none: there only the
runner's limits on time and memory are left.
"""

import ctypes
import os
import signal
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import cache

NEW_MOUNTS, NEW_IPC, NEW_USER, NEW_PIDS, NEW_NET = 0x20000, 0x8000000, 0x10000000, 0x20000000, 0x40000000
PRIVATE = 0x4000 | 0x40000  # MS_REC | MS_PRIVATE: what is mounted here shows nowhere else
READ_ONLY, RECURSIVE, HERE, MOUNT_SETATTR = 1, 0x8000, -100, 442


class ConfineError(OSError):
    """The system does not let a process be shut in; the message names the step."""


class _Attributes(ctypes.Structure):
    _fields_ = [(name, ctypes.c_uint64) for name in ("set", "clear", "propagation", "user")]


def confine(hidden: Sequence[str]) -> None:
    """Shut this process in; what it forks from here on is in namespaces of its own.

    Args:
        hidden: folders in whose place there is an empty one

    Raises:
        ConfineError: the system refuses a step.
    """
    if sys.platform != "linux":
        raise ConfineError("there are no namespaces on this system")
    libc = ctypes.CDLL(None, use_errno=True)

    def step(name: str, result: int) -> None:
        if result != 0:
            raise ConfineError(f"{name}: {os.strerror(ctypes.get_errno())}")

    user, group = os.getuid(), os.getgid()
    step("namespaces", libc.unshare(NEW_USER | NEW_MOUNTS | NEW_NET | NEW_IPC | NEW_PIDS))
    try:
        for name, text in (("setgroups", "deny"), ("uid_map", f"{user} {user} 1"), ("gid_map", f"{group} {group} 1")):
            with open(f"/proc/self/{name}", "w") as file:
                file.write(text)
    except OSError as error:
        raise ConfineError(f"the map of users: {error.strerror}") from None
    step("mounts of its own", libc.mount(b"none", b"/", None, PRIVATE, None))
    for folder in hidden:
        if os.path.isdir(folder):
            step(f"hiding {folder}", libc.mount(b"tmpfs", os.fsencode(folder), b"tmpfs", 0, b"size=1m"))
    read_only = _Attributes(READ_ONLY, 0, 0, 0)
    size = ctypes.sizeof(read_only)
    step("read-only files", libc.syscall(MOUNT_SETATTR, HERE, b"/", RECURSIVE, ctypes.byref(read_only), size))


def run_confined(hidden: Sequence[str], run: Callable[[], object]) -> None:
    """Shut this process in and `run` in a fork, which sees none but itself; end with it. Never returns.

    What is forked first in a new namespace of processes is that namespace's first: when it ends, all that it left
    behind ends too. A termination of this process is passed on, so that nothing lives longer than it.
    """
    confine(hidden)
    inside = os.fork()
    if inside == 0:
        with suppress(BaseException):
            own_processes_only()
            run()
        os._exit(1)

    def end(number: int, frame: object) -> None:
        os.kill(inside, signal.SIGKILL)

    signal.signal(signal.SIGTERM, end)
    _, status = os.waitpid(inside, 0)
    if os.WIFSIGNALED(status):
        signal.signal(os.WTERMSIG(status), signal.SIG_DFL)
        os.kill(os.getpid(), os.WTERMSIG(status))
    os._exit(os.waitstatus_to_exitcode(status))


def own_processes_only() -> None:
    """In /proc, this namespace's processes in place of the system's, whose memory could be read there; or nothing."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mount(b"proc", b"/proc", b"proc", 0, None) and libc.mount(b"tmpfs", b"/proc", b"tmpfs", 0, b"size=4k"):
        raise ConfineError(f"/proc: {os.strerror(ctypes.get_errno())}")


@cache
def why_not() -> str:
    """Why processes cannot be shut in on this system; empty if they can."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            confine([])
        except OSError as error:
            os.write(writing, str(error).encode()[:500])
        os._exit(0)
    os.close(writing)
    os.waitpid(child, 0)
    with os.fdopen(reading, "rb") as said:
        return said.read().decode()
