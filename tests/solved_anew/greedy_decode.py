import torch


def greedy_decode(decoder, batch_size, bos_id, eos_id, pad_id, max_len):
    written = torch.full((batch_size, 1), bos_id, dtype=torch.long)
    for _ in range(max_len):
        step = decoder(written)[:, -1, :].max(dim=-1).indices.to(written.device)
        over = (written[:, 1:] == eos_id).any(dim=1)
        step = torch.where(over, torch.full_like(step, pad_id), step)
        written = torch.cat((written, step.unsqueeze(1)), dim=1)
        if bool((written == eos_id).any(dim=1).all()):
            break
    return written[:, 1:]
