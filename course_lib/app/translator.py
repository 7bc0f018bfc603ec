"""A trained model with its tokenizer, ready to translate, and the same model with one of its parts replaced."""

import json
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self
from unittest.mock import patch

import torch
from torch import Tensor

from course_lib.app.errors import UserError
from course_lib.app.libraries import Library, the_courses, with_overlay
from course_lib.app.overlay import OVERLAY
from course_lib.app.tensors import load_by_name, tensors_from_bytes
from course_lib.corpora.grammar import generate
from course_lib.corpora.loading import EMBEDDED_SEED
from course_lib.corpora.resources import data_dir
from course_lib.fast.decoding import translate as fast_translate
from course_lib.tokenizer import BOS_ID, EOS_ID, Tokenizer
from course_lib.transformer import Transformer

# A decoder with a cache reaches into these, or does without them: where one is a learner's, it would not be called.
REACHED_INTO = {"MultiHeadAttention", "DecoderLayer", "SinusoidalPositionalEncoding", "causal_mask"}


@dataclass(frozen=True)
class Translator:
    """English to German by a trained Transformer.

    `library` is what the model is made of; `parts` are replacements for things in it, under which the model was built
    and which stand in for them while it works.
    """

    model: Transformer
    tokenizer: Tokenizer
    parts: dict[str, Any] = field(default_factory=dict)
    library: Library = field(default_factory=the_courses, repr=False)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """The model in a folder that holds `config.json`, `tokenizer.model` and `weights.safetensors`.

        If it was trained on parts of a learner's own, these are in the folder too, as they were then.

        Raises:
            UserError: one of them is missing, damaged, or of another model.
        """
        for name in ("config.json", "tokenizer.model", "weights.safetensors"):
            if not (folder / name).is_file():
                raise UserError(f"{folder} holds no trained model: there is no {name} in it")
        library = _library_of(folder)
        try:
            config = library["Config"](**json.loads((folder / "config.json").read_text())["model"])
        except (ValueError, TypeError, KeyError) as error:
            raise UserError(f"{folder / 'config.json'} is damaged, or of another version: {error}") from None
        try:
            tokenizer = Tokenizer.load(folder / "tokenizer.model")
        except RuntimeError:
            raise UserError(f"{folder / 'tokenizer.model'} is damaged: it is no sentencepiece model") from None
        path = folder / "weights.safetensors"
        try:
            weights = tensors_from_bytes(path.read_bytes())
        except ValueError as error:
            raise UserError(f"{path} is damaged: {error}") from None
        model = library["Transformer"](config)
        try:
            load_by_name(model, weights)
        except ValueError:
            raise UserError(f"{path} is of another model than config.json describes") from None
        return cls(model.eval(), tokenizer, library=library)

    @classmethod
    def shipped(cls) -> Self:
        """The small model that comes with the course, trained by `make model` on the embedded corpus."""
        return cls.load(data_dir() / "model")

    def translate(self, sentence: str, beam_size: int = 4) -> str:
        """Translate one sentence."""
        return self.translate_all([sentence], beam_size)[0]

    def translate_all(
        self, sentences: Sequence[str], beam_size: int = 4, alpha: float = 0.6, workers: int = 1
    ) -> list[str]:
        """Translate many, by so many workers of one core each.

        A model with parts that are not the course's is run through their plain calls only: one batch at a time, and
        without a cache where that would reach into them, or pass them by.
        """
        if not self.others:
            return fast_translate(self.model, self.tokenizer, sentences, beam_size, alpha, workers=workers)
        reached = self.parts or REACHED_INTO & set(self.library.yours)
        decoder = self.library["PrefixDecoder" if reached else "CachedDecoder"]
        with replaced(self.parts, self.library):
            if beam_size > 1 and "beam_search" in self.others:
                return [self._by_their_search(sentence, beam_size, alpha) for sentence in sentences]
            translate = self.library["translate"]
            return translate(self.model, self.tokenizer, sentences, beam_size, alpha, decoder=decoder)

    @property
    def others(self) -> set[str]:
        """What the model is made of that is not the course's."""
        return {*self.parts, *self.library.yours}

    @torch.inference_mode()
    def _by_their_search(self, sentence: str, beam_size: int, alpha: float) -> str:
        """A `beam_search` by the exercise's contract: one sentence, a decoder that is called with prefixes."""
        decoding = self.library.modules["decoding"]
        src = torch.tensor([[*self.tokenizer.encode(sentence), EOS_ID]], device=next(self.model.parameters()).device)
        memory, limit = self.model.encode(src), src.size(1) + decoding.EXTRA_LENGTH

        def decoder(prefixes: Tensor) -> Tensor:
            n = len(prefixes)
            states = self.model.decode(prefixes.to(src.device), memory.expand(n, -1, -1), src.expand(n, -1))
            return decoding.words_only(self.model.logits(states))

        limit = min(limit, self.model.config.max_len)
        ids, _ = decoding.beam_search(decoder, BOS_ID, EOS_ID, limit, beam_size, alpha)
        return self.tokenizer.decode([int(i) for i in ids])

    def exact_match(self, n: int = 50) -> float:
        """The share of the embedded corpus' first n test sentences that it translates word for word as the reference.

        Greedily, so that it is quick even without a cache.
        """
        test = generate("test", n, EMBEDDED_SEED)
        translations = self.translate_all([pair.en for pair in test], beam_size=1)
        return sum(ours == pair.de for ours, pair in zip(translations, test, strict=True)) / n

    def swap(self, **parts: Any) -> Self:
        """The same trained weights in a model with other parts: `swap(LayerNorm=MyLayerNorm)`.

        A part is a class or function of the library, by its name there. Where a replacing class has its parameters laid
        out otherwise, the trained ones are carried over by what they do (`exercises/transplant.py`).

        Raises:
            ValueError: the library has no part of this name, or the weights do not fit the replacement.
        """
        from course_lib.exercises.transplant import carry_weights  # it imports every exercise

        parts = {**self.parts, **parts}
        with replaced(parts, self.library):
            model = self.library["Transformer"](self.model.config)
        try:
            carry_weights(self.model, model, parts)
        except ValueError as error:
            raise ValueError(f"the trained weights do not fit {', '.join(parts)}: {error}") from None
        return type(self)(model.eval(), self.tokenizer, parts, self.library)


def _library_of(folder: Path) -> Library:
    overlay = folder / OVERLAY
    if not overlay.is_dir():
        return the_courses()
    try:
        return with_overlay(overlay)
    except Exception as error:  # what is in there is a learner's code
        why = f"{type(error).__name__}: {error}".splitlines()[0]
        raise UserError(f"{overlay} cannot be imported any more: {why}") from None


@contextmanager
def replaced(parts: dict[str, Any], library: Library | None = None) -> Iterator[None]:
    """While it lasts, every module of the library that knows a part by its name knows the replacement instead."""
    modules = (library or the_courses()).modules.values()
    for part in parts:
        if not any(part in vars(module) for module in modules):
            raise ValueError(f"course_lib has no part named {part!r}")
    with ExitStack() as stack:
        for part, replacement in parts.items():
            for module in modules:
                if part in vars(module):
                    stack.enter_context(patch.object(module, part, replacement))
        yield
