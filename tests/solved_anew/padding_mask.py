import torch


def padding_mask(ids, pad_id):
    return torch.ne(ids, pad_id).unsqueeze(1).unsqueeze(1)
