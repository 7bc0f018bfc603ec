"""How the tests run the notebooks: what is compared, how closely, and how long a notebook may take.

nbval runs the cells. Its own comparison is of characters, and leaves pictures out; `course_lib.editions.outputs`
compares what a reader sees.
"""

from collections import Counter, defaultdict

import pytest
from nbval import plugin

from course_lib.editions.outputs import disagreement, tolerance

LIMIT = 600.0  # seconds for a whole notebook: five times what one should take on two cores

# What differs between machines, such as a measured speed, is run and not compared; nbval has its own name for this.
plugin.metadata_tags["varies"] = plugin.metadata_tags["nbval-ignore-output"]

seconds: defaultdict[str, float] = defaultdict(float)
cells: Counter[str] = Counter()


def compare_outputs(cell, fresh, stored, skip_compare=None):
    """In place of nbval's: True, or False with the reason in `comparison_traceback`."""
    reason = disagreement(stored, fresh, tolerance(cell.cell.metadata.get("tags", [])))
    cell.comparison_traceback = [reason] if reason else []
    return not reason


plugin.IPyNbCell.compare_outputs = compare_outputs


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item):
    if seconds[item.nodeid.split("::")[0]] > LIMIT:
        pytest.fail(f"this notebook has taken more than {LIMIT:.0f} s already")
    cells["with output"] += bool(item.cell.outputs)
    cells["compared"] += bool(item.cell.outputs) and item.options["check"]
    return (yield)


def pytest_runtest_logreport(report):
    seconds[report.nodeid.split("::")[0]] += report.duration


def pytest_terminal_summary(terminalreporter):
    if cells["with output"]:
        share = cells["compared"] / cells["with output"]
        terminalreporter.write_line(
            f"outputs compared: {cells['compared']} of {cells['with output']} cells ({share:.0%})"
        )
    for notebook, spent in seconds.items():
        terminalreporter.write_line(f"{spent:6.1f} s  {notebook}")
