"""padding_mask: right and wrong implementations."""

import torch

from tests.implementations import right, wrong

EX = "padding_mask"


# ---------------------------------------------------------------- right


@right(EX, "index_none", "!= and two new axes")
def pad_mask(ids, pad_id):
    return (ids != pad_id)[:, None, None, :]


@right(EX, "unsqueeze", "ne and unsqueeze twice")
def make_src_mask(src, pad_idx):
    return src.ne(pad_idx).unsqueeze(1).unsqueeze(2)


@right(EX, "not_eq", "where it is padding, inverted; reshape")
def keep_mask(ids, pad_id):
    is_pad = ids.eq(pad_id)
    return torch.logical_not(is_pad).reshape(ids.size(0), 1, 1, ids.size(1))


@right(EX, "loop", "a loop over all tokens")
def slow_mask(ids, pad_id):
    batch, length = ids.shape
    mask = torch.ones(batch, 1, 1, length, dtype=torch.bool)
    for b in range(batch):
        for t in range(length):
            if ids[b, t].item() == pad_id:
                mask[b, 0, 0, t] = False
    return mask


@right(EX, "list", "nested lists made into a tensor")
def list_mask(ids, pad_id):
    return torch.tensor([[[[token != pad_id for token in row]]] for row in ids.tolist()], dtype=torch.bool)


@right(EX, "where", "torch.where of True and False, stacked row by row")
def where_mask(tokens, pad):
    yes = torch.ones_like(tokens, dtype=torch.bool)
    flags = torch.where(tokens == pad, ~yes, yes)
    return torch.stack([row.view(1, 1, -1) for row in flags.unbind(0)])


@right(EX, "difference", "the difference from pad_id as a boolean")
def difference_mask(ids, pad_id):
    return (ids - pad_id).bool().unflatten(0, (-1, 1)).unsqueeze(1)


@right(EX, "smaller_or_larger", "smaller or larger than pad_id; permuted, not contiguous")
def ordered_mask(ids, pad_id):
    real = (ids < pad_id) | (ids > pad_id)
    return real.t()[None, None].permute(3, 0, 1, 2)


@right(EX, "full_then_fill", "all True, then False where the padding is")
def filled_mask(ids, pad_id):
    mask = torch.full(ids.shape, True, device=ids.device)
    mask[ids == pad_id] = False
    return mask.view(len(ids), 1, 1, -1)


# ---------------------------------------------------------------- wrong: what is true


@wrong(EX, "inverted", "True where the padding is, as key_padding_mask of nn.MultiheadAttention")
def pm_a(ids, pad_id):
    return (ids == pad_id)[:, None, None, :]


@wrong(EX, "pad_is_zero", "compared with 0, whatever pad_id is")
def pm_b(ids, pad_id):
    return (ids != 0)[:, None, None, :]


@wrong(EX, "pad_is_one", "compared with 1, whatever pad_id is")
def pm_c(ids, pad_id):
    return (ids != 1).unsqueeze(1).unsqueeze(2)


@wrong(EX, "larger_than_pad", "ids > pad_id: ids below pad_id count as padding")
def pm_d(ids, pad_id):
    return (ids > pad_id).unsqueeze(-2).unsqueeze(-2)


@wrong(EX, "truth_of_ids", "ids.bool(): right for pad_id 0 only")
def pm_e(ids, pad_id):
    return ids.bool()[:, None, None]


@wrong(EX, "by_length", "counts the tokens that are no padding and takes so many from the left: wrong for left padding")
def pm_f(ids, pad_id):
    lengths = (ids != pad_id).sum(dim=1)
    return (torch.arange(ids.size(1), device=ids.device) < lengths[:, None])[:, None, None]


@wrong(EX, "until_first_pad", "everything after the first padding is padding")
def pm_g(ids, pad_id):
    return (ids != pad_id).long().cumprod(dim=1).bool()[:, None, None]


@wrong(EX, "until_last_token", "padding before the last real token counts as real")
def pm_h(ids, pad_id):
    later = (ids != pad_id).flip(1).long().cumsum(1).flip(1)
    return (later > 0)[:, None, None]


@wrong(EX, "last_token_hidden", "one token too few: the last one before the padding is hidden")
def pm_i(ids, pad_id):
    real = ids != pad_id
    nxt = torch.cat([real[:, 1:], torch.zeros_like(real[:, :1])], dim=1)
    return (real & nxt)[:, None, None]


@wrong(EX, "first_pad_visible", "one token too many: the first padding after the last token is visible")
def pm_j(ids, pad_id):
    real = ids != pad_id
    before = torch.cat([torch.ones_like(real[:, :1]), real[:, :-1]], dim=1)
    return (real | before)[:, None, None]


@wrong(EX, "first_always_visible", "position 0 is always True, lest a row be empty: wrong for left padding")
def pm_k(ids, pad_id):
    mask = (ids != pad_id)[:, None, None, :].clone()
    mask[..., 0] = True
    return mask


@wrong(EX, "first_sentence_for_all", "the mask of the first sentence for the whole batch")
def pm_l(ids, pad_id):
    return (ids[0] != pad_id).expand(ids.size(0), 1, 1, -1)


@wrong(EX, "any_sentence", "True where any sentence of the batch has a token")
def pm_m(ids, pad_id):
    real = (ids != pad_id).any(dim=0, keepdim=True)
    return real.expand_as(ids)[:, None, None, :]


@wrong(EX, "identity_of_ints", "'is not' between Python integers: wrong for pad_id above 256")
def pm_n(ids, pad_id):
    rows = [[token is not pad_id for token in row] for row in ids.tolist()]
    return torch.tensor(rows)[:, None, None, :]


@wrong(EX, "eight_bits", "the ids are cut to eight bits: 256 looks like 0")
def pm_o(ids, pad_id):
    return (ids.to(torch.int8) != pad_id)[:, None, None, :]


@wrong(EX, "all_true", "always True: the padding is visible")
def pm_p(ids, pad_id):
    return torch.ones_like(ids, dtype=torch.bool)[:, None, None, :]


@wrong(EX, "scrambled", "transposed, then reshaped to (B, 1, 1, T): the entries are in the wrong places")
def pm_q(ids, pad_id):
    return (ids != pad_id).t().reshape(ids.size(0), 1, 1, ids.size(1))


@wrong(EX, "pad_is_last_id", "the last id of each sentence is taken for the padding, pad_id is not used")
def pm_r(ids, pad_id):
    return (ids != ids[:, -1:])[:, None, None, :]


# ---------------------------------------------------------------- wrong: shape


@wrong(EX, "two_axes", "(B, T)")
def pm_aa(ids, pad_id):
    return ids != pad_id


@wrong(EX, "three_axes", "(B, 1, T), as in the Annotated Transformer: heads and queries share one axis")
def pm_ab(ids, pad_id):
    return (ids != pad_id).unsqueeze(-2)


@wrong(EX, "queries_masked", "(B, 1, T, 1): the padding masks queries, not keys")
def pm_ac(ids, pad_id):
    return (ids != pad_id)[:, None, :, None]


@wrong(EX, "batch_last", "(1, 1, B, T)")
def pm_ad(ids, pad_id):
    return (ids != pad_id)[None, None]


@wrong(EX, "square", "(B, 1, T, T): repeated for every query, of the same length as the keys")
def pm_ae(ids, pad_id):
    t = ids.size(1)
    return (ids != pad_id)[:, None, None, :].expand(-1, 1, t, t)


@wrong(EX, "pairs", "(B, 1, T, T): query and key both no padding, which leaves rows empty")
def pm_af(ids, pad_id):
    real = ids != pad_id
    return (real[:, :, None] & real[:, None, :]).unsqueeze(1)


@wrong(EX, "with_causal", "(B, 1, T, T): joined with a causal mask")
def pm_ag(ids, pad_id):
    t = ids.size(1)
    return (ids != pad_id)[:, None, None, :] & torch.ones(t, t, dtype=torch.bool).tril()


@wrong(EX, "squeezed", "squeeze() on the way: fails for a batch of one or a length of one")
def pm_ah(ids, pad_id):
    return (ids != pad_id).squeeze()[:, None, None, :]


@wrong(EX, "one_for_the_batch", "(1, 1, 1, B * T)")
def pm_ai(ids, pad_id):
    return (ids != pad_id).reshape(1, 1, 1, -1)


# ---------------------------------------------------------------- wrong: dtype, inputs, state


@wrong(EX, "float", "zeros and ones in float32")
def pm_ba(ids, pad_id):
    return (ids != pad_id).float()[:, None, None, :]


@wrong(EX, "long", "zeros and ones in int64")
def pm_bb(ids, pad_id):
    return (ids != pad_id).long().unsqueeze(1).unsqueeze(2)


@wrong(EX, "uint8", "zeros and ones in uint8, as before torch had bool: ~1 is 254")
def pm_bc(ids, pad_id):
    return (ids != pad_id).type(torch.uint8).view(ids.size(0), 1, 1, -1)


@wrong(EX, "additive", "0 and -inf, to be added to the scores")
def pm_bd(ids, pad_id):
    return torch.zeros(ids.shape).masked_fill(ids == pad_id, float("-inf"))[:, None, None, :]


@wrong(EX, "writes_to_ids", "the caller's ids are overwritten: padding becomes 0, the rest 1")
def pm_be(ids, pad_id):
    real = ids != pad_id
    ids.copy_(real)
    return ids.bool()[:, None, None, :]


@wrong(EX, "view_of_ids", "view(-1) on the ids: fails where they are not contiguous")
def pm_bf(ids, pad_id):
    return (ids.view(-1) != pad_id).view(ids.size(0), 1, 1, ids.size(1))


_by_shape = {}


@wrong(
    EX, "remembered_by_shape", "masks are kept by the shape of the ids: the second batch of a shape gets the first's"
)
def pm_bg(ids, pad_id):
    if ids.shape not in _by_shape:
        _by_shape[ids.shape] = (ids != pad_id)[:, None, None, :]
    return _by_shape[ids.shape]


@wrong(EX, "batch_of_one", "only the first sentence: (1, 1, 1, T)")
def pm_bh(ids, pad_id):
    return (ids[:1] != pad_id)[:, None, None, :]


@wrong(EX, "cut_at_64", "at most 64 keys")
def pm_bi(ids, pad_id):
    return (ids[:, :64] != pad_id)[:, None, None, :]
