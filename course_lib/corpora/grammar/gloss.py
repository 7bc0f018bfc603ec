"""Glosses German sentences word by word, for readers who have no German."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from itertools import pairwise, takewhile
from typing import TypeAlias

from course_lib.corpora.grammar.german import (
    AUXILIARIES,
    DEFINITE,
    EIN,
    MIXED,
    RELATIVE,
    STRONG,
    WEAK,
    Endings,
    preterite,
)
from course_lib.corpora.grammar.trees import PUNCTUATION, words
from course_lib.corpora.lexicon import Determiner, Lexicon, Verb, lexicon

Add: TypeAlias = Callable[..., None]

UNKNOWN = "?"
MOST = 4  # glosses of one word
CLAUSE_ENDS = {*PUNCTUATION, "und", "aber"}


def gloss(sentence: str) -> list[tuple[str, str]]:
    """Each word of a German sentence with its English glosses: ("schläft", "sleeps"), ("auf", "on / onto / up").

    The sentence may be wrong, as a model's is; a word that the lexicon does not know has the gloss "?".
    """
    found = words(sentence)
    return [(word, _look_up(word, found[:i], found[i + 1 :])) for i, word in enumerate(found)]


def _look_up(word: str, before: list[str], after: list[str]) -> str:
    if word in PUNCTUATION:
        return word
    table = _glosses()
    # The first word of a sentence has a capital in any case.
    spellings = (word, word.lower(), word.capitalize()) if before else (word.lower(), word)
    keys = [_separable(word, prefix) for prefix in _prefixes(after)]
    if before[-1:] == [","]:
        keys.insert(0, _relative(word))
    if not after or after[0] in CLAUSE_ENDS:
        keys.insert(0, _prefix(word))
    for key in (*keys, *spellings, _separable(word), _prefix(word)):
        if key in table:
            return " / ".join(list(table[key])[:MOST])
    return UNKNOWN


def _relative(form: str) -> str:
    """The table's key for a word that is a relative pronoun after a comma, and an article elsewhere."""
    return f", {form}"


def _separable(form: str, prefix: str = "") -> str:
    """The table's key for a verb whose prefix stands at the end of its clause."""
    return f"{form} ... {prefix}"


def _prefix(form: str) -> str:
    """The table's key for a verb's prefix at the end of its clause: elsewhere it may be a preposition, or "a"."""
    return f"... {form}"


def _prefixes(after: list[str]) -> list[str]:
    """The words behind a verb that may be its prefix: those at the end of its clause."""
    clause = list(takewhile(lambda word: word not in PUNCTUATION, after))
    return [word for word, following in pairwise([*clause, "."]) if following in CLAUSE_ENDS]


@cache
def _glosses() -> dict[str, dict[str, None]]:
    """All German word forms; the glosses are the keys, in the order in which the tables have them."""
    table: dict[str, dict[str, None]] = {}

    def add(form: str, *english: str) -> None:
        if form:
            table.setdefault(form, {}).update(dict.fromkeys(english))

    words_ = lexicon()
    _add_function_words(words_, add)
    for noun in words_.nouns.values():
        for (_, plural), form in noun.de.items():
            add(form, noun.en_plural if plural else noun.en)
    for adjective in words_.adjectives.values():
        add(adjective.de, adjective.en)
        for form in _inflected(adjective.stem, STRONG, WEAK, MIXED):
            add(form, adjective.en)
    for verb in words_.verbs.values():
        _add_verb(verb, add)
    return table


def _inflected(stem: str, *tables: Endings) -> list[str]:
    return [stem + ending for table in tables for row in table.values() for ending in row.values()]


def _add_function_words(words_: Lexicon, add: Add) -> None:
    for form in _inflected("", DEFINITE):
        add(form, "the")
    for form in _inflected("", RELATIVE):
        add(_relative(form), "who", "that")
        add(form, "the")  # where no comma is: in a sentence that went wrong
    for determiner in words_.determiners.values():
        _add_determiner(determiner, add)
    for pronoun in words_.pronouns.values():
        for case, form in pronoun.de.items():
            add(form, pronoun.en if case == "nominative" else pronoun.en_object)
    for preposition in words_.prepositions.values():
        add(preposition.de, preposition.en)
        for form in preposition.contracted.values():
            add(form, f"{preposition.en} the")
    for adverb in (*words_.adverbs.values(), *words_.times.values()):
        for german, english in zip(adverb.de.split(), _in_two(adverb.en), strict=True):
            add(german, english)
    for conjunction in words_.conjunctions.values():
        add(conjunction.de, conjunction.en)
    for number in words_.numbers.values():
        add(number.de, number.en)
    for modal in words_.modals.values():
        to = f" {modal.to}" if modal.to else ""
        add(modal.de, modal.en + to)
        add(modal.de_3sg, modal.en_3sg + to)
        add(modal.de_1sg, modal.en + to)
    for verb, forms in AUXILIARIES.items():
        for form, english in zip(
            forms, {"haben": ("have", "has", "have"), "sein": ("am", "is", "are")}[verb], strict=True
        ):
            add(form, english)
    add("nicht", "not")


def _in_two(phrase: str) -> tuple[str, ...]:
    """ "in the morning" -> "in the", "morning", as German has "am Morgen"."""
    before, _, last = phrase.rpartition(" ")
    return (before, last) if before else (last,)


def _add_determiner(determiner: Determiner, add: Add) -> None:
    if determiner.declension == "article":
        return
    endings = EIN if determiner.declension == "mixed" else STRONG
    for gender in "mf":
        for row in endings.values():
            for slot, ending in row.items():
                english = determiner.en_plural if slot == "p" else determiner.en
                if english:
                    add(determiner.stem[gender] + ending, english)


def _add_verb(verb: Verb, add: Add) -> None:
    third, past = (verb.lemma.replace(verb.en, form, 1) for form in (verb.en_3sg, verb.en_past or verb.en))
    prefix = verb.de_prefix
    forms = [(verb.de_3sg, third), (verb.de, verb.lemma), (verb.de_1sg, verb.lemma)]
    if verb.de_past:
        forms += [(form, past) for form in preterite(verb)]
    for form, english in forms:
        add(prefix + form, english)
        if prefix:
            add(_separable(form, prefix), english)
            add(_separable(form), english)
    add(verb.de_participle, past)
    if prefix:
        add(_prefix(prefix), verb.en_particle or "(part of the verb)")
