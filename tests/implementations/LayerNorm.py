"""LayerNorm: right and wrong implementations."""

import math

import torch
from torch import nn

from tests.implementations import right, wrong

EX = "LayerNorm"


# ---------------------------------------------------------------- right


class Base(nn.Module):
    def __init__(self, d, eps=1e-5):
        super().__init__()
        self.gain = nn.Parameter(torch.ones(d))
        self.bias = nn.Parameter(torch.zeros(d))
        self.eps = eps

    def statistics(self, x):
        return x.mean(-1, keepdim=True), x.var(-1, keepdim=True, unbiased=False)

    def normalise(self, x):
        mean, var = self.statistics(x)
        return (x - mean) / torch.sqrt(var + self.eps)

    def forward(self, x):
        return self.gain * self.normalise(x) + self.bias


right(EX, "plain", "mean and biased variance with keepdim")(Base)


@right(EX, "var_mean", "torch.var_mean with correction=0, rsqrt, addcmul")
class VarMeanNorm(nn.Module):
    def __init__(self, d, eps):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(d))
        self.bias = nn.Parameter(torch.zeros(d))
        self.eps = eps

    def forward(self, x):
        var, mean = torch.var_mean(x, dim=-1, correction=0, keepdim=True)
        return torch.addcmul(self.bias, (x - mean) * torch.rsqrt(var + self.eps), self.weight)


@right(EX, "annotated_names", "the Annotated Transformer's names a_2, b_2, with the variance of Ba et al.")
class AnnotatedNorm(nn.Module):
    def __init__(self, d, eps=1e-6):
        super().__init__()
        self.a_2 = nn.Parameter(torch.ones(d))
        self.b_2 = nn.Parameter(torch.zeros(d))
        self.eps = eps

    def forward(self, x):
        mean = x.mean(-1, keepdim=True)
        var = ((x - mean) ** 2).mean(-1, keepdim=True)
        return self.a_2 * (x - mean) / (var + self.eps) ** 0.5 + self.b_2


@right(EX, "sum_of_squares", "sqrt(d) times the centred vector over the root of its squared length plus d * eps")
class LengthNorm(nn.Module):
    def __init__(self, d, eps=1e-5):
        super().__init__()
        self.d, self.eps = d, eps
        self.gamma, self.beta = nn.Parameter(torch.ones(d)), nn.Parameter(torch.zeros(d))

    def forward(self, x):
        c = x - x.sum(dim=-1, keepdim=True) / self.d
        length = (c.square().sum(dim=-1, keepdim=True) + self.d * self.eps).sqrt()
        return c * math.sqrt(self.d) / length * self.gamma + self.beta


@right(EX, "einsum", "einsum for the variance, unsqueeze instead of keepdim")
class EinsumNorm(nn.Module):
    def __init__(self, d, eps=1e-5):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(d))
        self.shift = nn.Parameter(torch.zeros(d))
        self.eps = eps

    def forward(self, x):
        dev = x - x.mean(-1).unsqueeze(-1)
        var = torch.einsum("...i,...i->...", dev, dev) / x.shape[-1]
        y = torch.einsum("...i,...->...i", dev, (var + self.eps).rsqrt())
        return torch.einsum("...i,i->...i", y, self.scale) + self.shift


@right(EX, "one_parameter", "gain and bias are the two rows of one parameter")
class TwoRows(nn.Module):
    def __init__(self, d, eps=1e-5):
        super().__init__()
        self.affine = nn.Parameter(torch.stack([torch.ones(d), torch.zeros(d)]))
        self.eps = eps

    def forward(self, x):
        g, b = self.affine
        x = x - x.mean(-1, keepdim=True)
        return x / (x.pow(2).mean(-1, keepdim=True) + self.eps).sqrt() * g + b


@right(EX, "row_by_row", "a loop over the vectors")
class LoopNorm(nn.Module):
    def __init__(self, d, eps=1e-5):
        super().__init__()
        self.p = nn.ParameterDict({"gain": nn.Parameter(torch.ones(d)), "bias": nn.Parameter(torch.zeros(d))})
        self.eps = eps

    def one(self, v):
        mu = v.sum() / len(v)
        sigma2 = ((v - mu) ** 2).sum() / len(v)
        return self.p["gain"] * ((v - mu) / torch.sqrt(sigma2 + self.eps)) + self.p["bias"]

    def forward(self, x):
        if x.numel() == 0:
            return x.clone()
        rows = x.reshape(-1, x.size(-1))
        return torch.stack([self.one(row) for row in rows]).reshape(x.shape)


@right(EX, "features_first", "the features are moved to the front and back again")
class FeaturesFirst(nn.Module):
    def __init__(self, d, eps=1e-5):
        super().__init__()
        self.w = nn.Parameter(torch.ones(d))
        self.b = nn.Parameter(torch.zeros(d))
        self.eps = eps

    def forward(self, x):
        t = x.movedim(-1, 0)
        t = (t - t.mean(0)) / (t.var(0, correction=0) + self.eps).sqrt()
        return t.movedim(0, -1) * self.w + self.b


@right(EX, "double_inside", "computes in float64, gives back the input's dtype")
class DoubleInside(nn.Module):
    def __init__(self, d, eps=1e-5):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(d))
        self.bias = nn.Parameter(torch.zeros(d))
        self.variance_epsilon = eps

    def forward(self, x):
        y = x.to(torch.float64)
        u = y.mean(-1, keepdim=True)
        s = (y - u).pow(2).mean(-1, keepdim=True)
        y = (y - u) / torch.sqrt(s + self.variance_epsilon)
        return self.weight * y.to(x.dtype) + self.bias


class Standardise(torch.autograd.Function):
    generate_vmap_rule = True

    @staticmethod
    def forward(x, eps):
        c = x - x.mean(-1, keepdim=True)
        return c * torch.rsqrt(c.square().mean(-1, keepdim=True) + eps)

    @staticmethod
    def setup_context(ctx, inputs, output):
        x, ctx.eps = inputs
        ctx.save_for_backward(x)

    @staticmethod
    def backward(ctx, grad):
        (x,) = ctx.saved_tensors
        c = x - x.mean(-1, keepdim=True)
        inverse = torch.rsqrt(c.square().mean(-1, keepdim=True) + ctx.eps)
        y = c * inverse
        return inverse * (grad - grad.mean(-1, keepdim=True) - y * (grad * y).mean(-1, keepdim=True)), None


@right(EX, "own_backward", "an autograd.Function with the gradient derived by hand")
class OwnBackward(nn.Module):
    def __init__(self, d, eps=1e-5):
        super().__init__()
        self.gain = nn.Parameter(torch.ones(d))
        self.bias = nn.Parameter(torch.zeros(d))
        self.eps = eps

    def forward(self, x):
        return Standardise.apply(x, self.eps) * self.gain + self.bias


@right(EX, "offset_gain", "the parameter is the gain minus one and starts at zero: the gain starts at one")
class OffsetGain(nn.Module):
    def __init__(self, d, eps=1e-5):
        super().__init__()
        self.delta = nn.Parameter(torch.zeros(d))
        self.bias = nn.Parameter(torch.zeros(d))
        self.eps = eps

    def forward(self, x):
        mean = x.mean(-1, keepdim=True)
        var = x.var(-1, keepdim=True, correction=0)
        return (1 + self.delta) * (x - mean) / torch.sqrt(var + self.eps) + self.bias


# ---------------------------------------------------------------- wrong: variance and eps


@wrong(EX, "unbiased", "variance over d - 1")
class LnA(Base):
    def normalise(self, x):
        return (x - x.mean(-1, keepdim=True)) / torch.sqrt(x.var(-1, keepdim=True) + self.eps)


@wrong(EX, "annotated", "x.std() + eps, as in the Annotated Transformer: unbiased, and eps outside the root")
class LnB(Base):
    def normalise(self, x):
        return (x - x.mean(-1, keepdim=True)) / (x.std(-1, keepdim=True) + self.eps)


@wrong(EX, "eps_outside", "the biased standard deviation plus eps: eps outside the root")
class LnC(Base):
    def normalise(self, x):
        mean, var = self.statistics(x)
        return (x - mean) / (var.sqrt() + self.eps)


@wrong(EX, "eps_squared", "eps is squared inside the root")
class LnD(Base):
    def normalise(self, x):
        mean, var = self.statistics(x)
        return (x - mean) / torch.sqrt(var + self.eps**2)


@wrong(EX, "no_eps", "no eps: a constant vector gives NaN")
class LnE(Base):
    def normalise(self, x):
        mean, var = self.statistics(x)
        return (x - mean) / torch.sqrt(var)


@wrong(EX, "eps_fixed", "eps is 1e-5, whatever is given")
class LnF(Base):
    def __init__(self, d, eps=1e-5):
        super().__init__(d)


@wrong(EX, "eps_as_floor", "max(variance, eps) instead of the sum")
class LnG(Base):
    def normalise(self, x):
        mean, var = self.statistics(x)
        return (x - mean) / torch.sqrt(var.clamp(min=self.eps))


@wrong(EX, "eps_in_numerator", "eps is added to the numerator too")
class LnH(Base):
    def normalise(self, x):
        mean, var = self.statistics(x)
        return (x - mean + self.eps) / torch.sqrt(var + self.eps)


@wrong(EX, "eps_subtracted", "eps is subtracted from the variance: NaN where it is small")
class LnI(Base):
    def normalise(self, x):
        mean, var = self.statistics(x)
        return (x - mean) / torch.sqrt(var - self.eps)


@wrong(EX, "eps_after_root", "eps is added to the quotient")
class LnJ(Base):
    def normalise(self, x):
        mean, var = self.statistics(x)
        return (x - mean) / var.clamp(min=1e-30).sqrt() + self.eps


@wrong(EX, "eps_not_averaged", "the root of the sum of squares plus eps, times sqrt(d): eps should be d * eps there")
class LnK(Base):
    def normalise(self, x):
        c = x - x.mean(-1, keepdim=True)
        return c * math.sqrt(x.size(-1)) / torch.sqrt(c.square().sum(-1, keepdim=True) + self.eps)


@wrong(EX, "no_root", "divided by the variance, not by its root")
class LnL(Base):
    def normalise(self, x):
        mean, var = self.statistics(x)
        return (x - mean) / (var + self.eps)


@wrong(EX, "multiplied", "sqrt instead of rsqrt: multiplied by the standard deviation")
class LnM(Base):
    def normalise(self, x):
        mean, var = self.statistics(x)
        return (x - mean) * torch.sqrt(var + self.eps)


@wrong(EX, "one_pass", "E[x^2] - E[x]^2: in float32 wrong or NaN where the mean is large")
class LnN(Base):
    def statistics(self, x):
        mean = x.mean(-1, keepdim=True)
        return mean, x.square().mean(-1, keepdim=True) - mean.square()


@wrong(EX, "one_pass_clamped", "E[x^2] - E[x]^2, not below zero: no NaN, and still wrong where the mean is large")
class LnO(Base):
    def statistics(self, x):
        mean = x.mean(-1, keepdim=True)
        return mean, (x.square().mean(-1, keepdim=True) - mean.square()).clamp(min=0)


@wrong(EX, "unit_length", "length 1 instead of variance 1: the sum of squares, not their mean")
class LnP(Base):
    def normalise(self, x):
        c = x - x.mean(-1, keepdim=True)
        return c / torch.sqrt(c.square().sum(-1, keepdim=True) + self.eps)


@wrong(EX, "absolute_deviation", "the mean absolute deviation instead of the standard deviation")
class LnQ(Base):
    def normalise(self, x):
        c = x - x.mean(-1, keepdim=True)
        return c / torch.sqrt(c.abs().mean(-1, keepdim=True).square() + self.eps)


@wrong(EX, "min_max", "scaled by the range of the features")
class LnR(Base):
    def normalise(self, x):
        low, high = x.amin(-1, keepdim=True), x.amax(-1, keepdim=True)
        return (x - low) / (high - low + self.eps)


# ---------------------------------------------------------------- wrong: mean


@wrong(EX, "rms_norm", "RMSNorm: no mean is subtracted")
class LnBA(Base):
    def normalise(self, x):
        return x * torch.rsqrt(x.square().mean(-1, keepdim=True) + self.eps)


@wrong(EX, "variance_only", "divided by the standard deviation, the mean stays")
class LnBB(Base):
    def normalise(self, x):
        return x / torch.sqrt(x.var(-1, keepdim=True, correction=0) + self.eps)


@wrong(EX, "mean_only", "the mean is subtracted, nothing is divided")
class LnBC(Base):
    def normalise(self, x):
        return x - x.mean(-1, keepdim=True)


@wrong(EX, "uncentred_variance", "the numerator is centred, the variance is the mean of x squared")
class LnBD(Base):
    def statistics(self, x):
        return x.mean(-1, keepdim=True), x.square().mean(-1, keepdim=True)


@wrong(EX, "median", "the median instead of the mean")
class LnBE(Base):
    def statistics(self, x):
        return x.median(-1, keepdim=True).values, x.var(-1, keepdim=True, correction=0)


@wrong(EX, "mean_added", "the mean is added")
class LnBF(Base):
    def normalise(self, x):
        mean, var = self.statistics(x)
        return (x + mean) / torch.sqrt(var + self.eps)


@wrong(EX, "mean_kept", "the mean is added again at the end")
class LnBG(Base):
    def normalise(self, x):
        mean, var = self.statistics(x)
        return (x - mean) / torch.sqrt(var + self.eps) + mean


# ---------------------------------------------------------------- wrong: axes and shapes


@wrong(EX, "axis_one", "axis 1 instead of the last: the positions, where x is (B, T, d)")
class LnCA(Base):
    def statistics(self, x):
        return x.mean(1, keepdim=True), x.var(1, keepdim=True, correction=0)


@wrong(EX, "batch_axis", "axis 0: a batch normalisation")
class LnCB(Base):
    def statistics(self, x):
        return x.mean(0, keepdim=True), x.var(0, keepdim=True, correction=0)


@wrong(EX, "last_two_axes", "positions and features together")
class LnCC(Base):
    def statistics(self, x):
        axes = (-2, -1) if x.dim() > 1 else (-1,)
        return x.mean(axes, keepdim=True), x.var(axes, keepdim=True, correction=0)


@wrong(EX, "all_but_batch", "everything but the first axis, as for images")
class LnCD(Base):
    def statistics(self, x):
        axes = tuple(range(1, x.dim())) or (0,)
        return x.mean(axes, keepdim=True), x.var(axes, keepdim=True, correction=0)


@wrong(EX, "whole_tensor", "one mean and one variance for the whole tensor")
class LnCE(Base):
    def statistics(self, x):
        return x.mean(), x.var(correction=0)


@wrong(EX, "batch_and_positions", "one mean a feature, over all vectors")
class LnCF(Base):
    def normalise(self, x):
        flat = x.reshape(-1, x.size(-1))
        return (x - flat.mean(0)) / torch.sqrt(flat.var(0, correction=0) + self.eps)


@wrong(EX, "variance_other_axis", "the mean over the features, the variance over features and positions")
class LnCG(Base):
    def statistics(self, x):
        mean = x.mean(-1, keepdim=True)
        axes = (-2, -1) if x.dim() > 1 else (-1,)
        return mean, (x - mean).square().mean(axes, keepdim=True)


@wrong(EX, "no_keepdim", "no keepdim: fails, or subtracts other rows' means where the sizes happen to agree")
class LnCH(Base):
    def statistics(self, x):
        return x.mean(-1), x.var(-1, unbiased=False)


@wrong(EX, "three_axes_only", "mean[:, :, None]: only for (B, T, d)")
class LnCI(Base):
    def statistics(self, x):
        return x.mean(2)[:, :, None], x.var(2, correction=0)[:, :, None]


@wrong(EX, "groups", "two groups of features are normalised separately, where d is even")
class LnCJ(Base):
    def normalise(self, x):
        d = x.size(-1)
        groups = 2 if d % 2 == 0 and d > 2 else 1
        y = x.reshape(*x.shape[:-1], groups, d // groups)
        return super().normalise(y).reshape(x.shape)


@wrong(EX, "view_of_input", "view on the input: fails where it is not contiguous")
class LnCK(Base):
    def forward(self, x):
        flat = x.view(-1, x.size(-1))
        return super().forward(flat).view(x.shape)


@wrong(EX, "squeezed", "squeeze() of the result: axes of size one are lost")
class LnCL(Base):
    def forward(self, x):
        return super().forward(x).squeeze()


@wrong(EX, "batch_of_one_unchanged", "a single vector is given back as it is")
class LnCM(Base):
    def forward(self, x):
        return x if x.dim() == 1 else super().forward(x)


@wrong(EX, "width_fixed", "gain and bias have 512 features, whatever d is")
class LnCN(Base):
    def __init__(self, d, eps=1e-5):
        super().__init__(512, eps)


# ---------------------------------------------------------------- wrong: gain and bias


@wrong(EX, "no_affine", "neither gain nor bias")
class LnDA(nn.Module):
    def __init__(self, d, eps=1e-5):
        super().__init__()
        self.eps = eps

    def forward(self, x):
        c = x - x.mean(-1, keepdim=True)
        return c / torch.sqrt(c.square().mean(-1, keepdim=True) + self.eps)


@wrong(EX, "no_bias", "no bias")
class LnDB(nn.Module):
    def __init__(self, d, eps=1e-5):
        super().__init__()
        self.gain = nn.Parameter(torch.ones(d))
        self.eps = eps

    def forward(self, x):
        c = x - x.mean(-1, keepdim=True)
        return self.gain * c / torch.sqrt(c.square().mean(-1, keepdim=True) + self.eps)


@wrong(EX, "no_gain", "a bias, no gain")
class LnDC(nn.Module):
    def __init__(self, d, eps=1e-5):
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(d))
        self.eps = eps

    def forward(self, x):
        c = x - x.mean(-1, keepdim=True)
        return c / torch.sqrt(c.square().mean(-1, keepdim=True) + self.eps) + self.bias


@wrong(EX, "scalar_gain", "gain and bias are one number each, not one a feature")
class LnDD(Base):
    def __init__(self, d, eps=1e-5):
        super().__init__(1, eps)


@wrong(EX, "scalar_bias", "the gain is one a feature, the bias a single number")
class LnDE(Base):
    def __init__(self, d, eps=1e-5):
        super().__init__(d, eps)
        self.bias = nn.Parameter(torch.zeros(1))


@wrong(EX, "parameters_unused", "gain and bias exist and are not used")
class LnDF(Base):
    def forward(self, x):
        return self.normalise(x)


@wrong(EX, "bias_unused", "the bias exists and is not added")
class LnDG(Base):
    def forward(self, x):
        return self.gain * self.normalise(x)


@wrong(EX, "gain_first", "gain and bias are applied before normalising")
class LnDH(Base):
    def forward(self, x):
        return self.normalise(self.gain * x + self.bias)


@wrong(EX, "gain_before", "the input is multiplied by the gain and then normalised")
class LnDI(Base):
    def forward(self, x):
        return self.normalise(self.gain * x) + self.bias


@wrong(EX, "bias_times_gain", "(x + bias) * gain: the bias is multiplied too")
class LnDJ(Base):
    def forward(self, x):
        return (self.normalise(x) + self.bias) * self.gain


@wrong(EX, "bias_subtracted_twice", "gain * (x - mean - bias) / std + bias")
class LnDK(Base):
    def forward(self, x):
        mean, var = self.statistics(x)
        return self.gain * (x - mean - self.bias) / torch.sqrt(var + self.eps) + self.bias


@wrong(EX, "gain_zero", "the gain starts at 0: the output is 0")
class LnDL(Base):
    def __init__(self, d, eps=1e-5):
        super().__init__(d, eps)
        nn.init.zeros_(self.gain)


@wrong(EX, "swapped_start", "the gain starts at 0 and the bias at 1")
class LnDM(Base):
    def __init__(self, d, eps=1e-5):
        super().__init__(d, eps)
        self.gain, self.bias = nn.Parameter(torch.zeros(d)), nn.Parameter(torch.ones(d))


@wrong(EX, "random_start", "gain and bias start at random")
class LnDN(Base):
    def __init__(self, d, eps=1e-5):
        super().__init__(d, eps)
        self.gain, self.bias = nn.Parameter(torch.randn(d)), nn.Parameter(torch.randn(d))


@wrong(EX, "gain_two", "1 + gain with a gain that starts at 1: twice too large")
class LnDO(Base):
    def forward(self, x):
        return (1 + self.gain) * self.normalise(x) + self.bias


@wrong(EX, "gain_squared", "the gain is multiplied twice: no difference while it is 1")
class LnDP(Base):
    def forward(self, x):
        return self.gain * (self.gain * self.normalise(x)) + self.bias


@wrong(EX, "gain_positive", "the absolute value of the gain: no difference while it is 1, never negative")
class LnDQ(Base):
    def forward(self, x):
        return self.gain.abs() * self.normalise(x) + self.bias


@wrong(EX, "gain_matrix", "a full matrix instead of a gain a feature, the identity at first")
class LnDR(nn.Module):
    def __init__(self, d, eps=1e-5):
        super().__init__()
        self.linear = nn.Linear(d, d)
        nn.init.eye_(self.linear.weight)
        nn.init.zeros_(self.linear.bias)
        self.eps = eps

    def forward(self, x):
        c = x - x.mean(-1, keepdim=True)
        return self.linear(c / torch.sqrt(c.square().mean(-1, keepdim=True) + self.eps))


@wrong(EX, "gain_per_position", "a gain for each of 64 positions")
class LnDS(Base):
    def __init__(self, d, eps=1e-5):
        super().__init__(d, eps)
        self.gain = nn.Parameter(torch.ones(64, d))

    def forward(self, x):
        return self.gain[: x.size(-2)] * self.normalise(x) + self.bias


@wrong(EX, "buffers", "gain and bias are buffers: never trained")
class LnDT(nn.Module):
    def __init__(self, d, eps=1e-5):
        super().__init__()
        self.register_buffer("gain", torch.ones(d))
        self.register_buffer("bias", torch.zeros(d))
        self.eps = eps

    def forward(self, x):
        c = x - x.mean(-1, keepdim=True)
        return self.gain * c * torch.rsqrt(c.square().mean(-1, keepdim=True) + self.eps) + self.bias


@wrong(EX, "plain_tensors", "gain and bias are tensors with requires_grad: no parameters")
class LnDU(nn.Module):
    def __init__(self, d, eps=1e-5):
        super().__init__()
        self.gain = torch.ones(d, requires_grad=True)
        self.bias = torch.zeros(d, requires_grad=True)
        self.eps = eps

    def forward(self, x):
        c = x - x.mean(-1, keepdim=True)
        return self.gain * c * torch.rsqrt(c.square().mean(-1, keepdim=True) + self.eps) + self.bias


@wrong(EX, "parameters_in_list", "the two parameters are in a Python list")
class LnDV(nn.Module):
    def __init__(self, d, eps=1e-5):
        super().__init__()
        self.affine = [nn.Parameter(torch.ones(d)), nn.Parameter(torch.zeros(d))]
        self.eps = eps

    def forward(self, x):
        c = x - x.mean(-1, keepdim=True)
        return self.affine[0] * c * torch.rsqrt(c.square().mean(-1, keepdim=True) + self.eps) + self.affine[1]


@wrong(EX, "frozen", "gain and bias do not require a gradient")
class LnDW(Base):
    def __init__(self, d, eps=1e-5):
        super().__init__(d, eps)
        self.requires_grad_(False)


@wrong(EX, "gain_detached", "gain.data is used: the gain gets no gradient")
class LnDX(Base):
    def forward(self, x):
        return self.gain.data * self.normalise(x) + self.bias


@wrong(EX, "shared_by_all", "all norms of a width have the same gain and bias")
class LnDY(Base):
    shared = {}

    def __init__(self, d, eps=1e-5):
        super().__init__(d, eps)
        self.gain, self.bias = self.shared.setdefault(d, (self.gain, self.bias))


@wrong(EX, "tied", "gain and bias are one parameter: the gain is one plus the bias")
class LnDZ(nn.Module):
    def __init__(self, d, eps=1e-5):
        super().__init__()
        self.w = nn.Parameter(torch.zeros(d))
        self.eps = eps

    def forward(self, x):
        c = x - x.mean(-1, keepdim=True)
        return (1 + self.w) * c * torch.rsqrt(c.square().mean(-1, keepdim=True) + self.eps) + self.w


# ---------------------------------------------------------------- wrong: gradients, inputs, state, dtype, additions


@wrong(EX, "statistics_detached", "mean and variance are constants for the gradient; the output is right")
class LnEA(Base):
    def statistics(self, x):
        return super().statistics(x.detach())


@wrong(EX, "variance_detached", "only the variance is a constant for the gradient")
class LnEB(Base):
    def statistics(self, x):
        mean, var = super().statistics(x)
        return mean, var.detach()


@wrong(EX, "input_detached", "the input gets no gradient")
class LnEC(Base):
    def forward(self, x):
        return super().forward(x.detach())


@wrong(EX, "input_centred", "the mean is subtracted in place: the caller's tensor changes")
class LnED(Base):
    def normalise(self, x):
        x.data -= x.data.mean(-1, keepdim=True)
        return x / torch.sqrt(x.square().mean(-1, keepdim=True) + self.eps)


@wrong(EX, "input_overwritten", "the result is copied into the caller's tensor")
class LnEE(Base):
    def forward(self, x):
        out = super().forward(x)
        x.data.copy_(out.data)
        return out


@wrong(EX, "running_statistics", "running mean and variance in eval mode")
class LnEF(Base):
    def __init__(self, d, eps=1e-5):
        super().__init__(d, eps)
        self.register_buffer("mean", torch.zeros(1))
        self.register_buffer("var", torch.ones(1))

    def statistics(self, x):
        if not self.training:
            return self.mean, self.var
        mean, var = super().statistics(x)
        self.mean.lerp_(mean.detach().mean().to(self.mean), 0.1)
        self.var.lerp_(var.detach().mean().to(self.var), 0.1)
        return mean, var


@wrong(EX, "first_statistics_kept", "the statistics of the first input of a shape are used for later ones")
class LnEG(Base):
    def __init__(self, d, eps=1e-5):
        super().__init__(d, eps)
        self.kept = {}

    def statistics(self, x):
        key = (tuple(x.shape), x.dtype)
        if key not in self.kept:
            self.kept[key] = tuple(s.detach() for s in super().statistics(x))
        return self.kept[key]


@wrong(EX, "training_only", "in eval mode the input is only scaled and shifted")
class LnEH(Base):
    def normalise(self, x):
        return super().normalise(x) if self.training else x


@wrong(EX, "float32_result", "the result is float32, also for float64")
class LnEI(Base):
    def forward(self, x):
        return super().forward(x).float()


@wrong(EX, "float32_inside", "computed in float32 and cast back: float64 loses half its digits")
class LnEJ(Base):
    def normalise(self, x):
        return super().normalise(x.float()).to(x.dtype)


@wrong(EX, "half_inside", "computed in bfloat16 and cast back")
class LnEK(Base):
    def normalise(self, x):
        return super().normalise(x.bfloat16()).to(x.dtype)


@wrong(EX, "residual", "the input is added to the result")
class LnEL(Base):
    def forward(self, x):
        return x + super().forward(x)


@wrong(EX, "clamped", "normalised values beyond 3 are cut off")
class LnEM(Base):
    def normalise(self, x):
        return super().normalise(x).clamp(-3, 3)


@wrong(EX, "tanh", "the normalised values go through tanh")
class LnEN(Base):
    def normalise(self, x):
        return super().normalise(x).tanh()


@wrong(EX, "dynamic_tanh", "tanh(alpha x) instead of normalising (DyT)")
class LnEO(Base):
    def __init__(self, d, eps=1e-5):
        super().__init__(d, eps)
        self.alpha = nn.Parameter(torch.tensor(0.5))

    def normalise(self, x):
        return torch.tanh(self.alpha * x)


@wrong(EX, "zeros_skipped", "features that are exactly 0 count as padding: left out of mean and variance")
class LnEP(Base):
    def statistics(self, x):
        there = (x != 0).to(x.dtype)
        n = there.sum(-1, keepdim=True).clamp(min=1)
        mean = x.sum(-1, keepdim=True) / n
        return mean, ((x - mean) * there).square().sum(-1, keepdim=True) / n


@wrong(EX, "constant_unchanged", "a vector whose variance is below eps is given back centred, not normalised")
class LnEQ(Base):
    def normalise(self, x):
        mean, var = self.statistics(x)
        return torch.where(var < self.eps, x - mean, (x - mean) / torch.sqrt(var + self.eps))


@wrong(EX, "returns_statistics", "returns (output, mean, variance)")
class LnER(Base):
    def forward(self, x):
        return (super().forward(x), *self.statistics(x))


@wrong(EX, "scaled_down", "the result is divided by sqrt(d)")
class LnES(Base):
    def normalise(self, x):
        return super().normalise(x) / math.sqrt(x.size(-1))


@wrong(EX, "arguments_swapped", "the constructor takes eps first")
class LnET(Base):
    def __init__(self, eps, d=512):
        super().__init__(d, eps)
