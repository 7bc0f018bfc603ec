"""The embedded corpus: a synchronous grammar of English and German.

The grammar chooses what a sentence says (`choose.py`, objects of `meaning.py`) and says it twice (`english.py`,
`german.py`). Every pair comes with its word alignment and with a tree of each side. The German is a function of the
English, so that a translation is right exactly if it equals the reference. `data/README.md` is the data card.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from zlib import crc32

from course_lib.corpora.grammar import english
from course_lib.corpora.grammar.choose import Chooser
from course_lib.corpora.grammar.german import German
from course_lib.corpora.grammar.gloss import gloss
from course_lib.corpora.grammar.meaning import Clause, NounPhrase, Personal, Quality, Sentence, Subordinate
from course_lib.corpora.grammar.trees import Said, align, say, words
from course_lib.corpora.lexicon import lexicon

__all__ = [
    "COURSE_SENTENCE",
    "MAX_TRAIN_WORDS",
    "SPLITS",
    "TAGS",
    "Example",
    "generate",
    "generate_splits",
    "gloss",
    "words",
]

STREAMS = {  # which splits are filled by which kind of sentence
    "plain": ("train", "validation", "test", "test_combinations"),
    "long": ("test_long",),
    "pronouns": ("test_pronouns",),
}
SPLITS = tuple(split for splits in STREAMS.values() for split in splits)

MAX_TRAIN_WORDS = 11  # of English, with punctuation; no split but test_long has longer ones
LONG_WORDS = (18, 30)

TAGS = {
    "adjective_mixed": "ending after ein, kein, mein: ein alter Hund",
    "adjective_strong": "ending with no article: kalter Tee, zwei alte Hunde",
    "adjective_weak": "ending after der, dieser, jeder, alle: der alte Hund",
    "adverb": "an adverb or a fixed phrase of time",
    "antecedent": "it, its: the German gender is that of the noun meant",
    "contraction": "preposition and article in one word: im, ins, zum",
    "article_accusative": "der, ein, mein, dieser ... agree with their noun: den Hund",
    "article_dative": "the same in the dative: dem Hund",
    "article_nominative": "the same in the nominative: der Hund",
    "coordination_clauses": "two main clauses with und or aber",
    "coordination_nouns": "two noun phrases with und or oder",
    "coordination_verbs": "two predicates of one subject",
    "dative_verb": "a verb whose only object is dative: hilft dem Mann",
    "future": "will: wird with the infinitive at the end",
    "kein": "no, not a: kein with its endings",
    "modal": "can, must, should, may, want to: the infinitive goes to the end",
    "nicht": "not: nicht, after objects and before everything else",
    "number": "numbers from two to twelve",
    "perfect": "past: hat or ist, with the participle at the end",
    "perfect_with_sein": "past of motion and change: ist gegangen",
    "possessive": "my, your, his, her, its, our, their",
    "predicate_adjective": "an adjective after sein, without ending",
    "preposition_accusative": "für, durch, ohne, gegen, um",
    "preposition_dative": "mit, bei, von, zu, aus, nach",
    "prepositional_object": "a verb with its own preposition: wartet auf den Bus",
    "preterite": "past in one word: war, hatte, mochte, wusste",
    "pronoun": "personal pronouns but it, in their case",
    "relative_object": "a relative pronoun that is an object: den er sieht",
    "relative_subject": "a relative pronoun that is the subject: der schläft",
    "separable": "a verb with a separable prefix: steht auf, aufgestanden",
    "subordinate": "weil, obwohl, wenn, während, bevor",
    "that_clause": "dass",
    "two_objects": "a dative person and an accusative thing",
    "two_way_accusative": "in, an, auf, ... with a direction: accusative",
    "two_way_dative": "in, an, auf, ... with a place: dative",
    "verb_last": "the finite verb at the end of its clause",
    "verb_second": "something else than the subject before the finite verb",
    "weak_noun": "a noun with an ending in the singular: den Jungen",
}


@dataclass(frozen=True, slots=True)
class Example:
    """A sentence pair with its annotations."""

    en: str
    de: str
    tags: tuple[str, ...]  # phenomena, see TAGS
    alignment: tuple[tuple[int, int], ...]  # (English, German) indices into words(en), words(de)
    en_tree: str  # bracketing with Penn Treebank labels
    de_tree: str  # bracketing with STTS parts of speech


class Realisation:
    """A sentence said in German, and in English when it is asked for: most candidates are dropped before that."""

    def __init__(self, meaning: Sentence) -> None:
        self.meaning = meaning
        german = German()
        self.de = say(german.sentence(meaning))
        self.tags = german.tags
        self.pairs = german.pairs

    @cached_property
    def en(self) -> Said:
        """The English side."""
        return say(english.sentence(self.meaning))

    def example(self) -> Example:
        """The finished pair."""
        en, de = self.en, self.de
        tags = tuple(sorted(self.tags))
        return Example(en.text, de.text, tags, align(en, de), en.bracketing, de.bracketing)


@cache
def is_withheld(pair: tuple[str, str]) -> bool:
    """Whether a combination of two words is kept for test_combinations: one in sixteen."""
    return crc32(" ".join(pair).encode()) % 16 == 0


def split_of(candidate: Realisation) -> str | None:
    """The only split that a sentence may be in; it depends on nothing but the sentence."""
    length = len(candidate.en.keys)
    if length <= MAX_TRAIN_WORDS:
        return short_split_of(candidate)
    # "has no" and "does not have a" are the same German; only one of them is short.
    is_long = LONG_WORDS[0] <= length <= LONG_WORDS[1] and "kein" not in candidate.tags
    return "test_long" if is_long else None


def short_split_of(candidate: Realisation) -> str:
    """The split of a sentence that is not too long.

    It depends on the German words, so that two English sentences with the same German are in the same split.
    """
    de = candidate.de.text
    if de == COURSE_SENTENCE.de:
        return "test"
    if any(is_withheld(pair) for pair in candidate.pairs):
        return "test_combinations"
    bucket = crc32(de.encode()) % 100
    if bucket < 8:
        return "validation"
    if bucket < 16:
        return "test"
    if bucket < 30 and "antecedent" in candidate.tags:
        return "test_pronouns"
    return "train"


def candidates(stream: str, seed: int) -> Iterator[Realisation]:
    """The sentences of a stream in the order in which they come up, some of them repeatedly."""
    chooser = Chooser(lexicon(), random.Random(f"{stream} {seed}"))
    choose = {"plain": chooser.sentence, "long": chooser.long_sentence, "pronouns": chooser.pronoun_sentence}[stream]
    while True:
        yield Realisation(choose())


def generate(split: str, n: int, seed: int = 0) -> list[Example]:
    """The first `n` examples of a split: the same on every machine, none twice, and none in two splits."""
    return generate_splits({split: n}, seed)[split]


def generate_splits(sizes: Mapping[str, int], seed: int = 0) -> dict[str, list[Example]]:
    """The same for several splits, in the time that the largest takes: one pass through a stream fills all of its."""
    if unknown := sizes.keys() - set(SPLITS):
        raise ValueError(f"split is {min(unknown)!r}, not one of {', '.join(SPLITS)}")
    found: dict[str, dict[str, Example]] = {split: {} for split in sizes}
    for stream, splits in STREAMS.items():
        wanted = {split for split in splits if sizes.get(split)}
        source = candidates(stream, seed)
        while wanted:
            candidate = next(source)
            # What is in a split that is full, or not asked for, need not be said in English.
            if stream != "long" and short_split_of(candidate) not in wanted:
                continue
            split = split_of(candidate)
            if split in wanted and candidate.de.text not in found[split]:
                found[split][candidate.de.text] = candidate.example()
                if len(found[split]) == sizes[split]:
                    wanted.remove(split)
    return {split: list(examples.values()) for split, examples in found.items()}


def _course_sentence() -> Example:
    words_ = lexicon()
    dog = NounPhrase(words_.nouns["dog"], words_.determiners["the"])
    tired = Clause(
        Personal(words_.pronouns["it", "m"]), words_.verbs["be"], predicate=(Quality(words_.adjectives["tired"]),)
    )
    because = Subordinate(words_.conjunctions["because"], tired)
    return Realisation(Sentence(Clause(dog, words_.verbs["sleep"], subordinate=because))).example()


COURSE_SENTENCE = _course_sentence()
