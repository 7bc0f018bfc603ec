"""Bring a newer notebook into one that somebody has worked in."""

from nbformat import NotebookNode


def merged(base: NotebookNode, theirs: NotebookNode, new: NotebookNode) -> tuple[NotebookNode, list[str]]:
    """The newer notebook with the learner's work in it, and the ids of cells where the newer one's did not come in.

    Args:
        base: as it was handed out
        theirs: what the learner made of it
        new: as it is handed out now
    """
    before = {cell.id: cell for cell in base.cells}
    own = {cell.id: cell for cell in theirs.cells}
    now = {cell.id for cell in new.cells}
    after = _their_own_cells(theirs, before, now)
    cells, conflicts = list(after.pop("", [])), []
    for cell in new.cells:
        chosen = cell
        if cell.id in own:
            was = before[cell.id].source if cell.id in before else None
            if own[cell.id].source == cell.source:
                chosen = own[cell.id]
            elif own[cell.id].source != was:
                chosen = own[cell.id]
                conflicts += [cell.id] if cell.source != was else []
        cells += [chosen, *after.pop(cell.id, [])]
    result = NotebookNode({**new, "cells": cells})
    return result, conflicts


def _their_own_cells(
    theirs: NotebookNode, before: dict[str, NotebookNode], now: set[str]
) -> dict[str, list[NotebookNode]]:
    """What the learner added, or changed and the course has dropped: by the id of the course's cell that it follows."""
    found: dict[str, list[NotebookNode]] = {}
    last = ""
    for cell in theirs.cells:
        if cell.id in now:
            last = cell.id
        elif cell.id not in before or cell.source != before[cell.id].source:
            found.setdefault(last, []).append(cell)
    return found
