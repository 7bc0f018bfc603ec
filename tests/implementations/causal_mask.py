"""causal_mask: right and wrong implementations."""

import numpy as np
import torch

from tests.implementations import right, wrong

EX = "causal_mask"


# ---------------------------------------------------------------- right


@right(EX, "tril", "the lower triangle of a boolean matrix of ones")
def causal(n):
    return torch.tril(torch.ones(n, n, dtype=torch.bool))


@right(EX, "not_triu", "what is not above the diagonal")
def look_back(size):
    return ~torch.triu(torch.ones((size, size), dtype=torch.bool), diagonal=1)


@right(EX, "subsequent_mask", "in the style of the Annotated Transformer: (1, n, n), triu == 0")
def subsequent_mask(size):
    attn_shape = (1, size, size)
    upper = torch.triu(torch.ones(attn_shape), diagonal=1).type(torch.uint8)
    return upper == 0


@right(EX, "arange", "row and column numbers compared")
def by_positions(n):
    i = torch.arange(n)
    return i[None, :] <= i[:, None]


@right(EX, "loop", "two loops over False")
def by_loop(n):
    m = torch.zeros(n, n, dtype=torch.bool)
    for row in range(n):
        for col in range(row + 1):
            m[row, col] = True
    return m


@right(EX, "list", "a list of lists, with axes for batch and heads: (1, 1, n, n)")
def by_list(n):
    rows = [[key <= query for key in range(n)] for query in range(n)]
    return torch.tensor(rows, dtype=torch.bool).reshape(1, 1, n, n)


@right(EX, "minus_inf", "the additive mask of nn.Transformer made by hand, then == 0")
def from_additive(n):
    additive = torch.full((n, n), float("-inf")).triu(1)
    return additive == 0


@right(EX, "cumsum", "the identity summed downwards")
def by_cumsum(n):
    return torch.eye(n).cumsum(dim=0).bool()


@right(EX, "numpy", "made by numpy, converted at the end")
def by_numpy(n):
    return torch.from_numpy(np.tri(n, dtype=bool))


@right(EX, "unfold", "a line of n True and n - 1 False, a window slid over it, upside down")
def by_window(n):
    line = torch.arange(2 * n - 1) < n
    return line.unfold(0, n, 1).flip(0)


@right(EX, "outer", "torch.ge of an outer broadcasting, not contiguous, one leading axis")
def by_outer(n):
    key, query = torch.meshgrid(torch.arange(n), torch.arange(n), indexing="ij")
    return torch.ge(query, key).t().unsqueeze(0)


@right(EX, "indices", "the indices of the lower triangle")
def by_indices(n):
    m = torch.full((n, n), False)
    rows, cols = torch.tril_indices(n, n)
    m[rows, cols] = True
    return m


# ---------------------------------------------------------------- wrong


@wrong(EX, "inverted", "True above the diagonal: where one may NOT attend")
def cm_a(n):
    return torch.triu(torch.ones(n, n, dtype=torch.bool), diagonal=1)


@wrong(EX, "strict", "j < i: a token does not see itself, the first row is empty")
def cm_b(n):
    return torch.tril(torch.ones(n, n, dtype=torch.bool), diagonal=-1)


@wrong(EX, "one_ahead", "j <= i + 1: the next token is visible")
def cm_c(n):
    return torch.tril(torch.ones(n, n, dtype=torch.bool), diagonal=1)


@wrong(EX, "transposed", "j >= i: the future and oneself")
def cm_d(n):
    return torch.ones(n, n, dtype=torch.bool).triu()


@wrong(EX, "arange_transposed", "the row and column numbers compared the wrong way round")
def cm_e(n):
    i = torch.arange(n)
    return i[:, None] <= i[None, :]


@wrong(EX, "float", "zeros and ones in float32, not boolean")
def cm_f(n):
    return torch.tril(torch.ones(n, n))


@wrong(EX, "long", "zeros and ones in int64, not boolean")
def cm_g(n):
    return torch.ones(n, n, dtype=torch.long).tril()


@wrong(EX, "uint8", "zeros and ones in uint8, as before torch had bool: ~1 is 254")
def cm_h(n):
    return torch.from_numpy(np.tril(np.ones((n, n))).astype("uint8"))


@wrong(EX, "additive", "0 and -inf, to be added to the scores")
def cm_i(n):
    return torch.full((n, n), float("-inf")).triu(diagonal=1)


@wrong(EX, "numpy_array", "a numpy array, not a tensor")
def cm_j(n):
    return np.tril(np.ones((n, n))).astype(bool)


@wrong(EX, "all_true", "everything may be seen")
def cm_k(n):
    return torch.ones(n, n).bool()


@wrong(EX, "diagonal", "a token sees only itself")
def cm_l(n):
    return torch.eye(n, dtype=torch.bool)


@wrong(EX, "first_row_patched", "strict, with only the first token allowed to see itself, so that no row is empty")
def cm_m(n):
    m = torch.ones(n, n, dtype=torch.bool).tril(-1)
    m[0, 0] = True
    return m


@wrong(EX, "window", "sees sixteen tokens back at most: right up to n = 16")
def cm_n(n):
    ones = torch.ones(n, n, dtype=torch.bool)
    return ones.tril() & ones.triu(-15)


@wrong(EX, "prefix", "the first two tokens are visible to everyone: the first sees the second")
def cm_o(n):
    m = torch.ones(n, n, dtype=torch.bool).tril()
    m[:, :2] = True
    return m


@wrong(EX, "first_column_hidden", "nobody but the first token sees the first one")
def cm_p(n):
    m = torch.ones(n, n, dtype=torch.bool).tril()
    m[1:, 0] = False
    return m


@wrong(EX, "last_row_missing", "a loop to n - 1: the last row stays False")
def cm_q(n):
    m = torch.zeros(n, n, dtype=torch.bool)
    for i in range(n - 1):
        m[i, : i + 1] = True
    return m


@wrong(EX, "one_too_large", "(n + 1, n + 1): room for BOS")
def cm_r(n):
    return torch.ones(n + 1, n + 1, dtype=torch.bool).tril()


@wrong(EX, "one_too_small", "(n - 1, n - 1)")
def cm_s(n):
    return torch.ones(n - 1, n - 1, dtype=torch.bool).tril()


@wrong(EX, "square_of_128", "cut from a mask of 128: longer ones are too small")
def cm_t(n):
    return torch.ones(128, 128, dtype=torch.bool).tril()[:n, :n]


_kept = []


@wrong(EX, "remembered", "the mask of the first call is given to all")
def cm_u(n):
    if not _kept:
        _kept.append(torch.ones(n, n, dtype=torch.bool).tril())
    return _kept[0]


@wrong(EX, "squeezed", "squeeze() at the end: no axes are left for n = 1")
def cm_v(n):
    return torch.ones(1, n, n, dtype=torch.bool).tril().squeeze()


@wrong(EX, "axes_last", "(n, n, 1): the last two axes are not (n, n)")
def cm_w(n):
    return torch.ones(n, n, dtype=torch.bool).tril().unsqueeze(-1)


@wrong(EX, "axis_between", "(n, 1, n): the last two axes are not (n, n)")
def cm_x(n):
    return torch.ones(n, n, dtype=torch.bool).tril()[:, None, :]


@wrong(EX, "upside_down", "the rows in reverse order: the first token sees all")
def cm_y(n):
    return torch.ones(n, n, dtype=torch.bool).tril().flip(0)


@wrong(EX, "mirrored", "the columns in reverse order: the triangle stands on the anti-diagonal")
def cm_z(n):
    return torch.ones(n, n, dtype=torch.bool).tril().flip(-1)


@wrong(EX, "int8_positions", "positions in eight bits: from position 128 on they are negative")
def cm_aa(n):
    i = torch.arange(n).to(torch.int8)
    return i.unsqueeze(0) <= i.unsqueeze(1)


@wrong(EX, "flat", "a vector of n * n entries")
def cm_ab(n):
    return torch.ones(n, n, dtype=torch.bool).tril().flatten()


@wrong(EX, "one_row", "the last row only, (1, n), as for one decoding step")
def cm_ac(n):
    return torch.ones(n, n, dtype=torch.bool).tril()[-1:]


@wrong(EX, "tril_of_zeros", "the triangle of a matrix of zeros: nothing may be seen")
def cm_ad(n):
    return torch.zeros(n, n, dtype=torch.bool).tril()
