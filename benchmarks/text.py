"""Real text: Multi30k by its name on the Hugging Face hub, or a folder laid out like it."""

from dataclasses import dataclass, replace
from functools import cache

from course_lib.app.prepare import choose_split, learn_tokenizer, load_corpus
from course_lib.batching import Pair, encode_pairs
from course_lib.tokenizer import Tokenizer
from course_lib.transformer import BASE, Config

MULTI30K = "bentrevett/multi30k"
PIECES = 8000
SIZES = {"small": Config(N=3, d_model=256, d_ff=1024, h=8), "base": BASE}


@dataclass(frozen=True)
class Text:
    tokenizer: Tokenizer
    pairs: list[Pair]

    def config(self, size: str) -> Config:
        return replace(SIZES[size], vocab=len(self.tokenizer))


@cache
def training_text(corpus: str) -> Text:
    loaded = load_corpus(corpus)
    tokenizer = learn_tokenizer(loaded, PIECES)
    train = choose_split(loaded, "train")
    return Text(tokenizer, encode_pairs(tokenizer, train["src"][:], train["tgt"][:]))


def sentences_of_test(corpus: str, limit: int) -> tuple[list[str], list[str]]:
    """The first `limit` sentences of the test split, and their references."""
    test = choose_split(load_corpus(corpus), "test")
    test = test.select(range(min(limit, len(test))))
    return test["src"][:], test["tgt"][:]
