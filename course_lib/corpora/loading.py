"""One way to all parallel corpora: what `load_corpus` takes, checks and returns.

Light to import: `datasets` and the grammar are imported by the functions that need them.
"""

from __future__ import annotations

import gc
import gzip
import hashlib
import json
import os
import re
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from course_lib.corpora.resources import data_dir

if TYPE_CHECKING:
    import datasets

    from course_lib.corpora.grammar import Example

    Rows = list[dict[str, Any]]

EMBEDDED_SIZES = {
    "train": 40_000,
    "validation": 1_000,
    "test": 1_000,
    "test_long": 500,
    "test_combinations": 500,
    "test_pronouns": 500,
}
EMBEDDED_SEED = 2017

SPLITS = ("train", "validation", "test")
SPLIT_NAMES = {"val": "validation", "valid": "validation", "dev": "validation"}

MIN_PAIRS = 10  # a text file pair with fewer cannot be split in three
HELD_OUT_SHARE, HELD_OUT_MOST = 0.05, 1_000  # of a text file pair, for validation and for test each
MAX_CHARACTERS = 10_000  # a line
MAX_BYTES = 3 + 4 * MAX_CHARACTERS + 2  # a byte order mark, the line in UTF-8, its end
CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f-\x9f]")  # every control character but the tab
HUB_NAME = re.compile(r"\w[\w.-]*/[\w.-]+(:[\w.-]+)?")


class CorpusError(ValueError):
    """A corpus that cannot be used. The message is one line: what is wrong, in which file and line, what to do."""


@dataclass(frozen=True)
class Corpus:
    """A parallel corpus. Every split has the columns `src` and `tgt`.

    The embedded corpus has more: `tags` (the phenomena that a sentence shows), `alignment` (pairs of word numbers),
    `src_tree` and `tgt_tree`.
    """

    name: str
    src_lang: str
    tgt_lang: str
    splits: dict[str, datasets.Dataset]


def load_corpus(spec: str) -> Corpus:
    """Load a corpus by its name.

    Args:
        spec: one of
            `embedded`: the course's own English-German corpus, made by its grammar;
            a folder, or a name on the Hugging Face hub, with columns `en` and `de`, and splits train, validation
            (or val) and test: `../shared/multi30k`, `bentrevett/multi30k`;
            a hub name and a configuration, with a column `translation`: `wmt/wmt14:de-en`, `wmt/wmt14:fr-en`;
            two plain text files in UTF-8, line n of one translating line n of the other: `news.en,news.de`. Their
            suffixes name the languages, the first file is the source; the last 5 % of the lines, but at most 1,000,
            are the test split, as many before them validation.
            English is the source, unless two files say otherwise.

    Raises:
        CorpusError: there is no such corpus, or it cannot be used as it is.
    """
    if spec == "embedded":
        return _embedded()
    if Path(spec).is_dir():
        return _from_datasets(spec, is_folder=True)
    if "," in spec:
        return _from_text_files(spec)
    if Path(spec).exists():
        raise CorpusError(f"{spec} is one file; give two, source and target, with a comma: news.en,news.de")
    if HUB_NAME.fullmatch(spec):
        return _from_datasets(spec, is_folder=False)
    raise CorpusError(
        f"{spec!r} is neither 'embedded', nor a folder, nor a name on the Hugging Face hub such as bentrevett/multi30k"
    )


def cache_dir() -> Path:
    """Where to keep what can be made again: $COURSE_CACHE, `data/cache` in a checkout, else a folder in ~/.cache."""
    if chosen := os.environ.get("COURSE_CACHE"):
        return Path(chosen)
    data = data_dir()
    if (data.parent / "pyproject.toml").is_file():
        return data / "cache"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "attention-course"


# --- the embedded corpus ---


def _embedded() -> Corpus:
    import datasets

    with _no_garbage_collection():
        rows = {split: _cached_rows(split) for split in EMBEDDED_SIZES}
        if missing := {split: size for split, size in EMBEDDED_SIZES.items() if rows[split] is None}:
            rows |= _generate(missing)
        splits = {split: datasets.Dataset.from_list(rows[split]) for split in EMBEDDED_SIZES}
    return Corpus("embedded", "en", "de", splits)


def _cached_rows(split: str) -> Rows | None:
    """The sentences of a split, if the cache holds those that this grammar would make."""
    try:
        with gzip.open(_cache_file(split), "rt", encoding="utf-8") as file:  # gzip's checksum tells a damaged file
            if file.readline().strip() == _embedded_key(split):
                return [json.loads(line) for line in file]
    except (OSError, EOFError, ValueError, zlib.error):
        pass
    return None


def _generate(sizes: dict[str, int]) -> dict[str, Rows]:
    """The sentences of some splits, made by the grammar and kept in the cache."""
    from course_lib.corpora.grammar import generate_splits

    made = {
        split: [_row(example) for example in examples]
        for split, examples in generate_splits(sizes, EMBEDDED_SEED).items()
    }
    try:
        for split, rows in made.items():
            lines = [_embedded_key(split), *(json.dumps(row, ensure_ascii=False) for row in rows), ""]
            _write_atomically(_cache_file(split), "\n".join(lines))
    except OSError as error:
        warnings.warn(f"the embedded corpus is made anew each time: {_reason(error)}", stacklevel=2)
    return made


def _row(example: Example) -> dict[str, Any]:
    return {
        "src": example.en,
        "tgt": example.de,
        "tags": list(example.tags),
        "alignment": [list(pair) for pair in example.alignment],
        "src_tree": example.en_tree,
        "tgt_tree": example.de_tree,
    }


def _cache_file(split: str) -> Path:
    return cache_dir() / "embedded" / f"{split}.jsonl.gz"


@contextmanager
def _no_garbage_collection() -> Iterator[None]:
    """Nothing that a grammar makes is garbage, and looking for it among so many objects takes a third of the time."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def _embedded_key(split: str) -> str:
    """Changes whenever what would be generated may change."""
    here = Path(__file__)
    sources = [path for path in here.parent.rglob("*.py") if path not in (here, here.parent / "__init__.py")]
    digest = hashlib.sha256(f"{split} {EMBEDDED_SIZES[split]} {EMBEDDED_SEED}".encode())
    for path in sorted([here, *sources, *data_dir().glob("*/*.tsv")]):
        digest.update(f"\n{path.name}\n".encode() + path.read_bytes())
    return digest.hexdigest()


def _write_atomically(path: Path, text: str) -> None:
    """After it, the file is there as a whole, or as it was before."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        unfinished.write_bytes(gzip.compress(text.encode(), compresslevel=3, mtime=0))
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)


# --- two plain text files ---


def _from_text_files(spec: str) -> Corpus:
    import datasets

    paths = [Path(name.strip()) for name in spec.split(",")]
    if len(paths) != 2:
        raise CorpusError(f"{spec}: {len(paths)} files; give two, source and target, with a comma: news.en,news.de")
    src_lang, tgt_lang = (_language(path) for path in paths)
    if src_lang == tgt_lang:
        raise CorpusError(
            f"{spec}: both files end in .{src_lang}; the suffixes must name two languages: news.en,news.de"
        )
    src, tgt = ([*_lines(path)] for path in paths)
    if len(src) != len(tgt):
        raise CorpusError(
            f"{paths[0]} has {len(src):,} lines, but {paths[1]} has {len(tgt):,}; line n of one must translate line n "
            "of the other"
        )
    if len(src) < MIN_PAIRS:
        raise CorpusError(
            f"{spec}: too few sentence pairs, {len(src)}; at least {MIN_PAIRS} are needed to train, validate and test"
        )
    held_out = max(1, min(HELD_OUT_MOST, int(len(src) * HELD_OUT_SHARE)))
    bounds = {
        "train": slice(0, -2 * held_out),
        "validation": slice(-2 * held_out, -held_out),
        "test": slice(-held_out, None),
    }
    splits = {split: datasets.Dataset.from_dict({"src": src[part], "tgt": tgt[part]}) for split, part in bounds.items()}
    return Corpus(spec, src_lang, tgt_lang, splits)


def _language(path: Path) -> str:
    if not re.fullmatch(r"\.[a-z]{2,3}", path.suffix) or path.suffix == ".txt":
        raise CorpusError(f"{path}: the suffix must name the language, as in news.en,news.de")
    return path.suffix[1:]


def _lines(path: Path) -> Iterator[str]:
    """The lines of a text file, each checked."""
    number = 0
    try:
        with path.open("rb") as file:
            for number, raw in enumerate(iter(lambda: file.readline(MAX_BYTES + 1), b""), 1):
                yield _checked_line(raw, path, number)
    except FileNotFoundError:
        raise CorpusError(f"{path}: there is no such file") from None
    except OSError as error:
        raise CorpusError(f"{path} cannot be read: {_reason(error)}") from None
    if number == 0:
        raise CorpusError(f"{path} is empty")


def _checked_line(raw: bytes, path: Path, number: int) -> str:
    place = f"{path}, line {number}"
    if b"\0" in raw:
        raise CorpusError(f"{place}: a NUL character; is this a text file?")
    if len(raw) > MAX_BYTES:
        raise CorpusError(f"{place}: longer than {MAX_CHARACTERS:,} characters; split it into sentences")
    try:
        line = raw.decode("utf-8-sig" if number == 1 else "utf-8")
    except UnicodeDecodeError as error:
        raise CorpusError(
            f"{place}: byte {error.start + 1} (0x{raw[error.start]:02X}) is not UTF-8; convert the file with iconv"
        ) from None
    line = line.removesuffix("\n").removesuffix("\r")
    if not line.strip():
        raise CorpusError(f"{place} is empty; remove it, and its partner in the other file")
    if len(line) > MAX_CHARACTERS:
        raise CorpusError(f"{place}: longer than {MAX_CHARACTERS:,} characters; split it into sentences")
    if found := CONTROL.search(line):
        raise CorpusError(
            f"{place}: control character U+{ord(found[0]):04X} at character {found.start() + 1}; remove it"
        )
    return line


# --- folders and the Hugging Face hub ---


def _from_datasets(spec: str, is_folder: bool) -> Corpus:
    loaded = _load_folder(spec) if is_folder else _load_from_hub(spec)
    found = {SPLIT_NAMES.get(name, name): _flat(dataset) for name, dataset in loaded.items()}
    if missing := [split for split in SPLITS if split not in found]:
        raise CorpusError(f"{spec} has no split {' and '.join(missing)}, only: {', '.join(loaded)}")
    tgt_lang = _other_language(found["train"], f"{spec}, split train")
    splits = {}
    for split in SPLITS:
        if _other_language(found[split], f"{spec}, split {split}") != tgt_lang:
            raise CorpusError(f"{spec}, split {split}, is in another language than train")
        dataset = found[split].select_columns(["en", tgt_lang]).rename_columns({"en": "src", tgt_lang: "tgt"})
        if is_folder or split != "train":
            _check(dataset, f"{spec}, split {split}", {"src": "en", "tgt": tgt_lang})
        else:
            dataset = _without_problems(dataset, spec)
        splits[split] = dataset
    return Corpus(spec, "en", tgt_lang, splits)


def _load_folder(folder: str) -> datasets.DatasetDict:
    import datasets

    quiet = datasets.are_progress_bars_disabled()
    datasets.disable_progress_bars()
    try:
        return datasets.load_dataset(folder, cache_dir=str(cache_dir() / "datasets"))
    except Exception as error:  # a damaged file can raise anything in the many readers of `datasets`
        raise CorpusError(f"{folder} cannot be read as a data set: {_reason(error)}") from None
    finally:
        if not quiet:
            datasets.enable_progress_bars()


def _load_from_hub(spec: str) -> datasets.DatasetDict:
    import datasets

    name, _, configuration = spec.partition(":")
    was_offline = datasets.config.HF_HUB_OFFLINE
    try:
        # without a network `datasets` would try for half a minute, although what was loaded once is on this disk
        datasets.config.HF_HUB_OFFLINE = was_offline or not _hub_is_reachable(name)
        return datasets.load_dataset(name, configuration or None)
    except (datasets.exceptions.DatasetNotFoundError, ConnectionError):
        raise CorpusError(
            f"{spec!r} is neither 'embedded' nor a folder, and the Hugging Face hub has no such corpus or cannot be "
            "reached; check the name and the network"
        ) from None
    except Exception as error:  # as above
        raise CorpusError(f"{spec} cannot be loaded from the Hugging Face hub: {_reason(error)}") from None
    finally:
        datasets.config.HF_HUB_OFFLINE = was_offline


def _hub_is_reachable(name: str) -> bool:
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError

    try:
        HfApi().dataset_info(name, timeout=10)
    except HfHubHTTPError:  # an answer, be it a refusal
        return True
    except Exception:  # the HTTP client's many kinds of "no answer"
        return False
    return True


def _flat(dataset: datasets.Dataset) -> datasets.Dataset:
    """The languages of a column `translation` as columns of their own."""
    if "translation" not in dataset.column_names:
        return dataset
    flat = dataset.select_columns("translation").flatten()
    return flat.rename_columns({name: name.removeprefix("translation.") for name in flat.column_names})


def _other_language(dataset: datasets.Dataset, place: str) -> str:
    """The language beside English: German, or whatever the only other one is."""
    names = dataset.column_names
    others = [name for name in names if re.fullmatch("[a-z]{2,3}", name) and name != "en"]
    if "en" not in names or not ("de" in others or len(others) == 1):
        raise CorpusError(f"{place} has the columns {', '.join(names)}; needed are en and de (or one other language)")
    return "de" if "de" in others else others[0]


def _problems(dataset: datasets.Dataset, column: str) -> Iterator[tuple[Any, str]]:
    """For each thing that can be wrong with a text: in which rows it is (a boolean arrow array), and its name."""
    import pyarrow.compute as pc

    texts = dataset.data.column(column)
    yield pc.is_null(texts), "is missing"
    yield pc.equal(pc.utf8_trim_whitespace(texts), ""), "is empty"
    yield pc.greater(pc.utf8_length(texts), MAX_CHARACTERS), f"is longer than {MAX_CHARACTERS:,} characters"
    # the same as CONTROL, in the notation of RE2
    yield pc.match_substring_regex(texts, r"[\x00-\x08\x0a-\x1f\x7f-\x{9f}]"), "has a control character"


def _check(dataset: datasets.Dataset, place: str, names: dict[str, str]) -> None:
    """Refuse a split that has a text which cannot be used; `names` are the columns' own names."""
    import pyarrow.compute as pc

    for column, name in names.items():
        if (kind := dataset.features[column].dtype) not in ("string", "large_string"):
            raise CorpusError(f"{place}: {name} is no text but {kind}")
        for rows, problem in _problems(dataset, column):
            if (row := pc.index(rows, True).as_py()) >= 0:
                raise CorpusError(f"{place}, row {row + 1}: {name} {problem}")


def _without_problems(dataset: datasets.Dataset, spec: str) -> datasets.Dataset:
    """Nobody can edit a corpus on the hub: pairs that cannot be used are left out of training, with a word about it."""
    import numpy as np

    bad = np.zeros(len(dataset), dtype=bool)
    for column in ("src", "tgt"):
        for rows, _ in _problems(dataset, column):
            bad |= rows.fill_null(True).to_numpy()
    if bad.any():
        warnings.warn(
            f"{spec}: {bad.sum():,} of {len(bad):,} training pairs are left out: a side is empty, longer than "
            f"{MAX_CHARACTERS:,} characters, or has a control character",
            stacklevel=2,
        )
        dataset = dataset.select(np.flatnonzero(~bad))
    return dataset


def _reason(error: BaseException) -> str:
    """What went wrong first, in one line."""
    while error.__cause__ is not None:
        error = error.__cause__
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    return " ".join(str(error).split()) or type(error).__name__
