"""Says a meaning in German, and notes the phenomena that it meets on the way.

The order of a German clause, here without any free choice:

    front, finite verb, subject, pronouns, time, frequency, dative, accusative,
    nicht, manner, places, predicate or complement, rest of the verb, clauses
"""

from __future__ import annotations

from course_lib.corpora.grammar.meaning import (
    Adverbial,
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
    fuses_with_not,
    is_first_person,
    is_plural,
    nouns_of,
)
from course_lib.corpora.grammar.trees import Branch, Key, Leaf, Tree
from course_lib.corpora.lexicon import Preposition, Verb

# Each table: case -> endings for masculine, feminine, neuter, plural.
Endings = dict[str, dict[str, str]]


def _table(nominative: str, accusative: str, dative: str) -> Endings:
    rows = {"nominative": nominative, "accusative": accusative, "dative": dative}
    return {case: dict(zip("mfnp", row.replace("-", " ").split(","), strict=True)) for case, row in rows.items()}


DEFINITE = _table("der,die,das,die", "den,die,das,die", "dem,der,dem,den")
RELATIVE = _table("der,die,das,die", "den,die,das,die", "dem,der,dem,denen")
STRONG = _table("er,e,es,e", "en,e,es,e", "em,er,em,en")  # kein article: kalter Tee; also dieser, jeder, alle
WEAK = _table("e,e,e,en", "en,e,e,en", "en,en,en,en")  # after der, dieser, jeder, alle
MIXED = _table("er,e,es,en", "en,e,es,en", "en,en,en,en")  # after ein, kein, mein
EIN = _table(",e,,e", "en,e,,e", "em,er,em,en")  # ein, kein, mein themselves

TWO_WAY = {"in", "an", "auf", "unter", "hinter", "vor", "neben", "über"}
SINGULAR = ("nominative", False)
COMMA = Leaf("$,", ",")
AUXILIARIES = {"haben": ("habe", "hat", "haben"), "sein": ("bin", "ist", "sind")}  # ich, er, wir


class German:
    """Says one sentence; afterwards `tags` has its phenomena and `pairs` the combinations of words."""

    def __init__(self) -> None:
        self.tags: set[str] = set()
        self.pairs: set[tuple[str, str]] = set()  # (verb, object) and (adjective, noun)

    def sentence(self, meaning: Sentence) -> Branch:
        """The German tree of a sentence."""
        first = self.main(meaning.clause)
        stop = Leaf("$.", ".", ((meaning, "stop"),))
        if meaning.second is None or meaning.conjunction is None:
            return Branch("S", [*first.children, stop])
        self.tags.add("coordination_clauses")
        # German has no comma before "und".
        comma = [] if meaning.conjunction.de == "und" else [Leaf("$,", ",", ((meaning, "comma"),))]
        conjunction = Leaf("KON", meaning.conjunction.de, ((meaning, "conjunction"),))
        return Branch("S", [first, *comma, conjunction, self.main(meaning.second), stop])

    # Clauses

    def main(self, meaning: Clause) -> Branch:
        """A main clause: the finite verb is second, whatever comes first."""
        subject = self.phrase(meaning.subject, "nominative", meaning)
        finite, closing = self.verb(meaning, is_last=False)
        middle, after = self.middle(meaning)
        opening: list[Tree] = [subject, finite]
        if meaning.subordinate and meaning.subordinate.first:
            self.tags.add("verb_second")
            comma = Leaf("$,", ",", ((meaning.subordinate, "comma"),))
            opening = [self.subordinate(meaning.subordinate), comma, finite, subject]
        elif meaning.front:
            self.tags.add("verb_second")
            opening = [self.adjunct(meaning.front), finite, subject]
        also = self.also(meaning) if meaning.also else []
        return Branch("S", [*opening, *middle, *closing, *after, *also])

    def also(self, first: Clause) -> list[Tree]:
        """A second predicate; its auxiliary is left out if it is the first one's."""
        assert first.also is not None
        self.tags.add("coordination_verbs")
        meaning = first.also.clause
        finite, closing = self.verb(meaning, is_last=False)
        middle, after = self.middle(meaning)
        shares = has_auxiliary(first) and has_auxiliary(meaning) and first.verb.de_aux == meaning.verb.de_aux
        verb = [] if shares else [finite]
        conjunction = Leaf("KON", first.also.conjunction.de, ((first.also, "conjunction"),))
        return [conjunction, Branch("S", [*verb, *middle, *closing, *after])]

    def last(self, meaning: Clause) -> list[Tree]:
        """A clause with its finite verb last; a relative pronoun stands first."""
        subject = self.phrase(meaning.subject, "nominative", meaning)
        finite, closing = self.verb(meaning, is_last=True)
        middle, after = self.middle(meaning)
        opening: list[Tree] = [subject]
        if isinstance(meaning.object, Relative):
            opening.insert(0, self.phrase(meaning.object, meaning.verb.case, meaning))
        return [*opening, *middle, *closing, finite, *after]

    def subordinate(self, meaning: Subordinate) -> Branch:
        """A conjunction and a clause with its verb last."""
        self.tags.update(("verb_last", "that_clause" if meaning.conjunction.de == "dass" else "subordinate"))
        conjunction = Leaf("KOUS", meaning.conjunction.de, ((meaning, "conjunction"),))
        return Branch("S", [conjunction, *self.last(meaning.clause)])

    def middle(self, meaning: Clause) -> tuple[list[Tree], list[Tree]]:
        """What stands between the finite verb and the rest of the verb, and the clauses after both."""
        pronouns: list[Tree] = []
        nouns: list[Tree] = []
        after: list[Tree] = []
        verb = meaning.verb
        for phrase, case in ((meaning.recipient, "dative"), (meaning.object, verb.case)):
            if phrase is None:
                continue
            if phrase is meaning.object:
                self.pairs.update((verb.de_prefix + verb.de, noun.de[SINGULAR]) for noun in nouns_of(phrase))
            if isinstance(phrase, Relative):
                continue
            said = self.phrase(phrase, case, meaning)
            if isinstance(phrase, Personal):
                pronouns.append(said)
            else:
                nouns.append(said)
            if isinstance(phrase, NounPhrase) and phrase.relative:
                after += [COMMA, self.relative(phrase, phrase.relative), COMMA]
        if meaning.recipient:
            self.tags.add("two_objects")
        elif meaning.object and verb.case == "dative":
            self.tags.add("dative_verb")
        middle = [*pronouns]
        middle += [self.adjunct(adjunct) for adjunct in (meaning.time, meaning.frequency) if adjunct]
        middle += nouns
        middle += self.negation(meaning)
        middle += [self.adjunct(adjunct) for adjunct in (meaning.manner, *meaning.places) if adjunct]
        if meaning.complement:
            middle.append(self.complement(meaning))
        if meaning.predicate:
            middle.append(self.predicate(meaning))
        if meaning.that:
            after += [COMMA, self.subordinate(meaning.that), COMMA]
        if meaning.subordinate and not meaning.subordinate.first:
            after += [COMMA, self.subordinate(meaning.subordinate), COMMA]
        return middle, after

    def negation(self, meaning: Clause) -> list[Tree]:
        """ "nicht", unless it has become part of "kein"."""
        if not meaning.negated:
            return []
        if fuses_with_not(meaning, meaning.object):
            self.tags.add("kein")
            return []
        self.tags.add("nicht")
        return [Leaf("PTKNEG", "nicht", ((meaning, "not"),))]

    def complement(self, meaning: Clause) -> Branch:
        """The prepositional object that some verbs have: "wartet auf den Bus"."""
        assert meaning.complement is not None and meaning.verb.de_prep is not None
        self.tags.add("prepositional_object")
        key = (meaning, "preposition")
        return self.with_preposition(meaning.verb.de_prep, key, meaning.complement, meaning.verb.case)

    def predicate(self, meaning: Clause) -> Branch:
        """Adjectives after "sein" have no endings."""
        self.tags.add("predicate_adjective")
        children: list[Tree] = []
        for quality in meaning.predicate:
            if children:
                children.append(Leaf("KON", "und", ((meaning, "predicate and"),)))
            children += self.degree(quality)
            children.append(Leaf("ADJD", quality.adjective.de, ((quality, "adjective"),)))
        return Branch("AP", children)

    # Verbs

    def verb(self, meaning: Clause, is_last: bool) -> tuple[Leaf, list[Tree]]:
        """The finite verb, and what closes the clause: prefix, participle or infinitive."""
        verb = meaning.verb
        plural, first = is_plural(meaning.subject), is_first_person(meaning.subject)
        person = 2 if plural else 0 if first else 1
        finite_key: Key = (meaning, "finite")
        verb_key: Key = (meaning, "verb")
        if verb.de_prefix:
            self.tags.add("separable")
        if meaning.modal:
            self.tags.add("future" if meaning.modal.de == "werden" else "modal")
            forms = (meaning.modal.de_1sg, meaning.modal.de_3sg, meaning.modal.de)
            label = "VAFIN" if meaning.modal.de == "werden" else "VMFIN"
            infinitive = Leaf("VVINF" if verb.frame != "copula" else "VAINF", verb.de_prefix + verb.de, (verb_key,))
            return Leaf(label, forms[person], (finite_key,)), [infinitive]
        if has_auxiliary(meaning):
            self.tags.update(("perfect", "perfect_with_sein") if verb.de_aux == "sein" else ("perfect",))
            finite = AUXILIARIES[verb.de_aux][person]
            participle = Leaf("VVPP", verb.de_participle, (verb_key,))
            return Leaf("VAFIN", finite, (finite_key,)), [participle]
        if meaning.tense == "past":
            self.tags.add("preterite")
            finite = preterite(verb)[person]
        else:
            finite = _present(verb)[person]
        label = "VAFIN" if verb.de in AUXILIARIES else "VVFIN"
        keys = (finite_key, verb_key)
        if not verb.de_prefix:
            return Leaf(label, finite, keys), []
        if is_last:
            return Leaf(label, verb.de_prefix + finite, keys), []
        return Leaf(label, finite, keys), [Leaf("PTKVZ", verb.de_prefix, (verb_key,))]

    # Noun phrases

    def phrase(self, meaning: Phrase, case: str, clause: Clause | None = None) -> Branch | Leaf:
        """A noun phrase, or what stands for one, in a case."""
        if isinstance(meaning, Relative):
            slot = "p" if meaning.head.plural else meaning.head.noun.gender
            return Leaf("PRELS", RELATIVE[case][slot], ((meaning.head, "relative"),))
        if isinstance(meaning, Personal):
            self.tags.add("antecedent" if meaning.pronoun.gender else "pronoun")
            return Branch("NP", [Leaf("PPER", meaning.pronoun.de[case], ((meaning, "pronoun"),))])
        if isinstance(meaning, Pair):
            self.tags.add("coordination_nouns")
            conjunction = Leaf("KON", meaning.conjunction.de, ((meaning, "conjunction"),))
            left = self.noun_phrase(meaning.left, case, clause)
            return Branch("NP", [left, conjunction, self.noun_phrase(meaning.right, case, clause)])
        whole = self.noun_phrase(meaning, case, clause)
        if meaning.relative and not (clause and meaning is clause.object):
            # The relative clause of an object waits until its clause has ended, see `middle`.
            return Branch("NP", [whole, COMMA, self.relative(meaning, meaning.relative), COMMA])
        return whole

    def noun_phrase(
        self, meaning: NounPhrase, case: str, clause: Clause | None = None, has_article: bool = True
    ) -> Branch:
        """Determiner, number, adjectives, noun; `has_article` is false if a contraction has swallowed "der"."""
        noun = meaning.noun
        slot = "p" if meaning.plural else noun.gender
        leaves: list[Tree] = []
        negation = clause if clause and meaning is clause.object and fuses_with_not(clause, meaning) else None
        if has_article:
            leaves += self.determiner(meaning, case, slot, negation)
        if meaning.number:
            self.tags.add("number")
            leaves.append(Leaf("CARD", meaning.number.de, ((meaning, "number"),)))
        declension = "mixed" if negation else meaning.determiner.declension if meaning.determiner else "strong"
        for quality in meaning.qualities:
            leaves += self.degree(quality)
            leaves.append(self.attribute(quality, declension, case, slot))
            self.pairs.add((quality.adjective.de, noun.de[SINGULAR]))
        if noun.is_weak and case != "nominative" and not meaning.plural:
            self.tags.add("weak_noun")
        form = noun.de[case, meaning.plural]
        leaves.append(Leaf("NE" if noun.is_name else "NN", form, ((meaning, "noun"),)))
        whole = Branch("NP", leaves)
        return Branch("NP", [whole, self.adjunct(meaning.inner)]) if meaning.inner else whole

    def determiner(self, meaning: NounPhrase, case: str, slot: str, negation: Clause | None) -> list[Tree]:
        """The article or what stands in its place."""
        determiner = meaning.determiner
        if determiner or negation:
            self.tags.add(f"article_{case}")
        if negation:
            keys: tuple[Key, ...] = ((meaning, "determiner"), (negation, "not"))
            return [Leaf("PIAT", "kein" + EIN[case][slot], keys)]
        if determiner is None:
            return []
        stem = determiner.stem[meaning.owner.gender if meaning.owner else ""]
        if determiner.declension == "article":
            word = DEFINITE[case][slot]
        elif determiner.declension == "mixed":
            word = stem + EIN[case][slot]
        else:
            word = stem + STRONG[case][slot]
        if meaning.owner:
            self.tags.add("antecedent")
        if determiner.en == "no":
            self.tags.add("kein")
        elif determiner.label_de == "PPOSAT":
            self.tags.add("possessive")
        return [Leaf(determiner.label_de, word, ((meaning, "determiner"),))]

    def attribute(self, quality: Quality, declension: str, case: str, slot: str) -> Leaf:
        """An adjective with the ending that the word before it asks for."""
        name = "weak" if declension == "article" else declension
        endings = {"weak": WEAK, "mixed": MIXED, "strong": STRONG}[name]
        self.tags.add(f"adjective_{name}")
        return Leaf("ADJA", quality.adjective.stem + endings[case][slot], ((quality, "adjective"),))

    def degree(self, quality: Quality) -> list[Tree]:
        """ "sehr" and the like."""
        return [Leaf("ADV", quality.degree.de, ((quality, "degree"),))] if quality.degree else []

    def relative(self, head: NounPhrase, meaning: Clause) -> Branch:
        """A relative clause: its pronoun has the gender of the noun and the case of its own clause."""
        is_subject = isinstance(meaning.subject, Relative)
        self.tags.update(("verb_last", "relative_subject" if is_subject else "relative_object"))
        return Branch("S", self.last(meaning))

    # Adjuncts

    def adjunct(self, meaning: PrepositionalPhrase | Adverbial) -> Branch:
        """A prepositional phrase, or an adverb."""
        if isinstance(meaning, Adverbial):
            self.tags.add("adverb")
            return _adverbial(meaning)
        preposition = meaning.preposition
        kind = "two_way" if preposition.de in TWO_WAY else "preposition"
        self.tags.add(f"{kind}_{meaning.case}")
        return self.with_preposition(preposition, (meaning, "preposition"), meaning.object, meaning.case)

    def with_preposition(self, preposition: Preposition, key: Key, object_: Phrase, case: str) -> Branch:
        """A preposition and its object; many prepositions swallow a definite article: in dem -> im."""
        if isinstance(object_, NounPhrase) and object_.determiner and not object_.plural:
            form = preposition.contracted.get((case, object_.noun.gender), "")
            if form and object_.determiner.declension == "article":
                self.tags.add("contraction")
                leaf = Leaf("APPRART", form, (key, (object_, "determiner")))
                return Branch("PP", [leaf, self.noun_phrase(object_, case, has_article=False)])
        return Branch("PP", [Leaf("APPR", preposition.de, (key,)), self.phrase(object_, case)])


def has_auxiliary(clause: Clause) -> bool:
    """Whether the English past becomes a perfect; a few German verbs have a simple past instead."""
    return clause.modal is None and clause.tense == "past" and not clause.verb.de_past


def _present(verb: Verb) -> tuple[str, str, str]:
    """The forms for ich, er, wir."""
    plural = AUXILIARIES[verb.de][2] if verb.de in AUXILIARIES else verb.de
    return verb.de_1sg, verb.de_3sg, plural


def preterite(verb: Verb) -> tuple[str, str, str]:
    """The forms for ich, er, wir: war, war, waren; hatte, hatte, hatten."""
    past = verb.de_past
    return past, past, past + ("n" if past.endswith("e") else "en")


def _adverbial(meaning: Adverbial) -> Branch:
    """ "oft", "am Montag", "jeden Tag"."""
    *before, last = meaning.adverb.de.split()
    if not before:
        return Branch("ADVP", [Leaf("ADV", last, ((meaning, "last"),))])
    label, branch = ("PIAT", "NP") if before[0].startswith("jed") else ("APPRART", "PP")
    first = Leaf(label, before[0], ((meaning, "first"),))
    return Branch(branch, [first, Leaf("NN", last, ((meaning, "last"),))])
