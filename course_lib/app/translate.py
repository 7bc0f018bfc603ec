"""`course translate`: text in, text out, line for line."""

from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from course_lib.app.errors import UserError
from course_lib.app.evaluation import check_length
from course_lib.app.translator import Translator


def translate_file(translator: Translator, path: Path, beam: int, workers: int = 1) -> Iterator[str]:
    """The translation of each line of a file; an empty line stays empty."""
    with path.open("rb") as file:
        lines = [decode_line(raw, f"{path}, line {number}") for number, raw in enumerate(file, 1)]
    for number, line in enumerate(lines, 1):
        check_length(translator, line, f"{path}, line {number}")
    full = [line for line in lines if line.strip()]
    translations = map(one_line, translator.translate_all(full, beam, workers=workers))
    return (next(translations) if line.strip() else "" for line in lines)


def translate_stream(translator: Translator, stream: BinaryIO, beam: int) -> Iterator[str]:
    """The same for a stream, each line as soon as it is there."""
    for number, raw in enumerate(stream, 1):
        place = f"standard input, line {number}"
        yield translate_line(translator, decode_line(raw, place), place, beam)


def translate_line(translator: Translator, line: str, place: str, beam: int) -> str:
    check_length(translator, line, place)
    return one_line(translator.translate(line, beam)) if line.strip() else ""


def one_line(translation: str) -> str:
    """A model that can write any byte can write a line break: here it would shift all lines after it."""
    return translation.replace("\n", " ")


def decode_line(raw: bytes, place: str) -> str:
    try:
        return raw.decode().removesuffix("\n").removesuffix("\r")
    except UnicodeDecodeError as error:
        raise UserError(f"{place}: byte {error.start + 1} is not UTF-8; convert the text with iconv") from None
