def shift_right(target_ids, bos_id):
    shifted = target_ids.roll(1, dims=1)
    shifted[:, 0] = bos_id
    return shifted
