"""scaled_dot_product_attention: right and wrong implementations."""

import math

import torch
import torch.nn.functional as F

from tests.implementations import right, wrong

EX = "scaled_dot_product_attention"


# ---------------------------------------------------------------- right


@right(EX, "plain", "the equation line by line, masked_fill with -inf")
def attention(q, k, v, mask=None, dropout=None):
    scores = q @ k.transpose(-2, -1) / math.sqrt(q.size(-1))
    if mask is not None:
        scores = scores.masked_fill(~mask, float("-inf"))
    weights = scores.softmax(dim=-1)
    if dropout is not None:
        weights = dropout(weights)
    return weights @ v, weights


@right(EX, "annotated", "in the style of the Annotated Transformer: mask == 0, -1e9")
def annotated_attention(query, key, value, mask=None, dropout=None):
    d_k = query.size(-1)
    scores = torch.matmul(query, key.transpose(-2, -1)) / math.sqrt(d_k)
    if mask is not None:
        scores = scores.masked_fill(mask == 0, -1e9)
    p_attn = scores.softmax(dim=-1)
    if dropout is not None:
        p_attn = dropout(p_attn)
    return torch.matmul(p_attn, value), p_attn


@right(EX, "einsum", "with einsum, mask by where")
def einsum_version(q, k, v, mask=None, dropout=None):
    scores = torch.einsum("...qd,...kd->...qk", q, k) * q.shape[-1] ** -0.5
    if mask is not None:
        scores = torch.where(mask, scores, float("-inf"))
    w = torch.softmax(scores, -1)
    w = w if dropout is None else dropout(w)
    return torch.einsum("...qk,...kd->...qd", w, v), w


@right(EX, "additive_bias", "the query is scaled first, the mask becomes a bias of 0 and -inf")
def with_bias(q, k, v, mask=None, dropout=None):
    logits = (q / q.size(-1) ** 0.5) @ k.mT
    if mask is not None:
        bias = torch.zeros(mask.shape, dtype=logits.dtype, device=logits.device).masked_fill_(~mask, -math.inf)
        logits = logits + bias
    attn = F.softmax(logits, dim=-1)
    if dropout:
        attn = dropout(attn)
    return attn.matmul(v), attn


@right(EX, "by_hand", "softmax written out: the maximum of the permitted scores subtracted, exp, sum")
def softmax_by_hand(q, k, v, mask=None, dropout=None):
    scores = torch.matmul(q, k.swapaxes(-1, -2)).div(math.sqrt(k.size(-1)))
    if mask is not None:
        scores = scores.masked_fill(mask.logical_not(), -torch.inf)
    e = torch.exp(scores - scores.amax(dim=-1, keepdim=True).detach())
    weights = e / e.sum(dim=-1, keepdim=True)
    if dropout is not None:
        weights = dropout(weights)
    return torch.matmul(weights, v), weights


@right(EX, "logsumexp", "weights as exp(score - logsumexp), the mask added as its logarithm")
def log_space(q, k, v, mask=None, dropout=None):
    scores = q @ k.transpose(-1, -2) * q.new_tensor(q.size(-1)).rsqrt()
    if mask is not None:
        scores = scores + mask.to(scores.dtype).log()
    weights = (scores - scores.logsumexp(-1, keepdim=True)).exp()
    weights = (dropout or (lambda w: w))(weights)
    return weights @ v, weights


@right(EX, "loop", "a loop over the queries, the mask broadcast beforehand")
def query_by_query(q, k, v, mask=None, dropout=None):
    t_q, t_k, d = q.size(-2), k.size(-2), q.size(-1)
    if mask is not None:
        lead = torch.broadcast_shapes(q.shape[:-2], k.shape[:-2])
        mask = torch.broadcast_to(mask, (*lead, t_q, t_k))
    rows = []
    for i in range(t_q):
        row = (q[..., i : i + 1, :] * k).sum(-1) / math.sqrt(d)
        if mask is not None:
            row = row.masked_fill(~mask[..., i, :], float("-inf"))
        rows.append(torch.softmax(row, dim=-1))
    weights = torch.stack(rows, dim=-2)
    if dropout is not None:
        weights = dropout(weights)
    return weights @ v, weights


@right(EX, "bmm", "the leading axes flattened, bmm, the leading axes back")
def flat_attention(q, k, v, mask=None, dropout=None):
    lead = torch.broadcast_shapes(q.shape[:-2], k.shape[:-2], v.shape[:-2])
    q, k, v = (x.expand(*lead, *x.shape[-2:]) for x in (q, k, v))
    t_q, t_k = q.shape[-2], k.shape[-2]
    q3, k3, v3 = (x.reshape(-1, *x.shape[-2:]) for x in (q, k, v))
    scores = torch.bmm(q3, k3.transpose(1, 2)).div(q.shape[-1] ** 0.5).reshape(*lead, t_q, t_k)
    if mask is not None:
        scores = scores.masked_fill(~mask, torch.finfo(scores.dtype).min)
    p = torch.softmax(scores, dim=-1)
    if dropout is not None:
        p = dropout(p)
    out = torch.bmm(p.reshape(-1, t_q, t_k), v3)
    return out.reshape(*lead, t_q, v.shape[-1]), p


@right(EX, "split_scale", "queries and keys are each divided by the fourth root of d_k")
def balanced(q, k, v, mask=None, dropout=None):
    s = q.size(-1) ** -0.25
    scores = (q * s) @ (k * s).transpose(-2, -1)
    scores = scores if mask is None else scores.masked_fill(~mask, -torch.inf)
    weights = scores.softmax(-1)
    weights = weights if dropout is None else dropout(weights)
    return weights @ v, weights


@right(EX, "masked_twice", "masked before the softmax and set to zero after it again, to be safe")
def belt_and_braces(q, k, v, mask=None, dropout=None):
    scores = torch.matmul(q, k.transpose(-2, -1)) / q.shape[-1] ** 0.5
    if mask is not None:
        scores = scores.masked_fill(~mask, torch.finfo(scores.dtype).min)
    weights = torch.softmax(scores, dim=-1)
    if mask is not None:
        weights = weights.masked_fill(~mask, 0.0)
    if dropout is not None:
        weights = dropout(weights)
    return torch.matmul(weights, v), weights


@right(EX, "blockwise", "the keys in blocks of four, a running maximum and a running sum")
def in_blocks(q, k, v, mask=None, dropout=None):
    lowest = torch.finfo(q.dtype).min
    top, total, blocks = None, None, []
    for start in range(0, k.size(-2), 4):
        block = q @ k[..., start : start + 4, :].transpose(-2, -1) / math.sqrt(q.size(-1))
        if mask is not None:
            columns = mask if mask.dim() == 0 or mask.size(-1) == 1 else mask[..., start : start + 4]
            block = block.masked_fill(~columns, lowest)
        best = block.detach().amax(dim=-1, keepdim=True)
        if top is None:
            top, total = best, torch.exp(block - best).sum(-1, keepdim=True)
        else:
            new = torch.maximum(top, best)
            total = total * torch.exp(top - new) + torch.exp(block - new).sum(-1, keepdim=True)
            top = new
        blocks.append(block)
    weights = torch.exp(torch.cat(blocks, dim=-1) - top) / total
    if dropout is not None:
        weights = dropout(weights)
    return weights @ v, weights


# ---------------------------------------------------------------- wrong: the scale


def finish(scores, v, mask, dropout):
    if mask is not None:
        scores = scores.masked_fill(~mask, float("-inf"))
    weights = scores.softmax(-1)
    if dropout is not None:
        weights = dropout(weights)
    return weights @ v, weights


@wrong(EX, "no_scale", "the scores are not divided by sqrt(d_k)")
def dot_attention(q, k, v, mask=None, dropout=None):
    return finish(q @ k.transpose(-2, -1), v, mask, dropout)


@wrong(EX, "scale_without_root", "the scores are divided by d_k, not by its root")
def attend_a(q, k, v, mask=None, dropout=None):
    return finish(q @ k.transpose(-2, -1) / q.size(-1), v, mask, dropout)


@wrong(EX, "scale_multiplied", "the scores are multiplied by sqrt(d_k)")
def attend_b(q, k, v, mask=None, dropout=None):
    return finish(q @ k.transpose(-2, -1) * math.sqrt(q.size(-1)), v, mask, dropout)


@wrong(EX, "scale_by_d_v", "the root is of the size of the values: the same only where d_v equals d_k")
def attend_c(q, k, v, mask=None, dropout=None):
    return finish(q @ k.transpose(-2, -1) / math.sqrt(v.size(-1)), v, mask, dropout)


@wrong(EX, "scale_by_length", "the root is of the number of keys, key.size(-2)")
def attend_d(query, key, value, mask=None, dropout=None):
    return finish(torch.matmul(query, key.transpose(-2, -1)) / math.sqrt(key.size(-2)), value, mask, dropout)


@wrong(EX, "scale_hard_coded", "divided by 8: right for d_k = 64 only")
def attend_e(q, k, v, mask=None, dropout=None):
    return finish(q @ k.transpose(-2, -1) / 8.0, v, mask, dropout)


@wrong(EX, "scale_after_softmax", "the weights instead of the scores are divided: they do not sum to one")
def attend_f(q, k, v, mask=None, dropout=None):
    scores = q @ k.transpose(-2, -1)
    if mask is not None:
        scores = scores.masked_fill(~mask, float("-inf"))
    weights = scores.softmax(-1) / math.sqrt(q.size(-1))
    if dropout is not None:
        weights = dropout(weights)
    return weights @ v, weights


@wrong(EX, "scaled_twice", "queries and keys are both divided by sqrt(d_k): together by d_k")
def attend_g(q, k, v, mask=None, dropout=None):
    root = math.sqrt(q.size(-1))
    return finish((q / root) @ (k / root).transpose(-2, -1), v, mask, dropout)


_known = {}


@wrong(EX, "scale_remembered", "the scale of the first call is kept for all later ones, whatever their d_k")
def attend_h(q, k, v, mask=None, dropout=None):
    scale = _known.setdefault("scale", 1 / math.sqrt(q.size(-1)))
    return finish(q @ k.transpose(-2, -1) * scale, v, mask, dropout)


@wrong(EX, "scales_in_place", "the caller's queries are divided in place")
def attend_i(q, k, v, mask=None, dropout=None):
    q /= math.sqrt(q.size(-1))
    return finish(q @ k.transpose(-2, -1), v, mask, dropout)


# ---------------------------------------------------------------- wrong: the mask


def scaled_scores(q, k):
    return q @ k.transpose(-2, -1) / math.sqrt(q.size(-1))


@wrong(EX, "mask_ignored", "the mask is taken and not used")
def attend_j(q, k, v, mask=None, dropout=None):
    return finish(scaled_scores(q, k), v, None, dropout)


@wrong(EX, "mask_inverted", "True is taken for forbidden, as in nn.MultiheadAttention")
def attend_k(q, k, v, mask=None, dropout=None):
    scores = scaled_scores(q, k)
    if mask is not None:
        scores = scores.masked_fill(mask, float("-inf"))
    return finish(scores, v, None, dropout)


@wrong(EX, "mask_after_softmax", "the weights are masked after the softmax: the rows do not sum to one")
def attend_l(q, k, v, mask=None, dropout=None):
    weights = scaled_scores(q, k).softmax(-1)
    if mask is not None:
        weights = weights * mask
    if dropout is not None:
        weights = dropout(weights)
    return weights @ v, weights


@wrong(
    EX,
    "mask_after_softmax_renormalised",
    "masked after the softmax and normalised again: 0 / 0 where a forbidden score is far above the permitted ones",
)
def attend_m(q, k, v, mask=None, dropout=None):
    weights = scaled_scores(q, k).softmax(-1)
    if mask is not None:
        weights = weights * mask
        weights = weights / weights.sum(-1, keepdim=True)
    if dropout is not None:
        weights = dropout(weights)
    return weights @ v, weights


@wrong(EX, "mask_multiplied", "the scores are multiplied by the mask: a forbidden key has score 0 and keeps weight")
def attend_n(q, k, v, mask=None, dropout=None):
    scores = scaled_scores(q, k)
    if mask is not None:
        scores = scores * mask
    return finish(scores, v, None, dropout)


@wrong(EX, "mask_tiny_positive", "forbidden scores become 1e-9 (meant was -1e9)")
def attend_o(q, k, v, mask=None, dropout=None):
    scores = scaled_scores(q, k)
    if mask is not None:
        scores = scores.masked_fill(mask == 0, 1e-9)
    return finish(scores, v, None, dropout)


@wrong(EX, "mask_minus_ten", "forbidden scores become -10: a little weight leaks, much where all scores are low")
def attend_p(q, k, v, mask=None, dropout=None):
    scores = scaled_scores(q, k)
    if mask is not None:
        scores = scores.masked_fill(~mask, -10.0)
    return finish(scores, v, None, dropout)


@wrong(EX, "mask_as_number", "the boolean mask is added to the scores as 0 and 1, as if it were an additive one")
def attend_q(q, k, v, mask=None, dropout=None):
    scores = scaled_scores(q, k)
    if mask is not None:
        scores = scores + mask
    return finish(scores, v, None, dropout)


@wrong(EX, "mask_inf_times_zero", "adds (1 - mask) * -inf, which is NaN where the mask is True")
def attend_r(q, k, v, mask=None, dropout=None):
    scores = scaled_scores(q, k)
    if mask is not None:
        scores = scores + (1 - mask.to(scores.dtype)) * float("-inf")
    return finish(scores, v, None, dropout)


@wrong(
    EX, "mask_zero_scores", "after multiplying by the mask, every score that is 0 counts as forbidden: zero queries too"
)
def attend_s(q, k, v, mask=None, dropout=None):
    scores = scaled_scores(q, k)
    if mask is not None:
        scores = scores * mask
        scores = scores.masked_fill(scores == 0, float("-inf"))
    return finish(scores, v, None, dropout)


@wrong(EX, "mask_unsqueezed", "mask.unsqueeze(1) always: right for masks (B, T_q, T_k) over heads only")
def attend_t(q, k, v, mask=None, dropout=None):
    scores = scaled_scores(q, k)
    if mask is not None:
        scores = scores.masked_fill(~mask.unsqueeze(1), float("-inf"))
    return finish(scores, v, None, dropout)


@wrong(EX, "mask_two_axes_is_padding", "a mask of two axes is taken for (B, T_k), a causal one (T_q, T_k) misread")
def attend_u(q, k, v, mask=None, dropout=None):
    if mask is not None and mask.dim() == 2:
        mask = mask.reshape(mask.size(0), *[1] * (q.dim() - 2), mask.size(1))
    return finish(scaled_scores(q, k), v, mask, dropout)


@wrong(
    EX, "mask_full_shape_only", "boolean indexing: the mask must have the whole shape of the scores, no broadcasting"
)
def attend_v(q, k, v, mask=None, dropout=None):
    scores = scaled_scores(q, k)
    if mask is not None:
        scores[~mask] = float("-inf")
    return finish(scores, v, None, dropout)


@wrong(EX, "mask_flipped_in_place", "the caller's mask is inverted in place: the next call gets the opposite")
def attend_w(q, k, v, mask=None, dropout=None):
    scores = scaled_scores(q, k)
    if mask is not None:
        scores = scores.masked_fill(mask.logical_not_(), float("-inf"))
    return finish(scores, v, None, dropout)


@wrong(EX, "mask_transposed", "the last two axes of the mask are exchanged")
def attend_x(q, k, v, mask=None, dropout=None):
    if mask is not None and mask.dim() > 1 and mask.size(-1) == mask.size(-2):
        mask = mask.transpose(-2, -1)
    return finish(scaled_scores(q, k), v, mask, dropout)


@wrong(EX, "always_causal", "without a mask and with as many queries as keys, a causal one is assumed")
def attend_y(q, k, v, mask=None, dropout=None):
    t_q, t_k = q.size(-2), k.size(-2)
    if mask is None and t_q == t_k:
        mask = torch.ones(t_q, t_k, dtype=torch.bool, device=q.device).tril()
    return finish(scaled_scores(q, k), v, mask, dropout)


# ---------------------------------------------------------------- wrong: axes and softmax


@wrong(EX, "softmax_over_queries", "softmax over axis -2: the columns sum to one")
def attend_aa(q, k, v, mask=None, dropout=None):
    scores = scaled_scores(q, k)
    if mask is not None:
        scores = scores.masked_fill(~mask, -1e9)
    weights = scores.softmax(dim=-2)
    if dropout is not None:
        weights = dropout(weights)
    return weights @ v, weights


@wrong(EX, "softmax_axis_one", "softmax over axis 1: the heads, or the queries")
def attend_ab(q, k, v, mask=None, dropout=None):
    scores = scaled_scores(q, k)
    if mask is not None:
        scores = scores.masked_fill(mask == 0, -1e9)
    weights = F.softmax(scores, dim=1)
    if dropout is not None:
        weights = dropout(weights)
    return torch.matmul(weights, v), weights


@wrong(EX, "softmax_whole_matrix", "softmax over queries and keys together: the whole matrix sums to one")
def attend_ac(q, k, v, mask=None, dropout=None):
    scores = scaled_scores(q, k)
    if mask is not None:
        scores = scores.masked_fill(~mask, float("-inf"))
    weights = scores.flatten(-2).softmax(-1).reshape(scores.shape)
    if dropout is not None:
        weights = dropout(weights)
    return weights @ v, weights


@wrong(EX, "softmax_no_maximum", "exp without subtracting the maximum: inf / inf for scores above 88 in float32")
def attend_ad(q, k, v, mask=None, dropout=None):
    e = torch.exp(scaled_scores(q, k))
    if mask is not None:
        e = torch.where(mask, e, torch.zeros_like(e))
    weights = e / e.sum(-1, keepdim=True)
    if dropout is not None:
        weights = dropout(weights)
    return weights @ v, weights


@wrong(EX, "softmax_global_maximum", "the maximum of the whole tensor is subtracted: 0 / 0 in rows far below it")
def attend_ae(q, k, v, mask=None, dropout=None):
    scores = scaled_scores(q, k)
    if mask is not None:
        scores = scores.masked_fill(~mask, float("-inf"))
    e = torch.exp(scores - scores.max())
    weights = e / e.sum(-1, keepdim=True)
    if dropout is not None:
        weights = dropout(weights)
    return weights @ v, weights


@wrong(EX, "scores_clamped", "the scores are clamped to -10..10 'for stability'")
def attend_af(q, k, v, mask=None, dropout=None):
    return finish(scaled_scores(q, k).clamp(-10, 10), v, mask, dropout)


@wrong(EX, "sigmoid", "a sigmoid instead of the softmax")
def attend_ag(q, k, v, mask=None, dropout=None):
    scores = scaled_scores(q, k)
    if mask is not None:
        scores = scores.masked_fill(~mask, float("-inf"))
    weights = torch.sigmoid(scores)
    if dropout is not None:
        weights = dropout(weights)
    return weights @ v, weights


@wrong(EX, "keys_reshaped", "the keys are reshaped to (d_k, T_k) where they should be transposed")
def attend_ah(q, k, v, mask=None, dropout=None):
    turned = k.reshape(*k.shape[:-2], k.size(-1), k.size(-2))
    return finish(q @ turned / math.sqrt(q.size(-1)), v, mask, dropout)


@wrong(EX, "queries_and_keys_swapped", "k q^T: the scores are transposed, and fail where T_q differs from T_k")
def attend_ai(q, k, v, mask=None, dropout=None):
    return finish(k @ q.transpose(-2, -1) / math.sqrt(q.size(-1)), v, mask, dropout)


@wrong(EX, "three_axes_only", "torch.bmm: inputs with heads (four axes) fail")
def attend_aj(q, k, v, mask=None, dropout=None):
    scores = torch.bmm(q, k.transpose(1, 2)) / math.sqrt(q.size(-1))
    if mask is not None:
        scores = scores.masked_fill(~mask, float("-inf"))
    weights = torch.softmax(scores, dim=-1)
    if dropout is not None:
        weights = dropout(weights)
    return torch.bmm(weights, v), weights


@wrong(EX, "no_batch", "k.T and mm: matrices only")
def attend_ak(q, k, v, mask=None, dropout=None):
    scores = torch.mm(q, k.t()) / math.sqrt(q.size(-1))
    return finish(scores, v, mask, dropout)


@wrong(EX, "view_of_inputs", "view on the inputs: fails where they are not contiguous, as after a split into heads")
def attend_al(q, k, v, mask=None, dropout=None):
    lead = q.shape[:-2]
    q3, k3 = q.view(-1, q.size(-2), q.size(-1)), k.view(-1, k.size(-2), k.size(-1))
    scores = torch.bmm(q3, k3.transpose(1, 2)) / math.sqrt(q.size(-1))
    return finish(scores.view(*lead, q.size(-2), k.size(-2)), v, mask, dropout)


@wrong(EX, "values_forgotten", "the weights are applied to the keys instead of the values")
def attend_am(q, k, v, mask=None, dropout=None):
    return finish(scaled_scores(q, k), k, mask, dropout)


@wrong(EX, "float32_softmax", "the weights are float32 always: fails on float64 values")
def attend_an(q, k, v, mask=None, dropout=None):
    scores = scaled_scores(q, k)
    if mask is not None:
        scores = scores.masked_fill(~mask, float("-inf"))
    weights = F.softmax(scores, dim=-1, dtype=torch.float32)
    if dropout is not None:
        weights = dropout(weights)
    return weights @ v, weights


@wrong(EX, "no_gradient_to_scores", "the weights are computed without gradient: queries and keys never learn")
def attend_ao(q, k, v, mask=None, dropout=None):
    with torch.no_grad():
        scores = scaled_scores(q, k)
        if mask is not None:
            scores = scores.masked_fill(~mask, float("-inf"))
        weights = scores.softmax(-1)
    if dropout is not None:
        weights = dropout(weights)
    return weights @ v, weights


# ---------------------------------------------------------------- wrong: dropout and what is returned


def plain_weights(q, k, mask):
    scores = scaled_scores(q, k)
    if mask is not None:
        scores = scores.masked_fill(~mask, float("-inf"))
    return scores.softmax(-1)


@wrong(EX, "dropout_ignored", "the dropout is taken and not called")
def attend_ba(q, k, v, mask=None, dropout=None):
    weights = plain_weights(q, k, mask)
    return weights @ v, weights


@wrong(EX, "dropout_on_scores", "the scores, not the weights, go through the dropout")
def attend_bb(q, k, v, mask=None, dropout=None):
    scores = scaled_scores(q, k)
    if dropout is not None:
        scores = dropout(scores)
    return finish(scores, v, mask, None)


@wrong(EX, "dropout_on_output", "the output, not the weights, goes through the dropout")
def attend_bc(q, k, v, mask=None, dropout=None):
    weights = plain_weights(q, k, mask)
    out = weights @ v
    return (out if dropout is None else dropout(out)), weights


@wrong(EX, "returns_weights_before_dropout", "the weights returned are not those multiplied with v")
def attend_bd(q, k, v, mask=None, dropout=None):
    weights = plain_weights(q, k, mask)
    dropped = weights if dropout is None else dropout(weights)
    return dropped @ v, weights


@wrong(EX, "output_before_dropout", "the weights returned went through the dropout, those multiplied with v did not")
def attend_be(q, k, v, mask=None, dropout=None):
    weights = plain_weights(q, k, mask)
    out = weights @ v
    return out, weights if dropout is None else dropout(weights)


@wrong(EX, "dropout_called_twice", "one draw for the output, another for the weights returned")
def attend_bf(q, k, v, mask=None, dropout=None):
    weights = plain_weights(q, k, mask)
    if dropout is None:
        return weights @ v, weights
    return dropout(weights) @ v, dropout(weights)


@wrong(EX, "dropout_renormalised", "after the dropout the rows are made to sum to one again")
def attend_bg(q, k, v, mask=None, dropout=None):
    weights = plain_weights(q, k, mask)
    if dropout is not None:
        weights = dropout(weights)
        weights = weights / weights.sum(-1, keepdim=True).clamp(min=1e-9)
    return weights @ v, weights


@wrong(EX, "dropout_as_probability", "the dropout is taken for a probability: a callable fails")
def attend_bh(q, k, v, mask=None, dropout=None):
    weights = plain_weights(q, k, mask)
    if dropout is not None:
        weights = F.dropout(weights, p=dropout)
    return weights @ v, weights


@wrong(EX, "dropout_needs_p", "asks the dropout for its attribute p: works with nn.Dropout, with no other callable")
def attend_bi(q, k, v, mask=None, dropout=None):
    weights = plain_weights(q, k, mask)
    if dropout is not None and dropout.p > 0:
        weights = dropout(weights)
    return weights @ v, weights


@wrong(EX, "dropout_built_in", "a dropout of 0.1 of its own, also when none was given")
def attend_bj(q, k, v, mask=None, dropout=None):
    weights = plain_weights(q, k, mask)
    weights = F.dropout(weights, 0.1) if dropout is None else dropout(weights)
    return weights @ v, weights


@wrong(EX, "order_of_results", "returns (weights, out)")
def attend_bk(q, k, v, mask=None, dropout=None):
    weights = plain_weights(q, k, mask)
    if dropout is not None:
        weights = dropout(weights)
    return weights, weights @ v


@wrong(EX, "returns_scores", "the second result are the scores before the softmax")
def attend_bl(q, k, v, mask=None, dropout=None):
    scores = scaled_scores(q, k)
    if mask is not None:
        scores = scores.masked_fill(~mask, float("-inf"))
    weights = scores.softmax(-1)
    if dropout is not None:
        weights = dropout(weights)
    return weights @ v, scores


@wrong(EX, "returns_mean_of_heads", "the weights returned are averaged over axis 1, as nn.MultiheadAttention does")
def attend_bm(q, k, v, mask=None, dropout=None):
    out, weights = finish(scaled_scores(q, k), v, mask, dropout)
    return out, weights.mean(dim=1) if weights.dim() == 4 else weights


@wrong(EX, "returns_output_only", "returns the output alone")
def attend_bn(q, k, v, mask=None, dropout=None):
    return finish(scaled_scores(q, k), v, mask, dropout)[0]
