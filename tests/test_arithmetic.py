"""The stored outputs hold on another machine: the notebooks with the arithmetic of other processors, and other threads.

The environment variables make torch's libraries choose other instructions, and so other orders of summation.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
NOTEBOOKS = sorted(path.name for path in (ROOT / "notebooks").glob("*.ipynb"))
SHORT = ["03_attention.ipynb", "08_positional_encoding.ipynb"]
ARITHMETICS = {
    "no vector instructions, one thread": {"ATEN_CPU_CAPABILITY": "default", "OMP_NUM_THREADS": "1"},
    "oneDNN for AVX2, two threads": {"ONEDNN_MAX_CPU_ISA": "AVX2", "OMP_NUM_THREADS": "2"},
    "compatible MKL, two threads": {"MKL_CBWR": "COMPATIBLE", "OMP_NUM_THREADS": "2"},
}


def assert_agreement(notebooks, arithmetic):
    """nbval on these notebooks: its last lines if all outputs agree, else a failure."""
    command = [sys.executable, "-m", "pytest", "--nbval", "--nbval-current-env", "--nbval-cell-timeout=540"]
    command += ["-q", "-p", "no:cacheprovider", *(f"notebooks/{name}" for name in notebooks)]
    environment = {**os.environ, **ARITHMETICS[arithmetic]}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-6000:]
    print(arithmetic, done.stdout[done.stdout.rindex("outputs compared") :], sep="\n")
    return done.stdout


def test_the_arithmetics_are_different_ones():
    """Else the comparison proves nothing: a sum of many numbers must differ in its last bits."""
    program = (
        "import torch; torch.manual_seed(0); x = torch.randn(500, 500); "
        "print((x @ x).double().sum().item(), x.sum().item())"
    )
    sums = {
        subprocess.run(
            [sys.executable, "-c", program], env={**os.environ, **variables}, capture_output=True, text=True
        ).stdout
        for variables in ARITHMETICS.values()
    }
    assert len(sums) > 1
    assert all(re.match(r"-?\d+\.\d+ -?\d+\.\d+", line) for line in sums)


@pytest.mark.parametrize("arithmetic", ARITHMETICS)
def test_two_notebooks_agree(arithmetic):
    assert_agreement(SHORT, arithmetic)


@pytest.mark.long
@pytest.mark.timeout(3000)
@pytest.mark.parametrize("arithmetic", ARITHMETICS)
def test_all_notebooks_agree(arithmetic):
    assert_agreement([name for name in NOTEBOOKS if name not in SHORT], arithmetic)
