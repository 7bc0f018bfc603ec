"""The kernel's side of the judge: start it, send it a definition, survive whatever becomes of it."""

import atexit
import io
import json
import operator
import os
import pickle
import select
import subprocess
import sys
import threading
import time
import types
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import cloudpickle

PATIENCE = 60.0  # seconds for a reply: the judge has limits of its own, this is for a judge that is gone


class Judge:
    """One process that is started ahead of time, and anew when it was lost."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._lock = threading.Lock()

    def start(self) -> None:
        """Begin to start, without waiting."""
        if self._process is None or self._process.poll() is not None:
            environment = {**os.environ, "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
            package = str(Path(__file__).resolve().parents[2])
            environment["PYTHONPATH"] = os.pathsep.join([package, environment.get("PYTHONPATH", "")]).rstrip(os.pathsep)
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", "course_lib.exercises.judge"],  # not the course_lib beside a notebook
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env=environment,
                start_new_session=True,
            )

    def ask(self, exercise: str, definition: Any) -> dict[str, Any]:
        """The verdict as a dictionary.

        Raises:
            RuntimeError: the judge was lost twice.
        """
        return self._ask(exercise, pack(definition), path=[str(Path(p).resolve()) for p in sys.path])

    def ask_about_source(self, exercise: str, text: str, name: str, hidden: Sequence[Path]) -> dict[str, Any]:
        """The verdict on what a text defines as `name`. It is run nowhere but in a process that is shut in.

        Args:
            hidden: folders that are not to be read there

        Raises:
            RuntimeError: the judge was lost twice.
        """
        return self._ask(exercise, pickle.dumps(Source(text, name)), path=[], hidden=[str(one) for one in hidden])

    def _ask(self, exercise: str, pickled: bytes, **options: Any) -> dict[str, Any]:
        job = {"exercise": exercise, "size": len(pickled), **options}
        with self._lock:
            for _ in range(2):
                with suppress(OSError, ValueError):
                    self.start()
                    if (reply := self._exchange(json.dumps(job).encode() + b"\n" + pickled)) is not None:
                        return reply
                self.stop()
        raise RuntimeError("the process that checks could not be kept running")

    def _exchange(self, message: bytes) -> dict[str, Any] | None:
        process = self._process
        assert process and process.stdin and process.stdout
        process.stdin.write(message)
        process.stdin.flush()
        line, end = b"", time.monotonic() + PATIENCE
        try:
            while not line.endswith(b"\n"):
                if not select.select([process.stdout], [], [], max(0.0, end - time.monotonic()))[0]:
                    return None
                part = os.read(process.stdout.fileno(), 1 << 16)
                if not part:
                    return None
                line += part
        except KeyboardInterrupt:
            self.stop()  # or its late reply would answer the next question
            raise
        return json.loads(line)

    def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            for stream in (self._process.stdin, self._process.stdout):
                with suppress(OSError):
                    stream and stream.close()
            self._process = None


class Source:
    """A definition as text: to unpickle it is to run the text."""

    def __init__(self, text: str, name: str) -> None:
        self.text, self.name = text, name

    def __reduce__(self) -> tuple[Any, ...]:
        return defined, (self.text, self.name)


def defined(text: str, name: str) -> Any:
    """What `text` defines as `name`."""
    module = types.ModuleType("__yours__")
    exec(compile(text, f"<{name}>", "exec"), vars(module))
    return vars(module)[name]


class Pickler(cloudpickle.Pickler):
    """cloudpickle, which finds `torch.ops` among the modules that a function names and cannot send it."""

    def reducer_override(self, obj: Any) -> Any:
        if type(obj).__module__ == "torch._ops" and isinstance(obj, types.ModuleType):
            return operator.attrgetter("ops"), (sys.modules["torch"],)
        return super().reducer_override(obj)


def pack(definition: Any) -> bytes:
    """Pickle by value what was written in a notebook or in a file of the learner's."""
    module = sys.modules.get(getattr(definition, "__module__", None) or "")
    own = module is not None and _is_learners(module)
    if own:
        cloudpickle.register_pickle_by_value(module)
    try:
        buffer = io.BytesIO()
        Pickler(buffer).dump(definition)
        return buffer.getvalue()
    finally:
        if own:
            cloudpickle.unregister_pickle_by_value(module)


def _is_learners(module: types.ModuleType) -> bool:
    if module.__name__ == "__main__" or module.__name__.split(".")[0] in {"course_lib", "builtins", "torch"}:
        return False
    file = getattr(module, "__file__", None)
    return bool(file) and not any(
        part in str(file) for part in ("site-packages", "dist-packages", f"lib{os.sep}python")
    )


JUDGE = Judge()
atexit.register(JUDGE.stop)
