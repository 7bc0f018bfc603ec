"""The tokenizer: every text comes back unchanged, and no text can pass for a special id."""

import random

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from course_lib.tokenizer import BOS_ID, EOS_ID, PAD_ID, SPACE, UNK_ID, Tokenizer, train_tokenizer

SPECIAL = {PAD_ID, BOS_ID, EOS_ID, UNK_ID}
VOCAB = 400
ENGLISH = ["the", "small", "dog", "sees", "a", "big", "cat"]
GERMAN = ["der", "kleine", "Hund", "sieht", "eine", "große", "Katze", "über", "Straßen", "läuft"]
WORDS = ENGLISH + GERMAN


def sentences(n: int = 300) -> list[str]:
    rng = random.Random(0)
    return [" ".join(rng.choices(WORDS, k=rng.randint(3, 9))) + "." for _ in range(n)]


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return train_tokenizer(sentences(), VOCAB)


@settings(max_examples=300)
@given(st.text(max_size=40))
@example("")
@example(" ")
@example("  two  spaces  ")
@example(SPACE)
@example(f"{SPACE} {SPACE}{SPACE}the{SPACE}")
@example(" " + SPACE)
@example("a\0b\0")
@example("line\nfeed\r\n\ttab")
@example("ﬁ ½ Å Å e\u0301 \u200b\ufeff 𝄞 👩‍👩‍👧 \U0010ffff")
@example("<s> </s> <pad> <unk> <0x41> [MASK]")
def test_every_text_comes_back(tokenizer, text):
    ids = tokenizer.encode(text)
    assert tokenizer.decode(ids) == text
    assert not SPECIAL & set(ids), "no text can be spelled so that it gives a special id"
    assert all(0 <= i < len(tokenizer) for i in ids)


@given(st.lists(st.sampled_from([*WORDS, "<s>", "</s>", "<pad>", "<unk>", SPACE, "<0x0A>", "ß", "\n"])))
def test_every_mixture_of_words_and_specials_comes_back(tokenizer, parts):
    for text in ("".join(parts), " ".join(parts)):
        assert tokenizer.decode(tokenizer.encode(text)) == text
        assert not SPECIAL & set(tokenizer.encode(text))


def test_special_ids_have_no_text(tokenizer):
    ids = tokenizer.encode("the dog")
    assert tokenizer.decode([BOS_ID, *ids, EOS_ID, PAD_ID, PAD_ID]) == "the dog"
    assert tokenizer.decode([]) == tokenizer.decode([PAD_ID, EOS_ID]) == ""
    assert [PAD_ID, BOS_ID, EOS_ID, UNK_ID] == [0, 1, 2, 3]


@given(st.lists(st.integers(0, VOCAB - 1), max_size=30))
def test_any_ids_give_a_text(tokenizer, ids):
    """What an untrained model says need make no sense, but it must be printable."""
    assert isinstance(tokenizer.decode(ids).encode("utf-8"), bytes)


def test_frequent_words_become_one_piece(tokenizer):
    assert len(tokenizer) == VOCAB
    assert tokenizer.pieces("the cat") == ["▁the", "▁cat"]
    assert tokenizer.pieces("die Katze ")[-1] == "▁", "a space at the end is not lost"
    assert len(tokenizer.encode("Ж")) == 3, "an unknown character is spelled in bytes: a space, and two of UTF-8"


def test_a_saved_tokenizer_is_the_same(tokenizer, tmp_path):
    tokenizer.save(tmp_path / "tokenizer.model")
    again = Tokenizer.load(tmp_path / "tokenizer.model")
    assert again.model == tokenizer.model and len(again) == len(tokenizer)
    text = "der kleine Hund, 2 × ½"
    assert again.encode(text) == tokenizer.encode(text)


def test_learning_is_deterministic(tokenizer):
    assert train_tokenizer(sentences(), VOCAB).model == tokenizer.model


@pytest.mark.parametrize("size", [100_000, 50])
def test_a_vocabulary_that_the_text_does_not_allow(size):
    with pytest.raises(ValueError, match=f"cannot learn {size} pieces from this text: ") as caught:
        train_tokenizer(sentences(), size)
    message = str(caught.value)
    assert "\n" not in message and not message.endswith(": ")


def test_no_text_at_all():
    with pytest.raises(ValueError, match="cannot learn 300 pieces"):
        train_tokenizer([], 300)
