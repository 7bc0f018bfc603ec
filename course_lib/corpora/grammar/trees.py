"""Trees of leaves, and what is read off them: the words, the bracketing, the alignment."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple, TypeAlias

# What a word stands for: an object of the meaning and a part that it plays, such as (clause, "verb").
# Two words of two languages are aligned if they share a key.
Key: TypeAlias = tuple[object, str]

PUNCTUATION = ".,"


class Leaf(NamedTuple):
    """A word with its part of speech."""

    label: str
    word: str
    keys: tuple[Key, ...] = ()


class Branch(NamedTuple):
    """A constituent."""

    label: str
    children: Sequence[Leaf | Branch]


Tree: TypeAlias = Leaf | Branch


class Said(NamedTuple):
    """A sentence of one language with its annotations."""

    text: str
    bracketing: str
    keys: list[tuple[Key, ...]]


def say(tree: Tree) -> Said:
    """Reads a tree from left to right, with a capital at the start.

    A comma counts only between two words: realisers may put one before and after every subordinate clause, and those
    at the start of the sentence, after another comma or before the full stop vanish here.
    """
    words: list[str] = []
    keys: list[tuple[Key, ...]] = []
    parts: list[str] = []
    comma: Leaf | None = None  # waits for the next word
    hole = 0  # where it goes in `parts`

    def walk(node: Tree) -> None:
        nonlocal comma, hole
        if isinstance(node, Branch):
            parts.append(f" ({node.label}")
            for child in node.children:
                walk(child)
            parts.append(")")
            return
        label, word, links = node
        if word == ",":
            if words and comma is None:
                comma, hole = node, len(parts)
                parts.append("")
            return
        if comma is not None:
            if word not in PUNCTUATION:
                parts[hole] = f" ({comma.label} ,)"
                words.append(",")
                keys.append(comma.keys)
            comma = None
        if not words:
            word = word[0].upper() + word[1:]
        words.append(word)
        keys.append(links)
        parts.append(f" ({label} {word})")

    walk(tree)
    text = " ".join(words).replace(" ,", ",").replace(" .", ".")
    return Said(text, "".join(parts)[1:], keys)


def align(english: Said, german: Said) -> tuple[tuple[int, int], ...]:
    """Links every two words that share a key."""
    where: defaultdict[Key, list[int]] = defaultdict(list)
    for j, keys in enumerate(german.keys):
        for key in keys:
            where[key].append(j)
    links = {(i, j) for i, keys in enumerate(english.keys) for key in keys for j in where.get(key, ())}
    return tuple(sorted(links))


def words(sentence: str) -> list[str]:
    """Words and punctuation marks as separate tokens.

    The inverse: join with spaces, then take away the space before each comma and full stop.
    """
    return re.findall(r"\w+|[^\w\s]", sentence)
