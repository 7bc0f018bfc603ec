"""How good a translator is: BLEU, chrF and, where there is only one right answer, exact match."""

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from course_lib.app.errors import UserError
from course_lib.app.translator import Translator
from course_lib.decoding import EXTRA_LENGTH

if TYPE_CHECKING:
    from datasets import Dataset
    from rich.console import Console


@dataclass(frozen=True)
class Share:
    """So many of so many are exactly the reference."""

    exact: int
    of: int

    def __str__(self) -> str:
        return f"{self.exact / self.of:.1%} ({self.exact:,} of {self.of:,})"


@dataclass(frozen=True)
class Scores:
    """The scores of one translator on one split. Exact match is counted where the corpus tags its sentences."""

    corpus: str
    split: str
    beam: int
    sentences: int
    bleu: float
    bleu_signature: str
    chrf: float
    chrf_signature: str
    exact: Share | None
    by_phenomenon: dict[str, Share]
    seconds: float

    @property
    def sentences_per_second(self) -> float:
        return self.sentences / self.seconds

    def to_dict(self) -> dict[str, Any]:
        return asdict(self) | {"sentences_per_second": self.sentences_per_second}


def evaluate(
    translator: Translator, split: "Dataset", corpus: str, name: str, beam: int = 4, limit: int | None = None
) -> tuple[Scores, list[str]]:
    """Translate a split, or its first `limit` sentences: the scores and the translations."""
    split = split.select(range(min(limit, len(split)))) if limit else split
    sources, references = split["src"][:], split["tgt"][:]
    for number, sentence in enumerate(sources, 1):
        check_length(translator, sentence, f"{corpus}, split {name}, row {number}")
    begin = time.perf_counter()
    translations = translator.translate_all(sources, beam)
    seconds = time.perf_counter() - begin
    tags = split["tags"][:] if "tags" in split.column_names else []
    return score(translations, references, tags, corpus=corpus, split=name, beam=beam, seconds=seconds), translations


def score(
    translations: Sequence[str], references: Sequence[str], tags: Sequence[Sequence[str]], **about: Any
) -> Scores:
    """Compare with the references, cased and as plain text. `tags`: for each sentence what it shows, or nothing."""
    from sacrebleu.metrics import BLEU, CHRF

    bleu, chrf = BLEU(), CHRF()
    bleu_score = bleu.corpus_score(translations, [references]).score
    chrf_score = chrf.corpus_score(translations, [references]).score
    hits = [ours == theirs for ours, theirs in zip(translations, references, strict=True)]
    phenomena = sorted({tag for sentence in tags for tag in sentence})
    chosen = {tag: [hit for hit, own in zip(hits, tags, strict=True) if tag in own] for tag in phenomena}
    return Scores(
        sentences=len(references),
        bleu=bleu_score,
        bleu_signature=str(bleu.get_signature()),
        chrf=chrf_score,
        chrf_signature=str(chrf.get_signature()),
        exact=Share(sum(hits), len(hits)) if tags else None,
        by_phenomenon={tag: Share(sum(hits), len(hits)) for tag, hits in chosen.items()},
        **about,
    )


def check_length(translator: Translator, sentence: str, place: str) -> None:
    """A sentence, and a translation as much longer as allowed (6.1), must fit into the model's positions."""
    longest = translator.model.config.max_len - EXTRA_LENGTH
    # a piece is a byte at least: most sentences need not be encoded to see that they fit
    if len(sentence.encode()) + 2 > longest and len(translator.tokenizer.encode(sentence)) + 1 > longest:
        raise UserError(f"{place}: more than the {longest:,} tokens that the model can take; split it")


def show(scores: Scores, console: "Console") -> None:
    """Print the scores as a person reads them."""
    from rich.table import Table

    how = "greedy" if scores.beam == 1 else f"beam {scores.beam}"
    title = f"\n{scores.corpus}, {scores.split}: {scores.sentences:,} sentences, {how}"
    console.print(title, soft_wrap=True, markup=False)
    rows = Table("measure")
    rows.add_column("score", justify="right")
    rows.add_row("BLEU", f"{scores.bleu:.2f}")
    rows.add_row("chrF", f"{scores.chrf:.2f}")
    if scores.exact:
        rows.add_row("exact match", str(scores.exact))
    for tag, share in scores.by_phenomenon.items():
        rows.add_row(f"  {tag}", str(share))
    rows.add_row("sentences/s", f"{scores.sentences_per_second:.1f}")
    console.print(rows)
    for name, signature in (("BLEU", scores.bleu_signature), ("chrF", scores.chrf_signature)):
        console.print(f"{name}  {signature}", soft_wrap=True)
