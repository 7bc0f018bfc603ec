"""Translation, fast: the same searches as in `course_lib.decoding`, on the library's own layers.

What it does differently, besides the decoder: among all words, only blocks with a likely one are searched; finished
sentences are dropped; and several batches can be translated at a time, by one thread each.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TypeVar

import torch
from torch import Tensor

from course_lib.batching import pad
from course_lib.decoding import EXTRA_LENGTH, Beam, beam_search_batch
from course_lib.fast.decoder import BLOCK, FastDecoder
from course_lib.tokenizer import BOS_ID, EOS_ID, PAD_ID, Tokenizer
from course_lib.transformer import Transformer

Task = TypeVar("Task")
Result = TypeVar("Result")
FEWER_BY = 8  # finished sentences are dropped when they are an eighth of all


# --- the words that can be among the best ---


def likeliest(logits: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """The k largest of logits (n, whole blocks) and their places: they stand in the k blocks of largest maxima."""
    blocks = logits.unflatten(-1, (-1, BLOCK))
    best = blocks.amax(-1).topk(min(k, blocks.size(1))).indices  # (n, at most k)
    values, flat = blocks.gather(1, best[:, :, None].expand(-1, -1, BLOCK)).flatten(1).topk(k)
    return values, best.gather(1, flat // BLOCK) * BLOCK + flat % BLOCK


def extend(beam: Beam, logits: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """As `course_lib.decoding.extend`: of each hypothesis, only its own 2 k best words can be among the best of all."""
    n, k, _ = beam.ids.shape
    values, words = likeliest(logits.flatten(0, 1), 2 * k)  # (n k, 2 k)
    log_z = values[:, :1] - logits.flatten(0, 1).softmax(-1).amax(-1, keepdim=True).log()
    total = beam.scores[:, :, None] + (values - log_z).unflatten(0, (n, k))
    scores, flat = total.flatten(1).topk(2 * k)
    parents, tokens = flat // (2 * k), words.view(n, -1).gather(1, flat)
    prefixes = beam.ids.gather(1, parents[:, :, None].expand(-1, -1, beam.ids.size(-1)))
    return torch.cat([prefixes, tokens[:, :, None]], dim=-1), scores, parents


# --- searches ---


def greedy(decoder: FastDecoder, limits: Tensor) -> list[list[int]]:
    """`greedy_decode` for rows with limits of their own; what has ended is dropped now and then."""
    ids = torch.full((len(limits), 1), BOS_ID, device=limits.device)
    number = torch.arange(len(limits), device=limits.device)  # the sentence of each row
    done = torch.zeros_like(number, dtype=torch.bool)
    found: list[list[int]] = [[] for _ in limits]
    while True:
        words = likeliest(decoder(ids)[:, 0], 1)[1]
        ids = torch.cat([ids, words], dim=1)
        ends = ~done & ((words[:, 0] == EOS_ID) | (ids.size(1) > limits[number]))
        for row in ends.nonzero().flatten().tolist():
            found[int(number[row])] = ids[row, 1:].tolist()
        done |= ends
        if done.all():
            return found
        if int(done.sum()) * FEWER_BY >= len(done):
            rows = (~done).nonzero().flatten()
            decoder.select(rows)
            ids, number, done = ids[rows], number[rows], done[rows]


def search(model: Transformer, rows: Sequence[Sequence[int]], beam_size: int, alpha: float) -> list[list[int]]:
    """The translations of a batch, in ids."""
    with torch.inference_mode():
        src = pad(rows).to(model.embed.table.weight.device)
        limits = ((src != PAD_ID).sum(1) + EXTRA_LENGTH).clamp(max=model.config.max_len)
        decoder = FastDecoder(model, src)
        if beam_size == 1:
            return greedy(decoder, limits)
        return beam_search_batch(decoder, limits, beam_size, alpha, extend)


def translate(
    model: Transformer,
    tokenizer: Tokenizer,
    sentences: Sequence[str],
    beam_size: int = 4,
    alpha: float = 0.6,
    batch_size: int = 128,
    workers: int = 1,
) -> list[str]:
    """As `course_lib.decoding.translate`. Several `workers` are threads that translate a batch each, with one core."""
    model.eval()
    rows = [tokenizer.encode(sentence) + [EOS_ID] for sentence in sentences]
    order = sorted(range(len(rows)), key=lambda i: -len(rows[i]))
    blocks = [order[start : start + batch_size] for start in range(0, len(order), batch_size)]
    one = partial(search, model, beam_size=beam_size, alpha=alpha)
    found = run_all(one, [[rows[i] for i in block] for block in blocks], workers)
    by_number = {
        i: ids for block, lines in zip(blocks, found, strict=True) for i, ids in zip(block, lines, strict=True)
    }
    return [tokenizer.decode(by_number[i]) for i in range(len(rows))]


def run_all(work: Callable[[Task], Result], tasks: Sequence[Task], workers: int) -> list[Result]:
    """Each task by one of the workers; what torch does inside an operation is then done by one thread."""
    if workers == 1 or len(tasks) < 2:
        return [work(task) for task in tasks]
    threads = torch.get_num_threads()
    try:
        with ThreadPoolExecutor(workers, initializer=torch.set_num_threads, initargs=(1,)) as pool:
            return list(pool.map(work, tasks))
    finally:
        torch.set_num_threads(threads)
