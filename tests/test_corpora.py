"""The corpora: what `load_corpus` takes, and what it says of what it cannot take."""

import gzip
import json
import os
import re
import subprocess
import sys
import types
from pathlib import Path

import datasets
import pytest

from course_lib.corpora import Corpus, CorpusError, load_corpus, loading

MULTI30K = Path(__file__).resolve().parents[2] / "shared" / "multi30k"
EMBEDDED_COLUMNS = ["src", "tgt", "tags", "alignment", "src_tree", "tgt_tree"]


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """Every test has a cache of its own."""
    monkeypatch.setenv("COURSE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def refusal(spec) -> str:
    """The message with which a corpus is refused: always one line."""
    with pytest.raises(CorpusError) as caught:
        load_corpus(str(spec))
    message = str(caught.value)
    assert message and "\n" not in message
    assert caught.value.__suppress_context__ or caught.value.__context__ is None
    return message


# --- two text files ---


def text_files(folder: Path, src: str | bytes, tgt: str | bytes) -> str:
    for name, text in (("a.en", src), ("a.de", tgt)):
        (folder / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    return f"{folder}/a.en,{folder}/a.de"


def lines(word: str, n: int) -> str:
    return "".join(f"{word} {i}\n" for i in range(1, n + 1))


def with_line(number: int, text: bytes) -> bytes:
    """Twenty good lines, one of them replaced."""
    rows = lines("x", 20).encode().splitlines(keepends=True)
    rows[number - 1] = text + b"\n"
    return b"".join(rows)


def test_text_files_are_split_at_the_end(tmp_path):
    corpus = load_corpus(text_files(tmp_path, lines("one", 100), lines("eins", 100)))
    assert isinstance(corpus, Corpus)
    assert (corpus.src_lang, corpus.tgt_lang) == ("en", "de")
    assert {name: len(split) for name, split in corpus.splits.items()} == {"train": 90, "validation": 5, "test": 5}
    rejoined = [row for name in ("train", "validation", "test") for row in corpus.splits[name]]
    assert rejoined == [{"src": f"one {i}", "tgt": f"eins {i}"} for i in range(1, 101)]


@pytest.mark.parametrize(("n", "held_out"), [(10, 1), (39, 1), (40, 2), (30_000, 1000)])
def test_how_many_lines_are_held_out(tmp_path, n, held_out):
    corpus = load_corpus(text_files(tmp_path, lines("a", n), lines("b", n)))
    sizes = [len(corpus.splits[name]) for name in ("train", "validation", "test")]
    assert sizes == [n - 2 * held_out, held_out, held_out]


def test_the_first_file_is_the_source(tmp_path):
    en, de = text_files(tmp_path, lines("one", 20), lines("eins", 20)).split(",")
    corpus = load_corpus(f"{de}, {en}")
    assert (corpus.src_lang, corpus.tgt_lang) == ("de", "en")
    assert corpus.splits["train"][0] == {"src": "eins 1", "tgt": "one 1"}


def test_line_ends_byte_order_mark_tabs_and_odd_separators_are_no_errors(tmp_path):
    src = b"\xef\xbb\xbf" + lines("one", 20).replace("\n", "\r\n").encode()
    tgt = lines("ein\u2028s\t", 20).removesuffix("\n")  # the last line without its end
    first = load_corpus(text_files(tmp_path, src, tgt)).splits["train"][0]
    assert first == {"src": "one 1", "tgt": "ein\u2028s\t 1"}


@pytest.mark.parametrize(
    ("bad", "says"),
    [
        (b"", "a.de, line 7 is empty"),
        (b" \t \r", "a.de, line 7 is empty"),
        (b"caf\xe9 au lait", r"a.de, line 7: byte 4 \(0xE9\) is not UTF-8"),
        (b"nul \0 byte", "a.de, line 7: a NUL character"),
        (b"bell \x07", r"a.de, line 7: control character U\+0007 at character 6"),
        (b"cut\rshort", r"a.de, line 7: control character U\+000D at character 4"),
        ("next\x85line".encode(), r"a.de, line 7: control character U\+0085 at character 5"),
        (b"y" * 10_001, "a.de, line 7: longer than 10,000 characters"),
        ("ü€𝄞".encode() * 20_000, "a.de, line 7: longer than 10,000 characters"),
        (b"y" * 1_000_000, "a.de, line 7: longer than 10,000 characters"),
    ],
)
def test_a_bad_line_is_named(tmp_path, bad, says):
    assert re.search(says, refusal(text_files(tmp_path, lines("x", 20), with_line(7, bad))))


def test_a_line_of_the_greatest_length_is_taken(tmp_path):
    longest = "𝄞" * 10_000
    corpus = load_corpus(text_files(tmp_path, lines("x", 20), with_line(1, longest.encode())))
    assert corpus.splits["train"][0]["tgt"] == longest


def test_sides_of_different_length(tmp_path):
    message = refusal(text_files(tmp_path, lines("x", 1020), lines("x", 19)))
    assert re.search(r"a\.en has 1,020 lines, but .*a\.de has 19;", message)


def test_an_empty_file(tmp_path):
    assert re.search(r"a\.de is empty$", refusal(text_files(tmp_path, lines("x", 20), "")))


@pytest.mark.parametrize("n", [1, 9])
def test_too_few_pairs(tmp_path, n):
    assert f"too few sentence pairs, {n}; at least 10" in refusal(text_files(tmp_path, lines("x", n), lines("x", n)))


def test_utf_16_is_not_utf_8(tmp_path):
    assert "line 1" in refusal(text_files(tmp_path, lines("x", 20), lines("x", 20).encode("utf-16")))


def test_files_that_are_not_there_or_not_two(tmp_path):
    en, de = text_files(tmp_path, lines("x", 20), lines("y", 20)).split(",")
    assert refusal(f"{en},{tmp_path}/b.de") == f"{tmp_path}/b.de: there is no such file"
    assert refusal(en) == f"{en} is one file; give two, source and target, with a comma: news.en,news.de"
    assert "3 files; give two" in refusal(f"{en},{de},{de}")
    assert "two languages" in refusal(f"{en},{en}")
    assert "a.text: the suffix must name the language" in refusal(f"{tmp_path}/a.text,{de}")
    assert "a.txt: the suffix must name the language" in refusal(f"{tmp_path}/a.txt,{de}")
    (tmp_path / "c.de").mkdir()
    assert f"{tmp_path}/c.de cannot be read" in refusal(f"{en},{tmp_path}/c.de")


# --- folders ---


def folder_of(path: Path, rows: list[dict], **others: list[dict]) -> Path:
    """A folder with the splits train, val and test, all of them `rows` unless given."""
    path.mkdir(exist_ok=True)
    for split, own in {"train": rows, "val": rows, "test": rows, **others}.items():
        (path / f"{split}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in own))
    return path


GOOD = [{"en": f"one {i}", "de": f"eins {i}"} for i in range(12)]


def test_a_folder(tmp_path):
    corpus = load_corpus(str(folder_of(tmp_path / "good", GOOD, test=GOOD[:3])))
    assert (corpus.src_lang, corpus.tgt_lang) == ("en", "de")
    assert {name: len(split) for name, split in corpus.splits.items()} == {"train": 12, "validation": 12, "test": 3}
    assert list(corpus.splits["test"]) == [{"src": f"one {i}", "tgt": f"eins {i}"} for i in range(3)]


def test_a_folder_of_another_language_with_more_columns(tmp_path):
    rows = [{"fr": "un", "number": 1, "en": "one", "source": "somewhere"}] * 12
    corpus = load_corpus(str(folder_of(tmp_path / "french", rows)))
    assert (corpus.src_lang, corpus.tgt_lang) == ("en", "fr")
    assert corpus.splits["train"][0] == {"src": "one", "tgt": "un"}


def test_a_folder_with_a_column_of_translations(tmp_path):
    rows = [{"translation": {"de": "eins", "en": "one"}}] * 12
    corpus = load_corpus(str(folder_of(tmp_path / "wmt-like", rows)))
    assert corpus.splits["train"][0] == {"src": "one", "tgt": "eins"}


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ({"en": "", "de": "eins"}, "en is empty"),
        ({"en": "one", "de": " \t"}, "de is empty"),
        ({"en": "one", "de": None}, "de is missing"),
        ({"en": "one", "de": "x" * 10_001}, "de is longer than 10,000 characters"),
        ({"en": "o\0ne", "de": "eins"}, "en has a control character"),
        ({"en": "o\nne", "de": "eins"}, "en has a control character"),
        ({"en": "one", "de": "ei\x9fns"}, "de has a control character"),
    ],
)
def test_a_bad_row_of_a_folder_is_named(tmp_path, row, says):
    folder = folder_of(tmp_path / "bad", GOOD, val=[*GOOD[:4], row, row, *GOOD])
    assert refusal(folder) == f"{folder}, split validation, row 5: {says}"


def test_folders_that_are_no_corpus(tmp_path):
    columns = folder_of(tmp_path / "columns", [{"english": "one", "german": "eins"}])
    assert "columns english, german; needed are en and de" in refusal(columns)
    three = folder_of(tmp_path / "three", [{"en": "one", "fr": "un", "it": "uno"}])
    assert "columns en, fr, it; needed are en and de" in refusal(three)
    numbers = folder_of(tmp_path / "numbers", [{"en": 1, "de": 2}])
    assert "split train: en is no text but int64" in refusal(numbers)
    mixed = folder_of(tmp_path / "mixed", GOOD, test=[{"en": "one", "fr": "un"}])
    assert "cannot be read as a data set" in refusal(mixed)  # `datasets` wants the same columns everywhere
    no_test = folder_of(tmp_path / "no-test", GOOD)
    (no_test / "test.jsonl").unlink()
    assert "has no split test, only: train, validation" in refusal(no_test)
    (tmp_path / "empty").mkdir()
    assert f"{tmp_path}/empty cannot be read as a data set: " in refusal(tmp_path / "empty")


def test_a_damaged_file_in_a_folder(tmp_path):
    folder = folder_of(tmp_path / "damaged", GOOD)
    with (folder / "train.jsonl").open("a") as file:
        file.write('{"en": "half a l')
    assert f"{folder} cannot be read as a data set: " in refusal(folder)


@pytest.mark.skipif(not MULTI30K.is_dir(), reason=f"Multi30k is not at {MULTI30K}")
def test_multi30k():
    corpus = load_corpus(str(MULTI30K))
    sizes = {name: len(split) for name, split in corpus.splits.items()}
    assert sizes == {"train": 29_000, "validation": 1014, "test": 1000}
    assert corpus.splits["train"][0]["src"] == "Two young, White males are outside near many bushes."
    assert corpus.splits["train"].column_names == ["src", "tgt"]


# --- the hub ---


@pytest.fixture
def hub(monkeypatch):
    """A hub that has what a test puts there, and remembers what it was asked for."""
    shelf = types.SimpleNamespace(content=None, asked=[])

    def load_dataset(*names):
        shelf.asked.append(names)
        if isinstance(shelf.content, Exception):
            raise shelf.content
        return shelf.content

    monkeypatch.setattr(datasets, "load_dataset", load_dataset)
    monkeypatch.setattr(loading, "_hub_is_reachable", lambda name: True)
    return shelf


def translations(rows, pair=("de", "en")):
    features = datasets.Features({"translation": datasets.Translation(languages=list(pair))})
    return datasets.Dataset.from_list([{"translation": row} for row in rows], features=features)


@pytest.mark.parametrize("other", ["de", "fr"])
def test_wmt14(hub, other):
    rows = [{other: f"l'eau {i}", "en": f"water {i}"} for i in range(12)]
    split = translations(rows, (other, "en"))
    hub.content = datasets.DatasetDict(train=split, validation=split, test=split)
    corpus = load_corpus(f"wmt/wmt14:{other}-en")
    assert hub.asked == [("wmt/wmt14", f"{other}-en")]
    assert (corpus.src_lang, corpus.tgt_lang) == ("en", other)
    assert corpus.splits["test"][3] == {"src": "water 3", "tgt": "l'eau 3"}


def test_bad_training_pairs_of_the_hub_are_left_out_with_a_word(hub):
    good = [{"de": f"eins {i}", "en": f"one {i}"} for i in range(12)]
    bad = [{"de": "", "en": "x"}, {"de": "x", "en": "\x07"}, {"de": None, "en": "x"}, {"de": "x" * 10_001, "en": "x"}]
    hub.content = datasets.DatasetDict(
        train=translations(good[:6] + bad + good[6:]), validation=translations(good), test=translations(good)
    )
    with pytest.warns(UserWarning, match="4 of 16 training pairs are left out"):
        corpus = load_corpus("wmt/wmt14:de-en")
    assert corpus.splits["train"]["src"][:] == [row["en"] for row in good]
    hub.content["test"] = translations([*good, bad[0]])
    with pytest.warns(UserWarning, match="are left out"):
        assert "split test, row 13: de is empty" in refusal("wmt/wmt14:de-en")


def test_a_hub_name_without_configuration(hub):
    split = datasets.Dataset.from_list(GOOD)
    hub.content = datasets.DatasetDict(train=split, validation=split, test=split)
    assert load_corpus("bentrevett/multi30k").splits["train"][1] == {"src": "one 1", "tgt": "eins 1"}
    assert hub.asked == [("bentrevett/multi30k", None)]


@pytest.mark.parametrize("error", [ConnectionError("no route"), datasets.exceptions.DatasetNotFoundError("gone")])
def test_an_unknown_name_on_the_hub(hub, error):
    hub.content = error
    message = refusal("no-one/has-this")
    assert "'no-one/has-this' is neither 'embedded' nor a folder" in message and "cannot be reached" in message


def test_any_other_failure_of_the_hub_is_told_in_one_line(hub):
    hub.content = ValueError("BuilderConfig 'de-xx' not found.\nAvailable: ['de-en']")
    message = refusal("wmt/wmt14:de-xx")
    assert message == (
        "wmt/wmt14:de-xx cannot be loaded from the Hugging Face hub: BuilderConfig 'de-xx' not found. "
        "Available: ['de-en']"
    )


def test_no_network_is_noticed_at_once(monkeypatch):
    """What `datasets` itself does is not replaced here: without a network it would try for half a minute."""
    monkeypatch.setattr(loading, "_hub_is_reachable", lambda name: False)
    before = datasets.config.HF_HUB_OFFLINE
    assert "cannot be reached" in refusal("no-one/has-this")
    assert before == datasets.config.HF_HUB_OFFLINE


@pytest.mark.parametrize("spec", ["embeded", "../no/such/folder", "/no/such/folder", "", "a/b/c"])
def test_what_can_be_no_name_is_not_looked_for(monkeypatch, spec):
    monkeypatch.setattr(datasets, "load_dataset", lambda *names: pytest.fail("asked the hub"))
    message = refusal(spec)
    assert repr(spec) in message or spec == ""


# --- the embedded corpus ---


@pytest.fixture
def grammar(monkeypatch):
    """A grammar of one sentence in place of the real one; it remembers what it was asked."""

    def generate_splits(sizes, seed):
        stand_in.asked.append((sizes, seed))
        return {split: [example(i) for i in range(n)] for split, n in sizes.items()}

    def example(i):
        return types.SimpleNamespace(
            en=f"one {i}",
            de=f"eins {i} ß",
            tags=("numbers",),
            alignment=((0, 0), (1, 1)),
            en_tree="(S one)",
            de_tree="(S eins)",
        )

    stand_in = types.ModuleType("course_lib.corpora.grammar")
    stand_in.generate_splits, stand_in.asked = generate_splits, []
    monkeypatch.setitem(sys.modules, "course_lib.corpora.grammar", stand_in)
    monkeypatch.setattr(loading, "EMBEDDED_SIZES", {"train": 12, "validation": 3, "test_long": 2})
    return stand_in


def test_the_embedded_corpus_is_made_once(grammar, cache):
    first = load_corpus("embedded")
    assert grammar.asked == [({"train": 12, "validation": 3, "test_long": 2}, 2017)]
    again = load_corpus("embedded")
    assert len(grammar.asked) == 1, "the second time it came from the cache"
    for corpus in (first, again):
        assert {name: len(split) for name, split in corpus.splits.items()} == loading.EMBEDDED_SIZES
        assert corpus.splits["train"].column_names == EMBEDDED_COLUMNS
        assert corpus.splits["train"][1] == {
            "src": "one 1",
            "tgt": "eins 1 ß",
            "tags": ["numbers"],
            "alignment": [[0, 0], [1, 1]],
            "src_tree": "(S one)",
            "tgt_tree": "(S eins)",
        }
    assert sorted(path.name for path in (cache / "embedded").iterdir()) == [
        "test_long.jsonl.gz",
        "train.jsonl.gz",
        "validation.jsonl.gz",
    ]


@pytest.mark.parametrize(
    "damage",
    [
        lambda whole: b"",
        lambda whole: whole[: len(whole) // 2],
        lambda whole: whole[:-1],
        lambda whole: whole[:30] + bytes([whole[30] ^ 1]) + whole[31:],
        lambda whole: b"not gzip at all",
        lambda whole: gzip.compress(gzip.decompress(whole).split(b"\n")[0] + b"\nno json\n"),
        lambda whole: gzip.compress(b"another key" + gzip.decompress(whole)),
    ],
)
def test_a_damaged_cache_is_made_again(grammar, cache, damage):
    whole = load_corpus("embedded").splits["train"][:]
    file = cache / "embedded" / "train.jsonl.gz"
    intact = file.read_bytes()
    file.write_bytes(damage(intact))
    assert load_corpus("embedded").splits["train"][:] == whole
    assert grammar.asked[1:] == [({"train": 12}, 2017)]
    assert file.read_bytes() == intact


def test_the_cache_knows_another_size_seed_or_grammar(grammar, monkeypatch, tmp_path):
    keys = {loading._embedded_key("train")}
    monkeypatch.setattr(loading, "EMBEDDED_SEED", 1)
    keys.add(loading._embedded_key("train"))
    monkeypatch.setitem(loading.EMBEDDED_SIZES, "train", 13)
    keys.add(loading._embedded_key("train"))
    (tmp_path / "lexicon").mkdir()
    (tmp_path / "lexicon" / "nouns.tsv").write_text("house\tHaus\n")
    monkeypatch.setattr(loading, "data_dir", lambda: tmp_path)
    keys.add(loading._embedded_key("train"))
    (tmp_path / "lexicon" / "nouns.tsv").write_text("house\tHeim\n")
    keys.add(loading._embedded_key("train"))
    assert len(keys) == 5


def test_a_cache_that_cannot_be_written_stops_nobody(grammar, cache):
    cache.write_text("a file where the folder should be")
    with pytest.warns(UserWarning, match="made anew each time"):
        assert len(load_corpus("embedded").splits["train"]) == 12


def test_nothing_half_written_stays_behind(grammar, cache, monkeypatch):
    def full_disk(self, data):
        with open(self, "wb") as file:
            file.write(data[:5])
        raise OSError(28, "No space left on device", str(self))

    monkeypatch.setattr(Path, "write_bytes", full_disk)
    with pytest.warns(UserWarning, match="No space left on device"):
        load_corpus("embedded")
    assert list((cache / "embedded").iterdir()) == []


def test_where_the_cache_is(monkeypatch, tmp_path):
    monkeypatch.delenv("COURSE_CACHE")
    root = Path(__file__).resolve().parents[1]
    assert loading.cache_dir() == root / "data" / "cache"
    monkeypatch.setattr(loading, "data_dir", lambda: tmp_path / "course_lib" / "_data")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "mine"))
    assert loading.cache_dir() == tmp_path / "mine" / "attention-course"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert loading.cache_dir() == Path.home() / ".cache" / "attention-course"


def test_the_real_grammar_is_an_embedded_corpus(monkeypatch):
    sizes = dict.fromkeys(("train", "validation", "test", "test_long", "test_combinations", "test_pronouns"), 20)
    monkeypatch.setattr(loading, "EMBEDDED_SIZES", sizes)
    corpus = load_corpus("embedded")
    assert {name: len(split) for name, split in corpus.splits.items()} == sizes
    for split in corpus.splits.values():
        assert split.column_names == EMBEDDED_COLUMNS
        for row in split:
            src, tgt = row["src"].split(), row["tgt"].split()
            assert src and tgt and row["src_tree"] and row["tgt_tree"]
            assert row["alignment"] and all(len(pair) == 2 and min(pair) >= 0 for pair in row["alignment"])
        assert sum(bool(row["tags"]) for row in split) > len(split) / 2, "a few show none: Anna sleeps."
    assert load_corpus("embedded").splits["train"][:] == corpus.splits["train"][:], "the cache changes nothing"


# --- imports ---


def test_the_grammar_needs_neither_datasets_nor_torch():
    program = (
        "import sys, course_lib.corpora, course_lib.corpora.lexicon, importlib.util\n"
        "if importlib.util.find_spec('course_lib.corpora.grammar').origin: import course_lib.corpora.grammar\n"
        "print(sorted({'datasets', 'torch', 'pyarrow', 'numpy'} & set(sys.modules)))"
    )
    root = str(Path(__file__).resolve().parents[1])
    environment = os.environ | {"PYTHONPATH": root}
    result = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True)
    assert result.stdout.strip() == "[]", result.stderr
