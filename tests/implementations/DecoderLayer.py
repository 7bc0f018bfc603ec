"""DecoderLayer: right and wrong implementations."""

import copy
import math

import torch
import torch.nn.functional as F
from torch import nn

from tests.implementations import right, wrong

EX = "DecoderLayer"


# ---------------------------------------------------------------- parts that several people share


class Norm(nn.Module):
    def __init__(self, d, eps=1e-6):
        super().__init__()
        self.gain = nn.Parameter(torch.ones(d))
        self.bias = nn.Parameter(torch.zeros(d))
        self.eps = eps

    def forward(self, x):
        mean = x.mean(-1, keepdim=True)
        var = x.var(-1, keepdim=True, unbiased=False)
        return self.gain * (x - mean) / torch.sqrt(var + self.eps) + self.bias


class Attention(nn.Module):
    def __init__(self, d_model, h):
        super().__init__()
        self.h = h
        self.d_k = d_model // h
        self.w_q = nn.Linear(d_model, d_model)
        self.w_k = nn.Linear(d_model, d_model)
        self.w_v = nn.Linear(d_model, d_model)
        self.w_o = nn.Linear(d_model, d_model)

    def split(self, x):
        return x.reshape(x.size(0), x.size(1), self.h, self.d_k).transpose(1, 2)

    def join(self, x):
        return x.transpose(1, 2).reshape(x.size(0), x.size(2), self.h * self.d_k)

    def scores(self, q, k):
        return q @ k.transpose(-2, -1) / math.sqrt(self.d_k)

    def weigh(self, scores, mask):
        if mask is not None:
            scores = scores.masked_fill(~mask, float("-inf"))
        return scores.softmax(dim=-1)

    def forward(self, query, key, value, mask=None):
        q = self.split(self.w_q(query))
        k = self.split(self.w_k(key))
        v = self.split(self.w_v(value))
        weights = self.weigh(self.scores(q, k), mask)
        return self.w_o(self.join(weights @ v))


class FeedForward(nn.Module):
    def __init__(self, d_model, d_ff):
        super().__init__()
        self.w_1 = nn.Linear(d_model, d_ff)
        self.w_2 = nn.Linear(d_ff, d_model)

    def forward(self, x):
        return self.w_2(self.w_1(x).relu())


class Layer(nn.Module):
    attention_class = Attention
    norm_class = Norm
    feed_forward_class = FeedForward

    def __init__(self, d_model, h, d_ff, dropout):
        super().__init__()
        self.self_attn = self.attention_class(d_model, h)
        self.cross_attn = self.attention_class(d_model, h)
        self.ff = self.feed_forward_class(d_model, d_ff)
        self.norm1 = self.norm_class(d_model)
        self.norm2 = self.norm_class(d_model)
        self.norm3 = self.norm_class(d_model)
        self.drop = nn.Dropout(dropout)

    def forward(self, x, memory, src_mask=None, tgt_mask=None):
        x = self.norm1(x + self.drop(self.self_attn(x, x, x, tgt_mask)))
        x = self.norm2(x + self.drop(self.cross_attn(x, memory, memory, src_mask)))
        return self.norm3(x + self.drop(self.ff(x)))


# ---------------------------------------------------------------- right


right(EX, "plain", "three post-norm sub-layers written out, separate nn.Linear projections")(Layer)


class AddAndNorm(nn.Module):
    def __init__(self, size, dropout):
        super().__init__()
        self.norm = Norm(size, eps=1e-5)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x, sublayer):
        return self.norm(x + self.dropout(sublayer(x)))


def clones(module, n):
    return nn.ModuleList([copy.deepcopy(module) for _ in range(n)])


@right(EX, "clones_and_lambdas", "in the style of the Annotated Transformer: cloned connections, lambdas, post-norm")
class AnnotatedDecoderLayer(nn.Module):
    def __init__(self, d_model, h, d_ff, dropout):
        super().__init__()
        self.size = d_model
        self.self_attn = Attention(d_model, h)
        self.src_attn = Attention(d_model, h)
        self.feed_forward = nn.Sequential(
            nn.Linear(d_model, d_ff), nn.ReLU(), nn.Dropout(dropout), nn.Linear(d_ff, d_model)
        )
        self.sublayer = clones(AddAndNorm(d_model, dropout), 3)
        for p in self.parameters():
            if p.dim() > 1:
                nn.init.xavier_uniform_(p)

    def forward(self, x, memory, src_mask=None, tgt_mask=None):
        m = memory
        x = self.sublayer[0](x, lambda y: self.self_attn(y, y, y, tgt_mask))
        x = self.sublayer[1](x, lambda y: self.src_attn(y, m, m, src_mask))
        return self.sublayer[2](x, self.feed_forward)


class HandNorm(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))
        self.shift = nn.Parameter(torch.zeros(width))

    def forward(self, t):
        t = t - t.mean(dim=-1, keepdim=True)
        return t * torch.rsqrt(t.pow(2).mean(dim=-1, keepdim=True) + 1e-5) * self.weight + self.shift


@right(EX, "fused_einsum", "one fused projection of q, k, v, one of memory's k, v; einsum; torch.where for the mask")
class FusedDecoderLayer(nn.Module):
    def __init__(self, d_model, h, d_ff, dropout):
        super().__init__()
        self.n_heads, self.width = h, d_model // h
        self.qkv = nn.Linear(d_model, 3 * d_model, bias=False)
        self.out_self = nn.Linear(d_model, d_model, bias=False)
        self.q = nn.Linear(d_model, d_model, bias=False)
        self.kv = nn.Linear(d_model, 2 * d_model, bias=False)
        self.out_cross = nn.Linear(d_model, d_model, bias=False)
        self.up = nn.Linear(d_model, d_ff)
        self.down = nn.Linear(d_ff, d_model)
        self.ln_a, self.ln_b, self.ln_c = HandNorm(d_model), HandNorm(d_model), HandNorm(d_model)
        self.p = dropout

    def _heads(self, t, parts):
        return t.unflatten(-1, (parts, self.n_heads, self.width)).unbind(dim=2)

    def _attend(self, q, k, v, mask):
        att = torch.einsum("bihd,bjhd->bhij", q, k) * self.width**-0.5
        if mask is not None:
            att = torch.where(mask, att, torch.finfo(att.dtype).min)
        att = F.softmax(att, dim=-1)
        return torch.einsum("bhij,bjhd->bihd", att, v).flatten(2)

    def forward(self, x, memory, src_mask=None, tgt_mask=None):
        q, k, v = self._heads(self.qkv(x), 3)
        a = self.out_self(self._attend(q, k, v, tgt_mask))
        x = self.ln_a(x + F.dropout(a, self.p, self.training))
        (q,) = self._heads(self.q(x), 1)
        k, v = self._heads(self.kv(memory), 2)
        a = self.out_cross(self._attend(q, k, v, src_mask))
        x = self.ln_b(x + F.dropout(a, self.p, self.training))
        a = self.down(F.relu(self.up(x)))
        return self.ln_c(x + F.dropout(a, self.p, self.training))


class OneHead(nn.Module):
    def __init__(self, d_model, d_head):
        super().__init__()
        self.query = nn.Linear(d_model, d_head, bias=False)
        self.key = nn.Linear(d_model, d_head, bias=False)
        self.value = nn.Linear(d_model, d_head, bias=False)

    def forward(self, a, b, allowed):
        q, k, v = self.query(a), self.key(b), self.value(b)
        s = torch.bmm(q, k.transpose(1, 2)) / q.size(-1) ** 0.5
        if allowed is not None:
            s = s.masked_fill(allowed.logical_not(), -1e9)
        return torch.bmm(torch.softmax(s, dim=2), v)


class ManyHeads(nn.Module):
    def __init__(self, d_model, h):
        super().__init__()
        self.heads = nn.ModuleList(OneHead(d_model, d_model // h) for _ in range(h))
        self.mix = nn.Linear(d_model, d_model)

    def forward(self, a, b, mask):
        if mask is not None:
            mask = mask.expand(a.size(0), len(self.heads), a.size(1), b.size(1))
        outs = [head(a, b, None if mask is None else mask[:, i]) for i, head in enumerate(self.heads)]
        return self.mix(torch.cat(outs, dim=-1))


@right(EX, "head_by_head", "h small heads in a ModuleList, a loop over them")
class LoopDecoderLayer(nn.Module):
    def __init__(self, d_model, h, d_ff, dropout):
        super().__init__()
        self.look_back = ManyHeads(d_model, h)
        self.look_over = ManyHeads(d_model, h)
        self.think = nn.Sequential(nn.Linear(d_model, d_ff), nn.ReLU(), nn.Linear(d_ff, d_model))
        self.norms = nn.ModuleList(HandNorm(d_model) for _ in range(3))
        self.drops = nn.ModuleList(nn.Dropout(dropout) for _ in range(3))

    def forward(self, x, memory, src_mask=None, tgt_mask=None):
        steps = [
            lambda y: self.look_back(y, y, tgt_mask),
            lambda y: self.look_over(y, memory, src_mask),
            self.think,
        ]
        for step, norm, drop in zip(steps, self.norms, self.drops, strict=True):
            x = norm(x + drop(step(x)))
        return x


@right(EX, "raw_parameters", "nn.Parameter tensors (h, d, d_k), no nn.Linear; the feed-forward part as convolutions")
class TensorDecoderLayer(nn.Module):
    def __init__(self, d_model, h, d_ff, dropout):
        super().__init__()
        d_k = d_model // h

        def make(*shape):
            return nn.Parameter(torch.randn(*shape) * d_model**-0.5)

        self.wq1, self.wk1, self.wv1 = make(h, d_model, d_k), make(h, d_model, d_k), make(h, d_model, d_k)
        self.wq2, self.wk2, self.wv2 = make(h, d_model, d_k), make(h, d_model, d_k), make(h, d_model, d_k)
        self.wo1, self.wo2 = make(h, d_k, d_model), make(h, d_k, d_model)
        self.gains = nn.Parameter(torch.ones(3, d_model))
        self.biases = nn.Parameter(torch.zeros(3, d_model))
        self.conv_in = nn.Conv1d(d_model, d_ff, kernel_size=1)
        self.conv_out = nn.Conv1d(d_ff, d_model, kernel_size=1)
        self.dropout = nn.Dropout(dropout)

    @staticmethod
    def attend(a, b, wq, wk, wv, wo, mask):
        q = torch.einsum("btd,hdk->bhtk", a, wq)
        k = torch.einsum("bsd,hdk->bhsk", b, wk)
        v = torch.einsum("bsd,hdk->bhsk", b, wv)
        e = torch.einsum("bhtk,bhsk->bhts", q, k) / math.sqrt(wq.size(-1))
        if mask is not None:
            e = e + torch.zeros_like(e).masked_fill(~mask, float("-inf"))
        e = torch.exp(e - e.amax(dim=-1, keepdim=True))
        e = e / e.sum(dim=-1, keepdim=True)
        return torch.einsum("bhts,bhsk,hkd->btd", e, v, wo)

    def normalise(self, x, i):
        var, mean = torch.var_mean(x, dim=-1, correction=0, keepdim=True)
        return (x - mean) / (var + 1e-6).sqrt() * self.gains[i] + self.biases[i]

    def forward(self, x, memory, src_mask=None, tgt_mask=None):
        y = self.attend(x, x, self.wq1, self.wk1, self.wv1, self.wo1, tgt_mask)
        x = self.normalise(x + self.dropout(y), 0)
        y = self.attend(x, memory, self.wq2, self.wk2, self.wv2, self.wo2, src_mask)
        x = self.normalise(x + self.dropout(y), 1)
        y = self.conv_out(F.relu(self.conv_in(x.transpose(1, 2)))).transpose(1, 2)
        return self.normalise(x + self.dropout(y), 2)


class FlatAttention(nn.Module):
    def __init__(self, embed_dim, num_heads):
        super().__init__()
        self.num_heads = num_heads
        self.head_dim = embed_dim // num_heads
        self.scaling = self.head_dim**-0.5
        self.q_proj = nn.Linear(embed_dim, embed_dim)
        self.k_proj = nn.Linear(embed_dim, embed_dim)
        self.v_proj = nn.Linear(embed_dim, embed_dim)
        self.out_proj = nn.Linear(embed_dim, embed_dim)

    def _shape(self, t, bsz):
        t = t.view(bsz, -1, self.num_heads, self.head_dim).permute(0, 2, 1, 3)
        return t.reshape(bsz * self.num_heads, -1, self.head_dim)

    def forward(self, query, key_value, attn_mask=None):
        bsz, tgt_len, embed_dim = query.shape
        src_len = key_value.shape[1]
        q = self._shape((self.q_proj(query) * self.scaling).contiguous(), bsz)
        k = self._shape(self.k_proj(key_value).contiguous(), bsz)
        v = self._shape(self.v_proj(key_value).contiguous(), bsz)
        attn = torch.bmm(q, k.transpose(1, 2)).view(bsz, self.num_heads, tgt_len, src_len)
        if attn_mask is not None:
            attn = attn.masked_fill(attn_mask == 0, float("-inf"))
        attn = torch.softmax(attn, dim=-1).view(bsz * self.num_heads, tgt_len, src_len)
        out = torch.bmm(attn, v).view(bsz, self.num_heads, tgt_len, self.head_dim)
        return self.out_proj(out.transpose(1, 2).reshape(bsz, tgt_len, embed_dim))


@right(EX, "fairseq_bmm", "in fairseq's style: bmm over batch times heads, normalize_before False")
class TransformerDecoderBlock(nn.Module):
    def __init__(self, d_model, h, d_ff, dropout):
        super().__init__()
        self.self_attn = FlatAttention(d_model, h)
        self.self_attn_layer_norm = Norm(d_model, 1e-5)
        self.encoder_attn = FlatAttention(d_model, h)
        self.encoder_attn_layer_norm = Norm(d_model, 1e-5)
        self.fc1 = nn.Linear(d_model, d_ff)
        self.fc2 = nn.Linear(d_ff, d_model)
        self.final_layer_norm = Norm(d_model, 1e-5)
        self.dropout = dropout

    def forward(self, x, memory, src_mask=None, tgt_mask=None):
        residual = x
        x = self.self_attn(x, x, tgt_mask)
        x = F.dropout(x, p=self.dropout, training=self.training)
        x = self.self_attn_layer_norm(residual + x)
        residual = x
        x = self.encoder_attn(x, memory, src_mask)
        x = F.dropout(x, p=self.dropout, training=self.training)
        x = self.encoder_attn_layer_norm(residual + x)
        residual = x
        x = F.relu(self.fc1(x))
        x = F.dropout(x, p=self.dropout, training=self.training)
        x = self.fc2(x)
        x = F.dropout(x, p=self.dropout, training=self.training)
        return self.final_layer_norm(residual + x)


def attend_one_sentence(x, y, heads, w_q, w_k, w_v, w_o, mask):
    outs = []
    for q, k, v, m in zip(
        w_q(x).chunk(heads, -1), w_k(y).chunk(heads, -1), w_v(y).chunk(heads, -1), mask.unbind(0), strict=True
    ):
        energy = (q @ k.T) / math.sqrt(q.shape[-1])
        energy[~m] = -torch.inf
        outs.append(energy.softmax(-1) @ v)
    return w_o(torch.cat(outs, -1))


@right(EX, "sentence_by_sentence", "a loop over the batch, chunks for heads, a mask of ones where none is given")
class SlowDecoderLayer(nn.Module):
    def __init__(self, d_model, h, d_ff, dropout):
        super().__init__()
        self.h = h
        self.own = nn.ModuleList([nn.Linear(d_model, d_model) for _ in range(4)])
        self.other = nn.ModuleList([nn.Linear(d_model, d_model) for _ in range(4)])
        self.ffn = nn.ModuleDict({"in": nn.Linear(d_model, d_ff), "out": nn.Linear(d_ff, d_model)})
        self.ln = nn.ModuleDict({name: Norm(d_model) for name in ("own", "other", "ffn")})
        self.dropout = nn.Dropout(dropout)

    def full(self, mask, x, y):
        if mask is None:
            mask = torch.ones(1, 1, dtype=torch.bool, device=x.device)
        return mask.expand(x.size(0), self.h, x.size(1), y.size(1))

    def run(self, x, y, maps, mask):
        mask = self.full(mask, x, y)
        rows = [attend_one_sentence(x[b], y[b], self.h, *maps, mask[b]) for b in range(x.size(0))]
        return self.dropout(torch.stack(rows))

    def forward(self, x, memory, src_mask=None, tgt_mask=None):
        x = self.ln["own"](x + self.run(x, x, self.own, tgt_mask))
        x = self.ln["other"](x + self.run(x, memory, self.other, src_mask))
        hidden = torch.clamp(self.ffn["in"](x), min=0)
        return self.ln["ffn"](x + self.dropout(self.ffn["out"](hidden)))


# ---------------------------------------------------------------- wrong: order, residuals, norms


@wrong(EX, "cross_first", "attends to the memory before the self-attention")
class MemoryFirst(Layer):
    def forward(self, x, memory, src_mask=None, tgt_mask=None):
        x = self.norm1(x + self.drop(self.cross_attn(x, memory, memory, src_mask)))
        x = self.norm2(x + self.drop(self.self_attn(x, x, x, tgt_mask)))
        return self.norm3(x + self.drop(self.ff(x)))


@wrong(EX, "ffn_second", "the feed-forward part comes before the attention to the memory")
class Sandwich(Layer):
    def forward(self, x, memory, src_mask=None, tgt_mask=None):
        x = self.norm1(x + self.drop(self.self_attn(x, x, x, tgt_mask)))
        x = self.norm2(x + self.drop(self.ff(x)))
        return self.norm3(x + self.drop(self.cross_attn(x, memory, memory, src_mask)))


@wrong(EX, "parallel_attentions", "both attentions start from the layer's input, and their outputs are added")
class Parallel(Layer):
    def forward(self, x, memory, src_mask=None, tgt_mask=None):
        own = self.norm1(x + self.drop(self.self_attn(x, x, x, tgt_mask)))
        other = self.norm2(x + self.drop(self.cross_attn(x, memory, memory, src_mask)))
        x = own + other
        return self.norm3(x + self.drop(self.ff(x)))


@wrong(EX, "cross_query_is_the_input", "the second attention's query is the layer's input, not the first one's output")
class StaleQuery(Layer):
    def forward(self, x, memory, src_mask=None, tgt_mask=None):
        y = self.norm1(x + self.drop(self.self_attn(x, x, x, tgt_mask)))
        z = self.norm2(y + self.drop(self.cross_attn(x, memory, memory, src_mask)))
        return self.norm3(z + self.drop(self.ff(z)))


@wrong(EX, "residual_from_the_input", "all three residuals add the layer's input instead of the sub-layer's own")
class OldResidual(Layer):
    def forward(self, x, memory, src_mask=None, tgt_mask=None):
        residual = x
        y = self.norm1(residual + self.drop(self.self_attn(x, x, x, tgt_mask)))
        y = self.norm2(residual + self.drop(self.cross_attn(y, memory, memory, src_mask)))
        return self.norm3(residual + self.drop(self.ff(y)))


@wrong(EX, "pre_ln", "the norm comes before each sub-layer (GPT-2's order), nothing after the last sum")
class PreNormLayer(Layer):
    def forward(self, x, memory, src_mask=None, tgt_mask=None):
        y = self.norm1(x)
        x = x + self.drop(self.self_attn(y, y, y, tgt_mask))
        x = x + self.drop(self.cross_attn(self.norm2(x), memory, memory, src_mask))
        return x + self.drop(self.ff(self.norm3(x)))


@wrong(EX, "pre_ln_final_norm", "pre-LN with a fourth norm at the end, so that the output looks normalised")
class PreNormLayerWithFinal(nn.Module):
    def __init__(self, d_model, h, d_ff, dropout):
        super().__init__()
        self.attn1, self.attn2 = Attention(d_model, h), Attention(d_model, h)
        self.mlp = FeedForward(d_model, d_ff)
        self.norms = nn.ModuleList([Norm(d_model) for _ in range(4)])
        self.dropout = nn.Dropout(dropout)

    def forward(self, x, memory, src_mask=None, tgt_mask=None):
        y = self.norms[0](x)
        x = x + self.dropout(self.attn1(y, y, y, tgt_mask))
        y = self.norms[1](x)
        x = x + self.dropout(self.attn2(y, memory, memory, src_mask))
        x = x + self.dropout(self.mlp(self.norms[2](x)))
        return self.norms[3](x)


@wrong(EX, "norm_inside", "x + LayerNorm(sublayer(x)): the norm is applied before the sum")
class NormThenAdd(Layer):
    def forward(self, x, memory, src_mask=None, tgt_mask=None):
        x = x + self.norm1(self.drop(self.self_attn(x, x, x, tgt_mask)))
        x = x + self.norm2(self.drop(self.cross_attn(x, memory, memory, src_mask)))
        return x + self.norm3(self.drop(self.ff(x)))


@wrong(EX, "no_residual_self", "no residual around the self-attention")
class NoSkipOne(Layer):
    def forward(self, x, memory, src_mask=None, tgt_mask=None):
        x = self.norm1(self.drop(self.self_attn(x, x, x, tgt_mask)))
        x = self.norm2(x + self.drop(self.cross_attn(x, memory, memory, src_mask)))
        return self.norm3(x + self.drop(self.ff(x)))


@wrong(EX, "no_residual_cross", "no residual around the attention to the memory")
class NoSkipTwo(Layer):
    def forward(self, x, memory, src_mask=None, tgt_mask=None):
        x = self.norm1(x + self.drop(self.self_attn(x, x, x, tgt_mask)))
        x = self.norm2(self.drop(self.cross_attn(x, memory, memory, src_mask)))
        return self.norm3(x + self.drop(self.ff(x)))


@wrong(EX, "no_residual_ffn", "no residual around the feed-forward part")
class NoSkipThree(Layer):
    def forward(self, x, memory, src_mask=None, tgt_mask=None):
        x = self.norm1(x + self.drop(self.self_attn(x, x, x, tgt_mask)))
        x = self.norm2(x + self.drop(self.cross_attn(x, memory, memory, src_mask)))
        return self.norm3(self.drop(self.ff(x)))


@wrong(EX, "norm_only_at_the_end", "one norm after all three sums instead of three")
class LastNormOnly(nn.Module):
    def __init__(self, d_model, h, d_ff, dropout):
        super().__init__()
        self.self_attention = Attention(d_model, h)
        self.enc_dec_attention = Attention(d_model, h)
        self.ffn = FeedForward(d_model, d_ff)
        self.norm = Norm(d_model)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x, memory, src_mask=None, tgt_mask=None):
        x = x + self.dropout(self.self_attention(x, x, x, tgt_mask))
        x = x + self.dropout(self.enc_dec_attention(x, memory, memory, src_mask))
        x = x + self.dropout(self.ffn(x))
        return self.norm(x)


@wrong(EX, "no_norm_after_cross", "the norm after the second sum is forgotten")
class TwoNorms(Layer):
    def forward(self, x, memory, src_mask=None, tgt_mask=None):
        x = self.norm1(x + self.drop(self.self_attn(x, x, x, tgt_mask)))
        x = x + self.drop(self.cross_attn(x, memory, memory, src_mask))
        return self.norm3(x + self.drop(self.ff(x)))


@wrong(EX, "one_norm_shared", "one LayerNorm (one gain, one bias) used three times")
class SharedNorm(Layer):
    def __init__(self, d_model, h, d_ff, dropout):
        super().__init__(d_model, h, d_ff, dropout)
        self.norm2 = self.norm1
        self.norm3 = self.norm1


@wrong(EX, "one_attention_shared", "the same attention module serves as self-attention and as attention to the memory")
class SharedAttention(Layer):
    def __init__(self, d_model, h, d_ff, dropout):
        super().__init__(d_model, h, d_ff, dropout)
        self.cross_attn = self.self_attn


@wrong(EX, "cloned_once_only", "the norms are [connection] * 3: three names for one set of parameters")
class TimesThree(nn.Module):
    def __init__(self, d_model, h, d_ff, dropout):
        super().__init__()
        self.self_attn = Attention(d_model, h)
        self.src_attn = Attention(d_model, h)
        self.feed_forward = FeedForward(d_model, d_ff)
        self.sublayer = nn.ModuleList([AddAndNorm(d_model, dropout)] * 3)

    def forward(self, x, memory, src_mask=None, tgt_mask=None):
        x = self.sublayer[0](x, lambda y: self.self_attn(y, y, y, tgt_mask))
        x = self.sublayer[1](x, lambda y: self.src_attn(y, memory, memory, src_mask))
        return self.sublayer[2](x, self.feed_forward)


@wrong(EX, "encoder_layer_copied", "the attention to the memory is missing altogether")
class TwoSublayers(nn.Module):
    def __init__(self, d_model, h, d_ff, dropout):
        super().__init__()
        self.attn = Attention(d_model, h)
        self.ff = FeedForward(d_model, d_ff)
        self.first, self.second = AddAndNorm(d_model, dropout), AddAndNorm(d_model, dropout)

    def forward(self, x, memory, src_mask=None, tgt_mask=None):
        x = self.first(x, lambda y: self.attn(y, y, y, tgt_mask))
        return self.second(x, self.ff)


@wrong(EX, "no_ffn", "the feed-forward sub-layer is missing")
class NoFeedForward(Layer):
    def forward(self, x, memory, src_mask=None, tgt_mask=None):
        x = self.norm1(x + self.drop(self.self_attn(x, x, x, tgt_mask)))
        return self.norm2(x + self.drop(self.cross_attn(x, memory, memory, src_mask)))


@wrong(EX, "two_ffns", "a feed-forward part after each attention, as if the layer were two encoder layers")
class FourSublayers(nn.Module):
    def __init__(self, d_model, h, d_ff, dropout):
        super().__init__()
        self.a, self.b = Attention(d_model, h), Attention(d_model, h)
        self.f, self.g = FeedForward(d_model, d_ff), FeedForward(d_model, d_ff)
        self.s = nn.ModuleList([AddAndNorm(d_model, dropout) for _ in range(4)])

    def forward(self, x, memory, src_mask=None, tgt_mask=None):
        x = self.s[0](x, lambda y: self.a(y, y, y, tgt_mask))
        x = self.s[1](x, self.f)
        x = self.s[2](x, lambda y: self.b(y, memory, memory, src_mask))
        return self.s[3](x, self.g)


# ---------------------------------------------------------------- wrong: who attends to what


@wrong(EX, "memory_as_query", "the memory asks and the target answers")
class Turned(Layer):
    def forward(self, x, memory, src_mask=None, tgt_mask=None):
        x = self.norm1(x + self.drop(self.self_attn(x, x, x, tgt_mask)))
        x = self.norm2(x + self.drop(self.cross_attn(memory, x, x, src_mask)))
        return self.norm3(x + self.drop(self.ff(x)))


@wrong(EX, "values_from_target", "keys from the memory, values from the target")
class MixedUp(Layer):
    def forward(self, x, memory, src_mask=None, tgt_mask=None):
        x = self.norm1(x + self.drop(self.self_attn(x, x, x, tgt_mask)))
        x = self.norm2(x + self.drop(self.cross_attn(x, memory, x, src_mask)))
        return self.norm3(x + self.drop(self.ff(x)))


@wrong(EX, "memory_ignored", "the second attention is a second self-attention: the memory is never read")
class Introspective(Layer):
    def forward(self, x, memory, src_mask=None, tgt_mask=None):
        x = self.norm1(x + self.drop(self.self_attn(x, x, x, tgt_mask)))
        x = self.norm2(x + self.drop(self.cross_attn(x, x, x, tgt_mask)))
        return self.norm3(x + self.drop(self.ff(x)))


@wrong(EX, "keys_of_both", "the second attention sees the memory and the target together")
class Concatenated(Layer):
    def forward(self, x, memory, src_mask=None, tgt_mask=None):
        x = self.norm1(x + self.drop(self.self_attn(x, x, x, tgt_mask)))
        b, t, s = x.size(0), x.size(1), memory.size(1)
        both = torch.cat([memory, x], dim=1)
        left = torch.ones(b, 1, t, s, dtype=torch.bool) if src_mask is None else src_mask.expand(b, 1, t, s)
        right_part = torch.ones(b, 1, t, t, dtype=torch.bool) if tgt_mask is None else tgt_mask.expand(b, 1, t, t)
        mask = torch.cat([left, right_part], dim=-1)
        x = self.norm2(x + self.drop(self.cross_attn(x, both, both, mask)))
        return self.norm3(x + self.drop(self.ff(x)))


@wrong(EX, "memory_detached", "memory.detach(): the encoder gets no gradient, the output is right")
class NoGradMemory(Layer):
    def forward(self, x, memory, src_mask=None, tgt_mask=None):
        memory = memory.detach()
        x = self.norm1(x + self.drop(self.self_attn(x, x, x, tgt_mask)))
        x = self.norm2(x + self.drop(self.cross_attn(x, memory, memory, src_mask)))
        return self.norm3(x + self.drop(self.ff(x)))


@wrong(EX, "memory_normalised", "the second norm is applied to the memory as well")
class NormedMemory(Layer):
    def forward(self, x, memory, src_mask=None, tgt_mask=None):
        x = self.norm1(x + self.drop(self.self_attn(x, x, x, tgt_mask)))
        m = self.norm2(memory)
        x = self.norm2(x + self.drop(self.cross_attn(x, m, m, src_mask)))
        return self.norm3(x + self.drop(self.ff(x)))


@wrong(EX, "memory_pooled", "the memory is averaged into one vector first, like a fixed context")
class ContextVector(Layer):
    def forward(self, x, memory, src_mask=None, tgt_mask=None):
        x = self.norm1(x + self.drop(self.self_attn(x, x, x, tgt_mask)))
        context = memory.mean(dim=1, keepdim=True)
        x = self.norm2(x + self.drop(self.cross_attn(x, context, context)))
        return self.norm3(x + self.drop(self.ff(x)))


@wrong(EX, "memory_kept", "keys and values of the first memory are kept and used for every later call")
class StaticKeys(Layer):
    def __init__(self, d_model, h, d_ff, dropout):
        super().__init__(d_model, h, d_ff, dropout)
        self.static = None

    def forward(self, x, memory, src_mask=None, tgt_mask=None):
        if self.static is None or self.static.shape != memory.shape:
            self.static = memory
        x = self.norm1(x + self.drop(self.self_attn(x, x, x, tgt_mask)))
        x = self.norm2(x + self.drop(self.cross_attn(x, self.static, self.static, src_mask)))
        return self.norm3(x + self.drop(self.ff(x)))


@wrong(EX, "equal_lengths_only", "memory is reshaped with the target's length: works only where both are as long")
class SquareOnly(nn.Module):
    def __init__(self, d_model, h, d_ff, dropout):
        super().__init__()
        self.h, self.d_k = h, d_model // h
        self.proj = nn.ModuleList([nn.Linear(d_model, d_model) for _ in range(8)])
        self.ff = FeedForward(d_model, d_ff)
        self.n1, self.n2, self.n3 = Norm(d_model), Norm(d_model), Norm(d_model)
        self.dropout = nn.Dropout(dropout)

    def attend(self, x, y, proj, mask):
        b, t, d = x.shape
        q, k, v = (p(z).reshape(b, t, self.h, self.d_k).transpose(1, 2) for p, z in zip(proj, (x, y, y), strict=False))
        s = q @ k.mT / math.sqrt(self.d_k)
        if mask is not None:
            s = s.masked_fill(~mask, -1e9)
        return proj[3]((s.softmax(-1) @ v).transpose(1, 2).reshape(b, t, d))

    def forward(self, x, memory, src_mask=None, tgt_mask=None):
        x = self.n1(x + self.dropout(self.attend(x, x, self.proj[:4], tgt_mask)))
        x = self.n2(x + self.dropout(self.attend(x, memory, self.proj[4:], src_mask)))
        return self.n3(x + self.dropout(self.ff(x)))


# ---------------------------------------------------------------- wrong: masks


@wrong(EX, "masks_swapped", "src_mask goes to the self-attention, tgt_mask to the attention to the memory")
class SwappedMasks(Layer):
    def forward(self, x, memory, src_mask=None, tgt_mask=None):
        x = self.norm1(x + self.drop(self.self_attn(x, x, x, src_mask)))
        x = self.norm2(x + self.drop(self.cross_attn(x, memory, memory, tgt_mask)))
        return self.norm3(x + self.drop(self.ff(x)))


@wrong(EX, "argument_order", "the arguments are (x, memory, tgt_mask, src_mask), as in PyTorch's own layer")
class TorchOrder(Layer):
    def forward(self, x, memory, tgt_mask=None, src_mask=None):
        x = self.norm1(x + self.drop(self.self_attn(x, x, x, tgt_mask)))
        x = self.norm2(x + self.drop(self.cross_attn(x, memory, memory, src_mask)))
        return self.norm3(x + self.drop(self.ff(x)))


@wrong(EX, "tgt_mask_unused", "the self-attention gets no mask: the future is seen")
class SeesAll(Layer):
    def forward(self, x, memory, src_mask=None, tgt_mask=None):
        x = self.norm1(x + self.drop(self.self_attn(x, x, x)))
        x = self.norm2(x + self.drop(self.cross_attn(x, memory, memory, src_mask)))
        return self.norm3(x + self.drop(self.ff(x)))


@wrong(EX, "src_mask_unused", "the attention to the memory gets no mask: the source's padding is seen")
class SeesPadding(Layer):
    def forward(self, x, memory, src_mask=None, tgt_mask=None):
        x = self.norm1(x + self.drop(self.self_attn(x, x, x, tgt_mask)))
        x = self.norm2(x + self.drop(self.cross_attn(x, memory, memory)))
        return self.norm3(x + self.drop(self.ff(x)))


@wrong(EX, "always_causal", "a causal mask of its own is added, asked for or not; a tgt_mask only narrows it")
class OwnTriangle(Layer):
    def forward(self, x, memory, src_mask=None, tgt_mask=None):
        t = x.size(1)
        triangle = torch.ones(t, t, dtype=torch.bool, device=x.device).tril()
        mask = triangle if tgt_mask is None else tgt_mask & triangle
        x = self.norm1(x + self.drop(self.self_attn(x, x, x, mask)))
        x = self.norm2(x + self.drop(self.cross_attn(x, memory, memory, src_mask)))
        return self.norm3(x + self.drop(self.ff(x)))


@wrong(EX, "cross_causal_too", "position i of the target sees only the first i + 1 positions of the memory")
class TriangleTwice(Layer):
    def forward(self, x, memory, src_mask=None, tgt_mask=None):
        steps = torch.ones(x.size(1), memory.size(1), dtype=torch.bool, device=x.device).tril()
        x = self.norm1(x + self.drop(self.self_attn(x, x, x, tgt_mask)))
        mask = steps if src_mask is None else src_mask & steps
        x = self.norm2(x + self.drop(self.cross_attn(x, memory, memory, mask)))
        return self.norm3(x + self.drop(self.ff(x)))


@wrong(EX, "first_mask_kept", "a tgt_mask is kept for its length: a later one of the same shape is not read")
class RemembersMask(Layer):
    def __init__(self, d_model, h, d_ff, dropout):
        super().__init__(d_model, h, d_ff, dropout)
        self.masks = {}

    def forward(self, x, memory, src_mask=None, tgt_mask=None):
        if tgt_mask is not None:
            tgt_mask = self.masks.setdefault(tuple(tgt_mask.shape), tgt_mask)
        x = self.norm1(x + self.drop(self.self_attn(x, x, x, tgt_mask)))
        x = self.norm2(x + self.drop(self.cross_attn(x, memory, memory, src_mask)))
        return self.norm3(x + self.drop(self.ff(x)))


class InvertedAttention(Attention):
    def weigh(self, scores, mask):
        if mask is not None:
            scores = scores.masked_fill(mask, torch.finfo(scores.dtype).min)
        return scores.softmax(dim=-1)


@wrong(EX, "masks_inverted", "True taken as 'may not attend', as in nn.MultiheadAttention")
class TrueMeansHidden(Layer):
    attention_class = InvertedAttention


class SmallFillAttention(Attention):
    def weigh(self, scores, mask):
        if mask is not None:
            scores = scores.masked_fill(mask == 0, 1e-9)
        return scores.softmax(dim=-1)


@wrong(EX, "fill_1e_minus_9", "masked scores become 1e-9, meant was -1e9")
class TinyFill(Layer):
    attention_class = SmallFillAttention


class LateMaskAttention(Attention):
    def weigh(self, scores, mask):
        weights = scores.softmax(dim=-1)
        return weights if mask is None else weights * mask


@wrong(EX, "mask_after_softmax", "the mask is multiplied in after the softmax, the weights no longer sum to one")
class LateMask(Layer):
    attention_class = LateMaskAttention


class AddedMaskAttention(Attention):
    def weigh(self, scores, mask):
        return (scores if mask is None else scores + mask).softmax(dim=-1)


@wrong(EX, "boolean_mask_added", "the boolean mask is added to the scores as if it held 0 and -inf")
class AddedMask(Layer):
    attention_class = AddedMaskAttention


class UnsqueezedMaskAttention(Attention):
    def weigh(self, scores, mask):
        if mask is not None:
            mask = mask.reshape(-1, mask.size(-2), mask.size(-1)).unsqueeze(1)
            scores = scores.masked_fill(~mask, float("-inf"))
        return scores.softmax(dim=-1)


@wrong(EX, "no_mask_per_head", "masks are flattened to (B, 1, T_q, T_k): one that differs from head to head is misread")
class OneMaskForAll(Layer):
    attention_class = UnsqueezedMaskAttention


class FirstSentenceMaskAttention(Attention):
    def weigh(self, scores, mask):
        if mask is not None:
            while mask.dim() > 2:
                mask = mask[0]
            scores = scores.masked_fill(~mask, float("-inf"))
        return scores.softmax(dim=-1)


@wrong(EX, "first_sentence_mask", "the first sentence's mask is used for the whole batch")
class MaskOfFirst(Layer):
    attention_class = FirstSentenceMaskAttention


class FlippingAttention(Attention):
    def weigh(self, scores, mask):
        if mask is not None:
            scores = scores.masked_fill(mask.logical_not_(), float("-inf"))
        return scores.softmax(dim=-1)


@wrong(EX, "mask_flipped_in_place", "logical_not_ flips the caller's mask: right once, inverted the second time")
class FlipsMask(Layer):
    attention_class = FlippingAttention


# ---------------------------------------------------------------- wrong: inside the parts


class UnscaledAttention(Attention):
    def scores(self, q, k):
        return q @ k.transpose(-2, -1)


@wrong(EX, "no_scale", "the scores are not divided by sqrt(d_k)")
class Unscaled(Layer):
    attention_class = UnscaledAttention


class WideScaleAttention(Attention):
    def scores(self, q, k):
        return q @ k.transpose(-2, -1) / math.sqrt(self.h * self.d_k)


@wrong(EX, "scale_d_model", "the scores are divided by sqrt(d_model) instead of sqrt(d_k)")
class WideScale(Layer):
    attention_class = WideScaleAttention


class ViewedAttention(Attention):
    def split(self, x):
        return x.reshape(x.size(0), self.h, x.size(1), self.d_k)


@wrong(EX, "heads_by_view", "(B, T, d) viewed as (B, h, T, d_k) without a transpose: heads mix positions")
class Viewed(Layer):
    attention_class = ViewedAttention


class UnjoinedAttention(Attention):
    def join(self, x):
        return x.reshape(x.size(0), x.size(2), self.h * self.d_k)


@wrong(EX, "join_without_transpose", "heads are put together without moving the head axis back: positions mix")
class Unjoined(Layer):
    attention_class = UnjoinedAttention


class QuerySoftmaxAttention(Attention):
    def weigh(self, scores, mask):
        if mask is not None:
            scores = scores.masked_fill(~mask, -1e9)
        return scores.softmax(dim=-2)


@wrong(EX, "softmax_over_queries", "the softmax runs over the queries instead of the keys")
class QuerySoftmax(Layer):
    attention_class = QuerySoftmaxAttention


class NoOutputAttention(Attention):
    def forward(self, query, key, value, mask=None):
        q, k, v = self.split(self.w_q(query)), self.split(self.w_k(key)), self.split(self.w_v(value))
        return self.join(self.weigh(self.scores(q, k), mask) @ v)


@wrong(EX, "no_output_projection", "the heads are put together but not multiplied by W_O")
class NoOutput(Layer):
    attention_class = NoOutputAttention


class SingleHeadAttention(Attention):
    def __init__(self, d_model, h):
        super().__init__(d_model, 1)


@wrong(EX, "one_head", "h is ignored: one head of width d_model")
class SingleHead(Layer):
    attention_class = SingleHeadAttention


class ListedHeads(nn.Module):
    def __init__(self, d_model, h):
        super().__init__()
        self.heads = [OneHead(d_model, d_model // h) for _ in range(h)]
        self.mix = nn.Linear(d_model, d_model)

    def forward(self, query, key, value, mask=None):
        if mask is not None:
            mask = mask.expand(query.size(0), len(self.heads), query.size(1), key.size(1))
        outs = [head(query, key, None if mask is None else mask[:, i]) for i, head in enumerate(self.heads)]
        return self.mix(torch.cat(outs, dim=-1))


@wrong(EX, "heads_in_a_list", "the heads are in a Python list: their parameters are not registered")
class Listed(Layer):
    attention_class = ListedHeads


class FrozenKeysAttention(Attention):
    def forward(self, query, key, value, mask=None):
        with torch.no_grad():
            k = self.split(self.w_k(key))
        q, v = self.split(self.w_q(query)), self.split(self.w_v(value))
        return self.w_o(self.join(self.weigh(self.scores(q, k), mask) @ v))


@wrong(EX, "keys_without_gradient", "the keys are computed under no_grad: W_K never learns, the output is right")
class FrozenKeys(Layer):
    attention_class = FrozenKeysAttention


class LinearFeedForward(FeedForward):
    def forward(self, x):
        return self.w_2(self.w_1(x))


@wrong(EX, "ffn_without_relu", "no activation between the two linear maps")
class NoActivation(Layer):
    feed_forward_class = LinearFeedForward


class GeluFeedForward(FeedForward):
    def forward(self, x):
        return self.w_2(F.gelu(self.w_1(x)))


@wrong(EX, "ffn_gelu", "GELU instead of ReLU, as in BERT")
class Gelu(Layer):
    feed_forward_class = GeluFeedForward


class LateReluFeedForward(FeedForward):
    def forward(self, x):
        return F.relu(self.w_2(F.relu(self.w_1(x))))


@wrong(EX, "ffn_relu_twice", "a second ReLU after W_2: the sub-layer can only add")
class TwoRelus(Layer):
    feed_forward_class = LateReluFeedForward


class FixedFeedForward(FeedForward):
    def __init__(self, d_model, d_ff):
        super().__init__(d_model, 4 * d_model)


@wrong(EX, "d_ff_ignored", "the inner width is 4 * d_model whatever d_ff is")
class FixedWidth(Layer):
    feed_forward_class = FixedFeedForward


class SampleNorm(Norm):
    def forward(self, x):
        return self.gain * (x - x.mean(-1, keepdim=True)) / (x.std(-1, keepdim=True) + self.eps) + self.bias


@wrong(EX, "unbiased_norm", "the norm divides by x.std(), which is the unbiased one")
class Unbiased(Layer):
    norm_class = SampleNorm


class SentenceNorm(Norm):
    def forward(self, x):
        mean = x.mean((-2, -1), keepdim=True)
        var = x.var((-2, -1), keepdim=True, unbiased=False)
        return self.gain * (x - mean) / torch.sqrt(var + self.eps) + self.bias


@wrong(EX, "norm_over_the_sentence", "mean and variance over positions and features: the future leaks through the norm")
class NormOverSentence(Layer):
    norm_class = SentenceNorm


class BareNorm(nn.Module):
    def __init__(self, d):
        super().__init__()

    def forward(self, x):
        x = x - x.mean(-1, keepdim=True)
        return x / torch.sqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6)


@wrong(EX, "norm_without_gain", "the norms have neither gain nor bias")
class NoGain(Layer):
    norm_class = BareNorm


class RootMeanSquare(Norm):
    def forward(self, x):
        return self.gain * x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + self.eps) + self.bias


@wrong(EX, "rms_norm", "RMSNorm: the mean is not subtracted")
class RmsLayer(Layer):
    norm_class = RootMeanSquare


@wrong(EX, "dropout_fixed", "dropout 0.1 whatever was asked for")
class FixedDropout(Layer):
    def __init__(self, d_model, h, d_ff, dropout=0.1):
        super().__init__(d_model, h, d_ff, 0.1)


@wrong(EX, "input_changed", "x += ... writes the first sum into the caller's tensor")
class InPlaceSum(Layer):
    def forward(self, x, memory, src_mask=None, tgt_mask=None):
        x += self.drop(self.self_attn(x, x, x, tgt_mask))
        x = self.norm1(x)
        x = self.norm2(x + self.drop(self.cross_attn(x, memory, memory, src_mask)))
        return self.norm3(x + self.drop(self.ff(x)))


@wrong(EX, "memory_changed", "padding of the caller's memory is zeroed in place, where a padding mask is given")
class ZeroesMemory(Layer):
    def forward(self, x, memory, src_mask=None, tgt_mask=None):
        if src_mask is not None and src_mask.shape == (memory.size(0), 1, 1, memory.size(1)):
            memory.data[~src_mask[:, 0, 0]] = 0
        x = self.norm1(x + self.drop(self.self_attn(x, x, x, tgt_mask)))
        x = self.norm2(x + self.drop(self.cross_attn(x, memory, memory, src_mask)))
        return self.norm3(x + self.drop(self.ff(x)))


class FloatSoftmaxAttention(Attention):
    def weigh(self, scores, mask):
        if mask is not None:
            scores = scores.masked_fill(~mask, -1e9)
        return torch.softmax(scores, dim=-1, dtype=torch.float32)


@wrong(EX, "single_precision_weights", "the softmax is asked for float32 and not cast back: a float64 layer fails")
class FloatSoftmax(Layer):
    attention_class = FloatSoftmaxAttention


@wrong(EX, "returns_both", "returns (output, memory), as some stacks of nn.Sequential want it")
class ReturnsPair(Layer):
    def forward(self, x, memory, src_mask=None, tgt_mask=None):
        return super().forward(x, memory, src_mask, tgt_mask), memory
