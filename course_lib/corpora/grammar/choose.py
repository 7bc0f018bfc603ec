"""Chooses what a sentence says: all randomness of the grammar is here.

A `Chooser` keeps the choices sensible: verbs select their subjects and objects by the classes of the lexicon, and "it"
is used only where a sentence has one thing or animal that it can mean.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from typing import TypeVar

from course_lib.corpora.grammar.meaning import (
    Adverbial,
    Also,
    Clause,
    NounPhrase,
    Pair,
    Personal,
    Phrase,
    PrepositionalPhrase,
    Quality,
    Relative,
    Sentence,
    Subordinate,
    Tense,
    is_first_person,
    is_plural,
    nouns_of,
    speaks,
)
from course_lib.corpora.lexicon import Adjective, Conjunction, Lexicon, Noun, Place, Verb

T = TypeVar("T")

# How often each determiner is chosen; "own" is a possessive, "-" is none.
SINGULAR = ["the"] * 9 + ["a"] * 5 + ["own"] * 3 + ["this"] * 2 + ["every"]
PLURAL = ["the"] * 6 + ["number"] * 6 + ["own"] * 2 + ["this", "many", "some", "all", "the number", "-"]
MASS = ["the"] * 5 + ["-"] * 4 + ["own"]
FREE = {"plural": PLURAL, "mass": MASS}
DEFINITE = ["the"] * 6 + ["own"] * 2 + ["this"]
WITH = ["the", "the", "a", "own"]
PLACE = ["the"] * 6 + ["a", "own"]
SUBJECT = ["the"] * 9 + ["a"] * 2 + ["own"] * 4 + ["this"] * 2 + ["every", "no"]
NEGATED = {"singular": ["the", "the", "own", "a", "a", "a"], "mass": ["-"], "plural": ["the", "own", "-", "-"]}

PERSONS = [("I", ""), ("he", ""), ("she", ""), ("we", ""), ("they", "")]
LOCATIONS = {"in", "on", "at", "under", "behind", "in front of", "near"}


class Chooser:
    """Chooses sentences one after the other from a stream of random numbers."""

    def __init__(self, lexicon: Lexicon, rng: random.Random) -> None:
        self.lexicon = lexicon
        self.random = rng.random
        self.used: set[Noun] = set()
        self.antecedent = lexicon.nouns["animal"]
        nouns, verbs = lexicon.nouns.values(), lexicon.verbs.values()
        self.be = lexicon.verbs["be"]
        self.verbs = [verb for verb in verbs if verb.frame not in ("copula", "clause")]
        self.clause_verbs = [verb for verb in verbs if verb.frame == "clause"]
        self.verbs_of = {noun: [verb for verb in self.verbs if noun in verb.subjects] for noun in nouns}
        self.verbs_with = {
            noun: [verb for verb in self.verbs if verb.frame == "object" and noun in verb.objects] for noun in nouns
        }
        adjectives = lexicon.adjectives.values()
        self.qualities = {noun: [a for a in adjectives if a.classes & noun.classes] for noun in nouns}
        self.suits = {a: sum(a in found for found in self.qualities.values()) for a in adjectives}
        self.predicates = {noun: [a for a in found if a.predicative] for noun, found in self.qualities.items()}
        self.traits = [a for a in adjectives if a.reason != "no" and "person" in a.classes]
        self.predicates |= {noun: self.traits for noun in nouns if noun.is_name}
        self.reasons = {noun: [a for a in found if a.reason != "no"] for noun, found in self.predicates.items()}
        self.people = self.of_class("person", "name")
        self.adults = [noun for noun in self.people if noun.pronoun]
        self.events = self.of_class("event")
        self.describable = [noun for noun in nouns if self.predicates[noun]]
        self.movers = [n for n in nouns if n.pronoun == "it" and self.reasons[n] and self.alone(n)]
        self.things = [n for n in nouns if n.pronoun == "it" and self.reasons[n] and self.verbs_with[n]]
        self.pets = self.of_class("pet")
        self.belongings = set(self.of_class("toy", "soft", "box"))
        self.numbers = list(lexicon.numbers.values())
        self.times = list(lexicon.times.values())
        self.modals = [*lexicon.modals.values(), lexicon.modals["will"]]
        self.linking = [c for c in lexicon.conjunctions.values() if c.kind == "subordinating"]
        adverbs = lexicon.adverbs.values()
        self.adverbs = {kind: [a for a in adverbs if a.kind == kind] for kind in sorted({a.kind for a in adverbs})}

    def of_class(self, *classes: str) -> list[Noun]:
        """The nouns of any of these classes."""
        return [noun for noun in self.lexicon.nouns.values() if noun.classes.intersection(classes)]

    def alone(self, noun: Noun) -> list[Verb]:
        """The verbs that a thing or animal can be the subject of without another thing or animal in the sentence."""
        people = set(self.people)
        return [
            verb
            for verb in self.verbs_of[noun]
            if verb.frame == "none"
            or (verb.frame == "object" and {*verb.objects} & people and {*verb.subjects} & people)
        ]

    # Chance

    def pick(self, choices: Sequence[T]) -> T:
        """One of the choices, each as likely as the others."""
        return choices[int(self.random() * len(choices))]

    def chance(self, probability: float) -> bool:
        """True that often."""
        return self.random() < probability

    def tense(self) -> Tense:
        """Present or past."""
        return "past" if self.chance(0.42) else "present"

    # Noun phrases

    def noun(self, nouns: Sequence[Noun]) -> Noun:
        """A noun that the sentence does not have yet, if possible."""
        for _ in range(8):
            noun = self.pick(nouns)
            if noun not in self.used:
                break
        self.used.add(noun)
        return noun

    def noun_phrase(
        self,
        nouns: Sequence[Noun],
        determiners: Sequence[str] = SINGULAR,
        owner: Phrase | None = None,
        plural: bool | None = None,
        adjectives: float = 0.3,
    ) -> NounPhrase:
        """A noun phrase with a noun of the list; `owner` is whom "his" and "her" may refer to."""
        noun = self.noun(nouns)
        if noun.is_name:
            return NounPhrase(noun)
        if plural is None:
            plural = self.chance(0.27)
        plural = plural and bool(noun.en_plural)
        is_mass = not noun.en_plural
        choices = determiners
        if (plural or is_mass) and "a" in determiners:
            kind = "plural" if plural else "mass"
            choices = (NEGATED if determiners is NEGATED["singular"] else FREE)[kind]
        phrase = NounPhrase(noun, plural=plural)
        choice = self.pick(choices)
        if choice == "own" and "stranger" in noun.classes:
            choice = "the"
        self.determine(phrase, choice, owner)
        if self.chance(adjectives):
            phrase.qualities = self.attributes(noun)
        return phrase

    def determine(self, phrase: NounPhrase, choice: str, owner: Phrase | None) -> None:
        """Gives a noun phrase its determiner and number."""
        if choice == "own":
            choice = self.possessive(owner)
        if "number" in choice:
            phrase.number = self.pick(self.numbers)
            choice = "the" if choice.startswith("the") else "-"
        if choice != "-":
            phrase.determiner = self.lexicon.determiners[choice]

    def possessive(self, owner: Phrase | None) -> str:
        """ "his" if the owner is a man, and so on, or somebody outside of the sentence."""
        pronoun = self.pronoun_for(owner) if owner else None
        if pronoun and pronoun.pronoun.en != "it" and self.chance(0.7):
            return pronoun.pronoun.possessive
        return self.pick(("my", "your", "our"))

    def attributes(self, noun: Noun) -> tuple[Quality, ...]:
        """One or two adjectives that suit the noun, in the English order."""
        choices = self.qualities[noun]
        if not choices:
            return ()
        # Of two adjectives the one that suits fewer nouns, so that all are seen often enough.
        first = min(self.pick(choices), self.pick(choices), key=self.suits.__getitem__)
        if self.chance(0.12):
            second = self.pick(choices)
            if first.order != second.order:
                return tuple(Quality(a) for a in sorted((first, second), key=lambda a: a.order))
        return (self.quality(first, 0.1, ("degree",)),)

    def quality(self, adjective: Adjective, probability: float, kinds: Sequence[str]) -> Quality:
        """An adjective, sometimes with "very" or the like."""
        if adjective.degree and self.chance(probability):
            return Quality(adjective, self.pick(self.adverbs[self.pick(kinds)]))
        return Quality(adjective)

    def pronoun_for(self, phrase: Phrase) -> Personal | None:
        """The pronoun that refers to a phrase; None for the child and the girl, where two would be right."""
        if isinstance(phrase, Personal):
            return Personal(phrase.pronoun)
        if is_plural(phrase):
            return Personal(self.lexicon.pronouns["they", ""])
        noun = (
            phrase.head.noun
            if isinstance(phrase, Relative)
            else phrase.noun
            if isinstance(phrase, NounPhrase)
            else None
        )
        if noun is None or not noun.pronoun:
            return None
        gender = noun.gender if noun.pronoun == "it" else ""
        return Personal(self.lexicon.pronouns[noun.pronoun, gender])

    def somebody(self) -> Personal:
        """A personal pronoun for people."""
        return Personal(self.lexicon.pronouns[self.pick(PERSONS)])

    def somebody_else(self, subject: Phrase) -> Personal:
        """A personal pronoun for people that the subject is not one of: no "I help me", no "we see me"."""
        while True:
            phrase = self.somebody()
            if not (speaks(subject) and speaks(phrase)):
                return phrase

    def subject_of(self, verb: Verb, negated: bool = False, load: float = 1.0) -> Phrase:
        """Who or what does it."""
        while True:
            phrase = self.subject(verb.subjects, negated, load)
            if self.can(phrase, verb):
                return phrase

    def subject(self, nouns: Sequence[Noun], negated: bool = False, load: float = 1.0) -> Phrase:
        """Any subject with these nouns."""
        if self.people[0] in nouns and self.chance(0.13):
            return self.somebody()
        if negated:
            return self.noun_phrase(nouns, DEFINITE)
        if self.chance(0.05 * load):
            return self.pair(nouns, SUBJECT[:9])
        phrase = self.noun_phrase(nouns, SUBJECT)
        if self.chance(0.04 * load) and phrase.noun.classes & {"person", "animal"} and phrase.determiner:
            phrase.inner = self.whereabouts()
        return phrase

    def whereabouts(self) -> PrepositionalPhrase:
        """Where somebody is: "next to the tree"."""
        name = self.pick(("next to", "next to", "behind", "in", "in", "at", "under"))
        classes = {"in": ("area", "room"), "at": ("opening",), "under": ("treelike",)}
        nouns = self.of_class(*classes.get(name, ("building", "plant", "furniture")))
        return PrepositionalPhrase(
            self.lexicon.prepositions[name], "dative", self.noun_phrase(nouns, ["the"], None, False, 0.1)
        )

    def pair(self, nouns: Sequence[Noun], determiners: Sequence[str], conjunction: str = "and") -> Pair:
        """Two noun phrases of one kind."""
        left = self.noun_phrase(nouns, determiners, adjectives=0.1)
        right = self.noun_phrase(nouns, determiners, adjectives=0.1)
        return Pair(self.lexicon.conjunctions[conjunction], left, right)

    # Clauses

    def clause(self, tense: Tense, subject: Phrase | None = None, load: float = 1.0) -> Clause:
        """Any clause; `load` says how much more than the necessary it may have."""
        if self.chance(0.1):
            return self.description(tense, subject)
        verb = self.verb_for(subject) if subject else self.pick(self.verbs)
        negated = self.chance(0.14)
        tense = tense if verb.en_past else "present"
        subject = subject or self.subject_of(verb, negated, load)
        meaning = Clause(subject, verb, tense, negated=negated and self.may_negate(subject))
        self.complete(meaning)
        self.enrich(meaning, load)
        return meaning

    def verb_for(self, subject: Phrase) -> Verb:
        """A verb that the subject can have."""
        verbs = self.verbs_of[(nouns_of(subject) or self.adults)[0]]
        while True:
            verb = self.pick(verbs)
            if self.can(subject, verb):
                return verb

    def can(self, subject: Phrase, verb: Verb) -> bool:
        """Whether the verb takes this subject; pronouns stand for adults.

        Verbs such as "read" and "cut" look the same in the past, except with "he reads", "she cuts".
        """
        is_clear = bool(verb.en_past) or not (is_plural(subject) or is_first_person(subject))
        return is_clear and all(noun in verb.subjects for noun in nouns_of(subject) or self.adults[:1])

    def may_negate(self, subject: Phrase) -> bool:
        """Whether "not" means the same in both languages: not after "every", "no" or "a"."""
        if isinstance(subject, NounPhrase):
            named = subject.determiner.en if subject.determiner else "-"
            return subject.noun.is_name or (named in ("the", "this", "my", "your", "our") and not subject.number)
        return not isinstance(subject, Pair)

    def description(self, tense: Tense, subject: Phrase | None = None) -> Clause:
        """ "The house is very old"."""
        if subject is None:
            subject = self.noun_phrase(self.describable, DEFINITE, adjectives=0.05)
        meaning = Clause(subject, self.be, tense, predicate=self.predicate(subject))
        meaning.negated = self.chance(0.15) and self.may_negate(subject) and not meaning.predicate[0].degree
        if not meaning.negated and self.chance(0.08):
            meaning.frequency = Adverbial(self.pick(self.adverbs["frequency"]))
        elif self.chance(0.1):
            meaning.front = self.moment(tense)
        return meaning

    def predicate(self, subject: Phrase, why: str = "") -> tuple[Quality, ...]:
        """One adjective, or two with "and"; after a conjunction such as "because" or "when", one that makes sense."""
        if isinstance(subject, NounPhrase | Relative):
            noun = subject.noun if isinstance(subject, NounPhrase) else subject.head.noun
            choices = self.reasons[noun] if why else self.predicates[noun]
        else:
            choices = self.traits
        if why in ("when", "if"):
            choices = [a for a in choices if a.reason == "state"] or choices
        first = self.pick(choices)
        if self.chance(0.1):
            second = self.pick(choices)
            if second.order != first.order:
                return (Quality(first), Quality(second))
        return (self.quality(first, 0.25, ("degree", "excess")),)

    def complete(self, meaning: Clause) -> None:
        """What the verb cannot do without."""
        verb, frame = meaning.verb, meaning.verb.frame
        if frame == "object":
            meaning.object = self.object(meaning)
        elif frame == "give":
            meaning.recipient = self.person(meaning)
            meaning.object = self.object(meaning, may_be_pronoun=False)
        elif frame == "prep":
            meaning.complement = self.noun_phrase(
                verb.objects, DEFINITE if meaning.negated else SINGULAR[:17], meaning.subject, adjectives=0.25
            )
        elif frame in ("place", "goal", "put"):
            meaning.places = [self.place(meaning, self.pick(verb.required))]
            if frame == "put":
                meaning.object = self.object(meaning, may_be_pronoun=False)

    def person(self, meaning: Clause) -> Phrase:
        """Somebody who gets something."""
        if self.chance(0.25):
            return self.somebody_else(meaning.subject)
        return self.noun_phrase(self.people, DEFINITE, meaning.subject, adjectives=0.15)

    def object(self, meaning: Clause, may_be_pronoun: bool = True) -> Phrase:
        """The object; what "not" stands before is simple, so that there is one way to say it."""
        nouns = meaning.verb.objects
        if may_be_pronoun and self.people[0] in nouns and self.chance(0.2):
            return self.somebody_else(meaning.subject)
        if meaning.negated:
            return self.noun_phrase(nouns, NEGATED["singular"], meaning.subject, adjectives=0.25)
        if meaning.verb.lemma == "have" and self.chance(0.15):
            return self.noun_phrase(nouns, ["no"], meaning.subject, False)
        if may_be_pronoun and self.chance(0.06):
            return self.pair(nouns, SINGULAR[:14], self.pick(("and", "and", "or")))
        return self.noun_phrase(nouns, SINGULAR, meaning.subject)

    def place(self, meaning: Clause, place: Place) -> PrepositionalPhrase:
        """A place, direction or companion; two-way prepositions have the accusative for directions only."""
        preposition = place.preposition
        is_direction = meaning.verb.frame in ("goal", "put")
        case = (
            "accusative" if preposition.case == "acc" or (preposition.case == "two-way" and is_direction) else "dative"
        )
        determiners = WITH if preposition.en in ("with", "for", "next to", "without") else PLACE
        plural = None if preposition.en in ("with", "for", "next to") else False
        phrase = self.noun_phrase(place.nouns, determiners, meaning.subject, plural, 0.2)
        return PrepositionalPhrase(preposition, case, phrase)

    def moment(self, tense: Tense) -> Adverbial | PrepositionalPhrase:
        """A time that suits the tense."""
        if self.chance(0.2):
            event = self.noun_phrase(self.events, ["the", "the", "the", "own"], None, False, 0.1)
            return PrepositionalPhrase(self.lexicon.prepositions["after"], "dative", event)
        if self.chance(0.5):
            return Adverbial(self.pick(self.times))
        return Adverbial(self.pick([*self.adverbs["time"], *self.adverbs[tense]]))

    def enrich(self, meaning: Clause, load: float) -> None:
        """Modal verb, adverbs, place and time, of each some."""
        verb = meaning.verb
        if meaning.tense == "present" and self.is_animate(meaning.subject) and self.chance(0.32 * load):
            meaning.modal = self.pick([m for m in self.modals if m.negated or not meaning.negated])
        is_plain = not meaning.negated and not meaning.modal
        if is_plain and self.chance(0.1 * load):
            meaning.frequency = Adverbial(self.pick(self.adverbs["frequency"]))
        elif verb.manner and not meaning.negated and verb.frame != "prep" and self.chance(0.22 * load):
            meaning.manner = Adverbial(self.pick(verb.manner))
        if verb.optional and verb.frame in ("none", "object", "prep") and self.chance(0.22 * load):
            place = self.place(meaning, self.pick(verb.optional))
            is_here = place.preposition.en == "in" and self.chance(0.12)
            meaning.places = [Adverbial(self.pick(self.adverbs["place"])) if is_here else place]
        self.set_time(meaning, load)

    def set_time(self, meaning: Clause, load: float) -> None:
        """When, and what stands first in the sentence."""
        is_future = meaning.modal is not None and meaning.modal.en == "will"
        if is_future and self.chance(0.5):
            meaning.front = Adverbial(self.pick(self.adverbs["future"]))
        elif not meaning.frequency and self.chance(0.12 * load):
            time = self.moment(meaning.tense)
            # A definite object may stand before or after a time if there is a "nicht": leave no choice.
            if meaning.negated or self.chance(0.6):
                meaning.front = time
            else:
                meaning.time = time
        elif not meaning.negated and self.chance(0.03 * load):
            meaning.front = Adverbial(self.adverbs["front"][0])
        elif meaning.places and meaning.verb.frame in ("none", "object") and self.chance(0.12 * load):
            place = meaning.places[0]
            if isinstance(place, PrepositionalPhrase) and place.preposition.en in LOCATIONS:
                meaning.places = []
                meaning.front = place

    def is_animate(self, phrase: Phrase) -> bool:
        """People and animals can, must and want to."""
        if isinstance(phrase, Personal):
            return phrase.pronoun.en != "it"
        if isinstance(phrase, Pair):
            return self.is_animate(phrase.left)
        noun = phrase.head.noun if isinstance(phrase, Relative) else phrase.noun
        return bool(noun.classes & {"person", "name", "animal"})

    # Sentences

    def sentence(self) -> Sentence:
        """Any sentence of the training set's kinds."""
        self.used.clear()
        kind = self.random()
        tense = self.tense()
        if kind < 0.59:
            return Sentence(self.clause(tense))
        if kind < 0.71:
            return self.with_antecedent(tense)
        if kind < 0.79:
            return Sentence(self.with_subordinate(tense))
        if kind < 0.87:
            return Sentence(self.with_relative(tense))
        if kind < 0.92:
            return self.two_clauses(tense)
        if kind < 0.96:
            return Sentence(self.two_predicates(tense))
        return Sentence(self.with_that(tense))

    def with_that(self, tense: Tense) -> Clause:
        """ "The woman thinks that the dog is hungry"."""
        return self.reported(self.without_front(self.clause(tense, load=0.5)))

    def reported(self, inner: Clause) -> Clause:
        """Somebody says, thinks or hopes it, in the same tense."""
        verb = self.pick(self.clause_verbs)
        subject = self.subject(self.people, load=0)
        return Clause(subject, verb, inner.tense, that=Subordinate(self.lexicon.conjunctions["that"], inner))

    def without_front(self, meaning: Clause) -> Clause:
        """Only main clauses have something before the subject."""
        if meaning.verb is self.be:
            meaning.front = None
        if isinstance(meaning.front, PrepositionalPhrase) and meaning.front.preposition.en != "after":
            meaning.places = [meaning.front]
        elif meaning.front and not meaning.negated and meaning.front is not meaning.time:
            adverb = meaning.front.adverb.kind if isinstance(meaning.front, Adverbial) else ""
            meaning.time = meaning.front if adverb != "front" else None
        meaning.front = None
        return meaning

    def two_clauses(self, tense: Tense) -> Sentence:
        """ "The dog sleeps, and the cat plays"."""
        conjunction = self.lexicon.conjunctions[self.pick(("and", "but"))]
        return Sentence(self.clause(tense, load=0.5), conjunction, self.without_front(self.clause(tense, load=0.3)))

    def two_predicates(self, tense: Tense) -> Clause:
        """ "The man buys a book and reads a letter"."""
        meaning = self.plain(tense, self.subject(self.adults, load=0))
        second = self.plain(tense, meaning.subject, meaning.verb)
        meaning.also = Also(self.lexicon.conjunctions["and"], second)
        return meaning

    def plain(
        self, tense: Tense, subject: Phrase | None = None, other_than: Verb | None = None, dynamic: bool = False
    ) -> Clause:
        """A clause with nothing before its subject, no "not" and no modal verb; `dynamic`: something happens."""
        while True:
            verb = self.verb_for(subject) if subject else self.pick(self.verbs)
            if verb is not other_than and (tense == "present" or verb.en_past) and not (dynamic and verb.state != "no"):
                break
        meaning = Clause(subject or self.subject_of(verb, load=0), verb, tense)
        self.complete(meaning)
        return meaning

    def linking_word(self, tense: Tense, *names: str) -> Conjunction:
        """A subordinating conjunction that suits the tense, of these names if there are any."""
        fitting = [c for c in self.linking if tense == "present" or not c.present_only]
        return self.pick([c for c in fitting if c.en in names] if names else fitting)

    def with_subordinate(self, tense: Tense) -> Clause:
        """ "The man sleeps because he is tired", "When the man is tired, he sleeps"."""
        conjunction = self.linking_word(tense)
        if conjunction.en in ("while", "before"):
            outer, inner = self.plain(tense, dynamic=True), self.plain(tense, dynamic=True)
            self.decorate(outer)
            outer.subordinate = Subordinate(conjunction, inner, first=self.chance(0.35))
            return outer
        first = self.chance(0.35)
        name = self.noun_phrase(self.adults, DEFINITE, adjectives=0.0)
        again = self.pronoun_for(name)
        assert again is not None
        # The noun comes first, its pronoun second.
        inner_subject, outer_subject = (name, again) if first else (again, name)
        if self.chance(0.65):
            predicate = self.predicate(name, conjunction.en)
            inner = Clause(inner_subject, self.be, tense, predicate=predicate)
        else:
            inner = self.without_front(self.clause(tense, inner_subject, 0.3))
        # A verb without a past has turned its clause into the present.
        outer = self.plain(inner.tense, outer_subject)
        self.decorate(outer)
        outer.subordinate = Subordinate(conjunction, inner, first)
        return outer

    def decorate(self, meaning: Clause) -> None:
        """Some manner, place or modal verb for a clause that has another one after it."""
        verb = meaning.verb
        if meaning.tense == "present" and self.is_animate(meaning.subject) and self.chance(0.15):
            meaning.modal = self.pick(self.modals)
        if verb.manner and verb.frame in ("none", "object") and self.chance(0.2):
            meaning.manner = Adverbial(self.pick(verb.manner))
        elif verb.optional and verb.frame in ("none", "object") and self.chance(0.2):
            meaning.places = [self.place(meaning, self.pick(verb.optional))]
        elif self.may_negate(meaning.subject) and meaning.object is None and self.chance(0.15):
            meaning.negated = meaning.modal is None or meaning.modal.negated

    def with_relative(self, tense: Tense) -> Clause:
        """A clause whose subject or object has a relative clause."""
        if self.chance(0.5):
            head = self.noun_phrase(self.pick(self.verbs).subjects, SUBJECT[:11], adjectives=0.15)
            meaning = self.clause(tense, head, load=0.25)
        else:
            meaning = self.plain(tense)
            while meaning.verb.frame != "object" or not isinstance(meaning.object, NounPhrase):
                meaning = self.plain(tense)
            head = meaning.object
            head.qualities = head.qualities[:1]
        if head.noun.is_name:
            return self.with_relative(tense)
        head.relative = self.relative_clause(head, tense)
        return meaning

    def relative_clause(self, head: NounPhrase, tense: Tense) -> Clause:
        """A clause in which the head is the subject or the object."""
        if self.chance(0.3):
            tense = self.tense()
        objective = self.verbs_with[head.noun]
        if objective and self.chance(0.5):
            verb = self.pick(objective)
            subject = self.subject_of(verb, load=0)
            return Clause(subject, verb, tense if verb.en_past else "present", object=Relative(head))
        if not self.verbs_of[head.noun] or self.chance(0.12):
            relative = Relative(head)
            head.qualities = ()  # no "red stone that is red"
            return Clause(relative, self.be, tense, predicate=self.predicate(relative))
        return self.without_front(self.clause(tense, Relative(head), 0.3))

    # Sentences with "it"

    def with_antecedent(self, tense: Tense) -> Sentence:
        """A sentence in which "it" or "its" can mean one noun only."""
        kind = self.random()
        if kind < 0.36:
            return Sentence(self.it_is_subject(tense))
        if kind < 0.84:
            return self.it_is_object(tense)
        return Sentence(self.its(tense))

    def pronoun_sentence(self) -> Sentence:
        """A sentence with "it" or "its", its gender drawn from three equal parts."""
        wanted = self.pick("mfn")
        while True:
            self.used.clear()
            meaning = self.with_antecedent(self.tense())
            if self.antecedent.gender == wanted:
                return meaning

    def it(self, noun: Noun) -> Personal:
        """ "it" with the gender of the German noun."""
        self.antecedent = noun
        return Personal(self.lexicon.pronouns["it", noun.gender])

    def it_is_subject(self, tense: Tense) -> Clause:
        """ "The dog sleeps because it is tired", "When the dog is tired, it sleeps"."""
        name = self.noun_phrase(self.movers, SUBJECT[:17], None, False, 0.0)
        verbs = [verb for verb in self.alone(name.noun) if tense == "present" or verb.en_past]
        if not verbs:
            return self.it_is_subject("present")
        verb = self.pick(verbs)
        conjunctions = (
            ("because", "although", "when", "if") if "animal" in name.noun.classes else ("because", "although")
        )
        conjunction = self.linking_word(tense, *conjunctions)
        first = self.chance(0.3)
        it = self.it(name.noun)
        meaning = Clause(it if first else name, verb, tense)
        if verb.frame == "object":
            meaning.object = self.noun_phrase([n for n in self.people if n in verb.objects], DEFINITE, adjectives=0.1)
        meaning.negated = self.chance(0.15) and self.may_negate(meaning.subject)
        if verb.manner and not meaning.negated and self.chance(0.3):
            meaning.manner = Adverbial(self.pick(verb.manner))
        inner = Clause(name if first else it, self.be, tense, predicate=self.predicate(name, conjunction.en))
        meaning.subordinate = Subordinate(conjunction, inner, first)
        return meaning

    def it_is_object(self, tense: Tense) -> Sentence:
        """ "The woman bought the table because it was old", "... because she liked it"."""
        thing = self.noun_phrase(self.things, ["the", "the", "a", "a", "this", "own"], None, False, 0.0)
        subject = self.subject(self.adults, load=0)
        verbs = [v for v in self.verbs_with[thing.noun] if self.can(subject, v) and (v.en_past or tense == "present")]
        if not verbs:
            return self.it_is_object("present")
        meaning = Clause(subject, self.pick(verbs), tense, object=thing)
        it, again = self.it(thing.noun), self.pronoun_for(subject)
        others = [verb for verb in verbs if verb is not meaning.verb]
        attitudes = [verb for verb in others if verb.state == "attitude"]
        actions = [verb for verb in others if verb.state == "no"]
        kind = self.random()
        if again and attitudes and kind < 0.25:
            inner = Clause(again, self.pick(attitudes), tense, object=it)
            inner.negated = self.chance(0.25)
            conjunction = self.linking_word(tense, "because", "although")
        elif again and actions and meaning.verb.state == "no" and kind < 0.35:
            inner = Clause(again, self.pick(actions), tense, object=it)
            conjunction = self.linking_word(tense, "before", "while")
        elif actions and kind < 0.5:
            meaning.also = Also(self.lexicon.conjunctions["and"], Clause(subject, self.pick(actions), tense, object=it))
            return Sentence(meaning)
        else:
            inner = Clause(it, self.be, tense, predicate=self.predicate(thing, "because"))
            if kind > 0.88:
                return Sentence(meaning, self.lexicon.conjunctions["but"], inner)
            meaning.negated = self.may_negate(subject) and self.chance(0.15) and not self.is_vague(thing)
            conjunction = self.linking_word(tense, "because", "although")
        meaning.subordinate = Subordinate(conjunction, inner)
        return Sentence(meaning)

    def is_vague(self, phrase: NounPhrase) -> bool:
        """What does not exist cannot be referred to: "does not buy a table because it ..."."""
        return phrase.determiner is None or phrase.determiner.en == "a"

    def its(self, tense: Tense) -> Clause:
        """ "The cat plays with its ball"."""
        name = self.noun_phrase(self.pets, ["the", "the", "a", "this", "own"], None, False, 0.35)
        while True:
            verb = self.pick(self.verbs_of[name.noun])
            nouns: Iterable[Noun] = verb.objects
            places = [place for place in verb.required if self.belongings.intersection(place.nouns)]
            if verb.frame == "place" and places:
                place = self.pick(places)
                nouns = place.nouns
            elif verb.frame not in ("object", "prep"):
                continue
            owned = [noun for noun in nouns if noun in self.belongings and noun not in self.used]
            if owned and (tense == "present" or verb.en_past):
                break
            tense = "present"
        meaning = Clause(name, verb, tense)
        thing = NounPhrase(self.pick(owned), self.lexicon.determiners["its"], owner=name.noun)
        self.antecedent = name.noun
        if self.chance(0.3):
            thing.qualities = self.attributes(thing.noun)
        if verb.frame == "object":
            meaning.object = thing
        elif verb.frame == "prep":
            meaning.complement = thing
        else:
            meaning.places = [PrepositionalPhrase(place.preposition, "dative", thing)]
        if self.chance(0.2):
            meaning.front = Adverbial(self.pick(self.times))
        return meaning

    # Long sentences

    def long_sentence(self) -> Sentence:
        """Two clauses which both have another one inside: the rules are known, so much at once is not."""
        self.used.clear()
        tense = self.tense()
        kinds = (self.with_that, self.with_subordinate, self.with_relative, self.two_predicates)
        first, second = self.pick(kinds)(tense), self.pick(kinds)(tense)
        if second.also is None and second.subordinate is None and self.chance(0.5):
            second = self.reported(self.without_front(second))
        return Sentence(first, self.lexicon.conjunctions[self.pick(("and", "but"))], second)
