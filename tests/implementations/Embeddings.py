"""Embeddings: right and wrong implementations."""

import math

import torch
import torch.nn.functional as F
from torch import nn

from tests.implementations import right, wrong

EX = "Embeddings"


# ---------------------------------------------------------------- right


@right(EX, "annotated", "nn.Embedding, times sqrt(d_model)")
class TokenEmbedding(nn.Module):
    def __init__(self, vocab, d_model):
        super().__init__()
        self.lut = nn.Embedding(vocab, d_model)
        self.d_model = d_model

    def forward(self, x):
        return self.lut(x) * math.sqrt(self.d_model)


@right(EX, "is_embedding", "a subclass of nn.Embedding")
class ScaledEmbedding(nn.Embedding):
    def __init__(self, vocab, d_model):
        super().__init__(num_embeddings=vocab, embedding_dim=d_model)

    def forward(self, ids):
        return super().forward(ids) * self.embedding_dim**0.5


@right(EX, "parameter", "a parameter, indexed; started with variance 1/d_model so that the result has variance 1")
class Table(nn.Module):
    def __init__(self, vocab, d_model):
        super().__init__()
        self.E = nn.Parameter(torch.randn(vocab, d_model) * d_model**-0.5)

    def forward(self, ids):
        return self.E[ids.long()] * math.sqrt(self.E.shape[1])


@right(EX, "functional", "F.embedding on a scaled table: first scaled, then looked up")
class ScaleFirst(nn.Module):
    def __init__(self, vocab, d_model):
        super().__init__()
        self.weight = nn.Parameter(torch.empty(vocab, d_model))
        nn.init.xavier_uniform_(self.weight)
        self.scale = math.sqrt(d_model)

    def forward(self, ids):
        return F.embedding(ids, self.scale * self.weight)


@right(EX, "one_hot", "one-hot vectors times the table")
class OneHot(nn.Module):
    def __init__(self, vocab, d_model):
        super().__init__()
        self.vocab, self.d_model = vocab, d_model
        self.table = nn.Parameter(torch.randn(vocab, d_model))

    def forward(self, ids):
        hot = F.one_hot(ids.long(), num_classes=self.vocab).to(self.table.dtype)
        return hot @ self.table * self.d_model**0.5


@right(EX, "linear", "the weight of a Linear without bias, (d_model, vocab): its columns are the vectors")
class LinearColumns(nn.Module):
    def __init__(self, vocab, d_model):
        super().__init__()
        self.proj = nn.Linear(vocab, d_model, bias=False)

    def forward(self, ids):
        return F.embedding(ids, self.proj.weight.t()) * math.sqrt(self.proj.out_features)


@right(EX, "index_select", "flattened ids, index_select, reshaped; the root as a buffer")
class Selected(nn.Module):
    def __init__(self, vocab, d_model):
        super().__init__()
        self.vectors = nn.Parameter(torch.empty(vocab, d_model).uniform_(-0.1, 0.1))
        self.register_buffer("root", torch.tensor(math.sqrt(d_model), dtype=torch.float64), persistent=False)

    def forward(self, ids):
        rows = self.vectors.index_select(0, ids.reshape(-1))
        return (rows * self.root).reshape(*ids.shape, -1)


@right(EX, "gather", "gather with expanded ids")
class Gathered(nn.Module):
    def __init__(self, vocab, d_model):
        super().__init__()
        self.emb = nn.Embedding(vocab, d_model)
        nn.init.normal_(self.emb.weight, mean=0.0, std=0.02)

    def forward(self, ids):
        d = self.emb.weight.size(1)
        index = ids.long().reshape(-1, 1).expand(-1, d)
        return math.sqrt(d) * self.emb.weight.gather(0, index).reshape(ids.shape + (d,))


@right(EX, "bag", "nn.EmbeddingBag with bags of one token")
class BagsOfOne(nn.Module):
    def __init__(self, vocab, d_model):
        super().__init__()
        self.bag = nn.EmbeddingBag(vocab, d_model, mode="sum")
        self.factor = d_model ** (1 / 2)

    def forward(self, ids):
        out = self.bag(ids.reshape(-1, 1))
        return out.reshape(ids.shape + (out.size(-1),)).mul(self.factor)


@right(EX, "rows", "one parameter for each token, stacked token by token")
class Rows(nn.Module):
    def __init__(self, vocab, d_model):
        super().__init__()
        self.rows = nn.ParameterList([nn.Parameter(torch.randn(d_model)) for _ in range(vocab)])
        self.d_model = d_model

    def forward(self, ids):
        found = torch.stack([self.rows[i] for i in ids.flatten().tolist()])
        return found.view(*ids.shape, self.d_model) * math.sqrt(self.d_model)


# ---------------------------------------------------------------- wrong: the factor


class Base(nn.Module):
    def __init__(self, vocab, d_model):
        super().__init__()
        self.vocab, self.d_model = vocab, d_model
        self.emb = nn.Embedding(vocab, d_model)

    def look_up(self, ids):
        return self.emb(ids)

    def factor(self, ids):
        return math.sqrt(self.d_model)

    def forward(self, ids):
        return self.look_up(ids) * self.factor(ids)


@wrong(EX, "no_scale", "nn.Embedding alone")
class EmA(Base):
    def factor(self, ids):
        return 1.0


@wrong(EX, "scale_d_model", "times d_model, without the root")
class EmB(Base):
    def factor(self, ids):
        return self.d_model


@wrong(EX, "divided", "divided by sqrt(d_model)")
class EmC(Base):
    def factor(self, ids):
        return 1 / math.sqrt(self.d_model)


@wrong(EX, "scale_vocab", "times sqrt(vocab)")
class EmD(Base):
    def factor(self, ids):
        return math.sqrt(self.vocab)


@wrong(EX, "scale_length", "times the root of the number of tokens: the size of the wrong tensor's last axis")
class EmE(Base):
    def factor(self, ids):
        return math.sqrt(ids.size(-1))


@wrong(EX, "scale_512", "times sqrt(512), whatever d_model is")
class EmF(Base):
    def factor(self, ids):
        return math.sqrt(512)


@wrong(EX, "scale_integer", "the root is cut to an integer: right where d_model is a square")
class EmG(Base):
    def factor(self, ids):
        return int(math.sqrt(self.d_model))


@wrong(EX, "scale_added", "sqrt(d_model) is added")
class EmH(Base):
    def forward(self, ids):
        return self.look_up(ids) + math.sqrt(self.d_model)


@wrong(EX, "scale_by_shape", "the root of the size of axis 1 of the result, which is the length")
class EmI(Base):
    def forward(self, ids):
        e = self.look_up(ids)
        return e * e.size(1) ** 0.5


@wrong(EX, "scale_in_training_only", "no factor in eval mode")
class EmJ(Base):
    def factor(self, ids):
        return math.sqrt(self.d_model) if self.training else 1.0


@wrong(EX, "scale_in_eval_only", "no factor in training")
class EmK(Base):
    def factor(self, ids):
        return 1.0 if self.training else math.sqrt(self.d_model)


@wrong(EX, "scaled_at_start", "the table is multiplied once in the constructor: the factor is no part of the function")
class EmL(Base):
    def __init__(self, vocab, d_model):
        super().__init__(vocab, d_model)
        with torch.no_grad():
            self.emb.weight.mul_(math.sqrt(d_model))

    def factor(self, ids):
        return 1.0


@wrong(EX, "scaled_every_call", "every call multiplies the table itself: it grows from call to call")
class EmM(Base):
    def forward(self, ids):
        with torch.no_grad():
            self.emb.weight.mul_(math.sqrt(self.d_model))
        return self.emb(ids)


@wrong(EX, "scale_learned", "the factor starts at sqrt(d_model) and is trained")
class EmN(Base):
    def __init__(self, vocab, d_model):
        super().__init__(vocab, d_model)
        self.scale = nn.Parameter(torch.tensor(math.sqrt(d_model)))

    def factor(self, ids):
        return self.scale


@wrong(EX, "scale_without_gradient", "the right values, but the gradient is that without the factor")
class EmO(Base):
    def forward(self, ids):
        e = self.look_up(ids)
        return e + (e * (math.sqrt(self.d_model) - 1)).detach()


# ---------------------------------------------------------------- wrong: the training of the table


@wrong(EX, "frozen", "the table does not require a gradient")
class EmAA(Base):
    def __init__(self, vocab, d_model):
        super().__init__(vocab, d_model)
        self.emb.weight.requires_grad_(False)


@wrong(EX, "from_pretrained", "nn.Embedding.from_pretrained freezes unless told otherwise")
class EmAB(Base):
    def __init__(self, vocab, d_model):
        super().__init__(vocab, d_model)
        self.emb = nn.Embedding.from_pretrained(torch.randn(vocab, d_model))


@wrong(EX, "detached", "the result is detached")
class EmAC(Base):
    def forward(self, ids):
        return super().forward(ids).detach()


@wrong(EX, "data", "looks up in weight.data: no gradient")
class EmAD(Base):
    def look_up(self, ids):
        return self.emb.weight.data[ids]


@wrong(EX, "no_grad", "the look-up is under no_grad")
class EmAE(Base):
    @torch.no_grad()
    def forward(self, ids):
        return super().forward(ids)


@wrong(EX, "buffer", "the table is a buffer")
class EmAF(nn.Module):
    def __init__(self, vocab, d_model):
        super().__init__()
        self.register_buffer("table", torch.randn(vocab, d_model))

    def forward(self, ids):
        return self.table[ids] * math.sqrt(self.table.size(1))


@wrong(EX, "plain_tensor", "a plain tensor with requires_grad: no parameter")
class EmAG(nn.Module):
    def __init__(self, vocab, d_model):
        super().__init__()
        self.table = torch.randn(vocab, d_model, requires_grad=True)

    def forward(self, ids):
        return self.table[ids] * math.sqrt(self.table.size(1))


@wrong(EX, "unregistered", "the nn.Embedding is in a Python list: no parameters are found")
class EmAH(nn.Module):
    def __init__(self, vocab, d_model):
        super().__init__()
        self.tables = [nn.Embedding(vocab, d_model)]
        self.d_model = d_model

    def forward(self, ids):
        return self.tables[0](ids) * math.sqrt(self.d_model)


@wrong(EX, "new_every_call", "the table is made in forward: random every time")
class EmAI(nn.Module):
    def __init__(self, vocab, d_model):
        super().__init__()
        self.vocab, self.d_model = vocab, d_model

    def forward(self, ids):
        return nn.Embedding(self.vocab, self.d_model)(ids) * math.sqrt(self.d_model)


@wrong(EX, "made_at_first_call", "the table is made at the first call: an optimizer made before has nothing to train")
class EmAJ(nn.Module):
    def __init__(self, vocab, d_model):
        super().__init__()
        self.vocab, self.d_model = vocab, d_model
        self.emb = None

    def forward(self, ids):
        if self.emb is None:
            self.emb = nn.Embedding(self.vocab, self.d_model)
        return self.emb(ids) * math.sqrt(self.d_model)


@wrong(EX, "copied_parameter", "the parameter is there, but a copy made in the constructor is used")
class EmAK(Base):
    def __init__(self, vocab, d_model):
        super().__init__(vocab, d_model)
        self.register_buffer("table", self.emb.weight.detach().clone())

    def look_up(self, ids):
        return self.table[ids]


@wrong(EX, "padding_idx", "padding_idx=0: the vector of token 0 is zero and never trained")
class EmAL(Base):
    def __init__(self, vocab, d_model):
        super().__init__(vocab, d_model)
        self.emb = nn.Embedding(vocab, d_model, padding_idx=0)


@wrong(EX, "max_norm", "max_norm=1: the look-up shortens the vectors in the table")
class EmAM(Base):
    def __init__(self, vocab, d_model):
        super().__init__(vocab, d_model)
        self.emb = nn.Embedding(vocab, d_model, max_norm=1.0)


@wrong(EX, "gradient_by_frequency", "scale_grad_by_freq: the gradient of a token is divided by its count in the batch")
class EmAN(Base):
    def __init__(self, vocab, d_model):
        super().__init__(vocab, d_model)
        self.emb = nn.Embedding(vocab, d_model, scale_grad_by_freq=True)


@wrong(EX, "one_token_trained", "each sentence passes a gradient to its first token only")
class EmAO(Base):
    def look_up(self, ids):
        e = self.emb(ids)
        return torch.cat([e[:, :1], e[:, 1:].detach()], dim=1)


# ---------------------------------------------------------------- wrong: which vector


@wrong(EX, "sizes_swapped", "nn.Embedding(d_model, vocab)")
class EmBA(Base):
    def __init__(self, vocab, d_model):
        super().__init__(vocab, d_model)
        self.emb = nn.Embedding(d_model, vocab)


@wrong(EX, "one_row_short", "a table of vocab - 1 rows: the last id fails")
class EmBB(Base):
    def __init__(self, vocab, d_model):
        super().__init__(vocab, d_model)
        self.emb = nn.Embedding(vocab - 1, d_model)


@wrong(EX, "last_two_share", "ids are limited to vocab - 2: the last two tokens have one vector")
class EmBC(Base):
    def look_up(self, ids):
        return self.emb(ids.clamp(max=self.vocab - 2))


@wrong(EX, "first_two_share", "ids are at least 1: tokens 0 and 1 have one vector")
class EmBD(Base):
    def look_up(self, ids):
        return self.emb(ids.clamp(min=1))


@wrong(EX, "int8_ids", "the ids are put into eight bits: those from 256 on meet others")
class EmBE(Base):
    def look_up(self, ids):
        return self.emb.weight[ids.to(torch.uint8).long() % self.vocab]


@wrong(EX, "hashed", "ids modulo d_model, in a table (d_model, d_model)")
class EmBF(Base):
    def __init__(self, vocab, d_model):
        super().__init__(vocab, d_model)
        self.emb = nn.Embedding(d_model, d_model)

    def look_up(self, ids):
        return self.emb(ids % self.d_model)


@wrong(EX, "vocab_1000", "always 1000 rows: larger ids fail")
class EmBG(Base):
    def __init__(self, vocab, d_model):
        super().__init__(vocab, d_model)
        self.emb = nn.Embedding(1000, d_model)


@wrong(EX, "d_model_512", "always 512 features")
class EmBH(Base):
    def __init__(self, vocab, d_model):
        super().__init__(vocab, d_model)
        self.emb = nn.Embedding(vocab, 512)


@wrong(EX, "id_as_number", "the id as a number goes through a linear layer: no table")
class EmBI(Base):
    def __init__(self, vocab, d_model):
        super().__init__(vocab, d_model)
        self.emb = nn.Linear(1, d_model)

    def look_up(self, ids):
        return self.emb(ids.unsqueeze(-1).to(self.emb.weight.dtype))


@wrong(EX, "zero_for_id_0", "the result for id 0 is zero, as if it were padding")
class EmBJ(Base):
    def look_up(self, ids):
        return self.emb(ids) * (ids != 0).unsqueeze(-1)


@wrong(EX, "first_token_everywhere", "each sentence has the vector of its first token at all positions")
class EmBK(Base):
    def look_up(self, ids):
        return self.emb(ids[:, :1]).expand(-1, ids.size(1), -1)


@wrong(EX, "first_sentence_everywhere", "all sentences get the vectors of the first one")
class EmBL(Base):
    def look_up(self, ids):
        return self.emb(ids[0]).expand(ids.size(0), -1, -1)


@wrong(EX, "reversed", "the tokens in reverse order")
class EmBM(Base):
    def look_up(self, ids):
        return self.emb(ids.flip(1))


@wrong(EX, "running_sum", "a token's vector has those of all tokens before it added")
class EmBN(Base):
    def look_up(self, ids):
        return self.emb(ids).cumsum(dim=1)


# ---------------------------------------------------------------- wrong: what does not belong here


@wrong(EX, "bias", "one-hot vectors through nn.Linear with its bias: a trained vector is added to all tokens")
class EmCA(nn.Module):
    def __init__(self, vocab, d_model):
        super().__init__()
        self.proj = nn.Linear(vocab, d_model)

    def forward(self, ids):
        hot = F.one_hot(ids.long(), self.proj.in_features).to(self.proj.weight.dtype)
        return self.proj(hot) * math.sqrt(self.proj.out_features)


@wrong(EX, "positions_added", "adds sinusoidal positions")
class EmCB(Base):
    def forward(self, ids):
        e = super().forward(ids)
        pos = torch.arange(ids.size(1), device=ids.device).to(e.dtype)[:, None]
        angle = pos / 10000 ** (torch.arange(self.d_model, device=ids.device) // 2 * 2 / self.d_model)
        even = torch.arange(self.d_model, device=ids.device) % 2 == 0
        return e + torch.where(even, angle.sin(), angle.cos())


@wrong(EX, "learned_positions", "adds learned positions (of 512)")
class EmCC(Base):
    def __init__(self, vocab, d_model):
        super().__init__(vocab, d_model)
        self.pos = nn.Embedding(512, d_model)

    def forward(self, ids):
        return super().forward(ids) + self.pos.weight[: ids.size(1)]


@wrong(EX, "dropout", "drops a tenth in training")
class EmCD(Base):
    def forward(self, ids):
        return F.dropout(super().forward(ids), 0.1, self.training)


@wrong(EX, "layer_norm", "normalises the result (as BERT does)")
class EmCE(Base):
    def forward(self, ids):
        y = super().forward(ids)
        return (y - y.mean(-1, keepdim=True)) / (y.var(-1, keepdim=True, unbiased=False) + 1e-5).sqrt()


@wrong(EX, "unit_length", "the vectors are made of length one before the factor")
class EmCF(Base):
    def look_up(self, ids):
        return F.normalize(self.emb(ids), dim=-1)


@wrong(EX, "tanh", "a tanh before the factor")
class EmCG(Base):
    def look_up(self, ids):
        return torch.tanh(self.emb(ids))


@wrong(EX, "softmax", "a softmax over the features")
class EmCH(Base):
    def look_up(self, ids):
        return self.emb(ids).softmax(dim=-1)


@wrong(EX, "projected", "a trained linear layer after the table")
class EmCI(Base):
    def __init__(self, vocab, d_model):
        super().__init__(vocab, d_model)
        self.proj = nn.Linear(d_model, d_model)

    def look_up(self, ids):
        return self.proj(self.emb(ids))


@wrong(EX, "noise", "a little noise in training")
class EmCJ(Base):
    def forward(self, ids):
        y = super().forward(ids)
        return y + 0.1 * torch.randn_like(y) if self.training else y


# ---------------------------------------------------------------- wrong: shape, inputs, state, dtype


@wrong(EX, "features_before_positions", "(B, d_model, T), as convolutions want it")
class EmDA(Base):
    def forward(self, ids):
        return super().forward(ids).transpose(1, 2)


@wrong(EX, "length_first", "(T, B, d_model)")
class EmDB(Base):
    def forward(self, ids):
        return super().forward(ids).transpose(0, 1)


@wrong(EX, "length_first_reshaped", "looked up with the ids transposed, then reshaped back: sentences are mixed")
class EmDC(Base):
    def forward(self, ids):
        return super().forward(ids.t()).reshape(*ids.shape, self.d_model)


@wrong(EX, "flat", "(B T, d_model)")
class EmDD(Base):
    def forward(self, ids):
        return super().forward(ids).flatten(0, 1)


@wrong(EX, "mean_of_sentence", "nn.EmbeddingBag: one vector for a sentence")
class EmDE(Base):
    def __init__(self, vocab, d_model):
        super().__init__(vocab, d_model)
        self.emb = nn.EmbeddingBag(vocab, d_model)


@wrong(EX, "squeezed", "squeeze() of the result: axes are lost for a batch or a length of one")
class EmDF(Base):
    def forward(self, ids):
        return super().forward(ids).squeeze()


@wrong(EX, "view_of_ids", "view on the ids: fails where they are not contiguous")
class EmDG(Base):
    def look_up(self, ids):
        return self.emb(ids.view(-1)).view(ids.size(0), ids.size(1), -1)


@wrong(EX, "one_sentence", "takes the ids for a batch of one")
class EmDH(Base):
    def forward(self, ids):
        return super().forward(ids[0]).unsqueeze(0)


@wrong(EX, "ids_reshaped_in_place", "unsqueeze_ changes the shape of the caller's ids")
class EmDI(Base):
    def look_up(self, ids):
        shape = ids.shape
        index = ids.unsqueeze_(-1).reshape(-1, 1).expand(-1, self.d_model)
        return self.emb.weight.gather(0, index).reshape(*shape, self.d_model)


@wrong(EX, "ids_overwritten", "after the look-up the caller's ids are set to zero")
class EmDJ(Base):
    def forward(self, ids):
        out = super().forward(ids.clone())
        ids.zero_()
        return out


@wrong(EX, "remembered", "in eval mode the result for a shape is kept and given again")
class EmDK(Base):
    def __init__(self, vocab, d_model):
        super().__init__(vocab, d_model)
        self.results = {}

    def forward(self, ids):
        if self.training:
            return super().forward(ids)
        if ids.shape not in self.results:
            self.results[ids.shape] = super().forward(ids)
        return self.results[ids.shape]


@wrong(EX, "returns_pair", "returns (result, table)")
class EmDL(Base):
    def forward(self, ids):
        return super().forward(ids), self.emb.weight


@wrong(EX, "float32_result", "the result is float32, also for a module in float64")
class EmDM(Base):
    def forward(self, ids):
        return super().forward(ids).float()


@wrong(EX, "float64_result", "the factor is a float64 vector: the result of a float32 module is float64")
class EmDN(Base):
    def factor(self, ids):
        return torch.full((self.d_model,), self.d_model, dtype=torch.float64, device=ids.device).sqrt()


@wrong(EX, "numpy_array", "the result is a numpy array: no gradient, no tensor")
class EmDO(Base):
    def forward(self, ids):
        return super().forward(ids).detach().numpy()
