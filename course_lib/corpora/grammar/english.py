"""Says a meaning in English."""

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
    is_first_person,
    is_plural,
)
from course_lib.corpora.grammar.trees import Branch, Leaf, Tree
from course_lib.corpora.lexicon import Noun

VOWELS = "aeiou"


def sentence(meaning: Sentence) -> Branch:
    """The English tree of a sentence."""
    first = clause(meaning.clause)
    stop = Leaf(".", ".", ((meaning, "stop"),))
    if meaning.second is None or meaning.conjunction is None:
        return Branch("S", [*first.children, stop])
    comma = Leaf(",", ",", ((meaning, "comma"),))
    conjunction = Leaf("CC", meaning.conjunction.en, ((meaning, "conjunction"),))
    return Branch("S", [first, comma, conjunction, clause(meaning.second), stop])


def clause(meaning: Clause) -> Branch:
    """Front, subject, predicate."""
    children: list[Tree] = []
    if meaning.subordinate and meaning.subordinate.first:
        children += [subordinate(meaning.subordinate), Leaf(",", ",", ((meaning.subordinate, "comma"),))]
    if meaning.front:
        children.append(adjunct(meaning.front))
    if not isinstance(meaning.subject, Relative):
        children.append(phrase(meaning.subject, is_subject=True))
    predicate = verb_phrase(meaning)
    if meaning.also:
        conjunction = Leaf("CC", meaning.also.conjunction.en, ((meaning.also, "conjunction"),))
        predicate = Branch("VP", [predicate, conjunction, verb_phrase(meaning.also.clause)])
    children.append(predicate)
    return Branch("S", children)


def subordinate(meaning: Subordinate) -> Branch:
    """A conjunction and its clause."""
    conjunction = Leaf("IN", meaning.conjunction.en, ((meaning, "conjunction"),))
    return Branch("SBAR", [conjunction, clause(meaning.clause)])


def verb_phrase(meaning: Clause) -> Branch:
    """Auxiliaries, adverbs and the verb with all that follows it."""
    verb = (meaning, "verb")
    finite = (meaning, "finite")
    base = Leaf("VB", meaning.verb.en, (verb,))
    negation = Leaf("RB", "not", ((meaning, "not"),))
    often = [adverbial(meaning.frequency)] if meaning.frequency else []
    if meaning.modal:
        return _modal_phrase(meaning, base, negation)
    if meaning.verb.frame == "copula":
        return Branch("VP", [_be(meaning), *([negation] if meaning.negated else []), *often, *_rest(meaning)])
    if meaning.negated:
        return Branch("VP", [_do(meaning), negation, Branch("VP", [base, *_rest(meaning)])])
    if meaning.tense == "past":
        leaf = Leaf("VBD", meaning.verb.en_past, (finite, verb))
    elif _is_third(meaning.subject):
        leaf = Leaf("VBZ", meaning.verb.en_3sg, (finite, verb))
    else:
        leaf = Leaf("VBP", meaning.verb.en, (finite, verb))
    return Branch("VP", [*often, leaf, *_rest(meaning)])


def _modal_phrase(meaning: Clause, base: Leaf, negation: Leaf) -> Branch:
    """ "can sleep", "cannot sleep", "wants to sleep", "does not want to sleep"."""
    modal = meaning.modal
    assert modal is not None
    finite = (meaning, "finite")
    inner: Tree = Branch("VP", [base, *_rest(meaning)])
    if not modal.to:
        if meaning.negated and modal.en == "can":
            return Branch("VP", [Leaf("MD", "cannot", (finite, *negation.keys)), inner])
        return Branch("VP", [Leaf("MD", modal.en, (finite,)), *([negation] if meaning.negated else []), inner])
    inner = Branch("S", [Branch("VP", [Leaf("TO", modal.to, base.keys), inner])])
    if meaning.negated:
        return Branch("VP", [_do(meaning), negation, Branch("VP", [Leaf("VB", modal.en, (finite,)), inner])])
    third = _is_third(meaning.subject)
    return Branch("VP", [Leaf("VBZ" if third else "VBP", modal.en_3sg if third else modal.en, (finite,)), inner])


def _is_third(subject: Phrase) -> bool:
    return not is_plural(subject) and not is_first_person(subject)


def _be(meaning: Clause) -> Leaf:
    keys = ((meaning, "finite"), (meaning, "verb"))
    if meaning.tense == "past":
        return Leaf("VBD", "were" if is_plural(meaning.subject) else meaning.verb.en_past, keys)
    if _is_third(meaning.subject):
        return Leaf("VBZ", meaning.verb.en_3sg, keys)
    return Leaf("VBP", "are" if is_plural(meaning.subject) else "am", keys)


def _do(meaning: Clause) -> Leaf:
    keys = ((meaning, "finite"),)
    if meaning.tense == "past":
        return Leaf("VBD", "did", keys)
    return Leaf("VBZ", "does", keys) if _is_third(meaning.subject) else Leaf("VBP", "do", keys)


def _rest(meaning: Clause) -> list[Tree]:
    """What follows the verb: particle, objects, manner, places, time, clauses."""
    verb = meaning.verb
    rest: list[Tree] = []
    if meaning.predicate:
        rest.append(predicate(meaning))
    if meaning.recipient:
        rest.append(phrase(meaning.recipient))
    rest += _object(meaning)
    if verb.frame == "prep" and meaning.complement:
        preposition = Leaf("IN", verb.en_prep, ((meaning, "preposition"),))
        particle = [Leaf("RP", verb.en_particle, ((meaning, "verb"),))] if verb.en_particle else []
        rest += [*particle, Branch("PP", [preposition, phrase(meaning.complement)])]
    if meaning.manner:
        rest.append(adverbial(meaning.manner))
    rest += [adjunct(place) for place in meaning.places]
    if meaning.time:
        rest.append(adjunct(meaning.time))
    if meaning.that:
        rest.append(subordinate(meaning.that))
    if meaning.subordinate and not meaning.subordinate.first:
        rest.append(subordinate(meaning.subordinate))
    return rest


def _object(meaning: Clause) -> list[Tree]:
    """The object and the particle: "turns on the lamp", "turns it on"; "looks for the dog"."""
    verb = meaning.verb
    particle = [Branch("PRT", [Leaf("RP", verb.en_particle, ((meaning, "verb"),))])] if verb.en_particle else []
    if meaning.object is None:
        return [*particle]
    said = [] if isinstance(meaning.object, Relative) else [phrase(meaning.object)]
    if verb.en_prep and verb.frame == "object":
        return [*particle, Branch("PP", [Leaf("IN", verb.en_prep, ((meaning, "verb"),)), *said])]
    if isinstance(meaning.object, Personal):
        return [*said, *particle]
    return [*particle, *said]


def predicate(meaning: Clause) -> Branch:
    """ "very old", "old and tired"."""
    children: list[Tree] = []
    for quality_ in meaning.predicate:
        if children:
            children.append(Leaf("CC", "and", ((meaning, "predicate and"),)))
        children += quality(quality_)
    return Branch("ADJP", children)


def quality(meaning: Quality) -> list[Tree]:
    """An adjective after its adverb of degree."""
    adjective = Leaf("JJ", meaning.adjective.en, ((meaning, "adjective"),))
    if meaning.degree is None:
        return [adjective]
    return [Leaf("RB", meaning.degree.en, ((meaning, "degree"),)), adjective]


def phrase(meaning: Phrase, is_subject: bool = False) -> Branch:
    """A noun phrase or what stands for one."""
    if isinstance(meaning, Personal):
        pronoun = meaning.pronoun
        word = pronoun.en if is_subject else pronoun.en_object
        return Branch("NP", [Leaf("PRP", word, ((meaning, "pronoun"),))])
    if isinstance(meaning, Pair):
        conjunction = Leaf("CC", meaning.conjunction.en, ((meaning, "conjunction"),))
        return Branch("NP", [noun_phrase(meaning.left), conjunction, noun_phrase(meaning.right)])
    if isinstance(meaning, Relative):
        raise TypeError("a relative pronoun stands at the start of its clause")
    return noun_phrase(meaning)


def noun_phrase(meaning: NounPhrase) -> Branch:
    """Determiner, number, adjectives, noun, and what follows the noun."""
    noun = meaning.noun
    children: list[Tree] = []
    if meaning.number:
        children.append(Leaf("CD", meaning.number.en, ((meaning, "number"),)))
    for quality_ in meaning.qualities:
        children += quality(quality_)
    if noun.is_name:
        label = "NNP"
    else:
        label = "NNS" if meaning.plural else "NN"
    children.append(Leaf(label, noun.en_plural if meaning.plural else noun.en, ((meaning, "noun"),)))
    if meaning.determiner:
        children.insert(0, _determiner(meaning, children[0]))
    whole = Branch("NP", children)
    if meaning.inner:
        whole = Branch("NP", [whole, adjunct(meaning.inner)])
    if meaning.relative:
        whole = Branch("NP", [whole, relative(meaning, meaning.relative)])
    return whole


def _determiner(meaning: NounPhrase, following: Tree) -> Leaf:
    determiner = meaning.determiner
    assert determiner is not None and isinstance(following, Leaf)
    word = determiner.en_plural if meaning.plural else determiner.en
    if word == "a" and following.word[0] in VOWELS:
        word = "an"
    return Leaf(determiner.label_en, word, ((meaning, "determiner"),))


def relative(head: NounPhrase, meaning: Clause) -> Branch:
    """ "who sleeps", "that the man found": "who" for persons as subjects, "that" for the rest."""
    is_subject = isinstance(meaning.subject, Relative)
    word, label = ("who", "WP") if is_subject and _is_person(head.noun) else ("that", "WDT")
    pronoun = Leaf(label, word, ((head, "relative"),))
    return Branch("SBAR", [Branch("WHNP", [pronoun]), clause(meaning)])


def _is_person(noun: Noun) -> bool:
    return bool(noun.classes & {"person", "baby", "name"})


def adjunct(meaning: PrepositionalPhrase | Adverbial) -> Branch:
    """A prepositional phrase, or an adverb."""
    if isinstance(meaning, Adverbial):
        return adverbial(meaning)
    first, *others = meaning.preposition.en.split()
    key = ((meaning, "preposition"),)
    leaves = [Leaf("IN", first, key), *(Leaf("NN" if word == "front" else "IN", word, key) for word in others)]
    return Branch("PP", [*leaves, phrase(meaning.object)])


def adverbial(meaning: Adverbial) -> Branch:
    """ "often", "on Monday", "in the morning", "every day"."""
    *before, last = meaning.adverb.en.split()
    if not before:
        return Branch("ADVP", [Leaf("RB", last, ((meaning, "last"),))])
    noun = Leaf("NNP" if last[0].isupper() else "NN", last, ((meaning, "last"),))
    articles = [Leaf("DT", word, ((meaning, "first"),)) for word in before if word in ("the", "every")]
    prepositions = [Leaf("IN", word, ((meaning, "first"),)) for word in before if word in ("in", "on")]
    time = Branch("NP", [*articles, noun])
    return Branch("PP", [*prepositions, time]) if prepositions else time
