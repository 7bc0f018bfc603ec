"""SublayerConnection: right and wrong implementations."""

import math

import torch
import torch.nn.functional as F
from course_lib.normalization import LayerNorm
from torch import nn

from tests.implementations import right, wrong

EX = "SublayerConnection"


class Norm(nn.Module):
    def __init__(self, d, eps=1e-5):
        super().__init__()
        self.gain = nn.Parameter(torch.ones(d))
        self.bias = nn.Parameter(torch.zeros(d))
        self.eps = eps

    def forward(self, x):
        mean = x.mean(-1, keepdim=True)
        var = x.var(-1, keepdim=True, unbiased=False)
        return self.gain * (x - mean) / torch.sqrt(var + self.eps) + self.bias


class Base(nn.Module):
    norm_class = Norm

    def __init__(self, d_model, dropout):
        super().__init__()
        self.norm = self.norm_class(d_model)
        self.dropout = nn.Dropout(dropout)

    def drop(self, y):
        return self.dropout(y)

    def forward(self, x, sublayer):
        return self.norm(x + self.drop(sublayer(x)))


# ---------------------------------------------------------------- right


right(EX, "plain", "a norm of one's own, nn.Dropout")(Base)


@right(EX, "course_norm", "the course's LayerNorm")
class CourseNorm(nn.Module):
    def __init__(self, d_model, dropout=0.1):
        super().__init__()
        self.layer_norm = LayerNorm(d_model)
        self.dropout = nn.Dropout(p=dropout)

    def forward(self, x, sublayer):
        residual = x
        out = sublayer(x)
        out = self.dropout(out)
        return self.layer_norm(residual + out)


@right(EX, "functional", "F.dropout with training=, the norm written out, eps 1e-6")
class AddAndNorm(nn.Module):
    def __init__(self, d_model, dropout):
        super().__init__()
        self.gamma = nn.Parameter(torch.ones(d_model))
        self.beta = nn.Parameter(torch.zeros(d_model))
        self.p = dropout

    def forward(self, x, sublayer):
        z = torch.add(x, F.dropout(sublayer(x), p=self.p, training=self.training))
        var, mean = torch.var_mean(z, dim=-1, correction=0, keepdim=True)
        return torch.addcmul(self.beta, (z - mean) * torch.rsqrt(var + 1e-6), self.gamma)


@right(EX, "dropout_by_hand", "a mask drawn with rand_like, divided by the probability to keep")
class OwnDropout(nn.Module):
    def __init__(self, d_model, dropout):
        super().__init__()
        self.ln = Norm(d_model, eps=1e-6)
        self.rate = dropout

    def forward(self, x, sublayer):
        y = sublayer(x)
        if self.training and self.rate >= 1:
            y = torch.zeros_like(y)
        elif self.training and self.rate > 0:
            keep = 1.0 - self.rate
            y = torch.where(torch.rand_like(y) < keep, y / keep, 0.0)
        return self.ln(y + x)


@right(EX, "mask_of_ones", "the dropout is applied to ones, the result multiplied in")
class MaskOfOnes(nn.Module):
    def __init__(self, d_model, dropout):
        super().__init__()
        self.norm = LayerNorm(d_model, 1e-6)
        self.mask = nn.Dropout(dropout)

    def forward(self, x, sublayer):
        y = sublayer(x)
        return self.norm(x + y * self.mask(torch.ones_like(y)))


@right(EX, "is_a_norm", "a subclass of the norm")
class ResidualNorm(Norm):
    def __init__(self, d_model, dropout):
        super().__init__(d_model)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x, sublayer):
        return super().forward(x + self.dropout(sublayer(x)))


@right(EX, "two_modules", "residual and norm are modules of their own, in a Sequential and a ModuleDict")
class TwoModules(nn.Module):
    class Residual(nn.Module):
        def __init__(self, p):
            super().__init__()
            self.path = nn.Sequential(nn.Identity(), nn.Dropout(p))

        def forward(self, x, f):
            return x + self.path(f(x))

    def __init__(self, d_model, dropout):
        super().__init__()
        self.parts = nn.ModuleDict({"add": self.Residual(dropout), "norm": Norm(d_model)})

    def forward(self, x, sublayer):
        return self.parts["norm"](self.parts["add"](x, sublayer))


@right(EX, "bernoulli", "the places to keep are drawn with torch.bernoulli, gain and bias in one parameter")
class Bernoulli(nn.Module):
    def __init__(self, d_model, dropout):
        super().__init__()
        self.affine = nn.Parameter(torch.stack([torch.ones(d_model), torch.zeros(d_model)]))
        self.keep = 1 - dropout

    def forward(self, x, sublayer):
        y = sublayer(x)
        if self.training:
            y = y * torch.bernoulli(torch.full_like(y, self.keep)) / max(self.keep, 1e-9)
        z = x + y
        c = z - z.mean(dim=-1, keepdim=True)
        gain, bias = self.affine.unbind(0)
        return gain * c / (c.pow(2).mean(dim=-1, keepdim=True) + 1e-5).sqrt() + bias


@right(EX, "own_sum_in_place", "the sum is written into a copy made here")
class CopyThenAdd(nn.Module):
    def __init__(self, d_model, dropout):
        super().__init__()
        self.norm = Norm(d_model)
        self.dropout = dropout

    def forward(self, x, sublayer):
        y = F.dropout(sublayer(x).clone(), self.dropout, self.training, inplace=True)
        y = y.add_(x)
        return self.norm(y)


@right(EX, "stacked", "input and sub-layer's output are stacked and summed")
class Stacked(nn.Module):
    def __init__(self, d_model, dropout):
        super().__init__()
        self.norm, self.dropout = LayerNorm(d_model), nn.Dropout(dropout)

    def forward(self, x, sublayer):
        return self.norm(torch.stack((x, self.dropout(sublayer(x)))).sum(0))


# ---------------------------------------------------------------- wrong: place of the norm


@wrong(EX, "pre_ln", "x + dropout(sublayer(norm(x))): pre-LN, as in the Annotated Transformer")
class ScA(Base):
    def forward(self, x, sublayer):
        return x + self.drop(sublayer(self.norm(x)))


@wrong(EX, "pre_and_post", "the norm before the sub-layer and after the sum")
class ScB(Base):
    def forward(self, x, sublayer):
        return self.norm(x + self.drop(sublayer(self.norm(x))))


@wrong(EX, "norm_inside", "x + norm(dropout(sublayer(x))): only the branch is normalised")
class ScC(Base):
    def forward(self, x, sublayer):
        return x + self.norm(self.drop(sublayer(x)))


@wrong(EX, "norm_of_input_added", "norm(x) + dropout(sublayer(x))")
class ScD(Base):
    def forward(self, x, sublayer):
        return self.norm(x) + self.drop(sublayer(x))


@wrong(EX, "norm_both", "norm(x) + norm(dropout(sublayer(x)))")
class ScE(Base):
    def forward(self, x, sublayer):
        return self.norm(x) + self.norm(self.drop(sublayer(x)))


@wrong(EX, "residual_normalised", "the residual is norm(x), the norm follows the sum as well")
class ScF(Base):
    def forward(self, x, sublayer):
        return self.norm(self.norm(x) + self.drop(sublayer(x)))


@wrong(EX, "no_norm", "the norm is never applied")
class ScG(Base):
    def forward(self, x, sublayer):
        return x + self.drop(sublayer(x))


@wrong(EX, "norm_twice", "a second norm, with its own gain and bias, after the first")
class ScH(Base):
    def __init__(self, d_model, dropout):
        super().__init__(d_model, dropout)
        self.norm2 = Norm(d_model)

    def forward(self, x, sublayer):
        return self.norm2(super().forward(x, sublayer))


# ---------------------------------------------------------------- wrong: residual


@wrong(EX, "no_residual", "the input is not added")
class ScI(Base):
    def forward(self, x, sublayer):
        return self.norm(self.drop(sublayer(x)))


@wrong(EX, "residual_outside", "the residual is added after the norm: x + norm(x + sublayer(x))")
class ScJ(Base):
    def forward(self, x, sublayer):
        return x + super().forward(x, sublayer)


@wrong(EX, "residual_doubled", "the input is added twice")
class ScK(Base):
    def forward(self, x, sublayer):
        return self.norm(x + x + self.drop(sublayer(x)))


@wrong(EX, "subtracted", "the branch is subtracted")
class ScL(Base):
    def forward(self, x, sublayer):
        return self.norm(x - self.drop(sublayer(x)))


@wrong(EX, "branch_scaled", "the branch is multiplied by sqrt(1/2), the input is not")
class ScM(Base):
    def forward(self, x, sublayer):
        return self.norm(x + math.sqrt(0.5) * self.drop(sublayer(x)))


@wrong(EX, "rezero", "a learnable factor on the branch that starts at 0")
class ScN(Base):
    def __init__(self, d_model, dropout):
        super().__init__(d_model, dropout)
        self.alpha = nn.Parameter(torch.zeros(1))

    def forward(self, x, sublayer):
        return self.norm(x + self.alpha * self.drop(sublayer(x)))


@wrong(EX, "highway", "a learnt gate between input and branch")
class ScO(Base):
    def __init__(self, d_model, dropout):
        super().__init__(d_model, dropout)
        self.gate = nn.Linear(d_model, d_model)

    def forward(self, x, sublayer):
        g = torch.sigmoid(self.gate(x))
        return self.norm(g * x + (1 - g) * self.drop(sublayer(x)))


@wrong(EX, "residual_detached", "no gradient through the residual; the output is right")
class ScP(Base):
    def forward(self, x, sublayer):
        return self.norm(x.detach() + self.drop(sublayer(x)))


@wrong(EX, "branch_detached", "no gradient through the sub-layer; the output is right")
class ScQ(Base):
    def forward(self, x, sublayer):
        return self.norm(x + self.drop(sublayer(x).detach()))


@wrong(EX, "sublayer_sees_detached", "the sub-layer gets x.detach(): it learns, the layers below miss a part")
class ScR(Base):
    def forward(self, x, sublayer):
        return self.norm(x + self.drop(sublayer(x.detach())))


@wrong(EX, "projected_residual", "a learnt matrix on the residual, the identity at first")
class ScS(Base):
    def __init__(self, d_model, dropout):
        super().__init__(d_model, dropout)
        self.skip = nn.Linear(d_model, d_model, bias=False)
        nn.init.eye_(self.skip.weight)

    def forward(self, x, sublayer):
        return self.norm(self.skip(x) + self.drop(sublayer(x)))


# ---------------------------------------------------------------- wrong: dropout


@wrong(EX, "no_dropout", "the dropout is never applied")
class ScBA(Base):
    def drop(self, y):
        return y


@wrong(EX, "dropout_on_sum", "dropout on the sum: the residual is dropped as well")
class ScBB(Base):
    def forward(self, x, sublayer):
        return self.norm(self.drop(x + sublayer(x)))


@wrong(EX, "dropout_after_norm", "dropout after the norm")
class ScBC(Base):
    def forward(self, x, sublayer):
        return self.drop(self.norm(x + sublayer(x)))


@wrong(EX, "dropout_before_sublayer", "dropout on the sub-layer's input")
class ScBD(Base):
    def forward(self, x, sublayer):
        return self.norm(x + sublayer(self.drop(x)))


@wrong(EX, "dropout_on_residual", "dropout on the residual instead of the branch")
class ScBE(Base):
    def forward(self, x, sublayer):
        return self.norm(self.drop(x) + sublayer(x))


@wrong(EX, "dropout_on_both", "dropout on the residual and on the branch")
class ScBF(Base):
    def forward(self, x, sublayer):
        return self.norm(self.drop(x) + self.drop(sublayer(x)))


@wrong(EX, "dropout_twice", "the branch goes through the dropout twice")
class ScBG(Base):
    def drop(self, y):
        return self.dropout(self.dropout(y))


@wrong(EX, "dropout_in_eval", "F.dropout without training=: active in eval mode")
class ScBH(Base):
    def drop(self, y):
        return F.dropout(y, self.dropout.p)


@wrong(EX, "dropout_in_eval_only", "training=not self.training: the wrong way round")
class ScBI(Base):
    def drop(self, y):
        return F.dropout(y, self.dropout.p, training=not self.training)


@wrong(EX, "dropout_in_list", "the dropout module is in a Python list: eval() does not reach it")
class ScBJ(Base):
    def __init__(self, d_model, dropout):
        super().__init__(d_model, 0.0)
        self.rest = [nn.Dropout(dropout)]

    def drop(self, y):
        return self.rest[0](y)


@wrong(EX, "dropout_unscaled", "what stays is not divided by 1 - p")
class ScBK(Base):
    def drop(self, y):
        return y * (torch.rand_like(y) >= self.dropout.p) if self.training else y


@wrong(EX, "dropout_scaled_in_eval", "no scaling in training, times 1 - p in eval mode")
class ScBL(Base):
    def drop(self, y):
        p = self.dropout.p
        return y * (torch.rand_like(y) >= p) if self.training else y * (1 - p)


@wrong(EX, "dropout_scaled_by_p", "what stays is divided by p instead of 1 - p")
class ScBM(Base):
    def drop(self, y):
        p = self.dropout.p
        return y * (torch.rand_like(y) >= p) / p if self.training and p > 0 else y


@wrong(EX, "keep_probability", "the number given is taken for the probability to keep")
class ScBN(Base):
    def __init__(self, d_model, dropout):
        super().__init__(d_model, 1 - dropout)


@wrong(EX, "dropout_fixed", "0.1, whatever is given")
class ScBO(Base):
    def __init__(self, d_model, dropout=0.1):
        super().__init__(d_model, 0.1)


@wrong(EX, "dropout_of_positions", "whole positions are dropped")
class ScBP(Base):
    def drop(self, y):
        return y * self.dropout(torch.ones_like(y[..., :1]))


@wrong(EX, "dropout_same_for_positions", "one draw of the features for all positions of a sentence")
class ScBQ(Base):
    def drop(self, y):
        return y * self.dropout(torch.ones_like(y[..., :1, :]))


@wrong(EX, "dropout_same_for_batch", "one draw for all sentences of the batch")
class ScBR(Base):
    def drop(self, y):
        return y * self.dropout(torch.ones_like(y[:1]))


@wrong(EX, "dropout_drawn_once", "the features to drop are drawn in the constructor")
class ScBS(Base):
    def __init__(self, d_model, dropout):
        super().__init__(d_model, dropout)
        self.register_buffer("kept", F.dropout(torch.ones(d_model), dropout))

    def drop(self, y):
        return y * self.kept if self.training else y


@wrong(EX, "stochastic_depth", "the whole branch is dropped with probability p (LayerDrop)")
class ScBT(Base):
    def drop(self, y):
        return y * self.dropout(torch.ones((), dtype=y.dtype, device=y.device))


@wrong(EX, "gaussian_dropout", "multiplied by noise around 1 with the dropout's variance: nothing becomes zero")
class ScBU(Base):
    def drop(self, y):
        p = self.dropout.p
        if not self.training or not 0 < p < 1:
            return self.dropout(y)
        return y * (1 + math.sqrt(p / (1 - p)) * torch.randn_like(y))


@wrong(EX, "alpha_dropout", "nn.AlphaDropout: dropped values are not zero")
class ScBV(Base):
    def __init__(self, d_model, dropout):
        super().__init__(d_model, dropout)
        self.dropout = nn.AlphaDropout(dropout)


@wrong(EX, "dropout_in_place", "F.dropout in place: a sub-layer that gives back its input has the caller's x changed")
class ScBW(Base):
    def __init__(self, d_model, dropout):
        super().__init__(d_model, dropout)
        self.dropout = nn.Dropout(dropout, inplace=True)


@wrong(EX, "dropout_seeded", "the generator is seeded in every call: the same values are dropped each time")
class ScBX(Base):
    def drop(self, y):
        if not self.training or self.dropout.p in (0, 1):
            return self.dropout(y)
        keep = 1 - self.dropout.p
        g = torch.Generator().manual_seed(0)
        kept = torch.rand(y.shape, generator=g, dtype=y.dtype) < keep
        return y * kept / keep


# ---------------------------------------------------------------- wrong: how the sub-layer is called


@wrong(EX, "called_twice", "the sub-layer is called twice, the first result is thrown away")
class ScCA(Base):
    def forward(self, x, sublayer):
        if sublayer(x).shape != x.shape:
            raise ValueError("a sub-layer must keep the shape")
        return super().forward(x, sublayer)


@wrong(EX, "chained", "sublayer(sublayer(x))")
class ScCB(Base):
    def forward(self, x, sublayer):
        return self.norm(x + self.drop(sublayer(sublayer(x))))


@wrong(EX, "averaged", "the mean of two calls (two dropouts of the sub-layer)")
class ScCC(Base):
    def forward(self, x, sublayer):
        return self.norm(x + self.drop((sublayer(x) + sublayer(x)) / 2))


@wrong(EX, "sentence_by_sentence", "called once a sentence, without the batch axis")
class ScCD(Base):
    def forward(self, x, sublayer):
        return self.norm(x + self.drop(torch.stack([sublayer(row) for row in x])))


@wrong(EX, "checkpointed_by_hand", "called under no_grad to probe it, then again for the result, in training only")
class ScCE(Base):
    def forward(self, x, sublayer):
        if self.training:
            with torch.no_grad():
                sublayer(x)
        return super().forward(x, sublayer)


@wrong(EX, "no_grad", "called under no_grad")
class ScCF(Base):
    def forward(self, x, sublayer):
        with torch.no_grad():
            y = sublayer(x)
        return self.norm(x + self.drop(y))


@wrong(EX, "never_called", "the sub-layer is not called")
class ScCG(Base):
    def forward(self, x, sublayer):
        return self.norm(x + self.drop(x))


@wrong(EX, "first_sublayer_kept", "the first call's sub-layer is kept and used for later ones")
class ScCH(Base):
    def __init__(self, d_model, dropout):
        super().__init__(d_model, dropout)
        self.kept = None

    def forward(self, x, sublayer):
        if self.kept is None:
            self.kept = sublayer
        return super().forward(x, self.kept)


@wrong(EX, "sublayer_adopted", "the sub-layer becomes a child: its parameters are this module's as well from then on")
class ScCI(Base):
    def forward(self, x, sublayer):
        self.sublayer = sublayer
        return super().forward(x, self.sublayer)


@wrong(EX, "modules_only", "uses sublayer.forward: plain functions are refused")
class ScCJ(Base):
    def forward(self, x, sublayer):
        return self.norm(x + self.drop(sublayer.forward(x)))


@wrong(EX, "called_with_three", "sublayer(x, x, x), as if it were always attention")
class ScCK(Base):
    def forward(self, x, sublayer):
        return self.norm(x + self.drop(sublayer(x, x, x)))


@wrong(EX, "output_not_function", "takes the sub-layer's output instead of the sub-layer (d2l's AddNorm)")
class ScCL(Base):
    def forward(self, x, y):
        return self.norm(x + self.drop(y))


@wrong(EX, "arguments_swapped", "forward(sublayer, x)")
class ScCM(Base):
    def forward(self, sublayer, x):
        return super().forward(x, sublayer)


@wrong(EX, "skipped_in_eval", "the branch is left out in eval mode")
class ScCN(Base):
    def forward(self, x, sublayer):
        return super().forward(x, sublayer) if self.training else self.norm(x)


@wrong(EX, "sublayer_set_to_eval", "a sub-layer that is a module is put in eval mode: its dropout stops")
class ScCO(Base):
    def forward(self, x, sublayer):
        if isinstance(sublayer, nn.Module):
            sublayer.eval()
        return super().forward(x, sublayer)


# ---------------------------------------------------------------- wrong: the norm itself


class NoAffine(nn.Module):
    def __init__(self, d):
        super().__init__()

    def forward(self, x):
        c = x - x.mean(-1, keepdim=True)
        return c * torch.rsqrt(c.square().mean(-1, keepdim=True) + 1e-5)


@wrong(EX, "norm_without_affine", "the norm has neither gain nor bias")
class ScDA(Base):
    norm_class = NoAffine


class SampleStd(Norm):
    def forward(self, x):
        return self.gain * (x - x.mean(-1, keepdim=True)) / (x.std(-1, keepdim=True) + self.eps) + self.bias


@wrong(EX, "norm_unbiased", "the norm divides by the unbiased standard deviation")
class ScDB(Base):
    norm_class = SampleStd


class Rms(Norm):
    def forward(self, x):
        return self.gain * x * torch.rsqrt(x.square().mean(-1, keepdim=True) + self.eps) + self.bias


@wrong(EX, "rms_norm", "RMSNorm instead of LayerNorm")
class ScDC(Base):
    norm_class = Rms


class Sentence(Norm):
    def forward(self, x):
        axes = (-2, -1)
        c = x - x.mean(axes, keepdim=True)
        return self.gain * c / (c.square().mean(axes, keepdim=True) + self.eps).sqrt() + self.bias


@wrong(EX, "norm_over_sentence", "the norm is over positions and features")
class ScDD(Base):
    norm_class = Sentence


class BatchNorm(nn.Module):
    def __init__(self, d):
        super().__init__()
        self.bn = nn.BatchNorm1d(d)

    def forward(self, x):
        return self.bn(x.reshape(-1, x.size(-1))).reshape(x.shape)


@wrong(EX, "batch_norm", "a batch normalisation")
class ScDE(Base):
    norm_class = BatchNorm


@wrong(EX, "norm_frozen", "gain and bias are not trained")
class ScDF(Base):
    def __init__(self, d_model, dropout):
        super().__init__(d_model, dropout)
        self.norm.requires_grad_(False)


@wrong(EX, "norm_in_list", "the norm is in a Python list: no parameters are found")
class ScDG(nn.Module):
    def __init__(self, d_model, dropout):
        super().__init__()
        self.parts = [LayerNorm(d_model), nn.Dropout(dropout)]

    def forward(self, x, sublayer):
        norm, drop = self.parts
        drop.train(self.training)
        return norm(x + drop(sublayer(x)))


@wrong(EX, "norm_in_forward", "a new norm in every call: never trained")
class ScDH(nn.Module):
    def __init__(self, d_model, dropout):
        super().__init__()
        self.d_model, self.dropout = d_model, nn.Dropout(dropout)

    def forward(self, x, sublayer):
        return LayerNorm(self.d_model).to(x)(x + self.dropout(sublayer(x)))


@wrong(EX, "norm_shared", "one norm for all connections of a width")
class ScDI(Base):
    norms = {}

    def __init__(self, d_model, dropout):
        super().__init__(d_model, dropout)
        self.norm = self.norms.setdefault(d_model, self.norm)


class NoEps(Norm):
    def __init__(self, d):
        super().__init__(d, eps=0.0)


@wrong(EX, "norm_without_eps", "no eps: NaN where the sum is constant")
class ScDJ(Base):
    norm_class = NoEps


@wrong(EX, "dropout_as_eps", "LayerNorm(d_model, dropout): the dropout is given to the norm as its eps")
class ScDK(nn.Module):
    def __init__(self, d_model, dropout):
        super().__init__()
        self.norm = LayerNorm(d_model, dropout)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x, sublayer):
        return self.norm(x + self.dropout(sublayer(x)))


class StoppedStatistics(Norm):
    def forward(self, x):
        mean = x.detach().mean(-1, keepdim=True)
        var = x.detach().var(-1, keepdim=True, correction=0)
        return self.gain * (x - mean) / torch.sqrt(var + self.eps) + self.bias


@wrong(EX, "norm_statistics_detached", "the norm's statistics are constants for the gradient")
class ScDL(Base):
    norm_class = StoppedStatistics


# ---------------------------------------------------------------- wrong: inputs, shapes, dtype, more than asked


@wrong(EX, "input_changed", "x += ... writes the sum into the caller's tensor")
class ScEA(Base):
    def forward(self, x, sublayer):
        x += self.drop(sublayer(x))
        return self.norm(x)


@wrong(EX, "branch_changed", "y += x writes into what the sub-layer gave back, which may be its input")
class ScEB(Base):
    def forward(self, x, sublayer):
        y = self.drop(sublayer(x))
        y += x
        return self.norm(y)


@wrong(EX, "three_axes_only", "unpacks (B, T, d)")
class ScEC(Base):
    def forward(self, x, sublayer):
        batch, length, width = x.shape
        return super().forward(x, sublayer).reshape(batch, length, width)


@wrong(EX, "flattened_for_sublayer", "the sub-layer gets all positions of all sentences as one matrix")
class ScED(Base):
    def forward(self, x, sublayer):
        y = sublayer(x.reshape(-1, x.size(-1))).reshape(x.shape)
        return self.norm(x + self.drop(y))


@wrong(EX, "squeezed", "squeeze() of the result")
class ScEE(Base):
    def forward(self, x, sublayer):
        return super().forward(x, sublayer).squeeze()


@wrong(EX, "view_of_input", "view on the input: fails where it is not contiguous")
class ScEF(Base):
    def forward(self, x, sublayer):
        y = self.drop(sublayer(x))
        return self.norm(x.view(-1, x.size(-1)) + y.reshape(-1, x.size(-1))).view(x.shape)


@wrong(EX, "float32_result", "the result is float32, also for float64")
class ScEG(Base):
    def forward(self, x, sublayer):
        return super().forward(x, sublayer).float()


@wrong(EX, "returns_sum", "returns (output, sum before the norm)")
class ScEH(Base):
    def forward(self, x, sublayer):
        z = x + self.drop(sublayer(x))
        return self.norm(z), z


@wrong(EX, "relu_after_sum", "a ReLU on the sum, as in a ResNet block")
class ScEI(Base):
    def forward(self, x, sublayer):
        return self.norm(F.relu(x + self.drop(sublayer(x))))


@wrong(EX, "width_fixed", "the norm is made for 512 features")
class ScEJ(Base):
    def __init__(self, d_model, dropout):
        super().__init__(512, dropout)


@wrong(EX, "constructor_swapped", "the constructor takes the dropout first")
class ScEK(Base):
    def __init__(self, dropout, d_model):
        super().__init__(d_model, dropout)


@wrong(EX, "previous_added", "the result of the previous call with the same shape is part of the sum")
class ScEL(Base):
    def __init__(self, d_model, dropout):
        super().__init__(d_model, dropout)
        self.previous = None

    def forward(self, x, sublayer):
        z = x + self.drop(sublayer(x))
        if self.previous is not None and self.previous.shape == z.shape:
            z = z + 0.1 * self.previous
        self.previous = z.detach()
        return self.norm(z)
