"""Trained weights in other people's layouts: the same outputs, whatever the parameters are called."""

import importlib
from types import ModuleType

import pytest
import torch
from torch import nn

from course_lib.app.translator import Translator
from course_lib.exercises.transplant import SIZES, transplant
from tests.implementations import ALL
from tests.solved_anew import CELLS

SIZE = {"V": 500, "d": 96, "h": 4, "ff": 384}
ARGS = {
    "Embeddings": (500, 96),
    "MultiHeadAttention": (96, 4),
    "PositionwiseFeedForward": (96, 384),
    "LayerNorm": (96,),
    "SublayerConnection": (96,),
    "EncoderLayer": (96, 4, 384),
    "DecoderLayer": (96, 4, 384),
}
REST = {"LayerNorm": (1e-5,), "Embeddings": ()}  # after the sizes; else no dropout
NOT_COPIES = {("LayerNorm", "offset_gain")}  # its numbers are ours less one: nothing is calculated here

for name in ARGS:
    importlib.import_module(f"tests.implementations.{name}")
RIGHT = [one for one in ALL if one.right and one.exercise in ARGS]


@pytest.fixture(scope="module")
def translator():
    return Translator.shipped()


def part(translator, name):
    """A trained part, of other sizes than the shipped model's."""
    args = (*ARGS[name], *REST.get(name, (0.0,)))
    torch.manual_seed(1)
    module = translator.library[name](*args)
    for weight in module.parameters():
        nn.init.normal_(weight, std=0.2)
    return module, args


def test_every_class_of_the_contract_with_weights_is_here():
    assert set(ARGS) == set(SIZES)


@pytest.mark.parametrize("one", RIGHT, ids=[f"{one.exercise}-{one.label}" for one in RIGHT])
def test_a_right_class_takes_over_the_weights_in_its_own_layout(one, translator):
    ours, args = part(translator, one.exercise)
    theirs = one.definition(*args)
    if (one.exercise, one.label) in NOT_COPIES:
        with pytest.raises(ValueError, match="no reading"):
            transplant(one.exercise, ours, theirs, ARGS[one.exercise])
    else:
        transplant(one.exercise, ours, theirs, ARGS[one.exercise])


def test_a_wrong_class_is_not_made_right(translator):
    class WithoutBias(nn.Module):
        def __init__(self, d, eps):
            super().__init__()
            self.gamma = nn.Parameter(torch.ones(d))

        def forward(self, x):
            return self.gamma * (x - x.mean(-1, keepdim=True)) / x.std(-1, keepdim=True)

    ours, args = part(translator, "LayerNorm")
    theirs = WithoutBias(*args)
    with pytest.raises(ValueError, match="no reading"):
        transplant("LayerNorm", ours, theirs, (96,))
    assert (theirs.gamma == 1).all()


@pytest.mark.parametrize(
    "names",
    [("MultiHeadAttention",), ("LayerNorm", "PositionwiseFeedForward"), ("EncoderLayer", "DecoderLayer"), tuple(CELLS)],
    ids=len,
)
def test_the_translator_computes_the_same_on_another_persons_parts(translator, names):
    cells = ModuleType("cells")
    torch_names = "import math\nimport torch\nfrom torch import nn\n\n"
    exec(torch_names + "\n\n".join(CELLS.values()), vars(cells))
    parts = {name: vars(cells)[name] for name in names}
    other = translator.swap(**parts)
    src, tgt = torch.randint(4, 300, (2, 7)), torch.randint(4, 300, (2, 5))
    with torch.no_grad():
        assert torch.allclose(other.model(src, tgt), translator.model(src, tgt), atol=1e-4)
    sentences = ["The dog sleeps because it is tired.", "The old man reads the letter."]
    for beam in (1, 4):
        assert other.translate_all(sentences, beam) == translator.translate_all(sentences, beam)
