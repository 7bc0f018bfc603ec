"""Beam search."""

import math
import random as python_random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property, partial
from typing import Any

import torch
from torch import Tensor, nn

from course_lib.decoding import beam_search
from course_lib.exercises.catalogue.toy_decoder import Logits, NextLogits, ToyDecoder, Tree, noise
from course_lib.exercises.common import errors
from course_lib.exercises.differences import differences
from course_lib.exercises.exercise import Card, Exercise, Mistake, Observation, Observations, Probe
from course_lib.exercises.trial import Answer, Trial

BOS, EOS = 1, 2  # as in the course; some probes have others

# --- decoders ---


@dataclass(frozen=True)
class Search:
    """A decoder of noise and the search through it.

    Right searches prune in different ways: what has ended may leave its place in the beam to another or not, ends may
    be taken from k candidates, from 2 k, or from all, and the search may stop early. The seeds that are used below were
    chosen so that all these ways find the same, even with every logit a little different: there are no ties.

    Args:
        spread: how far the logits are apart
        end: added to the logit of EOS
        never: ids of probability 0
        last: at this length every hypothesis ends, and none before
    """

    seed: int
    max_len: int
    beam_size: int
    alpha: float
    vocab: int = 6
    spread: float = 2.0
    end: float = 0.0
    bos: int = BOS
    eos: int = EOS
    offset: float = 0.0
    never: tuple[int, ...] = ()
    last: int = 0

    def next_logits(self, _: int, prefix: tuple[int, ...]) -> Logits:
        shift = self.offset + (0 if self.offset else noise(self.seed, (*prefix, -1), 1)[0])  # rows are not normalised
        logits = [self.spread * x + shift for x in noise(self.seed, prefix, self.vocab)]
        logits[self.eos] += self.end if not self.last else 60.0 if len(prefix) >= self.last else -60.0
        return [-math.inf if i in self.never else x for i, x in enumerate(logits)]

    def decoder(self, dtype: torch.dtype = torch.float32) -> ToyDecoder:
        return ToyDecoder(self.tree, dtype)

    @cached_property
    def tree(self) -> Tree:
        """One for all hypotheses: beam search decodes one sentence, whatever the number of rows."""
        return Tree(lambda row, prefix: self.next_logits(row, prefix))

    def __call__(self, trial: Trial, twice: bool = False, dtype: torch.dtype = torch.float32) -> Observation:
        how = (self.bos, self.eos, self.max_len, self.beam_size, self.alpha)
        return searches(trial, self.decoder(dtype), *how, twice=twice)


def table(after: Mapping[int, Mapping[int, float]], vocab: int) -> NextLogits:
    """Probabilities of the next token by the token before, as in the notebook; what is not named shares the rest."""

    def next_logits(_: int, prefix: tuple[int, ...]) -> Logits:
        named = after.get(prefix[-1], {})
        rest = (1 - sum(named.values())) / (vocab - len(named))
        return [math.log(named.get(token, rest)) for token in range(vocab)]

    return next_logits


# --- probes ---


def plain_ids(ids: Any) -> list[int]:
    """The ids as a list, in whatever form they came.

    Raises:
        Answer: they are none.
    """
    if isinstance(ids, Tensor) and ids.dim() != 1:
        raise Answer(f"The ids are a tensor of shape {tuple(ids.shape)}, where one axis is asked for.")
    found = ids.tolist() if hasattr(ids, "tolist") else list(ids) if isinstance(ids, list | tuple) else None
    if not isinstance(found, list):
        raise Answer(f"The ids are of type {type(ids).__name__}, where a list or a tensor is asked for.")
    numbers = [one.item() if hasattr(one, "item") and getattr(one, "ndim", 0) == 0 else one for one in found]
    if not all(isinstance(one, int) and not isinstance(one, bool) for one in numbers):
        kinds = sorted({type(one).__name__ for one in numbers})
        raise Answer(f"The ids are not whole numbers, but of type {', '.join(kinds)}.")
    return numbers


def plain_score(score: Any) -> float:
    """The score as a number, in whatever form it came."""
    if isinstance(score, list | tuple | str | bool | None) or (isinstance(score, Tensor) and score.numel() != 1):
        raise Answer(f"The score is of type {type(score).__name__}, where one number is asked for.")
    return float(score.detach()) if isinstance(score, Tensor) else float(score)


def taken_apart(answer: Any) -> tuple[list[int], float]:
    if not isinstance(answer, tuple | list) or len(answer) != 2:
        raise Answer(
            f"It returns something of type {type(answer).__name__}, where two things are asked for: (ids, score)."
        )
    ids, score = answer
    if _is_number(ids) and not _is_number(score):
        raise Answer("It returns (score, ids), where (ids, score) is asked for.")
    return plain_ids(ids), plain_score(score)


def _is_number(thing: Any) -> bool:
    return isinstance(thing, float | int) or (isinstance(thing, Tensor) and thing.dim() == 0)


def searches(
    trial: Trial,
    decoder: ToyDecoder,
    bos: int,
    eos: int,
    max_len: int,
    beam_size: int,
    alpha: float,
    twice: bool = False,
) -> Observation:
    run = trial.call if twice else trial.once
    ids, score = taken_apart(run(None, decoder, bos, eos, max_len, beam_size, alpha))
    return {**trial.seen(ids=ids, score=score, **decoder.noted(bos, max_len)), "_rows": decoder.most_rows}


def trap(trial: Trial) -> Observation:
    """The greedy choice is a trap. Once more after another search: nothing may be left of that."""
    after = {BOS: {3: 0.50, 4: 0.45}, 3: {EOS: 0.30, 5: 0.32, 3: 0.25}, 4: {EOS: 0.95}, 5: {EOS: 0.90}}
    easy = {BOS: {5: 0.97}, 5: {EOS: 0.98}}
    how = BOS, EOS, 4, 2, 0.6
    seen = searches(trial, ToyDecoder(table(after, 6)), *how)
    trial.once(None, ToyDecoder(table(easy, 6)), *how)
    again = searches(trial, ToyDecoder(table(after, 6)), *how)
    return seen if again == seen else {**seen, "answers differently the second time": True}


def double(trial: Trial) -> Observation:
    return DOUBLE(trial, dtype=torch.float64)


def twice(trial: Trial) -> Observation:
    return FOUR(trial, twice=True)


def module(trial: Trial) -> Observation:
    decoder = THREE.decoder()

    class Decoder(nn.Module):
        def forward(self, prefix: Tensor) -> Tensor:
            return decoder(prefix)

    ids, score = taken_apart(trial.once(None, Decoder(), BOS, EOS, THREE.max_len, THREE.beam_size, THREE.alpha))
    return trial.seen(ids=ids, score=score, **decoder.noted(BOS, THREE.max_len))


def chance(trial: Trial) -> Observation:
    """Whether it samples: a seed then decides."""
    found = []
    for seed in (1, 2, 3, 1, 2, 3):
        torch.default_generator.manual_seed(seed)
        python_random.seed(seed)
        how = BOS, EOS, FLAT.max_len, FLAT.beam_size, FLAT.alpha
        found.append(taken_apart(trial.once(None, FLAT.decoder(), *how)))
    differ = any(one != found[0] for one in found[:3])
    return {**trial.seen(chance_decides=differ), "_seed decides": differ and found[:3] == found[3:]}


def with_graph(trial: Trial) -> Observation:
    decoder = TWO.decoder()
    how = BOS, EOS, TWO.max_len, TWO.beam_size, TWO.alpha
    ids, score = taken_apart(trial.once(None, lambda prefix: decoder(prefix).requires_grad_(), *how))
    return trial.seen(ids=ids, score=score)


def kept_logits(trial: Trial) -> Observation:
    """A decoder that needs the tensors that it gave away."""
    decoder = TWO.decoder()
    given: list[tuple[Tensor, int]] = []

    def lends(prefix: Tensor) -> Tensor:
        logits = decoder(prefix)
        given.append((logits, logits._version))
        return logits

    trial.once(None, lends, BOS, EOS, TWO.max_len, TWO.beam_size, TWO.alpha)
    return trial.seen(changes_the_logits=any(logits._version != version for logits, version in given))


TWO = Search(668, 5, 2, 0.6, vocab=5, end=-1.0)
THREE = Search(243, 5, 3, 1.0, vocab=5, spread=3.0)
FOUR = Search(71, 6, 4, 0.6, spread=3.0)
DOUBLE = Search(937, 4, 2, 1.0)
FLAT = Search(5, 4, 2, 0.6, vocab=9, spread=0.4)  # nothing but chance is judged with it
LIMIT = 37  # so long that a product of probabilities is 0 in single precision

PROBES = [
    Probe(name, run, says, given, robust, atol=1e-4, rtol=1e-5)
    for name, run, says, given, robust in (
        (
            "trap",
            trap,
            "The best sentence is not found, or its score is not right.",
            "the notebook's decoder (after BOS 3 is likelier than 4, but only after 4 a good end follows), "
            "beam_size 2, alpha 0.6",
            False,
        ),
        ("two", TWO, "With a beam of 2 the result is not right.", "beam_size 2, alpha 0.6, EOS 2", False),
        (
            "all",
            Search(860, 3, 40, 0.6, vocab=4, spread=1.5),
            "With a beam so wide that nothing is lost, the best is not found, or its score is not right.",
            "4 ids (EOS 2), max_len 3, beam_size 40, alpha 0.6",
            False,
        ),
        (
            "alpha 1",
            Search(41, 3, 40, 1.0, vocab=4, spread=1.0, end=-1.0),
            "With alpha 1 the result is not right.",
            "4 ids (EOS 2), max_len 3, beam_size 40, alpha 1",
            False,
        ),
        (
            "alpha 0",
            Search(86, 3, 40, 0.0, vocab=4, spread=1.5, end=-1.0),
            "With alpha 0 the score is not log P.",
            "4 ids (EOS 2), max_len 3, beam_size 40, alpha 0",
            False,
        ),
        (
            "long wins",
            Search(756, 6, 2, 1.0, vocab=5, spread=3.0),
            "A long sentence does not win where it should.",
            "beam_size 2, alpha 1, max_len 6",
            False,
        ),
        (
            "one",
            Search(947, 6, 1, 1.0, vocab=5),
            "With a beam of 1 the result is not right.",
            "beam_size 1, alpha 1",
            False,
        ),
        (
            "endless",
            Search(224, 4, 2, 0.6, spread=1.5, never=(EOS,)),
            "Where nothing ends within max_len, the best unfinished hypothesis is not returned with its score.",
            "a decoder that never says EOS, max_len 4",
            False,
        ),
        ("one step", Search(24, 1, 3, 0.6), "With max_len 1 the result is not right.", "max_len 1", False),
        (
            "at once",
            Search(732, 5, 2, 0.6, spread=3.0, end=-1.0),
            "EOS alone should win here.",
            "a decoder that prefers EOS at once",
            False,
        ),
        (
            "other ids",
            Search(607, 5, 3, 0.6, vocab=7, bos=4, eos=0),
            "With other ids of BOS and EOS the result is not right.",
            "BOS 4, EOS 0",
            False,
        ),
        (
            "last id",
            Search(748, 5, 2, 1.0, vocab=5, end=-1.0, bos=0, eos=4),
            "With other ids of BOS and EOS the result is not right.",
            "BOS 0, EOS 4",
            False,
        ),
        (
            "endless, other ids",
            Search(621, 4, 3, 1.0, vocab=9, spread=1.5, bos=5, eos=0, never=(0,)),
            "Where nothing ends, the result is not right with other ids.",
            "BOS 5, EOS 0 that is never said",
            False,
        ),
        (
            "three",
            module,
            "With an nn.Module as decoder the result is not right.",
            "an nn.Module, beam_size 3, alpha 1",
            False,
        ),
        ("four", twice, "With a beam of 4 the result is not right.", "beam_size 4, alpha 0.6", False),
        (
            "late winner",
            Search(166, 6, 2, 1.0, vocab=5),
            "The search stops although a hypothesis that goes on can still win.",
            "beam_size 2, alpha 1",
            False,
        ),
        (
            "narrow beam",
            Search(64, 5, 2, 0.6, end=-1.0),
            "The beam is not as wide as it should be, or unfinished hypotheses are returned.",
            "beam_size 2, alpha 0.6, max_len 5",
            False,
        ),
        (
            "many ends",
            Search(353, 6, 2, 1.0, end=1.0),
            "Where many hypotheses end, not the one with the best score wins.",
            "beam_size 2, alpha 1",
            False,
        ),
        (
            "BOS said",
            Search(685, 5, 3, 0.6, vocab=5, end=-1.0),
            "A sentence in which the decoder says BOS is not right: to this function it is a token like others.",
            "a decoder that may say BOS",
            False,
        ),
        (
            "forbidden words",
            Search(828, 5, 3, 0.6, vocab=7, never=(0, 1)),
            "Where some logits are minus infinity, the result is not right.",
            "logits of minus infinity for 0 and 1",
            False,
        ),
        (
            "rare end",
            Search(970, 2, 40, 0.6, vocab=4, spread=1.0, end=-6.0),
            "Where EOS is improbable, the score is not right.",
            "a decoder to which EOS has a probability of about 0.0003",
            False,
        ),
        (
            "large",
            Search(455, 4, 3, 0.6, spread=3.0, offset=150.0),
            "With larger logits the result is not right: an exponential overflows.",
            "logits of about 150",
            False,
        ),
        (
            "long",
            Search(5, LIMIT, 1, 1.0, vocab=32, spread=0.2, last=LIMIT),
            "With a long sentence the result is not right: add up logarithms, the product of probabilities becomes 0.",
            "a sentence of 37 tokens of 32 ids",
            False,
        ),
        ("float64", double, "With logits in double precision the result is not right.", "float64 logits", False),
        (
            "chance",
            chance,
            "The result is another one in every run: chance plays a part.",
            "the same decoder, several times",
            False,
        ),
        (
            "graph",
            with_graph,
            "logits that carry a graph (no torch.no_grad around it) give something else",
            "logits that require a gradient",
            True,
        ),
        (
            "kept logits",
            kept_logits,
            "it writes into the tensor that the decoder returned, which may need it",
            "",
            True,
        ),
    )
]

# --- the known mistakes ---

Hypothesis = tuple[tuple[int, ...], float]  # ids without BOS, log-probability
Rows = list[list[float]]
Score = Callable[[int, float, float, int, bool], float]  # of length, log P, alpha, max_len, whether it ended


def log_softmax(row: Sequence[float]) -> list[float]:
    top = max(row)
    total = top + math.log(sum(math.exp(x - top) for x in row))
    return [x - total for x in row]


def normalised(n: int, log_p: float, alpha: float, max_len: int = 0, ended: bool = True) -> float:
    return log_p / ((5 + n) / 6) ** alpha


def read_last(decoder: Callable[[Tensor], Tensor], prefixes: list[list[int]], max_len: int) -> Rows:
    return decoder(torch.tensor(prefixes))[:, -1].tolist()


def log_rows(rows: Rows) -> Rows:
    return [log_softmax(row) for row in rows]


def grow(live: Sequence[Hypothesis], rows: Rows) -> list[Hypothesis]:
    return [
        ((*ids, token), log_p + step)
        for (ids, log_p), row in zip(live, rows, strict=True)
        for token, step in enumerate(row)
        if step > -math.inf
    ]


def best_first(grown: list[Hypothesis]) -> list[Hypothesis]:
    return sorted(grown, key=lambda one: -one[1])


Prune = Callable[[list[Hypothesis], int, int], list[Hypothesis]]  # candidates, beam_size, length
Stop = Callable[[list[Hypothesis], list[Hypothesis], int, int, float], bool]  # ended, live, length, beam_size, alpha


def k_best(grown: list[Hypothesis], k: int, n: int) -> list[Hypothesis]:
    return best_first(grown)[:k]


def never(*_: Any) -> bool:
    return False


def variant(  # type: ignore[no-untyped-def]
    decoder,
    bos_id,
    eos_id,
    max_len,
    beam_size,
    alpha,
    score: Score = normalised,
    read: Callable[[Callable[[Tensor], Tensor], list[list[int]], int], Rows] = read_last,
    to_steps: Callable[[Rows], Rows] = log_rows,
    step: Callable[[Rows, int, int, int], Rows] = lambda rows, n, eos_id, max_len: rows,
    prune: Prune = k_best,
    stop: Stop = never,
    always_k: bool = False,
    choose: Callable[[list[tuple[float, Hypothesis]]], tuple[float, Hypothesis]] = lambda pool: max(
        pool, key=lambda one: one[0]
    ),
    compete: bool = False,
):
    """A search in plain Python (it is quick for so small decoders), with a part of it exchanged.

    Args:
        read: logits of the next token of each prefix
        to_steps: what is added up, from the logits
        step: changes it for the length n
        prune: keeps k candidates
        always_k: candidates that end leave their places to others
        choose: of all that ended
        compete: unfinished ones take part
    """
    live: list[Hypothesis] = [((), 0.0)]
    ended: list[Hypothesis] = []
    n = 0
    for n in range(1, max_len + 1):
        rows = to_steps(read(decoder, [[bos_id, *ids] for ids, _ in live], max_len))
        grown = grow(live, step(rows, n, eos_id, max_len))
        kept = prune(grown, beam_size, n)
        ended += [one for one in kept if one[0][-1] == eos_id]
        live = [
            one
            for one in (prune([one for one in grown if one[0][-1] != eos_id], beam_size, n) if always_k else kept)
            if one[0][-1] != eos_id
        ]
        if not live or stop(ended, live, n, beam_size, alpha):
            break
    return answer(ended, live, alpha, max_len, score, choose, compete)


def best_by_score(pool: list[tuple[float, Hypothesis]]) -> tuple[float, Hypothesis]:
    return max(pool, key=lambda one: one[0])


def answer(
    ended: Sequence[Hypothesis],
    live: Sequence[Hypothesis],
    alpha: float,
    max_len: int,
    score: Score = normalised,
    choose: Callable[[list[tuple[float, Hypothesis]]], tuple[float, Hypothesis]] = best_by_score,
    compete: bool = False,
) -> tuple[list[int], float]:
    """Of all that ended the best; without any, of the live ones."""
    pool = [(score(len(one[0]), one[1], alpha, max_len, True), one) for one in ended]
    if compete or not ended:
        pool += [(score(len(one[0]), one[1], alpha, max_len, False), one) for one in live]
    if not pool:
        return [], -math.inf
    value, best = choose(pool)
    return list(best[0]), value


def scored(score: Callable[[int, float, float], float]) -> Callable[..., Any]:
    """Another score, of the length, log P and alpha."""
    return partial(variant, score=lambda n, log_p, alpha, max_len, ended: score(n, log_p, alpha))


def afterwards(change: Callable[[list[int], float, int, int], Any]) -> Callable[..., Any]:
    """The right result is changed: of ids, score, BOS and EOS."""

    def search(decoder, bos_id, eos_id, max_len, beam_size, alpha):  # type: ignore[no-untyped-def]
        ids, score = variant(decoder, bos_id, eos_id, max_len, beam_size, alpha)
        return change(ids, score, bos_id, eos_id)

    return search


def called_with(
    change: Callable[[int, int, int, int, float], tuple[int, int, int, int, float]], **options: Any
) -> Callable[..., Any]:
    """Other arguments than those given."""

    def search(decoder, bos_id, eos_id, max_len, beam_size, alpha):  # type: ignore[no-untyped-def]
        return variant(decoder, *change(bos_id, eos_id, max_len, beam_size, alpha), **options)

    return search


greedy = called_with(lambda bos, eos, n, k, alpha: (bos, eos, n, 1, alpha))


def chosen_by_log_p(pool: list[tuple[float, Hypothesis]]) -> tuple[float, Hypothesis]:
    return max(pool, key=lambda one: one[1][1])


def k_chosen_by_log_p(decoder, bos_id, eos_id, max_len, beam_size, alpha):  # type: ignore[no-untyped-def]
    def choose(pool: list[tuple[float, Hypothesis]]) -> tuple[float, Hypothesis]:
        return max(sorted(pool, key=lambda one: -one[1][1])[:beam_size], key=lambda one: one[0])

    return variant(decoder, bos_id, eos_id, max_len, beam_size, alpha, choose=choose)


def afterwards_score(change: Callable[[float, int, float], float]) -> Callable[..., Any]:
    """The right result with another score: of the score, the length and alpha."""

    def search(decoder, bos_id, eos_id, max_len, beam_size, alpha):  # type: ignore[no-untyped-def]
        ids, score = variant(decoder, bos_id, eos_id, max_len, beam_size, alpha)
        return ids, change(score, len(ids), alpha)

    return search


def ended_only(decoder, bos_id, eos_id, max_len, beam_size, alpha):  # type: ignore[no-untyped-def]
    ids, score = variant(decoder, bos_id, eos_id, max_len, beam_size, alpha)
    return (ids, score) if ids[-1] == eos_id else ([], -math.inf)


def last_beam(decoder, bos_id, eos_id, max_len, beam_size, alpha):  # type: ignore[no-untyped-def]
    """Only what is in the beam of the last step counts."""

    def choose(pool: list[tuple[float, Hypothesis]]) -> tuple[float, Hypothesis]:
        longest = max(len(one[1][0]) for one in pool)
        return max((one for one in pool if len(one[1][0]) == longest), key=lambda one: one[1][1])

    return variant(decoder, bos_id, eos_id, max_len, beam_size, alpha, choose=choose, compete=True)


def probabilities(rows: Rows) -> Rows:
    return [[math.exp(x) for x in log_softmax(row)] for row in rows]


def over_the_beam(decoder, bos_id, eos_id, max_len, beam_size, alpha):  # type: ignore[no-untyped-def]
    """k rows, of which all but the first begin with a score that is very low."""
    prefixes, sums = torch.full((beam_size, 1), bos_id), torch.zeros(beam_size, dtype=torch.float64)
    sums[1:] = -1e9
    ended: list[Hypothesis] = []
    for _ in range(max_len):
        total = sums[:, None] + decoder(prefixes)[:, -1].double().log_softmax(0)
        vocab = total.size(1)
        sums, index = total.flatten().topk(min(beam_size, total.numel()))
        prefixes = torch.cat([prefixes[index // vocab], (index % vocab)[:, None]], dim=1)
        over = prefixes[:, -1] == eos_id
        ended += [
            (tuple(ids[1:]), s)
            for ids, s in zip(prefixes[over].tolist(), sums[over].tolist(), strict=True)
            if s > -math.inf
        ]
        prefixes, sums = prefixes[~over], sums[~over]
        if len(sums) == 0:
            break
    live = [(tuple(ids[1:]), s) for ids, s in zip(prefixes.tolist(), sums.tolist(), strict=True)]
    return answer(ended, live, alpha, max_len)


def clamped(rows: Rows) -> Rows:
    return [[math.log(math.exp(x) + 1e-6) for x in log_softmax(row)] for row in rows]


def greedy_apart(decoder, bos_id, eos_id, max_len, beam_size, alpha):  # type: ignore[no-untyped-def]
    """The k best first tokens, each continued greedily."""

    def prune(grown: list[Hypothesis], k: int, n: int) -> list[Hypothesis]:
        if n == 1:
            return k_best(grown, k, n)
        parents = dict.fromkeys(ids[:-1] for ids, _ in grown)
        return [max((one for one in grown if one[0][:-1] == ids), key=lambda one: one[1]) for ids in parents]

    return variant(decoder, bos_id, eos_id, max_len, beam_size, alpha, prune=prune)


def greedy_first(grown: list[Hypothesis], k: int, n: int) -> list[Hypothesis]:
    return best_first(grown)[: 1 if n == 1 else k]


def best_of_a_word(grown: list[Hypothesis], k: int, n: int) -> list[Hypothesis]:
    by_word: dict[int, Hypothesis] = {}
    for one in best_first(grown):
        by_word.setdefault(one[0][-1], one)
    return list(by_word.values())[:k]


def worst_kept(grown: list[Hypothesis], k: int, n: int) -> list[Hypothesis]:
    return best_first(grown)[::-1][:k]


def wrong_parents(decoder, bos_id, eos_id, max_len, beam_size, alpha, parent=lambda i, beams, vocab: i % beams):  # type: ignore[no-untyped-def]
    live: list[Hypothesis] = [((), 0.0)]
    ended: list[Hypothesis] = []
    for _ in range(max_len):
        rows = log_rows(read_last(decoder, [[bos_id, *ids] for ids, _ in live], max_len))
        vocab = len(rows[0])
        flat = [
            (log_p + step, i * vocab + token)
            for i, ((_, log_p), row) in enumerate(zip(live, rows, strict=True))
            for token, step in enumerate(row)
        ]
        top = sorted(flat, reverse=True)[:beam_size]
        live = [
            ((*live[parent(rank if parent is stays else i, len(live), vocab)][0], i % vocab), total)
            for rank, (total, i) in enumerate(top)
            if total > -math.inf
        ]
        ended += [one for one in live if one[0][-1] == eos_id]
        live = [one for one in live if one[0][-1] != eos_id]
        if not live:
            break
    return answer(ended, live, alpha, max_len)


def stays(rank: int, beams: int, vocab: int) -> int:
    return min(rank, beams - 1)


def penalised_sums(decoder, bos_id, eos_id, max_len, beam_size, alpha):  # type: ignore[no-untyped-def]
    def prune(grown: list[Hypothesis], k: int, n: int) -> list[Hypothesis]:
        return k_best([(ids, normalised(n, total, alpha)) for ids, total in grown], k, n)

    return variant(
        decoder,
        bos_id,
        eos_id,
        max_len,
        beam_size,
        alpha,
        score=lambda n, total, *_: total,
        prune=prune,
    )


def goes_on(decoder, bos_id, eos_id, max_len, beam_size, alpha):  # type: ignore[no-untyped-def]
    """What has ended is extended like all others; cut at the first EOS when all is over."""
    ids_of = lambda ids: ids[: ids.index(eos_id) + 1] if eos_id in ids else ids  # noqa: E731
    live: list[Hypothesis] = [((), 0.0)]
    for n in range(1, max_len + 1):
        live = k_best(
            grow(live, log_rows(read_last(decoder, [[bos_id, *ids] for ids, _ in live], max_len))), beam_size, n
        )
    cut = [(ids_of(ids), log_p) for ids, log_p in live]
    best = max(cut, key=lambda one: normalised(len(one[0]), one[1], alpha))
    return list(best[0]), normalised(len(best[0]), best[1], alpha)


def end_for_nothing(decoder, bos_id, eos_id, max_len, beam_size, alpha):  # type: ignore[no-untyped-def]
    """The log-probability of EOS is not added to what it ends."""
    live: list[Hypothesis] = [((), 0.0)]
    ended: list[Hypothesis] = []
    for n in range(1, max_len + 1):
        grown = grow(live, log_rows(read_last(decoder, [[bos_id, *ids] for ids, _ in live], max_len)))
        before = dict(live)
        kept = k_best(grown, beam_size, n)
        ended += [(ids, before[ids[:-1]]) for ids, _ in kept if ids[-1] == eos_id]
        live = [one for one in kept if one[0][-1] != eos_id]
        if not live:
            break
    return answer(ended, live, alpha, max_len)


def last_end_unseen(decoder, bos_id, eos_id, max_len, beam_size, alpha):  # type: ignore[no-untyped-def]
    """EOS is noticed when the next step begins."""
    live: list[Hypothesis] = [((), 0.0)]
    ended: list[Hypothesis] = []
    for n in range(1, max_len + 1):
        ended += [one for one in live if one[0] and one[0][-1] == eos_id]
        live = [one for one in live if not one[0] or one[0][-1] != eos_id]
        if not live:
            break
        live = k_best(
            grow(live, log_rows(read_last(decoder, [[bos_id, *ids] for ids, _ in live], max_len))), beam_size, n
        )
    return answer(ended, live, alpha, max_len)


def seen_twice_forbidden(decoder, bos_id, eos_id, max_len, beam_size, alpha):  # type: ignore[no-untyped-def]
    def prune(grown: list[Hypothesis], k: int, n: int) -> list[Hypothesis]:
        return k_best([one for one in grown if one[0][-1] not in (bos_id, *one[0][:-1])], k, n)

    return variant(decoder, bos_id, eos_id, max_len, beam_size, alpha, prune=prune)


def at_step(condition: Callable[[int, int], bool], permitted: Callable[[int, int], bool]) -> Callable[..., Any]:
    """At the lengths (n, max_len) only tokens (token, eos_id) that are permitted."""

    def step(rows: Rows, n: int, eos_id: int, max_len: int) -> Rows:
        if not condition(n, max_len):
            return rows
        return [[x if permitted(token, eos_id) else -math.inf for token, x in enumerate(row)] for row in rows]

    return partial(variant, step=step)


def without_bos(decoder, bos_id, eos_id, max_len, beam_size, alpha, renormalise=True):  # type: ignore[no-untyped-def]
    def strike(rows: Rows) -> Rows:
        return [[-math.inf if token == bos_id else x for token, x in enumerate(row)] for row in rows]

    to_steps = (lambda rows: log_rows(strike(rows))) if renormalise else (lambda rows: strike(log_rows(rows)))
    return variant(decoder, bos_id, eos_id, max_len, beam_size, alpha, to_steps=to_steps)


def reading(
    position: Callable[[int], int], part: Callable[[list[int], int], list[int]] = lambda ids, max_len: ids
) -> Callable[..., Any]:
    """Logits of another position, or of another part of the prefix."""

    def read(decoder: Callable[[Tensor], Tensor], prefixes: list[list[int]], max_len: int) -> Rows:
        return decoder(torch.tensor([part(ids, max_len) for ids in prefixes]))[:, position(len(prefixes[0]))].tolist()

    return partial(variant, read=read)


def temperature(divisor: float) -> Callable[..., Any]:
    return partial(variant, to_steps=lambda rows: log_rows([[x / divisor for x in row] for row in rows]))


def stopping(stop: Stop, always_k: bool = True) -> Callable[..., Any]:
    return partial(variant, stop=stop, always_k=always_k)


def best_score(ended: list[Hypothesis], alpha: float) -> float:
    return max((normalised(len(ids), log_p, alpha) for ids, log_p in ended), default=-math.inf)


def any_ended(ended: list[Hypothesis], live: list[Hypothesis], n: int, k: int, alpha: float) -> bool:
    return bool(ended)


def k_ended(ended: list[Hypothesis], live: list[Hypothesis], n: int, k: int, alpha: float) -> bool:
    return len(ended) >= k


def top_ended(ended: list[Hypothesis], live: list[Hypothesis], n: int, k: int, alpha: float) -> bool:
    return any(len(ids) == n and log_p >= live[0][1] for ids, log_p in ended)


def short_bound(ended: list[Hypothesis], live: list[Hypothesis], n: int, k: int, alpha: float) -> bool:
    return best_score(ended, alpha) >= normalised(n, live[0][1], alpha)


def mixed_bound(ended: list[Hypothesis], live: list[Hypothesis], n: int, k: int, alpha: float) -> bool:
    return best_score(ended, alpha) >= live[0][1]


def log_p_bound(ended: list[Hypothesis], live: list[Hypothesis], n: int, k: int, alpha: float) -> bool:
    return max((log_p for _, log_p in ended), default=-math.inf) >= live[0][1]


# --- signs ---


def kind_of(one: Observation) -> str:
    return str(one.get("error", ""))


def says_error(kind: str, part: str) -> Callable[[Observations], bool]:
    return lambda seen: any(kind in kind_of(one) and part in str(one.get("_text")) for one in errors(seen))


def chance_plays(seen: Observations) -> bool:
    return bool(seen["chance"]["_seed decides"])


def nothing_finite(name: str) -> Callable[[Observations], bool]:
    """Only in this probe there is no number, or an error because of it."""

    def sign(seen: Observations) -> bool:
        if "error" not in seen[name] and math.isfinite(seen[name]["score"]):  # type: ignore[arg-type]
            return False
        return ("error" not in seen[name] or fails(seen, name)) and right(seen, "two", "four", "other ids")

    return sign


@cache
def shown_by(make: Callable[..., Any], name: str) -> Observation:
    return next(probe for probe in PROBES if probe.name == name).run(Trial(make))


def right(seen: Observations, *names: str, make: Callable[..., Any] = beam_search) -> bool:
    """In these probes it shows what the reference shows, or what `make` does."""
    some = [probe for probe in PROBES if probe.name in names]
    return not any(differences(probe, seen[probe.name], shown_by(make, probe.name)) for probe in some)


def fails(seen: Observations, *names: str) -> bool:
    """The code itself raises in all of these."""
    not_its_own = ("", "Answer", "missing", "time", "died", "forbidden", "ReturnsNothing", "NotImplementedError")
    return all(kind_of(seen[name]) not in not_its_own for name in names)


def fails_without_ends(seen: Observations) -> bool:
    return fails(seen, "endless", "endless, other ids") and right(seen, "long wins")


def fails_for_one(seen: Observations) -> bool:
    return fails(seen, "one") and right(seen, "late winner", "four")


def no_probability(seen: Observations) -> bool:
    """Where nothing ends, something is returned whose probability is 0."""
    endless = [seen[name] for name in ("endless", "endless, other ids")]
    return all(bool(one["score"] == -math.inf and one["ids"]) for one in endless) and right(seen, "two", "long wins")


def equal_copies(seen: Observations) -> bool:
    """What greedy decoding finds, with several rows."""
    return bool(seen["two"].get("_rows") == 2) and right(seen, "trap", "two", "three", make=greedy)


def given_floats(seen: Observations) -> bool:
    return any(one.get("the decoder was given whole numbers") is False for one in seen.values())


def end_added(ids: list[int], score: float, bos: int, eos: int) -> Any:
    return (ids if ids[-1:] == [eos] else [*ids, eos]), score


def simply(n: int, log_p: float, alpha: float) -> float:
    return log_p


MISTAKES = (
    Mistake(
        "sampled",
        "Candidates are drawn by chance. Beam search keeps the k best by log-probability, and finds the same in "
        "every run.",
        seen=chance_plays,
    ),
    Mistake(
        "beam_wider_than_vocabulary",
        "topk is asked for more than there is: in the first step there are only V candidates, and a row has "
        "never more. Take `min(k, number of candidates)`.",
        seen=says_error("RuntimeError", "out of range"),
    ),
    Mistake(
        "decoder_called_without_a_batch",
        "The decoder is given something else than ids (n, t). A single prefix is a batch of one: "
        "`torch.tensor([ids])`.",
        seen=says_error("", "the decoder takes"),
    ),
    Mistake(
        "decoder_given_floats",
        "The decoder is given floating point numbers: the prefix was made without dtype=torch.long. An embedding "
        "looks up whole "
        "numbers.",
        seen=given_floats,
    ),
    Mistake(
        "score_first",
        "The score comes first and the ids second; the contract is (ids, score).",
        seen=says_error("Answer", "It returns (score, ids)"),
    ),
    Mistake(
        "one_thing_returned",
        "One thing is returned, or more than two. Asked for are the ids and the score of the best hypothesis: "
        "`return ids, score`.",
        seen=says_error("Answer", "where two things"),
    ),
    Mistake(
        "batch_axis_kept",
        "The ids are returned with an axis too many, as a batch of one sentence. Asked for are the ids themselves: "
        "(T,).",
        seen=says_error("Answer", "where one axis"),
    ),
    Mistake(
        "several_hypotheses_returned",
        "All hypotheses come back. Asked for is the best one alone.",
        seen=lambda seen: says_error("Answer", "of type list")(seen) or says_error("Answer", "of type tuple")(seen),
    ),
    Mistake(
        "floating_ids",
        "The ids are floating point numbers. They stand for entries of the vocabulary: whole numbers.",
        seen=says_error("Answer", "but of type float"),
    ),
    Mistake(
        "product_underflows",
        "Probabilities are multiplied: for a long sentence the product is 0 in single precision, and its logarithm "
        "is lost. Add up "
        "log-probabilities.",
        seen=nothing_finite("long"),
    ),
    Mistake(
        "exponential_overflows",
        "The exponential is taken as it stands: exp(89) is infinite in float32. Leave it to log_softmax.",
        seen=nothing_finite("large"),
    ),
    Mistake(
        "fails_where_nothing_ended",
        "Where no hypothesis has ended within max_len it raises: the list of those that ended is empty. Then the "
        "unfinished ones "
        "compete, by the same formula.",
        seen=fails_without_ends,
    ),
    Mistake(
        "only_for_wider_beams",
        "It fails with a beam of 1. Usually a `squeeze()` has taken the axis of the beam away: name the axis that "
        "is meant.",
        seen=fails_for_one,
    ),
    Mistake(
        "no_length_penalty",
        "alpha is not used: chosen and returned is log P. Each further token makes log P smaller, so short "
        "sentences win.",
        scored(simply),
    ),
    Mistake(
        "chosen_by_log_p",
        "The score that is returned is normalised, but the choice was made by log P. The normalised score should "
        "decide.",
        partial(variant, choose=chosen_by_log_p),
    ),
    Mistake(
        "log_p_returned",
        "The choice is right, but log P is returned in place of the score: divide it by the penalty.",
        afterwards_score(lambda score, n, alpha: score * ((5 + n) / 6) ** alpha),
    ),
    Mistake(
        "length_to_alpha",
        "log P is divided by len^alpha. Here it is divided by ((5 + len) / 6)^alpha, which is gentler to short "
        "sentences.",
        scored(lambda n, log_p, alpha: log_p / n**alpha),
        convention=True,
        source="Hugging Face's generate and fairseq",
    ),
    Mistake(
        "mean_log_p",
        "log P is divided by the length, whatever alpha is. Here it is divided by ((5 + len) / 6)^alpha.",
        scored(lambda n, log_p, alpha: log_p / n),
        convention=True,
        source="fairseq with its defaults",
    ),
    Mistake(
        "bos_counted",
        "len counts BOS. It counts what was said: the words and EOS.",
        scored(lambda n, log_p, alpha: normalised(n + 1, log_p, alpha)),
    ),
    Mistake(
        "eos_not_counted",
        "len does not count EOS. It counts what was said: the words and EOS.",
        partial(variant, score=lambda n, log_p, alpha, max_len, ended: normalised(n - ended, log_p, alpha)),
    ),
    Mistake(
        "last_token_not_counted",
        "len is one too small: it counts neither BOS nor the last token. It counts all that was said, EOS included.",
        scored(lambda n, log_p, alpha: normalised(n - 1, log_p, alpha)),
    ),
    Mistake(
        "six_outside_the_power",
        "The 6 is not raised to alpha: ((5 + len) / 6)^alpha is the power of the whole fraction. The choice is the "
        "same, the score "
        "is not.",
        scored(lambda n, log_p, alpha: log_p / ((5 + n) ** alpha / 6)),
    ),
    Mistake(
        "only_six_to_alpha",
        "Only the 6 is raised to alpha: `(5 + n) / 6**alpha`. A power binds more tightly than a division; put the "
        "fraction in brackets.",
        scored(lambda n, log_p, alpha: log_p / ((5 + n) / 6**alpha)),
    ),
    Mistake(
        "brackets_forgotten",
        "5 + len / 6 is not (5 + len) / 6: a division binds more tightly than a sum.",
        scored(lambda n, log_p, alpha: log_p / (5 + n / 6) ** alpha),
    ),
    Mistake(
        "six_left_out",
        "log P is divided by (5 + len)^alpha: the 6 is missing.",
        scored(lambda n, log_p, alpha: log_p / (5 + n) ** alpha),
    ),
    Mistake(
        "alpha_as_a_factor",
        "The penalty is multiplied by alpha rather than raised to it.",
        scored(lambda n, log_p, alpha: log_p / (alpha * (5 + n) / 6) if alpha else math.nan),
    ),
    Mistake(
        "penalty_subtracted",
        "The penalty is subtracted from log P. It divides it.",
        scored(lambda n, log_p, alpha: log_p - ((5 + n) / 6) ** alpha),
    ),
    Mistake(
        "length_rewarded",
        "A reward for each token is added, alpha times the length. Here log P is divided by ((5 + len) / 6)^alpha.",
        scored(lambda n, log_p, alpha: log_p + alpha * n),
        convention=True,
        source="He et al. 2016; Baidu's and OpenNMT's word reward",
    ),
    Mistake(
        "multiplied_by_the_penalty",
        "log P is multiplied by the penalty. It is negative: multiplying punishes long sentences once more. Divide.",
        scored(lambda n, log_p, alpha: log_p * ((5 + n) / 6) ** alpha),
    ),
    Mistake(
        "penalty_of_max_len",
        "All scores are divided by the penalty of max_len. Each hypothesis has a length of its own, or there would "
        "be no need for a penalty.",
        partial(variant, score=lambda n, log_p, alpha, max_len, ended: normalised(max_len, log_p, alpha)),
    ),
    Mistake(
        "alpha_fixed",
        "alpha is 0.6, whatever was asked for.",
        called_with(lambda bos, eos, n, k, alpha: (bos, eos, n, k, 0.6)),
    ),
    Mistake(
        "alpha_is_one",
        "The exponent is 1, whatever alpha is.",
        called_with(lambda bos, eos, n, k, alpha: (bos, eos, n, k, 1.0)),
    ),
    Mistake(
        "beam_fixed",
        "The beam is 4 wide, whatever was asked for.",
        called_with(lambda bos, eos, n, k, alpha: (bos, eos, n, 4, alpha)),
    ),
    Mistake(
        "greedy",
        "It finds what greedy decoding finds: only one hypothesis is kept, or all that are kept are equal. Keep the "
        "beam_size best, which are different ones.",
        greedy,
    ),
    Mistake(
        "probability_returned",
        "The score is a probability, exp of what it should be. It stays a logarithm.",
        afterwards(lambda ids, score, bos, eos: (ids, math.exp(score))),
    ),
    Mistake(
        "positive_score",
        "The score is a cost, with the opposite sign. log P is negative, and so is the score.",
        afterwards(lambda ids, score, bos, eos: (ids, -score)),
    ),
    Mistake(
        "other_logarithm",
        "The logarithm is to the base 2. log P is a natural logarithm, as by log_softmax.",
        afterwards(lambda ids, score, bos, eos: (ids, score / math.log(2))),
    ),
    Mistake(
        "logarithm_to_the_base_ten",
        "The logarithm is to the base 10. log P is a natural logarithm, as by log_softmax.",
        afterwards(lambda ids, score, bos, eos: (ids, score / math.log(10))),
    ),
    Mistake(
        "bos_kept",
        "BOS is in the ids. It belongs to the prefix; what was said begins after it.",
        afterwards(lambda ids, score, bos, eos: ([bos, *ids], score)),
    ),
    Mistake(
        "first_token_lost",
        "The first token that was said is missing. Only BOS is to be cut off.",
        afterwards(lambda ids, score, bos, eos: (ids[1:], score)),
    ),
    Mistake(
        "eos_stripped",
        "EOS is not in the ids. The contract keeps it: it tells a sentence that ended from one that was cut off.",
        afterwards(lambda ids, score, bos, eos: ([i for i in ids if i != eos], score)),
    ),
    Mistake(
        "last_token_lost",
        "The last token is missing, whether it is EOS or a word.",
        afterwards(lambda ids, score, bos, eos: (ids[:-1], score)),
    ),
    Mistake("eos_added", "A hypothesis that did not end gets an EOS that it did not say.", afterwards(end_added)),
    Mistake(
        "worst_wins",
        "The smallest score wins. Scores are negative: the best one is the largest, nearest to 0.",
        partial(variant, choose=lambda pool: min(pool, key=lambda one: one[0])),
    ),
    Mistake(
        "last_end_wins",
        "The hypothesis that ended last wins. Of all that ended, the best score wins.",
        partial(variant, choose=lambda pool: pool[-1]),
    ),
    Mistake(
        "most_probable_of_the_last_step_wins",
        "The first of the beam is returned at the end of the search, what ended before is forgotten. Keep a list of "
        "all that "
        "ended.",
        last_beam,
    ),
    Mistake(
        "unfinished_compete",
        "Unfinished hypotheses compete with those that ended. They lack the probability of an end: they take part "
        "only if nothing ended.",
        partial(variant, compete=True),
    ),
    Mistake(
        "unfinished_never_returned",
        "Where nothing ended within max_len, nothing is returned. Then the unfinished ones compete, by the same "
        "formula.",
        ended_only,
    ),
    Mistake(
        "unfinished_not_normalised",
        "Where nothing ended, log P is the score. The unfinished ones are scored by the same formula.",
        partial(variant, score=lambda n, log_p, alpha, max_len, ended: normalised(n, log_p, alpha if ended else 0.0)),
    ),
    Mistake(
        "unfinished_counted_longer",
        "Where nothing ended, len counts an EOS that is not there.",
        partial(variant, score=lambda n, log_p, alpha, max_len, ended: normalised(n + (not ended), log_p, alpha)),
    ),
    Mistake(
        "max_len_counts_bos",
        "BOS is counted in max_len, so one token too few is said.",
        called_with(lambda bos, eos, n, k, alpha: (bos, eos, n - 1, k, alpha)),
    ),
    Mistake(
        "one_too_many",
        "Hypotheses may grow to max_len + 1 tokens. Count the rounds: at most max_len of them, EOS included.",
        called_with(lambda bos, eos, n, k, alpha: (bos, eos, n + 1, k, alpha)),
    ),
    Mistake(
        "k_ended_by_log_p",
        "Of those that ended, only the beam_size best by log P are kept, and the best score may be lost with the "
        "others. Keep all, or those with the "
        "best scores.",
        k_chosen_by_log_p,
    ),
    Mistake(
        "logits_added",
        "Logits are added up. Those of different prefixes cannot be compared before log_softmax has made "
        "log-probabilities of them.",
        partial(variant, to_steps=lambda rows: rows),
    ),
    Mistake(
        "probabilities_added",
        "Probabilities are added up. Probabilities multiply; their logarithms add.",
        partial(variant, to_steps=probabilities),
    ),
    Mistake(
        "first_end_wins",
        "The hypothesis that ends first is returned. One that goes on may become better: of all that end, the best "
        "score wins.",
        stopping(any_ended),
    ),
    Mistake(
        "stops_when_the_best_has_ended",
        "It stops when the most probable candidate of a step is one that ended. With a length penalty, a less "
        "probable, longer one can still "
        "win.",
        stopping(top_ended),
    ),
    Mistake(
        "stops_when_k_have_ended",
        "It stops when beam_size hypotheses have ended, while others in the beam could still win. Stop where the "
        "best score of the ended ones is out of "
        "reach.",
        stopping(k_ended),
        convention=True,
        source="early_stopping=True in Hugging Face's generate",
    ),
    Mistake(
        "bound_without_the_growing_penalty",
        "It compares the best one that ended with a live one's score at its *present* length. As it grows its "
        "penalty grows, so its score can "
        "still become better: take the penalty of max_len.",
        stopping(short_bound),
        convention=True,
        source="early_stopping=False in Hugging Face's generate",
    ),
    Mistake(
        "bound_mixes_scores",
        "It compares a normalised score with a log-probability that is not. Normalise both, the live one by the "
        "penalty of max_len.",
        stopping(mixed_bound),
    ),
    Mistake(
        "bound_by_log_p",
        "It stops where the best log P of those that ended cannot be reached any more. Decisive is the score: a "
        "longer one with a smaller log P can win.",
        stopping(log_p_bound),
    ),
    Mistake(
        "k_copies_of_bos",
        "The beam begins with k copies of BOS with the same score, so the k best are copies of one. Begin with one, "
        "or give the copies a score of minus infinity.",
        seen=equal_copies,
    ),
    Mistake(
        "no_competition",
        "After the first step each hypothesis goes on by itself, greedily: k greedy decodings. The k best of *all* "
        "continuations should be kept.",
        greedy_apart,
    ),
    Mistake(
        "first_word_greedy",
        "The first token is chosen greedily, and the beam opens at the second.",
        partial(variant, prune=greedy_first),
    ),
    Mistake(
        "wrong_parents",
        "A candidate's number in the flat list is i = row * V + token. The row, its parent, is i // V, and the "
        "token i % V.",
        wrong_parents,
    ),
    Mistake(
        "prefixes_not_reordered",
        "The scores are sorted, but the prefixes stay where they are, so tokens are appended to other prefixes than "
        "their own. Take the parents' rows: "
        "`prefixes[i // V]`.",
        partial(wrong_parents, parent=stays),
    ),
    Mistake(
        "penalty_applied_at_every_step",
        "The normalised score is carried on and added to, so the penalty is applied again in every step. Carry log "
        "P; normalise when comparing.",
        penalised_sums,
    ),
    Mistake(
        "one_candidate_a_word",
        "Of candidates with the same last token only the best is kept. With different beginnings they are different "
        "hypotheses.",
        partial(variant, prune=best_of_a_word),
    ),
    Mistake(
        "least_probable_kept",
        "The least probable candidates are kept: the order is turned round.",
        partial(variant, prune=worst_kept),
    ),
    Mistake(
        "eos_forced",
        "Where nothing ends by itself, an end is forced in the last step, whatever its probability: here it is 0. "
        "Being cut off by max_len is no end; then the unfinished hypotheses compete.",
        seen=no_probability,
    ),
    Mistake(
        "eos_not_permitted_first",
        "EOS is not permitted as the first token. That is a minimum length, an option of some tools.",
        at_step(lambda n, max_len: n == 1, lambda token, eos: token != eos),
        convention=True,
        source="min_length in Hugging Face's generate and in fairseq",
    ),
    Mistake(
        "no_token_twice",
        "A token may not come twice in a hypothesis. That is an extra of some tools, and no part of beam search.",
        seen_twice_forbidden,
        convention=True,
        source="no_repeat_ngram_size in Hugging Face's generate",
    ),
    Mistake(
        "goes_on_after_eos",
        "Hypotheses that ended are extended further, and what follows EOS counts. An ended one leaves the beam, or "
        "stays as it is.",
        goes_on,
    ),
    Mistake(
        "eos_probability_left_out",
        "The log-probability of EOS is not added to the hypothesis that it ends. Ending has a probability, too.",
        end_for_nothing,
    ),
    Mistake(
        "end_noticed_a_step_late",
        "EOS is looked for when the next step begins, so what ends with the last step counts as unfinished.",
        last_end_unseen,
    ),
    Mistake(
        "softmax_over_the_beam",
        "The log-softmax runs over the hypotheses. Each hypothesis has probabilities for the vocabulary: the last "
        "axis.",
        over_the_beam,
    ),
    Mistake(
        "first_position",
        "The logits of the first position are read. The next token is predicted by the last one: `[:, -1]`.",
        reading(lambda t: 0),
    ),
    Mistake(
        "position_before_last",
        "The logits of the position before the last are read: they predict the token that is already known.",
        reading(lambda t: max(t - 2, 0)),
    ),
    Mistake(
        "only_the_newest_token_is_read",
        "The decoder is given the newest token alone. Without a cache it needs the whole prefix, from BOS on.",
        reading(lambda t: -1, lambda ids, max_len: ids[-1:]),
    ),
    Mistake(
        "bos_left_out_of_the_prefix",
        "BOS is left out of the prefix once there is a word. In training it stood before every sentence.",
        reading(lambda t: -1, lambda ids, max_len: ids[1:] if len(ids) > 1 else ids),
    ),
    Mistake(
        "prefixes_padded",
        "The prefixes are filled up with zeros to one length and the last position is read: that one predicts what "
        "follows the padding.",
        reading(lambda t: -1, lambda ids, max_len: ids + [0] * (max_len + 1 - len(ids))),
    ),
    Mistake(
        "eos_fixed",
        "EOS is taken to be 2, whatever `eos_id` is.",
        called_with(lambda bos, eos, n, k, alpha: (bos, 2, n, k, alpha)),
    ),
    Mistake(
        "starts_with_one",
        "The prefix starts with 1, whatever `bos_id` is.",
        called_with(lambda bos, eos, n, k, alpha: (1, eos, n, k, alpha)),
    ),
    Mistake(
        "starts_with_zero",
        "The prefix starts with 0, whatever `bos_id` is.",
        called_with(lambda bos, eos, n, k, alpha: (0, eos, n, k, alpha)),
    ),
    Mistake(
        "starts_with_eos",
        "The prefix starts with EOS. Here a sentence begins with BOS.",
        called_with(lambda bos, eos, n, k, alpha: (eos, eos, n, k, alpha)),
        convention=True,
        source="fairseq's generator",
    ),
    Mistake(
        "bos_left_out_of_the_softmax",
        "The logit of BOS is set to minus infinity before the softmax, which makes all others more probable. A "
        "translator may do this; this function "
        "takes the logits as they are.",
        without_bos,
        convention=True,
        source="suppressed tokens, as in Hugging Face's generate",
    ),
    Mistake(
        "bos_never_said",
        "BOS is struck from the candidates. A translator may do this (the course does it in the decoder); this "
        "function takes the decoder's probabilities as they "
        "are.",
        partial(without_bos, renormalise=False),
        convention=True,
        source="fairseq's generator strikes padding in this way",
    ),
    Mistake("temperature", "The logits are divided by a temperature, which is not asked for here.", temperature(0.7)),
    Mistake(
        "logarithm_clamped",
        "A small number is added before the logarithm, so improbable tokens cost too little. log_softmax needs no "
        "such help.",
        partial(variant, to_steps=clamped),
    ),
)

EXERCISES = [
    Exercise(
        "beam_search",
        Card(5, 45, "From a trained model to a better sentence than the greedy one.", "13_decoding", "beam-search"),
        beam_search,
        PROBES,
        MISTAKES,
        (
            "Keep a list of live hypotheses, each with its ids and its log-probability, and another list of those "
            "that ended. What happens to "
            "the two in one step? When do you need the length penalty, and when log P itself?",
            "In each of at most max_len steps: log_softmax of the last position's logits, added to each "
            "hypothesis's log P; of all "
            "continuations of all hypotheses keep the best beam_size; those whose last token is EOS go to the other "
            "list. At the end the best "
            "log P / ((5 + len) / 6)^alpha of the ended ones wins; if there is none, that of the live ones.",
            "`total = log_p_so_far[:, None] + logits[:, -1].log_softmax(-1)`, "
            "`values, flat = total.flatten().topk(min(beam_size, total.numel()))`, parent `flat // V`, token `flat "
            "% V`; begin with a single "
            "`([bos_id], 0.0)`, and return `ids[1:]` with `log_p / ((5 + len(ids) - 1) / 6) ** alpha`.",
        ),
    )
]
