"""A trained model with its tokenizer, ready to translate, and the same model with one of its parts replaced."""

import importlib
import json
import pkgutil
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self
from unittest.mock import patch

import course_lib
from course_lib.app.errors import UserError
from course_lib.app.files import tensors_from_bytes
from course_lib.corpora.grammar import generate
from course_lib.corpora.loading import EMBEDDED_SEED
from course_lib.corpora.resources import data_dir
from course_lib.decoding import PrefixDecoder, translate
from course_lib.fast.decoding import translate as fast_translate
from course_lib.tokenizer import Tokenizer
from course_lib.transformer import Config, Transformer


@dataclass(frozen=True)
class Translator:
    """English to German by a trained Transformer.

    `parts` are the replacements under which the model was built; they stand in for the library's own while it works.
    """

    model: Transformer
    tokenizer: Tokenizer
    parts: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """The model in a folder that holds `config.json`, `tokenizer.model` and `weights.safetensors`.

        Raises:
            UserError: one of them is missing, damaged, or of another model.
        """
        for name in ("config.json", "tokenizer.model", "weights.safetensors"):
            if not (folder / name).is_file():
                raise UserError(f"{folder} holds no trained model: there is no {name} in it")
        try:
            config = Config(**json.loads((folder / "config.json").read_text())["model"])
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
        model = Transformer(config)
        try:
            model.load_state_dict({name: tensor.float() for name, tensor in weights.items()})
        except RuntimeError:
            raise UserError(f"{path} is of another model than config.json describes") from None
        return cls(model.eval(), tokenizer)

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

        A model with replaced parts is run through their plain calls only: without a cache, one batch at a time.
        """
        if not self.parts:
            return fast_translate(self.model, self.tokenizer, sentences, beam_size, alpha, workers=workers)
        with replaced(self.parts):
            return translate(self.model, self.tokenizer, sentences, beam_size, alpha, decoder=PrefixDecoder)

    def exact_match(self, n: int = 50) -> float:
        """The share of the embedded corpus' first n test sentences that it translates word for word as the reference.

        Greedily, so that it is quick even without a cache.
        """
        test = generate("test", n, EMBEDDED_SEED)
        translations = self.translate_all([pair.en for pair in test], beam_size=1)
        return sum(ours == pair.de for ours, pair in zip(translations, test, strict=True)) / n

    def swap(self, **parts: Any) -> Self:
        """The same trained weights in a model with other parts: `swap(LayerNorm=MyLayerNorm)`.

        A part is a class or function of the library, by its name there. A replacing class needs parameters of the same
        names and shapes, so that it can take over the trained ones.

        Raises:
            ValueError: the library has no part of this name, or the weights do not fit the replacement.
        """
        parts = {**self.parts, **parts}
        with replaced(parts):
            model = importlib.import_module("course_lib.transformer").Transformer(self.model.config)
        try:
            model.load_state_dict(self.model.state_dict())
        except RuntimeError as error:
            raise ValueError(f"the trained weights do not fit {', '.join(parts)}: {error}") from None
        return type(self)(model.eval(), self.tokenizer, parts)


@contextmanager
def replaced(parts: dict[str, Any]) -> Iterator[None]:
    """While it lasts, every module of the library that knows a part by its name knows the replacement instead."""
    names = [module.name for module in pkgutil.iter_modules(course_lib.__path__) if not module.ispkg]
    modules = [importlib.import_module(f"course_lib.{name}") for name in names]
    for part in parts:
        if not any(part in vars(module) for module in modules):
            raise ValueError(f"course_lib has no part named {part!r}")
    with ExitStack() as stack:
        for part, replacement in parts.items():
            for module in modules:
                if part in vars(module):
                    stack.enter_context(patch.object(module, part, replacement))
        yield
