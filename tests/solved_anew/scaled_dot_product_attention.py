import torch


def softmax(scores, allowed):
    """Exponentials of what is allowed, over their sum; nothing allowed gives zeros."""
    if allowed is not None:
        scores = torch.where(allowed, scores, -torch.inf)
    top = scores.amax(-1, keepdim=True).clamp(min=torch.finfo(scores.dtype).min)
    powers = (scores - top).exp()
    return powers / powers.sum(-1, keepdim=True).clamp(min=torch.finfo(scores.dtype).tiny)


def scaled_dot_product_attention(q, k, v, mask=None, dropout=None):
    scores = torch.einsum("...qd,...kd->...qk", q * k.shape[-1] ** -0.5, k)
    weights = softmax(scores, mask)
    if dropout is not None:
        weights = dropout(weights)
    return torch.einsum("...qk,...kd->...qd", weights, v), weights
