"""attend_step: right and wrong implementations."""

import math
from typing import NamedTuple

import torch
import torch.nn.functional as F

from tests.implementations import right, wrong

EX = "attend_step"


# ---------------------------------------------------------------- right


@right(EX, "tuple", "the cache is a tuple of keys and values, torch.cat on the time axis")
def step_attention(q_t, k_t, v_t, cache=None):
    if cache is not None:
        k_t = torch.cat([cache[0], k_t], dim=2)
        v_t = torch.cat([cache[1], v_t], dim=2)
    scores = q_t @ k_t.transpose(-2, -1) / math.sqrt(q_t.size(-1))
    return scores.softmax(-1) @ v_t, (k_t, v_t)


@right(EX, "dict_einsum", "the cache is a new dict each time; einsum")
def incremental(q_t, k_t, v_t, cache=None):
    past = cache or {}
    keys = torch.cat((past["k"], k_t), -2) if "k" in past else k_t
    values = torch.cat((past["v"], v_t), -2) if "v" in past else v_t
    e = torch.einsum("bhqd,bhkd->bhqk", q_t, keys) * k_t.shape[-1] ** -0.5
    out = torch.einsum("bhqk,bhkd->bhqd", torch.softmax(e, dim=-1), values)
    return out, {"k": keys, "v": values}


class KV(NamedTuple):
    keys: tuple = ()
    values: tuple = ()


@right(EX, "tuple_of_steps", "a named tuple that holds the steps one by one; softmax by hand over a stack")
def attend_one(q_t, k_t, v_t, cache=None):
    cache = cache if cache is not None else KV()
    cache = KV((*cache.keys, k_t), (*cache.values, v_t))
    scores = torch.stack([(q_t * k).sum(-1) for k in cache.keys]) / math.sqrt(q_t.shape[-1])
    w = torch.exp(scores - scores.max(dim=0).values)
    w = w / w.sum(dim=0)
    out = sum(w_i.unsqueeze(-1) * v for w_i, v in zip(w, cache.values, strict=True))
    return out, cache


@right(EX, "newest_first", "new keys and values are put before the old ones: the order does not matter")
def newest_first(q_t, k_t, v_t, cache=None):
    if cache is None:
        k, v = k_t, v_t
    else:
        k, v = torch.cat([k_t, cache[0]], 2), torch.cat([v_t, cache[1]], 2)
    att = torch.matmul(q_t, k.mT).div(q_t.size(-1) ** 0.5)
    return torch.matmul(F.softmax(att, dim=3), v), [k, v]


@right(EX, "bmm", "batch and heads flattened, baddbmm and bmm; the cache keeps the flat tensors")
def flat_step(q_t, k_t, v_t, cache=None):
    b, h, _, d = q_t.shape
    q = q_t.reshape(b * h, 1, d)
    k = k_t.reshape(b * h, 1, d)
    v = v_t.reshape(b * h, 1, v_t.size(-1))
    if cache is not None:
        old_k, old_v = cache
        k, v = torch.cat([old_k, k], dim=1), torch.cat([old_v, v], dim=1)
    blank = q.new_zeros(b * h, 1, k.size(1))
    scores = torch.baddbmm(blank, q, k.transpose(1, 2), beta=0, alpha=1 / math.sqrt(d))
    out = torch.bmm(torch.softmax(scores, dim=2), v)
    return out.view(b, h, 1, -1), (k, v)


class Memory:
    def __init__(self, pairs=None):
        self.pairs = pairs

    def extended(self, k, v):
        pair = torch.cat([k, v], dim=-1)
        return Memory(pair if self.pairs is None else torch.cat([self.pairs, pair], dim=-2))


@right(EX, "object", "a small class that is never changed; keys and values side by side in one tensor")
def step_with_memory(q_t, k_t, v_t, cache=None):
    cache = (cache or Memory()).extended(k_t, v_t)
    keys, values = cache.pairs.split([k_t.size(-1), v_t.size(-1)], dim=-1)
    weights = torch.softmax((q_t.unsqueeze(-2) * keys.unsqueeze(-3)).sum(-1) / k_t.size(-1) ** 0.5, dim=-1)
    return weights @ values, cache


@right(EX, "copied_buffer", "a longer zero tensor is made each step and the old part copied into it")
def buffered(q_t, k_t, v_t, cache=None):
    n = 0 if cache is None else cache["length"]
    b, h, _, d = k_t.shape
    keys = k_t.new_zeros(b, h, n + 1, d)
    values = v_t.new_zeros(b, h, n + 1, v_t.size(-1))
    if n:
        keys[:, :, :n] = cache["keys"]
        values[:, :, :n] = cache["values"]
    keys[:, :, n] = k_t[:, :, 0]
    values[:, :, n] = v_t[:, :, 0]
    s = torch.matmul(q_t / math.sqrt(d), keys.permute(0, 1, 3, 2))
    return torch.matmul(s.log_softmax(-1).exp(), values), {"keys": keys, "values": values, "length": n + 1}


@right(EX, "head_by_head", "loops over sentences and heads")
def looped(q_t, k_t, v_t, cache=None):
    past_k, past_v = (k_t[:, :, :0], v_t[:, :, :0]) if cache is None else cache
    keys, values = torch.cat([past_k, k_t], dim=2), torch.cat([past_v, v_t], dim=2)
    rows = []
    for b in range(q_t.size(0)):
        heads = []
        for i in range(q_t.size(1)):
            w = (keys[b, i] @ q_t[b, i, 0] / math.sqrt(q_t.size(-1))).softmax(0)
            heads.append((w @ values[b, i]).unsqueeze(0))
        rows.append(torch.stack(heads))
    return torch.stack(rows), (keys, values)


# ---------------------------------------------------------------- wrong: what is kept


def attend(q, k, v):
    return (q @ k.transpose(-2, -1) / math.sqrt(q.size(-1))).softmax(-1) @ v


def grow(cache, k_t, v_t):
    if cache is None:
        return k_t, v_t
    return torch.cat([cache[0], k_t], dim=2), torch.cat([cache[1], v_t], dim=2)


@wrong(EX, "cache_ignored", "only the current position is attended to; the cache is passed through")
def present_only(q_t, k_t, v_t, cache=None):
    return attend(q_t, k_t, v_t), (k_t, v_t)


@wrong(EX, "last_two_only", "the cache returned holds the newest pair only: each step sees itself and the one before")
def newest_kept(q_t, k_t, v_t, cache=None):
    k, v = grow(cache, k_t, v_t)
    return attend(q_t, k, v), (k_t, v_t)


@wrong(EX, "cache_never_grows", "the first cache is returned again and again: steps see the first and themselves")
def stuck(q_t, k_t, v_t, cache=None):
    k, v = grow(cache, k_t, v_t)
    return attend(q_t, k, v), (cache if cache is not None else (k, v))


@wrong(EX, "past_only", "the current key and value are added after attending: position t does not see itself")
def strictly_past(q_t, k_t, v_t, cache=None):
    out = attend(q_t, k_t, v_t) if cache is None else attend(q_t, *cache)
    return out, grow(cache, k_t, v_t)


@wrong(EX, "first_step_not_kept", "the cache after the first step is empty: the first position is forgotten")
def forgets_first(q_t, k_t, v_t, cache=None):
    if cache is None:
        return attend(q_t, k_t, v_t), (k_t[:, :, :0], v_t[:, :, :0])
    k, v = grow(cache, k_t, v_t)
    return attend(q_t, k, v), (k, v)


@wrong(EX, "first_step_twice", "the cache starts as the first pair, then the pair is added to it")
def doubled_start(q_t, k_t, v_t, cache=None):
    if cache is None:
        cache = (k_t, v_t)
    k, v = grow(cache, k_t, v_t)
    return attend(q_t, k, v), (k, v)


@wrong(EX, "zero_start", "the cache starts with one zero key and value, which takes a share of the attention")
def zero_padded(q_t, k_t, v_t, cache=None):
    if cache is None:
        cache = (torch.zeros_like(k_t), torch.zeros_like(v_t))
    k, v = grow(cache, k_t, v_t)
    return attend(q_t, k, v), (k, v)


@wrong(EX, "fixed_buffer_not_masked", "a buffer of 16 zero keys is attended to whole, its empty part not masked")
def whole_buffer(q_t, k_t, v_t, cache=None):
    b, h, _, d = k_t.shape
    if cache is None:
        keys, values, n = k_t.new_zeros(b, h, 16, d), v_t.new_zeros(b, h, 16, d), 0
    else:
        keys, values, n = cache[0].clone(), cache[1].clone(), cache[2]
    keys[:, :, n], values[:, :, n] = k_t[:, :, 0], v_t[:, :, 0]
    return attend(q_t, keys, values), (keys, values, n + 1)


@wrong(EX, "buffer_of_eight", "a buffer of eight positions: fails at the ninth")
def eight_positions(q_t, k_t, v_t, cache=None):
    b, h, _, d = k_t.shape
    if cache is None:
        keys, values, n = k_t.new_zeros(b, h, 8, d), v_t.new_zeros(b, h, 8, d), 0
    else:
        keys, values, n = cache[0].clone(), cache[1].clone(), cache[2]
    keys[:, :, n], values[:, :, n] = k_t[:, :, 0], v_t[:, :, 0]
    n += 1
    return attend(q_t, keys[:, :, :n], values[:, :, :n]), (keys, values, n)


@wrong(EX, "ring_of_eight", "position modulo eight: from the ninth on the oldest is overwritten, silently")
def ring(q_t, k_t, v_t, cache=None):
    keys, values, n = ([], [], 0) if cache is None else (list(cache[0]), list(cache[1]), cache[2])
    if n < 8:
        keys.append(k_t)
        values.append(v_t)
    else:
        keys[n % 8], values[n % 8] = k_t, v_t
    return attend(q_t, torch.cat(keys, 2), torch.cat(values, 2)), (keys, values, n + 1)


@wrong(EX, "window", "only the newest four positions are attended to")
def windowed(q_t, k_t, v_t, cache=None):
    k, v = grow(cache, k_t, v_t)
    return attend(q_t, k[:, :, -4:], v[:, :, -4:]), (k, v)


@wrong(EX, "values_not_cached", "keys are cached, values are not: the newest value is weighed by every weight")
def keys_only(q_t, k_t, v_t, cache=None):
    k = k_t if cache is None else torch.cat([cache, k_t], dim=2)
    weights = (q_t @ k.transpose(-2, -1) / math.sqrt(q_t.size(-1))).softmax(-1)
    return weights @ v_t.expand(-1, -1, k.size(2), -1), k


@wrong(EX, "value_cache_shifted", "values are put before, keys behind: weights meet the wrong values")
def crossed(q_t, k_t, v_t, cache=None):
    if cache is None:
        k, v = k_t, v_t
    else:
        k, v = torch.cat([cache[0], k_t], dim=2), torch.cat([v_t, cache[1]], dim=2)
    return attend(q_t, k, v), (k, v)


@wrong(EX, "cache_swapped", "the cache comes back as (values, keys) and is read as (keys, values)")
def swapped(q_t, k_t, v_t, cache=None):
    k, v = grow(cache, k_t, v_t)
    return attend(q_t, k, v), (v, k)


@wrong(EX, "keys_of_values", "the key is stored where the value should be: all past values are keys")
def same_twice(q_t, k_t, v_t, cache=None):
    k, v = grow(cache, k_t, v_t)
    return attend(q_t, k, v), (k, k)


@wrong(EX, "cat_on_heads", "torch.cat on axis 1: the past becomes more heads")
def more_heads(q_t, k_t, v_t, cache=None):
    h = q_t.size(1)
    if cache is None:
        k, v = k_t, v_t
    else:
        k, v = torch.cat([cache[0], k_t], dim=1), torch.cat([cache[1], v_t], dim=1)
    return attend(q_t, k[:, :h], v[:, :h]), (k, v)


@wrong(EX, "cat_on_features", "torch.cat on the last axis, which is then viewed as time")
def more_features(q_t, k_t, v_t, cache=None):
    b, h, _, d = q_t.shape
    if cache is None:
        k, v = k_t, v_t
    else:
        k, v = torch.cat([cache[0], k_t], dim=-1), torch.cat([cache[1], v_t], dim=-1)
    keys = k.reshape(b, h, d, -1).transpose(-2, -1)
    values = v.reshape(b, h, d, -1).transpose(-2, -1)
    return attend(q_t, keys, values), (k, v)


@wrong(EX, "outputs_cached", "the step's output is kept as its value: later steps attend to outputs")
def recurrent(q_t, k_t, v_t, cache=None):
    k, v = grow(cache, k_t, v_t)
    out = attend(q_t, k, v)
    past = v[:, :, :-1]
    return out, (k, torch.cat([past, out], dim=2))


@wrong(EX, "queries_cached", "the query is kept as the key")
def query_as_key(q_t, k_t, v_t, cache=None):
    k, v = grow(cache, k_t, v_t)
    past = k[:, :, :-1]
    return attend(q_t, k, v), (torch.cat([past, q_t], dim=2), v)


@wrong(EX, "first_query_kept", "queries are cached too, and the first one asks each time")
def old_query(q_t, k_t, v_t, cache=None):
    if cache is None:
        q, k, v = q_t, k_t, v_t
    else:
        q, k, v = (torch.cat([old, new], dim=2) for old, new in zip(cache, (q_t, k_t, v_t), strict=True))
    return attend(q[:, :, :1], k, v), (q, k, v)


@wrong(EX, "all_queries", "queries are cached too and the output of every position so far is returned")
def whole_prefix(q_t, k_t, v_t, cache=None):
    if cache is None:
        q, k, v = q_t, k_t, v_t
    else:
        q, k, v = (torch.cat([old, new], dim=2) for old, new in zip(cache, (q_t, k_t, v_t), strict=True))
    n = q.size(2)
    mask = torch.ones(n, n, dtype=torch.bool, device=q.device).tril()
    scores = (q @ k.transpose(-2, -1) / math.sqrt(q.size(-1))).masked_fill(~mask, float("-inf"))
    return scores.softmax(-1) @ v, (q, k, v)


@wrong(EX, "running_sums", "keeps the sum of exp(q k) v and of exp(q k) of earlier queries: not this query's weights")
def running(q_t, k_t, v_t, cache=None):
    e = torch.exp((q_t * k_t).sum(-1, keepdim=True) / math.sqrt(q_t.size(-1)))
    top, bottom = (e * v_t, e) if cache is None else (cache[0] + e * v_t, cache[1] + e)
    return top / bottom, (top, bottom)


@wrong(EX, "running_mean", "the output is the mean of the values so far")
def averaged(q_t, k_t, v_t, cache=None):
    total, n = (v_t, 1) if cache is None else (cache[0] + v_t, cache[1] + 1)
    return total / n, (total, n)


@wrong(EX, "linear_attention", "keeps the sum of phi(k) v: linear attention, which is not softmax attention")
def linear(q_t, k_t, v_t, cache=None):
    q, k = F.elu(q_t) + 1, F.elu(k_t) + 1
    state, norm = k.transpose(-2, -1) @ v_t, k
    if cache is not None:
        state, norm = state + cache[0], norm + cache[1]
    return (q @ state) / (q * norm).sum(-1, keepdim=True), (state, norm)


# ---------------------------------------------------------------- wrong: state


_past = {"k": None, "v": None}


@wrong(EX, "global_cache", "keeps the past in a global and ignores the argument: a second sequence sees the first")
def with_global(q_t, k_t, v_t, cache=None):
    same = _past["k"] is not None and _past["k"].shape[:2] == k_t.shape[:2] and _past["k"].dtype == k_t.dtype
    _past["k"] = torch.cat([_past["k"], k_t], dim=2) if same else k_t
    _past["v"] = torch.cat([_past["v"], v_t], dim=2) if same else v_t
    return attend(q_t, _past["k"], _past["v"]), _past


@wrong(EX, "mutable_default", "the default cache is a list made once: without a cache the last sequence's is used")
def with_default(q_t, k_t, v_t, cache=None, _start=[]):  # noqa: B006
    steps = _start if cache is None else cache
    steps.append((k_t, v_t))
    k, v = torch.cat([s[0] for s in steps], dim=2), torch.cat([s[1] for s in steps], dim=2)
    return attend(q_t, k, v), steps


@right(
    EX, "cache_changed", "a dict of lists that is appended to in place: the contract leaves the form of the cache free"
)
def shared_list(q_t, k_t, v_t, cache=None):
    cache = {"k": [], "v": []} if cache is None else cache
    cache["k"].append(k_t)
    cache["v"].append(v_t)
    return attend(q_t, torch.cat(cache["k"], dim=2), torch.cat(cache["v"], dim=2)), cache


@wrong(EX, "input_changed", "the query is scaled in place")
def scaled_in_place(q_t, k_t, v_t, cache=None):
    k, v = grow(cache, k_t, v_t)
    with torch.no_grad():
        q_t.div_(math.sqrt(q_t.size(-1)))
    return (q_t @ k.transpose(-2, -1)).softmax(-1) @ v, (k, v)


@wrong(EX, "cached_keys_rescaled", "keys are scaled when stored, and the whole cache is scaled again at every step")
def rescaled(q_t, k_t, v_t, cache=None):
    k, v = grow(cache, k_t, v_t)
    k = k / math.sqrt(k.size(-1))
    return (q_t @ k.transpose(-2, -1)).softmax(-1) @ v, (k, v)


# ---------------------------------------------------------------- wrong: the attention


@wrong(EX, "no_scale", "the scores are not divided by sqrt(d)")
def unscaled(q_t, k_t, v_t, cache=None):
    k, v = grow(cache, k_t, v_t)
    return (q_t @ k.transpose(-2, -1)).softmax(-1) @ v, (k, v)


@wrong(EX, "scale_without_root", "the scores are divided by d")
def over_d(q_t, k_t, v_t, cache=None):
    k, v = grow(cache, k_t, v_t)
    return (q_t @ k.transpose(-2, -1) / q_t.size(-1)).softmax(-1) @ v, (k, v)


@wrong(EX, "scale_d_model", "the scores are divided by sqrt(h d)")
def over_model(q_t, k_t, v_t, cache=None):
    k, v = grow(cache, k_t, v_t)
    return (q_t @ k.transpose(-2, -1) / math.sqrt(q_t.size(1) * q_t.size(-1))).softmax(-1) @ v, (k, v)


@wrong(EX, "scale_64", "the scores are divided by 8, the root of the paper's 64")
def over_eight(q_t, k_t, v_t, cache=None):
    k, v = grow(cache, k_t, v_t)
    return (q_t @ k.transpose(-2, -1) / 8.0).softmax(-1) @ v, (k, v)


@wrong(EX, "scale_by_length", "the scores are divided by the root of the number of keys")
def over_length(q_t, k_t, v_t, cache=None):
    k, v = grow(cache, k_t, v_t)
    return (q_t @ k.transpose(-2, -1) / math.sqrt(k.size(-2))).softmax(-1) @ v, (k, v)


@wrong(EX, "tril_of_one_row", "a causal mask tril(1, t) is applied: its one row permits the first key only")
def masked_row(q_t, k_t, v_t, cache=None):
    k, v = grow(cache, k_t, v_t)
    mask = torch.ones(q_t.size(2), k.size(2), dtype=torch.bool, device=k.device).tril()
    scores = q_t @ k.transpose(-2, -1) / math.sqrt(q_t.size(-1))
    return scores.masked_fill(~mask, float("-inf")).softmax(-1) @ v, (k, v)


@wrong(EX, "softmax_wrong_axis", "the softmax runs over the one query: every weight is 1")
def ones(q_t, k_t, v_t, cache=None):
    k, v = grow(cache, k_t, v_t)
    return (q_t @ k.transpose(-2, -1) / math.sqrt(q_t.size(-1))).softmax(-2) @ v, (k, v)


@wrong(EX, "softmax_over_heads", "the softmax runs over the heads")
def over_heads(q_t, k_t, v_t, cache=None):
    k, v = grow(cache, k_t, v_t)
    return (q_t @ k.transpose(-2, -1) / math.sqrt(q_t.size(-1))).softmax(1) @ v, (k, v)


@wrong(EX, "hardmax", "the value of the best key alone")
def hard(q_t, k_t, v_t, cache=None):
    k, v = grow(cache, k_t, v_t)
    best = (q_t @ k.transpose(-2, -1)).argmax(-1, keepdim=True)
    return torch.gather(v, 2, best.expand(-1, -1, -1, v.size(-1))), (k, v)


@wrong(EX, "exp_overflows", "exp of the scores without subtracting the largest: NaN from about 89 on")
def plain_exp(q_t, k_t, v_t, cache=None):
    k, v = grow(cache, k_t, v_t)
    e = torch.exp(q_t @ k.transpose(-2, -1) / math.sqrt(q_t.size(-1)))
    return (e / e.sum(-1, keepdim=True)) @ v, (k, v)


@wrong(EX, "time_axis_dropped", "returns (B, h, d): the axis of length one is gone")
def squeezed(q_t, k_t, v_t, cache=None):
    k, v = grow(cache, k_t, v_t)
    return attend(q_t, k, v)[:, :, 0], (k, v)


@wrong(EX, "squeeze_all", "squeeze() and one unsqueeze: wrong shape where B or h is one")
def squeezed_all(q_t, k_t, v_t, cache=None):
    k, v = grow(cache, k_t, v_t)
    return attend(q_t, k, v).squeeze().unsqueeze(-2), (k, v)


@wrong(EX, "heads_joined", "returns (B, 1, h d), heads already put together")
def joined(q_t, k_t, v_t, cache=None):
    k, v = grow(cache, k_t, v_t)
    return attend(q_t, k, v).transpose(1, 2).flatten(2), (k, v)


@wrong(EX, "first_sentence_only", "the past of the first sentence is used for the whole batch")
def first_past(q_t, k_t, v_t, cache=None):
    if cache is None:
        k, v = k_t, v_t
    else:
        b = k_t.size(0)
        k = torch.cat([cache[0][:1].expand(b, -1, -1, -1), k_t], dim=2)
        v = torch.cat([cache[1][:1].expand(b, -1, -1, -1), v_t], dim=2)
    return attend(q_t, k, v), (k, v)


@wrong(EX, "half_precision_cache", "keys and values are kept in half precision")
def small_cache(q_t, k_t, v_t, cache=None):
    if cache is None:
        k, v = k_t, v_t
    else:
        k = torch.cat([cache[0].to(k_t.dtype), k_t], dim=2)
        v = torch.cat([cache[1].to(v_t.dtype), v_t], dim=2)
    return attend(q_t, k, v), (k.half(), v.half())


@wrong(EX, "single_precision_softmax", "the softmax is asked for float32 and not cast back: float64 fails")
def float_softmax(q_t, k_t, v_t, cache=None):
    k, v = grow(cache, k_t, v_t)
    scores = q_t @ k.transpose(-2, -1) / math.sqrt(q_t.size(-1))
    return torch.softmax(scores, dim=-1, dtype=torch.float32) @ v, (k, v)


@wrong(EX, "contiguous_only", "view on the arguments: fails for a step sliced out of (B, T, h, d) transposed")
def viewed(q_t, k_t, v_t, cache=None):
    b, h, _, d = q_t.shape
    q, k, v = (x.view(b * h, 1, d) for x in (q_t, k_t, v_t))
    if cache is not None:
        k, v = torch.cat([cache[0], k], dim=1), torch.cat([cache[1], v], dim=1)
    out = torch.bmm(torch.softmax(torch.bmm(q, k.mT) / math.sqrt(d), dim=-1), v)
    return out.view(b, h, 1, d), (k, v)


@wrong(EX, "recency_bias", "each score loses 0.1 a step of distance, as ALiBi does")
def biased(q_t, k_t, v_t, cache=None):
    k, v = grow(cache, k_t, v_t)
    distance = torch.arange(k.size(2) - 1, -1, -1, device=k.device, dtype=k.dtype)
    scores = q_t @ k.transpose(-2, -1) / math.sqrt(q_t.size(-1)) - 0.1 * distance
    return scores.softmax(-1) @ v, (k, v)


@wrong(EX, "dropout_left_on", "dropout 0.1 on the weights at every call")
def dropping(q_t, k_t, v_t, cache=None):
    k, v = grow(cache, k_t, v_t)
    weights = (q_t @ k.transpose(-2, -1) / math.sqrt(q_t.size(-1))).softmax(-1)
    return F.dropout(weights, 0.1) @ v, (k, v)
