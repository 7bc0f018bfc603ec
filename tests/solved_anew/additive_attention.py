import torch


def additive_attention(q, k, v, W_q, W_k, w_v, mask=None):
    left = torch.einsum("...qi,ai->...qa", q, W_q)
    right = torch.einsum("...ki,ai->...ka", k, W_k)
    scores = ((left[..., :, None, :] + right[..., None, :, :]).tanh() * w_v).sum(-1)
    if mask is not None:
        scores = scores + torch.zeros_like(scores).masked_fill(~mask, torch.finfo(scores.dtype).min / 2)
    weights = torch.softmax(scores, dim=-1)
    return weights @ v, weights
