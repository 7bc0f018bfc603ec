"""The embedded corpus: paradigms and sentences written by hand, and properties of large samples."""

from __future__ import annotations

import os
import random
import re
import shutil
import subprocess
import sys
import time
from collections import Counter
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest

from course_lib.corpora import grammar
from course_lib.corpora.grammar import (
    COURSE_SENTENCE,
    MAX_TRAIN_WORDS,
    SPLITS,
    TAGS,
    Example,
    Realisation,
    generate,
    generate_splits,
    gloss,
    words,
)
from course_lib.corpora.grammar.choose import Chooser
from course_lib.corpora.grammar.german import RELATIVE, German
from course_lib.corpora.grammar.meaning import (
    Adverbial,
    Also,
    Clause,
    NounPhrase,
    Pair,
    Personal,
    PrepositionalPhrase,
    Quality,
    Relative,
    Sentence,
    Subordinate,
    speaks,
)
from course_lib.corpora.grammar.trees import say
from course_lib.corpora.lexicon import lexicon, load
from course_lib.corpora.resources import data_dir

LEX = lexicon()

# Short names to build meanings with


def np(text: str, plural: bool = False, relative: Clause | None = None, its: str = "") -> NounPhrase:
    """ "the small dog" from its English words; plural nouns in the singular: np("two dog", plural=True)."""
    *before, last = text.split()
    phrase = NounPhrase(LEX.nouns[last], plural=plural, relative=relative)
    for word in before:
        if word in LEX.determiners:
            phrase.determiner = LEX.determiners[word]
        elif word in LEX.numbers:
            phrase.number = LEX.numbers[word]
        else:
            phrase.qualities += (Quality(LEX.adjectives[word]),)
    phrase.owner = LEX.nouns[its] if its else None
    return phrase


def pron(en: str, gender: str = "") -> Personal:
    return Personal(LEX.pronouns[en, gender])


def pp(preposition: str, case: str, phrase: NounPhrase | Personal) -> PrepositionalPhrase:
    return PrepositionalPhrase(LEX.prepositions[preposition], case, phrase)


def adv(en: str) -> Adverbial:
    return Adverbial(LEX.adverbs.get(en) or LEX.times[en])


def clause(subject, verb: str, tense="present", **parts) -> Clause:
    if isinstance(parts.get("modal"), str):
        parts["modal"] = LEX.modals[parts["modal"]]
    if isinstance(parts.get("predicate"), str):
        parts["predicate"] = tuple(Quality(LEX.adjectives[word]) for word in parts["predicate"].split())
    return Clause(subject, LEX.verbs[verb], tense, **parts)


def sub(conjunction: str, inner: Clause, first: bool = False) -> Subordinate:
    return Subordinate(LEX.conjunctions[conjunction], inner, first)


def pair(meaning: Clause | Sentence) -> tuple[str, str]:
    example = Realisation(meaning if isinstance(meaning, Sentence) else Sentence(meaning)).example()
    return example.en, example.de


def relative(head: NounPhrase, make) -> NounPhrase:
    """Puts a relative clause on a noun phrase; `make` gets the relative pronoun."""
    head.relative = make(Relative(head))
    return head


def golden() -> list[tuple[Clause | Sentence, str, str]]:
    """Sentences with their translations, all written by hand."""
    return [
        # verb forms, perfect
        (clause(np("the dog"), "sleep"), "The dog sleeps.", "Der Hund schläft."),
        (clause(pron("I"), "sleep"), "I sleep.", "Ich schlafe."),
        (clause(pron("we"), "sleep"), "We sleep.", "Wir schlafen."),
        (clause(pron("I"), "smile"), "I smile.", "Ich lächle."),
        (
            clause(np("the dog"), "find", "past", object=np("the ball")),
            "The dog found the ball.",
            "Der Hund hat den Ball gefunden.",
        ),
        (
            clause(np("my sister"), "go", "past", places=[pp("into", "accusative", np("the house"))]),
            "My sister went into the house.",
            "Meine Schwester ist ins Haus gegangen.",
        ),
        (
            clause(pron("we"), "follow", "past", object=pron("he")),
            "We followed him.",
            "Wir sind ihm gefolgt.",
        ),
        (clause(pron("I"), "swim", "past"), "I swam.", "Ich bin geschwommen."),
        (
            clause(np("Anna"), "repair", "past", object=np("the car")),
            "Anna repaired the car.",
            "Anna hat das Auto repariert.",
        ),
        # preterite
        (clause(np("the soup"), "be", "past", predicate="hot"), "The soup was hot.", "Die Suppe war heiß."),
        (
            clause(np("the child", True), "be", "past", predicate="happy"),
            "The children were happy.",
            "Die Kinder waren glücklich.",
        ),
        (clause(pron("they"), "have", "past", object=np("a cat")), "They had a cat.", "Sie hatten eine Katze."),
        # separable verbs
        (
            clause(np("the woman"), "get up", manner=adv("early")),
            "The woman gets up early.",
            "Die Frau steht früh auf.",
        ),
        (
            clause(np("the woman"), "get up", "past", manner=adv("early")),
            "The woman got up early.",
            "Die Frau ist früh aufgestanden.",
        ),
        (
            clause(
                np("the woman"),
                "be",
                predicate="tired",
                subordinate=sub("because", clause(pron("she"), "get up", manner=adv("early"))),
            ),
            "The woman is tired because she gets up early.",
            "Die Frau ist müde, weil sie früh aufsteht.",
        ),
        (
            clause(pron("he"), "turn on", object=np("the lamp")),
            "He turns on the lamp.",
            "Er schaltet die Lampe ein.",
        ),
        (clause(pron("he"), "turn on", object=pron("it", "f")), "He turns it on.", "Er schaltet sie ein."),
        (
            clause(pron("he"), "turn on", modal="want", object=np("the lamp")),
            "He wants to turn on the lamp.",
            "Er will die Lampe einschalten.",
        ),
        (
            clause(np("the nurse"), "look after", complement=np("the baby")),
            "The nurse looks after the baby.",
            "Die Krankenschwester passt auf das Baby auf.",
        ),
        # modal verbs and future
        (
            clause(np("the boy"), "read", modal="can", object=np("the letter")),
            "The boy can read the letter.",
            "Der Junge kann den Brief lesen.",
        ),
        (
            clause(np("the boy"), "read", modal="can", negated=True, object=np("the letter")),
            "The boy cannot read the letter.",
            "Der Junge kann den Brief nicht lesen.",
        ),
        (
            clause(pron("I"), "sleep", modal="want", negated=True),
            "I do not want to sleep.",
            "Ich will nicht schlafen.",
        ),
        (
            clause(pron("I"), "help", modal="will", object=np("the student"), front=adv("tomorrow")),
            "Tomorrow I will help the student.",
            "Morgen werde ich dem Studenten helfen.",
        ),
        # nicht and kein
        (
            clause(pron("she"), "see", negated=True, object=np("the dog")),
            "She does not see the dog.",
            "Sie sieht den Hund nicht.",
        ),
        (
            clause(np("the dog"), "sleep", negated=True, places=[pp("in", "dative", np("the garden"))]),
            "The dog does not sleep in the garden.",
            "Der Hund schläft nicht im Garten.",
        ),
        (
            clause(np("the house"), "be", negated=True, predicate="old"),
            "The house is not old.",
            "Das Haus ist nicht alt.",
        ),
        (
            clause(np("the dog"), "find", "past", negated=True, object=np("the ball")),
            "The dog did not find the ball.",
            "Der Hund hat den Ball nicht gefunden.",
        ),
        (
            clause(np("the man"), "have", negated=True, object=np("a dog")),
            "The man does not have a dog.",
            "Der Mann hat keinen Hund.",
        ),
        (
            clause(np("the man"), "have", object=np("no dog")),
            "The man has no dog.",
            "Der Mann hat keinen Hund.",
        ),
        (
            clause(np("the man"), "drink", negated=True, object=np("cold milk")),
            "The man does not drink cold milk.",
            "Der Mann trinkt keine kalte Milch.",
        ),
        (
            clause(np("the man"), "buy", negated=True, object=np("new book", True)),
            "The man does not buy new books.",
            "Der Mann kauft keine neuen Bücher.",
        ),
        (
            clause(np("the child"), "close", negated=True, object=np("the window")),
            "The child does not close the window.",
            "Das Kind macht das Fenster nicht zu.",
        ),
        (
            clause(pron("I"), "wait for", negated=True, complement=np("the bus")),
            "I do not wait for the bus.",
            "Ich warte nicht auf den Bus.",
        ),
        # verb second
        (
            clause(np("the dog"), "sleep", front=adv("today"), places=[pp("in", "dative", np("the garden"))]),
            "Today the dog sleeps in the garden.",
            "Heute schläft der Hund im Garten.",
        ),
        (
            clause(np("the mother"), "work", "past", front=adv("on Monday")),
            "On Monday the mother worked.",
            "Am Montag hat die Mutter gearbeitet.",
        ),
        (
            clause(np("the child", True), "play", front=pp("behind", "dative", np("the house"))),
            "Behind the house the children play.",
            "Hinter dem Haus spielen die Kinder.",
        ),
        (
            clause(
                pron("he"),
                "sleep",
                subordinate=sub("when", clause(np("the man"), "be", predicate="tired"), first=True),
            ),
            "When the man is tired, he sleeps.",
            "Wenn der Mann müde ist, schläft er.",
        ),
        # adverbs
        (
            clause(np("the man"), "read", frequency=adv("often"), object=np("the newspaper")),
            "The man often reads the newspaper.",
            "Der Mann liest oft die Zeitung.",
        ),
        (
            clause(np("the room"), "be", frequency=adv("always"), predicate="cold"),
            "The room is always cold.",
            "Das Zimmer ist immer kalt.",
        ),
        (
            clause(np("the woman"), "buy", "past", object=np("a table"), time=adv("yesterday")),
            "The woman bought a table yesterday.",
            "Die Frau hat gestern einen Tisch gekauft.",
        ),
        # prepositions
        (
            clause(
                np("the woman"),
                "lay",
                object=np("the book"),
                places=[pp("on", "accusative", np("the table"))],
            ),
            "The woman lays the book on the table.",
            "Die Frau legt das Buch auf den Tisch.",
        ),
        (
            clause(np("the book"), "lie", places=[pp("on", "dative", np("the table"))]),
            "The book lies on the table.",
            "Das Buch liegt auf dem Tisch.",
        ),
        (
            clause(np("the man"), "go", places=[pp("to", "dative", np("the church"))]),
            "The man goes to the church.",
            "Der Mann geht zur Kirche.",
        ),
        (
            clause(np("the man"), "go", places=[pp("to", "dative", np("the station"))]),
            "The man goes to the station.",
            "Der Mann geht zum Bahnhof.",
        ),
        (
            clause(np("the cat"), "run", places=[pp("through", "accusative", np("the garden"))]),
            "The cat runs through the garden.",
            "Die Katze läuft durch den Garten.",
        ),
        (
            clause(np("Paul"), "eat", object=np("the soup"), places=[pp("with", "dative", np("a spoon"))]),
            "Paul eats the soup with a spoon.",
            "Paul isst die Suppe mit einem Löffel.",
        ),
        (
            clause(np("Paul"), "buy", object=np("a coat"), places=[pp("for", "accusative", np("his son"))]),
            "Paul buys a coat for his son.",
            "Paul kauft einen Mantel für seinen Sohn.",
        ),
        (
            clause(pron("she"), "dream of", complement=np("the castle")),
            "She dreams of the castle.",
            "Sie träumt vom Schloss.",
        ),
        (
            clause(np("the boy"), "stand", places=[pp("in front of", "dative", np("the house", True))]),
            "The boy stands in front of the houses.",
            "Der Junge steht vor den Häusern.",
        ),
        # objects
        (
            clause(pron("he"), "give", recipient=np("the child"), object=np("a ball")),
            "He gives the child a ball.",
            "Er gibt dem Kind einen Ball.",
        ),
        (
            clause(np("Maria"), "offer", "past", recipient=pron("they"), object=np("the tea")),
            "Maria offered them the tea.",
            "Maria hat ihnen den Tee angeboten.",
        ),
        (
            clause(np("the girl"), "help", object=np("the neighbor")),
            "The girl helps the neighbor.",
            "Das Mädchen hilft dem Nachbarn.",
        ),
        (
            clause(np("the girl"), "listen to", "past", object=pron("I")),
            "The girl listened to me.",
            "Das Mädchen hat mir zugehört.",
        ),
        (
            clause(np("the lion"), "see", object=np("the boy")),
            "The lion sees the boy.",
            "Der Löwe sieht den Jungen.",
        ),
        # numbers
        (
            clause(np("three small dog", True), "play"),
            "Three small dogs play.",
            "Drei kleine Hunde spielen.",
        ),
        (
            clause(np("the three small dog", True), "play"),
            "The three small dogs play.",
            "Die drei kleinen Hunde spielen.",
        ),
        (
            clause(np("the man"), "help", object=np("two old friend", True)),
            "The man helps two old friends.",
            "Der Mann hilft zwei alten Freunden.",
        ),
        # relative clauses
        (
            clause(relative(np("the man"), lambda who: clause(who, "see", object=np("the dog"))), "laugh"),
            "The man who sees the dog laughs.",
            "Der Mann, der den Hund sieht, lacht.",
        ),
        (
            clause(
                np("Julia"),
                "see",
                "past",
                object=relative(np("the cat"), lambda who: clause(who, "sleep")),
            ),
            "Julia saw the cat that sleeps.",
            "Julia hat die Katze gesehen, die schläft.",
        ),
        (
            clause(relative(np("the man"), lambda who: clause(np("Anna"), "help", object=who)), "smile"),
            "The man that Anna helps smiles.",
            "Der Mann, dem Anna hilft, lächelt.",
        ),
        (
            clause(
                relative(np("the table"), lambda who: clause(pron("he"), "buy", "past", object=who)),
                "be",
                predicate="old",
            ),
            "The table that he bought is old.",
            "Der Tisch, den er gekauft hat, ist alt.",
        ),
        (
            clause(relative(np("the friend", True), lambda who: clause(pron("I"), "trust", object=who)), "come back"),
            "The friends that I trust come back.",
            "Die Freunde, denen ich vertraue, kommen zurück.",
        ),
        # that, if, before
        (
            clause(np("the queen"), "think", that=sub("that", clause(np("the dog"), "sleep"))),
            "The queen thinks that the dog sleeps.",
            "Die Königin denkt, dass der Hund schläft.",
        ),
        (
            clause(
                np("the uncle"),
                "know",
                "past",
                that=sub("that", clause(np("Peter"), "call", "past", object=pron("she"))),
            ),
            "The uncle knew that Peter called her.",
            "Der Onkel wusste, dass Peter sie angerufen hat.",
        ),
        (
            clause(
                np("the baker"),
                "sing",
                subordinate=sub("before", clause(pron("he"), "bake", object=np("the bread"))),
            ),
            "The baker sings before he bakes the bread.",
            "Der Bäcker singt, bevor er das Brot backt.",
        ),
        # it and its
        (
            clause(
                np("the woman"),
                "buy",
                "past",
                object=np("the table"),
                subordinate=sub("because", clause(pron("it", "m"), "be", "past", predicate="beautiful")),
            ),
            "The woman bought the table because it was beautiful.",
            "Die Frau hat den Tisch gekauft, weil er schön war.",
        ),
        (
            clause(
                np("the woman"),
                "buy",
                "past",
                object=np("the lamp"),
                subordinate=sub("because", clause(pron("she"), "like", "past", object=pron("it", "f"))),
            ),
            "The woman bought the lamp because she liked it.",
            "Die Frau hat die Lampe gekauft, weil sie sie mochte.",
        ),
        (
            clause(np("the cat"), "play with", complement=np("its ball", its="cat")),
            "The cat plays with its ball.",
            "Die Katze spielt mit ihrem Ball.",
        ),
        (
            clause(np("the horse"), "look for", object=np("its ball", its="horse")),
            "The horse looks for its ball.",
            "Das Pferd sucht seinen Ball.",
        ),
        # coordination
        (
            clause(Pair(LEX.conjunctions["and"], np("the man"), np("the woman")), "dance"),
            "The man and the woman dance.",
            "Der Mann und die Frau tanzen.",
        ),
        (
            clause(
                np("the man"),
                "buy",
                "past",
                object=np("a book"),
                also=Also(LEX.conjunctions["and"], clause(np("the man"), "write", "past", object=np("a letter"))),
            ),
            "The man bought a book and wrote a letter.",
            "Der Mann hat ein Buch gekauft und einen Brief geschrieben.",
        ),
        (
            clause(
                np("the man"),
                "wake up",
                "past",
                also=Also(LEX.conjunctions["and"], clause(np("the man"), "laugh", "past")),
            ),
            "The man woke up and laughed.",
            "Der Mann ist aufgewacht und hat gelacht.",
        ),
        (
            Sentence(clause(np("the dog"), "sleep"), LEX.conjunctions["but"], clause(np("the cat"), "play", places=[])),
            "The dog sleeps, but the cat plays.",
            "Der Hund schläft, aber die Katze spielt.",
        ),
        (
            Sentence(clause(np("the dog"), "sleep"), LEX.conjunctions["and"], clause(np("the cat"), "play")),
            "The dog sleeps, and the cat plays.",
            "Der Hund schläft und die Katze spielt.",
        ),
        # a and an, irregular forms
        (clause(np("a old animal"), "sleep"), "An old animal sleeps.", "Ein altes Tier schläft."),
        (clause(np("the mouse", True), "sleep"), "The mice sleep.", "Die Mäuse schlafen."),
        (clause(np("this child", True), "cry"), "These children cry.", "Diese Kinder weinen."),
        (clause(np("every student"), "work"), "Every student works.", "Jeder Student arbeitet."),
    ]


@pytest.mark.parametrize(("meaning", "en", "de"), golden(), ids=lambda value: value if isinstance(value, str) else "")
def test_hand_written_pairs(meaning: Clause | Sentence, en: str, de: str) -> None:
    assert pair(meaning) == (en, de)


def test_there_are_enough_hand_written_pairs_and_they_show_every_tag() -> None:
    seen = set()
    for meaning, _, _ in golden():
        seen |= Realisation(meaning if isinstance(meaning, Sentence) else Sentence(meaning)).tags
    assert len(golden()) >= 60
    assert seen == set(TAGS)


# Paradigms, as a German schoolbook has them: nominative, accusative, dative
PARADIGMS = """
the old man: der alte Mann, den alten Mann, dem alten Mann
the old woman: die alte Frau, die alte Frau, der alten Frau
the old house: das alte Haus, das alte Haus, dem alten Haus
the old man*: die alten Männer, die alten Männer, den alten Männern
a old man: ein alter Mann, einen alten Mann, einem alten Mann
a old woman: eine alte Frau, eine alte Frau, einer alten Frau
a old house: ein altes Haus, ein altes Haus, einem alten Haus
no old house*: keine alten Häuser, keine alten Häuser, keinen alten Häusern
our old dog: unser alter Hund, unseren alten Hund, unserem alten Hund
my old cat: meine alte Katze, meine alte Katze, meiner alten Katze
cold tea: kalter Tee, kalten Tee, kaltem Tee
cold milk: kalte Milch, kalte Milch, kalter Milch
cold water: kaltes Wasser, kaltes Wasser, kaltem Wasser
two old man*: zwei alte Männer, zwei alte Männer, zwei alten Männern
many old house*: viele alte Häuser, viele alte Häuser, vielen alten Häusern
some old house*: einige alte Häuser, einige alte Häuser, einigen alten Häusern
all old house*: alle alten Häuser, alle alten Häuser, allen alten Häusern
this old man: dieser alte Mann, diesen alten Mann, diesem alten Mann
this old woman: diese alte Frau, diese alte Frau, dieser alten Frau
every old house: jedes alte Haus, jedes alte Haus, jedem alten Haus
the dark room: das dunkle Zimmer, das dunkle Zimmer, dem dunklen Zimmer
a high tower: ein hoher Turm, einen hohen Turm, einem hohen Turm
a expensive hat: ein teurer Hut, einen teuren Hut, einem teuren Hut
a tired student: ein müder Student, einen müden Studenten, einem müden Studenten
a sour cherry: eine saure Kirsche, eine saure Kirsche, einer sauren Kirsche
the neighbor*: die Nachbarn, die Nachbarn, den Nachbarn
three car*: drei Autos, drei Autos, drei Autos
the lion: der Löwe, den Löwen, dem Löwen
"""


@pytest.mark.parametrize("line", PARADIGMS.strip().splitlines())
def test_articles_adjectives_and_nouns_agree(line: str) -> None:
    english, forms = line.split(": ")
    phrase = np(english.rstrip("*"), english.endswith("*"))
    for case, expected in zip(("nominative", "accusative", "dative"), forms.split(", "), strict=True):
        said = say(German().noun_phrase(phrase, case)).text
        assert said == expected[0].upper() + expected[1:]


def test_relative_pronouns() -> None:
    assert [RELATIVE[case][slot] for case in RELATIVE for slot in "mfnp"] == (
        ["der", "die", "das", "die", "den", "die", "das", "die", "dem", "der", "dem", "denen"]
    )


def test_finite_forms() -> None:
    forms = {"read": "lese liest lesen", "like": "mag mag mögen", "be": "bin ist sind", "have": "habe hat haben"}
    for lemma, expected in forms.items():
        said = [
            German().verb(Clause(subject, LEX.verbs[lemma]), is_last=False)[0].word
            for subject in (pron("I"), pron("he"), pron("they"))
        ]
        assert said == expected.split()


# Large samples


@cache
def sample(split: str = "train") -> list[Example]:
    return generate(split, {"train": 20_000, "test_long": 1_000, "test_pronouns": 800}.get(split, 300))


class Candidate(NamedTuple):
    """A sentence before it is sorted into a split."""

    en: str
    de: str
    pairs: frozenset[tuple[str, str]]
    split: str | None


@cache
def candidates() -> list[Candidate]:
    chooser = Chooser(LEX, random.Random("candidates"))
    choose = (chooser.sentence, chooser.sentence, chooser.sentence, chooser.pronoun_sentence, chooser.long_sentence)
    found = []
    for i in range(30_000):
        c = Realisation(choose[i % 5]())
        found.append(Candidate(c.en.text, c.de.text, frozenset(c.pairs), grammar.split_of(c)))
    return found


def test_german_is_a_function_of_english() -> None:
    german: dict[str, str] = {}
    pairs = [(c.en, c.de) for c in candidates()] + [(e.en, e.de) for split in SPLITS for e in sample(split)]
    assert len(pairs) >= 50_000
    for en, de in pairs:
        assert german.setdefault(en, de) == de, en


def test_a_sentence_is_in_one_split_whatever_its_meaning() -> None:
    splits: dict[str, str] = {}
    for candidate in candidates():
        if candidate.split:
            assert splits.setdefault(candidate.de, candidate.split) == candidate.split


def test_splits_are_disjoint_and_without_duplicates() -> None:
    for side in ("en", "de"):
        seen: dict[str, str] = {}
        for split in SPLITS:
            for example in [*sample(split), *generate(split, 40, seed=7)]:
                assert seen.setdefault(getattr(example, side), split) == split
            assert len({getattr(e, side) for e in sample(split)}) == len(sample(split))


def test_same_seed_same_corpus_in_any_process() -> None:
    program = (
        "from course_lib.corpora.grammar import SPLITS, generate\n"
        "import zlib\n"
        "print([zlib.crc32(repr(generate(split, 60, 3)).encode()) for split in SPLITS])"
    )
    printed = set()
    for hash_seed in ("0", "1", "4711"):
        environment = {**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": str(Path(grammar.__file__).parents[3])}
        run = subprocess.run(
            [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True
        )
        printed.add(run.stdout)
    assert len(printed) == 1
    assert generate("train", 50, 1) == generate("train", 80, 1)[:50]
    assert generate("train", 50, 1) != generate("train", 50, 2)
    sizes = {"test": 20, "test_long": 10, "train": 50}
    assert generate_splits(sizes, 1) == {split: generate(split, n, 1) for split, n in sizes.items()}


def test_lengths() -> None:
    for split in SPLITS:
        lengths = [len(words(e.en)) for e in sample(split)]
        if split == "test_long":
            assert min(lengths) > MAX_TRAIN_WORDS + 1 and max(lengths) <= 30
        else:
            assert max(lengths) <= MAX_TRAIN_WORDS
    lengths = [len(words(e.en)) for e in sample()]
    assert 7.5 <= sum(lengths) / len(lengths) <= 9


def test_withheld_combinations_are_nowhere_else() -> None:
    withheld: set[tuple[str, str]] = set()
    for candidate in candidates():
        found = {p for p in candidate.pairs if grammar.is_withheld(p)}
        if candidate.split == "test_combinations":
            assert found
            withheld |= found
        elif candidate.split not in (None, "test_long"):
            assert not found
    # Once more in the text, away from the grammar's own bookkeeping.
    stems = {a.de: a.stem for a in LEX.adjectives.values()}
    patterns = [
        rf"(?i:{stems[adjective]})(?:e|er|es|en|em) {noun}" for adjective, noun in withheld if adjective in stems
    ]
    assert len(patterns) > 30
    pattern = re.compile(rf"\b(?:{'|'.join(sorted(patterns))})\b")
    found_elsewhere = [
        m[0] for split in ("train", "validation", "test") for e in sample(split) if (m := pattern.search(e.de))
    ]
    assert not found_elsewhere
    assert any(pattern.search(e.de) for e in sample("test_combinations"))


def test_parts_of_withheld_combinations_are_in_train() -> None:
    seen = {word.lower() for e in sample() for word in words(e.de)}
    unseen = [w for e in sample("test_combinations") for w in words(e.de) if w.lower() not in seen]
    assert len(unseen) <= 3, unseen  # a rare form of a frequent word


def test_pronoun_test_is_balanced() -> None:
    genders: Counter[str] = Counter()
    for example in sample("test_pronouns"):
        assert "antecedent" in example.tags
        genders[_gender_of_it(example)] += 1
    total = sum(genders.values())
    assert total == len(sample("test_pronouns"))
    assert all(0.28 < genders[gender] / total < 0.39 for gender in "mfn"), genders


def _gender_of_it(example: Example) -> str:
    """The gender of the only noun before (or after) "it" that is neither a person nor plural."""
    english = words(example.en)
    its = next((i for i, word in enumerate(english) if word.lower() in ("it", "its")))
    nouns = {n.en: n for n in LEX.nouns.values() if n.pronoun == "it"}
    before = [nouns[word.lower()] for word in english[:its] if word.lower() in nouns]
    assert len(before) == 1, example.en
    return before[0].gender


def test_it_has_the_gender_of_its_antecedent() -> None:
    forms = {"m": {"er", "ihn", "ihm"}, "f": {"sie", "ihr"}, "n": {"es", "ihm"}}
    stems = {"m": "sein", "n": "sein", "f": "ihr"}
    for split in ("train", "test_pronouns"):
        for example in sample(split):
            if "antecedent" not in example.tags:
                continue
            english, german = words(example.en), words(example.de)
            for i, word in enumerate(english):
                if word.lower() in ("it", "its"):
                    gender = _gender_of_it(example)
                    (translation,) = (german[j].lower() for k, j in example.alignment if k == i)
                    expected = translation in forms[gender] if word.lower() == "it" else None
                    assert expected or (word.lower() == "its" and translation.startswith(stems[gender])), example


def test_course_sentence() -> None:
    assert COURSE_SENTENCE.en == "The dog sleeps because it is tired."
    assert COURSE_SENTENCE.de == "Der Hund schläft, weil er müde ist."
    assert 6 <= len(words(COURSE_SENTENCE.en)) <= 8
    for split in SPLITS:
        if split != "test":
            assert COURSE_SENTENCE.en not in {e.en for e in sample(split)}
    assert COURSE_SENTENCE.alignment == ((0, 0), (1, 1), (2, 2), (3, 4), (4, 5), (5, 7), (6, 6), (7, 8))


# Annotations


def _leaves(tree: str) -> list[str]:
    return re.findall(r"\([^\s()]+ ([^\s()]+)\)", tree)


def _is_balanced(tree: str) -> bool:
    depth = 0
    for i, character in enumerate(tree):
        depth += {"(": 1, ")": -1}.get(character, 0)
        if depth == 0 and i < len(tree) - 1:
            return False
    return depth == 0 and tree.startswith("(S ") and "()" not in tree


@pytest.mark.parametrize("split", SPLITS)
def test_trees_and_alignments_fit_the_words(split: str) -> None:
    unaligned_de = {","}
    for e in sample(split):
        english, german = words(e.en), words(e.de)
        assert _leaves(e.en_tree) == english and _leaves(e.de_tree) == german
        assert _is_balanced(e.en_tree) and _is_balanced(e.de_tree)
        assert e.alignment == tuple(sorted(set(e.alignment)))
        assert all(0 <= i < len(english) and 0 <= j < len(german) for i, j in e.alignment)
        assert (len(english) - 1, len(german) - 1) in e.alignment
        left, right = {i for i, _ in e.alignment}, {j for _, j in e.alignment}
        # Every word has a partner; punctuation inside a sentence need not.
        assert all(i in left or word == "," for i, word in enumerate(english)), e
        assert all(j in right or word in unaligned_de for j, word in enumerate(german)), e


def test_alignments_translate() -> None:
    """Nouns are aligned with their own translations, one to one."""
    nouns = {n.en: set(n.de.values()) for n in LEX.nouns.values()} | {
        n.en_plural: set(n.de.values()) for n in LEX.nouns.values() if n.en_plural
    }
    for e in sample()[:4000]:
        english, german = words(e.en), words(e.de)
        labels = re.findall(r"\((\S+) [^\s()]+\)", e.en_tree)
        for i, word in enumerate(english):
            if labels[i] in ("NN", "NNS") and word in nouns and not _is_fixed_phrase(english, i):
                (j,) = (j for k, j in e.alignment if k == i)
                assert german[j] in nouns[word], e


def _is_fixed_phrase(english: list[str], i: int) -> bool:
    return english[i] == "front"


def test_words_can_be_joined_again() -> None:
    for e in sample()[:3000]:
        for sentence in (e.en, e.de):
            assert " ".join(words(sentence)).replace(" ,", ",").replace(" .", ".") == sentence


def test_spelling() -> None:
    """Capitals, articles, commas."""
    for e in (*sample(), *sample("test_long")):
        for sentence in (e.en, e.de):
            assert sentence[0].isupper() and sentence.endswith(".") and "  " not in sentence
            assert not re.search(r",[,.]|\s[,.]|^,", sentence)
        assert not re.search(r"\ba [aeiou]|\ban [^aeiou]", e.en, re.IGNORECASE)
        for label, word in re.findall(r"\((\S+) ([^\s()]+)\)", e.de_tree)[1:]:
            assert word[0].isupper() == (label in ("NN", "NE")), (word, e.de)
        # German: a comma before each of these, unless it opens the sentence or its clause follows "und".
        assert not re.search(r"[^,] (weil|obwohl|wenn|dass|bevor)\b", e.de.replace("und ", ", ").replace("aber ", ", "))


def test_no_uncontracted_articles() -> None:
    for e in (*sample(), *sample("test_long")):
        assert not re.search(r"\b(in dem|in das|an dem|zu dem|zu der|von dem|bei dem) [A-ZÄÖÜ]", e.de), e.de


# Coverage


def test_every_phenomenon_is_frequent() -> None:
    seen = Counter(tag for e in sample() for tag in e.tags)
    assert set(seen) == set(TAGS)
    rare = {tag: seen[tag] / len(sample()) for tag in TAGS if seen[tag] < 0.01 * len(sample())}
    assert not rare


def test_every_lemma_is_frequent() -> None:
    english = Counter(word.lower() for e in sample() for word in words(e.en))
    text = "\n".join(e.en.lower() for e in sample())
    least = 10  # in 20,000
    for noun in LEX.nouns.values():
        assert english[noun.en.lower()] + (english[noun.en_plural] if noun.en_plural else 0) >= least, noun.en
    single = (LEX.adjectives, LEX.adverbs, LEX.conjunctions, LEX.modals, LEX.numbers, LEX.determiners)
    for entry in (entry for table in single for entry in table.values()):
        assert english[entry.en.lower()] >= least, entry.en
    for entry in (*LEX.times.values(), *LEX.prepositions.values()):
        assert text.count(f"{entry.en.lower()} ") + text.count(f"{entry.en.lower()}.") >= least, entry.en
    for verb in LEX.verbs.values():
        forms = {verb.en, verb.en_3sg, verb.en_past} - {""}
        assert sum(english[form] for form in forms) >= least, verb.lemma
    german = Counter(word for e in sample() for word in words(e.de))
    for verb in LEX.verbs.values():
        forms = {verb.de_3sg, verb.de_participle, verb.de, verb.de_prefix + verb.de_3sg, verb.de_prefix + verb.de}
        assert sum(german[form] for form in forms) >= least, verb.lemma


def test_size_of_the_lexicon() -> None:
    assert LEX.lemma_count >= 400


def test_nobody_does_anything_to_himself() -> None:
    """ "I help me" and "we see me" are no English; German would want "selbst"."""
    chooser = Chooser(LEX, random.Random("reflexive"))
    for _ in range(4000):
        for meaning in _clauses(chooser.sentence()):
            assert not (speaks(meaning.subject) and any(speaks(p) for p in (meaning.object, meaning.recipient) if p))


def test_selectional_restrictions_hold() -> None:
    """Verbs and adjectives take nouns of their classes only; checked on the meanings, clause by clause."""
    chooser = Chooser(LEX, random.Random("restrictions"))
    checked = 0
    for _ in range(4000):
        for meaning in _clauses(chooser.sentence()):
            verb = meaning.verb
            if verb.frame == "copula":
                continue
            for noun in _nouns(meaning.subject):
                assert noun in verb.subjects or verb.frame == "clause", (noun.en, verb.lemma)
            wanted = meaning.object or meaning.complement
            owned = isinstance(wanted, NounPhrase) and wanted.owner
            for noun in () if owned else _nouns(wanted):
                assert noun in verb.objects, (noun.en, verb.lemma)
                checked += 1
            for phrase in (meaning.subject, wanted):
                if isinstance(phrase, NounPhrase):
                    assert all(q.adjective.classes & phrase.noun.classes for q in phrase.qualities)
    assert checked > 2000


def test_restrictions_by_name() -> None:
    """A few that a reader would notice."""
    assert "stone" not in {n.en for n in LEX.verbs["drink"].subjects}
    assert "newspaper" in {n.en for n in LEX.verbs["read"].objects}
    assert "cat" not in {n.en for n in LEX.verbs["read"].subjects}
    assert not LEX.adjectives["young"].classes & LEX.nouns["table"].classes
    assert not LEX.adjectives["wooden"].classes & LEX.nouns["grandmother"].classes


def _clauses(meaning: Sentence) -> list[Clause]:
    found = [meaning.clause] + ([meaning.second] if meaning.second else [])
    for clause_ in found:  # grows while it is read
        for part in (clause_.that, clause_.subordinate, clause_.also):
            if part:
                found.append(part.clause)
        for phrase in (clause_.subject, clause_.object):
            if isinstance(phrase, NounPhrase) and phrase.relative and phrase.relative not in found:
                found.append(phrase.relative)
    return found


def _nouns(phrase) -> list:
    if isinstance(phrase, NounPhrase):
        return [phrase.noun]
    if isinstance(phrase, Pair):
        return [phrase.left.noun, phrase.right.noun]
    return [phrase.head.noun] if isinstance(phrase, Relative) else []


# Glosses


def test_gloss_covers_every_word() -> None:
    for e in sample()[:5000]:
        glosses = gloss(e.de)
        assert [word for word, _ in glosses] == words(e.de)
        assert all(english and english != "?" for _, english in glosses), glosses


def test_gloss_of_some_words() -> None:
    assert gloss("Der Hund schnurpst.")[1:] == [("Hund", "dog"), ("schnurpst", "?"), (".", ".")]
    glosses = dict(gloss("Die Frau hat Bücher im dunklen Zimmer gefunden und steht auf."))
    assert glosses["Bücher"] == "books" and glosses["dunklen"] == "dark" and glosses["gefunden"] == "found"
    assert "in the" in glosses["im"] and "up" in glosses["auf"] and glosses["steht"] == "gets up"


def test_a_gloss_depends_on_the_place_in_the_sentence() -> None:
    assert dict(gloss("Die Frau schläft."))["schläft"] == "sleeps"
    glosses = gloss("Morgen schläft die Frau ein, die am Morgen einen Ball sieht.")
    assert glosses[:3] == [("Morgen", "tomorrow"), ("schläft", "falls asleep"), ("die", "the")]
    assert dict(glosses[4:7])["ein"].startswith("asleep")
    assert glosses[6:9] == [("die", "who / that"), ("am", "at the / on / in the"), ("Morgen", "morning")]


# Errors in the tables


def _edit(folder: Path, table: str, change) -> Path:
    shutil.copytree(data_dir() / "lexicon", folder, dirs_exist_ok=True)
    path = folder / f"{table}.tsv"
    lines = path.read_text(encoding="utf-8").splitlines()
    change(lines)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder


@pytest.mark.parametrize(
    ("table", "change", "message"),
    [
        (
            "nouns",
            lambda lines: lines.append(lines[3]),
            rf"nouns\.tsv, line {len(LEX.nouns) + 2}: lemma 'child' is there twice",
        ),
        (
            "nouns",
            lambda lines: lines.__setitem__(2, lines[2].replace("person", "persn")),
            r"nouns\.tsv, line 3: unknown class 'persn'",
        ),
        (
            "nouns",
            lambda lines: lines.__setitem__(0, lines[0].replace("gender", "genus")),
            r"nouns\.tsv, line 1: missing column gender",
        ),
        (
            "nouns",
            lambda lines: lines.__setitem__(1, lines[1].replace("\tm\t", "\tx\t")),
            r"nouns\.tsv, line 2: column 'gender'",
        ),
        (
            "verbs",
            lambda lines: lines.__setitem__(1, lines[1].replace("in:", "inn:")),
            r"verbs\.tsv, line 2: unknown preposition 'inn'",
        ),
        (
            "verbs",
            lambda lines: lines.__setitem__(1, lines[1].replace("geschlafen", "")),
            r"verbs\.tsv, line 2: column 'de_participle' is empty",
        ),
        (
            "adjectives",
            lambda lines: lines.__setitem__(4, lines[4] + "\tx\ty"),
            r"adjectives\.tsv, line 5: more than",
        ),
    ],
)
def test_errors_name_file_and_line(tmp_path: Path, table: str, change, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        load(_edit(tmp_path, table, change))


def test_unknown_split() -> None:
    with pytest.raises(ValueError, match="nonsense"):
        generate("nonsense", 1)
    assert generate("train", 0) == []


def test_speed(record_property) -> None:
    """20,000 pairs in 5 s on a slow core; the guard is five times that."""
    start = time.process_time()
    generate("train", 4000, seed=99)
    seconds = 5 * (time.process_time() - start)
    record_property("seconds_for_20000", seconds)
    print(f"20,000 pairs: {seconds:.1f} s")
    assert seconds < 25
