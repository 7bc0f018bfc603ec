"""The house: what is declared, what is locked, what is installed and what is shipped agree with one another."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from importlib import metadata
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
GROUPS = {"": PROJECT["dependencies"], **PROJECT["optional-dependencies"]}
DIRECT = [Requirement(line) for lines in GROUPS.values() for line in lines]
LOCK_LINES = [
    line for line in (ROOT / "requirements.lock").read_text().splitlines() if line.strip() and not line.startswith("#")
]
LOCK = {
    canonicalize_name(requirement.name): Version(next(iter(requirement.specifier)).version)
    for requirement in map(Requirement, LOCK_LINES)
}
HOUSE_FILES = ["pyproject.toml", "requirements.lock", "environment.yml", "Makefile", ".ci/run"]


# --- the lock ---


@pytest.mark.parametrize("line", LOCK_LINES)
def test_a_locked_version_is_pinned_exactly(line):
    requirement = Requirement(line)
    [pin] = requirement.specifier
    assert pin.operator == "==" and "*" not in pin.version
    assert requirement.url is None and requirement.marker is None and not requirement.extras
    assert Version(pin.version).local is None, "a local version such as +cpu would fit only one build"


def test_the_lock_names_each_package_once_and_no_cuda_package():
    assert len(LOCK) == len(LOCK_LINES)
    assert not [name for name in LOCK if name.startswith(("nvidia-", "cuda-", "triton"))]


@pytest.mark.parametrize("requirement", DIRECT, ids=str)
def test_a_direct_dependency_is_locked_within_its_range(requirement):
    name = canonicalize_name(requirement.name)
    assert name in LOCK, "run `make lock`"
    assert requirement.specifier.contains(LOCK[name], prereleases=True)
    assert requirement.specifier, "give it a range"


def test_the_formatter_of_the_built_library_is_pinned_exactly():
    [ruff] = [requirement for requirement in DIRECT if requirement.name == "ruff"]
    assert [pin.operator for pin in ruff.specifier] == ["=="]


def test_what_is_installed_is_what_is_locked():
    if os.environ.get("UNPINNED"):
        pytest.skip("UNPINNED is set: the newest versions within the ranges are under test")
    installed: dict[str, Version] = {}
    for dist in metadata.distributions():  # the first counts: setuptools appends copies of its own to the path
        installed.setdefault(canonicalize_name(dist.metadata["Name"]), Version(dist.version))
    differing = {
        name: f"{installed[name]} installed, {locked} locked"
        for name, locked in LOCK.items()
        if name in installed and installed[name].public != str(locked)
    }
    assert not differing, "the environment is not the tested one; `make setup` repairs .venv"


@pytest.mark.parametrize("name", HOUSE_FILES)
def test_no_default_path_names_a_package_index(name):
    text = (ROOT / name).read_text()
    assert not re.search(r"--(extra-)?index(-url)?\b|--find-links|https?://", text)


# --- conda and Binder ---


def test_environment_yml_installs_the_locked_versions():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())
    [pip_lines] = [entry["pip"] for entry in environment["dependencies"] if isinstance(entry, dict)]
    assert pip_lines == ["-c requirements.lock", "-e .[dev,site]"]
    [python] = [entry for entry in environment["dependencies"] if str(entry).startswith("python=")]
    assert SpecifierSet(PROJECT["requires-python"]).contains(python.removeprefix("python=") + ".0")


# --- licences ---


def test_licences_are_declared_and_there():
    assert PROJECT["license"] == "MIT AND CC-BY-4.0"
    assert "MIT License" in (ROOT / "LICENSE").read_text()
    assert "https://creativecommons.org/licenses/by/4.0/legalcode" in (ROOT / "LICENSE-TEXT").read_text()
    assert sorted(PROJECT["license-files"]) == ["LICENSE", "LICENSE-TEXT"]


# --- the Makefile ---


def make(*arguments, cwd=ROOT, **environment):
    if shutil.which("make") is None:
        pytest.skip("make is not installed")
    # What an outer `make test` hands down must not reach the inner one.
    inherited = {k: v for k, v in os.environ.items() if k not in {"MAKEFLAGS", "MAKELEVEL", "MFLAGS", "MAKEOVERRIDES"}}
    for variable in ("TORCH", "UNPINNED", "VENV", "PYTHON", "ARGS", "NB"):
        inherited.pop(variable, None)
    command = ["make", "--no-print-directory", *arguments]
    return subprocess.run(command, cwd=cwd, env=inherited | environment, capture_output=True, text=True)


def test_make_alone_prints_every_target():
    phony = re.search(r"^\.PHONY: ((?:.*\\\n)*.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    targets = set(phony[1].replace("\\\n", " ").split()) - {"help"}
    result = make()
    assert result.returncode == 0, result.stderr
    assert set(re.findall(r"^  make (\S+)", result.stdout, re.MULTILINE)) == targets


@pytest.mark.parametrize(
    "target",
    ["train", "lab", "build", "notebooks", "test", "test-all", "bench", "bench-quality", "model", "wheel", "lock"],
)
def test_every_target_resolves(target):
    result = make("--dry-run", target)
    assert result.returncode == 0, result.stderr


def test_train_is_the_main_job_and_takes_arguments():
    result = make("--dry-run", "train", "ARGS=--seed 1")
    assert "bin/course train --corpus embedded --preset tiny --seed 1" in result.stdout


def test_setup_is_plain_pip_with_the_lock(tmp_path):
    plain = make("--dry-run", "setup", f"VENV={tmp_path}/venv").stdout
    assert "pip install --quiet --editable '.[dev,site]' -c requirements.lock" in plain
    assert "bin/uv" not in plain
    cpu = make("--dry-run", "setup", f"VENV={tmp_path}/venv", "TORCH=cpu").stdout
    assert "--torch-backend=cpu torch -c requirements.lock" in cpu
    assert "requirements.lock" not in make("--dry-run", "setup", f"VENV={tmp_path}/venv", "UNPINNED=1").stdout


def stand_in(path, answer):
    """A program that passes for a Python: it reads nothing and answers as told."""
    path.write_text(f"#!/bin/sh\n{answer}\n")
    path.chmod(0o755)
    return path


@pytest.mark.parametrize(
    ("answer", "complaint"),
    [
        (None, "there is no"),
        ("exit 1", "is older than 3.11"),
        ('case "$*" in *venv*) exit 1;; *) exit 0;; esac', "lacks its venv module"),
    ],
)
def test_an_unfit_python_is_told_in_one_line(tmp_path, answer, complaint):
    python = tmp_path / "some-python"
    if answer is not None:
        stand_in(python, answer)
    result = make("--silent", "setup", f"VENV={tmp_path}/venv", f"PYTHON={python}")
    assert result.returncode != 0
    [told, made] = result.stderr.strip().splitlines()  # the second line is make's own: which rule failed
    assert complaint in told and str(python) in told and made.startswith("make: ***")


def test_an_unknown_notebook_is_named():
    result = make("--dry-run", "notebooks", "NB=99")
    assert result.returncode != 0 and "no notebook is named notebooks/99" in result.stderr


# --- the wheel ---


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    out = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(out)]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr
    [path] = out.glob("*.whl")
    return path


def test_the_wheel_holds_the_library_its_data_and_nothing_else(wheel):
    names = set(zipfile.ZipFile(wheel).namelist())
    shipped = {
        f"course_lib/_data/{path.relative_to(ROOT / 'data').as_posix()}"
        for path in (ROOT / "data").rglob("*")
        if path.is_file() and path.relative_to(ROOT / "data").parts[0] != "cache" and "__pycache__" not in path.parts
    }
    assert {name for name in names if name.startswith("course_lib/_data/")} == shipped
    modules = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "course_lib").rglob("*.py")
        if "__pycache__" not in path.parts
    }
    assert modules <= names
    assert {name.split("/")[0] for name in names if ".dist-info/" not in name} == {"course_lib"}


def test_the_wheel_states_its_command_and_its_licences(wheel):
    archive = zipfile.ZipFile(wheel)
    [entry_points] = [name for name in archive.namelist() if name.endswith("entry_points.txt")]
    assert "course = course_lib.app.cli:main" in archive.read(entry_points).decode()
    licences = {Path(name).name for name in archive.namelist() if ".dist-info/licenses/" in name}
    assert licences == {"LICENSE", "LICENSE-TEXT"}


def test_the_wheel_works_outside_the_repository(wheel, tmp_path):
    zipfile.ZipFile(wheel).extractall(tmp_path / "site")
    program = (
        "import course_lib, sys; from course_lib.app.cli import main; print(course_lib.__file__);"
        "from course_lib.app.translator import Translator; from course_lib.corpora.grammar import generate;"
        "print(Translator.shipped().translate('The dog sleeps because it is tired.'), len(generate('train', 20)));"
        "sys.argv = ['course', '--help']; main()"
    )
    command = [sys.executable, "-P", "-c", program]
    environment = os.environ | {"PYTHONPATH": str(tmp_path / "site")}
    result = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    assert result.stdout.startswith(str(tmp_path)), "the wheel's own copy is the one that was imported"
    assert "Der Hund schläft, weil er müde ist. 20" in result.stdout, "the shipped model and the grammar's lexicon"
    assert "train" in result.stdout
