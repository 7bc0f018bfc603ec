import torch


def attend_step(q_t, k_t, v_t, cache=None):
    keys, values = (k_t, v_t) if cache is None else (torch.cat((old, new), 2) for old, new in zip(cache, (k_t, v_t)))
    weights = torch.softmax(q_t @ keys.mT / keys.shape[-1] ** 0.5, dim=-1)
    return weights @ values, (keys, values)
