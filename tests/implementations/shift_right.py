"""shift_right: right and wrong implementations."""

import torch
import torch.nn.functional as F

from tests.implementations import right, wrong

EX = "shift_right"


# ---------------------------------------------------------------- right


@right(EX, "cat", "a column of BOS and all but the last, concatenated")
def shift(target_ids, bos_id):
    bos = torch.full_like(target_ids[:, :1], bos_id)
    return torch.cat([bos, target_ids[:, :-1]], dim=1)


@right(EX, "new_full", "new_full, then the last column cut off")
def to_decoder_input(tgt, bos):
    column = tgt.new_full((tgt.size(0), 1), bos)
    return torch.cat((column, tgt), dim=-1)[:, :-1]


@right(EX, "new_zeros", "in the style of Hugging Face: zeros, then the two parts are filled in")
def shift_tokens_right(input_ids, decoder_start_token_id):
    shifted = input_ids.new_zeros(input_ids.shape)
    shifted[:, 1:] = input_ids[:, :-1].clone()
    shifted[:, 0] = decoder_start_token_id
    return shifted


@right(EX, "pad", "F.pad with BOS on the left")
def by_pad(ids, bos_id):
    return F.pad(ids, (1, 0), mode="constant", value=bos_id)[:, : ids.shape[1]]


@right(EX, "roll", "rolled, which copies; then the first column is overwritten")
def by_roll(y, bos):
    out = y.roll(shifts=1, dims=1)
    out[:, 0] = bos
    return out


@right(EX, "lists", "Python lists, sentence by sentence")
def by_lists(target_ids, bos_id):
    rows = [[bos_id] + row[:-1] for row in target_ids.tolist()]
    return torch.tensor(rows, dtype=target_ids.dtype, device=target_ids.device)


@right(EX, "index", "the index of the token before; where there is none, BOS")
def by_index(target_ids, bos_id):
    before = torch.arange(target_ids.size(1), device=target_ids.device) - 1
    return target_ids[:, before.clamp(min=0)].masked_fill(before < 0, bos_id)


@right(EX, "loop", "a loop over all entries")
def by_loop(t, bos):
    out = torch.empty_like(t)
    for b in range(t.shape[0]):
        previous = bos
        for i in range(t.shape[1]):
            out[b, i] = previous
            previous = t[b, i]
    return out


@right(EX, "stack", "the columns in a list, stacked")
def by_columns(target_ids, bos_id):
    columns = list(target_ids.unbind(1))
    columns = [torch.full_like(columns[0], bos_id), *columns[:-1]]
    return torch.stack(columns, 1)


# ---------------------------------------------------------------- wrong: what is shifted


@wrong(EX, "left", "shifted to the left: the input is the token to come after, BOS at the end")
def sr_a(target_ids, bos_id):
    return torch.cat([target_ids[:, 1:], torch.full_like(target_ids[:, :1], bos_id)], dim=1)


@wrong(EX, "unchanged", "gives the targets themselves")
def sr_b(target_ids, bos_id):
    return target_ids.clone()


@wrong(EX, "first_replaced", "the first token is replaced by BOS, nothing is shifted")
def sr_c(target_ids, bos_id):
    out = target_ids.clone()
    out[:, 0] = bos_id
    return out


@wrong(EX, "rolled", "rolled without BOS: the last token comes first")
def sr_d(target_ids, bos_id):
    return target_ids.roll(1, dims=1)


@wrong(EX, "rolled_flat", "roll without dims: rolls the flattened batch, then BOS overwrites the first entry only")
def sr_e(target_ids, bos_id):
    out = target_ids.roll(1)
    out[0, 0] = bos_id
    return out


@wrong(EX, "rolled_left", "rolled by -1, then BOS at the first place")
def sr_f(target_ids, bos_id):
    out = target_ids.roll(-1, dims=1)
    out[:, 0] = bos_id
    return out


@wrong(EX, "too_long", "BOS in front, the last token kept: T + 1")
def sr_g(target_ids, bos_id):
    return torch.cat([torch.full_like(target_ids[:, :1], bos_id), target_ids], dim=1)


@wrong(EX, "too_short", "all but the last, without BOS: T - 1 (for targets that begin with BOS)")
def sr_h(target_ids, bos_id):
    return target_ids[:, :-1]


@wrong(EX, "first_dropped", "BOS, then all but the first token")
def sr_i(target_ids, bos_id):
    return torch.cat([torch.full_like(target_ids[:, :1], bos_id), target_ids[:, 1:]], dim=1)


@wrong(EX, "by_two", "shifted by two, BOS twice")
def sr_j(target_ids, bos_id):
    return F.pad(target_ids, (2, 0), value=bos_id)[:, : target_ids.size(1)]


@wrong(EX, "bos_at_the_end", "all but the last, then BOS")
def sr_k(target_ids, bos_id):
    return torch.cat([target_ids[:, :-1], torch.full_like(target_ids[:, :1], bos_id)], dim=1)


@wrong(EX, "along_the_batch", "shifted along the batch: the first sentence is BOS, the others are the one before")
def sr_l(target_ids, bos_id):
    return torch.cat([torch.full_like(target_ids[:1], bos_id), target_ids[:-1]], dim=0)


@wrong(EX, "last_not_filled", "the last position is not filled in: BOS there")
def sr_m(target_ids, bos_id):
    out = torch.full_like(target_ids, bos_id)
    out[:, 1:-1] = target_ids[:, :-2]
    return out


@wrong(EX, "first_repeated", "the first token is repeated, no BOS")
def sr_n(target_ids, bos_id):
    return torch.cat([target_ids[:, :1], target_ids[:, :-1]], dim=1)


@wrong(EX, "overlapping", "each column is copied from the one before, in order: BOS everywhere")
def sr_o(target_ids, bos_id):
    out = target_ids.clone()
    out[:, 0] = bos_id
    for i in range(1, out.size(1)):
        out[:, i] = out[:, i - 1]
    return out


@wrong(EX, "reversed", "BOS, then the sentence backwards without its last token")
def sr_p(target_ids, bos_id):
    return torch.cat([torch.full_like(target_ids[:, :1], bos_id), target_ids[:, :-1].flip(1)], dim=1)


@wrong(EX, "all_bos", "BOS at every position")
def sr_q(target_ids, bos_id):
    return torch.full_like(target_ids, bos_id)


# ---------------------------------------------------------------- wrong: the BOS


@wrong(EX, "zero_for_bos", "0 instead of BOS")
def sr_ba(target_ids, bos_id):
    return F.pad(target_ids, (1, 0))[:, :-1]


@wrong(EX, "bos_is_one", "always 1 for BOS")
def sr_bb(target_ids, bos_id):
    return F.pad(target_ids, (1, 0), value=1)[:, :-1]


@wrong(EX, "bos_is_two", "always 2 for BOS")
def sr_bc(target_ids, bos_id):
    return F.pad(target_ids, (1, 0), value=2)[:, :-1]


@wrong(EX, "first_sentence_only", "BOS in the first sentence only, 0 in the others")
def sr_bd(target_ids, bos_id):
    out = torch.zeros_like(target_ids)
    out[:, 1:] = target_ids[:, :-1]
    out[0, 0] = bos_id
    return out


@wrong(EX, "last_token_for_bos", "the last token of the first sentence stands for BOS, as in mBART")
def sr_be(target_ids, bos_id):
    return torch.cat([target_ids[:1, -1:].expand(target_ids.size(0), 1), target_ids[:, :-1]], dim=1)


@wrong(EX, "zeros_become_bos", "every 0 of the result becomes BOS, also those of the targets")
def sr_bf(target_ids, bos_id):
    out = F.pad(target_ids, (1, 0))[:, :-1].clone()
    out[out == 0] = bos_id
    return out


@wrong(EX, "unless_there", "targets that begin with BOS are given back unchanged")
def sr_bg(target_ids, bos_id):
    if (target_ids[:, 0] == bos_id).all():
        return target_ids.clone()
    return F.pad(target_ids, (1, 0), value=bos_id)[:, :-1]


@wrong(EX, "bos_position_after", "BOS stands at the second place, the first token before it")
def sr_bh(target_ids, bos_id):
    bos = torch.full_like(target_ids[:, :1], bos_id)
    return torch.cat([target_ids[:, :1], bos, target_ids[:, 1:]], dim=1)[:, : target_ids.size(1)]


# ---------------------------------------------------------------- wrong: shapes, inputs, dtype, state


@wrong(EX, "in_place", "the targets themselves are shifted: the loss then sees the inputs as targets")
def sr_ca(target_ids, bos_id):
    target_ids[:, 1:] = target_ids[:, :-1].clone()
    target_ids[:, 0] = bos_id
    return target_ids


@wrong(EX, "in_place_last", "BOS overwrites the last target, then roll: a right result, spoilt targets")
def sr_cb(target_ids, bos_id):
    target_ids[:, -1] = bos_id
    return target_ids.roll(1, dims=1)


@wrong(EX, "float", "the result is float32")
def sr_cc(target_ids, bos_id):
    out = torch.full(target_ids.shape, float(bos_id))
    out[:, 1:] = target_ids[:, :-1]
    return out


@wrong(EX, "always_int64", "the result is int64, also for int32 targets")
def sr_cd(target_ids, bos_id):
    return F.pad(target_ids.long(), (1, 0), value=bos_id)[:, :-1]


@wrong(EX, "always_int32", "the result is int32")
def sr_ce(target_ids, bos_id):
    return F.pad(target_ids.int(), (1, 0), value=bos_id)[:, :-1]


@wrong(EX, "through_int8", "the ids pass through eight bits: those from 256 on change")
def sr_cf(target_ids, bos_id):
    out = torch.full(target_ids.shape, bos_id, dtype=torch.uint8)
    out[:, 1:] = target_ids[:, :-1]
    return out.to(target_ids.dtype)


@wrong(EX, "one_sentence", "one BOS for a batch of one: fails for more")
def sr_cg(target_ids, bos_id):
    bos = torch.tensor([[bos_id]], dtype=target_ids.dtype)
    return torch.cat([bos, target_ids[:, :-1]], dim=1)


@wrong(EX, "length_one_unchanged", "a single token is given back as it is")
def sr_ch(target_ids, bos_id):
    if target_ids.size(1) == 1:
        return target_ids.clone()
    return F.pad(target_ids, (1, 0), value=bos_id)[:, :-1]


@wrong(EX, "squeezed", "squeeze(): axes are lost for a batch or a length of one")
def sr_ci(target_ids, bos_id):
    return F.pad(target_ids, (1, 0), value=bos_id)[:, :-1].squeeze()


@wrong(EX, "flat_shift", "the flattened batch is shifted: a sentence begins with the last token of the one before")
def sr_cj(target_ids, bos_id):
    flat = target_ids.reshape(-1)
    return torch.cat([flat.new_tensor([bos_id]), flat[:-1]]).reshape(target_ids.shape)


@wrong(EX, "length_first", "(T, B)")
def sr_ck(target_ids, bos_id):
    return F.pad(target_ids, (1, 0), value=bos_id)[:, :-1].t()


@wrong(EX, "view_of_ids", "view on the targets: fails where they are not contiguous")
def sr_cl(target_ids, bos_id):
    length = target_ids.size(1)
    ids = target_ids.view(-1, length)
    flat = ids.view(-1)
    out = torch.empty_like(flat)
    out[1:] = flat[:-1]
    out[::length] = bos_id
    return out.view(-1, length)


@wrong(EX, "list", "a list of lists, not a tensor")
def sr_cm(target_ids, bos_id):
    return [[bos_id] + row[:-1] for row in target_ids.tolist()]


@wrong(EX, "pair", "returns (input, targets)")
def sr_cn(target_ids, bos_id):
    return F.pad(target_ids, (1, 0), value=bos_id)[:, :-1], target_ids


_columns = {}


@wrong(EX, "bos_remembered", "the BOS column of the first call with this batch size is kept for all calls")
def sr_co(target_ids, bos_id):
    key = (target_ids.size(0), target_ids.dtype)
    if key not in _columns:
        _columns[key] = torch.full_like(target_ids[:, :1], bos_id)
    return torch.cat([_columns[key], target_ids[:, :-1]], dim=1)


_buffers = {}


@wrong(EX, "result_reused", "all results of a shape are the same tensor: the next call overwrites the last result")
def sr_cp(target_ids, bos_id):
    key = (tuple(target_ids.shape), target_ids.dtype)
    out = _buffers.setdefault(key, torch.empty(target_ids.shape, dtype=target_ids.dtype))
    out[:, 1:] = target_ids[:, :-1]
    out[:, 0] = bos_id
    return out


@wrong(EX, "length_512", "at most 512 positions: longer targets are cut")
def sr_cq(target_ids, bos_id):
    return F.pad(target_ids, (1, 0), value=bos_id)[:, :-1][:, :512]
