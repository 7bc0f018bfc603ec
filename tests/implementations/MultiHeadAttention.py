"""MultiHeadAttention: right and wrong implementations."""

import copy
import math

import torch
import torch.nn.functional as F
from torch import nn

from tests.implementations import right, wrong

EX = "MultiHeadAttention"


# ---------------------------------------------------------------- right


class Heads(nn.Module):
    def __init__(self, d_model, h, dropout):
        super().__init__()
        self.d_model, self.h, self.d_k = d_model, h, d_model // h
        self.w_q = nn.Linear(d_model, d_model)
        self.w_k = nn.Linear(d_model, d_model)
        self.w_v = nn.Linear(d_model, d_model)
        self.w_o = nn.Linear(d_model, d_model)
        self.dropout = nn.Dropout(dropout)

    def split(self, x):
        return x.reshape(x.size(0), x.size(1), self.h, self.d_k).transpose(1, 2)

    def join(self, x):
        return x.transpose(1, 2).reshape(x.size(0), x.size(2), self.d_model)

    def project(self, query, key, value):
        return self.split(self.w_q(query)), self.split(self.w_k(key)), self.split(self.w_v(value))

    def scores(self, q, k):
        return q @ k.transpose(-2, -1) / math.sqrt(self.d_k)

    def apply_mask(self, scores, mask):
        return scores if mask is None else scores.masked_fill(~mask, float("-inf"))

    def weigh(self, scores, mask):
        return self.dropout(self.apply_mask(scores, mask).softmax(dim=-1))

    def forward(self, query, key, value, mask=None):
        q, k, v = self.project(query, key, value)
        return self.w_o(self.join(self.weigh(self.scores(q, k), mask) @ v))


right(EX, "plain", "four nn.Linear, reshape and transpose, masked_fill with -inf")(Heads)


def annotated_attention(query, key, value, mask=None, dropout=None):
    d_k = query.size(-1)
    scores = torch.matmul(query, key.transpose(-2, -1)) / math.sqrt(d_k)
    if mask is not None:
        scores = scores.masked_fill(mask == 0, -1e9)
    p_attn = scores.softmax(dim=-1)
    if dropout is not None:
        p_attn = dropout(p_attn)
    return torch.matmul(p_attn, value), p_attn


@right(EX, "annotated", "in the style of the Annotated Transformer: cloned layers, the weights kept in self.attn")
class MultiHeadedAttention(nn.Module):
    def __init__(self, d_model, h, dropout=0.1):
        super().__init__()
        assert d_model % h == 0
        self.d_k = d_model // h
        self.h = h
        linear = nn.Linear(d_model, d_model)
        self.linears = nn.ModuleList([copy.deepcopy(linear) for _ in range(4)])
        self.attn = None
        self.dropout = nn.Dropout(p=dropout)

    def forward(self, query, key, value, mask=None):
        nbatches = query.size(0)
        query, key, value = [
            lin(x).view(nbatches, -1, self.h, self.d_k).transpose(1, 2)
            for lin, x in zip(self.linears, (query, key, value), strict=False)
        ]
        x, self.attn = annotated_attention(query, key, value, mask=mask, dropout=self.dropout)
        x = x.transpose(1, 2).contiguous().view(nbatches, -1, self.h * self.d_k)
        return self.linears[-1](x)


@right(EX, "fused", "one matrix (3 d_model, d_model) for queries, keys and values, cut in three")
class FusedAttention(nn.Module):
    def __init__(self, d_model, h, dropout):
        super().__init__()
        self.num_heads = h
        self.head_dim = d_model // h
        self.in_proj = nn.Linear(d_model, 3 * d_model)
        self.out_proj = nn.Linear(d_model, d_model)
        self.p = dropout
        nn.init.xavier_uniform_(self.in_proj.weight)

    def forward(self, query, key, value, mask=None):
        if query is key and key is value:
            q, k, v = self.in_proj(query).chunk(3, dim=-1)
        else:
            parts = zip((query, key, value), self.in_proj.weight.chunk(3), self.in_proj.bias.chunk(3), strict=True)
            q, k, v = (F.linear(x, w, b) for x, w, b in parts)
        q, k, v = (x.unflatten(-1, (self.num_heads, self.head_dim)).transpose(1, 2) for x in (q, k, v))
        att = (q * self.head_dim**-0.5) @ k.mT
        if mask is not None:
            att = torch.where(mask, att, torch.finfo(att.dtype).min)
        att = F.dropout(F.softmax(att, dim=-1), self.p, self.training)
        return self.out_proj((att @ v).transpose(1, 2).flatten(2))


class Head(nn.Module):
    def __init__(self, d_model, d_k, dropout):
        super().__init__()
        self.to_q = nn.Linear(d_model, d_k, bias=False)
        self.to_k = nn.Linear(d_model, d_k, bias=False)
        self.to_v = nn.Linear(d_model, d_k, bias=False)
        self.drop = nn.Dropout(dropout)
        self.scale = math.sqrt(d_k)

    def forward(self, query, key, value, mask=None):
        scores = self.to_q(query).bmm(self.to_k(key).transpose(1, 2)) / self.scale
        if mask is not None:
            scores = scores.masked_fill(~mask, float("-inf"))
        return self.drop(scores.softmax(-1)).bmm(self.to_v(value))


@right(EX, "list_of_heads", "h small heads in a ModuleList without biases, concatenated; the mask cut by head")
class ListOfHeads(nn.Module):
    def __init__(self, d_model, h, dropout):
        super().__init__()
        self.heads = nn.ModuleList(Head(d_model, d_model // h, dropout) for _ in range(h))
        self.proj = nn.Linear(d_model, d_model)

    def forward(self, query, key, value, mask=None):
        masks = [None] * len(self.heads)
        if mask is not None:
            masks = mask.expand(query.size(0), len(self.heads), query.size(1), key.size(1)).unbind(1)
        outs = [head(query, key, value, m) for head, m in zip(self.heads, masks, strict=True)]
        return self.proj(torch.cat(outs, dim=-1))


@right(EX, "einsum", "parameters (h, d_model, d_k), einsum, the heads are summed over, never concatenated")
class EinsumAttention(nn.Module):
    def __init__(self, d_model, h, dropout):
        super().__init__()
        d_k = d_model // h
        self.W_Q = nn.Parameter(torch.randn(h, d_model, d_k) / math.sqrt(d_model))
        self.W_K = nn.Parameter(torch.randn(h, d_model, d_k) / math.sqrt(d_model))
        self.W_V = nn.Parameter(torch.randn(h, d_model, d_k) / math.sqrt(d_model))
        self.W_O = nn.Parameter(torch.randn(h, d_k, d_model) / math.sqrt(d_model))
        self.dropout = nn.Dropout(dropout)

    def forward(self, query, key, value, mask=None):
        q = torch.einsum("btm,hmd->bhtd", query, self.W_Q)
        k = torch.einsum("btm,hmd->bhtd", key, self.W_K)
        v = torch.einsum("btm,hmd->bhtd", value, self.W_V)
        scores = torch.einsum("bhqd,bhkd->bhqk", q, k) / self.W_Q.shape[-1] ** 0.5
        if mask is not None:
            scores = scores.masked_fill(mask.logical_not(), -torch.inf)
        pattern = self.dropout(scores.softmax(-1))
        return torch.einsum("bhqk,bhkd,hdm->bqm", pattern, v, self.W_O)


@right(EX, "bmm", "batch and heads in one axis, the batch first; the mask expanded to the same")
class BmmAttention(Heads):
    def forward(self, query, key, value, mask=None):
        b, t_q, t_k, h = query.size(0), query.size(1), key.size(1), self.h
        q, k, v = (x.reshape(b * h, -1, self.d_k) for x in self.project(query, key, value))
        scores = torch.bmm(q, k.transpose(1, 2)) * (1.0 / math.sqrt(self.d_k))
        if mask is not None:
            scores = scores.masked_fill(~mask.expand(b, h, t_q, t_k).reshape(b * h, t_q, t_k), -1e9)
        weights = self.dropout(F.softmax(scores, dim=2))
        out = torch.bmm(weights, v).view(b, h, t_q, self.d_k)
        return self.w_o(self.join(out))


@right(EX, "heads_before_batch", "split and cat along the batch: heads first, and the mask brought into that order")
class HeadMajorAttention(Heads):
    def forward(self, query, key, value, mask=None):
        b, t_q, t_k, h = query.size(0), query.size(1), key.size(1), self.h
        q = torch.cat(self.w_q(query).split(self.d_k, dim=2), dim=0)
        k = torch.cat(self.w_k(key).split(self.d_k, dim=2), dim=0)
        v = torch.cat(self.w_v(value).split(self.d_k, dim=2), dim=0)
        scores = torch.matmul(q, k.transpose(1, 2)) / self.d_k**0.5
        if mask is not None:
            mask = mask.expand(b, h, t_q, t_k).transpose(0, 1).reshape(h * b, t_q, t_k)
            scores = scores.masked_fill(~mask, float("-inf"))
        out = self.dropout(scores.softmax(-1)) @ v
        return self.w_o(torch.cat(out.chunk(h, dim=0), dim=2))


@right(EX, "interleaved", "head i owns the features i, i + h, i + 2h, ...: a permutation that the projections absorb")
class InterleavedAttention(Heads):
    def split(self, x):
        return x.reshape(x.size(0), x.size(1), self.d_k, self.h).permute(0, 3, 1, 2)


@right(
    EX,
    "joined_interleaved",
    "split head by head, joined feature by feature: a fixed permutation before the last matrix",
)
class OtherOrderOfFeatures(Heads):
    def join(self, x):
        return x.permute(0, 2, 3, 1).reshape(x.size(0), x.size(2), self.d_model)


@right(EX, "qkv_per_head", "one matrix laid out as (h, 3, d_k), as in GPT-NeoX; no bias in it")
class PerHeadLayout(nn.Module):
    def __init__(self, d_model, h, dropout):
        super().__init__()
        self.shape = (h, 3, d_model // h)
        self.query_key_value = nn.Linear(d_model, 3 * d_model, bias=False)
        self.dense = nn.Linear(d_model, d_model)
        self.attention_dropout = nn.Dropout(dropout)

    def part(self, x, i):
        return self.query_key_value(x).unflatten(-1, self.shape)[:, :, :, i].transpose(1, 2)

    def forward(self, query, key, value, mask=None):
        q, k, v = self.part(query, 0), self.part(key, 1), self.part(value, 2)
        logits = torch.matmul(q, k.transpose(2, 3)).div(self.shape[-1] ** 0.5)
        if mask is not None:
            bias = torch.zeros(mask.shape, dtype=logits.dtype, device=logits.device)
            logits = logits + bias.masked_fill(~mask, float("-inf"))
        probs = self.attention_dropout(torch.exp(logits - logits.logsumexp(-1, keepdim=True)))
        context = torch.matmul(probs, v).permute(0, 2, 1, 3).contiguous()
        return self.dense(context.view(*context.shape[:2], -1))


@right(EX, "conv", "projections as convolutions of kernel size 1, features before positions")
class ConvAttention(nn.Module):
    def __init__(self, d_model, h, dropout):
        super().__init__()
        self.h = h
        self.q, self.k, self.v, self.o = (nn.Conv1d(d_model, d_model, 1) for _ in range(4))
        self.drop = nn.Dropout(dropout)

    def heads(self, conv, x):
        y = conv(x.transpose(1, 2))
        return y.reshape(y.size(0), self.h, -1, y.size(2))

    def forward(self, query, key, value, mask=None):
        q, k, v = self.heads(self.q, query), self.heads(self.k, key), self.heads(self.v, value)
        scores = torch.einsum("bhdq,bhdk->bhqk", q, k) / math.sqrt(q.size(2))
        if mask is not None:
            scores = scores.masked_fill(~mask, float("-inf"))
        out = torch.einsum("bhqk,bhdk->bhdq", self.drop(scores.softmax(-1)), v)
        return self.o(out.flatten(1, 2)).transpose(1, 2)


@right(EX, "loop_over_heads", "big matrices, a loop that cuts one head after the other, no biases")
class LoopAttention(nn.Module):
    def __init__(self, d_model, h, dropout):
        super().__init__()
        self.h, self.d_k, self.rate = h, d_model // h, dropout
        self.Wq = nn.Linear(d_model, d_model, bias=False)
        self.Wk = nn.Linear(d_model, d_model, bias=False)
        self.Wv = nn.Linear(d_model, d_model, bias=False)
        self.Wo = nn.Linear(d_model, d_model, bias=False)

    def forward(self, query, key, value, mask=None):
        q, k, v = self.Wq(query), self.Wk(key), self.Wv(value)
        if mask is not None:
            mask = torch.broadcast_to(mask, (q.size(0), self.h, q.size(1), k.size(1)))
        out = []
        for i in range(self.h):
            cut = slice(i * self.d_k, (i + 1) * self.d_k)
            s = q[..., cut] @ k[..., cut].transpose(1, 2) / math.sqrt(self.d_k)
            if mask is not None:
                s = s.masked_fill(~mask[:, i], float("-inf"))
            e = torch.exp(s - s.amax(-1, keepdim=True).detach())
            w = F.dropout(e / e.sum(-1, keepdim=True), p=self.rate, training=self.training)
            out.append(w @ v[..., cut])
        return self.Wo(torch.cat(out, -1))


@right(EX, "bilinear", "W_q W_k^T and W_v W_o multiplied first: one bilinear form and one map for each head")
class BilinearForm(nn.Module):
    def __init__(self, d_model, h, dropout):
        super().__init__()
        self.d_k = d_model // h
        self.q = nn.Parameter(nn.init.xavier_normal_(torch.empty(d_model, d_model)).view(h, self.d_k, d_model))
        self.k = nn.Parameter(nn.init.xavier_normal_(torch.empty(d_model, d_model)).view(h, self.d_k, d_model))
        self.v = nn.Parameter(nn.init.xavier_normal_(torch.empty(d_model, d_model)).view(h, self.d_k, d_model))
        self.o = nn.Parameter(nn.init.xavier_normal_(torch.empty(d_model, d_model)).view(h, d_model, self.d_k))
        self.dropout = nn.Dropout(dropout)

    def forward(self, query, key, value, mask=None):
        form = self.q.transpose(1, 2) @ self.k
        scores = (query.unsqueeze(1) @ form) @ key.unsqueeze(1).transpose(2, 3) / math.sqrt(self.d_k)
        if mask is not None:
            scores = scores.masked_fill(~mask, -1e9)
        weights = self.dropout(scores.softmax(dim=-1))
        values = value.unsqueeze(1) @ (self.o @ self.v).transpose(1, 2)
        return (weights @ values).sum(dim=1)


# ---------------------------------------------------------------- wrong: the scale and the softmax


@wrong(EX, "no_scale", "the scores are not divided by sqrt(d_k)")
class MhaA(Heads):
    def scores(self, q, k):
        return q @ k.transpose(-2, -1)


@wrong(EX, "scale_by_d_model", "divided by sqrt(d_model) instead of sqrt(d_k)")
class MhaB(Heads):
    def scores(self, q, k):
        return q @ k.transpose(-2, -1) / math.sqrt(self.d_model)


@wrong(EX, "scale_without_root", "divided by d_k")
class MhaC(Heads):
    def scores(self, q, k):
        return q @ k.transpose(-2, -1) / self.d_k


@wrong(EX, "scale_by_heads", "divided by sqrt(h)")
class MhaD(Heads):
    def scores(self, q, k):
        return q @ k.transpose(-2, -1) / math.sqrt(self.h)


@wrong(EX, "softmax_over_queries", "softmax over axis -2")
class MhaE(Heads):
    def weigh(self, scores, mask):
        if mask is not None:
            scores = scores.masked_fill(~mask, -1e9)
        return self.dropout(scores.softmax(dim=-2))


@wrong(EX, "softmax_over_heads", "softmax over axis 1: the heads compete")
class MhaF(Heads):
    def weigh(self, scores, mask):
        if mask is not None:
            scores = scores.masked_fill(~mask, -1e9)
        return self.dropout(F.softmax(scores, dim=1))


@wrong(EX, "keys_reshaped", "the keys are reshaped to (d_k, T_k) where they should be transposed")
class MhaG(Heads):
    def scores(self, q, k):
        return q @ k.reshape(k.size(0), k.size(1), k.size(3), k.size(2)) / math.sqrt(self.d_k)


# ---------------------------------------------------------------- wrong: heads split and joined


@wrong(EX, "split_without_transpose", "reshaped to (B, h, T, d_k) directly: positions and heads are mixed")
class MhaH(Heads):
    def split(self, x):
        return x.reshape(x.size(0), self.h, x.size(1), self.d_k)


@wrong(EX, "join_without_transpose", "(B, h, T, d_k) reshaped to (B, T, d_model): positions and heads are mixed")
class MhaI(Heads):
    def join(self, x):
        return x.reshape(x.size(0), x.size(2), self.d_model)


@wrong(
    EX,
    "split_and_join_without_transpose",
    "neither split nor join transpose: the shapes fit, the heads are slices of time",
)
class MhaJ(Heads):
    def split(self, x):
        return x.reshape(x.size(0), self.h, x.size(1), self.d_k)

    def join(self, x):
        return x.reshape(x.size(0), x.size(2), self.d_model)


@wrong(EX, "attends_over_heads", "the transpose is forgotten: in each position the heads attend to each other")
class MhaK(Heads):
    def split(self, x):
        return x.reshape(x.size(0), x.size(1), self.h, self.d_k)

    def apply_mask(self, scores, mask):
        return scores

    def join(self, x):
        return x.reshape(x.size(0), x.size(1), self.d_model)


@wrong(EX, "values_split_otherwise", "the values alone are reshaped without the transpose")
class MhaL(Heads):
    def project(self, query, key, value):
        v = self.w_v(value)
        v = v.reshape(v.size(0), self.h, v.size(1), self.d_k)
        return self.split(self.w_q(query)), self.split(self.w_k(key)), v


@wrong(EX, "batch_second", "the input is taken for (T, B, d_model): sentences attend to each other")
class MhaM(Heads):
    def split(self, x):
        return x.reshape(x.size(0), x.size(1), self.h, self.d_k).permute(1, 2, 0, 3)

    def join(self, x):
        return x.permute(2, 0, 1, 3).reshape(x.size(2), x.size(0), self.d_model)


@wrong(EX, "heads_and_batch_mixed", "heads are put before the batch in one axis and taken out as batch before heads")
class MhaN(Heads):
    def forward(self, query, key, value, mask=None):
        b, h = query.size(0), self.h
        q, k, v = (
            torch.cat(w(x).split(self.d_k, dim=2), dim=0)
            for w, x in ((self.w_q, query), (self.w_k, key), (self.w_v, value))
        )
        scores = self.scores(q, k).reshape(h, b, query.size(1), key.size(1)).transpose(0, 1)
        weights = self.weigh(scores, mask).transpose(0, 1).flatten(0, 1)
        return self.w_o(self.join((weights @ v).view(b, h, query.size(1), self.d_k)))


@wrong(EX, "mask_in_other_order", "scores with heads before the batch, the mask with the batch before heads")
class MhaO(Heads):
    def forward(self, query, key, value, mask=None):
        b, t_q, t_k, h = query.size(0), query.size(1), key.size(1), self.h
        q, k, v = (
            torch.cat(w(x).chunk(h, dim=2), dim=0) for w, x in ((self.w_q, query), (self.w_k, key), (self.w_v, value))
        )
        if mask is not None:
            mask = mask.expand(b, h, t_q, t_k).reshape(b * h, t_q, t_k)
        out = self.weigh(self.scores(q, k), mask) @ v
        return self.w_o(torch.cat(out.chunk(h, dim=0), dim=2))


@wrong(EX, "one_head", "h is not used for the split: one head of size d_model")
class MhaP(Heads):
    def __init__(self, d_model, h, dropout):
        super().__init__(d_model, 1, dropout)


@wrong(EX, "same_head_h_times", "the loop takes the last head's features every time (a closure over i)")
class MhaQ(Heads):
    def forward(self, query, key, value, mask=None):
        q, k, v = self.project(query, key, value)
        picks = [lambda x: x[:, i] for i in range(self.h)]
        weights = self.weigh(self.scores(q, k), mask)
        return self.w_o(torch.cat([pick(weights) @ pick(v) for pick in picks], dim=-1))


@wrong(EX, "weights_of_first_head", "the weights of the first head are used for the values of all")
class MhaR(Heads):
    def weigh(self, scores, mask):
        return super().weigh(scores, mask)[:, :1].expand_as(scores)


@wrong(EX, "heads_averaged", "the heads are averaged, not concatenated")
class MhaS(Heads):
    def __init__(self, d_model, h, dropout):
        super().__init__(d_model, h, dropout)
        self.w_o = nn.Linear(self.d_k, d_model)

    def join(self, x):
        return x.mean(dim=1)


@wrong(EX, "wide_heads", "every head is d_model wide instead of d_model / h: h times the parameters")
class MhaT(Heads):
    def __init__(self, d_model, h, dropout):
        super().__init__(d_model, h, dropout)
        self.d_k = d_model
        self.w_q = nn.Linear(d_model, h * d_model)
        self.w_k = nn.Linear(d_model, h * d_model)
        self.w_v = nn.Linear(d_model, h * d_model)
        self.w_o = nn.Linear(h * d_model, d_model)

    def join(self, x):
        return x.transpose(1, 2).flatten(2)


@wrong(EX, "shared_by_heads", "one projection to d_k, the same for every head: h equal heads")
class MhaU(Heads):
    def __init__(self, d_model, h, dropout):
        super().__init__(d_model, h, dropout)
        self.w_q = nn.Linear(d_model, self.d_k)
        self.w_k = nn.Linear(d_model, self.d_k)
        self.w_v = nn.Linear(d_model, self.d_k)

    def split(self, x):
        return x.unsqueeze(1).expand(-1, self.h, -1, -1)


@wrong(EX, "multi_query", "keys and values have one head for all queries' heads (multi-query attention)")
class MhaV(Heads):
    def __init__(self, d_model, h, dropout):
        super().__init__(d_model, h, dropout)
        self.w_k = nn.Linear(d_model, self.d_k)
        self.w_v = nn.Linear(d_model, self.d_k)

    def project(self, query, key, value):
        return self.split(self.w_q(query)), self.w_k(key).unsqueeze(1), self.w_v(value).unsqueeze(1)


# ---------------------------------------------------------------- wrong: the projections


@wrong(EX, "no_output_projection", "the concatenated heads are returned, W_o is made and not used")
class MhaAA(Heads):
    def forward(self, query, key, value, mask=None):
        q, k, v = self.project(query, key, value)
        return self.join(self.weigh(self.scores(q, k), mask) @ v)


@wrong(EX, "no_projections", "the inputs are cut into heads as they are, only W_o is applied")
class MhaAB(Heads):
    def __init__(self, d_model, h, dropout):
        super().__init__(d_model, h, dropout)
        self.w_q, self.w_k, self.w_v = nn.Identity(), nn.Identity(), nn.Identity()


@wrong(EX, "values_not_projected", "there is no W_v")
class MhaAC(Heads):
    def __init__(self, d_model, h, dropout):
        super().__init__(d_model, h, dropout)
        self.w_v = nn.Identity()


@wrong(EX, "one_projection", "one matrix for queries, keys and values")
class MhaAD(Heads):
    def __init__(self, d_model, h, dropout):
        super().__init__(d_model, h, dropout)
        self.w_k = self.w_v = self.w_q


@wrong(EX, "key_matrix_for_values", "the values are projected by W_k, W_v is not used")
class MhaAE(Heads):
    def project(self, query, key, value):
        return self.split(self.w_q(query)), self.split(self.w_k(key)), self.split(self.w_k(value))


@wrong(EX, "cloned_reference", "[linear] * 4: the four layers are one")
class MhaAF(Heads):
    def __init__(self, d_model, h, dropout):
        super().__init__(d_model, h, dropout)
        self.layers = nn.ModuleList([nn.Linear(d_model, d_model)] * 4)
        self.w_q, self.w_k, self.w_v, self.w_o = self.layers


@wrong(EX, "relu_in_projections", "queries, keys and values go through a ReLU")
class MhaAG(Heads):
    def project(self, query, key, value):
        return tuple(F.relu(x) for x in super().project(query, key, value))


@wrong(EX, "values_are_keys", "the key is used as value: wrong where they are different tensors")
class MhaAH(Heads):
    def project(self, query, key, value):
        return super().project(query, key, key)


@wrong(EX, "keys_are_values", "the value is used as key: wrong where they are different tensors")
class MhaAI(Heads):
    def project(self, query, key, value):
        return super().project(query, value, value)


@wrong(EX, "self_attention_only", "keys and values are computed from the query")
class MhaAJ(Heads):
    def project(self, query, key, value):
        return super().project(query, query, query)


@wrong(EX, "keys_and_values_swapped", "forward takes (query, value, key)")
class MhaAK(Heads):
    def project(self, query, key, value):
        return super().project(query, value, key)


@wrong(EX, "queries_and_keys_swapped", "the keys ask the queries: the output has T_k positions")
class MhaAL(Heads):
    def scores(self, q, k):
        return super().scores(k, q)


@wrong(
    EX, "length_of_query", "keys and values are cut into heads with the length of the query: fails where T_k differs"
)
class MhaAM(Heads):
    def project(self, query, key, value):
        b, t, _ = query.shape
        shape = (b, t, self.h, self.d_k)
        return tuple(
            w(x).reshape(shape).transpose(1, 2) for w, x in ((self.w_q, query), (self.w_k, key), (self.w_v, value))
        )


# ---------------------------------------------------------------- wrong: the mask


@wrong(EX, "mask_ignored", "the mask is taken and not used")
class MhaBA(Heads):
    def apply_mask(self, scores, mask):
        return scores


@wrong(EX, "mask_inverted", "True is taken for forbidden, as in nn.MultiheadAttention")
class MhaBB(Heads):
    def apply_mask(self, scores, mask):
        return scores if mask is None else scores.masked_fill(mask, float("-inf"))


@wrong(EX, "mask_after_softmax", "the weights are masked after the softmax: the rows do not sum to one")
class MhaBC(Heads):
    def weigh(self, scores, mask):
        weights = scores.softmax(-1)
        return self.dropout(weights if mask is None else weights * mask)


@wrong(EX, "mask_tiny_positive", "forbidden scores become 1e-9 (meant was -1e9)")
class MhaBD(Heads):
    def apply_mask(self, scores, mask):
        return scores if mask is None else scores.masked_fill(mask == 0, 1e-9)


@wrong(EX, "mask_as_number", "the boolean mask is added to the scores as 0 and 1")
class MhaBE(Heads):
    def apply_mask(self, scores, mask):
        return scores if mask is None else scores + mask


@wrong(EX, "mask_before_scale", "forbidden scores become -20, and are divided by sqrt(d_k) afterwards: weight leaks")
class MhaBF(Heads):
    def scores(self, q, k):
        return q @ k.transpose(-2, -1)

    def apply_mask(self, scores, mask):
        if mask is not None:
            scores = scores.masked_fill(~mask, -20.0)
        return scores / math.sqrt(self.d_k)


@wrong(EX, "mask_unsqueezed", "mask.unsqueeze(1) always: right for masks of three axes only")
class MhaBG(Heads):
    def apply_mask(self, scores, mask):
        return scores if mask is None else scores.masked_fill(~mask.unsqueeze(1), float("-inf"))


@wrong(EX, "mask_two_axes_is_padding", "a mask of two axes is taken for (B, T_k): a causal one is misread")
class MhaBH(Heads):
    def apply_mask(self, scores, mask):
        if mask is not None and mask.dim() == 2:
            mask = mask[:, None, None, :]
        return super().apply_mask(scores, mask)


@wrong(EX, "mask_of_first_query", "only the mask's first row is used, for all queries: right for padding masks only")
class MhaBI(Heads):
    def apply_mask(self, scores, mask):
        return super().apply_mask(scores, None if mask is None else mask[..., :1, :])


@wrong(EX, "mask_of_first_sentence", "the mask of the first sentence is used for the whole batch")
class MhaBJ(Heads):
    def apply_mask(self, scores, mask):
        if mask is not None and mask.dim() == 4:
            mask = mask[:1]
        return super().apply_mask(scores, mask)


@wrong(EX, "mask_of_first_head", "where the mask has an axis of heads, the first one's is used for all")
class MhaBK(Heads):
    def apply_mask(self, scores, mask):
        if mask is not None and mask.dim() >= 3:
            mask = mask[..., :1, :, :]
        return super().apply_mask(scores, mask)


@wrong(EX, "mask_on_first_head_only", "only the first head is masked")
class MhaBL(Heads):
    def apply_mask(self, scores, mask):
        if mask is None:
            return scores
        first = super().apply_mask(scores, mask)[:, :1]
        return torch.cat([first, scores[:, 1:]], dim=1)


@wrong(
    EX, "mask_skipped_for_one_query", "with a single query the mask is left out, 'one step needs none': padding is seen"
)
class MhaBM(Heads):
    def apply_mask(self, scores, mask):
        return super().apply_mask(scores, None if scores.size(2) == 1 else mask)


@wrong(EX, "mask_full_shape_only", "boolean indexing: the mask must have the whole shape (B, h, T_q, T_k)")
class MhaBN(Heads):
    def apply_mask(self, scores, mask):
        if mask is not None:
            scores[~mask] = float("-inf")
        return scores


@wrong(EX, "mask_transposed", "the mask is transposed when it is square: a causal one shows the future")
class MhaBO(Heads):
    def apply_mask(self, scores, mask):
        if mask is not None and mask.dim() > 1 and mask.size(-1) == mask.size(-2):
            mask = mask.mT
        return super().apply_mask(scores, mask)


@wrong(EX, "mask_flipped_in_place", "the caller's mask is inverted in place: the next call gets the opposite")
class MhaBP(Heads):
    def apply_mask(self, scores, mask):
        return scores if mask is None else scores.masked_fill(mask.logical_not_(), float("-inf"))


@wrong(EX, "always_causal", "self-attention without a mask is causal")
class MhaBQ(Heads):
    def forward(self, query, key, value, mask=None):
        if mask is None and query.size(1) == key.size(1):
            t = query.size(1)
            mask = torch.ones(t, t, dtype=torch.bool, device=query.device).tril()
        return super().forward(query, key, value, mask)


@wrong(EX, "masked_values", "the mask of the first query sets values to zero too: wrong for masks that differ by query")
class MhaBR(Heads):
    def forward(self, query, key, value, mask=None):
        q, k, v = self.project(query, key, value)
        weights = self.weigh(self.scores(q, k), mask)
        if mask is not None:
            kept = mask.expand(weights.shape)[:, :, :1, :].transpose(2, 3)
            v = v * kept
        return self.w_o(self.join(weights @ v))


# ---------------------------------------------------------------- wrong: the dropout


@wrong(EX, "no_dropout", "the dropout is taken and not used")
class MhaCA(Heads):
    def weigh(self, scores, mask):
        return self.apply_mask(scores, mask).softmax(-1)


@wrong(EX, "dropout_on_output", "the dropout is on the output, not on the weights")
class MhaCB(Heads):
    def weigh(self, scores, mask):
        return self.apply_mask(scores, mask).softmax(-1)

    def forward(self, query, key, value, mask=None):
        return self.dropout(super().forward(query, key, value, mask))


@wrong(EX, "dropout_twice", "on the weights and on the output too")
class MhaCC(Heads):
    def forward(self, query, key, value, mask=None):
        return self.dropout(super().forward(query, key, value, mask))


@wrong(EX, "dropout_on_scores", "the dropout is before the softmax")
class MhaCD(Heads):
    def weigh(self, scores, mask):
        return self.apply_mask(self.dropout(scores), mask).softmax(-1)


@wrong(EX, "dropout_on_values", "the projected values, not the weights, are dropped")
class MhaCE(Heads):
    def project(self, query, key, value):
        q, k, v = super().project(query, key, value)
        return q, k, self.dropout(v)

    def weigh(self, scores, mask):
        return self.apply_mask(scores, mask).softmax(-1)


@wrong(EX, "dropout_in_eval", "F.dropout without training=: active in eval mode")
class MhaCF(Heads):
    def weigh(self, scores, mask):
        return F.dropout(self.apply_mask(scores, mask).softmax(-1), self.dropout.p)


@wrong(EX, "dropout_unscaled", "zeroes weights without dividing the rest by 1 - p")
class MhaCG(Heads):
    def weigh(self, scores, mask):
        weights = self.apply_mask(scores, mask).softmax(-1)
        if self.training:
            weights = weights * (torch.rand_like(weights) >= self.dropout.p)
        return weights


@wrong(EX, "dropout_renormalised", "after the dropout the rows are made to sum to one again")
class MhaCH(Heads):
    def weigh(self, scores, mask):
        weights = super().weigh(scores, mask)
        return weights / weights.sum(-1, keepdim=True).clamp(min=1e-9) if self.training else weights


@wrong(EX, "dropout_fixed", "a dropout of 0.1, whatever is given")
class MhaCI(Heads):
    def __init__(self, d_model, h, dropout):
        super().__init__(d_model, h, 0.1)


@wrong(EX, "dropout_keep_probability", "the number given is taken for the probability to keep")
class MhaCJ(Heads):
    def __init__(self, d_model, h, dropout):
        super().__init__(d_model, h, 1 - dropout)


@wrong(EX, "dropout_same_for_all_heads", "one draw for the weights, used in all heads")
class MhaCK(Heads):
    def weigh(self, scores, mask):
        weights = self.apply_mask(scores, mask).softmax(-1)
        return weights * self.dropout(torch.ones_like(weights[:, :1]))


@wrong(EX, "dropout_of_heads", "whole heads are dropped, not single weights")
class MhaCL(Heads):
    def weigh(self, scores, mask):
        weights = self.apply_mask(scores, mask).softmax(-1)
        return weights * self.dropout(torch.ones_like(weights[:, :, :1, :1]))


# ---------------------------------------------------------------- wrong: what is returned


@wrong(EX, "returns_weights_too", "returns (output, weights)")
class MhaDA(Heads):
    def forward(self, query, key, value, mask=None):
        q, k, v = self.project(query, key, value)
        weights = self.weigh(self.scores(q, k), mask)
        return self.w_o(self.join(weights @ v)), weights


@wrong(EX, "residual", "adds the query: the residual connection belongs to the sub-layer connection")
class MhaDB(Heads):
    def forward(self, query, key, value, mask=None):
        return query + super().forward(query, key, value, mask)


@wrong(EX, "layer_norm", "normalises the output")
class MhaDC(Heads):
    def __init__(self, d_model, h, dropout):
        super().__init__(d_model, h, dropout)
        self.gain, self.shift = nn.Parameter(torch.ones(d_model)), nn.Parameter(torch.zeros(d_model))

    def forward(self, query, key, value, mask=None):
        y = super().forward(query, key, value, mask)
        y = (y - y.mean(-1, keepdim=True)) / (y.var(-1, keepdim=True, unbiased=False) + 1e-5).sqrt()
        return self.gain * y + self.shift


@wrong(EX, "squeezed", "squeeze() of the result: axes are lost for a batch or a length of one")
class MhaDD(Heads):
    def forward(self, query, key, value, mask=None):
        return super().forward(query, key, value, mask).squeeze()


@wrong(EX, "heads_not_joined", "the heads are not joined: (B, h, T_q, d_k) projected to (B, h, T_q, d_model)")
class MhaDE(Heads):
    def __init__(self, d_model, h, dropout):
        super().__init__(d_model, h, dropout)
        self.w_o = nn.Linear(self.d_k, d_model)

    def join(self, x):
        return x


# ---------------------------------------------------------------- wrong: parameters, gradients, inputs, state, dtype


@wrong(EX, "unregistered_heads", "the heads are in a Python list: their parameters are not found")
class MhaEA(nn.Module):
    def __init__(self, d_model, h, dropout):
        super().__init__()
        self.heads = [Head(d_model, d_model // h, 0.0) for _ in range(h)]
        self.dropout = nn.Dropout(dropout)
        self.proj = nn.Linear(d_model, d_model)

    def forward(self, query, key, value, mask=None):
        masks = [None] * len(self.heads)
        if mask is not None:
            masks = mask.expand(query.size(0), len(self.heads), query.size(1), key.size(1)).unbind(1)
        outs = []
        for head, m in zip(self.heads, masks, strict=True):
            head.drop = self.dropout
            outs.append(head(query, key, value, m))
        return self.proj(torch.cat(outs, dim=-1))


@wrong(EX, "projections_as_buffers", "the matrix of queries, keys and values is a buffer: never trained")
class MhaEB(Heads):
    def __init__(self, d_model, h, dropout):
        super().__init__(d_model, h, dropout)
        del self.w_q, self.w_k, self.w_v
        self.register_buffer("qkv", torch.randn(3, d_model, d_model) / math.sqrt(d_model))

    def project(self, query, key, value):
        return tuple(self.split(x @ w) for x, w in zip((query, key, value), self.qkv, strict=True))


@wrong(EX, "output_frozen", "the parameters of W_o do not require a gradient")
class MhaEC(Heads):
    def __init__(self, d_model, h, dropout):
        super().__init__(d_model, h, dropout)
        self.w_o.requires_grad_(False)


@wrong(EX, "weights_detached", "the weights are detached: W_q and W_k never learn")
class MhaED(Heads):
    def weigh(self, scores, mask):
        return super().weigh(scores, mask).detach()


@wrong(EX, "memory_detached", "key and value are detached when they are not the query: the encoder gets no gradient")
class MhaEE(Heads):
    def project(self, query, key, value):
        if key is not query:
            key, value = key.detach(), value.detach()
        return super().project(query, key, value)


@wrong(EX, "new_every_call", "the output layer is made in forward: random every time")
class MhaEF(Heads):
    def forward(self, query, key, value, mask=None):
        q, k, v = self.project(query, key, value)
        out = self.join(self.weigh(self.scores(q, k), mask) @ v)
        return nn.Linear(self.d_model, self.d_model).to(out.dtype)(out)


@wrong(EX, "memory_remembered", "in eval mode keys and values of the first cross-attention are kept for all later ones")
class MhaEG(Heads):
    def __init__(self, d_model, h, dropout):
        super().__init__(d_model, h, dropout)
        self.kept = None

    def project(self, query, key, value):
        q, k, v = super().project(query, key, value)
        if self.training or key is query:
            return q, k, v
        if self.kept is None or self.kept[0].shape != k.shape:
            self.kept = k, v
        return q, *self.kept


@wrong(EX, "mask_remembered", "without a mask the last one given is used again, where it fits")
class MhaEH(Heads):
    def __init__(self, d_model, h, dropout):
        super().__init__(d_model, h, dropout)
        self.last = {}

    def apply_mask(self, scores, mask):
        if mask is None:
            mask = self.last.get(scores.shape)
        else:
            self.last[scores.shape] = mask
        return super().apply_mask(scores, mask)


@wrong(EX, "query_scaled_in_place", "the caller's query is divided by sqrt(d_k) in place before it is projected")
class MhaEI(Heads):
    def forward(self, query, key, value, mask=None):
        with torch.no_grad():
            query /= math.sqrt(self.d_k)
        return super().forward(query, key, value, mask)

    def scores(self, q, k):
        return q @ k.transpose(-2, -1)


@wrong(EX, "view_of_inputs", "view on the inputs: fails where they are not contiguous")
class MhaEJ(Heads):
    def project(self, query, key, value):
        return super().project(*(x.view(-1, self.d_model).view(x.shape) for x in (query, key, value)))


@wrong(EX, "float32_scores", "the scores are made float32: values in float64 fail")
class MhaEK(Heads):
    def scores(self, q, k):
        return super().scores(q, k).float()


@wrong(EX, "float32_result", "the output is collected in a float32 tensor")
class MhaEL(Heads):
    def forward(self, query, key, value, mask=None):
        out = torch.zeros(query.shape)
        for i in range(query.size(0)):
            one = None if mask is None else mask[i : i + 1] if mask.dim() == 4 and mask.size(0) > 1 else mask
            out[i : i + 1] = super().forward(query[i : i + 1], key[i : i + 1], value[i : i + 1], one)
        return out


@wrong(
    EX, "position_bias", "a learned bias for every distance, 64 at most, is added to the scores: not in the contract"
)
class MhaEM(Heads):
    def __init__(self, d_model, h, dropout):
        super().__init__(d_model, h, dropout)
        self.bias = nn.Parameter(torch.randn(h, 64, 64) * 0.1)

    def scores(self, q, k):
        return super().scores(q, k) + self.bias[:, : q.size(2), : k.size(2)]


@wrong(EX, "heads_hard_coded", "eight heads, whatever h is")
class MhaEN(Heads):
    def __init__(self, d_model, h, dropout):
        super().__init__(d_model, 8, dropout)


@wrong(EX, "arguments_swapped", "the constructor takes h first")
class MhaEO(Heads):
    def __init__(self, h, d_model, dropout):
        super().__init__(d_model, h, dropout)
