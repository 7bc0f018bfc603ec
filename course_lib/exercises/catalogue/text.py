"""Two small exercises of notebook 02: one step of byte-pair encoding, and filling rows up."""

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor

from course_lib.exercises.exercise import Card, Exercise, Mistake, Observation, Probe
from course_lib.exercises.trial import Answer, Trial, tensors

Words = Mapping[tuple[str, ...], int]  # a word in pieces -> how often the text has it


def most_frequent_pair(words: Words) -> tuple[str, str]:
    """The two neighbouring pieces that the text has most often."""
    return _best(words)


def _best(words: Words) -> tuple[str, str]:
    return max(_pairs(words).items(), key=lambda item: item[1])[0]


def _pairs(words: Words) -> Counter[tuple[str, str]]:
    found: Counter[tuple[str, str]] = Counter()
    for word, count in words.items():
        for pair in pairwise(word):
            found[pair] += count
    return found


def pad_rows(rows: Sequence[Sequence[int]], pad_id: int) -> Tensor:
    """Rows of different length -> (rows, longest row), filled up on the right."""
    return _filled(rows, pad_id)


def _filled(rows: Sequence[Sequence[int]], pad_id: int) -> Tensor:
    """The mistakes below begin with it: what is asked for itself is withdrawn where a learner's code runs."""
    longest = max(len(row) for row in rows)
    return torch.tensor([[*row, *[pad_id] * (longest - len(row))] for row in rows])


# --- probes ---

TEXTS: dict[str, Words] = {
    "counts": {tuple("hund"): 3, tuple("und"): 4, tuple("uns"): 1},
    "rare but long": {tuple("abab"): 1, tuple("cd"): 5, tuple("ce"): 1},
    "twice in a word": {tuple("xyzxy"): 3, tuple("zx"): 2, tuple("pq"): 4},
    "pieces": {("sch", "l", "äf"): 2, ("sch", "l"): 2, ("l", "äf", "t"): 1, ("s", "t"): 3},
    "order": {tuple("no"): 3, tuple("on"): 4},
    "neighbours": {tuple("axb"): 2, tuple("ayb"): 2, tuple("azb"): 2, tuple("xa"): 3},
    "middle": {tuple("xaby"): 2, tuple("zabw"): 2, tuple("cd"): 3},
    "one": {("a", "b"): 1},
    "single pieces": {("a",): 9, ("b", "c"): 1, ("d",): 8},
}


def pair_of(text: str) -> Any:
    def look(trial: Trial) -> Observation:
        given = dict(TEXTS[text])
        pair = trial.call(None, given)
        if given != TEXTS[text]:
            return trial.seen(pair=list(pair), changes_the_dictionary=True)
        if isinstance(pair, str) or not isinstance(pair, tuple | list) or len(pair) != 2:
            raise Answer(f"It returns {pair!r}, where two pieces are asked for, as ('u', 'n').")
        return trial.seen(pair=[str(piece) for piece in pair])

    return look


def in_words(text: str) -> str:
    return ", ".join(f"{' '.join(word)} ({count} times)" for word, count in TEXTS[text].items())


PAIR_PROBES = tuple(
    Probe(name.replace(" ", "_"), pair_of(name), says, f"the words {in_words(name)}")
    for name, says in (
        ("counts", "The pair is not the most frequent one."),
        ("twice in a word", "A pair that a word has twice is not counted right."),
        ("rare but long", "How often a word occurs does not count as it should."),
        ("pieces", "Pieces of several letters are not kept whole."),
        ("order", "The order of the two pieces gets lost."),
        ("single pieces", "A word of one piece is not handled."),
        ("neighbours", "Pieces that are no neighbours are counted."),
        ("middle", "Pairs in the middle of a word are not counted."),
        ("one", "A text with a single pair is not handled."),
    )
)


def without_counts(words: Words) -> tuple[str, str]:
    return _best(dict.fromkeys(words, 1))


def once_a_word(words: Words) -> tuple[str, str]:
    found: Counter[tuple[str, str]] = Counter()
    for word, count in words.items():
        for pair in set(pairwise(word)):
            found[pair] += count
    return found.most_common(1)[0][0]


def least_frequent(words: Words) -> tuple[str, str]:
    return min(_pairs(words).items(), key=lambda item: item[1])[0]


def first_pair(words: Words) -> tuple[str, str]:
    return next(iter(_pairs(words)))


def in_any_order(words: Words) -> list[str]:
    found: Counter[tuple[str, str]] = Counter()
    for pair, count in _pairs(words).items():
        low, high = sorted(pair)
        found[low, high] += count
    return list(found.most_common(1)[0][0])


def without_overlap(words: Words) -> tuple[str, str]:
    found: Counter[tuple[str, str]] = Counter()
    for word, count in words.items():
        for pair in zip(word[::2], word[1::2]):
            found[pair] += count
    return found.most_common(1)[0][0]


def of_letters(words: Words) -> tuple[str, str]:
    found: Counter[tuple[str, str]] = Counter()
    for word, count in words.items():
        for pair in pairwise("".join(word)):
            found[pair] += count
    return found.most_common(1)[0][0]


def across_words(words: Words) -> tuple[str, str]:
    row = [piece for word, count in words.items() for _ in range(count) for piece in word]
    return Counter(pairwise(row)).most_common(1)[0][0]


def most_frequent_pieces(words: Words) -> tuple[str, str]:
    found: Counter[str] = Counter()
    for word, count in words.items():
        for piece in word:
            found[piece] += count
    first, second = (piece for piece, _ in found.most_common(2))
    return first, second


def with_the_next_but_one(words: Words) -> tuple[str, str]:
    found: Counter[tuple[str, str]] = Counter()
    for word, count in words.items():
        for i, piece in enumerate(word):
            for other in word[i + 1 :]:
                found[piece, other] += count
    return found.most_common(1)[0][0]


PAIR_MISTAKES = (
    Mistake(
        "counts_left_out",
        "Each word is counted once, however often the text has it. Add the word's count for each of its pairs.",
        without_counts,
    ),
    Mistake("once_in_each_word", "A word that has a pair twice counts it once. Count every place.", once_a_word),
    Mistake("least_frequent", "That is the rarest pair; joining it would help hardly any word.", least_frequent),
    Mistake("first_pair", "That is the first pair of the first word: nothing is compared.", first_pair),
    Mistake(
        "order_lost",
        "The pair is kept in sorted order (or as a set), so `no` and `on` are the same. They are different pieces.",
        in_any_order,
    ),
    Mistake(
        "every_second_place",
        "Only pairs at every second place are seen. Neighbours overlap: a word of n pieces has n - 1 pairs.",
        without_overlap,
    ),
    Mistake(
        "letters_for_pieces",
        "The pieces are glued together and taken apart into letters: what has been joined before is lost.",
        of_letters,
    ),
    Mistake(
        "across_words",
        "The last piece of a word and the first of the next are taken for neighbours. Pairs end where words do.",
        across_words,
    ),
    Mistake(
        "two_frequent_pieces",
        "These are the two most frequent pieces; they need not stand side by side anywhere.",
        most_frequent_pieces,
    ),
    Mistake(
        "not_only_neighbours", "Pairs of pieces that are not neighbours are counted as well.", with_the_next_but_one
    ),
)

PAIR = Exercise(
    "most_frequent_pair",
    Card(1, 10, "The one step that byte-pair encoding repeats.", "02_text_to_tensors", "subwords"),
    most_frequent_pair,
    PAIR_PROBES,
    PAIR_MISTAKES,
    (
        "Which pairs does one word have? `zip(word, word[1:])` walks over them.",
        "Add up, for every pair, the counts of the words it stands in; a dictionary or `collections.Counter` will do.",
        "for word, count in words.items(): for pair in pairwise(word): found[pair] += count; then the key "
        "with the "
        "largest value: `max(found, key=found.get)`.",
    ),
)


def padded(*rows: list[int], pad_id: int) -> Any:
    def look(trial: Trial) -> Observation:
        given = [list(row) for row in rows]
        (ids,) = tensors(trial.call(None, given, pad_id), 1)
        changed = {"changes the rows": True} if given != [list(row) for row in rows] else {}
        return {**trial.seen(ids=ids), **changed}

    return look


def long_rows(trial: Trial) -> Observation:
    rows = [list(range(i % 7 + 1)) for i in range(600)]
    rows[300] = list(range(1000, 1700))
    return trial.seen(ids=tensors(trial.call(None, rows, 9), 1)[0])


PAD_PROBES = (
    Probe(
        "two",
        padded([5, 6, 7], [8], pad_id=0),
        "The rows are not filled up right.",
        "the rows [5, 6, 7] and [8], pad_id 0",
    ),
    Probe(
        "other_id",
        padded([4], [5, 6, 3], [0, 7], pad_id=1),
        "Not the id that was given is used.",
        "the rows [4], [5, 6, 3], [0, 7], pad_id 1",
    ),
    Probe(
        "equal", padded([1, 2], [3, 4], pad_id=0), "Rows of equal length are not left alone.", "two rows of length 2"
    ),
    Probe("one", padded([7, 8], pad_id=3), "A single row is not right.", "the row [7, 8]"),
    Probe("empty row", padded([], [2, 3], pad_id=5), "An empty row is not right.", "the rows [] and [2, 3], pad_id 5"),
    Probe("many", long_rows, "Many or long rows are not right.", "600 rows, one of length 700"),
)


def on_the_left(rows: Sequence[Sequence[int]], pad_id: int) -> Tensor:
    longest = max(map(len, rows))
    return torch.tensor([[*[pad_id] * (longest - len(row)), *row] for row in rows])


def cut(rows: Sequence[Sequence[int]], pad_id: int) -> Tensor:
    shortest = min(map(len, rows))
    return torch.tensor([list(row[:shortest]) for row in rows])


def to_the_first(rows: Sequence[Sequence[int]], pad_id: int) -> Tensor:
    return torch.tensor([[*row, *[pad_id] * (len(rows[0]) - len(row))][: len(rows[0])] for row in rows])


def one_too_many(rows: Sequence[Sequence[int]], pad_id: int) -> Tensor:
    return torch.nn.functional.pad(_filled(rows, pad_id), (0, 1), value=pad_id)


def with_zero(rows: Sequence[Sequence[int]], pad_id: int) -> Tensor:
    return _filled(rows, 0)


def transposed(rows: Sequence[Sequence[int]], pad_id: int) -> Tensor:
    return _filled(rows, pad_id).T.contiguous()


def one_pad_each(rows: Sequence[Sequence[int]], pad_id: int) -> Tensor:
    longest = max(map(len, rows))
    return torch.tensor([[*row, *([pad_id] if len(row) < longest else [])] for row in rows])


def sorted_rows(rows: Sequence[Sequence[int]], pad_id: int) -> Tensor:
    return _filled(sorted(rows, key=len, reverse=True), pad_id)


def repeats_last(rows: Sequence[Sequence[int]], pad_id: int) -> Tensor:
    longest = max(map(len, rows))
    return torch.tensor([[*row, *([row[-1]] if row else [pad_id]) * (longest - len(row))] for row in rows])


def floats(rows: Sequence[Sequence[int]], pad_id: int) -> Tensor:
    return _filled(rows, pad_id).float()


PAD_MISTAKES = (
    Mistake(
        "filled_on_the_left",
        "The padding stands before the words. Some decoder-only models do so; here a sentence begins at place 0.",
        on_the_left,
        source="decoder-only language models are padded on the left for generation",
        convention=True,
    ),
    Mistake("cut_to_the_shortest", "The rows are cut to the shortest one: words are lost. Fill up, don't cut.", cut),
    Mistake("as_long_as_the_first", "The first row's length is taken for all. The longest row decides.", to_the_first),
    Mistake("one_column_too_many", "There is a column in which nothing stands.", one_too_many),
    Mistake("zero_for_pad_id", "Zeros are filled in, whatever `pad_id` says.", with_zero),
    Mistake("transposed", "The rows stand as columns: batch first, (rows, longest row).", transposed),
    Mistake(
        "one_padding_each",
        "One padding id is added to each short row, where as many are needed as are missing.",
        one_pad_each,
    ),
    Mistake(
        "rows_in_another_order",
        "The rows come back sorted. Source and target would no longer stand side by side.",
        sorted_rows,
    ),
    Mistake(
        "last_word_repeated",
        "Rows are filled up with their last word. Only an id of its own can be masked.",
        repeats_last,
    ),
    Mistake("no_integers", "The ids are no integers: an embedding cannot look them up.", floats),
    Mistake(
        "changes_the_rows",
        "The caller's lists are extended in place. Make new ones.",
        seen=lambda seen: any("changes the rows" in one for one in seen.values()),
    ),
)

PAD = Exercise(
    "pad_rows",
    Card(1, 5, "Sentences differ in length, tensors do not.", "02_text_to_tensors", "batches"),
    pad_rows,
    PAD_PROBES,
    PAD_MISTAKES,
    (
        "How wide must the tensor be? Look at all rows before you fill one.",
        "Each row is itself, followed by `pad_id` as often as it is shorter than the longest.",
        "longest = max(len(row) for row in rows); torch.tensor([list(row) + [pad_id] * (longest - len(row)) for "
        "row in rows])",
    ),
)

EXERCISES = [PAIR, PAD]
