import torch
import torch.nn.functional as F


def label_smoothing_loss(logits, target, pad_id, eps=0.1):
    goal = F.one_hot(target, logits.shape[-1]).to(logits.dtype)
    goal = goal * (1 - eps) + eps / logits.shape[-1]
    per_token = -(goal * torch.log_softmax(logits, dim=-1)).sum(-1)
    return per_token[target != pad_id].mean()
