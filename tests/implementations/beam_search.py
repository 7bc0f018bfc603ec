"""beam_search: right and wrong implementations."""

import heapq
import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F

from tests.implementations import right, wrong

EX = "beam_search"


# ---------------------------------------------------------------- right


@right(EX, "plain_python", "lists and sort; of the k best candidates those with EOS leave the beam, k again next time")
def beam(decoder, bos_id, eos_id, max_len, beam_size, alpha):
    live, ended = [([bos_id], 0.0)], []
    for _ in range(max_len):
        candidates = []
        for ids, logp in live:
            logits = decoder(torch.tensor([ids]))[0, -1]
            for token, step in enumerate(logits.log_softmax(-1).tolist()):
                if step > -math.inf:
                    candidates.append((ids + [token], logp + step))
        candidates.sort(key=lambda c: c[1], reverse=True)
        live = []
        for ids, logp in candidates[:beam_size]:
            (ended if ids[-1] == eos_id else live).append((ids, logp))
        if not live:
            break

    def score(hypothesis):
        ids, logp = hypothesis
        return logp / ((5 + len(ids) - 1) / 6) ** alpha

    best = max(ended or live, key=score)
    return best[0][1:], score(best)


@right(EX, "tensor2tensor", "always k live ones; of two k candidates each with EOS has ended; stops by a bound")
def search_2k(decoder, bos_id, eos_id, max_len, beam_size, alpha):
    def penalty(n):
        return ((5 + n) / 6) ** alpha

    alive = torch.full((1, 1), bos_id)
    logp = torch.zeros(1, dtype=torch.float64)
    best_ids, best = None, -math.inf
    n = 0
    for n in range(1, max_len + 1):
        step = torch.log_softmax(decoder(alive)[:, -1].double(), dim=-1)
        vocab = step.size(1)
        flat = (logp[:, None] + step).flatten()
        top, index = flat.topk(min(2 * beam_size, flat.numel()))
        possible = torch.isfinite(top)
        top, index = top[possible], index[possible]
        parent, token = index // vocab, index % vocab
        for i in (token == eos_id).nonzero().flatten().tolist():
            score = top[i].item() / penalty(n)
            if score > best:
                best, best_ids = score, torch.cat([alive[parent[i]], token[i : i + 1]])
        go_on = (token != eos_id).nonzero().flatten()[:beam_size]
        if len(go_on) == 0:
            break
        alive = torch.cat([alive[parent[go_on]], token[go_on, None]], dim=1)
        logp = top[go_on]
        highest = logp.max().item()
        if best_ids is not None and max(highest / penalty(n + 1), highest / penalty(max_len)) <= best:
            break
    if best_ids is None:
        i = int(logp.argmax())
        best_ids, best = alive[i], logp[i].item() / penalty(n)
    return best_ids[1:].tolist(), best


@right(EX, "fairseq", "k live ones at all times, two k candidates, EOS counts among the first k; no early stop")
def search_fairseq(decoder, bos_id, eos_id, max_len, beam_size, alpha):
    tokens = torch.full((beam_size, 1), bos_id)
    scores = torch.full((beam_size,), -torch.inf)
    scores[0] = 0.0
    finalized = []
    for step in range(max_len):
        lprobs = F.log_softmax(decoder(tokens)[:, -1, :], dim=-1)
        vocab = lprobs.size(1)
        total = (scores.unsqueeze(1) + lprobs).view(-1)
        cand_scores, cand = torch.topk(total, k=min(2 * beam_size, total.numel()))
        beams = torch.div(cand, vocab, rounding_mode="floor")
        words = cand.fmod(vocab)
        is_eos = words.eq(eos_id)
        for i in range(min(beam_size, len(words))):
            if is_eos[i] and cand_scores[i] > -torch.inf:
                hypo = torch.cat([tokens[beams[i], 1:], words[i].view(1)])
                length = step + 1
                finalized.append((float(cand_scores[i]) / ((5 + length) / 6) ** alpha, hypo))
        keep = torch.nonzero(~is_eos).squeeze(1)[:beam_size]
        tokens = torch.cat([tokens[beams[keep]], words[keep].unsqueeze(1)], dim=1)
        scores = cand_scores[keep]
    if not finalized:
        first = int(scores.argmax())
        length = tokens.size(1) - 1
        finalized.append((float(scores[first]) / ((5 + length) / 6) ** alpha, tokens[first, 1:]))
    score, ids = max(finalized, key=lambda pair: pair[0])
    return ids, score


@dataclass(frozen=True)
class Hypothesis:
    tokens: tuple
    logp: float = 0.0

    def then(self, token, logp):
        return Hypothesis((*self.tokens, token), self.logp + logp)

    def score(self, alpha):
        return self.logp * (6 / (5 + len(self.tokens))) ** alpha


@right(EX, "shrinking_beam", "each hypothesis that ends takes a place of the beam for good; dataclass and heapq")
def beam_objects(decoder, bos_id, eos_id, max_len, beam_size, alpha):
    beam_now, finished = [Hypothesis(())], []
    while beam_now and len(beam_now[0].tokens) < max_len:
        prefixes = torch.tensor([[bos_id, *h.tokens] for h in beam_now])
        rows = torch.log_softmax(decoder(prefixes)[:, -1], dim=-1).tolist()
        grown = (
            h.then(token, logp)
            for h, row in zip(beam_now, rows, strict=True)
            for token, logp in enumerate(row)
            if not math.isinf(logp)
        )
        best = heapq.nlargest(beam_size - len(finished), grown, key=lambda h: h.logp)
        finished += [h for h in best if h.tokens[-1] == eos_id]
        beam_now = [h for h in best if h.tokens[-1] != eos_id]
    winner = max(finished or beam_now, key=lambda h: h.score(alpha))
    return list(winner.tokens), winner.score(alpha)


@right(EX, "tensors", "k candidates by topk over all, tensors throughout; ids a tensor, the score one of no dimensions")
def tensor_beam(decoder, bos_id, eos_id, max_len, beam_size, alpha):
    prefixes = torch.tensor([[bos_id]])
    sums = torch.zeros(1)
    done_ids, done_scores = [], []
    for length in range(1, max_len + 1):
        logits = decoder(prefixes)[:, -1]
        total = sums.unsqueeze(-1) + (logits - logits.logsumexp(-1, keepdim=True))
        k = min(beam_size, int((total > -torch.inf).sum()))
        sums, where = total.reshape(-1).topk(k)
        rows = torch.div(where, total.shape[-1], rounding_mode="trunc")
        cols = where.remainder(total.shape[-1])
        prefixes = torch.cat((prefixes.index_select(0, rows), cols.unsqueeze(1)), dim=1)
        ends = cols == eos_id
        norm = math.pow((5 + length) / 6, alpha)
        done_ids += list(prefixes[ends][:, 1:])
        done_scores += list(sums[ends] / norm)
        prefixes, sums = prefixes[~ends], sums[~ends]
        if prefixes.size(0) == 0:
            break
    if not done_ids:
        done_ids, done_scores = list(prefixes[:, 1:]), list(sums / norm)
    best = int(torch.stack(done_scores).argmax())
    return done_ids[best], done_scores[best]


@right(EX, "best_per_prefix_first", "each prefix proposes its k best, then k of all are kept; a dict from ids to log P")
def dict_beam(decoder, bos_id, eos_id, max_len, beam_size, alpha):
    live, ended = {(): 0.0}, {}
    for _ in range(max_len):
        pool = {}
        for ids, logp in live.items():
            prefix = torch.tensor((bos_id, *ids)).unsqueeze(0)
            row = F.log_softmax(decoder(prefix).squeeze(0)[-1].double(), dim=0)
            values, tokens = row.topk(min(beam_size, len(row)))
            for value, token in zip(values.tolist(), tokens.tolist(), strict=True):
                if value != -math.inf:
                    pool[(*ids, token)] = logp + value
        kept = sorted(pool, key=pool.get, reverse=True)[:beam_size]
        ended.update({ids: pool[ids] for ids in kept if ids[-1] == eos_id})
        live = {ids: pool[ids] for ids in kept if ids[-1] != eos_id}
        if not live:
            break
    answers = ended if ended else live
    scores = {ids: logp / ((5.0 + len(ids)) / 6.0) ** alpha for ids, logp in answers.items()}
    best = max(scores, key=scores.get)
    return list(best), scores[best]


# ---------------------------------------------------------------- wrong: the score and the choice


def explore(decoder, bos_id, eos_id, max_len, beam_size):
    live, ended = [((), 0.0)], []
    for _ in range(max_len):
        prefixes = torch.tensor([[bos_id, *ids] for ids, _ in live])
        rows = F.log_softmax(decoder(prefixes)[:, -1].double(), dim=-1).tolist()
        grown = [
            ((*ids, token), logp + step)
            for (ids, logp), row in zip(live, rows, strict=True)
            for token, step in enumerate(row)
            if step > -math.inf
        ]
        grown = sorted(grown, key=lambda g: g[1], reverse=True)[:beam_size]
        ended += [g for g in grown if g[0][-1] == eos_id]
        live = [g for g in grown if g[0][-1] != eos_id]
        if not live:
            break
    return ended, live


def penalty(n, alpha):
    return ((5 + n) / 6) ** alpha


def choose(pool, score):
    best = max(pool, key=lambda g: score(*g))
    return list(best[0]), score(*best)


@wrong(EX, "no_length_penalty", "alpha is not used: the choice and the score are log P")
def unnormalised(decoder, bos_id, eos_id, max_len, beam_size, alpha):
    ended, live = explore(decoder, bos_id, eos_id, max_len, beam_size)
    return choose(ended or live, lambda ids, logp: logp)


@wrong(EX, "chosen_by_log_p", "chosen by log P, the score returned is the normalised one")
def chosen_raw(decoder, bos_id, eos_id, max_len, beam_size, alpha):
    ended, live = explore(decoder, bos_id, eos_id, max_len, beam_size)
    ids, logp = max(ended or live, key=lambda g: g[1])
    return list(ids), logp / penalty(len(ids), alpha)


@wrong(EX, "log_p_returned", "chosen by the normalised score, but log P is returned")
def returned_raw(decoder, bos_id, eos_id, max_len, beam_size, alpha):
    ended, live = explore(decoder, bos_id, eos_id, max_len, beam_size)
    ids, logp = max(ended or live, key=lambda g: g[1] / penalty(len(g[0]), alpha))
    return list(ids), logp


@wrong(EX, "length_to_alpha", "log P / len^alpha")
def simple_power(decoder, bos_id, eos_id, max_len, beam_size, alpha):
    ended, live = explore(decoder, bos_id, eos_id, max_len, beam_size)
    return choose(ended or live, lambda ids, logp: logp / len(ids) ** alpha)


@wrong(EX, "mean_log_p", "log P / len whatever alpha is")
def mean_logp(decoder, bos_id, eos_id, max_len, beam_size, alpha):
    ended, live = explore(decoder, bos_id, eos_id, max_len, beam_size)
    return choose(ended or live, lambda ids, logp: logp / len(ids))


@wrong(EX, "bos_counted", "len counts BOS")
def longer_by_one(decoder, bos_id, eos_id, max_len, beam_size, alpha):
    ended, live = explore(decoder, bos_id, eos_id, max_len, beam_size)
    return choose(ended or live, lambda ids, logp: logp / penalty(len(ids) + 1, alpha))


@wrong(EX, "eos_not_counted", "len does not count EOS")
def words_only(decoder, bos_id, eos_id, max_len, beam_size, alpha):
    ended, live = explore(decoder, bos_id, eos_id, max_len, beam_size)
    return choose(ended or live, lambda ids, logp: logp / penalty(len(ids) - (ids[-1] == eos_id), alpha))


@wrong(EX, "six_outside_the_power", "(5 + len)^alpha / 6: the same choice, another score")
def power_first(decoder, bos_id, eos_id, max_len, beam_size, alpha):
    ended, live = explore(decoder, bos_id, eos_id, max_len, beam_size)
    return choose(ended or live, lambda ids, logp: logp / ((5 + len(ids)) ** alpha / 6))


@wrong(EX, "six_to_alpha_only", "(5 + len) / 6^alpha: the root is taken of the 6 only")
def precedence(decoder, bos_id, eos_id, max_len, beam_size, alpha):
    ended, live = explore(decoder, bos_id, eos_id, max_len, beam_size)
    return choose(ended or live, lambda ids, logp: logp / ((5 + len(ids)) / 6**alpha))


@wrong(EX, "five_plus_len_sixth", "(5 + len / 6)^alpha: brackets forgotten")
def brackets(decoder, bos_id, eos_id, max_len, beam_size, alpha):
    ended, live = explore(decoder, bos_id, eos_id, max_len, beam_size)
    return choose(ended or live, lambda ids, logp: logp / (5 + len(ids) / 6) ** alpha)


@wrong(EX, "multiplied", "log P is multiplied by the penalty: short ones win")
def times_penalty(decoder, bos_id, eos_id, max_len, beam_size, alpha):
    ended, live = explore(decoder, bos_id, eos_id, max_len, beam_size)
    return choose(ended or live, lambda ids, logp: logp * penalty(len(ids), alpha))


@wrong(EX, "penalty_of_max_len", "the penalty of max_len for every hypothesis: no effect on the choice")
def one_penalty(decoder, bos_id, eos_id, max_len, beam_size, alpha):
    ended, live = explore(decoder, bos_id, eos_id, max_len, beam_size)
    return choose(ended or live, lambda ids, logp: logp / penalty(max_len, alpha))


@wrong(EX, "alpha_fixed", "alpha is 0.6 whatever was asked for")
def paper_alpha(decoder, bos_id, eos_id, max_len, beam_size, alpha=0.6):
    return beam(decoder, bos_id, eos_id, max_len, beam_size, 0.6)


@wrong(EX, "beam_fixed", "the beam is 4 whatever was asked for")
def paper_beam(decoder, bos_id, eos_id, max_len, beam_size, alpha):
    return beam(decoder, bos_id, eos_id, max_len, 4, alpha)


@wrong(EX, "greedy", "the beam is 1: greedy decoding with a score")
def greedy(decoder, bos_id, eos_id, max_len, beam_size, alpha):
    return beam(decoder, bos_id, eos_id, max_len, 1, alpha)


@wrong(EX, "probability_returned", "the score is exp of what it should be")
def as_probability(decoder, bos_id, eos_id, max_len, beam_size, alpha):
    ids, score = beam(decoder, bos_id, eos_id, max_len, beam_size, alpha)
    return ids, math.exp(score)


@wrong(EX, "positive_score", "the score is a cost, -log P / penalty")
def as_cost(decoder, bos_id, eos_id, max_len, beam_size, alpha):
    ids, score = beam(decoder, bos_id, eos_id, max_len, beam_size, alpha)
    return ids, -score


@wrong(EX, "score_first", "returns (score, ids)")
def turned(decoder, bos_id, eos_id, max_len, beam_size, alpha):
    ids, score = beam(decoder, bos_id, eos_id, max_len, beam_size, alpha)
    return score, ids


@wrong(EX, "bos_kept", "BOS is in the ids")
def with_bos(decoder, bos_id, eos_id, max_len, beam_size, alpha):
    ids, score = beam(decoder, bos_id, eos_id, max_len, beam_size, alpha)
    return [bos_id, *ids], score


@wrong(EX, "eos_stripped", "EOS is not in the ids")
def without_eos(decoder, bos_id, eos_id, max_len, beam_size, alpha):
    ids, score = beam(decoder, bos_id, eos_id, max_len, beam_size, alpha)
    return [i for i in ids if i != eos_id], score


@wrong(EX, "eos_added_to_unfinished", "an unfinished hypothesis gets an EOS that it did not say")
def always_eos(decoder, bos_id, eos_id, max_len, beam_size, alpha):
    ids, score = beam(decoder, bos_id, eos_id, max_len, beam_size, alpha)
    return (ids if ids[-1] == eos_id else [*ids, eos_id]), score


@wrong(EX, "worst_ended", "the smallest score wins, as from a heap of costs")
def smallest(decoder, bos_id, eos_id, max_len, beam_size, alpha):
    ended, live = explore(decoder, bos_id, eos_id, max_len, beam_size)
    ids, logp = min(ended or live, key=lambda g: g[1] / penalty(len(g[0]), alpha))
    return list(ids), logp / penalty(len(ids), alpha)


@wrong(EX, "first_ended", "the first hypothesis that ended wins")
def earliest(decoder, bos_id, eos_id, max_len, beam_size, alpha):
    ended, live = explore(decoder, bos_id, eos_id, max_len, beam_size)
    ids, logp = (ended or live)[0]
    return list(ids), logp / penalty(len(ids), alpha)


@wrong(EX, "last_ended", "the last hypothesis that ended wins")
def latest(decoder, bos_id, eos_id, max_len, beam_size, alpha):
    ended, live = explore(decoder, bos_id, eos_id, max_len, beam_size)
    ids, logp = ended[-1] if ended else live[0]
    return list(ids), logp / penalty(len(ids), alpha)


@wrong(EX, "unfinished_compete", "unfinished hypotheses compete with those that ended")
def all_compete(decoder, bos_id, eos_id, max_len, beam_size, alpha):
    ended, live = explore(decoder, bos_id, eos_id, max_len, beam_size)
    return choose(ended + live, lambda ids, logp: logp / penalty(len(ids), alpha))


@wrong(EX, "unfinished_never_returned", "nothing is returned where no hypothesis ended")
def ended_only(decoder, bos_id, eos_id, max_len, beam_size, alpha):
    ended, _ = explore(decoder, bos_id, eos_id, max_len, beam_size)
    if not ended:
        return [], -math.inf
    return choose(ended, lambda ids, logp: logp / penalty(len(ids), alpha))


@wrong(EX, "unfinished_not_normalised", "where none ended, log P is the score")
def live_raw(decoder, bos_id, eos_id, max_len, beam_size, alpha):
    ended, live = explore(decoder, bos_id, eos_id, max_len, beam_size)
    if ended:
        return choose(ended, lambda ids, logp: logp / penalty(len(ids), alpha))
    return choose(live, lambda ids, logp: logp)


@wrong(EX, "unfinished_count_one_more", "where none ended, len counts an EOS that is not there")
def live_longer(decoder, bos_id, eos_id, max_len, beam_size, alpha):
    ended, live = explore(decoder, bos_id, eos_id, max_len, beam_size)
    if ended:
        return choose(ended, lambda ids, logp: logp / penalty(len(ids), alpha))
    return choose(live, lambda ids, logp: logp / penalty(len(ids) + 1, alpha))


@wrong(EX, "max_len_counts_bos", "BOS counts towards max_len")
def one_less(decoder, bos_id, eos_id, max_len, beam_size, alpha):
    if max_len < 2:
        return [], 0.0
    return beam(decoder, bos_id, eos_id, max_len - 1, beam_size, alpha)


@wrong(EX, "one_too_many", "max_len words and then EOS")
def one_more(decoder, bos_id, eos_id, max_len, beam_size, alpha):
    return beam(decoder, bos_id, eos_id, max_len + 1, beam_size, alpha)


_finished = []


@wrong(EX, "ended_kept_between_calls", "the list of those that ended is made once: an earlier call's can win")
def remembering(decoder, bos_id, eos_id, max_len, beam_size, alpha):
    ended, live = explore(decoder, bos_id, eos_id, max_len, beam_size)
    _finished.extend(ended)
    return choose(_finished or live, lambda ids, logp: logp / penalty(len(ids), alpha))


@wrong(EX, "k_ended_by_log_p", "of those that ended only the beam_size best by log P compete by their score")
def kept_by_logp(decoder, bos_id, eos_id, max_len, beam_size, alpha):
    ended, live = explore(decoder, bos_id, eos_id, max_len, beam_size)
    ended = heapq.nlargest(beam_size, ended, key=lambda g: g[1])
    return choose(ended or live, lambda ids, logp: logp / penalty(len(ids), alpha))


# ---------------------------------------------------------------- wrong: the search


@wrong(EX, "logits_added", "logits are added up, without a log-softmax")
def sums_logits(decoder, bos_id, eos_id, max_len, beam_size, alpha):
    live, ended = [([bos_id], 0.0)], []
    for _ in range(max_len):
        candidates = []
        for ids, total in live:
            for token, logit in enumerate(decoder(torch.tensor([ids]))[0, -1].tolist()):
                candidates.append((ids + [token], total + logit))
        candidates.sort(key=lambda c: c[1], reverse=True)
        live = []
        for ids, total in candidates[:beam_size]:
            (ended if ids[-1] == eos_id else live).append((ids, total))
        if not live:
            break
    best = max(ended or live, key=lambda c: c[1] / penalty(len(c[0]) - 1, alpha))
    return best[0][1:], best[1] / penalty(len(best[0]) - 1, alpha)


@wrong(EX, "probabilities_added", "probabilities are added up instead of their logarithms")
def sums_probabilities(decoder, bos_id, eos_id, max_len, beam_size, alpha):
    live, ended = [([bos_id], 0.0)], []
    for _ in range(max_len):
        candidates = []
        for ids, total in live:
            for token, p in enumerate(decoder(torch.tensor([ids]))[0, -1].softmax(-1).tolist()):
                candidates.append((ids + [token], total + p))
        candidates.sort(key=lambda c: c[1], reverse=True)
        live = []
        for ids, total in candidates[:beam_size]:
            (ended if ids[-1] == eos_id else live).append((ids, total))
        if not live:
            break
    best = max(ended or live, key=lambda c: c[1] / penalty(len(c[0]) - 1, alpha))
    return best[0][1:], best[1] / penalty(len(best[0]) - 1, alpha)


@wrong(EX, "product_underflows", "probabilities are multiplied in float32: long sentences become 0")
def products(decoder, bos_id, eos_id, max_len, beam_size, alpha):
    prefixes, p = torch.tensor([[bos_id]]), torch.ones(1)
    ended = []
    for n in range(1, max_len + 1):
        total = p[:, None] * decoder(prefixes)[:, -1].float().softmax(-1)
        p, index = total.flatten().topk(min(beam_size, total.numel()))
        rows, tokens = index // total.size(1), index % total.size(1)
        prefixes = torch.cat([prefixes[rows], tokens[:, None]], dim=1)
        for ids, q in zip(prefixes[tokens == eos_id].tolist(), p[tokens == eos_id].tolist(), strict=True):
            ended.append((ids[1:], (math.log(q) if q > 0 else -math.inf) / penalty(n, alpha)))
        prefixes, p = prefixes[tokens != eos_id], p[tokens != eos_id]
        if len(p) == 0:
            break
    if not ended:
        q = p.max().item()
        ended = [(prefixes[int(p.argmax())].tolist()[1:], (math.log(q) if q > 0 else -math.inf) / penalty(n, alpha))]
    return max(ended, key=lambda e: e[1])


def step_all(decoder, prefixes, sums):
    logp = F.log_softmax(decoder(prefixes)[:, -1].double(), dim=-1)
    return sums[:, None] + logp


def best_of(ended, prefixes, sums, alpha):
    if not ended:
        n = prefixes.size(1) - 1
        ended = [(ids[1:], s / penalty(n, alpha)) for ids, s in zip(prefixes.tolist(), sums.tolist(), strict=True)]
    return max(ended, key=lambda e: e[1])


def collect(ended, prefixes, sums, eos_id, alpha):
    over = prefixes[:, -1] == eos_id
    for ids, s in zip(prefixes[over].tolist(), sums[over].tolist(), strict=True):
        if s > -math.inf:
            ended.append((ids[1:], s / penalty(len(ids) - 1, alpha)))
    return prefixes[~over], sums[~over]


@wrong(EX, "stops_at_first_end", "returns as soon as one hypothesis has ended")
def first_end(decoder, bos_id, eos_id, max_len, beam_size, alpha):
    prefixes, sums, ended = torch.tensor([[bos_id]]), torch.zeros(1).double(), []
    for _ in range(max_len):
        total = step_all(decoder, prefixes, sums)
        sums, index = total.flatten().topk(min(beam_size, total.numel()))
        prefixes = torch.cat([prefixes[index // total.size(1)], (index % total.size(1))[:, None]], dim=1)
        prefixes, sums = collect(ended, prefixes, sums, eos_id, alpha)
        if ended or len(sums) == 0:
            break
    return best_of(ended, prefixes, sums, alpha)


@wrong(EX, "stops_when_best_ended", "returns the most probable candidate of a step as soon as it is one that ended")
def top_ended(decoder, bos_id, eos_id, max_len, beam_size, alpha):
    prefixes, sums, ended = torch.tensor([[bos_id]]), torch.zeros(1).double(), []
    for _ in range(max_len):
        total = step_all(decoder, prefixes, sums)
        sums, index = total.flatten().topk(min(beam_size, total.numel()))
        prefixes = torch.cat([prefixes[index // total.size(1)], (index % total.size(1))[:, None]], dim=1)
        if prefixes[0, -1] == eos_id:
            ids = prefixes[0, 1:].tolist()
            return ids, sums[0].item() / penalty(len(ids), alpha)
        prefixes, sums = collect(ended, prefixes, sums, eos_id, alpha)
        if len(sums) == 0:
            break
    return best_of(ended, prefixes, sums, alpha)


def keep_k_live(decoder, bos_id, eos_id, max_len, beam_size, alpha, stop):
    prefixes, sums, ended = torch.tensor([[bos_id]]), torch.zeros(1).double(), []
    for n in range(1, max_len + 1):
        total = step_all(decoder, prefixes, sums)
        top, index = total.flatten().topk(min(2 * beam_size, int((total > -math.inf).sum())))
        grown = torch.cat([prefixes[index // total.size(1)], (index % total.size(1))[:, None]], dim=1)
        over = grown[:, -1] == eos_id
        collect(ended, grown[:beam_size], top[:beam_size], eos_id, alpha)
        if bool(over.all()):
            break
        prefixes, sums = grown[~over][:beam_size], top[~over][:beam_size]
        if ended and stop(n, ended, sums.max().item()):
            break
    return best_of(ended, prefixes, sums, alpha)


@wrong(EX, "stops_at_k_ended", "stops when beam_size have ended, though a live one could still win")
def enough_ended(decoder, bos_id, eos_id, max_len, beam_size, alpha):
    return keep_k_live(
        decoder, bos_id, eos_id, max_len, beam_size, alpha, lambda n, ended, live: len(ended) >= beam_size
    )


@wrong(EX, "bound_of_this_length", "stops by the live one's score at its present length: a longer one could still win")
def short_bound(decoder, bos_id, eos_id, max_len, beam_size, alpha):
    return keep_k_live(
        decoder,
        bos_id,
        eos_id,
        max_len,
        beam_size,
        alpha,
        lambda n, ended, live: max(e[1] for e in ended) >= live / penalty(n, alpha),
    )


@wrong(EX, "bound_not_normalised", "stops where an ended one's normalised score beats a live one's log P")
def mixed_bound(decoder, bos_id, eos_id, max_len, beam_size, alpha):
    return keep_k_live(
        decoder,
        bos_id,
        eos_id,
        max_len,
        beam_size,
        alpha,
        lambda n, ended, live: max(e[1] for e in ended) >= live,
    )


@wrong(EX, "k_copies_of_bos", "the beam starts as k copies of BOS with the same score: all go the same way")
def same_starts(decoder, bos_id, eos_id, max_len, beam_size, alpha):
    prefixes, sums, ended = torch.full((beam_size, 1), bos_id), torch.zeros(beam_size).double(), []
    for _ in range(max_len):
        total = step_all(decoder, prefixes, sums)
        sums, index = total.flatten().topk(min(beam_size, total.numel()))
        prefixes = torch.cat([prefixes[index // total.size(1)], (index % total.size(1))[:, None]], dim=1)
        prefixes, sums = collect(ended, prefixes, sums, eos_id, alpha)
        if len(sums) == 0:
            break
    return best_of(ended, prefixes, sums, alpha)


@wrong(EX, "no_competition", "after the first step every hypothesis goes its own greedy way: k greedy decodings")
def parallel_greedy(decoder, bos_id, eos_id, max_len, beam_size, alpha):
    first = step_all(decoder, torch.tensor([[bos_id]]), torch.zeros(1).double())[0]
    sums, tokens = first.topk(min(beam_size, first.numel()))
    prefixes = torch.cat([torch.full((len(tokens), 1), bos_id), tokens[:, None]], dim=1)
    ended = []
    prefixes, sums = collect(ended, prefixes, sums, eos_id, alpha)
    for _ in range(max_len - 1):
        if len(sums) == 0:
            break
        sums, tokens = step_all(decoder, prefixes, sums).max(dim=1)
        prefixes = torch.cat([prefixes, tokens[:, None]], dim=1)
        prefixes, sums = collect(ended, prefixes, sums, eos_id, alpha)
    return best_of(ended, prefixes, sums, alpha)


@wrong(EX, "greedy_first_word", "the first word is chosen greedily, the beam opens at the second")
def late_beam(decoder, bos_id, eos_id, max_len, beam_size, alpha):
    prefixes, sums, ended = torch.tensor([[bos_id]]), torch.zeros(1).double(), []
    for n in range(max_len):
        total = step_all(decoder, prefixes, sums)
        sums, index = total.flatten().topk(1 if n == 0 else min(beam_size, total.numel()))
        prefixes = torch.cat([prefixes[index // total.size(1)], (index % total.size(1))[:, None]], dim=1)
        prefixes, sums = collect(ended, prefixes, sums, eos_id, alpha)
        if len(sums) == 0:
            break
    return best_of(ended, prefixes, sums, alpha)


@wrong(EX, "parents_by_beam_size", "the parent of a candidate is index % beams: right for one beam only")
def wrong_parent(decoder, bos_id, eos_id, max_len, beam_size, alpha):
    prefixes, sums, ended = torch.tensor([[bos_id]]), torch.zeros(1).double(), []
    for _ in range(max_len):
        total = step_all(decoder, prefixes, sums)
        sums, index = total.flatten().topk(min(beam_size, total.numel()))
        prefixes = torch.cat([prefixes[index % total.size(0)], (index % total.size(1))[:, None]], dim=1)
        prefixes, sums = collect(ended, prefixes, sums, eos_id, alpha)
        if len(sums) == 0:
            break
    return best_of(ended, prefixes, sums, alpha)


@wrong(EX, "prefixes_not_reordered", "the scores are sorted, the prefixes stay in their rows: words join others")
def not_reordered(decoder, bos_id, eos_id, max_len, beam_size, alpha):
    prefixes = torch.full((beam_size, 1), bos_id)
    sums = torch.full((beam_size,), -math.inf).double()
    sums[0] = 0.0
    ended = []
    for _ in range(max_len):
        total = step_all(decoder, prefixes, sums)
        total = total.masked_fill((prefixes[:, -1] == eos_id)[:, None], -math.inf)
        if bool(torch.isinf(total).all()):
            break
        sums, index = total.flatten().topk(prefixes.size(0))
        prefixes = torch.cat([prefixes, (index % total.size(1))[:, None]], dim=1)
        collect(ended, prefixes, sums, eos_id, alpha)
    return best_of(ended, prefixes, sums, alpha)


@wrong(EX, "normalised_sums", "the normalised score is carried on and added to: the penalty is applied at every step")
def penalised_again(decoder, bos_id, eos_id, max_len, beam_size, alpha):
    prefixes, sums, ended = torch.tensor([[bos_id]]), torch.zeros(1).double(), []
    for n in range(1, max_len + 1):
        total = step_all(decoder, prefixes, sums) / penalty(n, alpha)
        sums, index = total.flatten().topk(min(beam_size, total.numel()))
        prefixes = torch.cat([prefixes[index // total.size(1)], (index % total.size(1))[:, None]], dim=1)
        over = prefixes[:, -1] == eos_id
        ended += [(ids[1:], s) for ids, s in zip(prefixes[over].tolist(), sums[over].tolist(), strict=True)]
        prefixes, sums = prefixes[~over], sums[~over]
        if len(sums) == 0:
            break
    if not ended:
        ended = [(ids[1:], s) for ids, s in zip(prefixes.tolist(), sums.tolist(), strict=True)]
    return max(ended, key=lambda e: e[1])


@wrong(EX, "beam_wider_than_vocabulary", "topk(beam_size) of one row: fails where V is less than beam_size")
def narrow(decoder, bos_id, eos_id, max_len, beam_size, alpha):
    live, ended = [([bos_id], 0.0)], []
    for _ in range(max_len):
        candidates = []
        for ids, logp in live:
            values, tokens = F.log_softmax(decoder(torch.tensor([ids]))[0, -1], dim=-1).topk(beam_size)
            candidates += [(ids + [t], logp + v) for v, t in zip(values.tolist(), tokens.tolist(), strict=True)]
        candidates.sort(key=lambda c: c[1], reverse=True)
        live = []
        for ids, logp in candidates[:beam_size]:
            (ended if ids[-1] == eos_id else live).append((ids, logp))
        if not live:
            break
    best = max(ended or live, key=lambda c: c[1] / penalty(len(c[0]) - 1, alpha))
    return best[0][1:], best[1] / penalty(len(best[0]) - 1, alpha)


@wrong(EX, "one_candidate_a_word", "of candidates with the same last word only the best is kept")
def merged(decoder, bos_id, eos_id, max_len, beam_size, alpha):
    prefixes, sums, ended = torch.tensor([[bos_id]]), torch.zeros(1).double(), []
    for _ in range(max_len):
        total = step_all(decoder, prefixes, sums)
        per_word, row = total.max(dim=0)
        sums, token = per_word.topk(min(beam_size, per_word.numel()))
        prefixes = torch.cat([prefixes[row[token]], token[:, None]], dim=1)
        prefixes, sums = collect(ended, prefixes, sums, eos_id, alpha)
        if len(sums) == 0:
            break
    return best_of(ended, prefixes, sums, alpha)


@wrong(EX, "eos_forced", "in the last step only EOS is permitted")
def forced_end(decoder, bos_id, eos_id, max_len, beam_size, alpha):
    prefixes, sums, ended = torch.tensor([[bos_id]]), torch.zeros(1).double(), []
    for n in range(1, max_len + 1):
        total = step_all(decoder, prefixes, sums)
        if n == max_len:
            others = torch.arange(total.size(1)) != eos_id
            total = total.masked_fill(others, -math.inf)
        sums, index = total.flatten().topk(min(beam_size, total.numel()))
        prefixes = torch.cat([prefixes[index // total.size(1)], (index % total.size(1))[:, None]], dim=1)
        prefixes, sums = collect(ended, prefixes, sums, eos_id, alpha)
        if len(sums) == 0:
            break
    return best_of(ended, prefixes, sums, alpha)


@wrong(EX, "no_empty_sentence", "EOS is not permitted in the first step")
def min_length(decoder, bos_id, eos_id, max_len, beam_size, alpha):
    prefixes, sums, ended = torch.tensor([[bos_id]]), torch.zeros(1).double(), []
    for n in range(1, max_len + 1):
        total = step_all(decoder, prefixes, sums)
        if n == 1:
            total = total.masked_fill(torch.arange(total.size(1)) == eos_id, -math.inf)
        sums, index = total.flatten().topk(min(beam_size, total.numel()))
        prefixes = torch.cat([prefixes[index // total.size(1)], (index % total.size(1))[:, None]], dim=1)
        prefixes, sums = collect(ended, prefixes, sums, eos_id, alpha)
        if len(sums) == 0:
            break
    return best_of(ended, prefixes, sums, alpha)


@wrong(EX, "no_repeats", "a word may not come twice in a hypothesis")
def no_repetition(decoder, bos_id, eos_id, max_len, beam_size, alpha):
    prefixes, sums, ended = torch.tensor([[bos_id]]), torch.zeros(1).double(), []
    for _ in range(max_len):
        total = step_all(decoder, prefixes, sums)
        seen = torch.zeros_like(total).scatter(1, prefixes, 1.0).bool()
        total = total.masked_fill(seen, -math.inf)
        possible = int((total > -math.inf).sum())
        if possible == 0:
            break
        sums, index = total.flatten().topk(min(beam_size, possible))
        prefixes = torch.cat([prefixes[index // total.size(1)], (index % total.size(1))[:, None]], dim=1)
        prefixes, sums = collect(ended, prefixes, sums, eos_id, alpha)
        if len(sums) == 0:
            break
    return best_of(ended, prefixes, sums, alpha)


@wrong(EX, "goes_on_after_eos", "those that ended are extended further; the ids are cut at the first EOS at the end")
def past_the_end(decoder, bos_id, eos_id, max_len, beam_size, alpha):
    prefixes, sums = torch.tensor([[bos_id]]), torch.zeros(1).double()
    for _ in range(max_len):
        total = step_all(decoder, prefixes, sums)
        sums, index = total.flatten().topk(min(beam_size, total.numel()))
        prefixes = torch.cat([prefixes[index // total.size(1)], (index % total.size(1))[:, None]], dim=1)
    results = []
    for ids, s in zip(prefixes[:, 1:].tolist(), sums.tolist(), strict=True):
        ids = ids[: ids.index(eos_id) + 1] if eos_id in ids else ids
        results.append((ids, s / penalty(len(ids), alpha)))
    return max(results, key=lambda r: r[1])


@wrong(EX, "eos_probability_left_out", "the log-probability of EOS is not added")
def free_end(decoder, bos_id, eos_id, max_len, beam_size, alpha):
    live, ended = [([bos_id], 0.0)], []
    for _ in range(max_len):
        candidates = []
        for ids, logp in live:
            row = F.log_softmax(decoder(torch.tensor([ids]))[0, -1], dim=-1).tolist()
            candidates += [(ids + [t], logp + p, logp) for t, p in enumerate(row)]
        candidates.sort(key=lambda c: c[1], reverse=True)
        live = []
        for ids, logp, before in candidates[:beam_size]:
            if ids[-1] == eos_id:
                ended.append((ids, before))
            else:
                live.append((ids, logp))
        if not live:
            break
    best = max(ended or live, key=lambda c: c[1] / penalty(len(c[0]) - 1, alpha))
    return best[0][1:], best[1] / penalty(len(best[0]) - 1, alpha)


@wrong(EX, "ends_seen_one_step_late", "EOS is noticed in the next step: one that ends at max_len counts as unfinished")
def late_check(decoder, bos_id, eos_id, max_len, beam_size, alpha):
    prefixes, sums, ended = torch.tensor([[bos_id]]), torch.zeros(1).double(), []
    for n in range(max_len):
        if n > 0:
            prefixes, sums = collect(ended, prefixes, sums, eos_id, alpha)
        if len(sums) == 0:
            break
        total = step_all(decoder, prefixes, sums)
        sums, index = total.flatten().topk(min(beam_size, total.numel()))
        prefixes = torch.cat([prefixes[index // total.size(1)], (index % total.size(1))[:, None]], dim=1)
    return best_of(ended, prefixes, sums, alpha)


@wrong(EX, "softmax_over_the_beam", "the log-softmax runs over the hypotheses instead of the vocabulary")
def wrong_axis(decoder, bos_id, eos_id, max_len, beam_size, alpha):
    prefixes, sums, ended = torch.full((beam_size, 1), bos_id), torch.zeros(beam_size).double(), []
    sums[1:] = -1e9
    for _ in range(max_len):
        logp = F.log_softmax(decoder(prefixes)[:, -1].double(), dim=0)
        total = sums[:, None] + logp
        sums, index = total.flatten().topk(min(beam_size, total.numel()))
        prefixes = torch.cat([prefixes[index // total.size(1)], (index % total.size(1))[:, None]], dim=1)
        prefixes, sums = collect(ended, prefixes, sums, eos_id, alpha)
        if len(sums) == 0:
            break
    return best_of(ended, prefixes, sums, alpha)


@wrong(EX, "first_position", "the logits of the first position are read, not of the last")
def reads_first(decoder, bos_id, eos_id, max_len, beam_size, alpha):
    return beam(lambda ids: decoder(ids)[:, :1], bos_id, eos_id, max_len, beam_size, alpha)


@wrong(EX, "last_word_only", "the decoder is given the newest word only")
def feeds_last(decoder, bos_id, eos_id, max_len, beam_size, alpha):
    return beam(lambda ids: decoder(ids[:, -1:]), bos_id, eos_id, max_len, beam_size, alpha)


@wrong(EX, "prefix_without_bos", "BOS is left out of the prefix once there is a word")
def drops_bos(decoder, bos_id, eos_id, max_len, beam_size, alpha):
    return beam(lambda ids: decoder(ids[:, 1:] if ids.size(1) > 1 else ids), bos_id, eos_id, max_len, beam_size, alpha)


@wrong(EX, "prefixes_padded", "prefixes are padded with zeros to max_len and the last position is read")
def padded(decoder, bos_id, eos_id, max_len, beam_size, alpha):
    return beam(
        lambda ids: decoder(F.pad(ids, (0, max_len + 1 - ids.size(1)))), bos_id, eos_id, max_len, beam_size, alpha
    )


@wrong(EX, "eos_fixed", "EOS is taken to be 2")
def eos_two(decoder, bos_id, eos_id, max_len, beam_size, alpha):
    return beam(decoder, bos_id, 2, max_len, beam_size, alpha)


@wrong(EX, "logits_changed", "writes -inf at BOS into the tensor that the decoder returned")
def writes_logits(decoder, bos_id, eos_id, max_len, beam_size, alpha):
    def without_bos(ids):
        logits = decoder(ids)
        with torch.no_grad():
            logits[:, -1, bos_id] = -math.inf
        return logits

    return beam(without_bos, bos_id, eos_id, max_len, beam_size, alpha)


@wrong(EX, "bos_left_out_of_the_softmax", "the probabilities are normalised over all words but BOS")
def renormalised(decoder, bos_id, eos_id, max_len, beam_size, alpha):
    def without_bos(ids):
        logits = decoder(ids).clone()
        logits[:, :, bos_id] = -math.inf
        return logits

    return beam(without_bos, bos_id, eos_id, max_len, beam_size, alpha)


@wrong(EX, "temperature", "logits are divided by 0.7 before the softmax")
def sharpened(decoder, bos_id, eos_id, max_len, beam_size, alpha):
    return beam(lambda ids: decoder(ids) / 0.7, bos_id, eos_id, max_len, beam_size, alpha)


@wrong(EX, "sampled_candidates", "candidates are sampled by their probability instead of taken from the top")
def stochastic(decoder, bos_id, eos_id, max_len, beam_size, alpha):
    prefixes, sums, ended = torch.tensor([[bos_id]]), torch.zeros(1).double(), []
    for _ in range(max_len):
        flat = step_all(decoder, prefixes, sums).flatten()
        weights = (flat - flat.max()).exp()
        index = torch.multinomial(weights, min(beam_size, int((weights > 0).sum())))
        vocab = flat.numel() // len(sums)
        sums = flat[index]
        prefixes = torch.cat([prefixes[index // vocab], (index % vocab)[:, None]], dim=1)
        prefixes, sums = collect(ended, prefixes, sums, eos_id, alpha)
        if len(sums) == 0:
            break
    return best_of(ended, prefixes, sums, alpha)


@wrong(EX, "least_probable", "topk(largest=False): the beam keeps the least probable")
def bottom_k(decoder, bos_id, eos_id, max_len, beam_size, alpha):
    prefixes, sums, ended = torch.tensor([[bos_id]]), torch.zeros(1).double(), []
    for _ in range(max_len):
        total = step_all(decoder, prefixes, sums)
        sums, index = total.flatten().topk(min(beam_size, total.numel()), largest=False)
        prefixes = torch.cat([prefixes[index // total.size(1)], (index % total.size(1))[:, None]], dim=1)
        prefixes, sums = collect(ended, prefixes, sums, eos_id, alpha)
        if len(sums) == 0:
            break
    return best_of(ended, prefixes, sums, alpha)


@wrong(EX, "log_of_softmax_clamped", "log(softmax + 1e-6): improbable words cost too little")
def guarded_log(decoder, bos_id, eos_id, max_len, beam_size, alpha):
    prefixes, sums, ended = torch.tensor([[bos_id]]), torch.zeros(1).double(), []
    for _ in range(max_len):
        total = sums[:, None] + torch.log(torch.softmax(decoder(prefixes)[:, -1].double(), dim=-1) + 1e-6)
        sums, index = total.flatten().topk(min(beam_size, total.numel()))
        prefixes = torch.cat([prefixes[index // total.size(1)], (index % total.size(1))[:, None]], dim=1)
        prefixes, sums = collect(ended, prefixes, sums, eos_id, alpha)
        if len(sums) == 0:
            break
    return best_of(ended, prefixes, sums, alpha)
