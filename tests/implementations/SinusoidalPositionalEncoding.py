"""SinusoidalPositionalEncoding: right and wrong implementations."""

import math

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from tests.implementations import right, wrong

EX = "SinusoidalPositionalEncoding"


# ---------------------------------------------------------------- right


@right(EX, "annotated", "in the style of the Annotated Transformer: exp of the logarithm, buffer (1, max_len, d)")
class PositionalEncoding(nn.Module):
    def __init__(self, d_model, max_len, dropout):
        super().__init__()
        self.dropout = nn.Dropout(p=dropout)
        pe = torch.zeros(max_len, d_model)
        position = torch.arange(0, max_len).unsqueeze(1)
        div_term = torch.exp(torch.arange(0, d_model, 2) * -(math.log(10000.0) / d_model))
        pe[:, 0::2] = torch.sin(position * div_term)
        pe[:, 1::2] = torch.cos(position * div_term)
        self.register_buffer("pe", pe.unsqueeze(0))

    def forward(self, x):
        x = x + self.pe[:, : x.size(1)]
        return self.dropout(x)


@right(EX, "every_call", "no table: the encoding is computed in forward, with the dtype and device of x")
class ComputedPositions(nn.Module):
    def __init__(self, d_model, max_len, dropout=0.1):
        super().__init__()
        self.d_model, self.p = d_model, dropout

    def forward(self, x):
        pos = torch.arange(x.shape[1], dtype=x.dtype, device=x.device)
        i = torch.arange(0, self.d_model, 2, dtype=x.dtype, device=x.device)
        angle = pos[:, None] / 10000 ** (i / self.d_model)
        pe = torch.stack((angle.sin(), angle.cos()), dim=-1).flatten(-2)
        return F.dropout(x + pe, self.p, self.training)


@right(EX, "numpy", "numpy in float64, then a float32 buffer that is not saved")
class NumpyPositions(nn.Module):
    def __init__(self, d_model, max_len, dropout):
        super().__init__()
        table = np.array([pos / np.power(10000, 2 * (np.arange(d_model) // 2) / d_model) for pos in range(max_len)])
        table[:, 0::2] = np.sin(table[:, 0::2])
        table[:, 1::2] = np.cos(table[:, 1::2])
        self.register_buffer("table", torch.from_numpy(table).float(), persistent=False)
        self.drop = nn.Dropout(dropout)

    def forward(self, x):
        _, length, _ = x.shape
        return self.drop(x + self.table[:length].to(x.dtype))


@right(EX, "python", "two loops and math.sin, math.cos")
class ByHand(nn.Module):
    def __init__(self, d_model, max_len, dropout):
        super().__init__()
        rows = []
        for pos in range(max_len):
            row = []
            for i in range(d_model // 2):
                angle = pos / 10000 ** (2 * i / d_model)
                row += [math.sin(angle), math.cos(angle)]
            rows.append(row)
        self.register_buffer("P", torch.tensor(rows, dtype=torch.float32))
        self.dropout = nn.Dropout(dropout)

    def forward(self, x):
        positions = torch.arange(x.size(1), device=x.device)
        return self.dropout(x + F.embedding(positions, self.P))


@right(EX, "phase", "one sine: the odd features are a quarter of a turn ahead")
class PhaseShift(nn.Module):
    def __init__(self, d_model, max_len, dropout):
        super().__init__()
        j = torch.arange(d_model)
        rate = torch.pow(torch.tensor(10000.0, dtype=torch.float64), -(j - j % 2).double() / d_model)
        turn = (j % 2) * (math.pi / 2)
        pe = torch.sin(torch.outer(torch.arange(max_len).double(), rate) + turn.double())
        self.register_buffer("encoding", pe.to(torch.get_default_dtype()))
        self.dropout = nn.Dropout(dropout)

    def forward(self, x):
        return self.dropout(self.encoding.narrow(0, 0, x.size(-2)).add(x))


@right(EX, "complex", "points on the unit circle as complex numbers: their imaginary and real parts")
class UnitCircle(nn.Module):
    def __init__(self, d_model, max_len, dropout):
        super().__init__()
        freq = 10000.0 ** (-torch.arange(0, d_model, 2, dtype=torch.float64) / d_model)
        angle = torch.arange(max_len, dtype=torch.float64)[:, None] * freq
        circle = torch.view_as_real(torch.polar(torch.ones_like(angle), angle))
        self.register_buffer("pe", circle.flip(-1).reshape(max_len, d_model).float())
        self.dropout = nn.Dropout(dropout)

    def forward(self, x):
        pe = self.pe[: x.shape[1]].unsqueeze(0).expand(x.shape[0], -1, -1)
        return self.dropout(torch.add(x, pe))


@right(EX, "rotation", "each row is the one before, rotated: PE(pos + 1) is a linear function of PE(pos)")
class Rotated(nn.Module):
    def __init__(self, d_model, max_len, dropout):
        super().__init__()
        step = 10000.0 ** (-torch.arange(0, d_model, 2, dtype=torch.float64) / d_model)
        cos_step, sin_step = step.cos(), step.sin()
        s, c = torch.zeros_like(step), torch.ones_like(step)
        rows = []
        for _ in range(max_len):
            rows.append(torch.stack([s, c], dim=1).flatten())
            s, c = s * cos_step + c * sin_step, c * cos_step - s * sin_step
        self.register_buffer("pe", torch.stack(rows).float())
        self.rate = dropout

    def forward(self, x):
        y = x + self.pe[: x.size(1)]
        if self.training and self.rate > 0:
            keep = 1 - self.rate
            y = y * (torch.rand_like(y) < keep) / max(keep, 1e-12)
        return y


@right(EX, "frequencies", "only the frequencies are a buffer; the product with the positions and where() in forward")
class InverseFrequencies(nn.Module):
    def __init__(self, d_model, max_len, dropout):
        super().__init__()
        exponent = torch.arange(d_model).div(2, rounding_mode="floor") * 2 / d_model
        self.register_buffer("inv_freq", 1.0 / (10000.0**exponent))
        self.register_buffer("odd", torch.arange(d_model) % 2 == 1)
        self.max_len = max_len
        self.dropout = nn.Dropout(dropout)

    def forward(self, x):
        length = x.size(1)
        assert length <= self.max_len, "sequence too long"
        angles = torch.einsum("t,d->td", torch.arange(length, device=x.device).to(self.inv_freq), self.inv_freq)
        return self.dropout(x + torch.where(self.odd, angles.cos(), angles.sin()).to(x.dtype))


@right(EX, "loop_in_forward", "the positions are added one by one to the slices of x")
class OneByOne(nn.Module):
    def __init__(self, d_model, max_len, dropout):
        super().__init__()
        k = torch.arange(d_model // 2)
        w = torch.exp(-2 * k / d_model * math.log(10000))
        wt = w * torch.arange(max_len).reshape(-1, 1)
        pe = torch.empty(max_len, d_model)
        for col in range(d_model // 2):
            pe[:, 2 * col] = wt[:, col].sin()
            pe[:, 2 * col + 1] = wt[:, col].cos()
        self.register_buffer("pe", pe)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x):
        return self.dropout(torch.stack([x_t + self.pe[t] for t, x_t in enumerate(x.unbind(1))], dim=1))


# ---------------------------------------------------------------- wrong: the table


def rates(d_model, base=10000.0):
    return base ** (-torch.arange(0, d_model, 2).float() / d_model)


def waves(position, rate):
    angle = position[:, None] * rate
    return torch.stack([angle.sin(), angle.cos()], dim=-1).flatten(1)


def steps(n):
    return torch.arange(n).float()


class Base(nn.Module):
    def __init__(self, d_model, max_len, dropout):
        super().__init__()
        self.keep_table(self.table(max_len, d_model))
        self.dropout = nn.Dropout(dropout)

    def keep_table(self, pe):
        self.register_buffer("pe", pe)

    def table(self, max_len, d_model):
        return waves(steps(max_len), rates(d_model))

    def add(self, x):
        return x + self.pe[: x.size(1)]

    def forward(self, x):
        return self.dropout(self.add(x))


@wrong(EX, "concatenated", "all sines in the first half of the features, all cosines in the second (tensor2tensor)")
class PeA(Base):
    def table(self, max_len, d_model):
        angle = steps(max_len)[:, None] * rates(d_model)
        return torch.cat([angle.sin(), angle.cos()], dim=-1)


@wrong(EX, "swapped", "cosine on even, sine on odd features")
class PeB(Base):
    def table(self, max_len, d_model):
        angle = steps(max_len)[:, None] * rates(d_model)
        return torch.stack([angle.cos(), angle.sin()], dim=-1).flatten(1)


@wrong(EX, "sine_only", "sine on all features")
class PeC(Base):
    def table(self, max_len, d_model):
        return (steps(max_len)[:, None] * rates(d_model)).sin().repeat_interleave(2, dim=-1)


@wrong(EX, "cosine_only", "cosine on all features")
class PeD(Base):
    def table(self, max_len, d_model):
        return (steps(max_len)[:, None] * rates(d_model)).cos().repeat_interleave(2, dim=-1)


@wrong(EX, "odd_not_filled", "the odd features stay zero")
class PeE(Base):
    def table(self, max_len, d_model):
        pe = torch.zeros(max_len, d_model)
        pe[:, 0::2] = torch.sin(steps(max_len)[:, None] * rates(d_model))
        return pe


@wrong(EX, "own_frequency", "each feature j has its own frequency 10000^(-j/d): sine and cosine share none")
class PeF(Base):
    def table(self, max_len, d_model):
        angle = steps(max_len)[:, None] / 10000 ** (steps(d_model) / d_model)
        pe = torch.empty_like(angle)
        pe[:, 0::2], pe[:, 1::2] = angle[:, 0::2].sin(), angle[:, 1::2].cos()
        return pe


@wrong(EX, "next_frequency", "the cosines take the frequency of the pair after theirs")
class PeG(Base):
    def table(self, max_len, d_model):
        pos, i = steps(max_len)[:, None], torch.arange(0, d_model, 2)
        pe = torch.empty(max_len, d_model)
        pe[:, 0::2] = torch.sin(pos / 10000 ** (i / d_model))
        pe[:, 1::2] = torch.cos(pos / 10000 ** ((i + 2) / d_model))
        return pe


@wrong(EX, "exponent_doubled", "i already runs in steps of two, and is doubled once more: exponent 4i/d")
class PeH(Base):
    def table(self, max_len, d_model):
        i = torch.arange(0, d_model, 2)
        return waves(steps(max_len), 10000.0 ** (-(2 * i) / d_model))


@wrong(EX, "exponent_halved", "the exponent is i/d for the pair i instead of 2i/d: frequencies from 1 to 1/100 only")
class PeI(Base):
    def table(self, max_len, d_model):
        return waves(steps(max_len), 10000.0 ** (-torch.arange(d_model // 2) / d_model))


@wrong(EX, "spread_to_the_end", "the exponent is i/(d/2 - 1): the last frequency is 1/10000 (tensor2tensor)")
class PeJ(Base):
    def table(self, max_len, d_model):
        half = d_model // 2
        step = math.log(10000) / max(half - 1, 1)
        return waves(steps(max_len), torch.exp(-step * torch.arange(half)))


@wrong(EX, "pairs_from_one", "the pairs are counted from one: the first frequency is not 1")
class PeK(Base):
    def table(self, max_len, d_model):
        return waves(steps(max_len), 10000.0 ** (-torch.arange(2, d_model + 2, 2) / d_model))


@wrong(EX, "integer_division", "2i // d is always zero: all frequencies are 1")
class PeL(Base):
    def table(self, max_len, d_model):
        exponent = torch.arange(0, d_model, 2) // d_model
        return waves(steps(max_len), 1.0 / 10000.0**exponent)


@wrong(EX, "base_1000", "1000 instead of 10000")
class PeM(Base):
    def table(self, max_len, d_model):
        return waves(steps(max_len), rates(d_model, 1000.0))


@wrong(EX, "base_100000", "100000 instead of 10000")
class PeN(Base):
    def table(self, max_len, d_model):
        return waves(steps(max_len), rates(d_model, 100000.0))


@wrong(EX, "log10", "exp with the decimal logarithm of 10000")
class PeO(Base):
    def table(self, max_len, d_model):
        return waves(steps(max_len), torch.exp(-torch.arange(0, d_model, 2) * (math.log10(10000.0) / d_model)))


@wrong(EX, "no_log", "exp(-2i/d): the 10000 is forgotten")
class PeP(Base):
    def table(self, max_len, d_model):
        return waves(steps(max_len), torch.exp(-torch.arange(0, d_model, 2) / d_model))


@wrong(EX, "sign_of_exponent", "the position is multiplied by 10000^(2i/d) instead of divided")
class PeQ(Base):
    def table(self, max_len, d_model):
        return waves(steps(max_len), 1 / rates(d_model))


@wrong(EX, "frequencies_reversed", "the slowest frequency is on the first features")
class PeR(Base):
    def table(self, max_len, d_model):
        return waves(steps(max_len), rates(d_model).flip(0))


@wrong(EX, "positions_from_one", "the first position is 1")
class PeS(Base):
    def table(self, max_len, d_model):
        return waves(torch.arange(1, max_len + 1).float(), rates(d_model))


@wrong(EX, "positions_reversed", "the last position of the table is 0")
class PeT(Base):
    def table(self, max_len, d_model):
        return super().table(max_len, d_model).flip(0)


@wrong(EX, "positions_relative_to_max_len", "the positions are divided by max_len")
class PeU(Base):
    def table(self, max_len, d_model):
        return waves(steps(max_len) / max_len, rates(d_model))


@wrong(EX, "angle_in_degrees", "the angles are taken for degrees")
class PeV(Base):
    def table(self, max_len, d_model):
        return waves(torch.deg2rad(steps(max_len)), rates(d_model))


@wrong(EX, "two_pi", "one turn per position at the first frequency: a factor 2 pi")
class PeW(Base):
    def table(self, max_len, d_model):
        return waves(2 * math.pi * steps(max_len), rates(d_model))


@wrong(EX, "first_row_zero", "the row of position 0 is zero, as if it were for padding: its cosines should be 1")
class PeX(Base):
    def table(self, max_len, d_model):
        pe = super().table(max_len, d_model)
        pe[0] = 0
        return pe


@wrong(EX, "integers", "the table is of integers: the fractions are cut off")
class PeY(Base):
    def table(self, max_len, d_model):
        pe = torch.zeros(max_len, d_model, dtype=torch.long)
        pe[:] = super().table(max_len, d_model)
        return pe


@wrong(EX, "bfloat16_positions", "the positions are counted in bfloat16: from 257 on they are not exact")
class PeZ(Base):
    def table(self, max_len, d_model):
        return waves(torch.arange(max_len).bfloat16().float(), rates(d_model))


@wrong(EX, "one_row_short", "a table of max_len - 1 rows: fails at T = max_len")
class PeAA(Base):
    def table(self, max_len, d_model):
        return super().table(max_len, d_model)[: max_len - 1]


@wrong(EX, "max_len_fixed", "a table of 100 rows, whatever max_len is")
class PeAB(Base):
    def table(self, max_len, d_model):
        return super().table(100, d_model)


@wrong(EX, "d_model_512_in_exponent", "512 instead of d_model in the exponent")
class PeAC(Base):
    def table(self, max_len, d_model):
        return waves(steps(max_len), 10000.0 ** (-torch.arange(0, d_model, 2) / 512))


@wrong(EX, "d_model_512", "the table always has 512 features")
class PeAD(Base):
    def table(self, max_len, d_model):
        return super().table(max_len, 512)


@wrong(EX, "arguments_swapped", "d_model and max_len swapped in the exponent: right where they are equal")
class PeAE(Base):
    def table(self, max_len, d_model):
        return waves(steps(max_len), 10000.0 ** (-torch.arange(0, d_model, 2) / max_len))


@wrong(EX, "table_scaled", "the encoding is divided by sqrt(d_model)")
class PeAF(Base):
    def table(self, max_len, d_model):
        return super().table(max_len, d_model) / math.sqrt(d_model)


@wrong(EX, "table_normalised", "the table has mean 0 and variance 1 for each feature")
class PeAG(Base):
    def table(self, max_len, d_model):
        pe = super().table(max_len, d_model)
        return (pe - pe.mean(0)) / (pe.var(0, unbiased=False) + 1e-5).sqrt()


@wrong(EX, "random_table", "a fixed buffer of random numbers")
class PeAH(Base):
    def table(self, max_len, d_model):
        return torch.randn(max_len, d_model)


# ---------------------------------------------------------------- wrong: trained, not registered


@wrong(EX, "trained_table", "the right sinusoids, but as a parameter: they are trained")
class PeBA(Base):
    def keep_table(self, pe):
        self.pe = nn.Parameter(pe)


@wrong(EX, "learned", "a learned embedding of the positions, started at random")
class PeBB(nn.Module):
    def __init__(self, d_model, max_len, dropout):
        super().__init__()
        self.position = nn.Embedding(max_len, d_model)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x):
        return self.dropout(x + self.position(torch.arange(x.size(1), device=x.device)))


@wrong(EX, "trained_factor", "the encoding has a trained factor that starts at 1 (as in speech models)")
class PeBC(Base):
    def __init__(self, d_model, max_len, dropout):
        super().__init__(d_model, max_len, dropout)
        self.alpha = nn.Parameter(torch.ones(1))

    def add(self, x):
        return x + self.alpha * self.pe[: x.size(1)]


@wrong(EX, "trained_frequencies", "the frequencies start right and are trained")
class PeBD(nn.Module):
    def __init__(self, d_model, max_len, dropout):
        super().__init__()
        self.rate = nn.Parameter(rates(d_model))
        self.dropout = nn.Dropout(dropout)

    def forward(self, x):
        return self.dropout(x + waves(torch.arange(x.size(1)).to(self.rate), self.rate))


@wrong(EX, "projected", "the encoding goes through a trained linear layer")
class PeBE(Base):
    def __init__(self, d_model, max_len, dropout):
        super().__init__(d_model, max_len, dropout)
        self.proj = nn.Linear(d_model, d_model)

    def add(self, x):
        return x + self.proj(self.pe[: x.size(1)])


@wrong(EX, "plain_tensor", "a plain attribute, no buffer: the table stays behind when the module is moved")
class PeBF(Base):
    def keep_table(self, pe):
        self.pe = pe


# ---------------------------------------------------------------- wrong: the sum


@wrong(EX, "length_first", "takes (T, B, d_model) as torch's tutorial does: adds the encoding of the sentence's number")
class PeCA(Base):
    def keep_table(self, pe):
        self.register_buffer("pe", pe.unsqueeze(1))

    def add(self, x):
        return x + self.pe[: x.size(0)]


@wrong(EX, "cut_by_batch", "cuts the table to the batch size: right for B = T, position 0 everywhere for B = 1")
class PeCB(Base):
    def add(self, x):
        return x + self.pe.unsqueeze(0)[:, : x.size(0)]


@wrong(EX, "not_cut", "adds the whole table: only for T = max_len (for T = 1 the result has max_len positions)")
class PeCC(Base):
    def add(self, x):
        return x + self.pe


@wrong(EX, "padded_to_max_len", "x is filled up with zeros to max_len positions")
class PeCD(Base):
    def add(self, x):
        return F.pad(x, (0, 0, 0, self.pe.size(0) - x.size(1))) + self.pe


@wrong(EX, "last_rows", "the last T rows of the table: right only for T = max_len")
class PeCE(Base):
    def add(self, x):
        return x + self.pe[-x.size(1) :]


@wrong(EX, "next_rows", "rows 1 to T, cut short at the end of the table")
class PeCF(Base):
    def add(self, x):
        index = torch.arange(1, x.size(1) + 1, device=x.device).clamp(max=self.pe.size(0) - 1)
        return x + self.pe[index]


@wrong(EX, "row_of_length", "pe[T - 1] for all positions: an index instead of a slice")
class PeCG(Base):
    def add(self, x):
        return x + self.pe[x.size(1) - 1]


@wrong(EX, "stretched", "the T positions are spread over the whole table: right only for T = max_len or T = 1")
class PeCH(Base):
    def add(self, x):
        index = torch.linspace(0, self.pe.size(0) - 1, x.size(1), device=x.device).round().long()
        return x + self.pe[index]


@wrong(EX, "first_sentence_only", "only the first sentence of the batch gets positions")
class PeCI(Base):
    def add(self, x):
        y = x.clone()
        y[0] = y[0] + self.pe[: x.size(1)]
        return y


@wrong(EX, "counted_through_the_batch", "each sentence goes on counting where the one before ended")
class PeCJ(Base):
    def add(self, x):
        index = torch.arange(x.size(0) * x.size(1), device=x.device) % self.pe.size(0)
        return x + self.pe[index].reshape(x.shape)


@wrong(EX, "multiplied", "x times the encoding")
class PeCK(Base):
    def add(self, x):
        return x * self.pe[: x.size(1)]


@wrong(EX, "subtracted", "x minus the encoding")
class PeCL(Base):
    def add(self, x):
        return x - self.pe[: x.size(1)]


@wrong(EX, "without_x", "gives only the encoding, without x")
class PeCM(Base):
    def add(self, x):
        return torch.zeros_like(x) + self.pe[: x.size(1)]


@wrong(EX, "without_encoding", "gives x: the sum is computed and not kept")
class PeCN(Base):
    def forward(self, x):
        self.add(x)
        return self.dropout(x)


@wrong(EX, "side_by_side", "the encoding is put beside x: 2 d_model features")
class PeCO(Base):
    def add(self, x):
        return torch.cat([x, self.pe[: x.size(1)].to(x.dtype).expand_as(x)], dim=-1)


@wrong(EX, "x_scaled", "x is multiplied by sqrt(d_model) here too: that belongs to the embeddings")
class PeCP(Base):
    def add(self, x):
        return x * math.sqrt(x.size(-1)) + self.pe[: x.size(1)]


@wrong(EX, "mean", "half the sum")
class PeCQ(Base):
    def add(self, x):
        return (x + self.pe[: x.size(1)]) / 2


@wrong(EX, "layer_norm", "the sum is normalised")
class PeCR(Base):
    def add(self, x):
        y = super().add(x)
        return (y - y.mean(-1, keepdim=True)) / (y.var(-1, keepdim=True, unbiased=False) + 1e-5).sqrt()


@wrong(EX, "zero_vectors_skipped", "positions where x is all zero are taken for padding and get no encoding")
class PeCS(Base):
    def add(self, x):
        filled = (x != 0).any(dim=-1, keepdim=True)
        return x + self.pe[: x.size(1)] * filled


@wrong(EX, "only_in_training", "in eval mode nothing is added")
class PeCT(Base):
    def add(self, x):
        return super().add(x) if self.training else x


@wrong(EX, "random_start_in_training", "in training the positions begin anywhere in the table")
class PeCU(Base):
    def add(self, x):
        length, start = x.size(1), 0
        if self.training:
            start = int(torch.randint(self.pe.size(0) - length + 1, ()))
        return x + self.pe[start : start + length]


# ---------------------------------------------------------------- wrong: the dropout


@wrong(EX, "no_dropout", "no dropout at all")
class PeDA(Base):
    def forward(self, x):
        return self.add(x)


@wrong(EX, "dropout_on_x_only", "dropout(x) + PE: the encoding is never dropped")
class PeDB(Base):
    def forward(self, x):
        return self.add(self.dropout(x))


@wrong(EX, "dropout_on_encoding_only", "x + dropout(PE): x is never dropped")
class PeDC(Base):
    def forward(self, x):
        return x + self.dropout(self.pe[: x.size(1)].expand_as(x))


@wrong(EX, "dropout_apart", "dropout(x) + dropout(PE), two draws")
class PeDD(Base):
    def forward(self, x):
        return self.dropout(x) + self.dropout(self.pe[: x.size(1)].expand_as(x))


@wrong(EX, "dropout_twice", "dropout on x and again on the sum")
class PeDE(Base):
    def forward(self, x):
        return self.dropout(self.add(self.dropout(x)))


@wrong(EX, "dropout_in_eval", "F.dropout without training=: active in eval mode")
class PeDF(Base):
    def forward(self, x):
        return F.dropout(self.add(x), self.dropout.p)


@wrong(EX, "dropout_unscaled", "zeroes without dividing the rest by 1 - p")
class PeDG(Base):
    def forward(self, x):
        y = self.add(x)
        return y * (torch.rand_like(y) >= self.dropout.p) if self.training else y


@wrong(EX, "dropout_scaled_in_eval", "zeroes without scaling in training, scales by 1 - p in eval mode")
class PeDH(Base):
    def forward(self, x):
        y = self.add(x)
        return y * (torch.rand_like(y) >= self.dropout.p) if self.training else y * (1 - self.dropout.p)


@wrong(EX, "dropout_keep_probability", "the number given is taken for the probability to keep")
class PeDI(Base):
    def __init__(self, d_model, max_len, dropout):
        super().__init__(d_model, max_len, 1 - dropout)


@wrong(EX, "dropout_fixed", "a dropout of 0.1, whatever is given")
class PeDJ(Base):
    def __init__(self, d_model, max_len, dropout):
        super().__init__(d_model, max_len, 0.1)


@wrong(EX, "dropout_of_positions", "whole positions are dropped, not single features")
class PeDK(Base):
    def forward(self, x):
        return self.add(x) * self.dropout(torch.ones_like(x[..., :1]))


@wrong(EX, "dropout_same_for_batch", "one draw for all sentences of the batch")
class PeDL(Base):
    def forward(self, x):
        return self.add(x) * self.dropout(torch.ones_like(x[:1]))


@wrong(EX, "dropout_drawn_once", "what is dropped is drawn in the constructor and stays the same")
class PeDM(Base):
    def __init__(self, d_model, max_len, dropout):
        super().__init__(d_model, max_len, dropout)
        self.register_buffer("kept", F.dropout(torch.ones(max_len, d_model), dropout))

    def forward(self, x):
        y = self.add(x)
        return y * self.kept[: x.size(1)] if self.training else y


# ---------------------------------------------------------------- wrong: inputs, gradients, state, dtype, shape


@wrong(EX, "in_place", "x += PE changes the caller's tensor")
class PeEA(Base):
    def add(self, x):
        x += self.pe[: x.size(1)]
        return x


@wrong(EX, "in_place_data", "the sum is written to x.data: changes the caller's tensor, without an error")
class PeEB(Base):
    def add(self, x):
        x.data.add_(self.pe[: x.size(1)])
        return x.clone()


@wrong(EX, "x_detached", "x is detached: the embeddings get no gradient")
class PeEC(Base):
    def add(self, x):
        return super().add(x.detach())


@wrong(EX, "no_grad", "all under no_grad: the embeddings get no gradient")
class PeED(Base):
    @torch.no_grad()
    def forward(self, x):
        return super().forward(x)


@wrong(EX, "goes_on_counting", "the next call goes on at the position where the last one ended")
class PeEE(Base):
    def __init__(self, d_model, max_len, dropout):
        super().__init__(d_model, max_len, dropout)
        self.start = 0

    def add(self, x):
        length = x.size(1)
        if self.start + length > self.pe.size(0):
            self.start = 0
        rows = self.pe[self.start : self.start + length]
        self.start += length
        return x + rows


@wrong(EX, "first_length_kept", "the slice of the first call is kept: other lengths fail, or get position 0 everywhere")
class PeEF(Base):
    def __init__(self, d_model, max_len, dropout):
        super().__init__(d_model, max_len, dropout)
        self.rows = None

    def add(self, x):
        if self.rows is None:
            self.rows = self.pe[: x.size(1)]
        return x + self.rows


@wrong(EX, "remembered", "in eval mode the result for a shape is kept and given again")
class PeEG(Base):
    def __init__(self, d_model, max_len, dropout):
        super().__init__(d_model, max_len, dropout)
        self.results = {}

    def forward(self, x):
        if self.training:
            return super().forward(x)
        if x.shape not in self.results:
            self.results[x.shape] = super().forward(x)
        return self.results[x.shape]


@wrong(EX, "float64_table", "the table comes from numpy in float64: a float32 input gives a float64 result")
class PeEH(Base):
    def table(self, max_len, d_model):
        angle = np.arange(max_len)[:, None] / np.power(10000.0, np.arange(0, d_model, 2) / d_model)
        return torch.from_numpy(np.stack([np.sin(angle), np.cos(angle)], axis=-1).reshape(max_len, d_model))


@wrong(EX, "float32_result", "the result is float32, also for float64")
class PeEI(Base):
    def forward(self, x):
        return super().forward(x).float()


@wrong(EX, "view_of_input", "view on the input: fails where it is not contiguous")
class PeEJ(Base):
    def add(self, x):
        b, t, d = x.size()
        return (x.view(b, t * d) + self.pe[:t].reshape(-1)).view(b, t, d)


@wrong(EX, "squeezed", "squeeze() of the result: axes are lost for a batch or a length of one")
class PeEK(Base):
    def forward(self, x):
        return super().forward(x).squeeze()


@wrong(EX, "returns_both", "returns (sum, encoding)")
class PeEL(Base):
    def forward(self, x):
        return super().forward(x), self.pe[: x.size(1)]


@wrong(EX, "one_sentence", "takes x for a batch of one")
class PeEM(Base):
    def forward(self, x):
        return self.dropout(x[0] + self.pe[: x.size(1)]).unsqueeze(0)
