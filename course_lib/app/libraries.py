"""The library's modules as a set: the course's own, or those in which a learner's definitions have taken a place.

One process can hold several sets: a model of a learner's parts beside the course's own.
"""

import importlib
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import course_lib
from course_lib.app.overlay import INSTALLED, active, yours

MODULES = tuple(sorted(path.stem for path in INSTALLED.glob("*.py") if path.stem != "__init__"))


@dataclass(frozen=True)
class Library:
    """Modules that belong together.

    Attributes:
        modules: by name, as "attention"
        yours: the definitions in them that are a learner's
    """

    modules: dict[str, ModuleType]
    yours: tuple[str, ...] = ()

    def __getitem__(self, name: str) -> Any:
        """What the library calls so: library["LayerNorm"].

        Raises:
            KeyError: it has nothing of this name.
        """
        for module in self.modules.values():
            thing = vars(module).get(name)
            if name in module.__all__ and thing is not None:
                return thing
        raise KeyError(name)

    def __contains__(self, name: str) -> bool:
        return any(name in module.__all__ for module in self.modules.values())


@cache
def the_courses() -> Library:
    """All as the notebooks of the course define it, also where an overlay lies over it."""
    if active() is None:
        return Library({name: importlib.import_module(f"course_lib.{name}") for name in MODULES})
    return Library(_import_apart([str(INSTALLED)]))


def with_overlay(overlay: Path) -> Library:
    """The course's modules, and in place of some of them those in the folder `overlay`."""
    return Library(_import_apart([str(overlay), str(INSTALLED)]), yours(overlay))


def _import_apart(path: list[str]) -> dict[str, ModuleType]:
    """A fresh set of modules; those that the process has imported stay what they are to all others."""
    names = {f"course_lib.{name}": name for name in MODULES}
    kept = {full: sys.modules.pop(full) for full in names if full in sys.modules}
    attributes = {name: vars(course_lib).pop(name) for name in MODULES if name in vars(course_lib)}
    before, course_lib.__path__ = course_lib.__path__, path
    importlib.invalidate_caches()
    try:
        return {name: importlib.import_module(full) for full, name in names.items()}
    finally:
        course_lib.__path__ = before
        for full, name in names.items():
            sys.modules.pop(full, None)
            vars(course_lib).pop(name, None)
        sys.modules.update(kept)
        vars(course_lib).update(attributes)
