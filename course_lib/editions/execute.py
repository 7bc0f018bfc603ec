"""`python -m course_lib.editions.execute NOTEBOOK...` runs notebooks from top to bottom and stores their outputs.

Reproducibly: where nothing varies, a second run changes no byte. A notebook that fails stays as it was.
"""

import sys
import time
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

from course_lib.app.files import write_atomically

METADATA = {  # without the versions of one machine
    "kernelspec": {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"},
    "language_info": {
        "file_extension": ".py",
        "mimetype": "text/x-python",
        "name": "python",
        "pygments_lexer": "ipython3",
    },
}


def execute(path: Path) -> None:
    """Run one notebook, in its folder, and store it with the outputs.

    Raises:
        CellExecutionError: a cell failed; nothing is stored.
    """
    notebook = nbformat.read(path, as_version=4)
    client = NotebookClient(
        notebook,
        timeout=600,  # seconds, a cell
        kernel_name="python3",
        record_timing=False,
        coalesce_streams=True,  # how a stream is cut into pieces depends on the moment
        resources={"metadata": {"path": str(path.parent)}},
        extra_arguments=["--IPKernelApp.log_level=40"],  # no warning that the kernel talks over TCP, to us alone
    )
    client.execute()
    notebook.metadata = nbformat.from_dict(METADATA)
    write_atomically(path, nbformat.writes(notebook).encode() + b"\n")


def main(arguments: list[str]) -> int:
    if not arguments:
        print(__doc__.splitlines()[0])
        return 2
    for argument in arguments:
        begin = time.perf_counter()
        try:
            execute(Path(argument))
        except CellExecutionError as error:
            print(f"{argument} is as it was: {error}", file=sys.stderr)
            return 1
        print(f"{time.perf_counter() - begin:6.1f} s  {argument}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
