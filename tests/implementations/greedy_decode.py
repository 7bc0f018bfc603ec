"""greedy_decode: right and wrong implementations."""

import torch
import torch.nn.functional as F

from tests.implementations import right, wrong

EX = "greedy_decode"


# ---------------------------------------------------------------- right


@right(EX, "growing", "torch.cat, a flag a sentence, stops when all have ended")
def greedy(decoder, batch_size, bos_id, eos_id, pad_id, max_len):
    ids = torch.full((batch_size, 1), bos_id, dtype=torch.long)
    done = torch.zeros(batch_size, dtype=torch.bool)
    for _ in range(max_len):
        nxt = decoder(ids)[:, -1].argmax(dim=-1)
        nxt = nxt.masked_fill(done, pad_id)
        ids = torch.cat([ids, nxt[:, None]], dim=1)
        done = done | (nxt == eos_id)
        if done.all():
            break
    return ids[:, 1:]


@right(EX, "padded_afterwards", "always max_len steps, what follows the first EOS is overwritten at the end")
@torch.no_grad()
def decode_then_pad(decoder, batch_size, bos_id, eos_id, pad_id, max_len):
    ys = torch.empty(batch_size, 1, dtype=torch.int64).fill_(bos_id)
    for _ in range(max_len):
        logits = decoder(ys)
        ys = torch.cat([ys, logits[:, -1, :].argmax(-1, keepdim=True)], dim=1)
    out = ys[:, 1:]
    is_end = (out == eos_id).long()
    after = is_end.cumsum(dim=1) - is_end
    return torch.where(after > 0, torch.full_like(out, pad_id), out)


@right(EX, "buffer", "a buffer full of padding, filled column by column")
def buffer_decode(decoder, batch_size, bos_id, eos_id, pad_id, max_len):
    out = torch.full((batch_size, max_len + 1), pad_id)
    out[:, 0] = bos_id
    alive = torch.ones(batch_size, dtype=torch.bool)
    t = 0
    while t < max_len and alive.any():
        logits = decoder(out[:, : t + 1])
        token = logits[:, t].max(dim=-1).indices
        t += 1
        out[alive, t] = token[alive]
        alive = alive & (token != eos_id)
    return out[:, 1 : t + 1]


@right(EX, "python_lists", "lists of Python integers, one a sentence")
def list_decode(decoder, batch_size, bos_id, eos_id, pad_id, max_len):
    sentences = [[bos_id] for _ in range(batch_size)]
    ended = [False] * batch_size
    while len(sentences[0]) <= max_len and not all(ended):
        logits = decoder(torch.tensor(sentences))
        for i, sentence in enumerate(sentences):
            if ended[i]:
                sentence.append(pad_id)
            else:
                sentence.append(int(logits[i, -1].argmax()))
                ended[i] = sentence[-1] == eos_id
    return torch.tensor([sentence[1:] for sentence in sentences])


@right(EX, "unfinished_as_number", "unfinished as 0 or 1, multiplied, as in Hugging Face's generate; topk(1)")
def generate(decoder, batch_size, bos_id, eos_id, pad_id, max_len):
    input_ids = torch.tensor([bos_id]).repeat(batch_size, 1)
    unfinished = torch.ones(batch_size, dtype=torch.long)
    for _ in range(max_len):
        next_logits = decoder(input_ids)[:, -1, :].log_softmax(dim=-1)
        next_tokens = next_logits.topk(1, dim=-1).indices.squeeze(-1)
        next_tokens = next_tokens * unfinished + pad_id * (1 - unfinished)
        input_ids = torch.cat((input_ids, next_tokens.unsqueeze(-1)), dim=-1)
        unfinished = unfinished * next_tokens.ne(eos_id).long()
        if unfinished.max() == 0:
            break
    return input_ids[:, 1:]


@right(EX, "lengths", "decodes on for all, keeps each sentence's length, pads by comparing positions with lengths")
def by_lengths(decoder, batch_size, bos_id, eos_id, pad_id, max_len):
    columns = [torch.full((batch_size,), bos_id)]
    lengths = torch.full((batch_size,), max_len)
    for n in range(1, max_len + 1):
        best = decoder(torch.stack(columns, dim=1))[:, -1].argmax(1)
        columns.append(best)
        lengths = torch.where((best == eos_id) & (lengths > n), n, lengths)
        if bool((lengths <= n).all()):
            break
    out = torch.stack(columns[1:], dim=1)
    beyond = torch.arange(1, out.size(1) + 1)[None, :] > lengths[:, None]
    return out.masked_fill(beyond, pad_id)


# ---------------------------------------------------------------- wrong: what is returned


@wrong(EX, "bos_kept", "BOS is in the output")
def with_bos(decoder, batch_size, bos_id, eos_id, pad_id, max_len):
    ids = torch.full((batch_size, 1), bos_id)
    done = torch.zeros(batch_size, dtype=torch.bool)
    for _ in range(max_len):
        nxt = decoder(ids)[:, -1].argmax(-1).masked_fill(done, pad_id)
        ids = torch.cat([ids, nxt[:, None]], dim=1)
        done |= nxt == eos_id
        if done.all():
            break
    return ids


@wrong(EX, "eos_dropped", "the flag is set before padding is filled in: EOS itself becomes padding")
def without_eos(decoder, batch_size, bos_id, eos_id, pad_id, max_len):
    ids = torch.full((batch_size, 1), bos_id)
    done = torch.zeros(batch_size, dtype=torch.bool)
    for _ in range(max_len):
        nxt = decoder(ids)[:, -1].argmax(-1)
        done |= nxt == eos_id
        nxt = nxt.masked_fill(done, pad_id)
        ids = torch.cat([ids, nxt[:, None]], dim=1)
        if done.all():
            break
    return ids[:, 1:]


@wrong(EX, "last_eos_dropped", "stops before the EOS that ends the last sentence is appended")
def breaks_early(decoder, batch_size, bos_id, eos_id, pad_id, max_len):
    ids = torch.full((batch_size, 1), bos_id)
    done = torch.zeros(batch_size, dtype=torch.bool)
    for _ in range(max_len):
        nxt = decoder(ids)[:, -1].argmax(-1).masked_fill(done, pad_id)
        done |= nxt == eos_id
        if done.all():
            break
        ids = torch.cat([ids, nxt[:, None]], dim=1)
    return ids[:, 1:]


@wrong(EX, "not_padded", "sentences that ended go on producing words until all have ended")
def unpadded(decoder, batch_size, bos_id, eos_id, pad_id, max_len):
    ids = torch.full((batch_size, 1), bos_id)
    done = torch.zeros(batch_size, dtype=torch.bool)
    for _ in range(max_len):
        nxt = decoder(ids)[:, -1].argmax(-1)
        ids = torch.cat([ids, nxt[:, None]], dim=1)
        done |= nxt == eos_id
        if done.all():
            break
    return ids[:, 1:]


@wrong(EX, "padding_one_late", "padding begins one position too late: a word follows EOS")
def late_padding(decoder, batch_size, bos_id, eos_id, pad_id, max_len):
    ids = torch.full((batch_size, 1), bos_id)
    done = torch.zeros(batch_size, dtype=torch.bool)
    before = done
    for _ in range(max_len):
        nxt = decoder(ids)[:, -1].argmax(-1).masked_fill(before, pad_id)
        ids = torch.cat([ids, nxt[:, None]], dim=1)
        before = done
        done = done | (nxt == eos_id)
        if done.all():
            break
    return ids[:, 1:]


@wrong(EX, "flag_not_kept", "only the step right after EOS is padded: the flag is overwritten, not accumulated")
def forgetful(decoder, batch_size, bos_id, eos_id, pad_id, max_len):
    ids = torch.full((batch_size, 1), bos_id)
    done = torch.zeros(batch_size, dtype=torch.bool)
    for _ in range(max_len):
        nxt = decoder(ids)[:, -1].argmax(-1).masked_fill(done, pad_id)
        ids = torch.cat([ids, nxt[:, None]], dim=1)
        done = nxt == eos_id
        if done.all():
            break
    return ids[:, 1:]


@wrong(EX, "padded_with_eos", "EOS is repeated instead of padding")
def eos_as_padding(decoder, batch_size, bos_id, eos_id, pad_id, max_len):
    ids = torch.full((batch_size, 1), bos_id)
    done = torch.zeros(batch_size, dtype=torch.bool)
    for _ in range(max_len):
        nxt = decoder(ids)[:, -1].argmax(-1).masked_fill(done, eos_id)
        ids = torch.cat([ids, nxt[:, None]], dim=1)
        done |= nxt == eos_id
        if done.all():
            break
    return ids[:, 1:]


@wrong(EX, "padded_with_zero", "padding is 0 whatever pad_id is")
def zero_as_padding(decoder, batch_size, bos_id, eos_id, pad_id, max_len):
    ids = torch.full((batch_size, 1), bos_id)
    unfinished = torch.ones(batch_size, dtype=torch.long)
    for _ in range(max_len):
        nxt = decoder(ids)[:, -1].argmax(-1) * unfinished
        ids = torch.cat([ids, nxt[:, None]], dim=1)
        unfinished = unfinished * (nxt != eos_id)
        if not unfinished.any():
            break
    return ids[:, 1:]


@wrong(EX, "ragged_lists", "a list of lists of different lengths, not a tensor")
def ragged(decoder, batch_size, bos_id, eos_id, pad_id, max_len):
    rows = greedy(decoder, batch_size, bos_id, eos_id, pad_id, max_len).tolist()
    return [row[: row.index(eos_id) + 1] if eos_id in row else row for row in rows]


@wrong(EX, "time_first", "returns (T, B)")
def columns_stacked(decoder, batch_size, bos_id, eos_id, pad_id, max_len):
    prefix = torch.full((batch_size, 1), bos_id)
    done = torch.zeros(batch_size, dtype=torch.bool)
    steps = []
    for _ in range(max_len):
        nxt = decoder(prefix)[:, -1].argmax(-1).masked_fill(done, pad_id)
        steps.append(nxt)
        prefix = torch.cat([prefix, nxt[:, None]], dim=1)
        done |= nxt == eos_id
        if done.all():
            break
    return torch.stack(steps)


@wrong(EX, "float_ids", "the ids come back as floating point numbers")
def float_buffer(decoder, batch_size, bos_id, eos_id, pad_id, max_len):
    out = torch.zeros(batch_size, max_len + 1) + pad_id
    out[:, 0] = bos_id
    done = torch.zeros(batch_size, dtype=torch.bool)
    for t in range(max_len):
        nxt = decoder(out[:, : t + 1].long())[:, -1].argmax(-1)
        out[~done, t + 1] = nxt[~done].float()
        done |= nxt == eos_id
        if done.all():
            break
    return out[:, 1 : t + 2]


@wrong(EX, "max_len_counts_bos", "BOS counts towards max_len: one token too few")
def short(decoder, batch_size, bos_id, eos_id, pad_id, max_len):
    ids = torch.full((batch_size, 1), bos_id)
    done = torch.zeros(batch_size, dtype=torch.bool)
    while ids.size(1) < max_len and not done.all():
        nxt = decoder(ids)[:, -1].argmax(-1).masked_fill(done, pad_id)
        ids = torch.cat([ids, nxt[:, None]], dim=1)
        done |= nxt == eos_id
    return ids[:, 1:]


@wrong(EX, "one_too_many", "max_len + 1 tokens where nothing ends before")
def long(decoder, batch_size, bos_id, eos_id, pad_id, max_len):
    ids = torch.full((batch_size, 1), bos_id)
    done = torch.zeros(batch_size, dtype=torch.bool)
    while not done.all():
        nxt = decoder(ids)[:, -1].argmax(-1).masked_fill(done, pad_id)
        ids = torch.cat([ids, nxt[:, None]], dim=1)
        done |= nxt == eos_id
        if ids.size(1) - 1 > max_len:
            break
    return ids[:, 1:]


@wrong(EX, "max_len_ignored", "50 steps at most, whatever max_len is")
def fifty(decoder, batch_size, bos_id, eos_id, pad_id, max_len):
    return greedy(decoder, batch_size, bos_id, eos_id, pad_id, 50)


@wrong(EX, "eos_forced", "a sentence that did not end gets EOS as its last token")
def forced_end(decoder, batch_size, bos_id, eos_id, pad_id, max_len):
    ids = torch.full((batch_size, 1), bos_id)
    done = torch.zeros(batch_size, dtype=torch.bool)
    for t in range(max_len):
        nxt = decoder(ids)[:, -1].argmax(-1)
        if t == max_len - 1:
            nxt = torch.full_like(nxt, eos_id)
        nxt = nxt.masked_fill(done, pad_id)
        ids = torch.cat([ids, nxt[:, None]], dim=1)
        done |= nxt == eos_id
        if done.all():
            break
    return ids[:, 1:]


# ---------------------------------------------------------------- wrong: when it stops


@wrong(EX, "stops_at_first_end", "stops as soon as any sentence has ended: the others are cut off")
def any_done(decoder, batch_size, bos_id, eos_id, pad_id, max_len):
    ids = torch.full((batch_size, 1), bos_id)
    for _ in range(max_len):
        nxt = decoder(ids)[:, -1].argmax(-1)
        ids = torch.cat([ids, nxt[:, None]], dim=1)
        if (nxt == eos_id).any():
            break
    return ids[:, 1:]


@wrong(EX, "first_sentence_decides", "stops when the first sentence has ended")
def first_row(decoder, batch_size, bos_id, eos_id, pad_id, max_len):
    ids = torch.full((batch_size, 1), bos_id)
    done = torch.zeros(batch_size, dtype=torch.bool)
    for _ in range(max_len):
        nxt = decoder(ids)[:, -1].argmax(-1).masked_fill(done, pad_id)
        ids = torch.cat([ids, nxt[:, None]], dim=1)
        done |= nxt == eos_id
        if ids[0, -1].item() == eos_id:
            break
    return ids[:, 1:]


@wrong(EX, "ends_counted_twice", "counts EOS tokens, and a sentence that ended may say EOS again: stops too early")
def counted(decoder, batch_size, bos_id, eos_id, pad_id, max_len):
    ids = torch.full((batch_size, 1), bos_id)
    ends = 0
    for _ in range(max_len):
        nxt = decoder(ids)[:, -1].argmax(-1)
        ids = torch.cat([ids, nxt[:, None]], dim=1)
        ends += int((nxt == eos_id).sum())
        if ends >= batch_size:
            break
    out = ids[:, 1:]
    is_end = (out == eos_id).int()
    return out.masked_fill(is_end.cumsum(1) - is_end > 0, pad_id)


@wrong(EX, "all_at_once_only", "stops only where all sentences say EOS in the same step, and pads nothing")
def same_step(decoder, batch_size, bos_id, eos_id, pad_id, max_len):
    ids = torch.full((batch_size, 1), bos_id)
    for _ in range(max_len):
        nxt = decoder(ids)[:, -1].argmax(-1)
        ids = torch.cat([ids, nxt[:, None]], dim=1)
        if (nxt == eos_id).all():
            break
    return ids[:, 1:]


@wrong(EX, "eos_fixed", "EOS is taken to be 2")
def eos_two(decoder, batch_size, bos_id, eos_id, pad_id, max_len):
    return greedy(decoder, batch_size, bos_id, 2, pad_id, max_len)


@wrong(EX, "no_empty_sentence", "EOS is not permitted as the first token")
def min_length_one(decoder, batch_size, bos_id, eos_id, pad_id, max_len):
    ids = torch.full((batch_size, 1), bos_id)
    done = torch.zeros(batch_size, dtype=torch.bool)
    for t in range(max_len):
        scores = decoder(ids)[:, -1].clone()
        if t == 0:
            scores[:, eos_id] = float("-inf")
        nxt = scores.argmax(-1).masked_fill(done, pad_id)
        ids = torch.cat([ids, nxt[:, None]], dim=1)
        done |= nxt == eos_id
        if done.all():
            break
    return ids[:, 1:]


@wrong(EX, "state_kept", "which sentences have ended is kept from the call before")
def with_memory(decoder, batch_size, bos_id, eos_id, pad_id, max_len):
    done = _done.setdefault(batch_size, torch.zeros(batch_size, dtype=torch.bool))
    ids = torch.full((batch_size, 1), bos_id)
    for _ in range(max_len):
        nxt = decoder(ids)[:, -1].argmax(-1).masked_fill(done, pad_id)
        ids = torch.cat([ids, nxt[:, None]], dim=1)
        done |= nxt == eos_id
        if done.all():
            break
    return ids[:, 1:]


_done = {}


# ---------------------------------------------------------------- wrong: which token, from what


def loop(pick, decoder, batch_size, bos_id, eos_id, pad_id, max_len):
    ids = torch.full((batch_size, 1), bos_id)
    done = torch.zeros(batch_size, dtype=torch.bool)
    for _ in range(max_len):
        nxt = pick(decoder, ids).masked_fill(done, pad_id)
        ids = torch.cat([ids, nxt[:, None]], dim=1)
        done |= nxt == eos_id
        if done.all():
            break
    return ids[:, 1:]


@wrong(EX, "first_position", "the logits of the first position are read, not of the last")
def reads_first(decoder, batch_size, bos_id, eos_id, pad_id, max_len):
    return loop(lambda d, ids: d(ids)[:, 0].argmax(-1), decoder, batch_size, bos_id, eos_id, pad_id, max_len)


@wrong(EX, "position_before_last", "the logits of the position before the last are read, from the second step on")
def reads_previous(decoder, batch_size, bos_id, eos_id, pad_id, max_len):
    return loop(
        lambda d, ids: d(ids)[:, max(ids.size(1) - 2, 0)].argmax(-1),
        decoder,
        batch_size,
        bos_id,
        eos_id,
        pad_id,
        max_len,
    )


@wrong(EX, "mean_over_positions", "the logits of all positions are averaged")
def averages(decoder, batch_size, bos_id, eos_id, pad_id, max_len):
    return loop(lambda d, ids: d(ids).mean(1).argmax(-1), decoder, batch_size, bos_id, eos_id, pad_id, max_len)


@wrong(EX, "last_token_only", "the decoder is given the newest token only, as if it kept a cache")
def feeds_last(decoder, batch_size, bos_id, eos_id, pad_id, max_len):
    return loop(lambda d, ids: d(ids[:, -1:])[:, -1].argmax(-1), decoder, batch_size, bos_id, eos_id, pad_id, max_len)


@wrong(EX, "prefix_without_bos", "BOS is left out of the prefix once there is a word")
def drops_bos(decoder, batch_size, bos_id, eos_id, pad_id, max_len):
    return loop(
        lambda d, ids: d(ids[:, 1:] if ids.size(1) > 1 else ids)[:, -1].argmax(-1),
        decoder,
        batch_size,
        bos_id,
        eos_id,
        pad_id,
        max_len,
    )


@wrong(EX, "bos_zero", "the prefix starts with zeros, bos_id is not read")
def zeros_first(decoder, batch_size, bos_id, eos_id, pad_id, max_len):
    return greedy(decoder, batch_size, 0, eos_id, pad_id, max_len)


@wrong(EX, "starts_with_eos", "the prefix starts with EOS, as in fairseq")
def fairseq_start(decoder, batch_size, bos_id, eos_id, pad_id, max_len):
    return greedy(decoder, batch_size, eos_id, eos_id, pad_id, max_len)


@wrong(EX, "whole_buffer_given", "the decoder is given the whole buffer with its padding; the last position is read")
def full_buffer(decoder, batch_size, bos_id, eos_id, pad_id, max_len):
    out = torch.full((batch_size, max_len + 1), pad_id)
    out[:, 0] = bos_id
    done = torch.zeros(batch_size, dtype=torch.bool)
    for t in range(max_len):
        nxt = decoder(out)[:, -1].argmax(-1)
        out[~done, t + 1] = nxt[~done]
        done |= nxt == eos_id
        if done.all():
            break
    return out[:, 1 : t + 2]


@wrong(EX, "ended_rows_removed", "sentences that ended are taken out of the batch: the rest meet other rows' memory")
def shrinking(decoder, batch_size, bos_id, eos_id, pad_id, max_len):
    out = torch.full((batch_size, max_len), pad_id)
    rows = torch.arange(batch_size)
    prefix = torch.full((batch_size, 1), bos_id)
    for t in range(max_len):
        nxt = decoder(prefix)[:, -1].argmax(-1)
        out[rows, t] = nxt
        go_on = nxt != eos_id
        if not go_on.any():
            break
        rows = rows[go_on]
        prefix = torch.cat([prefix, nxt[:, None]], dim=1)[go_on]
    return out[:, : t + 1]


@wrong(EX, "one_by_one", "decodes sentence by sentence with a batch of one: every one meets the first one's memory")
def single(decoder, batch_size, bos_id, eos_id, pad_id, max_len):
    rows = [greedy(decoder, 1, bos_id, eos_id, pad_id, max_len)[0] for _ in range(batch_size)]
    return torch.nn.utils.rnn.pad_sequence(rows, batch_first=True, padding_value=pad_id)


@wrong(EX, "first_row_for_all", "one prefix is fed, its token is used for the whole batch")
def broadcast(decoder, batch_size, bos_id, eos_id, pad_id, max_len):
    return loop(
        lambda d, ids: d(ids)[0, -1].argmax(-1).expand(ids.size(0)),
        decoder,
        batch_size,
        bos_id,
        eos_id,
        pad_id,
        max_len,
    )


@wrong(EX, "argmax_over_batch", "the logits are normalised over the batch before the argmax")
def batch_softmax(decoder, batch_size, bos_id, eos_id, pad_id, max_len):
    return loop(
        lambda d, ids: F.softmax(d(ids)[:, -1], dim=0).argmax(-1),
        decoder,
        batch_size,
        bos_id,
        eos_id,
        pad_id,
        max_len,
    )


@wrong(EX, "normalised_over_time", "a softmax over the positions before the argmax")
def time_softmax(decoder, batch_size, bos_id, eos_id, pad_id, max_len):
    return loop(
        lambda d, ids: F.softmax(d(ids), dim=1)[:, -1].argmax(-1),
        decoder,
        batch_size,
        bos_id,
        eos_id,
        pad_id,
        max_len,
    )


@wrong(EX, "sampled", "samples from the softmax")
def sampling(decoder, batch_size, bos_id, eos_id, pad_id, max_len):
    return loop(
        lambda d, ids: torch.multinomial(F.softmax(d(ids)[:, -1], dim=-1), 1)[:, 0],
        decoder,
        batch_size,
        bos_id,
        eos_id,
        pad_id,
        max_len,
    )


@wrong(EX, "argmin", "the least probable token")
def smallest(decoder, batch_size, bos_id, eos_id, pad_id, max_len):
    return loop(lambda d, ids: (-d(ids)[:, -1]).argmax(-1), decoder, batch_size, bos_id, eos_id, pad_id, max_len)


@wrong(EX, "last_word_unreachable", "the last id of the vocabulary is never chosen: [:, -1, :-1]")
def cut_vocabulary(decoder, batch_size, bos_id, eos_id, pad_id, max_len):
    return loop(lambda d, ids: d(ids)[:, -1, :-1].argmax(-1), decoder, batch_size, bos_id, eos_id, pad_id, max_len)


@wrong(EX, "rounded_probabilities", "probabilities are rounded to two digits before the argmax")
def rounded(decoder, batch_size, bos_id, eos_id, pad_id, max_len):
    return loop(
        lambda d, ids: (F.softmax(d(ids)[:, -1], dim=-1) * 100).round().argmax(-1),
        decoder,
        batch_size,
        bos_id,
        eos_id,
        pad_id,
        max_len,
    )


@wrong(EX, "exp_overflows", "exp(logits) divided by their sum: NaN for logits from about 89 on, and NaN wins")
def by_hand(decoder, batch_size, bos_id, eos_id, pad_id, max_len):
    def pick(d, ids):
        e = d(ids)[:, -1].float().exp()
        return (e / e.sum(-1, keepdim=True)).argmax(-1)

    return loop(pick, decoder, batch_size, bos_id, eos_id, pad_id, max_len)


@wrong(EX, "no_repeats", "the token before may not come again")
def no_repetition(decoder, batch_size, bos_id, eos_id, pad_id, max_len):
    def pick(d, ids):
        scores = d(ids)[:, -1].clone()
        return scores.scatter(1, ids[:, -1:], float("-inf")).argmax(-1)

    return loop(pick, decoder, batch_size, bos_id, eos_id, pad_id, max_len)


@wrong(EX, "logits_changed", "writes -inf at BOS into the tensor that the decoder returned")
def writes_logits(decoder, batch_size, bos_id, eos_id, pad_id, max_len):
    def pick(d, ids):
        logits = d(ids)
        with torch.no_grad():
            logits[:, -1, bos_id] = float("-inf")
        return logits[:, -1].argmax(-1)

    return loop(pick, decoder, batch_size, bos_id, eos_id, pad_id, max_len)
