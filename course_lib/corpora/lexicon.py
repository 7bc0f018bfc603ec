"""The words of the embedded corpus, read from the tables in `data/lexicon`.

Every row of a table is one English lemma with its one German lemma, so that the German of a sentence is a function
of the English. `data/README.md` explains the columns. A table that cannot be used raises a `ValueError` which names
the file and the line.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TypeVar

from course_lib.corpora.resources import data_dir

FRAMES = ("none", "place", "goal", "object", "give", "prep", "put", "clause", "copula")
CASES = ("nominative", "accusative", "dative")

T = TypeVar("T")


@dataclass(frozen=True, slots=True, eq=False)
class Noun:
    """A noun or a first name; `de` has the German form of each (case, is plural)."""

    en: str
    en_plural: str
    gender: str
    de: dict[tuple[str, bool], str]
    pronoun: str
    classes: frozenset[str]

    @property
    def is_name(self) -> bool:
        """First names have neither article nor plural."""
        return "name" in self.classes

    @property
    def is_weak(self) -> bool:
        """Weak masculine nouns have their own accusative: der Junge, den Jungen."""
        return self.de["nominative", False] != self.de["accusative", False]


@dataclass(frozen=True, slots=True, eq=False)
class Adjective:
    """An adjective: `de` after "is", `stem` before endings (dunkel, ein dunkles Zimmer)."""

    en: str
    de: str
    stem: str
    order: int
    predicative: bool
    degree: bool
    reason: str
    classes: frozenset[str]


@dataclass(frozen=True, slots=True)
class Place:
    """One choice of a verb's prepositional phrases: a preposition and the nouns that go with it."""

    preposition: Preposition
    nouns: tuple[Noun, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Verb:
    """A verb with its principal parts, what it governs, and the nouns that it may be used with."""

    en: str
    en_3sg: str
    en_past: str
    en_particle: str
    en_prep: str
    de: str
    de_prefix: str
    de_3sg: str
    de_1sg: str
    de_participle: str
    de_aux: str
    de_past: str
    de_prep: Preposition | None
    case: str
    frame: str
    subjects: tuple[Noun, ...]
    objects: tuple[Noun, ...]
    required: tuple[Place, ...]
    optional: tuple[Place, ...]
    manner: tuple[Adverb, ...]
    state: str

    @property
    def lemma(self) -> str:
        """The English lemma with its particle and preposition: "look for"."""
        return " ".join(filter(None, (self.en, self.en_particle, self.en_prep)))


@dataclass(frozen=True, slots=True, eq=False)
class Preposition:
    """A preposition; `contracted` has the forms that swallow a definite article, by (case, gender)."""

    en: str
    de: str
    case: str
    contracted: dict[tuple[str, str], str]


@dataclass(frozen=True, slots=True, eq=False)
class Adverb:
    """An adverb, or a fixed phrase of time such as "on Monday"; `kind` says where it may stand."""

    en: str
    de: str
    kind: str


@dataclass(frozen=True, slots=True, eq=False)
class Conjunction:
    """A conjunction; `kind` is coordinating, subordinating or complement."""

    en: str
    de: str
    kind: str
    present_only: bool


@dataclass(frozen=True, slots=True, eq=False)
class Modal:
    """A modal verb or "will"; `to` is the English word before the infinitive ("want to")."""

    en: str
    en_3sg: str
    de: str
    de_1sg: str
    de_3sg: str
    to: str
    negated: bool


@dataclass(frozen=True, slots=True, eq=False)
class Number:
    """A number from two to twelve."""

    en: str
    de: str


@dataclass(frozen=True, slots=True, eq=False)
class Determiner:
    """An article or a word in its place; `stem` takes the endings of `declension`, by the possessor's gender."""

    en: str
    en_plural: str
    stem: dict[str, str]
    declension: str
    number: str
    label_en: str
    label_de: str


@dataclass(frozen=True, slots=True, eq=False)
class Pronoun:
    """A personal pronoun; `de` has its German form for each case."""

    en: str
    en_object: str
    de: dict[str, str]
    person: int
    plural: bool
    gender: str
    possessive: str


@dataclass(frozen=True, slots=True, eq=False)
class Lexicon:
    """All the tables; the dictionaries are keyed by the English lemma."""

    nouns: dict[str, Noun]
    adjectives: dict[str, Adjective]
    verbs: dict[str, Verb]
    prepositions: dict[str, Preposition]
    adverbs: dict[str, Adverb]
    times: dict[str, Adverb]
    conjunctions: dict[str, Conjunction]
    modals: dict[str, Modal]
    numbers: dict[str, Number]
    determiners: dict[str, Determiner]
    pronouns: dict[tuple[str, str], Pronoun]

    @property
    def lemma_count(self) -> int:
        """How many English lemmas there are; the three genders of "it" count once."""
        tables = (self.nouns, self.adjectives, self.verbs, self.prepositions, self.adverbs, self.times)
        small = (self.conjunctions, self.modals, self.numbers, self.determiners, {p.en for p in self.pronouns.values()})
        return sum(len(table) for table in (*tables, *small))


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a table."""

    path: Path
    line: int
    cells: dict[str, str]

    def __getitem__(self, column: str) -> str:
        return self.cells[column]

    def error(self, message: str) -> ValueError:
        """An error that tells the editor of the table where to look."""
        return ValueError(f"{self.path}, line {self.line}: {message}")

    def one_of(self, column: str, choices: Iterable[str]) -> str:
        """The cell of a column that has a fixed set of values."""
        value = self[column]
        if value not in choices:
            raise self.error(f"column {column!r} is {value!r}, not one of {', '.join(map(repr, choices))}")
        return value


def read_rows(path: Path, columns: str, optional: str = "") -> Iterator[Row]:
    """The rows of a tab-separated table which must have these columns; those not `optional` must be filled."""
    expected = columns.split()
    required = set(expected) - set(optional.split())
    lines = path.read_text(encoding="utf-8").splitlines()
    header = lines[0].split("\t") if lines else []
    missing = [column for column in expected if column not in header]
    if missing:
        raise ValueError(f"{path}, line 1: missing column {', '.join(missing)}")
    for number, text in enumerate(lines[1:], start=2):
        # Spreadsheets drop empty cells at the end of a line.
        cells = dict(zip(header, text.split("\t") + [""] * len(header), strict=False))
        row = Row(path, number, cells)
        if text.count("\t") >= len(header):
            raise row.error(f"more than {len(header)} cells")
        for column in expected:
            if column in required and not cells[column]:
                raise row.error(f"column {column!r} is empty")
        yield row


def read_table(rows: Iterable[Row], make: Callable[[Row], T], *key: str) -> dict[str, T]:
    """The entries of a table by lemma, which is spread over the columns `key`."""
    table: dict[str, T] = {}
    for row in rows:
        lemma = " ".join(filter(None, (row[column] for column in key or ("en",))))
        if lemma in table:
            raise row.error(f"lemma {lemma!r} is there twice")
        table[lemma] = make(row)
    return table


def _classes(row: Row, column: str, known: Iterable[str]) -> frozenset[str]:
    found = frozenset(filter(None, row[column].split(",")))
    for name in sorted(found.difference(known)):
        raise row.error(f"unknown class {name!r} in column {column!r}")
    return found


def _noun(row: Row, classes: Iterable[str]) -> Noun:
    forms = {
        ("nominative", False): row["de"],
        ("accusative", False): row["de_accusative"],
        ("dative", False): row["de_dative"],
        ("nominative", True): row["de_plural"],
        ("accusative", True): row["de_plural"],
        ("dative", True): row["de_dative_plural"],
    }
    if bool(row["en_plural"]) != bool(row["de_plural"] and row["de_dative_plural"]):
        raise row.error("a noun has a plural in both languages or in none")
    gender = row.one_of("gender", "mfn")
    pronoun = row.one_of("pronoun", ("he", "she", "it", ""))
    return Noun(row["en"], row["en_plural"], gender, forms, pronoun, _classes(row, "classes", classes))


def _adjective(row: Row, classes: Iterable[str]) -> Adjective:
    predicative = row.one_of("use", ("both", "attr")) == "both"
    degree = row.one_of("degree", ("yes", "no")) == "yes"
    reason = row.one_of("reason", ("yes", "no", "state"))
    order = int(row.one_of("order", "12345"))
    found = _classes(row, "classes", classes)
    return Adjective(row["en"], row["de"], row["stem"], order, predicative, degree, reason, found)


def _preposition(row: Row) -> Preposition:
    columns = (("dative", "m"), ("dative", "f"), ("dative", "n"), ("accusative", "n"))
    contracted = {(case, gender): form for case, gender in columns if (form := row[f"{case}_{gender}"])}
    return Preposition(row["en"], row["de"], row.one_of("case", ("dat", "acc", "two-way")), contracted)


def _determiner(row: Row) -> Determiner:
    masculine, _, feminine = row["de"].partition("/")
    stem = {"": masculine, "m": masculine, "n": masculine, "f": feminine or masculine}
    declension = row.one_of("declension", ("article", "weak", "mixed", "strong"))
    number = row.one_of("number", ("singular", "plural", "both"))
    return Determiner(row["en"], row["en_plural"], stem, declension, number, row["label_en"], row["label_de"])


def _pronoun(row: Row) -> Pronoun:
    forms = dict(zip(CASES, (row["de"], row["de_accusative"], row["de_dative"]), strict=True))
    plural = row.one_of("number", ("singular", "plural")) == "plural"
    person = int(row.one_of("person", "13"))
    gender = row.one_of("gender", ("", "m", "f", "n"))
    return Pronoun(row["en"], row["en_object"], forms, person, plural, gender, row["possessive"])


def _modal(row: Row) -> Modal:
    negated = row.one_of("negated", ("yes", "no")) == "yes"
    return Modal(row["en"], row["en_3sg"], row["de"], row["de_1sg"], row["de_3sg"], row["to"], negated)


def _adverb(row: Row) -> Adverb:
    return Adverb(row["en"], row["de"], row["kind"])


def _conjunction(row: Row) -> Conjunction:
    kind = row.one_of("kind", ("coordinating", "subordinating", "complement"))
    return Conjunction(row["en"], row["de"], kind, row.one_of("tenses", ("both", "present")) == "present")


class _VerbReader:
    """Reads verbs; their rows mention classes, prepositions and kinds of adverbs of the other tables."""

    def __init__(
        self,
        nouns: dict[str, Noun],
        prepositions: dict[str, Preposition],
        adverbs: dict[str, Adverb],
        classes: Iterable[str],
    ) -> None:
        self.nouns, self.prepositions, self.adverbs, self.classes = nouns, prepositions, adverbs, classes

    def __call__(self, row: Row) -> Verb:
        case = {"acc": "accusative", "dat": "dative", "": "accusative"}[row.one_of("de_case", ("acc", "dat", ""))]
        # The infinitive without -n ("schlafe") is the first person unless the table says otherwise.
        first = row["de_1sg"] or row["de"].removesuffix("n")
        return Verb(
            en=row["en"],
            en_3sg=row["en_3sg"],
            en_past=row["en_past"],
            en_particle=row["en_particle"],
            en_prep=row["en_prep"],
            de=row["de"],
            de_prefix=row["de_prefix"],
            de_3sg=row["de_3sg"],
            de_1sg=first,
            de_participle=row["de_participle"],
            de_aux=row.one_of("de_aux", ("haben", "sein")),
            de_past=row["de_past"],
            de_prep=self._preposition(row),
            case=case,
            frame=row.one_of("frame", FRAMES),
            subjects=self._nouns(_classes(row, "subjects", self.classes)),
            objects=self._nouns(_classes(row, "objects", self.classes)),
            required=self._places(row, "required_pp"),
            optional=self._places(row, "optional_pp"),
            manner=self._manner(row),
            state=row.one_of("state", ("yes", "no", "attitude")),
        )

    def _nouns(self, classes: frozenset[str]) -> tuple[Noun, ...]:
        return tuple(noun for noun in self.nouns.values() if classes & noun.classes)

    def _places(self, row: Row, column: str) -> tuple[Place, ...]:
        """Reads a cell such as "in:room,area out_of:building"."""
        places = []
        for item in row[column].split():
            name, _, classes = item.partition(":")
            preposition = self.prepositions.get(name.replace("_", " "))
            if preposition is None:
                raise row.error(f"unknown preposition {name!r} in column {column!r}")
            listed = _classes(Row(row.path, row.line, {column: classes}), column, self.classes)
            places.append(Place(preposition, self._nouns(listed)))
        return tuple(places)

    def _preposition(self, row: Row) -> Preposition | None:
        """The preposition that a verb governs, with its contractions: any of the table with the same German."""
        if not row["de_prep"]:
            return None
        for preposition in self.prepositions.values():
            if preposition.de == row["de_prep"]:
                return preposition
        raise row.error(f"unknown preposition {row['de_prep']!r} in column 'de_prep'")

    def _manner(self, row: Row) -> tuple[Adverb, ...]:
        wanted = set(filter(None, row["manner"].split(",")))
        known = {adverb.kind for adverb in self.adverbs.values()}
        for kind in sorted(wanted - known):
            raise row.error(f"unknown kind of adverb {kind!r} in column 'manner'")
        return tuple(adverb for adverb in self.adverbs.values() if adverb.kind in wanted)


VERB_COLUMNS = (
    "en en_3sg en_past en_particle en_prep de de_prefix de_3sg de_1sg de_participle de_aux de_past de_prep de_case "
    "frame subjects objects required_pp optional_pp manner state"
)
VERB_OPTIONAL = (
    "en_past en_particle en_prep de_prefix de_1sg de_past de_prep de_case objects required_pp optional_pp manner"
)
NOUN_COLUMNS = "en en_plural de gender de_accusative de_dative de_plural de_dative_plural pronoun classes"
NOUN_OPTIONAL = "en_plural de_plural de_dative_plural pronoun"
PREPOSITION_COLUMNS = "en de case dative_m dative_f dative_n accusative_n"
PRONOUN_COLUMNS = "en en_object de de_accusative de_dative person number gender possessive"


def load(folder: Path) -> Lexicon:
    """Reads all the tables of a folder."""

    def rows(name: str, columns: str, optional: str = "") -> Iterator[Row]:
        return read_rows(folder / f"{name}.tsv", columns, optional)

    classes = read_table(rows("classes", "class description"), lambda row: row["description"], "class")
    nouns = read_table(rows("nouns", NOUN_COLUMNS, NOUN_OPTIONAL), lambda row: _noun(row, classes))
    contractions = "dative_m dative_f dative_n accusative_n"
    prepositions = read_table(rows("prepositions", PREPOSITION_COLUMNS, contractions), _preposition)
    adverbs = read_table(rows("adverbs", "en de kind"), _adverb)
    pronouns = read_table(rows("pronouns", PRONOUN_COLUMNS, "gender"), _pronoun, "en", "gender")
    verb = _VerbReader(nouns, prepositions, adverbs, classes)
    return Lexicon(
        nouns=nouns,
        adjectives=read_table(
            rows("adjectives", "en de stem order use degree reason classes"), lambda row: _adjective(row, classes)
        ),
        verbs=read_table(rows("verbs", VERB_COLUMNS, VERB_OPTIONAL), verb, "en", "en_particle", "en_prep"),
        prepositions=prepositions,
        adverbs=adverbs,
        times=read_table(rows("times", "en de kind"), _adverb),
        conjunctions=read_table(rows("conjunctions", "en de kind tenses"), _conjunction),
        modals=read_table(rows("modals", "en en_3sg de de_1sg de_3sg to negated", "to"), _modal),
        numbers=read_table(rows("numbers", "en de"), lambda row: Number(row["en"], row["de"])),
        determiners=read_table(
            rows("determiners", "en en_plural de declension number label_en label_de", "en_plural"), _determiner
        ),
        pronouns={(pronoun.en, pronoun.gender): pronoun for pronoun in pronouns.values()},
    )


@cache
def lexicon() -> Lexicon:
    """The lexicon of the course, read once."""
    return load(data_dir() / "lexicon")
