"""The masks: True = may attend."""

import torch
from hypothesis import given
from hypothesis import strategies as st

from course_lib.masks import causal_mask, padding_mask


@given(st.integers(1, 12))
def test_causal_mask(n):
    mask = causal_mask(n)
    assert mask.dtype == torch.bool and mask.shape[-2:] == (n, n)
    for i in range(n):
        for j in range(n):
            assert mask.reshape(n, n)[i, j].item() == (j <= i)


@given(st.lists(st.lists(st.integers(0, 3), min_size=4, max_size=4), min_size=1, max_size=5), st.integers(0, 3))
def test_padding_mask(rows, pad_id):
    mask = padding_mask(torch.tensor(rows), pad_id)
    assert mask.dtype == torch.bool and mask.shape == (len(rows), 1, 1, 4)
    assert mask[:, 0, 0].tolist() == [[id_ != pad_id for id_ in row] for row in rows]


def test_together_they_forbid_what_either_forbids():
    ids = torch.tensor([[5, 6, 0], [5, 0, 0]])
    mask = causal_mask(3) & padding_mask(ids, 0)
    assert mask.shape == (2, 1, 3, 3)
    assert mask[0, 0].tolist() == [[True, False, False], [True, True, False], [True, True, False]]
    assert mask[1, 0].tolist() == [[True, False, False]] * 3
