"""Glosses German sentences word by word, for readers who have no German."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
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


def gloss(sentence: str) -> list[tuple[str, str]]:
    """Each word of a German sentence with its English glosses: ("schläft", "sleeps"), ("auf", "on / onto / up").

    The sentence may be wrong, as a model's is; a word that the lexicon does not know has the gloss "?".
    """
    return [(word, _look_up(word)) for word in words(sentence)]


def _look_up(word: str) -> str:
    if word in PUNCTUATION:
        return word
    table = _glosses()
    # A capital may be there only because the word comes first.
    found = table.get(word) or table.get(word.lower()) or table.get(word.capitalize())
    return " / ".join(list(found)[:MOST]) if found else UNKNOWN


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
    for table, english in ((DEFINITE, "the"), (RELATIVE, "who")):
        for form in _inflected("", table):
            add(form, english)
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
        add(form, english)
        if prefix:
            add(prefix + form, english)
    add(verb.de_participle, past)
    add(prefix, verb.en_particle or "(part of the verb)")
