"""label_smoothing_loss: right and wrong implementations."""

import math

import torch
import torch.nn.functional as F

from tests.implementations import right, wrong

EX = "label_smoothing_loss"


# ---------------------------------------------------------------- right


@right(EX, "gather", "log-softmax, gather, mean over the classes; a boolean mask picks the tokens")
def smoothed(logits, target, pad_id, eps=0.1):
    logp = F.log_softmax(logits, dim=-1)
    real = target != pad_id
    safe = target.masked_fill(~real, 0)
    nll = -logp.gather(-1, safe.unsqueeze(-1)).squeeze(-1)
    smooth = -logp.mean(dim=-1)
    return ((1 - eps) * nll + eps * smooth)[real].mean()


@right(EX, "one_hot", "the smoothed distribution written out with one_hot")
def loss_from_distribution(logits, target, pad_id, eps=0.1):
    vocab = logits.size(-1)
    keep = target.ne(pad_id)
    gold = F.one_hot(target[keep], vocab).to(logits.dtype)
    q = (1 - eps) * gold + eps / vocab
    return -(q * logits[keep].log_softmax(-1)).sum(-1).mean()


@right(EX, "scatter", "full_like and scatter_add_, zeros for padding, sum divided by the count")
def label_smoothing(logits, target, pad_id, eps=0.1):
    x = logits.reshape(-1, logits.shape[-1])
    y = target.reshape(-1)
    pad = y == pad_id
    dist = torch.full_like(x, eps / x.shape[1], requires_grad=False)
    index = torch.where(pad, torch.zeros_like(y), y)[:, None]
    dist.scatter_add_(1, index, torch.full_like(index, 1, dtype=x.dtype) * (1.0 - eps))
    per_token = -(dist * torch.log_softmax(x, 1)).sum(1)
    per_token = per_token.masked_fill(pad, 0.0)
    return per_token.sum() / (~pad).sum()


@right(EX, "logsumexp", "by hand: logsumexp(z) - (1 - eps) z_y - eps mean(z)")
def ls_by_hand(logits, target, pad_id, eps=0.1):
    mask = target != pad_id
    z, y = logits[mask], target[mask]
    picked = z[torch.arange(len(y), device=z.device), y]
    return torch.mean(torch.logsumexp(z, dim=1) - (1 - eps) * picked - eps * z.mean(dim=1))


@right(EX, "nll_loss", "F.nll_loss with ignore_index for one part, the other averaged over the same tokens")
def two_parts(logits, target, pad_id, eps=0.1):
    lp = torch.log_softmax(logits.flatten(0, -2), dim=-1)
    y = target.flatten()
    hard = F.nll_loss(lp, y, ignore_index=pad_id)
    soft = -lp.mean(-1)[y != pad_id].mean()
    return torch.lerp(hard, soft, eps)


@right(EX, "loop", "a loop over sentences and positions")
def loop_loss(logits, target, pad_id, eps=0.1):
    vocab = logits.size(-1)
    total, count = logits.new_zeros(()), 0
    for row, ids in zip(logits, target, strict=True):
        for z, y in zip(row, ids.tolist(), strict=True):
            if y == pad_id:
                continue
            logp = z - torch.logsumexp(z, 0)
            total = total - (1 - eps) * logp[y] - eps * logp.sum() / vocab
            count += 1
    return total / count


@right(EX, "soft_targets", "the smoothed distribution handed to F.cross_entropy as class probabilities")
def soft_target_loss(logits, target, pad_id, eps=0.1):
    v = logits.size(-1)
    inside = (target != pad_id).nonzero(as_tuple=True)
    z, y = logits[inside], target[inside]
    q = z.new_full(z.shape, eps / v)
    q[torch.arange(y.numel(), device=y.device), y] += 1 - eps
    return F.cross_entropy(z, q)


@right(EX, "kl_plus_entropy", "the KL divergence plus the entropy of the smoothed distribution")
def kl_and_entropy(logits, target, pad_id, eps=0.1):
    keep = target != pad_id
    logp = F.log_softmax(logits, -1)[keep]
    q = torch.eye(logits.size(-1), dtype=logits.dtype, device=logits.device)[target[keep]]
    q = q * (1 - eps) + eps / logits.size(-1)
    kl = F.kl_div(logp, q, reduction="none").sum(-1)
    return (kl + torch.special.entr(q).sum(-1)).mean()


@right(EX, "einsum", "weights of the tokens and the distribution contracted in one einsum")
def einsum_loss(logits, target, pad_id, eps=0.1):
    v = logits.size(-1)
    y = target.reshape(-1)
    weight = (y != pad_id).to(logits.dtype)
    classes = torch.arange(v, device=logits.device)
    q = (y[:, None] == classes).to(logits.dtype) * (1 - eps) + eps / v
    logp = logits.reshape(-1, v).log_softmax(-1)
    return -torch.einsum("n,nv,nv->", weight, q, logp) / weight.sum()


# ---------------------------------------------------------------- wrong: which tokens, which mean


@wrong(EX, "padding_counted", "padding is a target like any other")
def all_tokens(logits, target, pad_id, eps=0.1):
    logp = F.log_softmax(logits, dim=-1)
    nll = -logp.gather(-1, target.unsqueeze(-1)).squeeze(-1)
    return ((1 - eps) * nll - eps * logp.mean(-1)).mean()


@wrong(EX, "pad_in_the_mean", "padding's loss is zeroed, but the sum is divided by all tokens")
def zeroed_then_mean(logits, target, pad_id, eps=0.1):
    logp = F.log_softmax(logits, dim=-1)
    nll = -logp.gather(-1, target.unsqueeze(-1)).squeeze(-1)
    loss = (1 - eps) * nll - eps * logp.mean(-1)
    return loss.masked_fill(target == pad_id, 0.0).mean()


@wrong(EX, "smooth_part_counts_pad", "padding is ignored in the one-hot part, not in the uniform part")
def half_masked(logits, target, pad_id, eps=0.1):
    lp = F.log_softmax(logits, dim=-1).reshape(-1, logits.size(-1))
    y = target.reshape(-1)
    hard = F.nll_loss(lp, y, ignore_index=pad_id)
    soft = -lp.mean(dim=-1).mean()
    return (1 - eps) * hard + eps * soft


@wrong(EX, "sum", "the sum over the tokens instead of the mean")
def summed(logits, target, pad_id, eps=0.1):
    keep = target != pad_id
    logp = F.log_softmax(logits[keep], dim=-1)
    nll = -logp.gather(-1, target[keep][:, None])[:, 0]
    return ((1 - eps) * nll - eps * logp.mean(-1)).sum()


@wrong(EX, "per_sentence", "divided by the number of sentences")
def by_sentence(logits, target, pad_id, eps=0.1):
    keep = target != pad_id
    logp = F.log_softmax(logits[keep], dim=-1)
    nll = -logp.gather(-1, target[keep][:, None])[:, 0]
    return ((1 - eps) * nll - eps * logp.mean(-1)).sum() / target.size(0)


@wrong(EX, "mean_of_means", "a mean over each sentence, then over the sentences: short ones weigh more")
def macro_mean(logits, target, pad_id, eps=0.1):
    keep = (target != pad_id).to(logits.dtype)
    logp = F.log_softmax(logits, dim=-1)
    safe = target.masked_fill(target == pad_id, 0)
    nll = -logp.gather(-1, safe.unsqueeze(-1)).squeeze(-1)
    loss = (1 - eps) * nll - eps * logp.mean(-1)
    return ((loss * keep).sum(-1) / keep.sum(-1)).mean()


@wrong(EX, "pad_zero_only", "padding is taken to be 0, pad_id is not read")
def pad_is_zero(logits, target, pad_id, eps=0.1):
    keep = target != 0
    logp = F.log_softmax(logits[keep], dim=-1)
    nll = -logp.gather(-1, target[keep][:, None])[:, 0]
    return ((1 - eps) * nll - eps * logp.mean(-1)).mean()


@wrong(EX, "ids_above_pad_only", "tokens are real where target > pad_id: right only if padding is the smallest id")
def greater_than(logits, target, pad_id, eps=0.1):
    keep = target > pad_id
    logp = F.log_softmax(logits[keep], dim=-1)
    nll = -logp.gather(-1, target[keep][:, None])[:, 0]
    return ((1 - eps) * nll - eps * logp.mean(-1)).mean()


@wrong(EX, "pad_at_the_end_only", "tokens are counted and the first so many taken: padding on the left is misread")
def by_length(logits, target, pad_id, eps=0.1):
    lengths = (target != pad_id).sum(dim=1, keepdim=True)
    keep = torch.arange(target.size(1), device=target.device)[None, :] < lengths
    logp = F.log_softmax(logits[keep], dim=-1)
    nll = -logp.gather(-1, target[keep][:, None])[:, 0]
    return ((1 - eps) * nll - eps * logp.mean(-1)).mean()


@wrong(EX, "count_left_out_one", "divided by the number of tokens plus one, against division by zero")
def plus_one(logits, target, pad_id, eps=0.1):
    keep = target != pad_id
    logp = F.log_softmax(logits[keep], dim=-1)
    nll = -logp.gather(-1, target[keep][:, None])[:, 0]
    return ((1 - eps) * nll - eps * logp.mean(-1)).sum() / (keep.sum() + 1)


@wrong(EX, "mask_by_prediction", "tokens are dropped where the model predicts padding, not where the target is padding")
def predicted_padding(logits, target, pad_id, eps=0.1):
    keep = logits.argmax(-1) != pad_id
    logp = F.log_softmax(logits[keep], dim=-1)
    nll = -logp.gather(-1, target[keep][:, None])[:, 0]
    return ((1 - eps) * nll - eps * logp.mean(-1)).mean()


@wrong(EX, "per_token", "a vector with one loss a token, not a scalar")
def unreduced(logits, target, pad_id, eps=0.1):
    keep = target != pad_id
    logp = F.log_softmax(logits[keep], dim=-1)
    nll = -logp.gather(-1, target[keep][:, None])[:, 0]
    return (1 - eps) * nll - eps * logp.mean(-1)


@wrong(EX, "shifted_inside", "logits of position t are compared with target t + 1: shifted a second time")
def causal_lm_loss(logits, target, pad_id, eps=0.1):
    logits, target = logits[:, :-1], target[:, 1:]
    keep = target != pad_id
    logp = F.log_softmax(logits[keep], dim=-1)
    nll = -logp.gather(-1, target[keep][:, None])[:, 0]
    return ((1 - eps) * nll - eps * logp.mean(-1)).mean()


@wrong(EX, "first_token_skipped", "the first token of every target is taken for BOS and left out")
def without_first(logits, target, pad_id, eps=0.1):
    keep = target != pad_id
    keep[:, 0] = False
    logp = F.log_softmax(logits[keep], dim=-1)
    nll = -logp.gather(-1, target[keep][:, None])[:, 0]
    return ((1 - eps) * nll - eps * logp.mean(-1)).mean()


# ---------------------------------------------------------------- wrong: the distribution


@wrong(EX, "others_v_minus_1", "1 - eps for the target, eps / (V - 1) for each of the others")
def spread_over_others(logits, target, pad_id, eps=0.1):
    v = logits.size(-1)
    keep = target != pad_id
    q = torch.full_like(logits[keep], eps / (v - 1))
    q.scatter_(1, target[keep][:, None], 1 - eps)
    return -(q.detach() * F.log_softmax(logits[keep], -1)).sum(-1).mean()


@wrong(EX, "annotated_v_minus_2", "the Annotated Transformer's: eps / (V - 2), no mass on the padding class")
def annotated(logits, target, pad_id, eps=0.1):
    v = logits.size(-1)
    keep = target != pad_id
    with torch.no_grad():
        q = torch.full_like(logits[keep], eps / (v - 2))
        q.scatter_(1, target[keep][:, None], 1 - eps)
        q[:, pad_id] = 0
    return -(q * F.log_softmax(logits[keep], -1)).sum(-1).mean()


@wrong(EX, "pad_class_left_out", "eps is shared by the V - 1 classes that are no padding")
def without_pad_class(logits, target, pad_id, eps=0.1):
    v = logits.size(-1)
    keep = target != pad_id
    with torch.no_grad():
        q = torch.full_like(logits[keep], eps / (v - 1))
        q[:, pad_id] = 0
        q += (1 - eps) * F.one_hot(target[keep], v)
    return -(q * F.log_softmax(logits[keep], -1)).sum(-1).mean()


@wrong(EX, "pad_column_zeroed", "eps / V on every class but padding: the distribution does not sum to one")
def column_zeroed(logits, target, pad_id, eps=0.1):
    v = logits.size(-1)
    keep = target != pad_id
    with torch.no_grad():
        q = torch.full_like(logits[keep], eps / v) + (1 - eps) * F.one_hot(target[keep], v)
        q[:, pad_id] = 0
    return -(q * F.log_softmax(logits[keep], -1)).sum(-1).mean()


@wrong(EX, "target_overwritten", "1 - eps replaces eps / V at the target instead of being added")
def overwritten(logits, target, pad_id, eps=0.1):
    v = logits.size(-1)
    keep = target != pad_id
    q = torch.full_like(logits[keep].detach(), eps / v)
    q.scatter_(1, target[keep][:, None], 1.0 - eps)
    return -(q * F.log_softmax(logits[keep], -1)).sum(-1).mean()


@wrong(EX, "target_keeps_one", "eps / V is added to the full one-hot, which is not scaled by 1 - eps")
def unscaled_one_hot(logits, target, pad_id, eps=0.1):
    v = logits.size(-1)
    keep = target != pad_id
    q = F.one_hot(target[keep], v).to(logits.dtype) + eps / v
    return -(q * F.log_softmax(logits[keep], -1)).sum(-1).mean()


@wrong(EX, "eps_not_divided", "the uniform part is eps times the sum over the classes, not divided by V")
def eps_each(logits, target, pad_id, eps=0.1):
    keep = target != pad_id
    logp = F.log_softmax(logits[keep], dim=-1)
    nll = -logp.gather(-1, target[keep][:, None])[:, 0]
    return ((1 - eps) * nll - eps * logp.sum(-1)).mean()


@wrong(EX, "eps_swapped", "eps on the target, 1 - eps spread over the classes")
def swapped(logits, target, pad_id, eps=0.1):
    keep = target != pad_id
    logp = F.log_softmax(logits[keep], dim=-1)
    nll = -logp.gather(-1, target[keep][:, None])[:, 0]
    return (eps * nll - (1 - eps) * logp.mean(-1)).mean()


@wrong(EX, "eps_fixed", "0.1 whatever eps is")
def fixed_eps(logits, target, pad_id, eps=0.1):
    confidence, smoothing = 0.9, 0.1
    keep = target != pad_id
    logp = F.log_softmax(logits[keep], dim=-1)
    nll = -logp.gather(-1, target[keep][:, None])[:, 0]
    return (confidence * nll - smoothing * logp.mean(-1)).mean()


@wrong(EX, "eps_default_zero", "eps is 0 unless given")
def no_default(logits, target, pad_id, eps=0.0):
    return smoothed(logits, target, pad_id, eps)


@wrong(EX, "no_smoothing", "plain cross-entropy")
def cross_entropy(logits, target, pad_id, eps=0.1):
    return F.cross_entropy(logits.reshape(-1, logits.size(-1)), target.reshape(-1), ignore_index=pad_id)


@wrong(EX, "smoothing_by_length", "eps is divided by logits.size(1), the length, instead of the number of classes")
def wrong_size(logits, target, pad_id, eps=0.1):
    n = logits.size(1)
    keep = target != pad_id
    logp = F.log_softmax(logits[keep], dim=-1)
    nll = -logp.gather(-1, target[keep][:, None])[:, 0]
    return ((1 - eps) * nll - eps / n * logp.sum(-1)).mean()


@wrong(EX, "unigram_smoothing", "smooths with the batch's own unigram frequencies instead of the uniform distribution")
def unigram_smoothing(logits, target, pad_id, eps=0.1):
    keep = target != pad_id
    logp = F.log_softmax(logits[keep], dim=-1)
    prior = torch.bincount(target[keep], minlength=logits.size(-1)).to(logits.dtype)
    prior = prior / prior.sum()
    nll = -logp.gather(-1, target[keep][:, None])[:, 0]
    return ((1 - eps) * nll - eps * (logp * prior).sum(-1)).mean()


@wrong(EX, "confidence_penalty", "eps times the model's entropy is subtracted instead of smoothing the target")
def entropy_bonus(logits, target, pad_id, eps=0.1):
    keep = target != pad_id
    logp = F.log_softmax(logits[keep], dim=-1)
    nll = -logp.gather(-1, target[keep][:, None])[:, 0]
    entropy = -(logp.exp() * logp).sum(-1)
    return ((1 - eps) * nll - eps * entropy).mean()


@wrong(EX, "distribution_kept", "the smoothed table is kept for each V: another eps gets the first one's")
def cached_table(logits, target, pad_id, eps=0.1):
    v = logits.size(-1)
    if v not in _tables:
        _tables[v] = torch.eye(v, dtype=torch.float64) * (1 - eps) + eps / v
    keep = target != pad_id
    q = _tables[v][target[keep]].to(logits.dtype)
    return -(q * F.log_softmax(logits[keep], -1)).sum(-1).mean()


_tables = {}


# ---------------------------------------------------------------- wrong: logarithms, axes, numbers, gradients


@wrong(EX, "log_of_softmax", "log(softmax): minus infinity where a logit is far below the largest")
def naive_log(logits, target, pad_id, eps=0.1):
    keep = target != pad_id
    logp = torch.log(torch.softmax(logits[keep], dim=-1))
    nll = -logp.gather(-1, target[keep][:, None])[:, 0]
    return ((1 - eps) * nll - eps * logp.mean(-1)).mean()


@wrong(EX, "log_of_softmax_clamped", "log(softmax + 1e-8): finite, but too small a loss for improbable classes")
def guarded_log(logits, target, pad_id, eps=0.1):
    keep = target != pad_id
    logp = torch.log(torch.softmax(logits[keep], dim=-1) + 1e-8)
    nll = -logp.gather(-1, target[keep][:, None])[:, 0]
    return ((1 - eps) * nll - eps * logp.mean(-1)).mean()


@wrong(EX, "exp_overflows", "log(sum(exp)) by hand without subtracting the largest logit")
def plain_exp(logits, target, pad_id, eps=0.1):
    keep = target != pad_id
    z = logits[keep]
    logp = z - z.exp().sum(-1, keepdim=True).log()
    nll = -logp.gather(-1, target[keep][:, None])[:, 0]
    return ((1 - eps) * nll - eps * logp.mean(-1)).mean()


@wrong(EX, "logits_as_log_probabilities", "no softmax: the logits are taken for log-probabilities")
def no_softmax(logits, target, pad_id, eps=0.1):
    keep = target != pad_id
    logp = logits[keep]
    nll = -logp.gather(-1, target[keep][:, None])[:, 0]
    return ((1 - eps) * nll - eps * logp.mean(-1)).mean()


@wrong(EX, "softmax_twice", "softmax first, then a log-softmax of the probabilities")
def double_softmax(logits, target, pad_id, eps=0.1):
    keep = target != pad_id
    logp = F.log_softmax(F.softmax(logits[keep], dim=-1), dim=-1)
    nll = -logp.gather(-1, target[keep][:, None])[:, 0]
    return ((1 - eps) * nll - eps * logp.mean(-1)).mean()


@wrong(EX, "softmax_over_time", "the softmax runs over axis 1, the positions")
def wrong_axis(logits, target, pad_id, eps=0.1):
    logp = F.log_softmax(logits, dim=1)
    keep = target != pad_id
    safe = target.masked_fill(~keep, 0)
    nll = -logp.gather(-1, safe.unsqueeze(-1)).squeeze(-1)
    return ((1 - eps) * nll - eps * logp.mean(-1))[keep].mean()


@wrong(EX, "classes_mixed", "logits are moved to (B, V, T) and then viewed as (B * T, V)")
def permuted_then_viewed(logits, target, pad_id, eps=0.1):
    v = logits.size(-1)
    x = logits.transpose(1, 2).reshape(-1, v)
    y = target.reshape(-1)
    keep = y != pad_id
    logp = F.log_softmax(x[keep], dim=-1)
    nll = -logp.gather(-1, y[keep][:, None])[:, 0]
    return ((1 - eps) * nll - eps * logp.mean(-1)).mean()


@wrong(EX, "base_two", "logarithms to base two")
def in_bits(logits, target, pad_id, eps=0.1):
    keep = target != pad_id
    logp = F.log_softmax(logits[keep], dim=-1) / math.log(2)
    nll = -logp.gather(-1, target[keep][:, None])[:, 0]
    return ((1 - eps) * nll - eps * logp.mean(-1)).mean()


@wrong(EX, "sign", "the sign is forgotten: the loss is the log-likelihood, and falls as the model gets worse")
def log_likelihood(logits, target, pad_id, eps=0.1):
    keep = target != pad_id
    logp = F.log_softmax(logits[keep], dim=-1)
    gold = logp.gather(-1, target[keep][:, None])[:, 0]
    return ((1 - eps) * gold + eps * logp.mean(-1)).mean()


@wrong(EX, "sign_of_smoothing", "the uniform part is added with the wrong sign: it rewards confidence")
def plus_instead_of_minus(logits, target, pad_id, eps=0.1):
    keep = target != pad_id
    logp = F.log_softmax(logits[keep], dim=-1)
    nll = -logp.gather(-1, target[keep][:, None])[:, 0]
    return ((1 - eps) * nll + eps * logp.mean(-1)).mean()


@wrong(EX, "smooth_part_detached", "the uniform part has no gradient: the value is right, training is not smoothed")
def no_grad_smoothing(logits, target, pad_id, eps=0.1):
    keep = target != pad_id
    logp = F.log_softmax(logits[keep], dim=-1)
    nll = -logp.gather(-1, target[keep][:, None])[:, 0]
    with torch.no_grad():
        uniform = -logp.mean(-1)
    return ((1 - eps) * nll + eps * uniform).mean()


@wrong(EX, "python_number", "returns loss.item(): the value is right, nothing can be trained")
def as_float(logits, target, pad_id, eps=0.1):
    return smoothed(logits, target, pad_id, eps).item()


@wrong(EX, "single_precision", "logits are cast to float32 first: float64 comes back as float32")
def in_float(logits, target, pad_id, eps=0.1):
    return smoothed(logits.float(), target, pad_id, eps)


@wrong(EX, "target_changed", "padding in the caller's target is set to 0 in place")
def writes_target(logits, target, pad_id, eps=0.1):
    pad = target == pad_id
    target[pad] = 0
    logp = F.log_softmax(logits, dim=-1)
    nll = -logp.gather(-1, target.unsqueeze(-1)).squeeze(-1)
    return ((1 - eps) * nll - eps * logp.mean(-1))[~pad].mean()


@wrong(EX, "logits_changed", "the largest logit is subtracted in place")
def writes_logits(logits, target, pad_id, eps=0.1):
    with torch.no_grad():
        logits.sub_(logits.amax(-1, keepdim=True))
    return ls_by_hand(logits, target, pad_id, eps)


@wrong(EX, "contiguous_only", "view(-1, V): fails on a slice or a transposed tensor")
def viewed(logits, target, pad_id, eps=0.1):
    return two_parts(logits.view(-1, logits.size(-1)), target.view(-1), pad_id, eps)


@wrong(EX, "clamped_loss", "each token's loss is cut at 10, against outliers")
def clipped(logits, target, pad_id, eps=0.1):
    keep = target != pad_id
    logp = F.log_softmax(logits[keep], dim=-1)
    nll = -logp.gather(-1, target[keep][:, None])[:, 0]
    return ((1 - eps) * nll - eps * logp.mean(-1)).clamp(max=10).mean()


@wrong(EX, "perplexity", "returns exp of the mean loss")
def ppl(logits, target, pad_id, eps=0.1):
    return smoothed(logits, target, pad_id, eps).exp()


@wrong(EX, "pad_logit_hidden", "the padding class is taken out of the softmax and of the uniform part")
def pad_never_predicted(logits, target, pad_id, eps=0.1):
    keep = target != pad_id
    z = logits[keep].clone()
    z[:, pad_id] = -1e4
    logp = F.log_softmax(z, dim=-1)
    nll = -logp.gather(-1, target[keep][:, None])[:, 0]
    columns = torch.arange(z.size(-1), device=z.device) != pad_id
    return ((1 - eps) * nll - eps * logp[:, columns].mean(-1)).mean()
