"""pad_rows: right and wrong implementations."""

import torch
from torch.nn.utils.rnn import pad_sequence

from tests.implementations import right, wrong

EX = "pad_rows"


@right(EX, "full", "a full tensor that is written into")
def fill(rows, pad_id):
    out = torch.full((len(rows), max(len(r) for r in rows)), pad_id)
    for i, r in enumerate(rows):
        out[i, : len(r)] = torch.tensor(r, dtype=torch.long)
    return out


@right(EX, "pad_sequence", "torch's own")
def torchs(rows, pad_id):
    return pad_sequence([torch.tensor(r, dtype=torch.long) for r in rows], batch_first=True, padding_value=pad_id)


@right(EX, "zip_longest", "by columns")
def columns(rows, pad_id):
    from itertools import zip_longest

    return torch.tensor(list(zip_longest(*rows, fillvalue=pad_id))).T


@wrong(EX, "in_place", "the caller's lists grow")
def in_place(rows, pad_id):
    n = max(len(r) for r in rows)
    for r in rows:
        while len(r) < n:
            r.append(pad_id)
    return torch.tensor(rows)


@wrong(EX, "left", "padding before")
def left(rows, pad_id):
    n = max(len(r) for r in rows)
    return torch.tensor([[pad_id] * (n - len(r)) + list(r) for r in rows])


@wrong(EX, "time_first", "pad_sequence without batch_first")
def time_first(rows, pad_id):
    return pad_sequence([torch.tensor(r, dtype=torch.long) for r in rows], padding_value=pad_id)


@wrong(EX, "zeros", "pad_sequence without the id")
def zeros(rows, pad_id):
    return pad_sequence([torch.tensor(r, dtype=torch.long) for r in rows], batch_first=True)


@wrong(EX, "width", "at most 512 wide")
def width(rows, pad_id):
    out = torch.full((len(rows), min(512, max(len(r) for r in rows))), pad_id)
    for i, r in enumerate(rows):
        out[i, : len(r)] = torch.tensor(r[:512], dtype=torch.long)
    return out


@wrong(EX, "lists", "returns lists")
def lists(rows, pad_id):
    n = max(len(r) for r in rows)
    return [list(r) + [pad_id] * (n - len(r)) for r in rows]


@wrong(EX, "float_ids", "torch.zeros without a type")
def float_ids(rows, pad_id):
    out = torch.zeros(len(rows), max(len(r) for r in rows)) + pad_id
    for i, r in enumerate(rows):
        out[i, : len(r)] = torch.tensor(r)
    return out


@wrong(EX, "truncated", "cut to the shortest")
def truncated(rows, pad_id):
    n = min(len(r) for r in rows)
    return torch.tensor([r[:n] for r in rows])


@wrong(EX, "first_row", "as wide as the first row")
def first_row(rows, pad_id):
    n = len(rows[0])
    return torch.tensor([(list(r) + [pad_id] * n)[:n] for r in rows])
