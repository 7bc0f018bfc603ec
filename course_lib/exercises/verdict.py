"""A verdict as the learner sees it: what is wrong, the smallest example, the misconception, where to read, a hint."""

import re
from html import escape
from typing import Any

from course_lib.exercises.show import BAD, GOOD, framed

PRINTED_LINES = 8


def as_text(parts: dict[str, Any]) -> str:
    name = parts["exercise"]
    if parts["passed"]:
        return "\n".join([f"✓ {name}: right.", *(f"  On unusual input: {note}" for note in parts["notes"])])
    lines = [f"✗ {name}: {parts['sentence']}"]
    if parts["got"] or parts["expected"]:
        lines += ["", f"  {_heading(parts)}", *_side_by_side(parts["got"], parts["expected"])]
    if parts["misconception"]:
        lines += ["", f"  {_title(parts)}: {parts['misconception']}"]
    lines += ["", f"  Explained in {parts['notebook']}.ipynb, section {parts['section']}."]
    if parts["hint"]:
        lines.append(f"  Hint: {parts['hint']}")
    if parts["printed"]:
        lines += ["", "  It printed:", *(f"  | {line[:100]}" for line in parts["printed"].splitlines()[:PRINTED_LINES])]
    return "\n".join(lines)


def as_html(parts: dict[str, Any]) -> str:
    name = f"<b>{'✓' if parts['passed'] else '✗'} {escape(parts['exercise'])}</b>"
    if parts["passed"]:
        rows = [f"{name}: right.", *(f"On unusual input: {escape(note)}" for note in parts["notes"])]
        return framed(_rows(rows), good=True)
    rows = [f"{name}: {escape(parts['sentence'])}"]
    if parts["got"] or parts["expected"]:
        rows.append(escape(_heading(parts)) + _table(parts["got"], parts["expected"]))
    if parts["misconception"]:
        known = f" <i>({escape(parts['source'])})</i>" if parts["source"] else ""
        rows.append(f"<b>{escape(_title(parts))}.</b> {escape(parts['misconception'])}{known}")
    link = f"{parts['notebook']}.ipynb#{parts['section']}"
    rows.append(f'Explained in <a href="{link}">{escape(parts["notebook"])}, {escape(parts["section"])}</a>.')
    if parts["hint"]:
        rows.append(f"<details><summary>Next hint</summary>{escape(parts['hint'])}</details>")
    if parts["printed"]:
        printed = "\n".join(parts["printed"].splitlines()[:PRINTED_LINES])
        rows.append(f'It printed:<pre style="margin:0; background:none">{escape(printed)}</pre>')
    return framed(_rows(rows), good=False)


def _rows(rows: list[str]) -> str:
    return "".join(f'<div style="margin:0.25em 0">{row}</div>' for row in rows)


def _heading(parts: dict[str, Any]) -> str:
    return f"With {parts['given']}, {parts['what']}:" if parts["given"] else f"{parts['what']}:"


def _title(parts: dict[str, Any]) -> str:
    words = parts["mistake"].replace("_", " ")
    return f"Another convention, {words}" if parts["convention"] else words.capitalize()


def _side_by_side(got: str, expected: str) -> list[str]:
    left, right = ["got", *got.splitlines()], ["expected", *expected.splitlines()]
    width, rows = max(map(len, left)), max(len(left), len(right))
    left, right = left + [""] * (rows - len(left)), right + [""] * (rows - len(right))
    return [f"    {a.ljust(width)}    {b}".rstrip() for a, b in zip(left, right, strict=True)]


def _table(got: str, expected: str) -> str:
    cell = "text-align:left; vertical-align:top; border:none; background:none; padding:0 2em 0 0"
    piece = "margin:0; background:none; line-height:1.35; color:inherit"
    cells = "".join(
        f'<td style="{cell}">{title}<pre style="{piece}">{text}</pre></td>'
        for title, text in (
            ("got", _marked(got)),
            ("expected", f'<span style="color:{GOOD}">{escape(expected)}</span>'),
        )
    )
    return (
        f'<table style="border:none; margin:0.2em 0; background:none"><tr style="background:none">{cells}</tr></table>'
    )


def _marked(piece: str) -> str:
    """The entries that differ, which end in *, in bold."""
    return re.sub(r"(\S+)\*", rf'<b style="color:{BAD}">\1*</b>', escape(piece))
