"""Translating a test set with one set of trained weights: sentences a second, and who says the same.

Ours against `nn.Transformer` without a cache, Hugging Face's `generate` with one, and CTranslate2. Each is given the
sentences sorted by length in batches of 128. For speed all search with alpha = 0.6, each by its own formula; whether
the outputs are equal is asked greedily and at alpha = 0, where the formulas agree.
"""

import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import ctranslate2
import torch

from benchmarks.machine import AS_WRITTEN, ONE_DNN, Setting, seconds
from benchmarks.peers import Marian, TorchTransformer
from benchmarks.text import sentences_of_test, training_text
from course_lib.app.devices import pick_device
from course_lib.app.export import export_ctranslate2
from course_lib.app.runs import Budget, Run, Settings
from course_lib.app.translator import Translator
from course_lib.batching import batches, pad
from course_lib.decoding import EXTRA_LENGTH, PrefixDecoder
from course_lib.decoding import translate as plain_translate
from course_lib.fast.choice import pick_loss
from course_lib.fast.decoding import translate as fast_translate
from course_lib.tokenizer import EOS_ID, PAD_ID, Tokenizer
from course_lib.training import Trainer, recipe_for
from course_lib.transformer import Transformer

BATCH = 128
ALPHA = 0.6
BEAM = 4
ROUNDS = 3
SENTENCES = 1000
READABLE = 250  # of them for our search as the notebook has it
WITHOUT_CACHE = 32  # and for those who compute every prefix anew: they take a second for a few


@dataclass
class Engine:
    """Who translates, under which setting, how many sentences of the test, and how fast in each round."""

    name: str
    translate: Callable[[Sequence[str], int, float], list[str]]
    setting: Setting = ONE_DNN
    sentences: int = SENTENCES
    speeds: dict[int, list[float]] = field(default_factory=lambda: {1: [], BEAM: []})

    def run(self, sentences: Sequence[str], beam: int) -> None:
        some = evenly(sentences, self.sentences)
        with self.setting.applied():
            self.speeds[beam].append(len(some) / seconds(lambda: self.translate(some, beam, ALPHA)))


def evenly(sentences: Sequence[str], n: int) -> list[str]:
    """n of them, from the whole test set."""
    return list(sentences[:: max(1, len(sentences) // n)][:n])


def engines(translator: Translator, folder: Path, lines: Sequence[str]) -> list[Engine]:
    model, tokenizer = translator.model, translator.tokenizer
    threads = torch.get_num_threads()
    splits = sorted({(1, threads), (threads, 1)})  # workers, and threads of each
    export_ctranslate2(translator, folder / "ctranslate2")

    def ours(workers: int) -> Callable[[Sequence[str], int, float], list[str]]:
        return lambda lines, beam, alpha: fast_translate(model, tokenizer, lines, beam, alpha, BATCH, workers)

    torch_peer: Any = TorchTransformer.with_weights_of(model).eval()
    marian = Marian.with_weights_of(model).eval()
    found = [
        *(Engine(f"ours, {workers} x {own}", ours(workers)) for workers, own in splits),
        Engine("ours, readable, cache", partial(plain_translate, model, tokenizer), sentences=READABLE),
        Engine(
            "ours, readable, no cache",
            partial(plain_translate, model, tokenizer, decoder=PrefixDecoder),
            sentences=WITHOUT_CACHE,
        ),
        Engine(
            "torch.nn.Transformer, no cache",
            partial(plain_translate, torch_peer, tokenizer, decoder=PrefixDecoder),
            AS_WRITTEN,
            WITHOUT_CACHE,
        ),
        hugging_face_at_its_best(marian, tokenizer, lines),
    ]
    for kind in ("float32", "int8"):
        for workers, own in splits:
            engine = ctranslate2.Translator(
                str(folder / "ctranslate2"), compute_type=kind, inter_threads=workers, intra_threads=own
            )
            found.append(Engine(f"CTranslate2 {kind}, {workers} x {own}", ct2(engine, tokenizer)))
    return found


def hugging_face_at_its_best(marian: Marian, tokenizer: Tokenizer, lines: Sequence[str]) -> Engine:
    """Under the setting in which it translates these lines the quicker."""
    tried = []
    for setting in (AS_WRITTEN, ONE_DNN):
        engine = Engine(f"Hugging Face generate, best: {setting.name}", hugging_face(marian, tokenizer), setting)
        for _ in range(2):
            engine.run(lines, BEAM)
        tried.append(engine)
    best = max(tried, key=lambda engine: max(engine.speeds[BEAM]))
    return replace(best, speeds={1: [], BEAM: []})


def hugging_face(marian: Marian, tokenizer: Tokenizer) -> Callable[[Sequence[str], int, float], list[str]]:
    @torch.inference_mode()
    def translate(sentences: Sequence[str], beam: int, alpha: float) -> list[str]:
        rows = [tokenizer.encode(sentence) + [EOS_ID] for sentence in sentences]
        order = sorted(range(len(rows)), key=lambda i: -len(rows[i]))
        found = [""] * len(rows)
        for start in range(0, len(order), BATCH):
            block = order[start : start + BATCH]
            src = pad([rows[i] for i in block])
            options: dict[str, Any] = {"length_penalty": alpha} if beam > 1 else {}
            out = marian.marian.generate(
                input_ids=src,
                attention_mask=src != PAD_ID,
                num_beams=beam,
                do_sample=False,
                max_new_tokens=src.size(1) + EXTRA_LENGTH,
                **options,
            )
            for i, ids in zip(block, out.tolist(), strict=True):
                found[i] = tokenizer.decode(ids)
        return found

    return translate


def ct2(engine: ctranslate2.Translator, tokenizer: Tokenizer) -> Callable[[Sequence[str], int, float], list[str]]:
    from sentencepiece import SentencePieceProcessor

    pieces = SentencePieceProcessor(model_proto=tokenizer.model)

    def translate(sentences: Sequence[str], beam: int, alpha: float) -> list[str]:
        results = engine.translate_batch(
            [pieces.encode(f" {sentence}", out_type=str) for sentence in sentences],
            beam_size=beam,
            length_penalty=alpha,
            min_decoding_length=0,
            max_batch_size=BATCH,
        )
        return [pieces.decode(result.hypotheses[0]).removeprefix(" ") for result in results]

    return translate


def train_weights(corpus: str, minutes: float, folder: Path) -> None:
    """A run of the size of the training race, by the quick recipe, without dropout: there are only minutes."""
    text = training_text(corpus)
    config, budget = replace(text.config("small"), p_drop=0.0), Budget("minutes", minutes)
    recipe = recipe_for("quick", config.d_model)
    settings = Settings(corpus, "small", "quick", config.vocab, 0, budget)
    model = Transformer(config).train()
    trainer = Trainer(model, recipe, pick_loss(model, pick_device("cpu"))[0])
    begin = time.monotonic()
    for batch in batches(text.pairs, recipe.max_tokens):
        progress = (time.monotonic() - begin) / (60 * minutes)
        if progress >= 1:
            break
        trainer.step(batch, progress)
    Run.create(folder, settings, config, recipe, text.tokenizer).write_weights(trainer.averaged_weights())


def race(run: Path, corpus: str) -> dict[str, Any]:
    """Sentences per second of all, the ratios of ours to them, how many outputs are the same, and BLEU."""
    from sacrebleu.metrics import BLEU

    translator = Translator.load(run)
    sentences, references = sentences_of_test(corpus, SENTENCES)
    with tempfile.TemporaryDirectory() as folder:
        all_engines = engines(translator, Path(folder), sentences[: BATCH // 2])
        for engine in all_engines:  # warm up
            engine.translate(sentences[:BATCH:8], BEAM, ALPHA)
        for _ in range(ROUNDS):
            for engine in all_engines:
                for beam in (1, BEAM):
                    engine.run(sentences, beam)
        return {
            "run": str(run),
            "sentences": len(sentences),
            "speeds": {e.name: {beam: statistics.median(s) for beam, s in e.speeds.items()} for e in all_engines},
            "ratios": {e.name: ratios(all_engines, e) for e in all_engines},
            "same": same_outputs(all_engines, sentences),
            "bleu": {
                f"{engine.name}, alpha {alpha}": BLEU()
                .corpus_score(engine.translate(sentences, BEAM, alpha), [references])
                .score
                for engine in (all_engines[0], named(all_engines, "CTranslate2 float32"))
                for alpha in (0.0, ALPHA)
            },
        }


def ratios(engines: list[Engine], engine: Engine) -> dict[int, float]:
    """Ours to this one, at the same number of workers and threads; greedy and with a beam."""
    alike = [e for e in engines if e.name == f"ours, {engine.name.rsplit(', ', 1)[-1]}"]
    own = alike[0] if alike else engines[0]
    return {
        beam: statistics.median(a / b for a, b in zip(own.speeds[beam], engine.speeds[beam], strict=True))
        for beam in engine.speeds
    }


def same_outputs(engines: list[Engine], sentences: Sequence[str]) -> dict[str, dict[int, float]]:
    """The share of translations that are word for word ours."""
    found = {}
    ours = {beam: dict(zip(sentences, engines[0].translate(sentences, beam, 0.0), strict=True)) for beam in (1, BEAM)}
    for name in ("ours, readable, no cache", "torch.nn.Transformer", "Hugging Face", "CTranslate2 float32"):
        engine = named(engines, name)
        some = evenly(sentences, engine.sentences)
        shares = {}
        for beam in ours:
            theirs = engine.translate(some, beam, 0.0)
            shares[beam] = sum(ours[beam][line] == one for line, one in zip(some, theirs, strict=True)) / len(some)
        found[engine.name] = shares
    return found


def named(engines: list[Engine], beginning: str) -> Engine:
    return next(engine for engine in engines if engine.name.startswith(beginning))
