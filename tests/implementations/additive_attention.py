"""additive_attention: right and wrong implementations."""

import math

import torch
import torch.nn.functional as F
from torch import nn

from tests.implementations import right, wrong

EX = "additive_attention"


# ---------------------------------------------------------------- right


@right(EX, "broadcast", "queries and keys projected, added by broadcasting, masked_fill with -inf")
def bahdanau(q, k, v, W_q, W_k, w_v, mask=None):
    hidden = torch.tanh((q @ W_q.T).unsqueeze(-2) + (k @ W_k.T).unsqueeze(-3))
    scores = hidden @ w_v
    if mask is not None:
        scores = scores.masked_fill(~mask, float("-inf"))
    weights = scores.softmax(dim=-1)
    return weights @ v, weights


@right(EX, "einsum", "einsum everywhere, mask by where")
def with_einsum(q, k, v, W_q, W_k, w_v, mask=None):
    pq = torch.einsum("...qd,ad->...qa", q, W_q)
    pk = torch.einsum("...kd,ad->...ka", k, W_k)
    scores = torch.einsum("...qka,a->...qk", (pq[..., :, None, :] + pk[..., None, :, :]).tanh(), w_v)
    if mask is not None:
        scores = torch.where(mask, scores, -torch.inf)
    alpha = torch.softmax(scores, -1)
    return torch.einsum("...qk,...kd->...qd", alpha, v), alpha


@right(EX, "d2l", "F.linear, unsqueeze(-3), a squeeze of the last axis only, -1e9")
def additive(queries, keys, values, W_q, W_k, w_v, mask=None):
    queries, keys = F.linear(queries, W_q), F.linear(keys, W_k)
    features = torch.tanh(queries.unsqueeze(-2) + keys.unsqueeze(-3))
    scores = F.linear(features, w_v.unsqueeze(0)).squeeze(-1)
    if mask is not None:
        scores = scores.masked_fill(mask == 0, -1e9)
    attention_weights = F.softmax(scores, dim=-1)
    return torch.matmul(attention_weights, values), attention_weights


@right(EX, "loop_over_queries", "one query after another, as a decoder does; the mask broadcast beforehand")
def one_at_a_time(q, k, v, W_q, W_k, w_v, mask=None):
    keys = F.linear(k, W_k)
    if mask is not None:
        lead = torch.broadcast_shapes(q.shape[:-2], k.shape[:-2])
        mask = mask.expand(*lead, q.size(-2), k.size(-2))
    contexts, rows = [], []
    for t in range(q.size(-2)):
        s = F.linear(q[..., t : t + 1, :], W_q)
        e = (torch.tanh(s + keys) * w_v).sum(-1)
        if mask is not None:
            e = e.masked_fill(~mask[..., t, :], -math.inf)
        a = torch.softmax(e, dim=-1)
        rows.append(a)
        contexts.append((a.unsqueeze(-1) * v).sum(-2))
    return torch.stack(contexts, -2), torch.stack(rows, -2)


@right(EX, "concatenated", "query and key side by side, the two matrices side by side, one product")
def concat_attention(q, k, v, W_q, W_k, w_v, mask=None):
    lead = torch.broadcast_shapes(q.shape[:-2], k.shape[:-2])
    t_q, t_k = q.size(-2), k.size(-2)
    left = q.unsqueeze(-2).expand(*lead, t_q, t_k, q.size(-1))
    right_part = k.unsqueeze(-3).expand(*lead, t_q, t_k, k.size(-1))
    pairs = torch.cat([left, right_part], dim=-1)
    scores = torch.tanh(pairs @ torch.cat([W_q, W_k], dim=1).t()).matmul(w_v)
    if mask is not None:
        scores = scores.masked_fill(mask.logical_not(), torch.finfo(scores.dtype).min)
    weights = scores.softmax(-1)
    return weights.matmul(v), weights


@right(EX, "loop_over_units", "one hidden unit after another: needs little memory")
def unit_by_unit(q, k, v, W_q, W_k, w_v, mask=None):
    scores = 0
    for row_q, row_k, gain in zip(W_q, W_k, w_v, strict=True):
        scores = scores + gain * torch.tanh((q @ row_q)[..., :, None] + (k @ row_k)[..., None, :])
    if mask is not None:
        scores = scores + mask.to(scores.dtype).log()
    weights = (scores - scores.logsumexp(dim=-1, keepdim=True)).exp()
    return weights @ v, weights


@right(EX, "sigmoid_identity", "tanh(x) as 2 sigmoid(2x) - 1, softmax by hand")
def via_sigmoid(q, k, v, W_q, W_k, w_v, mask=None):
    x = (q @ W_q.mT)[..., None, :] + (k @ W_k.mT)[..., None, :, :]
    scores = torch.inner(2 * torch.sigmoid(2 * x) - 1, w_v)
    if mask is not None:
        scores = scores.masked_fill(~mask, -torch.inf)
    e = (scores - scores.amax(-1, keepdim=True).detach()).exp()
    weights = e / e.sum(-1, keepdim=True)
    return weights @ v, weights


@right(EX, "flat", "the leading axes flattened, bmm, the leading axes back")
def flattened(q, k, v, W_q, W_k, w_v, mask=None):
    lead = torch.broadcast_shapes(q.shape[:-2], k.shape[:-2], v.shape[:-2])
    q3, k3, v3 = (x.expand(*lead, *x.shape[-2:]).reshape(-1, *x.shape[-2:]) for x in (q, k, v))
    hidden = (F.linear(q3, W_q)[:, :, None] + F.linear(k3, W_k)[:, None]).tanh()
    scores = (hidden * w_v).sum(dim=3).reshape(*lead, q.size(-2), k.size(-2))
    if mask is not None:
        scores = scores.masked_fill(~mask, float("-inf"))
    weights = F.softmax(scores, dim=-1)
    out = torch.bmm(weights.reshape(-1, q.size(-2), k.size(-2)), v3)
    return out.reshape(*lead, q.size(-2), v.size(-1)), weights


# ---------------------------------------------------------------- parts for the wrong ones


def scores_of(q, k, W_q, W_k, w_v):
    return torch.tanh((q @ W_q.T).unsqueeze(-2) + (k @ W_k.T).unsqueeze(-3)) @ w_v


def finish(scores, v, mask):
    if mask is not None:
        scores = scores.masked_fill(~mask, float("-inf"))
    weights = scores.softmax(-1)
    return weights @ v, weights


# ---------------------------------------------------------------- wrong: the score


@wrong(EX, "scaled", "the scores are divided by sqrt(a), as in dot-product attention")
def add_a(q, k, v, W_q, W_k, w_v, mask=None):
    return finish(scores_of(q, k, W_q, W_k, w_v) / math.sqrt(w_v.numel()), v, mask)


@wrong(EX, "no_tanh", "no tanh: the score is linear, and the query has no say after the softmax")
def add_b(q, k, v, W_q, W_k, w_v, mask=None):
    return finish(((q @ W_q.T).unsqueeze(-2) + (k @ W_k.T).unsqueeze(-3)) @ w_v, v, mask)


@wrong(EX, "relu", "ReLU instead of tanh")
def add_c(q, k, v, W_q, W_k, w_v, mask=None):
    return finish(F.relu((q @ W_q.T).unsqueeze(-2) + (k @ W_k.T).unsqueeze(-3)) @ w_v, v, mask)


@wrong(EX, "sigmoid", "sigmoid instead of tanh")
def add_d(q, k, v, W_q, W_k, w_v, mask=None):
    return finish(torch.sigmoid((q @ W_q.T).unsqueeze(-2) + (k @ W_k.T).unsqueeze(-3)) @ w_v, v, mask)


@wrong(EX, "tanh_outside", "tanh of the product with w_v")
def add_e(q, k, v, W_q, W_k, w_v, mask=None):
    return finish(torch.tanh(((q @ W_q.T).unsqueeze(-2) + (k @ W_k.T).unsqueeze(-3)) @ w_v), v, mask)


@wrong(EX, "tanh_of_each", "tanh(W_q q) + tanh(W_k k)")
def add_f(q, k, v, W_q, W_k, w_v, mask=None):
    return finish((torch.tanh(q @ W_q.T).unsqueeze(-2) + torch.tanh(k @ W_k.T).unsqueeze(-3)) @ w_v, v, mask)


@wrong(EX, "product", "W_q q times W_k k instead of plus")
def add_g(q, k, v, W_q, W_k, w_v, mask=None):
    return finish(torch.tanh((q @ W_q.T).unsqueeze(-2) * (k @ W_k.T).unsqueeze(-3)) @ w_v, v, mask)


@wrong(EX, "difference", "W_q q minus W_k k")
def add_h(q, k, v, W_q, W_k, w_v, mask=None):
    return finish(torch.tanh((q @ W_q.T).unsqueeze(-2) - (k @ W_k.T).unsqueeze(-3)) @ w_v, v, mask)


@wrong(EX, "dot_of_projections", "(W_q q) . (W_k k): a dot product, w_v unused")
def add_i(q, k, v, W_q, W_k, w_v, mask=None):
    return finish((q @ W_q.T) @ (k @ W_k.T).transpose(-2, -1), v, mask)


@wrong(EX, "w_v_forgotten", "the hidden units are summed, not weighted by w_v")
def add_j(q, k, v, W_q, W_k, w_v, mask=None):
    return finish(torch.tanh((q @ W_q.T).unsqueeze(-2) + (k @ W_k.T).unsqueeze(-3)).sum(-1), v, mask)


@wrong(EX, "mean_over_units", "the mean over the hidden units instead of the sum")
def add_k(q, k, v, W_q, W_k, w_v, mask=None):
    return finish((torch.tanh((q @ W_q.T).unsqueeze(-2) + (k @ W_k.T).unsqueeze(-3)) * w_v).mean(-1), v, mask)


@wrong(EX, "w_v_normalised", "w_v is divided by its norm, as in the 'normed' variant")
def add_l(q, k, v, W_q, W_k, w_v, mask=None):
    return finish(scores_of(q, k, W_q, W_k, w_v / w_v.norm()), v, mask)


@wrong(EX, "not_transposed", "q @ W_q, k @ W_k: works for square matrices only, and is wrong there")
def add_m(q, k, v, W_q, W_k, w_v, mask=None):
    return finish(torch.tanh((q @ W_q).unsqueeze(-2) + (k @ W_k).unsqueeze(-3)) @ w_v, v, mask)


@wrong(EX, "matrices_swapped", "W_k on the queries and W_q on the keys: works where d_q equals d_k, and is wrong there")
def add_n(q, k, v, W_q, W_k, w_v, mask=None):
    return finish(torch.tanh((q @ W_k.T).unsqueeze(-2) + (k @ W_q.T).unsqueeze(-3)) @ w_v, v, mask)


@wrong(EX, "concatenated_in_other_order", "[key; query] times [W_q W_k]: the sizes fit, the features do not")
def add_o(q, k, v, W_q, W_k, w_v, mask=None):
    lead = torch.broadcast_shapes(q.shape[:-2], k.shape[:-2])
    queries = q.unsqueeze(-2).expand(*lead, q.size(-2), k.size(-2), q.size(-1))
    keys = k.unsqueeze(-3).expand(*lead, q.size(-2), k.size(-2), k.size(-1))
    pairs = torch.cat([keys, queries], dim=-1)
    return finish(torch.tanh(F.linear(pairs, torch.cat([W_q, W_k], dim=1))) @ w_v, v, mask)


@wrong(EX, "one_matrix", "W_q is applied to queries and keys both")
def add_p(q, k, v, W_q, W_k, w_v, mask=None):
    return finish(scores_of(q, k, W_q, W_q, w_v), v, mask)


@wrong(EX, "position_by_position", "the i-th query is added to the i-th key only: all queries get the same weights")
def add_q(q, k, v, W_q, W_k, w_v, mask=None):
    e = torch.tanh(F.linear(q, W_q) + F.linear(k, W_k)) @ w_v
    scores = e.unsqueeze(-2).expand(*e.shape[:-1], q.size(-2), e.size(-1))
    return finish(scores, v, mask)


@wrong(EX, "one_query_only", "written for one decoder state: only the last query is asked, for all")
def add_r(q, k, v, W_q, W_k, w_v, mask=None):
    state = q[..., -1:, :]
    e = torch.tanh(F.linear(state, W_q) + F.linear(k, W_k)) @ w_v
    return finish(e.unsqueeze(-2).expand(*e.shape[:-1], q.size(-2), e.size(-1)), v, mask)


@wrong(EX, "scores_transposed", "the new axes are the other way round: scores (T_k, T_q)")
def add_s(q, k, v, W_q, W_k, w_v, mask=None):
    scores = torch.tanh((q @ W_q.T).unsqueeze(-3) + (k @ W_k.T).unsqueeze(-2)) @ w_v
    return finish(scores, v, mask)


@wrong(EX, "scores_reshaped", "scores (T_k, T_q) reshaped to (T_q, T_k) where they should be transposed")
def add_t(q, k, v, W_q, W_k, w_v, mask=None):
    scores = torch.tanh((q @ W_q.T).unsqueeze(-3) + (k @ W_k.T).unsqueeze(-2)) @ w_v
    return finish(scores.reshape(*scores.shape[:-2], q.size(-2), k.size(-2)), v, mask)


# ---------------------------------------------------------------- wrong: the softmax and the mask


@wrong(EX, "softmax_over_queries", "softmax over axis -2")
def add_u(q, k, v, W_q, W_k, w_v, mask=None):
    scores = scores_of(q, k, W_q, W_k, w_v)
    if mask is not None:
        scores = scores.masked_fill(~mask, -1e9)
    weights = scores.softmax(-2)
    return weights @ v, weights


@wrong(EX, "no_softmax_but_sigmoid", "a sigmoid for each pair instead of the softmax over the keys")
def add_v(q, k, v, W_q, W_k, w_v, mask=None):
    scores = scores_of(q, k, W_q, W_k, w_v)
    if mask is not None:
        scores = scores.masked_fill(~mask, float("-inf"))
    weights = torch.sigmoid(scores)
    return weights @ v, weights


@wrong(EX, "softmax_no_maximum", "exp without subtracting the maximum: inf / inf where w_v is large")
def add_w(q, k, v, W_q, W_k, w_v, mask=None):
    e = scores_of(q, k, W_q, W_k, w_v).exp()
    if mask is not None:
        e = e.masked_fill(~mask, 0.0)
    weights = e / e.sum(-1, keepdim=True)
    return weights @ v, weights


@wrong(EX, "mask_ignored", "the mask is taken and not used")
def add_x(q, k, v, W_q, W_k, w_v, mask=None):
    return finish(scores_of(q, k, W_q, W_k, w_v), v, None)


@wrong(EX, "mask_inverted", "True is taken for forbidden")
def add_y(q, k, v, W_q, W_k, w_v, mask=None):
    scores = scores_of(q, k, W_q, W_k, w_v)
    if mask is not None:
        scores = scores.masked_fill(mask, float("-inf"))
    return finish(scores, v, None)


@wrong(EX, "mask_after_softmax", "the weights are masked after the softmax: the rows do not sum to one")
def add_z(q, k, v, W_q, W_k, w_v, mask=None):
    weights = scores_of(q, k, W_q, W_k, w_v).softmax(-1)
    if mask is not None:
        weights = weights.masked_fill(~mask, 0.0)
    return weights @ v, weights


@wrong(EX, "mask_tiny_positive", "forbidden scores become 1e-9 (meant was -1e9)")
def add_aa(q, k, v, W_q, W_k, w_v, mask=None):
    scores = scores_of(q, k, W_q, W_k, w_v)
    if mask is not None:
        scores = scores.masked_fill(mask == 0, 1e-9)
    return finish(scores, v, None)


@wrong(EX, "mask_inside_tanh", "-1e9 is put in before the tanh: a forbidden key has score -sum(w_v)")
def add_ab(q, k, v, W_q, W_k, w_v, mask=None):
    hidden = (q @ W_q.T).unsqueeze(-2) + (k @ W_k.T).unsqueeze(-3)
    if mask is not None:
        hidden = hidden.masked_fill(~mask.unsqueeze(-1), -1e9)
    return finish(torch.tanh(hidden) @ w_v, v, None)


@wrong(EX, "mask_of_hidden", "the hidden units of forbidden pairs are set to zero: their score is 0, not -inf")
def add_ac(q, k, v, W_q, W_k, w_v, mask=None):
    hidden = torch.tanh((q @ W_q.T).unsqueeze(-2) + (k @ W_k.T).unsqueeze(-3))
    if mask is not None:
        hidden = hidden * mask.unsqueeze(-1)
    return finish(hidden @ w_v, v, None)


@wrong(EX, "mask_minus_ten", "forbidden scores become -10: a little weight leaks, much where all scores are low")
def add_ad(q, k, v, W_q, W_k, w_v, mask=None):
    scores = scores_of(q, k, W_q, W_k, w_v)
    if mask is not None:
        scores = scores.masked_fill(~mask, -10.0)
    return finish(scores, v, None)


@wrong(EX, "mask_per_key_only", "an axis for the queries is put in: a mask that has one already is misread")
def add_ae(q, k, v, W_q, W_k, w_v, mask=None):
    scores = scores_of(q, k, W_q, W_k, w_v)
    if mask is not None:
        scores = scores.masked_fill(~mask.unsqueeze(-2), float("-inf"))
    return finish(scores, v, None)


@wrong(EX, "mask_full_shape_only", "boolean indexing: the mask must have the whole shape of the scores")
def add_af(q, k, v, W_q, W_k, w_v, mask=None):
    scores = scores_of(q, k, W_q, W_k, w_v)
    if mask is not None:
        scores[~mask] = float("-inf")
    return finish(scores, v, None)


@wrong(EX, "mask_flipped_in_place", "the caller's mask is inverted in place: the next call gets the opposite")
def add_ag(q, k, v, W_q, W_k, w_v, mask=None):
    scores = scores_of(q, k, W_q, W_k, w_v)
    if mask is not None:
        scores = scores.masked_fill(mask.logical_not_(), float("-inf"))
    return finish(scores, v, None)


_last = {}


@wrong(EX, "mask_remembered", "without a mask the last one given is used again, where its shape fits")
def add_ah(q, k, v, W_q, W_k, w_v, mask=None):
    scores = scores_of(q, k, W_q, W_k, w_v)
    if mask is None:
        mask = _last.get(scores.shape)
    else:
        _last[scores.shape] = mask
    return finish(scores, v, mask)


# ---------------------------------------------------------------- wrong: results, gradients, sizes, dtypes


@wrong(EX, "values_forgotten", "the weights are applied to the keys")
def add_ba(q, k, v, W_q, W_k, w_v, mask=None):
    return finish(scores_of(q, k, W_q, W_k, w_v), k, mask)


@wrong(EX, "values_projected", "the weights are applied to W_k k")
def add_bb(q, k, v, W_q, W_k, w_v, mask=None):
    return finish(scores_of(q, k, W_q, W_k, w_v), F.linear(k, W_k), mask)


@wrong(EX, "order_of_results", "returns (weights, out)")
def add_bc(q, k, v, W_q, W_k, w_v, mask=None):
    out, weights = finish(scores_of(q, k, W_q, W_k, w_v), v, mask)
    return weights, out


@wrong(EX, "returns_scores", "the second result are the scores before the softmax")
def add_bd(q, k, v, W_q, W_k, w_v, mask=None):
    scores = scores_of(q, k, W_q, W_k, w_v)
    return finish(scores, v, mask)[0], scores


@wrong(EX, "squeezed", "squeeze() of all axes: fails for batches or sequences of one")
def add_be(q, k, v, W_q, W_k, w_v, mask=None):
    hidden = torch.tanh(F.linear(q, W_q).unsqueeze(-2) + F.linear(k, W_k).unsqueeze(-3))
    scores = torch.matmul(hidden, w_v.unsqueeze(1)).squeeze()
    return finish(scores, v, mask)


@wrong(EX, "new_parameters", "the matrices are wrapped in nn.Linear and nn.Parameter: the ones given get no gradient")
def add_bf(q, k, v, W_q, W_k, w_v, mask=None):
    project_q = nn.Linear(W_q.size(1), W_q.size(0), bias=False)
    project_k = nn.Linear(W_k.size(1), W_k.size(0), bias=False)
    project_q.weight = nn.Parameter(W_q)
    project_k.weight = nn.Parameter(W_k)
    hidden = torch.tanh(project_q(q).unsqueeze(-2) + project_k(k).unsqueeze(-3))
    return finish(hidden @ w_v, v, mask)


@wrong(EX, "random_bias", "nn.Linear with its own random bias")
def add_bg(q, k, v, W_q, W_k, w_v, mask=None):
    bias = nn.Linear(W_q.size(1), W_q.size(0)).bias.to(q.dtype)
    hidden = torch.tanh(F.linear(q, W_q, bias).unsqueeze(-2) + F.linear(k, W_k).unsqueeze(-3))
    return finish(hidden @ w_v, v, mask)


@wrong(EX, "keys_detached", "the projected keys are detached: W_k and the keys get no gradient")
def add_bh(q, k, v, W_q, W_k, w_v, mask=None):
    keys = F.linear(k, W_k).detach()
    hidden = torch.tanh(F.linear(q, W_q).unsqueeze(-2) + keys.unsqueeze(-3))
    return finish(hidden @ w_v, v, mask)


@wrong(EX, "float32_buffers", "weights and output are collected in float32 tensors")
def add_bi(q, k, v, W_q, W_k, w_v, mask=None):
    scores = scores_of(q, k, W_q, W_k, w_v)
    if mask is not None:
        scores = scores.masked_fill(~mask, float("-inf"))
    weights = torch.zeros(scores.shape)
    out = torch.zeros(*scores.shape[:-1], v.size(-1))
    for t in range(q.size(-2)):
        row = scores[..., t, :].softmax(-1)
        weights[..., t, :] = row
        out[..., t, :] = (row.unsqueeze(-1) * v).sum(-2)
    return out, weights


@wrong(EX, "view_of_inputs", "view on the inputs: fails where they are not contiguous")
def add_bj(q, k, v, W_q, W_k, w_v, mask=None):
    pq = F.linear(q.view(-1, q.size(-1)), W_q).view(*q.shape[:-1], -1)
    pk = F.linear(k.view(-1, k.size(-1)), W_k).view(*k.shape[:-1], -1)
    return finish(torch.tanh(pq.unsqueeze(-2) + pk.unsqueeze(-3)) @ w_v, v, mask)


@wrong(EX, "no_batch", "axes 0 and 1 for queries and keys: inputs with a batch fail or mix")
def add_bk(q, k, v, W_q, W_k, w_v, mask=None):
    hidden = torch.tanh(F.linear(q, W_q).unsqueeze(1) + F.linear(k, W_k).unsqueeze(0))
    return finish(hidden @ w_v, v, mask)


@wrong(EX, "self_attention_only", "the keys are folded back with the length of the queries: fails where T_k differs")
def add_bl(q, k, v, W_q, W_k, w_v, mask=None):
    t = q.size(-2)
    keys = F.linear(k, W_k).reshape(*q.shape[:-2], 1, t, W_k.size(0))
    return finish(torch.tanh(F.linear(q, W_q).unsqueeze(-2) + keys) @ w_v, v, mask)


@wrong(EX, "values_changed_in_place", "the caller's values are masked in place for safety")
def add_bm(q, k, v, W_q, W_k, w_v, mask=None):
    weights = finish(scores_of(q, k, W_q, W_k, w_v), v, mask)[1]
    if mask is not None:
        unused = (weights == 0).all(dim=-2).unsqueeze(-1)
        with torch.no_grad():
            v.masked_fill_(unused, 0.0)
    return weights @ v, weights
