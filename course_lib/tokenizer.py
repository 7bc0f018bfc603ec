"""Text to subword ids and back: byte-pair encoding, one vocabulary for both languages (section 5.1).

Built from the notebooks: edit the cell named above a definition, then run `course build`.
"""

import io
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Self

import sentencepiece

__all__ = ["BOS_ID", "EOS_ID", "PAD_ID", "SPACE", "Tokenizer", "UNK_ID", "train_tokenizer"]


# Explained in notebooks/02_text_to_tensors.ipynb
PAD_ID, BOS_ID, EOS_ID, UNK_ID = 0, 1, 2, 3
SPACE = "\u2581"  # sentencepiece writes a space as this mark


class Tokenizer:
    """Byte-pair encoding that gives every text back unchanged: `decode(encode(text)) == text`."""

    def __init__(self, model: bytes) -> None:
        self.model = model
        self._pieces = sentencepiece.SentencePieceProcessor(model_proto=model)
        self._mark = [self._pieces.piece_to_id(f"<0x{byte:02X}>") for byte in SPACE.encode()]

    def __len__(self) -> int:
        return self._pieces.vocab_size()

    def encode(self, text: str) -> list[int]:
        """Ids of the text's pieces, without BOS and EOS. The space mark in a text is spelled in bytes."""
        first, *others = (self._pieces.encode(part) for part in f" {text}".split(SPACE))
        return first + [i for part in others for i in (*self._mark, *part)]

    def decode(self, ids: Sequence[int]) -> str:
        """The text of these ids; PAD, BOS and EOS have none."""
        return self._pieces.decode([i for i in ids if i not in (PAD_ID, BOS_ID, EOS_ID)]).removeprefix(" ")

    def pieces(self, text: str) -> list[str]:
        """The pieces as text, for a human eye."""
        return [self._pieces.id_to_piece(i) for i in self.encode(text)]

    def save(self, path: Path) -> None:
        path.write_bytes(self.model)

    @classmethod
    def load(cls, path: Path) -> Self:
        return cls(path.read_bytes())


# Explained in notebooks/02_text_to_tensors.ipynb
def train_tokenizer(sentences: Iterable[str], vocab_size: int) -> Tokenizer:
    """Learn a shared vocabulary of `vocab_size` pieces, 4 of them special and 256 of them bytes.

    Raises:
        ValueError: the text is too small for so many pieces, or too varied for so few.
    """
    model = io.BytesIO()
    try:
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=(f" {sentence}" for sentence in sentences),
            model_writer=model,
            model_type="bpe",
            vocab_size=vocab_size,
            byte_fallback=True,
            character_coverage=1.0,
            normalization_rule_name="identity",
            remove_extra_whitespaces=False,
            add_dummy_prefix=False,
            max_sentence_length=1_000_000,
            pad_id=PAD_ID,
            bos_id=BOS_ID,
            eos_id=EOS_ID,
            unk_id=UNK_ID,
            num_threads=1,
            minloglevel=3,
        )
    except RuntimeError as error:
        reason = str(error).rsplit("] ", 1)[-1]
        raise ValueError(f"cannot learn {vocab_size} pieces from this text: {reason}") from None
    return Tokenizer(model.getvalue())
