import math

import torch


def beam_search(decoder, bos_id, eos_id, max_len, beam_size, alpha):
    def score(total, length):
        return total / ((5 + length) / 6) ** alpha

    beam, finished = [(0.0, [])], []
    for _ in range(max_len):
        if not beam:
            break
        logits = decoder(torch.tensor([[bos_id, *ids] for _, ids in beam]))[:, -1]
        table = torch.log_softmax(logits.double(), dim=-1).tolist()
        grown = [
            (total + p, [*ids, token])
            for (total, ids), row in zip(beam, table)
            for token, p in enumerate(row)
            if p > -math.inf
        ]
        grown.sort(key=lambda one: -one[0])
        finished += [(score(total, len(ids)), ids) for total, ids in grown[:beam_size] if ids[-1] == eos_id]
        beam = [one for one in grown if one[1][-1] != eos_id][:beam_size]
    if not finished:
        finished = [(score(total, len(ids)), ids) for total, ids in beam]
    best, ids = max(finished)
    return ids, best
