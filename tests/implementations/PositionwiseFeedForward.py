"""PositionwiseFeedForward: right and wrong implementations."""

import math

import torch
import torch.nn.functional as F
from torch import nn

from tests.implementations import right, wrong

EX = "PositionwiseFeedForward"


# ---------------------------------------------------------------- right


@right(EX, "plain", "two nn.Linear, ReLU, nn.Dropout")
class FeedForward(nn.Module):
    def __init__(self, d_model, d_ff, dropout):
        super().__init__()
        self.w_1 = nn.Linear(d_model, d_ff)
        self.w_2 = nn.Linear(d_ff, d_model)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x):
        return self.w_2(self.dropout(self.w_1(x).relu()))


@right(EX, "sequential", "one nn.Sequential")
class MLP(nn.Module):
    def __init__(self, d_model, d_ff, dropout=0.1):
        super().__init__()
        self.net = nn.Sequential(
            nn.Linear(d_model, d_ff), nn.ReLU(inplace=True), nn.Dropout(dropout), nn.Linear(d_ff, d_model)
        )

    def forward(self, x):
        return self.net(x)


@right(EX, "is_sequential", "a subclass of nn.Sequential, no forward of its own")
class PositionWise(nn.Sequential):
    def __init__(self, d_model, d_ff, dropout):
        super().__init__(nn.Linear(d_model, d_ff), nn.ReLU(), nn.Dropout(p=dropout), nn.Linear(d_ff, d_model))


@right(EX, "parameters", "matrices (in, out) as in the paper's equation, biases that start at zero, max(0, .)")
class ByEquation(nn.Module):
    def __init__(self, d_model, d_ff, dropout):
        super().__init__()
        self.W1 = nn.Parameter(torch.empty(d_model, d_ff))
        self.b1 = nn.Parameter(torch.zeros(d_ff))
        self.W2 = nn.Parameter(torch.empty(d_ff, d_model))
        self.b2 = nn.Parameter(torch.zeros(d_model))
        nn.init.xavier_uniform_(self.W1)
        nn.init.xavier_uniform_(self.W2)
        self.p = dropout

    def forward(self, x):
        hidden = torch.clamp(x @ self.W1 + self.b1, min=0)
        hidden = F.dropout(hidden, self.p, self.training)
        return hidden @ self.W2 + self.b2


@right(EX, "conv1d", "two convolutions with kernel size 1; the positions are flattened first")
class ConvFeedForward(nn.Module):
    def __init__(self, d_model, d_ff, dropout):
        super().__init__()
        self.conv1 = nn.Conv1d(in_channels=d_model, out_channels=d_ff, kernel_size=1)
        self.conv2 = nn.Conv1d(in_channels=d_ff, out_channels=d_model, kernel_size=1)
        self.drop = nn.Dropout(dropout)

    def forward(self, x):
        y = x.reshape(-1, x.size(-1)).t().unsqueeze(0)
        y = self.conv2(self.drop(F.relu(self.conv1(y))))
        return y.squeeze(0).t().reshape(x.shape)


@right(EX, "loop", "position by position, put together again")
class OnePositionAtATime(nn.Module):
    def __init__(self, d_model, d_ff, dropout):
        super().__init__()
        self.up = nn.Linear(d_model, d_ff)
        self.down = nn.Linear(d_ff, d_model)
        self.drop = nn.Dropout(dropout)

    def forward(self, x):
        return torch.stack([self.down(self.drop(F.relu(self.up(x_t)))) for x_t in x.unbind(dim=-2)], dim=-2)


@right(EX, "einsum", "einsum, ReLU as max with zero, one ParameterDict")
class EinsumFeedForward(nn.Module):
    def __init__(self, d_model, d_ff, dropout):
        super().__init__()
        self.p = nn.ParameterDict(
            {
                "up": nn.Parameter(torch.randn(d_ff, d_model) / math.sqrt(d_model)),
                "up_bias": nn.Parameter(torch.zeros(d_ff)),
                "down": nn.Parameter(torch.randn(d_model, d_ff) / math.sqrt(d_ff)),
                "down_bias": nn.Parameter(torch.zeros(d_model)),
            }
        )
        self.dropout = nn.Dropout(dropout)

    def forward(self, x):
        h = torch.einsum("...i,oi->...o", x, self.p["up"]) + self.p["up_bias"]
        h = self.dropout(torch.maximum(h, torch.zeros_like(h)))
        return torch.einsum("...i,oi->...o", h, self.p["down"]) + self.p["down_bias"]


@right(EX, "dropout_first", "dropout before the ReLU: the two commute, since the dropout only scales by zero or more")
class DropThenRelu(nn.Module):
    def __init__(self, d_model, d_ff, dropout):
        super().__init__()
        self.lin1 = nn.Linear(d_model, d_ff)
        self.lin2 = nn.Linear(d_ff, d_model)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x):
        return self.lin2(torch.relu(self.dropout(self.lin1(x))))


@right(EX, "dropout_by_hand", "the dropout written out: a random mask, divided by the probability to keep")
class OwnDropout(nn.Module):
    def __init__(self, d_model, d_ff, dropout):
        super().__init__()
        self.first, self.second = nn.Linear(d_model, d_ff), nn.Linear(d_ff, d_model)
        self.rate = dropout

    def forward(self, x):
        h = self.first(x)
        h = h * (h > 0)
        if self.training and self.rate > 0:
            keep = 1 - self.rate
            h = h * (torch.rand_like(h) < keep) / max(keep, 1e-12)
        return self.second(h)


@right(EX, "bias_as_feature", "a feature of ones is appended: the last column of each matrix is its bias")
class Homogeneous(nn.Module):
    def __init__(self, d_model, d_ff, dropout):
        super().__init__()
        self.a = nn.Linear(d_model + 1, d_ff, bias=False)
        self.b = nn.Linear(d_ff + 1, d_model, bias=False)
        self.dropout = nn.Dropout(dropout)

    @staticmethod
    def extend(x):
        return torch.cat([x, torch.ones_like(x[..., :1])], dim=-1)

    def forward(self, x):
        h = self.dropout(self.a(self.extend(x)).relu())
        return self.b(self.extend(h))


@right(EX, "chunks", "the hidden units in two blocks, whose results are added: less memory")
class Chunked(nn.Module):
    def __init__(self, d_model, d_ff, dropout):
        super().__init__()
        self.fc1 = nn.Linear(d_model, d_ff)
        self.fc2 = nn.Linear(d_ff, d_model)
        self.p = dropout

    def forward(self, x):
        total = self.fc2.bias
        blocks = zip(self.fc1.weight.chunk(2), self.fc1.bias.chunk(2), self.fc2.weight.chunk(2, dim=1), strict=True)
        for up, bias, down in blocks:
            hidden = F.dropout(F.relu(F.linear(x, up, bias)), p=self.p, training=self.training)
            total = total + F.linear(hidden, down)
        return total


@right(EX, "flattened", "all positions in one matrix, addmm, back")
class Flattened(nn.Module):
    def __init__(self, d_model, d_ff, dropout):
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(d_model, d_ff), nn.Linear(d_ff, d_model)])
        for layer in self.layers:
            nn.init.kaiming_uniform_(layer.weight, nonlinearity="relu")
            nn.init.zeros_(layer.bias)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x):
        one, two = self.layers
        flat = x.reshape(-1, x.shape[-1])
        hidden = torch.addmm(one.bias, flat, one.weight.t())
        hidden = self.dropout(torch.where(hidden > 0, hidden, 0.0))
        return torch.addmm(two.bias, hidden, two.weight.t()).reshape(x.shape)


# ---------------------------------------------------------------- wrong: the activation


class Base(nn.Module):
    def __init__(self, d_model, d_ff, dropout):
        super().__init__()
        self.w_1 = nn.Linear(d_model, d_ff)
        self.w_2 = nn.Linear(d_ff, d_model)
        self.dropout = nn.Dropout(dropout)

    def activation(self, x):
        return F.relu(x)

    def hidden(self, x):
        return self.dropout(self.activation(self.w_1(x)))

    def forward(self, x):
        return self.w_2(self.hidden(x))


@wrong(EX, "no_activation", "no ReLU: two linear maps are one")
class FfA(Base):
    def activation(self, x):
        return x


@wrong(EX, "gelu", "GELU instead of ReLU")
class FfB(Base):
    def activation(self, x):
        return F.gelu(x)


@wrong(EX, "silu", "SiLU instead of ReLU")
class FfC(Base):
    def activation(self, x):
        return F.silu(x)


@wrong(EX, "leaky_relu", "leaky ReLU with slope 0.01")
class FfD(Base):
    def activation(self, x):
        return F.leaky_relu(x)


@wrong(EX, "relu6", "ReLU6: the same until a hidden unit exceeds 6")
class FfE(Base):
    def activation(self, x):
        return F.relu6(x)


@wrong(EX, "softplus", "softplus instead of ReLU")
class FfF(Base):
    def activation(self, x):
        return F.softplus(x)


@wrong(EX, "squared_relu", "the square of the ReLU")
class FfG(Base):
    def activation(self, x):
        return F.relu(x).square()


@wrong(EX, "absolute_value", "the absolute value instead of ReLU")
class FfH(Base):
    def activation(self, x):
        return x.abs()


@wrong(EX, "relu_at_the_end", "the ReLU after the second matrix, none between")
class FfI(Base):
    def forward(self, x):
        return F.relu(self.w_2(self.dropout(self.w_1(x))))


@wrong(EX, "relu_twice", "a second ReLU on the output: nothing negative comes out")
class FfJ(Base):
    def forward(self, x):
        return F.relu(self.w_2(self.hidden(x)))


@wrong(EX, "relu_on_input", "the ReLU is on the input instead of the hidden units")
class FfK(Base):
    def forward(self, x):
        return self.w_2(self.dropout(self.w_1(F.relu(x))))


@wrong(EX, "gated", "a gated unit (a third matrix) instead of the ReLU")
class FfL(Base):
    def __init__(self, d_model, d_ff, dropout):
        super().__init__(d_model, d_ff, dropout)
        self.w_3 = nn.Linear(d_model, d_ff)

    def hidden(self, x):
        return self.dropout(F.relu(self.w_1(x)) * self.w_3(x))


# ---------------------------------------------------------------- wrong: biases and matrices


@wrong(EX, "no_biases", "no biases at all")
class FfM(Base):
    def __init__(self, d_model, d_ff, dropout):
        super().__init__(d_model, d_ff, dropout)
        self.w_1 = nn.Linear(d_model, d_ff, bias=False)
        self.w_2 = nn.Linear(d_ff, d_model, bias=False)


@wrong(EX, "no_second_bias", "b_2 is missing")
class FfN(Base):
    def __init__(self, d_model, d_ff, dropout):
        super().__init__(d_model, d_ff, dropout)
        self.w_2 = nn.Linear(d_ff, d_model, bias=False)


@wrong(EX, "no_first_bias", "b_1 is missing")
class FfO(Base):
    def __init__(self, d_model, d_ff, dropout):
        super().__init__(d_model, d_ff, dropout)
        self.w_1 = nn.Linear(d_model, d_ff, bias=False)


@wrong(EX, "bias_after_relu", "b_1 is added after the ReLU")
class FfP(Base):
    def hidden(self, x):
        return self.dropout(F.relu(F.linear(x, self.w_1.weight)) + self.w_1.bias)


@wrong(EX, "biases_as_buffers", "the biases are buffers of zeros: never trained")
class FfQ(Base):
    def __init__(self, d_model, d_ff, dropout):
        super().__init__(d_model, d_ff, dropout)
        self.w_1 = nn.Linear(d_model, d_ff, bias=False)
        self.w_2 = nn.Linear(d_ff, d_model, bias=False)
        self.register_buffer("b_1", torch.zeros(d_ff))
        self.register_buffer("b_2", torch.zeros(d_model))

    def forward(self, x):
        return self.w_2(self.dropout(F.relu(self.w_1(x) + self.b_1))) + self.b_2


@wrong(EX, "one_bias_number", "b_1 is a single number for all hidden units")
class FfR(Base):
    def __init__(self, d_model, d_ff, dropout):
        super().__init__(d_model, d_ff, dropout)
        self.w_1 = nn.Linear(d_model, d_ff, bias=False)
        self.b_1 = nn.Parameter(torch.zeros(1))

    def hidden(self, x):
        return self.dropout(F.relu(self.w_1(x) + self.b_1))


@wrong(EX, "tied_matrices", "the second matrix is the first one transposed")
class FfS(nn.Module):
    def __init__(self, d_model, d_ff, dropout):
        super().__init__()
        self.w = nn.Linear(d_model, d_ff)
        self.b_2 = nn.Parameter(torch.zeros(d_model))
        self.dropout = nn.Dropout(dropout)

    def forward(self, x):
        return self.dropout(self.w(x).relu()) @ self.w.weight + self.b_2


@wrong(EX, "square_only", "the matrix is multiplied untransposed: works only where d_ff equals d_model")
class FfT(nn.Module):
    def __init__(self, d_model, d_ff, dropout):
        super().__init__()
        self.w_1 = nn.Parameter(torch.empty(d_ff, d_model))
        self.w_2 = nn.Parameter(torch.empty(d_model, d_ff))
        self.b_1, self.b_2 = nn.Parameter(torch.zeros(d_ff)), nn.Parameter(torch.zeros(d_model))
        self.dropout = nn.Dropout(dropout)
        for w in (self.w_1, self.w_2):
            nn.init.xavier_uniform_(w)

    def forward(self, x):
        return self.dropout((x @ self.w_1 + self.b_1).relu()) @ self.w_2 + self.b_2


@wrong(EX, "four_times", "the inner size is 4 * d_model, whatever d_ff is")
class FfU(Base):
    def __init__(self, d_model, d_ff, dropout):
        super().__init__(d_model, 4 * d_model, dropout)


@wrong(EX, "sizes_swapped", "the constructor takes d_ff first")
class FfV(Base):
    def __init__(self, d_ff, d_model, dropout):
        super().__init__(d_model, d_ff, dropout)


@wrong(EX, "no_inner_size", "both matrices are (d_model, d_model), d_ff is not used")
class FfW(Base):
    def __init__(self, d_model, d_ff, dropout):
        super().__init__(d_model, d_model, dropout)


@wrong(EX, "three_layers", "a hidden layer too many")
class FfX(Base):
    def __init__(self, d_model, d_ff, dropout):
        super().__init__(d_model, d_ff, dropout)
        self.between = nn.Linear(d_ff, d_ff)

    def hidden(self, x):
        return self.dropout(F.relu(self.between(F.relu(self.w_1(x)))))


# ---------------------------------------------------------------- wrong: positions are mixed


@wrong(EX, "kernel_three", "convolutions of kernel size 3: the neighbours are mixed in")
class FfY(nn.Module):
    def __init__(self, d_model, d_ff, dropout):
        super().__init__()
        self.conv1 = nn.Conv1d(d_model, d_ff, kernel_size=3, padding=1)
        self.conv2 = nn.Conv1d(d_ff, d_model, kernel_size=1)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x):
        return self.conv2(self.dropout(F.relu(self.conv1(x.transpose(1, 2))))).transpose(1, 2)


@wrong(EX, "conv_not_transposed", "view instead of transpose before the convolution: positions and features are mixed")
class FfZ(nn.Module):
    def __init__(self, d_model, d_ff, dropout):
        super().__init__()
        self.conv1 = nn.Conv1d(d_model, d_ff, 1)
        self.conv2 = nn.Conv1d(d_ff, d_model, 1)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x):
        y = x.reshape(x.size(0), x.size(2), x.size(1))
        return self.conv2(self.dropout(self.conv1(y).relu())).reshape(x.shape)


@wrong(EX, "batch_norm", "a batch normalisation of the hidden units")
class FfAA(Base):
    def __init__(self, d_model, d_ff, dropout):
        super().__init__(d_model, d_ff, dropout)
        self.bn = nn.BatchNorm1d(d_ff)

    def hidden(self, x):
        h = self.w_1(x)
        h = self.bn(h.reshape(-1, h.size(-1))).reshape(h.shape)
        return self.dropout(F.relu(h))


@wrong(EX, "mean_over_positions", "the hidden units are averaged over the positions")
class FfAB(Base):
    def hidden(self, x):
        h = super().hidden(x)
        return h.mean(dim=-2, keepdim=True).expand_as(h)


@wrong(EX, "bias_per_position", "b_1 is different for every position, up to 64 of them")
class FfAC(Base):
    def __init__(self, d_model, d_ff, dropout):
        super().__init__(d_model, d_ff, dropout)
        self.w_1 = nn.Linear(d_model, d_ff, bias=False)
        self.b_1 = nn.Parameter(torch.randn(64, d_ff) * 0.1)

    def hidden(self, x):
        return self.dropout(F.relu(self.w_1(x) + self.b_1[: x.size(-2)]))


@wrong(EX, "first_position_separate", "the first position has a first matrix of its own")
class FfAD(Base):
    def __init__(self, d_model, d_ff, dropout):
        super().__init__(d_model, d_ff, dropout)
        self.start = nn.Linear(d_model, d_ff)

    def hidden(self, x):
        h = torch.cat([self.start(x[..., :1, :]), self.w_1(x[..., 1:, :])], dim=-2)
        return self.dropout(F.relu(h))


# ---------------------------------------------------------------- wrong: the dropout


@wrong(EX, "no_dropout", "the dropout is taken and not used")
class FfBA(Base):
    def hidden(self, x):
        return self.activation(self.w_1(x))


@wrong(EX, "dropout_on_output", "the dropout after the second matrix")
class FfBB(Base):
    def forward(self, x):
        return self.dropout(self.w_2(F.relu(self.w_1(x))))


@wrong(EX, "dropout_on_input", "the dropout on the input")
class FfBC(Base):
    def forward(self, x):
        return self.w_2(F.relu(self.w_1(self.dropout(x))))


@wrong(EX, "dropout_twice", "a second dropout after the second matrix")
class FfBD(Base):
    def forward(self, x):
        return self.dropout(self.w_2(self.hidden(x)))


@wrong(EX, "dropout_in_eval", "F.dropout without training=: active in eval mode")
class FfBE(Base):
    def hidden(self, x):
        return F.dropout(F.relu(self.w_1(x)), self.dropout.p)


@wrong(EX, "dropout_unscaled", "zeroes without dividing the rest by 1 - p")
class FfBF(Base):
    def hidden(self, x):
        h = F.relu(self.w_1(x))
        if self.training:
            h = h * (torch.rand_like(h) >= self.dropout.p)
        return h


@wrong(
    EX, "dropout_scaled_in_eval", "zeroes without scaling in training, scales by 1 - p in eval mode, as the first paper"
)
class FfBG(Base):
    def hidden(self, x):
        h = F.relu(self.w_1(x))
        if self.training:
            return h * (torch.rand_like(h) >= self.dropout.p)
        return h * (1 - self.dropout.p)


@wrong(EX, "dropout_keep_probability", "the number given is taken for the probability to keep")
class FfBH(Base):
    def __init__(self, d_model, d_ff, dropout):
        super().__init__(d_model, d_ff, 1 - dropout)


@wrong(EX, "dropout_fixed", "a dropout of 0.1, whatever is given")
class FfBI(Base):
    def __init__(self, d_model, d_ff, dropout):
        super().__init__(d_model, d_ff, 0.1)


@wrong(EX, "dropout_of_positions", "nn.Dropout1d: whole positions are dropped, not single hidden units")
class FfBJ(Base):
    def __init__(self, d_model, d_ff, dropout):
        super().__init__(d_model, d_ff, dropout)
        self.dropout = nn.Dropout1d(dropout)


@wrong(
    EX, "dropout_same_for_all_positions", "one draw for the hidden units, used at all positions and in all sentences"
)
class FfBK(Base):
    def hidden(self, x):
        h = F.relu(self.w_1(x))
        return h * self.dropout(torch.ones_like(h[:1, :1]))


@wrong(EX, "dropout_drawn_once", "the units to drop are drawn in the constructor and stay the same")
class FfBL(Base):
    def __init__(self, d_model, d_ff, dropout):
        super().__init__(d_model, d_ff, dropout)
        self.register_buffer("kept", F.dropout(torch.ones(d_ff), dropout))

    def hidden(self, x):
        h = F.relu(self.w_1(x))
        return h * self.kept if self.training else h


# ---------------------------------------------------------------- wrong: what does not belong here


@wrong(EX, "residual", "adds the input: the residual connection belongs to the sub-layer connection")
class FfCA(Base):
    def forward(self, x):
        return x + super().forward(x)


@wrong(EX, "layer_norm", "normalises the output")
class FfCB(Base):
    def __init__(self, d_model, d_ff, dropout):
        super().__init__(d_model, d_ff, dropout)
        self.gain, self.shift = nn.Parameter(torch.ones(d_model)), nn.Parameter(torch.zeros(d_model))

    def forward(self, x):
        y = super().forward(x)
        y = (y - y.mean(-1, keepdim=True)) / (y.var(-1, keepdim=True, unbiased=False) + 1e-5).sqrt()
        return self.gain * y + self.shift


@wrong(EX, "normalised_input", "normalises the input first (pre-LN inside)")
class FfCC(Base):
    def forward(self, x):
        x = (x - x.mean(-1, keepdim=True)) / (x.var(-1, keepdim=True, unbiased=False) + 1e-5).sqrt()
        return super().forward(x)


@wrong(EX, "scaled_output", "the output is divided by sqrt(d_ff)")
class FfCD(Base):
    def forward(self, x):
        return super().forward(x) / math.sqrt(self.w_1.out_features)


@wrong(EX, "returns_hidden", "returns (output, hidden units)")
class FfCE(Base):
    def forward(self, x):
        h = self.hidden(x)
        return self.w_2(h), h


# ---------------------------------------------------------------- wrong: parameters, gradients, inputs, state, dtype


@wrong(EX, "unregistered", "the layers are in a Python list: no parameters are found")
class FfDA(nn.Module):
    def __init__(self, d_model, d_ff, dropout):
        super().__init__()
        self.layers = [nn.Linear(d_model, d_ff), nn.ReLU(), nn.Linear(d_ff, d_model)]
        self.dropout = nn.Dropout(dropout)

    def forward(self, x):
        up, act, down = self.layers
        return down(self.dropout(act(up(x))))


@wrong(EX, "plain_tensors", "the matrices are plain tensors with requires_grad: no parameters")
class FfDB(nn.Module):
    def __init__(self, d_model, d_ff, dropout):
        super().__init__()
        self.W1 = (torch.randn(d_model, d_ff) * d_model**-0.5).requires_grad_()
        self.W2 = (torch.randn(d_ff, d_model) * d_ff**-0.5).requires_grad_()
        self.b1 = torch.zeros(d_ff, requires_grad=True)
        self.b2 = torch.zeros(d_model, requires_grad=True)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x):
        return self.dropout((x @ self.W1 + self.b1).relu()) @ self.W2 + self.b2


@wrong(EX, "second_frozen", "the second matrix does not require a gradient")
class FfDC(Base):
    def __init__(self, d_model, d_ff, dropout):
        super().__init__(d_model, d_ff, dropout)
        self.w_2.requires_grad_(False)


@wrong(EX, "hidden_detached", "the hidden units are detached: the first matrix and the input get no gradient")
class FfDD(Base):
    def hidden(self, x):
        return super().hidden(x).detach()


@wrong(EX, "relu_through_data", "the ReLU is made on .data: the gradient passes as if there were none")
class FfDE(Base):
    def activation(self, x):
        x.data.clamp_(min=0)
        return x


@wrong(EX, "new_every_call", "the layers are made in forward: random every time")
class FfDF(nn.Module):
    def __init__(self, d_model, d_ff, dropout):
        super().__init__()
        self.d_model, self.d_ff = d_model, d_ff
        self.dropout = nn.Dropout(dropout)

    def forward(self, x):
        up = nn.Linear(self.d_model, self.d_ff).to(x.dtype)
        down = nn.Linear(self.d_ff, self.d_model).to(x.dtype)
        return down(self.dropout(up(x).relu()))


@wrong(EX, "input_changed", "the result is written into the caller's input")
class FfDG(Base):
    def forward(self, x):
        out = super().forward(x)
        with torch.no_grad():
            x.copy_(out)
        return out


@wrong(EX, "running_mean", "in training a running mean of the hidden units is kept, in eval mode it is subtracted")
class FfDH(Base):
    def __init__(self, d_model, d_ff, dropout):
        super().__init__(d_model, d_ff, dropout)
        self.register_buffer("mean", torch.zeros(d_ff))

    def hidden(self, x):
        h = super().hidden(x)
        if self.training:
            with torch.no_grad():
                self.mean.lerp_(h.flatten(0, -2).mean(0), 0.1)
            return h
        return h - self.mean


@wrong(EX, "remembered", "in eval mode the result for a shape is kept and given again")
class FfDI(Base):
    def __init__(self, d_model, d_ff, dropout):
        super().__init__(d_model, d_ff, dropout)
        self.results = {}

    def forward(self, x):
        if self.training:
            return super().forward(x)
        if x.shape not in self.results:
            self.results[x.shape] = super().forward(x)
        return self.results[x.shape]


@wrong(EX, "view_of_input", "view on the input: fails where it is not contiguous")
class FfDJ(Base):
    def forward(self, x):
        flat = x.view(-1, x.size(-1))
        return super().forward(flat).view(x.shape)


@wrong(EX, "squeezed", "squeeze() of the result: axes are lost for a batch or a length of one")
class FfDK(Base):
    def forward(self, x):
        return super().forward(x).squeeze()


@wrong(EX, "float32_result", "the result is float32, also for float64")
class FfDL(Base):
    def forward(self, x):
        return super().forward(x).float()


@wrong(EX, "input_to_float32", "the input is made float32: a module in float64 fails")
class FfDM(Base):
    def forward(self, x):
        return super().forward(x.float())
