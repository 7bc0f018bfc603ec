"""Files that are whole or not there: what is written under another name first cannot be left half written."""

import errno
import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from course_lib.app.errors import UserError


@contextmanager
def drafted(target: Path) -> Iterator[Path]:
    """A new folder beside `target`, which takes its place when all went well and vanishes when not.

    `target` must not exist, or be an empty folder.
    """
    draft = target.with_name(f".{target.name}.draft")
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.rmtree(draft, ignore_errors=True)  # of a process that was killed
    draft.mkdir()
    try:
        yield draft
        draft.replace(target)
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)
        raise


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """An error in the middle of writing names the file, as one at its opening does: a full disk is met there."""
    try:
        yield
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from None


def write_bytes(path: Path, content: bytes) -> None:
    with naming(path):
        path.write_bytes(content)


def write_atomically(path: Path, content: bytes) -> None:
    """All of `content`, or what was there before."""
    draft = path.with_name(f".{path.name}.draft")
    try:
        write_bytes(draft, content)
        draft.replace(path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise


def append_line(path: Path, record: dict[str, Any]) -> None:
    """Add a line of JSON, whole or not at all."""
    line = (json.dumps(record) + "\n").encode()
    with naming(path), path.open("ab", buffering=0) as file:
        size = file.tell()
        if file.write(line) != len(line):  # a disk that has just become full takes a part
            file.truncate(size)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))


def read_lines(path: Path) -> list[dict[str, Any]]:
    """The records of a file of JSON lines; a last line cut short by a kill is none."""
    if not path.exists():
        return []
    records = []
    for number, line in enumerate(path.read_bytes().split(b"\n")[:-1], 1):
        try:
            records.append(json.loads(line))
        except ValueError:
            raise UserError(f"{path}, line {number}: no JSON; remove the line") from None
    return records


def to_json(value: Any) -> bytes:
    return (json.dumps(value, indent=2) + "\n").encode()


def checksum(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
