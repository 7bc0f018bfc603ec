"""From probabilities to sentences: greedy and beam search, with and without a cache (section 6.1).

Built from the notebooks: edit the cell named above a definition, then run `course build`.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple, Protocol, cast

import torch
from torch import Tensor

from course_lib.attention import scaled_dot_product_attention
from course_lib.batching import pad
from course_lib.masks import padding_mask
from course_lib.tokenizer import BOS_ID, EOS_ID, PAD_ID, Tokenizer
from course_lib.transformer import DecoderLayer, Transformer

__all__ = [
    "Beam",
    "Cache",
    "CachedDecoder",
    "EXTRA_LENGTH",
    "Found",
    "PrefixDecoder",
    "StepDecoder",
    "attend_step",
    "beam_search",
    "beam_search_batch",
    "best_live",
    "extend",
    "greedy_decode",
    "layer_step",
    "length_penalty",
    "note_ended",
    "still_open",
    "translate",
    "words_only",
]


# Explained in notebooks/13_decoding.ipynb
def words_only(logits: Tensor) -> Tensor:
    """The logits (..., V), with no chance for PAD and BOS."""
    return logits.index_fill(-1, torch.tensor([PAD_ID, BOS_ID], device=logits.device), -math.inf)


# Explained in notebooks/13_decoding.ipynb
def greedy_decode(
    decoder: Callable[[Tensor], Tensor], batch_size: int, bos_id: int, eos_id: int, pad_id: int, max_len: int
) -> Tensor:
    """The most probable next token, again and again.

    Args:
        decoder: prefix (B, t), which begins with BOS -> logits (B, t, V); only the last place is read
        max_len: tokens at most, EOS included

    Returns:
        (B, at most max_len), without BOS, with EOS, padding after it
    """
    ids = torch.full((batch_size, 1), bos_id)
    done = torch.zeros(batch_size, dtype=torch.bool)
    for _ in range(max_len):
        next_ids = decoder(ids)[:, -1].argmax(-1).to(ids.device).masked_fill(done, pad_id)
        ids = torch.cat([ids, next_ids[:, None]], dim=1)
        done |= next_ids == eos_id
        if done.all():
            break
    return ids[:, 1:]


# Explained in notebooks/13_decoding.ipynb
def length_penalty(length: Any, alpha: float) -> Any:
    """((5 + length) / 6)^alpha: log-probabilities are divided by it (Wu et al. 2016; section 6.1).

    `length` is a number, or a tensor of them; it counts EOS.
    """
    return ((5 + length) / 6) ** alpha


# Explained in notebooks/13_decoding.ipynb
def beam_search(
    decoder: Callable[[Tensor], Tensor], bos_id: int, eos_id: int, max_len: int, beam_size: int, alpha: float
) -> tuple[list[int], float]:
    """The best-scored translation of one sentence among those that a beam finds.

    Args:
        decoder: prefixes (n, t), which begin with BOS -> logits (n, t, V)

    Returns:
        ids without BOS, with EOS, and their score. Only if nothing ended within `max_len` does the best unfinished
        hypothesis stand in.
    """
    live = [([bos_id], 0.0)]
    ended: list[tuple[list[int], float]] = []
    for length in range(1, max_len + 1):
        log_p = decoder(torch.tensor([ids for ids, _ in live]))[:, -1].log_softmax(-1)  # (n, V)
        total = log_p + torch.tensor([score for _, score in live], device=log_p.device)[:, None]
        best = total.flatten().topk(min(2 * beam_size, total.numel()))
        vocab, parents, live = log_p.size(-1), live, []
        for rank, (score, flat) in enumerate(zip(best.values.tolist(), best.indices.tolist(), strict=True)):
            parent, token = divmod(flat, vocab)
            hypothesis = [*parents[parent][0], token]
            if token == eos_id and rank < beam_size and score > -math.inf:
                ended.append((hypothesis[1:], score / length_penalty(length, alpha)))
            elif token != eos_id and len(live) < beam_size:
                live.append((hypothesis, score))
        # no live hypothesis can do better than lose nothing more and become as long as allowed
        if ended and max(s for _, s in ended) >= live[0][1] / length_penalty(max_len, alpha):
            break
    if not ended:
        ended = [(ids[1:], score / length_penalty(max_len, alpha)) for ids, score in live]
    return max(ended, key=lambda hypothesis: hypothesis[1])


# Explained in notebooks/13_decoding.ipynb
Cache = tuple[Tensor, Tensor]  # keys and values of all positions so far, (B, h, t, d) each


# Explained in notebooks/13_decoding.ipynb
def attend_step(q_t: Tensor, k_t: Tensor, v_t: Tensor, cache: Cache | None = None) -> tuple[Tensor, Cache]:
    """Causal self-attention, one position at a time: q_t, k_t, v_t (B, h, 1, d) -> out_t (B, h, 1, d), new cache.

    No mask is needed: what is not yet in the cache cannot be looked at.
    """
    if cache is not None:
        k_t, v_t = torch.cat([cache[0], k_t], dim=-2), torch.cat([cache[1], v_t], dim=-2)
    return scaled_dot_product_attention(q_t, k_t, v_t)[0], (k_t, v_t)


# Explained in notebooks/13_decoding.ipynb
def layer_step(
    layer: DecoderLayer, x: Tensor, cache: Cache | None, memory: Cache, src_mask: Tensor
) -> tuple[Tensor, Cache]:
    """A decoder layer for one new position: x (n, 1, d_model) -> the same shape, and the longer cache.

    `memory` holds the keys and values that the layer's cross-attention makes of the encoder's output.
    """
    new_cache: Cache

    def self_attention(x: Tensor) -> Tensor:
        nonlocal new_cache
        a = layer.self_attention
        q, k, v = (a.split_heads(W(x)) for W in (a.W_Q, a.W_K, a.W_V))
        heads, new_cache = attend_step(q, k, v, cache)
        return a.W_O(a.merge_heads(heads))

    def cross_attention(x: Tensor) -> Tensor:
        a = layer.cross_attention
        heads, _ = scaled_dot_product_attention(a.split_heads(a.W_Q(x)), *memory, src_mask)
        return a.W_O(a.merge_heads(heads))

    x = layer.sublayers[0](x, self_attention)
    x = layer.sublayers[1](x, cross_attention)
    return layer.sublayers[2](x, layer.feed_forward), new_cache


# Explained in notebooks/13_decoding.ipynb
class StepDecoder(Protocol):
    """Decodes prefixes that grow by one token a call. PAD and BOS are never said: they are not words."""

    def __call__(self, prefix: Tensor) -> Tensor:
        """prefix (n, t) -> logits (n, 1, V) of the next token"""

    def select(self, rows: Tensor) -> None:
        """Go on with these rows of the last call, in this order."""


# Explained in notebooks/13_decoding.ipynb
class CachedDecoder:
    """A trained decoder, one position a call, that keeps the keys and values of all earlier ones.

    It reaches into the library's own layers; a model with other parts is decoded by `PrefixDecoder`.
    """

    def __init__(self, model: Transformer, src: Tensor) -> None:
        self.model = model
        self.layers = cast(list[DecoderLayer], model.decoder.layers)
        self.src_mask = padding_mask(src, model.config.pad_id)
        memory = model.encode(src)
        uses = [layer.cross_attention for layer in self.layers]
        self.memory = [(a.split_heads(a.W_K(memory)), a.split_heads(a.W_V(memory))) for a in uses]
        self.cache: list[Cache | None] = [None] * len(uses)

    def __call__(self, prefix: Tensor) -> Tensor:
        last = prefix[:, -1:].to(self.src_mask.device)
        x = self.model.embed(last) + self.model.position.table[prefix.size(1) - 1]  # (n, 1, d_model)
        for i, layer in enumerate(self.layers):
            x, self.cache[i] = layer_step(layer, x, self.cache[i], self.memory[i], self.src_mask)
        return words_only(self.model.logits(x))

    def select(self, rows: Tensor) -> None:
        """Go on with these rows, in this order."""
        self.cache = [cache and (cache[0][rows], cache[1][rows]) for cache in self.cache]
        self.memory = [(k[rows], v[rows]) for k, v in self.memory]
        self.src_mask = self.src_mask[rows]


# Explained in notebooks/13_decoding.ipynb
class PrefixDecoder:
    """Decodes the whole prefix in every call: slower, but all it needs is a model with `encode` and `decode`."""

    def __init__(self, model: Transformer, src: Tensor) -> None:
        self.model, self.src, self.memory = model, src, model.encode(src)

    def __call__(self, prefix: Tensor) -> Tensor:
        states = self.model.decode(prefix.to(self.src.device), self.memory, self.src)
        return words_only(self.model.logits(states[:, -1:]))

    def select(self, rows: Tensor) -> None:
        """Go on with these rows, in this order."""
        self.src, self.memory = self.src[rows], self.memory[rows]


# Explained in notebooks/13_decoding.ipynb
class Beam(NamedTuple):
    """The live hypotheses of n sentences, k each, best first."""

    sentence: Tensor  # (n,) which sentence a row belongs to
    ids: Tensor  # (n, k, t), beginning with BOS
    scores: Tensor  # (n, k) log-probabilities


def extend(beam: Beam, logits: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The 2 k best continuations, by logits (n, k, V): ids (n, 2 k, t + 1), scores and parents (n, 2 k)."""
    total = beam.scores[:, :, None] + logits.float().log_softmax(-1)
    scores, flat = total.flatten(1).topk(2 * logits.size(1))
    parents, tokens = flat // logits.size(-1), flat % logits.size(-1)
    prefixes = beam.ids.gather(1, parents[:, :, None].expand(-1, -1, beam.ids.size(-1)))
    return torch.cat([prefixes, tokens[:, :, None]], dim=-1), scores, parents


def best_live(ids: Tensor, scores: Tensor, parents: Tensor, k: int) -> tuple[Tensor, Tensor, Tensor]:
    """The k best of the continuations that have not ended."""
    keep = (ids[:, :, -1] == EOS_ID).int().argsort(dim=1, stable=True)[:, :k]
    return ids.gather(1, keep[:, :, None].expand(-1, -1, ids.size(-1))), scores.gather(1, keep), parents.gather(1, keep)


# Explained in notebooks/13_decoding.ipynb
EXTRA_LENGTH = 50  # an output may be this much longer than its input (6.1)
Found = dict[int, tuple[list[int], float]]  # sentence -> the best ended hypothesis so far, and its score


def beam_search_batch(
    decoder: StepDecoder, limits: Tensor, beam_size: int, alpha: float, extend: Callable = extend
) -> list[list[int]]:
    """`beam_search` for many sentences: `decoder` has a row for each, `limits` (B,) are their longest outputs.

    Returns the ids of each sentence, without BOS, with EOS.
    """
    n, device = len(limits), limits.device
    decoder.select(torch.arange(n, device=device).repeat_interleave(beam_size))
    scores = torch.full((n, beam_size), -math.inf, device=device)
    scores[:, 0] = 0.0  # k equal beginnings are one
    beam = Beam(torch.arange(n, device=device), torch.full((n, beam_size, 1), BOS_ID, device=device), scores)
    found: Found = {}
    for length in range(1, int(limits.max()) + 1):
        logits = decoder(beam.ids.flatten(0, 1))[:, -1].unflatten(0, (-1, beam_size))
        ids, scores, parents = extend(beam, logits)
        note_ended(found, beam.sentence, ids[:, :beam_size], scores[:, :beam_size] / length_penalty(length, alpha))
        beam_ids, scores, parents = best_live(ids, scores, parents, beam_size)
        going_on = still_open(found, Beam(beam.sentence, beam_ids, scores), limits, length, alpha)
        if not going_on.any():
            break
        rows = torch.arange(len(parents), device=device)[:, None] * beam_size + parents
        decoder.select(rows[going_on].flatten())
        beam = Beam(beam.sentence[going_on], beam_ids[going_on], scores[going_on])
    return [found[i][0] for i in range(n)]


# Explained in notebooks/13_decoding.ipynb
def note_ended(found: Found, sentence: Tensor, ids: Tensor, scores: Tensor) -> None:
    """Of ids (n, k, t) and their penalised scores (n, k), keep those that end here and beat what was found before."""
    for row, rank in ((ids[:, :, -1] == EOS_ID) & scores.isfinite()).nonzero().tolist():
        number, score = int(sentence[row]), float(scores[row, rank])
        if number not in found or score > found[number][1]:
            found[number] = (ids[row, rank, 1:].tolist(), score)


def still_open(found: Found, beam: Beam, limits: Tensor, length: int, alpha: float) -> Tensor:
    """(n,) whether a live hypothesis may still win, if it loses nothing more and becomes as long as allowed.

    A sentence at its limit of which nothing has ended takes its best unfinished hypothesis.
    """
    limit = limits[beam.sentence]
    bound = beam.scores[:, 0] / length_penalty(limit, alpha)
    for row in (length >= limit).nonzero().flatten().tolist():
        found.setdefault(int(beam.sentence[row]), (beam.ids[row, 0, 1:].tolist(), float(bound[row])))
    best = torch.tensor([found[i][1] if i in found else -math.inf for i in beam.sentence.tolist()], device=limit.device)
    return (length < limit) & (best < bound)


# Explained in notebooks/13_decoding.ipynb
@torch.inference_mode()
def translate(
    model: Transformer,
    tokenizer: Tokenizer,
    sentences: Sequence[str],
    beam_size: int = 4,
    alpha: float = 0.6,
    batch_size: int = 64,
    decoder: Callable[[Transformer, Tensor], StepDecoder] = CachedDecoder,
) -> list[str]:
    """Translate: greedily if `beam_size` is 1, else by beam search with the paper's settings (6.1)."""
    model.eval()
    device = next(model.parameters()).device
    rows = [tokenizer.encode(sentence) + [EOS_ID] for sentence in sentences]
    order = sorted(range(len(rows)), key=lambda i: -len(rows[i]))
    translations = [""] * len(rows)
    for start in range(0, len(order), batch_size):
        block = order[start : start + batch_size]
        src = pad([rows[i] for i in block]).to(device)
        limits = ((src != PAD_ID).sum(1) + EXTRA_LENGTH).clamp(max=model.config.max_len)
        for i, ids in zip(block, _decode(decoder(model, src), limits, beam_size, alpha), strict=True):
            translations[i] = tokenizer.decode(ids)
    return translations


def _decode(decoder: StepDecoder, limits: Tensor, beam_size: int, alpha: float) -> Iterable[Sequence[int]]:
    if beam_size > 1:
        return beam_search_batch(decoder, limits, beam_size, alpha)
    rows = greedy_decode(decoder, len(limits), BOS_ID, EOS_ID, PAD_ID, int(limits.max())).tolist()
    return [row[:limit] for row, limit in zip(rows, limits.tolist(), strict=True)]
