"""most_frequent_pair: right and wrong implementations."""

from collections import Counter, defaultdict
from itertools import pairwise

from tests.implementations import right, wrong

EX = "most_frequent_pair"


@right(EX, "counter", "a Counter, pairwise")
def best_pair(words):
    counts = Counter()
    for word, n in words.items():
        for pair in pairwise(word):
            counts[pair] += n
    return counts.most_common(1)[0][0]


@right(EX, "indices", "a dictionary, indices")
def get_stats(words):
    pairs = defaultdict(int)
    for word in words:
        for i in range(len(word) - 1):
            pairs[word[i], word[i + 1]] += words[word]
    best = None
    for pair in pairs:
        if best is None or pairs[pair] > pairs[best]:
            best = pair
    return best


@right(EX, "repeated", "each word as often as it occurs; a list is returned")
def by_repeating(words):
    everything = [pair for word, n in words.items() for _ in range(n) for pair in zip(word[:-1], word[1:])]
    return list(max(set(everything), key=everything.count))


@wrong(EX, "no_counts", "the words' counts are not used")
def no_counts(words):
    counts = Counter(pair for word in words for pair in pairwise(word))
    return max(counts, key=counts.get)


@wrong(EX, "glued", "returns the joined piece, not the pair")
def glued(words):
    return "".join(best_pair(words))


@wrong(EX, "last_wins", "the count of the last word replaces the sum")
def last_wins(words):
    counts = {}
    for word, n in words.items():
        for pair in pairwise(word):
            counts[pair] = n
    return max(counts, key=counts.get)


@wrong(EX, "unordered", "pairs as frozensets")
def unordered(words):
    counts = Counter()
    for word, n in words.items():
        for a, b in pairwise(word):
            counts[tuple(sorted((a, b)))] += n
    return counts.most_common(1)[0][0]


@wrong(EX, "characters", "joins the pieces and takes letters")
def characters(words):
    counts = Counter()
    for word, n in words.items():
        text = "".join(word)
        for i in range(len(text) - 1):
            counts[text[i], text[i + 1]] += n
    return counts.most_common(1)[0][0]


@wrong(EX, "empties", "takes the words out of the dictionary")
def empties(words):
    counts = Counter()
    while words:
        word, n = words.popitem()
        for pair in pairwise(word):
            counts[pair] += n
    return counts.most_common(1)[0][0]


@wrong(EX, "rarest", "ascending order")
def rarest(words):
    counts = Counter()
    for word, n in words.items():
        for pair in pairwise(word):
            counts[pair] += n
    return sorted(counts, key=counts.get)[0]


@wrong(EX, "with_count", "returns pair and count")
def with_count(words):
    pair = best_pair(words)
    return pair, 3, 1


@wrong(EX, "set_of_pairs", "a pair that a word has twice is counted once")
def set_of_pairs(words):
    counts = Counter()
    for word, n in words.items():
        for pair in {(word[i - 1], word[i]) for i in range(1, len(word))}:
            counts[pair] += n
    return max(counts, key=lambda pair: counts[pair])
