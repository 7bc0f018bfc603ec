"""What a sentence says, before it is said in a language.

A sentence is chosen once, as a small tree of these objects, and then said twice: by `english.py` and by `german.py`.
Both sides speak of the same objects, which is where the alignments come from. Objects are told apart by identity.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from course_lib.corpora.lexicon import (
    Adjective,
    Adverb,
    Conjunction,
    Determiner,
    Modal,
    Noun,
    Number,
    Preposition,
    Pronoun,
    Verb,
)

Tense: TypeAlias = Literal["present", "past"]


@dataclass(slots=True, eq=False)
class Quality:
    """An adjective, perhaps with an adverb of degree: "very old"."""

    adjective: Adjective
    degree: Adverb | None = None


@dataclass(slots=True, eq=False)
class NounPhrase:
    """ "the three small dogs", "her sister", "milk"; `owner` is the noun that "its" stands for."""

    noun: Noun
    determiner: Determiner | None = None
    plural: bool = False
    number: Number | None = None
    qualities: tuple[Quality, ...] = ()
    owner: Noun | None = None
    inner: PrepositionalPhrase | None = None
    relative: Clause | None = None


@dataclass(slots=True, eq=False)
class Personal:
    """A personal pronoun. Of "it", the pronoun has the gender of its antecedent's German noun."""

    pronoun: Pronoun


@dataclass(slots=True, eq=False)
class Relative:
    """A relative pronoun: the place in a relative clause where the noun is missing."""

    head: NounPhrase


@dataclass(slots=True, eq=False)
class Pair:
    """Two noun phrases: "the cat and the dog"."""

    conjunction: Conjunction
    left: NounPhrase
    right: NounPhrase


Phrase: TypeAlias = NounPhrase | Personal | Relative | Pair


@dataclass(slots=True, eq=False)
class PrepositionalPhrase:
    """A preposition with its noun phrase; the German case is chosen with the preposition."""

    preposition: Preposition
    case: str
    object: Phrase


@dataclass(slots=True, eq=False)
class Adverbial:
    """An adverb, or a fixed phrase of time."""

    adverb: Adverb


@dataclass(slots=True, eq=False)
class Subordinate:
    """ "because it is tired"; `first` puts it in front of its main clause."""

    conjunction: Conjunction
    clause: Clause
    first: bool = False


@dataclass(slots=True, eq=False)
class Also:
    """A second predicate of the same subject: "and drinks the milk"."""

    conjunction: Conjunction
    clause: Clause


@dataclass(slots=True, eq=False)
class Clause:
    """One verb and what belongs to it. `front` is the part that stands before the subject."""

    subject: Phrase
    verb: Verb
    tense: Tense = "present"
    modal: Modal | None = None
    negated: bool = False
    recipient: Phrase | None = None
    object: Phrase | None = None
    complement: Phrase | None = None
    predicate: tuple[Quality, ...] = ()
    frequency: Adverbial | None = None
    manner: Adverbial | None = None
    places: list[PrepositionalPhrase | Adverbial] = field(default_factory=list)
    time: Adverbial | PrepositionalPhrase | None = None
    front: Adverbial | PrepositionalPhrase | None = None
    that: Subordinate | None = None
    subordinate: Subordinate | None = None
    also: Also | None = None


@dataclass(slots=True, eq=False)
class Sentence:
    """A main clause, or two with a conjunction between them."""

    clause: Clause
    conjunction: Conjunction | None = None
    second: Clause | None = None


def is_plural(phrase: Phrase) -> bool:
    """Whether a verb with this subject is plural."""
    if isinstance(phrase, Personal):
        return phrase.pronoun.plural
    if isinstance(phrase, Relative):
        return phrase.head.plural
    return isinstance(phrase, Pair) or phrase.plural


def speaks(phrase: Phrase) -> bool:
    """Whether the phrase is "I" or "we"."""
    return isinstance(phrase, Personal) and phrase.pronoun.person == 1


def is_first_person(phrase: Phrase) -> bool:
    """Whether a verb with this subject has the form for "I"."""
    return speaks(phrase) and not is_plural(phrase)


def fuses_with_not(clause: Clause, phrase: Phrase | None) -> bool:
    """Whether "not" and this object become "kein": the object has "a", or nothing, before it."""
    return (
        clause.negated
        and isinstance(phrase, NounPhrase)
        and phrase.number is None
        and not phrase.noun.is_name
        and (phrase.determiner is None or phrase.determiner.en == "a")
    )


def nouns_of(phrase: Phrase) -> tuple[Noun, ...]:
    """The nouns that a phrase names, or stands for as a relative pronoun."""
    if isinstance(phrase, NounPhrase):
        return (phrase.noun,)
    if isinstance(phrase, Relative):
        return (phrase.head.noun,)
    return (phrase.left.noun, phrase.right.noun) if isinstance(phrase, Pair) else ()
