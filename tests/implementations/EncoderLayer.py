"""EncoderLayer: right and wrong implementations."""

import copy
import math

import torch
import torch.nn.functional as F
from course_lib.attention import MultiHeadAttention
from course_lib.feed_forward import PositionwiseFeedForward
from course_lib.normalization import LayerNorm, SublayerConnection
from torch import nn

from tests.implementations import right, wrong

EX = "EncoderLayer"


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
        self.attn = self.attention_class(d_model, h)
        self.ff = self.feed_forward_class(d_model, d_ff)
        self.norm1 = self.norm_class(d_model)
        self.norm2 = self.norm_class(d_model)
        self.drop = nn.Dropout(dropout)

    def forward(self, x, src_mask=None):
        x = self.norm1(x + self.drop(self.attn(x, x, x, src_mask)))
        return self.norm2(x + self.drop(self.ff(x)))


class CourseLayer(nn.Module):
    def __init__(self, d_model, h, d_ff, dropout):
        super().__init__()
        self.self_attention = MultiHeadAttention(d_model, h, 0.0)
        self.feed_forward = PositionwiseFeedForward(d_model, d_ff, 0.0)
        self.sublayers = nn.ModuleList([SublayerConnection(d_model, dropout), SublayerConnection(d_model, dropout)])

    def forward(self, x, src_mask=None):
        x = self.sublayers[0](x, lambda y: self.self_attention(y, y, y, src_mask))
        return self.sublayers[1](x, self.feed_forward)


# ---------------------------------------------------------------- right


right(EX, "plain", "everything one's own, two post-norm sub-layers written out")(Layer)
right(EX, "course_parts", "the course's attention, feed-forward network and connections")(CourseLayer)


@right(EX, "course_norms", "the course's attention and norms, dropout inside the parts as well, the sums written out")
class WithCourseNorms(nn.Module):
    def __init__(self, d_model, h, d_ff, dropout=0.1):
        super().__init__()
        self.mha = MultiHeadAttention(d_model, h, dropout)
        self.ffn = PositionwiseFeedForward(d_model, d_ff, dropout)
        self.layernorm1 = LayerNorm(d_model, 1e-6)
        self.layernorm2 = LayerNorm(d_model, 1e-6)
        self.dropout1 = nn.Dropout(dropout)
        self.dropout2 = nn.Dropout(dropout)

    def forward(self, x, src_mask=None):
        attn_output = self.dropout1(self.mha(x, x, x, src_mask))
        out1 = self.layernorm1(x + attn_output)
        ffn_output = self.dropout2(self.ffn(out1))
        return self.layernorm2(out1 + ffn_output)


@right(EX, "course_and_own", "the course's connection, with a feed-forward network and an attention of one's own")
class Mixed(nn.Module):
    def __init__(self, d_model, h, d_ff, dropout):
        super().__init__()
        self.attention = Attention(d_model, h)
        self.mlp = nn.Sequential(nn.Linear(d_model, d_ff), nn.ReLU(), nn.Dropout(dropout), nn.Linear(d_ff, d_model))
        self.add_norm = nn.ModuleDict({k: SublayerConnection(d_model, dropout) for k in ("attention", "mlp")})

    def attend(self, x, mask):
        return self.attention(query=x, key=x, value=x, mask=mask)

    def forward(self, x, src_mask=None):
        attended = self.attend(x, src_mask)
        x = self.add_norm["attention"](x, lambda _: attended)
        return self.add_norm["mlp"](x, self.mlp)


class AddAndNorm(nn.Module):
    def __init__(self, size, dropout):
        super().__init__()
        self.norm = Norm(size, eps=1e-5)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x, sublayer):
        return self.norm(x + self.dropout(sublayer(x)))


def clones(module, n):
    return nn.ModuleList([copy.deepcopy(module) for _ in range(n)])


@right(EX, "clones_and_lambdas", "in the style of the Annotated Transformer, post-norm")
class AnnotatedEncoderLayer(nn.Module):
    def __init__(self, d_model, h, d_ff, dropout):
        super().__init__()
        self.self_attn = Attention(d_model, h)
        self.feed_forward = FeedForward(d_model, d_ff)
        self.sublayer = clones(AddAndNorm(d_model, dropout), 2)
        self.size = d_model
        for p in self.parameters():
            if p.dim() > 1:
                nn.init.xavier_uniform_(p)

    def forward(self, x, src_mask=None):
        x = self.sublayer[0](x, lambda x: self.self_attn(x, x, x, src_mask))
        return self.sublayer[1](x, self.feed_forward)


@right(EX, "torch_blocks", "in the style of PyTorch's layer: _sa_block and _ff_block, one fused projection")
class TorchStyle(nn.Module):
    def __init__(self, d_model, h, d_ff, dropout):
        super().__init__()
        self.nhead = h
        self.in_proj = nn.Linear(d_model, 3 * d_model)
        self.out_proj = nn.Linear(d_model, d_model)
        self.linear1 = nn.Linear(d_model, d_ff)
        self.dropout = nn.Dropout(dropout)
        self.linear2 = nn.Linear(d_ff, d_model)
        self.norm1 = Norm(d_model, 1e-5)
        self.norm2 = Norm(d_model, 1e-5)
        self.dropout1 = nn.Dropout(dropout)
        self.dropout2 = nn.Dropout(dropout)

    def _sa_block(self, x, mask):
        b, t, d = x.shape
        q, k, v = self.in_proj(x).reshape(b, t, 3, self.nhead, d // self.nhead).permute(2, 0, 3, 1, 4)
        logits = torch.matmul(q, k.mT) * (d // self.nhead) ** -0.5
        if mask is not None:
            logits = torch.where(mask, logits, torch.finfo(logits.dtype).min)
        y = torch.matmul(F.softmax(logits, -1), v).transpose(1, 2).flatten(2)
        return self.dropout1(self.out_proj(y))

    def _ff_block(self, x):
        return self.dropout2(self.linear2(self.dropout(F.relu(self.linear1(x)))))

    def forward(self, x, src_mask=None):
        x = self.norm1(x + self._sa_block(x, src_mask))
        return self.norm2(x + self._ff_block(x))


class OneHead(nn.Module):
    def __init__(self, d_model, d_head):
        super().__init__()
        self.query = nn.Linear(d_model, d_head, bias=False)
        self.key = nn.Linear(d_model, d_head, bias=False)
        self.value = nn.Linear(d_model, d_head, bias=False)

    def forward(self, x, allowed):
        q, k, v = self.query(x), self.key(x), self.value(x)
        s = torch.bmm(q, k.transpose(1, 2)) / q.size(-1) ** 0.5
        if allowed is not None:
            s = s.masked_fill(allowed.logical_not(), -1e9)
        return torch.bmm(torch.softmax(s, dim=2), v)


@right(EX, "head_by_head", "h small heads in a ModuleList, a loop over them")
class LoopEncoderLayer(nn.Module):
    def __init__(self, d_model, h, d_ff, dropout):
        super().__init__()
        self.heads = nn.ModuleList(OneHead(d_model, d_model // h) for _ in range(h))
        self.mix = nn.Linear(d_model, d_model)
        self.think = nn.Sequential(nn.Linear(d_model, d_ff), nn.ReLU(), nn.Linear(d_ff, d_model))
        self.after_mix, self.after_think = LayerNorm(d_model), LayerNorm(d_model)
        self.p = dropout

    def talk(self, x, mask):
        if mask is not None:
            mask = mask.expand(x.size(0), len(self.heads), x.size(1), x.size(1))
        outs = [head(x, None if mask is None else mask[:, i]) for i, head in enumerate(self.heads)]
        return self.mix(torch.cat(outs, dim=-1))

    def forward(self, x, src_mask=None):
        x = self.after_mix(x + F.dropout(self.talk(x, src_mask), self.p, self.training))
        return self.after_think(x + F.dropout(self.think(x), self.p, self.training))


@right(EX, "raw_parameters", "nn.Parameter tensors and einsum, feed-forward part as convolutions")
class TensorEncoderLayer(nn.Module):
    def __init__(self, d_model, h, d_ff, dropout):
        super().__init__()
        d_k = d_model // h
        self.wqkv = nn.Parameter(torch.randn(3, h, d_model, d_k) * d_model**-0.5)
        self.wo = nn.Parameter(torch.randn(h, d_k, d_model) * d_model**-0.5)
        self.gains = nn.Parameter(torch.ones(2, d_model))
        self.biases = nn.Parameter(torch.zeros(2, d_model))
        self.conv_in = nn.Conv1d(d_model, d_ff, kernel_size=1)
        self.conv_out = nn.Conv1d(d_ff, d_model, kernel_size=1)
        self.dropout = nn.Dropout(dropout)

    def attend(self, x, mask):
        q, k, v = torch.einsum("btd,nhdk->nbhtk", x, self.wqkv)
        e = torch.einsum("bhtk,bhsk->bhts", q, k) / math.sqrt(q.size(-1))
        if mask is not None:
            e = e + torch.zeros_like(e).masked_fill(~mask, float("-inf"))
        e = torch.exp(e - e.amax(dim=-1, keepdim=True))
        e = e / e.sum(dim=-1, keepdim=True)
        return torch.einsum("bhts,bhsk,hkd->btd", e, v, self.wo)

    def normalise(self, x, i):
        var, mean = torch.var_mean(x, dim=-1, correction=0, keepdim=True)
        return (x - mean) / (var + 1e-6).sqrt() * self.gains[i] + self.biases[i]

    def forward(self, x, src_mask=None):
        x = self.normalise(x + self.dropout(self.attend(x, src_mask)), 0)
        y = self.conv_out(F.relu(self.conv_in(x.transpose(1, 2)))).transpose(1, 2)
        return self.normalise(x + self.dropout(y), 1)


@right(EX, "fairseq_bmm", "in fairseq's style: bmm over batch times heads, residual variables")
class TransformerEncoderBlock(nn.Module):
    def __init__(self, d_model, h, d_ff, dropout):
        super().__init__()
        self.num_heads, self.head_dim = h, d_model // h
        self.q_proj = nn.Linear(d_model, d_model)
        self.k_proj = nn.Linear(d_model, d_model)
        self.v_proj = nn.Linear(d_model, d_model)
        self.out_proj = nn.Linear(d_model, d_model)
        self.self_attn_layer_norm = Norm(d_model, 1e-5)
        self.fc1 = nn.Linear(d_model, d_ff)
        self.fc2 = nn.Linear(d_ff, d_model)
        self.final_layer_norm = Norm(d_model, 1e-5)
        self.dropout = dropout

    def _shape(self, t):
        b, n, _ = t.shape
        t = t.reshape(b, n, self.num_heads, self.head_dim).permute(0, 2, 1, 3)
        return t.reshape(b * self.num_heads, n, self.head_dim)

    def self_attn(self, x, mask):
        b, n, d = x.shape
        q = self._shape(self.q_proj(x) * self.head_dim**-0.5)
        k, v = self._shape(self.k_proj(x)), self._shape(self.v_proj(x))
        attn = torch.bmm(q, k.transpose(1, 2)).view(b, self.num_heads, n, n)
        if mask is not None:
            attn = attn.masked_fill(mask == 0, float("-inf"))
        attn = torch.softmax(attn, dim=-1).view(b * self.num_heads, n, n)
        out = torch.bmm(attn, v).view(b, self.num_heads, n, self.head_dim)
        return self.out_proj(out.transpose(1, 2).reshape(b, n, d))

    def forward(self, x, src_mask=None):
        residual = x
        x = F.dropout(self.self_attn(x, src_mask), p=self.dropout, training=self.training)
        x = self.self_attn_layer_norm(residual + x)
        residual = x
        x = self.fc2(F.dropout(F.relu(self.fc1(x)), p=self.dropout, training=self.training))
        x = F.dropout(x, p=self.dropout, training=self.training)
        return self.final_layer_norm(residual + x)


@right(EX, "sentence_by_sentence", "a loop over the batch, chunks for heads, a mask of ones where none is given")
class SlowEncoderLayer(nn.Module):
    def __init__(self, d_model, h, d_ff, dropout):
        super().__init__()
        self.h = h
        self.maps = nn.ModuleList([nn.Linear(d_model, d_model) for _ in range(4)])
        self.ffn = nn.ModuleDict({"in": nn.Linear(d_model, d_ff), "out": nn.Linear(d_ff, d_model)})
        self.ln = nn.ModuleDict({"attention": Norm(d_model), "ffn": Norm(d_model)})
        self.dropout = nn.Dropout(dropout)

    def one(self, x, mask):
        qs, ks, vs = (m(x).chunk(self.h, -1) for m in self.maps[:3])
        outs = []
        for q, k, v, m in zip(qs, ks, vs, mask.unbind(0), strict=True):
            energy = (q @ k.T / math.sqrt(q.shape[-1])).masked_fill(~m, -torch.inf)
            outs.append(energy.softmax(-1) @ v)
        return self.maps[3](torch.cat(outs, -1))

    def forward(self, x, src_mask=None):
        if src_mask is None:
            src_mask = torch.ones(1, 1, dtype=torch.bool, device=x.device)
        src_mask = src_mask.expand(x.size(0), self.h, x.size(1), x.size(1))
        y = torch.stack([self.one(sentence, m) for sentence, m in zip(x, src_mask, strict=True)])
        x = self.ln["attention"](x + self.dropout(y))
        hidden = torch.clamp(self.ffn["in"](x), min=0)
        return self.ln["ffn"](x + self.dropout(self.ffn["out"](hidden)))


# ---------------------------------------------------------------- wrong: order, residuals, norms


@wrong(EX, "pre_ln", "the norm before each sub-layer, nothing after the last sum")
class ElA(Layer):
    def forward(self, x, src_mask=None):
        y = self.norm1(x)
        x = x + self.drop(self.attn(y, y, y, src_mask))
        return x + self.drop(self.ff(self.norm2(x)))


@wrong(EX, "course_pre_ln", "pre-LN with the course's parts")
class ElB(nn.Module):
    def __init__(self, d_model, h, d_ff, dropout):
        super().__init__()
        self.attn = MultiHeadAttention(d_model, h, dropout)
        self.ffn = PositionwiseFeedForward(d_model, d_ff, dropout)
        self.ln_1, self.ln_2 = LayerNorm(d_model), LayerNorm(d_model)

    def forward(self, x, src_mask=None):
        y = self.ln_1(x)
        x = x + self.attn(y, y, y, src_mask)
        return x + self.ffn(self.ln_2(x))


@wrong(EX, "pre_ln_final_norm", "pre-LN with a third norm at the end")
class ElC(Layer):
    def __init__(self, d_model, h, d_ff, dropout):
        super().__init__(d_model, h, d_ff, dropout)
        self.norm3 = Norm(d_model)

    def forward(self, x, src_mask=None):
        y = self.norm1(x)
        x = x + self.drop(self.attn(y, y, y, src_mask))
        return self.norm3(x + self.drop(self.ff(self.norm2(x))))


@wrong(EX, "query_normalised", "norm(x) is the query, x itself key and value; post-norm otherwise")
class ElD(Layer):
    def forward(self, x, src_mask=None):
        x = self.norm1(x + self.drop(self.attn(self.norm1(x), x, x, src_mask)))
        return self.norm2(x + self.drop(self.ff(x)))


@wrong(EX, "norm_inside", "x + norm(sublayer(x))")
class ElE(Layer):
    def forward(self, x, src_mask=None):
        x = x + self.norm1(self.drop(self.attn(x, x, x, src_mask)))
        return x + self.norm2(self.drop(self.ff(x)))


@wrong(EX, "no_residual_attention", "no residual around the attention")
class ElF(Layer):
    def forward(self, x, src_mask=None):
        x = self.norm1(self.drop(self.attn(x, x, x, src_mask)))
        return self.norm2(x + self.drop(self.ff(x)))


@wrong(EX, "no_residual_ffn", "no residual around the feed-forward network")
class ElG(Layer):
    def forward(self, x, src_mask=None):
        x = self.norm1(x + self.drop(self.attn(x, x, x, src_mask)))
        return self.norm2(self.drop(self.ff(x)))


@wrong(EX, "no_residuals", "no residual at all")
class ElH(Layer):
    def forward(self, x, src_mask=None):
        x = self.norm1(self.drop(self.attn(x, x, x, src_mask)))
        return self.norm2(self.drop(self.ff(x)))


@wrong(EX, "residual_from_input", "the second residual adds the layer's input")
class ElI(Layer):
    def forward(self, x, src_mask=None):
        y = self.norm1(x + self.drop(self.attn(x, x, x, src_mask)))
        return self.norm2(x + self.drop(self.ff(y)))


@wrong(EX, "residual_before_norm", "the second residual adds the sum before the norm, as some old code of BERT")
class ElJ(Layer):
    def forward(self, x, src_mask=None):
        x = x + self.drop(self.attn(x, x, x, src_mask))
        return self.norm2(x + self.drop(self.ff(self.norm1(x))))


@wrong(EX, "course_residual_twice", "the connection adds the input, and the caller adds it again")
class ElK(CourseLayer):
    def forward(self, x, src_mask=None):
        x = x + self.sublayers[0](x, lambda y: self.self_attention(y, y, y, src_mask))
        return x + self.sublayers[1](x, self.feed_forward)


@wrong(EX, "course_residual_inside", "the function given to the connection adds the input as well")
class ElL(CourseLayer):
    def forward(self, x, src_mask=None):
        x = self.sublayers[0](x, lambda y: y + self.self_attention(y, y, y, src_mask))
        return self.sublayers[1](x, self.feed_forward)


@wrong(EX, "course_norm_twice", "a third norm, with its own gain and bias, after the second connection's")
class ElM(CourseLayer):
    def __init__(self, d_model, h, d_ff, dropout):
        super().__init__(d_model, h, d_ff, dropout)
        self.norm = LayerNorm(d_model)

    def forward(self, x, src_mask=None):
        return self.norm(super().forward(x, src_mask))


@wrong(EX, "ffn_first", "the feed-forward network before the attention")
class ElN(Layer):
    def forward(self, x, src_mask=None):
        x = self.norm2(x + self.drop(self.ff(x)))
        return self.norm1(x + self.drop(self.attn(x, x, x, src_mask)))


@wrong(EX, "parallel", "both sub-layers start from the layer's input (GPT-J), one norm after the sum")
class ElO(Layer):
    def forward(self, x, src_mask=None):
        return self.norm1(x + self.drop(self.attn(x, x, x, src_mask)) + self.drop(self.ff(x)))


@wrong(EX, "norm_only_at_the_end", "the norm after the attention is missing")
class ElP(Layer):
    def forward(self, x, src_mask=None):
        x = x + self.drop(self.attn(x, x, x, src_mask))
        return self.norm2(x + self.drop(self.ff(x)))


@wrong(EX, "no_last_norm", "the norm after the feed-forward network is missing")
class ElQ(Layer):
    def forward(self, x, src_mask=None):
        x = self.norm1(x + self.drop(self.attn(x, x, x, src_mask)))
        return x + self.drop(self.ff(x))


@wrong(EX, "one_norm_shared", "one norm, used twice")
class ElR(Layer):
    def __init__(self, d_model, h, d_ff, dropout):
        super().__init__(d_model, h, d_ff, dropout)
        self.norm2 = self.norm1


@wrong(EX, "course_connection_shared", "one SublayerConnection for both: one gain and one bias")
class ElS(nn.Module):
    def __init__(self, d_model, h, d_ff, dropout):
        super().__init__()
        self.attn = MultiHeadAttention(d_model, h, 0.0)
        self.ff = PositionwiseFeedForward(d_model, d_ff, 0.0)
        self.connection = SublayerConnection(d_model, dropout)

    def forward(self, x, src_mask=None):
        x = self.connection(x, lambda y: self.attn(y, y, y, src_mask))
        return self.connection(x, self.ff)


@wrong(EX, "cloned_by_times", "nn.ModuleList([connection] * 2): two names for one module")
class ElT(CourseLayer):
    def __init__(self, d_model, h, d_ff, dropout):
        super().__init__(d_model, h, d_ff, dropout)
        self.sublayers = nn.ModuleList([SublayerConnection(d_model, dropout)] * 2)


@wrong(EX, "no_ffn", "the feed-forward network is missing")
class ElU(Layer):
    def forward(self, x, src_mask=None):
        return self.norm1(x + self.drop(self.attn(x, x, x, src_mask)))


@wrong(EX, "no_attention", "the attention is missing: positions do not see one another")
class ElV(Layer):
    def forward(self, x, src_mask=None):
        return self.norm2(x + self.drop(self.ff(x)))


@wrong(EX, "attention_twice", "the same attention twice, then the feed-forward network")
class ElW(Layer):
    def forward(self, x, src_mask=None):
        x = self.norm1(x + self.drop(self.attn(x, x, x, src_mask)))
        return super().forward(x, src_mask)


@wrong(EX, "ffn_twice", "the feed-forward network before and after the attention, by halves (Macaron)")
class ElX(Layer):
    def __init__(self, d_model, h, d_ff, dropout):
        super().__init__(d_model, h, d_ff, dropout)
        self.ff0, self.norm0 = FeedForward(d_model, d_ff), Norm(d_model)

    def forward(self, x, src_mask=None):
        x = self.norm0(x + 0.5 * self.drop(self.ff0(x)))
        x = self.norm1(x + self.drop(self.attn(x, x, x, src_mask)))
        return self.norm2(x + 0.5 * self.drop(self.ff(x)))


@wrong(EX, "deep_norm", "the residuals are multiplied by 1.5 (DeepNorm)")
class ElY(Layer):
    def forward(self, x, src_mask=None):
        x = self.norm1(1.5 * x + self.drop(self.attn(x, x, x, src_mask)))
        return self.norm2(1.5 * x + self.drop(self.ff(x)))


@wrong(EX, "ffn_without_residual_input", "the feed-forward network gets the attention's output without the residual")
class ElZ(Layer):
    def forward(self, x, src_mask=None):
        a = self.drop(self.attn(x, x, x, src_mask))
        x = self.norm1(x + a)
        return self.norm2(x + self.drop(self.ff(a)))


# ---------------------------------------------------------------- wrong: the mask


@wrong(EX, "mask_unused", "the mask is not given to the attention")
class ElBA(Layer):
    def forward(self, x, src_mask=None):
        return super().forward(x)


@wrong(EX, "course_mask_forgotten", "lambda y: attention(y, y, y), with the course's parts")
class ElBB(CourseLayer):
    def forward(self, x, src_mask=None):
        x = self.sublayers[0](x, lambda y: self.self_attention(y, y, y))
        return self.sublayers[1](x, self.feed_forward)


@wrong(EX, "course_mask_inverted", "True taken as padding: ~mask is given to the course's attention")
class ElBC(CourseLayer):
    def forward(self, x, src_mask=None):
        return super().forward(x, None if src_mask is None else ~src_mask)


@wrong(EX, "mask_transposed", "the mask is applied to the queries instead of the keys")
class ElBD(Layer):
    def forward(self, x, src_mask=None):
        if src_mask is not None:
            n = x.size(1)
            src_mask = src_mask.expand(x.size(0), -1, n, n) if src_mask.dim() == 4 else src_mask.expand(n, n)
            src_mask = src_mask.transpose(-2, -1)
        return super().forward(x, src_mask)


@wrong(EX, "mask_on_both", "the padding mask is joined with its transpose; padded queries see only themselves")
class ElBE(Layer):
    def forward(self, x, src_mask=None):
        if src_mask is not None:
            eye = torch.eye(x.size(1), dtype=torch.bool, device=x.device)
            full = src_mask.expand(*src_mask.shape[:-2], x.size(1), x.size(1))
            src_mask = full & full.transpose(-2, -1) | eye
        return super().forward(x, src_mask)


@wrong(EX, "own_position_always", "every position may attend to itself, whatever the mask says")
class ElBF(Layer):
    def forward(self, x, src_mask=None):
        if src_mask is not None:
            src_mask = src_mask | torch.eye(x.size(1), dtype=torch.bool, device=x.device)
        return super().forward(x, src_mask)


@wrong(EX, "own_position_never", "a position may not attend to itself, where there are others")
class ElBG(Layer):
    def forward(self, x, src_mask=None):
        n = x.size(1)
        others = ~torch.eye(n, dtype=torch.bool, device=x.device)
        if n == 1:
            return super().forward(x, src_mask)
        return super().forward(x, others if src_mask is None else src_mask & others)


@wrong(EX, "causal", "a causal mask is added, asked for or not")
class ElBH(Layer):
    def forward(self, x, src_mask=None):
        past = torch.ones(x.size(1), x.size(1), dtype=torch.bool, device=x.device).tril()
        return super().forward(x, past if src_mask is None else src_mask & past)


@wrong(EX, "causal_without_mask", "no mask means a causal mask")
class ElBI(Layer):
    def forward(self, x, src_mask=None):
        if src_mask is None:
            src_mask = torch.ones(x.size(1), x.size(1), dtype=torch.bool, device=x.device).tril()
        return super().forward(x, src_mask)


@wrong(EX, "padding_zeroed_after", "the output of padded positions is set to zero")
class ElBJ(Layer):
    def forward(self, x, src_mask=None):
        y = super().forward(x, src_mask)
        if src_mask is not None and src_mask.dim() == 4 and src_mask.size(-2) == 1:
            y = y * src_mask[:, 0, 0, :, None]
        return y


@wrong(EX, "padding_zeroed_before", "padded positions are set to zero in the input, the attention gets no mask")
class ElBK(Layer):
    def forward(self, x, src_mask=None):
        if src_mask is not None and src_mask.dim() == 4 and src_mask.size(-2) == 1:
            return super().forward(x * src_mask[:, 0, 0, :, None])
        return super().forward(x, src_mask)


@wrong(EX, "padding_masks_only", "masks are reshaped to (B, 1, 1, T): one a query fails or is misread")
class ElBL(Layer):
    def forward(self, x, src_mask=None):
        if src_mask is not None:
            src_mask = src_mask.reshape(x.size(0), -1)[:, None, None, -x.size(1) :]
        return super().forward(x, src_mask)


@wrong(EX, "unsqueezed", "the mask gets two more axes: only (B, T) is understood")
class ElBM(Layer):
    def forward(self, x, src_mask=None):
        if src_mask is not None:
            src_mask = src_mask[:, None, None, :]
        return super().forward(x, src_mask)


@wrong(EX, "mask_required", "src_mask has no default and None is not understood")
class ElBN(Layer):
    def forward(self, x, src_mask):
        return super().forward(x, src_mask.bool())


@wrong(EX, "mask_in_training_only", "the mask is left out in eval mode")
class ElBO(Layer):
    def forward(self, x, src_mask=None):
        return super().forward(x, src_mask if self.training else None)


@wrong(EX, "first_mask_kept", "the first mask of a shape is kept for later calls")
class ElBP(Layer):
    def __init__(self, d_model, h, d_ff, dropout):
        super().__init__(d_model, h, d_ff, dropout)
        self.masks = {}

    def forward(self, x, src_mask=None):
        if src_mask is not None:
            src_mask = self.masks.setdefault(tuple(src_mask.shape), src_mask)
        return super().forward(x, src_mask)


@wrong(EX, "last_mask_kept", "without a mask the previous call's is used, where it fits")
class ElBQ(Layer):
    def __init__(self, d_model, h, d_ff, dropout):
        super().__init__(d_model, h, d_ff, dropout)
        self.mask = None

    def forward(self, x, src_mask=None):
        if src_mask is not None:
            self.mask = src_mask
        elif self.mask is not None and self.mask.size(-1) == x.size(1) and self.mask.size(0) in (1, x.size(0)):
            src_mask = self.mask
        return super().forward(x, src_mask)


class Inverted(Attention):
    def weigh(self, scores, mask):
        if mask is not None:
            scores = scores.masked_fill(mask, torch.finfo(scores.dtype).min)
        return scores.softmax(dim=-1)


@wrong(EX, "mask_inverted", "True taken as 'may not attend'")
class ElBR(Layer):
    attention_class = Inverted


class TinyFill(Attention):
    def weigh(self, scores, mask):
        return (scores if mask is None else scores.masked_fill(~mask, -1e-9)).softmax(dim=-1)


@wrong(EX, "fill_1e_minus_9", "masked scores become -1e-9, meant was -1e9")
class ElBS(Layer):
    attention_class = TinyFill


class SmallFill(Attention):
    def weigh(self, scores, mask):
        return (scores if mask is None else scores.masked_fill(~mask, -10.0)).softmax(dim=-1)


@wrong(EX, "fill_minus_10", "masked scores become -10: a little is still seen")
class ElBT(Layer):
    attention_class = SmallFill


class LateMask(Attention):
    def weigh(self, scores, mask):
        weights = scores.softmax(dim=-1)
        return weights if mask is None else weights * mask


@wrong(EX, "mask_after_softmax", "the mask is multiplied in after the softmax")
class ElBU(Layer):
    attention_class = LateMask


class AddedMask(Attention):
    def weigh(self, scores, mask):
        return (scores if mask is None else scores + mask).softmax(dim=-1)


@wrong(EX, "boolean_mask_added", "the boolean mask is added to the scores")
class ElBV(Layer):
    attention_class = AddedMask


class MultipliedMask(Attention):
    def weigh(self, scores, mask):
        return (scores if mask is None else scores * mask).softmax(dim=-1)


@wrong(EX, "scores_times_mask", "masked scores become 0 instead of minus infinity")
class ElBW(Layer):
    attention_class = MultipliedMask


class FirstMask(Attention):
    def weigh(self, scores, mask):
        if mask is not None:
            while mask.dim() > 2:
                mask = mask[0]
            scores = scores.masked_fill(~mask, float("-inf"))
        return scores.softmax(dim=-1)


@wrong(EX, "first_sentence_mask", "the first sentence's mask for the whole batch")
class ElBX(Layer):
    attention_class = FirstMask


class Flipping(Attention):
    def weigh(self, scores, mask):
        if mask is not None:
            scores = scores.masked_fill(mask.logical_not_(), float("-inf"))
        return scores.softmax(dim=-1)


@wrong(EX, "mask_flipped_in_place", "the caller's mask is inverted in place")
class ElBY(Layer):
    attention_class = Flipping


# ---------------------------------------------------------------- wrong: inside the attention


class Unscaled(Attention):
    def scores(self, q, k):
        return q @ k.transpose(-2, -1)


@wrong(EX, "no_scale", "the scores are not divided by sqrt(d_k)")
class ElCA(Layer):
    attention_class = Unscaled


class WideScale(Attention):
    def scores(self, q, k):
        return q @ k.transpose(-2, -1) / math.sqrt(self.h * self.d_k)


@wrong(EX, "scale_d_model", "divided by sqrt(d_model)")
class ElCB(Layer):
    attention_class = WideScale


class NoRoot(Attention):
    def scores(self, q, k):
        return q @ k.transpose(-2, -1) / self.d_k


@wrong(EX, "scale_without_root", "divided by d_k")
class ElCC(Layer):
    attention_class = NoRoot


class Viewed(Attention):
    def split(self, x):
        return x.reshape(x.size(0), self.h, x.size(1), self.d_k)


@wrong(EX, "heads_by_view", "no transpose when the heads are split: positions mix")
class ElCD(Layer):
    attention_class = Viewed


class Unjoined(Attention):
    def join(self, x):
        return x.reshape(x.size(0), x.size(2), self.h * self.d_k)


@wrong(EX, "join_without_transpose", "no transpose when the heads are joined")
class ElCE(Layer):
    attention_class = Unjoined


class QuerySoftmax(Attention):
    def weigh(self, scores, mask):
        if mask is not None:
            scores = scores.masked_fill(~mask, -1e9)
        return scores.softmax(dim=-2)


@wrong(EX, "softmax_over_queries", "the softmax runs over the queries")
class ElCF(Layer):
    attention_class = QuerySoftmax


class HeadSoftmax(Attention):
    def weigh(self, scores, mask):
        if mask is not None:
            scores = scores.masked_fill(~mask, -1e9)
        return scores.softmax(dim=1)


@wrong(EX, "softmax_over_heads", "the softmax runs over the heads")
class ElCG(Layer):
    attention_class = HeadSoftmax


class NoOutput(Attention):
    def forward(self, query, key, value, mask=None):
        q, k, v = self.split(self.w_q(query)), self.split(self.w_k(key)), self.split(self.w_v(value))
        return self.join(self.weigh(self.scores(q, k), mask) @ v)


@wrong(EX, "no_output_projection", "the heads are not multiplied by W_O")
class ElCH(Layer):
    attention_class = NoOutput


class SingleHead(Attention):
    def __init__(self, d_model, h):
        super().__init__(d_model, 1)


@wrong(EX, "one_head", "h is ignored: one head")
class ElCI(Layer):
    attention_class = SingleHead


@wrong(EX, "course_eight_heads", "8 heads of the course's attention, whatever h is")
class ElCJ(CourseLayer):
    def __init__(self, d_model, h, d_ff, dropout):
        super().__init__(d_model, 8, d_ff, dropout)


class SharedQueryKey(Attention):
    def __init__(self, d_model, h):
        super().__init__(d_model, h)
        self.w_k = self.w_q


@wrong(EX, "query_key_shared", "one projection for queries and keys")
class ElCK(Layer):
    attention_class = SharedQueryKey


class SharedHeads(nn.Module):
    def __init__(self, d_model, h):
        super().__init__()
        self.head, self.h = OneHead(d_model, d_model // h), h
        self.mix = nn.Linear(d_model, d_model)

    def forward(self, query, key, value, mask=None):
        if mask is not None:
            mask = mask.expand(query.size(0), self.h, query.size(1), query.size(1))
        outs = [self.head(query, None if mask is None else mask[:, i]) for i in range(self.h)]
        return self.mix(torch.cat(outs, dim=-1))


@wrong(EX, "heads_shared", "all heads are the same module ([head] * h)")
class ElCL(Layer):
    attention_class = SharedHeads


class ListedHeads(nn.Module):
    def __init__(self, d_model, h):
        super().__init__()
        self.heads = [OneHead(d_model, d_model // h) for _ in range(h)]
        self.mix = nn.Linear(d_model, d_model)

    def forward(self, query, key, value, mask=None):
        if mask is not None:
            mask = mask.expand(query.size(0), len(self.heads), query.size(1), query.size(1))
        outs = [head(query, None if mask is None else mask[:, i]) for i, head in enumerate(self.heads)]
        return self.mix(torch.cat(outs, dim=-1))


@wrong(EX, "heads_in_a_list", "the heads are in a Python list: not registered")
class ElCM(Layer):
    attention_class = ListedHeads


class FrozenKeys(Attention):
    def forward(self, query, key, value, mask=None):
        with torch.no_grad():
            k = self.split(self.w_k(key))
        q, v = self.split(self.w_q(query)), self.split(self.w_v(value))
        return self.w_o(self.join(self.weigh(self.scores(q, k), mask) @ v))


@wrong(EX, "keys_without_gradient", "the keys are computed under no_grad")
class ElCN(Layer):
    attention_class = FrozenKeys


class StoppedWeights(Attention):
    def weigh(self, scores, mask):
        return super().weigh(scores, mask).detach()


@wrong(EX, "weights_detached", "no gradient through the attention weights: W_Q and W_K never learn")
class ElCO(Layer):
    attention_class = StoppedWeights


class FloatSoftmax(Attention):
    def weigh(self, scores, mask):
        if mask is not None:
            scores = scores.masked_fill(~mask, -1e9)
        return torch.softmax(scores, dim=-1, dtype=torch.float32)


@wrong(EX, "single_precision_weights", "the softmax in float32 without a cast back: a float64 layer fails")
class ElCP(Layer):
    attention_class = FloatSoftmax


class PlainExp(Attention):
    def weigh(self, scores, mask):
        e = scores.exp()
        if mask is not None:
            e = e * mask
        return e / e.sum(dim=-1, keepdim=True)


@wrong(EX, "softmax_overflows", "exp without subtracting the largest: NaN for large scores in float32")
class ElCQ(Layer):
    attention_class = PlainExp


# ---------------------------------------------------------------- wrong: feed-forward part, norms, constructor


class NoRelu(FeedForward):
    def forward(self, x):
        return self.w_2(self.w_1(x))


@wrong(EX, "ffn_without_relu", "no activation")
class ElDA(Layer):
    feed_forward_class = NoRelu


class Gelu(FeedForward):
    def forward(self, x):
        return self.w_2(F.gelu(self.w_1(x)))


@wrong(EX, "ffn_gelu", "GELU instead of ReLU")
class ElDB(Layer):
    feed_forward_class = Gelu


class TwoRelus(FeedForward):
    def forward(self, x):
        return super().forward(x).relu()


@wrong(EX, "ffn_relu_twice", "a second ReLU after W_2")
class ElDC(Layer):
    feed_forward_class = TwoRelus


class Neighbours(nn.Module):
    def __init__(self, d_model, d_ff):
        super().__init__()
        self.up = nn.Conv1d(d_model, d_ff, kernel_size=3, padding=1)
        self.down = nn.Conv1d(d_ff, d_model, kernel_size=1)

    def forward(self, x):
        return self.down(self.up(x.transpose(1, 2)).relu()).transpose(1, 2)


@wrong(EX, "ffn_kernel_three", "convolutions of size 3: the neighbours are seen, padding too")
class ElDD(Layer):
    feed_forward_class = Neighbours


@wrong(EX, "d_ff_ignored", "the inner width is 4 * d_model")
class ElDE(CourseLayer):
    def __init__(self, d_model, h, d_ff, dropout):
        super().__init__(d_model, h, 4 * d_model, dropout)


@wrong(EX, "single_linear", "one linear map and a ReLU instead of the feed-forward network")
class ElDF(CourseLayer):
    def __init__(self, d_model, h, d_ff, dropout):
        super().__init__(d_model, h, d_ff, dropout)
        self.feed_forward = nn.Sequential(nn.Linear(d_model, d_model), nn.ReLU())


@wrong(EX, "constructor_order", "the constructor is (d_model, d_ff, h, dropout)")
class ElDG(CourseLayer):
    def __init__(self, d_model, d_ff, h, dropout):
        super().__init__(d_model, h, d_ff, dropout)


@wrong(EX, "sublayers_in_a_list", "the connections are in a Python list: their gains and biases are not registered")
class ElDH(nn.Module):
    def __init__(self, d_model, h, d_ff, dropout):
        super().__init__()
        self.attn = MultiHeadAttention(d_model, h, 0.0)
        self.ff = PositionwiseFeedForward(d_model, d_ff, 0.0)
        self.connections = [SublayerConnection(d_model, dropout) for _ in range(2)]

    def forward(self, x, src_mask=None):
        x = self.connections[0](x, lambda y: self.attn(y, y, y, src_mask))
        return self.connections[1](x, self.ff)


class SampleNorm(Norm):
    def forward(self, x):
        return self.gain * (x - x.mean(-1, keepdim=True)) / (x.std(-1, keepdim=True) + self.eps) + self.bias


@wrong(EX, "norm_unbiased", "the norms divide by the unbiased standard deviation")
class ElDI(Layer):
    norm_class = SampleNorm


class SentenceNorm(Norm):
    def forward(self, x):
        c = x - x.mean((-2, -1), keepdim=True)
        return self.gain * c / torch.sqrt(c.square().mean((-2, -1), keepdim=True) + self.eps) + self.bias


@wrong(EX, "norm_over_sentence", "mean and variance over positions and features: padding is seen")
class ElDJ(Layer):
    norm_class = SentenceNorm


class BareNorm(nn.Module):
    def __init__(self, d):
        super().__init__()

    def forward(self, x):
        x = x - x.mean(-1, keepdim=True)
        return x / torch.sqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6)


@wrong(EX, "norm_without_affine", "norms without gain and bias")
class ElDK(Layer):
    norm_class = BareNorm


class RmsNorm(Norm):
    def forward(self, x):
        return self.gain * x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + self.eps) + self.bias


@wrong(EX, "rms_norm", "RMSNorm")
class ElDL(Layer):
    norm_class = RmsNorm


class BatchNorm(nn.Module):
    def __init__(self, d):
        super().__init__()
        self.bn = nn.BatchNorm1d(d)

    def forward(self, x):
        return self.bn(x.reshape(-1, x.size(-1))).reshape(x.shape)


@wrong(EX, "batch_norm", "batch normalisations")
class ElDM(Layer):
    norm_class = BatchNorm


@wrong(EX, "dropout_fixed", "dropout 0.1, whatever is given")
class ElDN(Layer):
    def __init__(self, d_model, h, d_ff, dropout=0.1):
        super().__init__(d_model, h, d_ff, 0.1)


@wrong(EX, "keep_probability", "the dropout given is taken for the probability to keep: with 0 all branches vanish")
class ElDO(CourseLayer):
    def __init__(self, d_model, h, d_ff, dropout):
        super().__init__(d_model, h, d_ff, 1 - dropout)


# ---------------------------------------------------------------- wrong: inputs, axes, state, gradients, additions


@wrong(EX, "input_changed", "x += ... writes the first sum into the caller's tensor")
class ElEA(Layer):
    def forward(self, x, src_mask=None):
        x += self.drop(self.attn(x, x, x, src_mask))
        x = self.norm1(x)
        return self.norm2(x + self.drop(self.ff(x)))


@wrong(EX, "padding_cleared_in_place", "padded positions of the caller's tensor are set to zero")
class ElEB(Layer):
    def forward(self, x, src_mask=None):
        if src_mask is not None and src_mask.shape == (x.size(0), 1, 1, x.size(1)):
            x.data[~src_mask[:, 0, 0]] = 0
        return super().forward(x, src_mask)


@wrong(EX, "sequence_first", "x is taken as (T, B, d), as in PyTorch's default: sentences attend to one another")
class ElEC(Layer):
    def forward(self, x, src_mask=None):
        if src_mask is not None and src_mask.size(-1) != x.size(0):
            src_mask = None
        y = x.transpose(0, 1)
        if src_mask is not None and src_mask.dim() == 4 and src_mask.size(0) not in (1, y.size(0)):
            src_mask = src_mask[:1]
        return super().forward(y, src_mask).transpose(0, 1)


@wrong(EX, "batch_as_one_sentence", "without a mask the whole batch is one long sentence")
class ElED(Layer):
    def forward(self, x, src_mask=None):
        if src_mask is not None:
            return super().forward(x, src_mask)
        return super().forward(x.reshape(1, -1, x.size(-1))).reshape(x.shape)


@wrong(EX, "first_sentence_keys", "keys and values of the first sentence serve the whole batch")
class ElEE(Layer):
    def forward(self, x, src_mask=None):
        first = x[:1].expand_as(x)
        x = self.norm1(x + self.drop(self.attn(x, first, first, src_mask)))
        return self.norm2(x + self.drop(self.ff(x)))


@wrong(EX, "values_kept", "keys and values of the first input of a shape are used for later ones")
class ElEF(Layer):
    def __init__(self, d_model, h, d_ff, dropout):
        super().__init__(d_model, h, d_ff, dropout)
        self.kept = {}

    def forward(self, x, src_mask=None):
        known = self.kept.setdefault((tuple(x.shape), x.dtype), x.detach().clone())
        if torch.equal(known, x):
            known = x
        x = self.norm1(x + self.drop(self.attn(x, known, known, src_mask)))
        return self.norm2(x + self.drop(self.ff(x)))


@wrong(EX, "positions_added", "sinusoids are added to the input: permuted words no longer give permuted results")
class ElEG(Layer):
    def forward(self, x, src_mask=None):
        n, d = x.size(1), x.size(2)
        place = torch.arange(n, dtype=x.dtype, device=x.device)[:, None]
        rate = torch.exp(torch.arange(d, dtype=x.dtype, device=x.device) / d * -math.log(10000.0))
        return super().forward(x + torch.sin(place * rate), src_mask)


@wrong(EX, "length_fixed", "a bias on the scores, one for each pair of at most 16 positions (zero at first)")
class ElEH(Layer):
    class attention_class(Attention):  # noqa: N801
        def __init__(self, d_model, h):
            super().__init__(d_model, h)
            self.pairs = nn.Parameter(torch.zeros(h, 16, 16))

        def scores(self, q, k):
            return super().scores(q, k) + self.pairs[:, : q.size(-2), : k.size(-2)]


@wrong(EX, "attention_detached", "the attention's output is detached: it never learns")
class ElEI(Layer):
    def forward(self, x, src_mask=None):
        x = self.norm1(x + self.drop(self.attn(x, x, x, src_mask).detach()))
        return self.norm2(x + self.drop(self.ff(x)))


@wrong(EX, "residuals_detached", "the residuals are detached; the output is right")
class ElEJ(CourseLayer):
    def forward(self, x, src_mask=None):
        a = self.self_attention(x, x, x, src_mask)
        x = self.sublayers[0](x.detach(), lambda _: a)
        b = self.feed_forward(x)
        return self.sublayers[1](x.detach(), lambda _: b)


@wrong(EX, "ffn_frozen", "the feed-forward network's parameters require no gradient")
class ElEK(CourseLayer):
    def __init__(self, d_model, h, d_ff, dropout):
        super().__init__(d_model, h, d_ff, dropout)
        self.feed_forward.requires_grad_(False)


@wrong(EX, "returns_pair", "returns (output, mask), for nn.Sequential")
class ElEL(CourseLayer):
    def forward(self, x, src_mask=None):
        return super().forward(x, src_mask), src_mask


@wrong(EX, "squeezed", "squeeze() of the result: a batch or a length of one is lost")
class ElEM(Layer):
    def forward(self, x, src_mask=None):
        return super().forward(x, src_mask).squeeze()


@wrong(EX, "view_of_input", "view on the input: fails where it is not contiguous")
class ElEN(Layer):
    def forward(self, x, src_mask=None):
        flat = x.view(-1, x.size(-1))
        return super().forward(flat.view(x.shape), src_mask)


@wrong(EX, "float32_result", "the result is float32, also for float64")
class ElEO(CourseLayer):
    def forward(self, x, src_mask=None):
        return super().forward(x, src_mask).float()


@wrong(EX, "applied_twice", "the layer is applied twice")
class ElEP(CourseLayer):
    def forward(self, x, src_mask=None):
        return super().forward(super().forward(x, src_mask), src_mask)


@wrong(EX, "pooled", "the mean over the positions is returned")
class ElEQ(CourseLayer):
    def forward(self, x, src_mask=None):
        return super().forward(x, src_mask).mean(dim=1)
