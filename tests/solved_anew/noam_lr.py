import math


def noam_lr(step, d_model, warmup):
    rising = step * warmup**-1.5
    falling = 1 / math.sqrt(step)
    return (rising if step < warmup else falling) / math.sqrt(d_model)
