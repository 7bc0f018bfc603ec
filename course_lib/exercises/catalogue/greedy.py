"""Greedy decoding."""

import random as python_random
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from course_lib.decoding import greedy_decode
from course_lib.exercises.catalogue.toy_decoder import Logits, NextLogits, ToyDecoder, ranks
from course_lib.exercises.common import errors
from course_lib.exercises.exercise import Card, Exercise, Mistake, Observation, Observations, Probe
from course_lib.exercises.trial import Trial, tensors

BOS, EOS, PAD, VOCAB = 1, 2, 0, 6  # as in the course; some probes have others


# --- decoders ---


def says(
    scripts: Sequence[Sequence[int]],
    bos: int = BOS,
    eos: int = EOS,
    vocab: int = VOCAB,
    step: float = 0.5,
    never: Sequence[int] = (),
) -> NextLogits:
    """Each row prefers its script as long as it has followed it; off the script it rambles.

    What stands after EOS in a script is what the row would say if it were asked on, whatever it has read since.

    Args:
        step: between one logit and the next; all are negative
        never: ids of probability 0
    """

    def next_logits(row: int, prefix: tuple[int, ...]) -> Logits:
        said, script = prefix[1:], scripts[row % len(scripts)]
        order = list(ranks(3 + row, prefix, vocab))
        if prefix[0] == bos and len(said) < len(script) and _followed(said, script, eos):
            best, target = order.index(vocab - 1), script[len(said)]
            order[best], order[target] = order[target], vocab - 1
        return [-float("inf") if i in never else step * (rank - vocab) for i, rank in enumerate(order)]

    return next_logits


def _followed(said: Sequence[int], script: Sequence[int], eos: int) -> bool:
    n = list(script).index(eos) + 1 if eos in script else len(script)
    return list(said[:n]) == list(script[: min(n, len(said))])


def rambles(seed: int, vocab: int, ids: tuple[int, int, int], step: float = 0.5, offset: float = 0.0) -> NextLogits:
    """Every token depends on the whole prefix, and on the row. BOS and padding are less probable than all others."""
    bos, _, pad = ids

    def next_logits(row: int, prefix: tuple[int, ...]) -> Logits:
        order = ranks(seed + row, prefix, vocab)
        return [step * (rank - vocab * (i in (bos, pad))) + offset for i, rank in enumerate(order)]

    return next_logits


class DecoderModule(nn.Module):
    def __init__(self, decoder: ToyDecoder) -> None:
        super().__init__()
        self.decoder = decoder

    def forward(self, prefix: Tensor) -> Tensor:
        return self.decoder(prefix)


# --- probes ---


def settled(ids: Tensor, pad_id: int, max_len: int) -> Tensor:
    """The ids with max_len columns: whether padding that follows every row's end is returned is free."""
    ids = ids.long()
    while ids.size(1) > max_len and bool((ids[:, -1] == pad_id).all()):
        ids = ids[:, :-1]
    return nn.functional.pad(ids, (0, max(0, max_len - ids.size(1))), value=pad_id)


def decodes(
    trial: Trial,
    next_logits: NextLogits,
    batch_size: int,
    max_len: int,
    ids: tuple[int, int, int] = (BOS, EOS, PAD),
    dtype: torch.dtype = torch.float32,
    wrap: Callable[[ToyDecoder], Callable[[Tensor], Tensor]] = lambda decoder: decoder,
    twice: bool = False,
) -> Observation:
    decoder = ToyDecoder(next_logits, dtype)
    run = trial.call if twice else trial.once
    (answer,) = tensors(run(None, wrap(decoder), batch_size, *ids, max_len), 1)
    whole = not answer.is_floating_point() and answer.dtype != torch.bool
    shown = settled(answer, ids[2], max_len) if answer.dim() == 2 else answer
    longer = {"more than max_len tokens": shown.size(1) > max_len} if answer.dim() == 2 else {}
    return trial.seen(ids=shown, whole_numbers=whole, **longer, **decoder.noted(ids[0], max_len)) | {
        "_rows": decoder.most_rows
    }


def one_sentence(trial: Trial) -> Observation:
    return decodes(trial, says([[4, 3, 2, 5, 4]]), 1, 5)


def two_sentences(trial: Trial) -> Observation:
    return decodes(trial, says([[3, 2, 4, 5, 3, 4], [5, 4, 3, 4, 2, 3]]), 2, 6, twice=True)


def long_first(trial: Trial) -> Observation:
    """The first sentence ends last; the others say EOS again if they are asked on."""
    return decodes(trial, says([[4, 3, 5, 4, 2, 5], [2, 2, 2, 2, 2, 2], [5, 2, 2, 3, 3, 4]]), 3, 6)


def at_once(trial: Trial) -> Observation:
    return decodes(trial, says([[2, 4, 3], [2, 5, 5]]), 2, 3)


def together(trial: Trial) -> Observation:
    return decodes(trial, says([[4, 3, 2, 5], [5, 5, 2, 3], [3, 4, 2, 4]]), 3, 5)


def endless(trial: Trial) -> Observation:
    return decodes(trial, says([[3, 4, 5, 3, 4, 5, 3], [5, 4, 4, 5, 3, 3, 4]]), 2, 4)


def on_the_limit(trial: Trial) -> Observation:
    return decodes(trial, says([[3, 4, 2, 5, 3], [4, 5, 3, 4, 2]]), 2, 3)


def single_step(trial: Trial) -> Observation:
    return decodes(trial, says([[4, 3, 5], [2, 4, 4], [5, 2, 3]]), 3, 1)


def other_ids(trial: Trial) -> Observation:
    bos, eos, pad = 4, 0, 6
    return decodes(trial, says([[5, 0, 3, 2, 1, 5], [1, 2, 5, 3, 0, 2]], bos, eos, vocab=7), 2, 6, (bos, eos, pad))


def more_ids(trial: Trial) -> Observation:
    """Id 0 is a word, and so is the last one."""
    bos, eos, pad = 6, 3, 2
    scripts = [[0, 7, 1, 3, 0, 5, 0], [7, 0, 0, 5, 7, 4, 3], [5, 3, 4, 4, 0, 1, 7]]
    return decodes(trial, says(scripts, bos, eos, vocab=8), 3, 7, (bos, eos, pad))


def repeats(trial: Trial) -> Observation:
    return decodes(trial, says([[3, 3, 3, 4, 4, 2], [5, 4, 5, 5, 5, 5]]), 2, 6)


def bos_said(trial: Trial) -> Observation:
    return decodes(trial, says([[3, 1, 4, 2, 5], [1, 5, 1, 1, 2]]), 2, 5)


def whole_prefix(trial: Trial) -> Observation:
    return decodes(trial, rambles(23, 9, (7, 4, 1)), 3, 8, (7, 4, 1), twice=True)


def forbidden_words(trial: Trial) -> Observation:
    return decodes(trial, says([[3, 5, 2, 4, 4], [4, 4, 3, 5, 2]], never=(PAD, BOS)), 2, 5)


def close(trial: Trial) -> Observation:
    return decodes(trial, says([[5, 4, 3, 5, 2], [4, 2, 5, 5, 3]], step=0.01), 2, 5)


def large(trial: Trial) -> Observation:
    return decodes(trial, rambles(62, 7, (5, 6, 0), step=20.0, offset=60.0), 2, 4, (5, 6, 0))


def double(trial: Trial) -> Observation:
    return decodes(trial, says([[4, 5, 2, 3, 3], [3, 4, 4, 5, 2]]), 2, 5, dtype=torch.float64)


def module(trial: Trial) -> Observation:
    return decodes(trial, says([[5, 2, 4, 4], [4, 3, 2, 5]]), 2, 4, wrap=DecoderModule)


def many(trial: Trial) -> Observation:
    return decodes(trial, rambles(7, 12, (10, 11, 0)), 5, 8, (10, 11, 0))


def chance(trial: Trial) -> Observation:
    """Whether it samples: a seed then decides. Compared is only what `many` sees, too."""
    answers = []
    for seed in (1, 2, 1, 2):
        torch.default_generator.manual_seed(seed)
        python_random.seed(seed)
        (answer,) = tensors(trial.once(None, ToyDecoder(rambles(80, 12, (10, 11, 0), step=0.1)), 3, 10, 11, 0, 5), 1)
        answers.append(settled(answer, 0, 5))
    same = [
        bool(a.shape == b.shape and (a == b).all()) for a, b in zip(answers, (answers[2], answers[3]), strict=False)
    ]
    differ = answers[0].shape != answers[1].shape or bool((answers[0] != answers[1]).any())
    return trial.seen(chance_decides=differ) | {"_seed decides": differ and all(same)}


def bf16(trial: Trial) -> Observation:
    return decodes(trial, says([[4, 3, 2, 3, 3], [3, 5, 4, 5, 2]]), 2, 5, dtype=torch.bfloat16)


def with_graph(trial: Trial) -> Observation:
    return decodes(
        trial,
        says([[4, 3, 2, 3, 3], [3, 5, 4, 5, 2]]),
        2,
        5,
        wrap=lambda decoder: lambda prefix: decoder(prefix).requires_grad_(),
    )


def kept_logits(trial: Trial) -> Observation:
    """A decoder that needs the tensors that it gave away."""
    given: list[tuple[Tensor, int]] = []

    def lends(decoder: ToyDecoder) -> Callable[[Tensor], Tensor]:
        def decode(prefix: Tensor) -> Tensor:
            logits = decoder(prefix)
            given.append((logits, logits._version))
            return logits

        return decode

    seen = decodes(trial, says([[4, 3, 2, 3, 3], [3, 5, 4, 5, 2]]), 2, 5, wrap=lends)
    return {**seen, "changes the decoder's logits": any(logits._version != version for logits, version in given)}


PROBES = (
    Probe(
        "one sentence",
        one_sentence,
        "A single sentence is not decoded word by word up to EOS.",
        "a decoder that prefers 4, 3, EOS (BOS is 1, EOS 2, padding 0)",
    ),
    Probe(
        "two sentences",
        two_sentences,
        "Of two sentences the one that ends first is not ended and padded as it should be.",
        "decoders that prefer 3, EOS and 5, 4, 3, 4, EOS (EOS is 2, padding 0)",
    ),
    Probe(
        "long first",
        long_first,
        "Where the first sentence is the longest, the result is not right.",
        "sentences of 5, 1 and 2 tokens, EOS (2) included",
    ),
    Probe(
        "endless",
        endless,
        "Where no sentence ends, there should be exactly max_len tokens.",
        "max_len 4 and sentences without EOS",
    ),
    Probe(
        "at once",
        at_once,
        "A sentence that is EOS at once is not returned as EOS.",
        "two sentences that are only EOS (2)",
    ),
    Probe(
        "together",
        together,
        "Where all sentences end in the same step, the result is not right.",
        "three sentences of 3 tokens",
    ),
    Probe(
        "on the limit",
        on_the_limit,
        "A sentence that ends with its max_len-th token, or does not end, is not right.",
        "max_len 3",
    ),
    Probe("one step", single_step, "With max_len 1 the result is not right.", "max_len 1"),
    Probe(
        "other ids",
        other_ids,
        "With other ids of BOS, EOS and padding the result is not right.",
        "BOS 4, EOS 0, padding 6",
    ),
    Probe(
        "more ids",
        more_ids,
        "With other ids of BOS, EOS and padding the result is not right.",
        "BOS 6, EOS 3, padding 2, words 0, 1, 4, 5, 7",
    ),
    Probe("repeats", repeats, "A sentence in which a word comes again is not right.", "a sentence 3, 3, 3, 4, 4, EOS"),
    Probe(
        "whole prefix",
        whole_prefix,
        "The next token is not the most probable one after the whole prefix.",
        "a decoder to which every earlier token matters",
    ),
    Probe(
        "forbidden words",
        forbidden_words,
        "Where some logits are minus infinity, the result is not right.",
        "logits of minus infinity for BOS and padding",
    ),
    Probe(
        "close",
        close,
        "Of two tokens that are nearly as probable, not the more probable one is taken.",
        "logits that are 0.01 apart",
    ),
    Probe(
        "large", large, "With larger logits the result is not right: an exponential overflows.", "logits from 60 to 180"
    ),
    Probe(
        "BOS said",
        bos_said,
        "The most probable token is not taken where it is BOS: to this function it is a token like others.",
        "a sentence 3, BOS, 4, EOS",
    ),
    Probe("float64", double, "With logits in double precision the result is not right.", "float64 logits"),
    Probe("module", module, "With an nn.Module as decoder the result is not right.", "an nn.Module"),
    Probe("many", many, "With a larger batch the result is not right.", "5 sentences, max_len 8"),
    Probe(
        "chance",
        chance,
        "The result is another one in every run: chance plays a part.",
        "the same decoder, several times",
    ),
    Probe("bfloat16", bf16, "logits in bfloat16 give something else", "bfloat16 logits", robust=True),
    Probe(
        "graph",
        with_graph,
        "logits that carry a graph (no torch.no_grad around it) give something else",
        "logits that require a gradient",
        robust=True,
    ),
    Probe(
        "kept logits",
        kept_logits,
        "it writes into the tensor that the decoder returned, which may need it",
        "",
        robust=True,
    ),
)


# --- the known mistakes ---


def first_tokens(batch_size: int, bos_id: int) -> Tensor:
    return torch.full((batch_size, 1), bos_id)


def grown(ids: Tensor, token: Tensor) -> Tensor:
    return torch.cat([ids, token[:, None]], dim=1)


def best(decoder: Callable[[Tensor], Tensor], ids: Tensor) -> Tensor:
    return decoder(ids)[:, -1].argmax(-1)


Pick = Callable[[Callable[[Tensor], Tensor], Tensor], Tensor]
Stop = Callable[[Tensor, Tensor, int], Any]


def loop(  # type: ignore[no-untyped-def]
    decoder,
    batch_size,
    bos_id,
    eos_id,
    pad_id,
    max_len,
    pick: Pick = best,
    stop: Stop = lambda done, token, eos_id: done.all(),
    pads: bool = True,
    cut: int = 1,
) -> Tensor:
    """Greedy decoding with a part of it exchanged."""
    ids, done = first_tokens(batch_size, bos_id), torch.zeros(batch_size, dtype=torch.bool)
    for _ in range(max_len):
        token = pick(decoder, ids)
        ids = grown(ids, token.masked_fill(done, pad_id) if pads else token)
        done = done | (ids[:, -1] == eos_id)
        if stop(done, ids[:, -1], eos_id):
            break
    return ids[:, cut:]


def picking(choose: Callable[[Tensor], Tensor]) -> Callable[..., Tensor]:
    """`choose` gets the logits (B, t, V)."""
    return partial(loop, pick=lambda decoder, ids: choose(decoder(ids)))


def feeding(part: Callable[[Tensor], Tensor]) -> Callable[..., Tensor]:
    return partial(loop, pick=lambda decoder, ids: best(decoder, part(ids)))


def eos_dropped(decoder, batch_size, bos_id, eos_id, pad_id, max_len):  # type: ignore[no-untyped-def]
    ids = greedy_decode(decoder, batch_size, bos_id, eos_id, pad_id, max_len)
    return ids.masked_fill(ids == eos_id, pad_id)


def stops_before_the_last_eos(decoder, batch_size, bos_id, eos_id, pad_id, max_len):  # type: ignore[no-untyped-def]
    ids, done = first_tokens(batch_size, bos_id), torch.zeros(batch_size, dtype=torch.bool)
    for _ in range(max_len):
        token = best(decoder, ids).masked_fill(done, pad_id)
        done = done | (token == eos_id)
        if done.all():
            break
        ids = grown(ids, token)
    return ids[:, 1:]


def padding_late(decoder, batch_size, bos_id, eos_id, pad_id, max_len):  # type: ignore[no-untyped-def]
    ids, done = first_tokens(batch_size, bos_id), torch.zeros(batch_size, dtype=torch.bool)
    before = done
    for _ in range(max_len):
        ids, before = grown(ids, best(decoder, ids).masked_fill(before, pad_id)), done
        done = done | (ids[:, -1] == eos_id)
        if done.all():
            break
    return ids[:, 1:]


def forgetful(decoder, batch_size, bos_id, eos_id, pad_id, max_len):  # type: ignore[no-untyped-def]
    ids, done = first_tokens(batch_size, bos_id), torch.zeros(batch_size, dtype=torch.bool)
    for _ in range(max_len):
        ids = grown(ids, best(decoder, ids).masked_fill(done, pad_id))
        done = ids[:, -1] == eos_id
        if done.all():
            break
    return ids[:, 1:]


def padded_with(number: Callable[[int, int], int]) -> Callable[..., Tensor]:
    """`number` of EOS and BOS."""

    def decode(decoder, batch_size, bos_id, eos_id, pad_id, max_len):  # type: ignore[no-untyped-def]
        return loop(decoder, batch_size, bos_id, eos_id, number(eos_id, bos_id), max_len)

    return decode


def padded_in_front(decoder, batch_size, bos_id, eos_id, pad_id, max_len):  # type: ignore[no-untyped-def]
    ids = greedy_decode(decoder, batch_size, bos_id, eos_id, pad_id, max_len)
    return torch.stack([torch.cat([row[row == pad_id], row[row != pad_id]]) for row in ids])


def transposed(decoder, batch_size, bos_id, eos_id, pad_id, max_len):  # type: ignore[no-untyped-def]
    return greedy_decode(decoder, batch_size, bos_id, eos_id, pad_id, max_len).T


def as_floats(decoder, batch_size, bos_id, eos_id, pad_id, max_len):  # type: ignore[no-untyped-def]
    return greedy_decode(decoder, batch_size, bos_id, eos_id, pad_id, max_len).float()


def feeds_floats(decoder, batch_size, bos_id, eos_id, pad_id, max_len):  # type: ignore[no-untyped-def]
    return loop(lambda ids: decoder(ids.float()), batch_size, bos_id, eos_id, pad_id, max_len).float()


def limited(other: Callable[[int], int]) -> Callable[..., Tensor]:
    def decode(decoder, batch_size, bos_id, eos_id, pad_id, max_len):  # type: ignore[no-untyped-def]
        return loop(decoder, batch_size, bos_id, eos_id, pad_id, other(max_len))

    return decode


def eos_forced(decoder, batch_size, bos_id, eos_id, pad_id, max_len, more=0):  # type: ignore[no-untyped-def]
    ids = loop(decoder, batch_size, bos_id, eos_id, pad_id, max_len + more - 1)
    ended = (ids == eos_id).any(1)
    if ended.all():
        return ids
    return grown(ids, torch.full((batch_size,), eos_id).masked_fill(ended, pad_id))


def counted(decoder, batch_size, bos_id, eos_id, pad_id, max_len):  # type: ignore[no-untyped-def]
    ids, ends = first_tokens(batch_size, bos_id), 0
    for _ in range(max_len):
        ids = grown(ids, best(decoder, ids))
        ends += int((ids[:, -1] == eos_id).sum())
        if ends >= batch_size:
            break
    ended = (ids[:, 1:] == eos_id).int()
    return ids[:, 1:].masked_fill(ended.cumsum(1) - ended > 0, pad_id)


def with_ids(change: Callable[[int, int, int], tuple[int, int, int]]) -> Callable[..., Tensor]:
    """Other ids of BOS, EOS and padding than those given."""

    def decode(decoder, batch_size, bos_id, eos_id, pad_id, max_len):  # type: ignore[no-untyped-def]
        return loop(decoder, batch_size, *change(bos_id, eos_id, pad_id), max_len)

    return decode


def without(token: str, first_only: bool = False) -> Callable[..., Tensor]:
    """One id ("bos_id", ...) is never chosen."""

    def decode(decoder, batch_size, bos_id, eos_id, pad_id, max_len):  # type: ignore[no-untyped-def]
        forbidden = {"bos_id": bos_id, "eos_id": eos_id, "pad_id": pad_id}[token]

        def pick(decoder: Callable[[Tensor], Tensor], ids: Tensor) -> Tensor:
            logits = decoder(ids)[:, -1].clone()
            if ids.size(1) == 1 or not first_only:
                logits[:, forbidden] = -float("inf")
            return logits.argmax(-1)

        return loop(decoder, batch_size, bos_id, eos_id, pad_id, max_len, pick)

    return decode


def no_repeats(decoder: Callable[[Tensor], Tensor], ids: Tensor) -> Tensor:
    return decoder(ids)[:, -1].scatter(1, ids[:, -1:], -float("inf")).argmax(-1)


def no_word_twice(decoder: Callable[[Tensor], Tensor], ids: Tensor) -> Tensor:
    return decoder(ids)[:, -1].scatter(1, ids, -float("inf")).argmax(-1)


def whole_buffer(decoder, batch_size, bos_id, eos_id, pad_id, max_len, read=lambda t: -1):  # type: ignore[no-untyped-def]
    out = torch.full((batch_size, max_len + 1), pad_id)
    out[:, 0] = bos_id
    done = torch.zeros(batch_size, dtype=torch.bool)
    for t in range(max_len):
        out[:, t + 1] = decoder(out)[:, read(t)].argmax(-1).masked_fill(done, pad_id)
        done |= out[:, t + 1] == eos_id
        if done.all():
            break
    return out[:, 1:]


def shrinking(decoder, batch_size, bos_id, eos_id, pad_id, max_len):  # type: ignore[no-untyped-def]
    out, rows, ids = (
        torch.full((batch_size, max_len), pad_id),
        torch.arange(batch_size),
        first_tokens(batch_size, bos_id),
    )
    for t in range(max_len):
        token = best(decoder, ids)
        out[rows, t] = token
        on = token != eos_id
        rows, ids = rows[on], grown(ids, token)[on]
        if len(rows) == 0:
            break
    return out


def batch_forgotten(decoder, batch_size, bos_id, eos_id, pad_id, max_len):  # type: ignore[no-untyped-def]
    return loop(decoder, 1, bos_id, eos_id, pad_id, max_len)


def exp_by_hand(logits: Tensor) -> Tensor:
    e = logits[:, -1].exp()
    return (e / e.sum(-1, keepdim=True)).argmax(-1)


def sampled(logits: Tensor) -> Tensor:
    return torch.multinomial(logits[:, -1].float().softmax(-1), 1)[:, 0]


def chance_plays(seen: Observations) -> bool:
    return bool(seen["chance"]["_seed decides"])


def answers(part: str) -> Callable[[Observations], bool]:
    """It returned something that is not a tensor: `part` of how that was said."""
    return lambda seen: any(one["error"] == "Answer" and part in str(one.get("_text")) for one in errors(seen))


def fails(name: str, seen: Observations) -> bool:
    return "error" in seen[name] and seen[name]["error"] not in (
        "forbidden",
        "time",
        "died",
        "missing",
        "Answer",
        "NotImplementedError",
    )


def only_in_batches(seen: Observations) -> bool:
    return fails("one sentence", seen) and not any(
        fails(name, seen) for name in ("two sentences", "long first", "many")
    )


def only_alone(seen: Observations) -> bool:
    return not fails("one sentence", seen) and all(
        fails(name, seen) for name in ("two sentences", "long first", "many")
    )


def one_row_at_a_time(seen: Observations) -> bool:
    found = seen["two sentences"]
    return bool(found["_rows"] == 1 and len(found["ids"]) == 2)  # type: ignore[arg-type]


def says_it(key: str, value: bool) -> Callable[[Observations], bool]:
    return lambda seen: any(one.get(key) is value for one in seen.values())


MISTAKES = (
    Mistake(
        "sampled",
        "The next token is drawn by chance. Greedy decoding takes the most probable one: argmax, and every run "
        "gives the "
        "same.",
        seen=chance_plays,
    ),
    Mistake(
        "lists_returned",
        "The sentences come back as lists. Asked for is one tensor (B, T) of ids; shorter sentences are filled up "
        "with padding for that very reason.",
        seen=answers("a list of"),
    ),
    Mistake(
        "returns_more_than_ids",
        "More than the ids is returned. Asked for is the tensor of ids alone.",
        seen=answers("a tuple of"),
    ),
    Mistake(
        "only_for_several_sentences",
        "It fails for a batch of one. Usually a `squeeze()` has taken the batch's axis away together with "
        "the one that was meant: name the axis, `squeeze(-1)`.",
        seen=only_in_batches,
    ),
    Mistake(
        "only_for_one_sentence",
        "It works for one sentence and fails for several. `.item()`, `int(...)` and `if token == eos_id` are "
        "questions to a single number; for a batch keep a flag for each row.",
        seen=only_alone,
    ),
    Mistake(
        "bos_kept",
        "BOS is in the result. It belongs to the prefix that the decoder reads; what was said begins after it.",
        partial(loop, cut=0),
    ),
    Mistake(
        "first_token_lost", "The first token that was said is missing. Only BOS is to be cut off.", partial(loop, cut=2)
    ),
    Mistake(
        "eos_dropped",
        "EOS is replaced by padding: the sentence is marked as ended before its EOS is written down. Write the token "
        "first, then mark.",
        eos_dropped,
    ),
    Mistake(
        "last_eos_dropped",
        "The loop is left before the last token is appended, so the sentences that end last lack their EOS. "
        "Append first, then ask whether all have ended.",
        stops_before_the_last_eos,
    ),
    Mistake(
        "not_padded",
        "A sentence that has ended goes on saying words until the longest has ended. From its EOS on it should say "
        "padding only.",
        partial(loop, pads=False),
    ),
    Mistake(
        "padding_one_late",
        "Padding begins one position too late: a word follows EOS. The flag that is asked is the one of the step "
        "before.",
        padding_late,
    ),
    Mistake(
        "end_not_remembered",
        "Only the token right after EOS is padded: in each step the flag is made anew from the newest token. Once "
        "ended, a sentence stays ended: `done |= ...`.",
        forgetful,
    ),
    Mistake(
        "padded_with_eos", "EOS is said again and again where padding should stand.", padded_with(lambda eos, bos: eos)
    ),
    Mistake(
        "padded_with_zero",
        "Padding is written as 0, whatever `pad_id` is. Multiplying by a flag of 0 and 1 does that, for one.",
        padded_with(lambda eos, bos: 0),
    ),
    Mistake("padded_with_bos", "BOS stands where padding should stand.", padded_with(lambda eos, bos: bos)),
    Mistake(
        "padded_in_front",
        "Padding stands before the words. Here it comes after EOS.",
        padded_in_front,
        source="left padding, as decoder-only models need it in their prompts",
        convention=True,
    ),
    Mistake(
        "time_first",
        "The result is (T, B): the steps were stacked along the first axis. Batch first: `torch.stack(steps, dim=1)`.",
        transposed,
        convention=True,
        source="PyTorch's recurrent layers without batch_first",
    ),
    Mistake(
        "floating_ids",
        "The ids are floating point numbers. An embedding looks up whole numbers: make the tensor with "
        "dtype=torch.long.",
        as_floats,
    ),
    Mistake(
        "decoder_given_floats",
        "The decoder is given floating point numbers: the prefix was made without dtype=torch.long, by "
        "torch.zeros for instance. An embedding looks up whole numbers.",
        feeds_floats,
        seen=says_it("the decoder was given whole numbers", False),
    ),
    Mistake(
        "max_len_counts_bos",
        "BOS is counted in max_len, so one token too few is said. max_len is about what is said.",
        limited(lambda n: n - 1),
    ),
    Mistake(
        "one_too_many",
        "max_len + 1 tokens are said where nothing ends before. Count the rounds: at most max_len of them.",
        limited(lambda n: n + 1),
    ),
    Mistake(
        "max_len_ignored",
        "It goes on past max_len. A model that never says EOS would go on for ever.",
        limited(lambda n: 50),
    ),
    Mistake(
        "eos_forced",
        "A sentence that did not end gets EOS as its last token. Being cut off by max_len is no end: the result "
        "says what "
        "the model said.",
        eos_forced,
    ),
    Mistake(
        "eos_added",
        "EOS is appended to a sentence that did not end. Being cut off by max_len is no end: the result says what "
        "the model "
        "said.",
        partial(eos_forced, more=1),
    ),
    Mistake(
        "stops_at_the_first_end",
        "It stops as soon as any sentence has ended, and cuts the others off. Stop when *all* have ended.",
        partial(loop, stop=lambda done, token, eos_id: done.any()),
    ),
    Mistake(
        "first_sentence_decides",
        "It stops when the first sentence has ended, and cuts the others off. Stop when *all* have ended.",
        partial(loop, stop=lambda done, token, eos_id: done[0]),
    ),
    Mistake(
        "ends_counted_twice",
        "It counts the EOS that are said, and a sentence that has ended can say it again: it stops too early. "
        "Count sentences, by a flag for each.",
        counted,
    ),
    Mistake(
        "stops_only_if_all_end_together",
        "It asks whether all say EOS in the *same* step, and pads nothing. Sentences end at "
        "different times: keep a flag for each.",
        partial(loop, pads=False, stop=lambda done, token, eos_id: (token == eos_id).all()),
    ),
    Mistake(
        "eos_ignored",
        "EOS is a word like others here: nothing ends before max_len. From its EOS on, a sentence should say padding.",
        partial(loop, pads=False, stop=lambda done, token, eos_id: False),
    ),
    Mistake("eos_fixed", "EOS is taken to be 2, whatever `eos_id` is.", with_ids(lambda bos, eos, pad: (bos, 2, pad))),
    Mistake(
        "eos_not_permitted_first",
        "EOS is not permitted as the first token. That is a minimum length, an option of some tools; plain "
        "greedy decoding takes what is most probable.",
        without("eos_id", first_only=True),
        convention=True,
        source="min_length in Hugging Face's generate and in fairseq",
    ),
    Mistake(
        "bos_never_said",
        "The logit of BOS is set to minus infinity. A translator may well do this (the course does it in the decoder), "
        "but this function takes the logits as they are.",
        without("bos_id"),
        convention=True,
        source="suppressed tokens, as in Hugging Face's generate",
    ),
    Mistake("eos_never_said", "EOS is never chosen, so nothing ends.", without("eos_id")),
    Mistake(
        "first_position",
        "The logits of the first position are read. The next token is predicted by the *last* one: `[:, -1]`.",
        picking(lambda logits: logits[:, 0].argmax(-1)),
    ),
    Mistake(
        "position_before_last",
        "The logits of the position before the last are read: they predict the token that is already known.",
        picking(lambda logits: logits[:, max(logits.size(1) - 2, 0)].argmax(-1)),
    ),
    Mistake(
        "mean_over_positions",
        "The logits of all positions are averaged. Only the last one predicts the next token.",
        picking(lambda logits: logits.mean(1).argmax(-1)),
    ),
    Mistake(
        "only_the_newest_token_is_read",
        "The decoder is given the newest token alone. Without a cache it needs the whole prefix, from BOS on.",
        feeding(lambda ids: ids[:, -1:]),
    ),
    Mistake(
        "bos_left_out_of_the_prefix",
        "BOS is left out of the prefix once there is a word. In training it stood before every sentence.",
        feeding(lambda ids: ids[:, 1:] if ids.size(1) > 1 else ids),
    ),
    Mistake(
        "starts_with_zero",
        "The prefix starts with 0, whatever `bos_id` is.",
        with_ids(lambda bos, eos, pad: (0, eos, pad)),
    ),
    Mistake(
        "starts_with_one",
        "The prefix starts with 1, whatever `bos_id` is.",
        with_ids(lambda bos, eos, pad: (1, eos, pad)),
    ),
    Mistake(
        "starts_with_eos",
        "The prefix starts with EOS. Here a sentence begins with BOS.",
        with_ids(lambda bos, eos, pad: (eos, eos, pad)),
        convention=True,
        source="fairseq's generator, and Marian's decoders",
    ),
    Mistake(
        "starts_with_padding",
        "The prefix starts with padding. Here a sentence begins with BOS.",
        with_ids(lambda bos, eos, pad: (pad, eos, pad)),
        convention=True,
        source="T5's decoder_start_token_id",
    ),
    Mistake(
        "whole_buffer_given",
        "The decoder is given the whole buffer with its padding, and the last position is read: that one predicts "
        "what follows the padding. Give it the prefix alone.",
        whole_buffer,
    ),
    Mistake(
        "decoder_given_too_much",
        "The decoder is given more than max_len tokens. With BOS, the longest prefix has max_len: what follows "
        "it is the last token. Models have no positions beyond their limit.",
        partial(whole_buffer, read=lambda t: t),
    ),
    Mistake(
        "ended_sentences_removed",
        "Sentences that have ended are taken out of the batch, so the others move up and meet the memory of "
        "other rows. Row i of the prefix belongs to row i of the source.",
        shrinking,
    ),
    Mistake(
        "one_sentence_at_a_time",
        "The decoder is given a batch of one. It holds the memory of the whole batch; row i of the prefix "
        "belongs to row i of the source.",
        seen=one_row_at_a_time,
    ),
    Mistake("batch_size_ignored", "A single sentence is decoded, whatever `batch_size` is.", batch_forgotten),
    Mistake(
        "first_row_for_all",
        "The token of the first sentence is used for the whole batch. Each row has a token of its own: argmax over "
        "the last axis.",
        picking(lambda logits: logits[0, -1].argmax(-1).expand(logits.size(0))),
    ),
    Mistake(
        "normalised_over_the_batch",
        "A softmax runs over the batch, so sentences compete with each other. The vocabulary is the last axis.",
        picking(lambda logits: logits[:, -1].softmax(0).argmax(-1)),
    ),
    Mistake(
        "normalised_over_time",
        "A softmax runs over the positions before the choice. The vocabulary is the last axis.",
        picking(lambda logits: logits.softmax(1)[:, -1].argmax(-1)),
    ),
    Mistake("least_probable", "The least probable token is taken.", picking(lambda logits: logits[:, -1].argmin(-1))),
    Mistake(
        "second_best",
        "The second best token is taken: topk's second column.",
        picking(lambda logits: logits[:, -1].topk(2).indices[:, 1]),
    ),
    Mistake(
        "last_id_out_of_reach",
        "The last id of the vocabulary is never chosen: the slice ends too early.",
        picking(lambda logits: logits[:, -1, :-1].argmax(-1)),
    ),
    Mistake(
        "first_id_out_of_reach",
        "The choice is made among the ids from 1 on, and 0 is never chosen.",
        picking(lambda logits: logits[:, -1, 1:].argmax(-1) + 1),
    ),
    Mistake(
        "ids_shifted",
        "The choice is made in a part of the vocabulary that begins after 0, and that beginning is not added again: "
        "every "
        "id is one too small.",
        picking(lambda logits: logits[:, -1, 1:].argmax(-1)),
    ),
    Mistake(
        "largest_absolute_value",
        "The logit with the largest absolute value is taken. A very negative logit is a very improbable token.",
        picking(lambda logits: logits[:, -1].abs().argmax(-1)),
    ),
    Mistake(
        "probabilities_rounded",
        "The probabilities are rounded before the choice, so close ones become equal. Take the argmax of the logits.",
        picking(lambda logits: (logits[:, -1].softmax(-1) * 100).round().argmax(-1)),
    ),
    Mistake(
        "exponential_overflows",
        "The exponential is taken as it stands: exp(89) is infinite in float32, and infinite by infinite is NaN. The "
        "softmax changes no order: the argmax of the logits is enough.",
        picking(exp_by_hand),
    ),
    Mistake(
        "same_token_not_twice",
        "The token before may not come again. That is an extra of some tools; plain greedy decoding takes what is "
        "most probable.",
        partial(loop, pick=no_repeats),
        convention=True,
        source="no_repeat_ngram_size in Hugging Face's generate",
    ),
    Mistake(
        "no_token_twice",
        "A token may not come twice in a sentence. That is an extra of some tools; plain greedy decoding takes what is "
        "most probable.",
        partial(loop, pick=no_word_twice),
        convention=True,
        source="repetition penalties, from Keskar et al. 2019 on",
    ),
)

EXERCISES = [
    Exercise(
        "greedy_decode",
        Card(2, 15, "From a trained model to a sentence, by the shortest way.", "13_decoding", "greedy"),
        greedy_decode,
        PROBES,
        MISTAKES,
        (
            "The decoder predicts one token after every position of the prefix. Which position do you need, and "
            "what do you "
            "give the decoder the next time? What tells you that a sentence has ended, three steps after it did?",
            "Begin with a column of BOS. In each of at most max_len rounds: the argmax of the last position's "
            "logits, replaced by "
            "padding in rows that have ended; append it; mark the rows that said EOS just now. Leave when all have.",
            "`token = decoder(ids)[:, -1].argmax(-1).masked_fill(done, pad_id)`, `ids = torch.cat([ids, token[:, "
            "None]], dim=1)`, "
            "`done |= token == eos_id`, `if done.all(): break`, and at last `return ids[:, 1:]`.",
        ),
    )
]
