"""From a corpus' name to pairs of ids: what is read and encoded before training begins."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from course_lib.app.errors import UserError
from course_lib.batching import Batch, Pair, encode_pairs, one_pass
from course_lib.tokenizer import Tokenizer, train_tokenizer
from course_lib.training import Recipe
from course_lib.transformer import Config

if TYPE_CHECKING:  # `datasets` takes seconds to import
    from datasets import Dataset

    from course_lib.corpora import Corpus

VALIDATION_PAIRS = 500
TOKENIZER_PAIRS = 1_000_000  # more would only cost memory and time


def resolved(spec: str) -> str:
    """The corpus' name as it can be found from anywhere: local paths become absolute."""
    if spec != "embedded" and all(Path(part).exists() for part in spec.split(",")):
        return ",".join(str(Path(part).resolve()) for part in spec.split(","))
    return spec


def load_corpus(spec: str) -> "Corpus":
    """The corpus of this name; what is wrong with it is a UserError."""
    from course_lib import corpora

    try:
        return corpora.load_corpus(spec)
    except corpora.CorpusError as error:
        raise UserError(str(error)) from None


def choose_split(corpus: "Corpus", name: str) -> "Dataset":
    if name not in corpus.splits:
        raise UserError(f"{corpus.name} has no split {name!r}: it has {', '.join(corpus.splits)}")
    return corpus.splits[name]


def learn_tokenizer(corpus: "Corpus", vocab: int) -> Tokenizer:
    """One vocabulary for both sides of the training split."""
    train = choose_split(corpus, "train")
    try:
        return train_tokenizer(_sentences(train), vocab)
    except ValueError as error:
        raise UserError(f"--vocab {vocab}: {error}") from None


def _sentences(split: "Dataset") -> Iterator[str]:
    """Both sides of the split; of a very large one, of pairs evenly spaced."""
    split = split.select(range(0, len(split), -(-len(split) // TOKENIZER_PAIRS)))
    yield from split["src"][:]
    yield from split["tgt"][:]


@dataclass(frozen=True)
class Pairs:
    """What a model is trained and validated on."""

    train: list[Pair]
    validation: list[Batch]
    dropped: int  # pairs too long to train on
    limit: int  # tokens of the longest side that is not


def encode_corpus(corpus: "Corpus", tokenizer: Tokenizer, model: Config, recipe: Recipe) -> Pairs:
    """Encode, and leave out pairs of which a side fits into no batch, or has more tokens than the model positions."""
    limit = min(recipe.max_tokens, model.max_len)
    encoded = _encode(tokenizer, choose_split(corpus, "train"))
    train = _within(encoded, limit)
    if not train:
        raise UserError(f"{corpus.name}: no pair to train on has at most {limit:,} tokens a side")
    validation = choose_split(corpus, "validation")
    held_out = _within(_encode(tokenizer, validation.select(range(min(VALIDATION_PAIRS, len(validation))))), limit)
    return Pairs(train, one_pass(held_out, recipe.max_tokens) if held_out else [], len(encoded) - len(train), limit)


def _encode(tokenizer: Tokenizer, split: "Dataset") -> list[Pair]:
    return encode_pairs(tokenizer, split["src"][:], split["tgt"][:])  # a slice of a column is read at once


def _within(pairs: Sequence[Pair], limit: int) -> list[Pair]:
    return [pair for pair in pairs if max(map(len, pair)) <= limit]
