import torch


def causal_mask(n):
    place = torch.arange(n)
    return place[None, :] <= place[:, None]
