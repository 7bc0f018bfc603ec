"""Token embeddings (3.4)."""

import math
from collections.abc import Callable, Iterator
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from course_lib.embeddings import Embeddings
from course_lib.exercises.catalogue.own_weights import (
    SUPER_FORGOTTEN,
    as_matrix,
    count,
    failed,
    gradients_by_name,
    inside,
    learn,
    shapes,
)
from course_lib.exercises.exercise import Card, Exercise, Mistake, Observation, Observations, Probe, Weights
from course_lib.exercises.trial import Trial, tensors

SMALL = (5, 3)  # tokens and d_model of most probes: neither a square, and different from each other
OTHER = (12, 7)
WIDE = (4, 6)  # more features than tokens
MANY = (300, 2)  # more tokens than a byte can count

FACTORS = {"plain": [[2, 0]], "wide": [[1, 3, 2], [0, 3, 3]]}  # ids, by which a wrong factor is found out
TWELVE = [[3, 11, 0, 7], [1, 10, 5, 2], [9, 4, 8, 6]]  # each of the 12 tokens once

State = dict[str, Tensor]


# --- which of the learner's weights is which ---


def layouts(weights: Weights, args: tuple) -> dict[str, State]:
    """Every way in which the weights may be the table; where there are more, the rest is left over as extra."""
    vocab, d_model = args[:2]
    given = [weight for _, weight in weights]
    found = {name: {"table.weight": table} for name, table in tables(given, vocab, d_model)}
    if not found and 1 < len(given) <= 5:
        for i, one in enumerate(given):
            rest = {f"extra_{j}": other for j, other in enumerate(given[:i] + given[i + 1 :])}
            for name, table in tables([one], vocab, d_model):
                found[f"{name}, number {i}"] = {"table.weight": table, **rest}
    return found


def tables(given: list[Tensor], vocab: int, d_model: int) -> Iterator[tuple[str, Tensor]]:
    """All ways in which these tensors, side by side, are a row for each token."""
    if sum(one.numel() for one in given) != vocab * d_model:
        return
    run = [as_matrix(one) for one in given]
    if len(run) == 1 and run[0].dim() != 2:
        row = run[0].flatten()
        yield "one row", row.view(vocab, d_model)
        yield "one row of columns", row.view(d_model, vocab).mT
        return
    joined = {"rows": (torch.cat if run[0].dim() == 2 else torch.stack, 0), "columns": (torch.cat, 1)}
    for name, (join, axis) in joined.items():
        try:
            table = join(run, axis)
        except (RuntimeError, IndexError):
            continue
        if table.shape == (vocab, d_model):
            yield name, table
        elif table.shape == (d_model, vocab):
            yield f"{name}, transposed", table.mT
        if len(run) == 1:
            return


# --- the probes ---


def made(trial: Trial) -> Observation:
    """Only built: what can be seen of a module that cannot run."""
    one, two = trial.build(*SMALL), trial.build(*OTHER)
    seen = trial.seen(numbers_that_are_trained=[count(one), count(two)])
    return {**seen, "_inside": inside(one), "_frozen": sum(not w.requires_grad for w in one.parameters())}


def once(trial: Trial, ids: Tensor, *args: int, train: bool = False) -> Observation:
    """One module, one input."""
    module = trial.build(*(args or SMALL), train=train)
    out = tensors(trial.call(module, ids), 1)[0]
    after = [weight.detach().clone() for weight in module.parameters()]
    return {**trial.seen(out=out), "_after": after}


def plain(trial: Trial) -> Observation:
    return once(trial, torch.tensor(FACTORS["plain"]))


def every_token(trial: Trial) -> Observation:
    """Each of the 12 tokens once."""
    return once(trial, torch.tensor(TWELVE), *OTHER)


def repeated(trial: Trial) -> Observation:
    return once(trial, torch.tensor([[1, 1, 4, 0, 1], [0, 4, 4, 2, 3]]))


def wide(trial: Trial) -> Observation:
    return once(trial, torch.tensor(FACTORS["wide"]), *WIDE)


def one_token(trial: Trial) -> Observation:
    return once(trial, torch.tensor([[4]]))


def training(trial: Trial) -> Observation:
    return once(trial, torch.tensor([[0, 3, 2], [4, 1, 1]]), train=True)


def many(trial: Trial) -> Observation:
    return once(trial, torch.tensor([[299, 0, 255, 256], [257, 1, 128, 127]]), *MANY)


def two_inputs(trial: Trial) -> Observation:
    """The same module again and again, in both modes."""
    module = trial.build(*SMALL)
    inputs = torch.tensor([[1, 2]]), torch.tensor([[3, 0]]), torch.tensor([[3], [4], [1]])
    outs = [tensors(trial.call(module, ids), 1)[0] for ids in inputs]
    module.train()
    trial.once(module, inputs[0])
    module.eval()
    outs.append(tensors(trial.call(module, inputs[1]), 1)[0])
    again = outs[0].shape == outs[1].shape and bool(torch.equal(outs[0], outs[1]))
    return trial.seen(a_second_input="gets the first one's answer" if again else "gets its own answer", out=outs)


def views(trial: Trial) -> Observation:
    """Not contiguous: sentences and positions exchanged; and one sentence shown three times."""
    module = trial.build(*SMALL)
    crossed = torch.tensor([[0, 1], [2, 3], [4, 1]]).T
    shown = torch.tensor([[3, 0]]).expand(3, 2)
    return trial.seen(out=[tensors(trial.call(module, ids), 1)[0] for ids in (crossed, shown)])


def double(trial: Trial) -> Observation:
    module = trial.build(*SMALL).double()
    return trial.seen(out=tensors(trial.call(module, torch.tensor([[2, 4], [0, 1]])), 1)[0])


def gradient(trial: Trial) -> Observation:
    """Tokens that occur once, twice, not at all; 0 and the last one among them."""
    module = trial.build(*SMALL, train=True)
    out = tensors(trial.once(module, torch.tensor([[0, 4, 2], [4, 1, 0]])), 1)[0]
    return {**trial.seen(), **learn(module, out), "_in_graph": out.requires_grad}


def int32(trial: Trial) -> Observation:
    return once(trial, torch.tensor([[2, 0], [1, 4]], dtype=torch.int32))


def bf16(trial: Trial) -> Observation:
    module = trial.build(*SMALL).bfloat16()
    return trial.seen(out=tensors(trial.call(module, torch.tensor([[2, 4], [0, 1]])), 1)[0])


PROBES = (
    Probe("made", made, "It does not have a row of d_model numbers for each token, and these alone."),
    Probe("plain", plain, "The result is not that of the contract.", "5 tokens, d_model = 3 and ids [[2, 0]]"),
    Probe(
        "every token", every_token, "Not every token gets its own row.", "12 tokens, d_model = 7, ids (3, 4): each once"
    ),
    Probe("gradient", gradient, "The table does not learn as it should.", "ids (2, 3)", read=gradients_by_name),
    Probe("repeated", repeated, "With a token that occurs again the result is not right.", "ids (2, 5)"),
    Probe("wide", wide, "With more features than tokens the result is not right.", "4 tokens, d_model = 6"),
    Probe("one token", one_token, "With a single token the result is not right.", "ids [[4]]"),
    Probe("training", training, "In training mode the result is not right.", "ids (2, 3), after .train()"),
    Probe("many tokens", many, "With 300 tokens the result is not right.", "300 tokens, d_model = 2"),
    Probe("two inputs", two_inputs, "When it is called more than once, the result is not right.", "four inputs"),
    Probe("views", views, "With ids that are not contiguous the result is not right.", "transposed ids"),
    Probe("float64", double, "In double precision the result is not right.", "float64 weights", atol=3e-7, rtol=3e-7),
    Probe("int32", int32, "ids of type int32 give something else", "ids of type int32", robust=True),
    Probe("bfloat16", bf16, "bfloat16 gives something else", "bfloat16", robust=True, atol=0.02, rtol=0.02),
)


# --- the known mistakes: wrong variants ---


class Wrong(Embeddings):
    """The reference in pieces, to be changed one at a time."""

    def __init__(self, vocab: int, d_model: int) -> None:
        super().__init__(vocab, d_model)
        self.vocab, self.d_model = vocab, d_model


def with_forward(function: Callable[[Any, Tensor], Any]) -> type[Wrong]:
    return type("Variant", (Wrong,), {"forward": function})


def scaled_by(factor: Callable[[Any, Tensor], float]) -> type[Wrong]:
    return with_forward(lambda self, ids: self.table(ids) * factor(self, ids))


def looking_up(change: Callable[[Any, Tensor], Tensor]) -> type[Wrong]:
    """The ids are changed first."""
    return with_forward(lambda self, ids: self.table(change(self, ids)) * self.scale)


def then(change: Callable[[Any, Tensor], Any]) -> type[Wrong]:
    """The result is changed."""
    return with_forward(lambda self, ids: change(self, self.table(ids) * self.scale))


def rows(change: Callable[[Tensor], Tensor]) -> type[Wrong]:
    """The rows are changed before the factor."""
    return with_forward(lambda self, ids: change(self.table(ids)) * self.scale)


def normalised(x: Tensor) -> Tensor:
    return F.layer_norm(x, x.shape[-1:])


def positions(out: Tensor) -> Tensor:
    """Sines on even, cosines on odd features."""
    length, width = out.shape[-2:]
    feature = torch.arange(width)
    angle = torch.arange(length)[:, None] / 10000 ** (feature // 2 * 2 / width)
    return torch.where(feature % 2 == 0, angle.sin(), angle.cos()).to(out.dtype)


def with_table_option(**options: Any) -> type[Wrong]:
    return with_forward(lambda self, ids: F.embedding(ids, self.table.weight, **options) * self.scale)


def unscaled_gradient(self: Any, ids: Tensor) -> Tensor:
    found = self.table(ids)
    return found + (found * (self.scale - 1)).detach()


# --- signs ---


def first_shapes(seen: Observations) -> list[tuple[int, ...]]:
    return shapes(seen, "made")[0]


def numbers(seen: Observations) -> int:
    return sum(math.prod(shape) for shape in first_shapes(seen))


def extra(seen: Observations) -> list[tuple[int, ...]]:
    """Shapes of what there is besides one table."""
    found = list(first_shapes(seen))
    for shape in found:
        if sorted(shape) == sorted(SMALL):
            found.remove(shape)
            return found
    return []


def out_of(seen: Observations, probe: str) -> Tensor:
    out = seen[probe]["out"]
    assert isinstance(out, Tensor)
    return out


def looked_up(seen: Observations, probe: str, ids: list) -> list[Tensor]:
    """The rows for these ids without any factor, under each layout."""
    built = seen[probe]["_built"][0]  # type: ignore[index]
    weights = list(zip(built["names"], built["weights"], strict=True))  # type: ignore[index, call-overload, arg-type]
    states = layouts(weights, tuple(built["args"]))  # type: ignore[index, call-overload, arg-type]
    return [F.embedding(torch.tensor(ids), state["table.weight"]) for state in states.values()]


def factor(seen: Observations, probe: str) -> float | None:
    """By what the rows were multiplied; None where it is not one number."""
    out = out_of(seen, probe)
    for found in looked_up(seen, probe, FACTORS[probe]):
        if found.shape == out.shape:
            ratio = out / found
            if bool(((ratio - ratio.median()).abs() < 1e-3 * ratio.abs()).all()):
                return float(ratio.median())
    return None


def fixed_factor(seen: Observations) -> bool:
    """The same number for d_model 3 and 6."""
    one, two = factor(seen, "plain"), factor(seen, "wide")
    return one is not None and two is not None and abs(one - two) < 1e-3 * abs(one) and abs(one - 1) > 1e-2


def made_in_forward(seen: Observations) -> bool:
    return numbers(seen) == 0 and "answers differently the second time" in seen["plain"] and not held(seen)


def held(seen: Observations) -> set:
    return {"modules", "tensor"} & set(seen["made"]["_inside"])  # type: ignore[arg-type]


def made_at_first_call(seen: Observations) -> bool:
    return numbers(seen) == 0 and bool(seen["plain"]["_after"])


def table_as_buffer(seen: Observations) -> bool:
    size = SMALL[0] * SMALL[1]
    return numbers(seen) < size and f"buffer {size}" in seen["made"]["_inside"]  # type: ignore[operator]


def not_registered(seen: Observations) -> bool:
    return numbers(seen) == 0 and bool(held(seen))


def sizes_swapped(seen: Observations) -> bool:
    """The rows have as many numbers as there are tokens."""
    transposed = first_shapes(seen) == [SMALL[::-1]]
    if transposed and "error" in seen["plain"]:
        return failed(seen, "plain", "index", "range", "same size", "must match", "shape")
    return transposed and out_of(seen, "plain").size(-1) == SMALL[0]


def rows_missing_or_more(seen: Observations) -> bool:
    """A table with a few rows more or less than there are tokens, in both modules."""
    tokens = []
    for i, (vocab, d_model) in enumerate((SMALL, OTHER)):
        found = [shape for shape in shapes(seen, "made")[i] if len(shape) == 2 and d_model in shape]
        tokens.append({shape[0] if shape[1] == d_model else shape[1] for shape in found[:1]} or {0})
        if vocab in tokens[i]:
            return False
    one, two = (min(each) for each in tokens)
    return 0 < abs(one - SMALL[0]) < 6 and one - SMALL[0] == two - OTHER[0]


def square_table(seen: Observations) -> bool:
    return first_shapes(seen) in ([(SMALL[1], SMALL[1])], [(SMALL[0], SMALL[0])])


def fixed_sizes(seen: Observations) -> bool:
    """A size that both modules have, though none of their arguments is that."""
    one, two = ({size for shape in shapes(seen, "made")[i] for size in shape} for i in (0, 1))
    return bool((one & two) - {*SMALL, *OTHER}) and not extra(seen)


def narrow_table(seen: Observations) -> bool:
    """(vocab, k), and then a map from k to d_model."""
    found = first_shapes(seen)
    if not (len(found) in (2, 3) and len(found[0]) == len(found[1]) == 2 and found[0][0] == SMALL[0]):
        return False
    return found[0][1] in found[1] and SMALL[1] in found[1] and found[0][1] != SMALL[1]


def id_as_number(seen: Observations) -> bool:
    """A linear map of one number, or a deeper one: nothing has as many rows as there are tokens."""
    found = first_shapes(seen)
    return bool(found) and found[0] == (SMALL[1],) and SMALL[0] not in sum(found, ()) and not extra(seen)


def unequal(seen: Observations) -> bool:
    return (
        "answers differently the second time" in seen["training"]
        and "answers differently the second time" not in (seen["plain"])
    )


def dropout(seen: Observations) -> bool:
    if unequal(seen):
        return not noise(seen)
    return False


def noise(seen: Observations) -> bool:
    """What is added is small and never makes a zero; dropout multiplies all that stays by one number above 1."""
    out = out_of(seen, "training")
    for found in looked_up(seen, "training", [[0, 3, 2], [4, 1, 1]]):
        ratio = (out / (found * math.sqrt(SMALL[1])))[out != 0]
        if unequal(seen) and bool((ratio - ratio.median()).abs().max() > 1e-2):
            return True
    return False


def table_grows(seen: Observations) -> bool:
    """A call changes the table; the rows are not merely cut to a length."""
    return table_changed(seen) and not cut_to_a_length(seen)


def before_and_after(seen: Observations, probe: str) -> tuple[Tensor, Tensor]:
    """The weights as they were drawn, and after the call."""
    before, after = seen[probe]["_built"][0]["weights"], seen[probe]["_after"]  # type: ignore[index, call-overload]
    return tuple(torch.cat([one.flatten() for one in each]) for each in (before, after))  # type: ignore[return-value, union-attr, arg-type]


def table_changed(seen: Observations) -> bool:
    return any(not torch.equal(*before_and_after(seen, probe)) for probe in ("plain", "every token"))


def cut_to_a_length(seen: Observations) -> bool:
    """max_norm: what changed became shorter."""
    before, after = (torch.cat(each) for each in zip(*(before_and_after(seen, p) for p in ("plain", "every token"))))
    return not torch.equal(before, after) and bool((after.abs() <= before.abs() + 1e-6).all())


def gradient_rows(seen: Observations) -> Tensor:
    """The gradient of the table, under the first layout."""
    observation = seen["gradient"]
    built = observation["_built"][0]  # type: ignore[index]
    weights = list(zip(built["names"], built["weights"], strict=True))  # type: ignore[index, call-overload, arg-type]
    states = list(layouts(weights, tuple(built["args"])).values())  # type: ignore[index, call-overload, arg-type]
    found = gradients_by_name(observation, states[:1])["gradient of table"]
    assert isinstance(found, Tensor)
    return found


def right_values(seen: Observations) -> bool:
    out = out_of(seen, "every token")
    expected = [found * math.sqrt(OTHER[1]) for found in looked_up(seen, "every token", TWELVE)]
    return any(one.shape == out.shape and torch.allclose(one, out, atol=1e-4) for one in expected)


def a_row_without_gradient(seen: Observations) -> bool:
    """Of the tokens 0, 1, 2 and 4, which occur, exactly one learns nothing."""
    if not right_values(seen):
        return False
    learns = gradient_rows(seen)[[0, 1, 2, 4]].abs().sum(-1) > 0
    return int(learns.sum()) == 3


def some_positions_detached(seen: Observations) -> bool:
    if not right_values(seen):
        return False
    learns = gradient_rows(seen)[[0, 1, 2, 4]].abs().sum(-1) > 0
    return 0 < int(learns.sum()) < 3


def cut_off(seen: Observations) -> bool:
    """The values are right or nearly so, and no gradient comes back."""
    frozen = bool(seen["made"]["_frozen"])
    return "error" not in seen["plain"] and numbers(seen) > 0 and not frozen and not seen["gradient"]["_in_graph"]


def one_for_a_sentence(seen: Observations) -> bool:
    return out_of(seen, "plain").shape == (1, SMALL[1]) and out_of(seen, "one token").shape == (1, SMALL[1])


MISTAKES = (
    SUPER_FORGOTTEN,
    Mistake(
        "returns_more_than_the_vectors",
        "Several things are returned. Asked for is one tensor (B, T, d_model): the vectors alone.",
        seen=lambda seen: failed(seen, "plain", "tuple", "list", "dict", kind="Answer"),
    ),
    Mistake(
        "not_a_tensor",
        "What is returned is no torch tensor (an array of numpy, say). No gradient can come back through it: stay in "
        "torch.",
        seen=lambda seen: failed(seen, "plain", kind="Answer"),
    ),
    Mistake(
        "table_made_in_forward",
        "The table is made inside `forward`: at each call a new one, with new random numbers, that no optimizer ever "
        "sees. Make it once, in `__init__`.",
        seen=made_in_forward,
    ),
    Mistake(
        "table_made_at_the_first_call",
        "The table is made at the first call. An optimizer that was given `module.parameters()` before has nothing to "
        "train, and a saved state does not fit a new module. Make it in `__init__`.",
        seen=made_at_first_call,
    ),
    Mistake(
        "table_is_a_buffer",
        "The table is a buffer: it is saved with the module but never trained. What is learned must be an "
        "nn.Parameter, or stand in an nn.Embedding.",
        seen=table_as_buffer,
    ),
    Mistake(
        "table_not_registered",
        "The table does not appear in `module.parameters()`: it is a plain tensor, or stands in a plain list or "
        "dictionary. Assign the nn.Embedding to an attribute, or use nn.Parameter.",
        seen=not_registered,
    ),
    Mistake(
        "table_frozen",
        "The table has `requires_grad = False`. It is learned like all weights; `nn.Embedding.from_pretrained` "
        "freezes it unless told `freeze=False`.",
        seen=lambda seen: bool(seen["made"]["_frozen"]),
    ),
    Mistake(
        "sizes_in_the_wrong_order",
        "The table has a row of as many numbers as there are tokens for each feature; it should be the other way "
        "round. nn.Embedding takes the number of rows first: nn.Embedding(vocab, d_model).",
        seen=sizes_swapped,
    ),
    Mistake(
        "another_number_of_rows",
        "The table has some rows too few or too many. There are `vocab` tokens, with the ids 0 to vocab - 1; special "
        "tokens such as padding have been counted already.",
        seen=rows_missing_or_more,
    ),
    Mistake(
        "table_of_one_size",
        "The table is as wide as it is long: one of the sizes is used twice. It has `vocab` rows of `d_model` numbers.",
        seen=square_table,
    ),
    Mistake(
        "id_taken_as_a_number",
        "The id goes into a linear map as a number, so token 20 is twice token 10. An id is a name, not a quantity: "
        "it says which row of a table to take.",
        seen=id_as_number,
    ),
    Mistake(
        "narrow_table_and_linear_map",
        "The table is narrower than d_model and a linear map makes it wide, as in ALBERT. Here the rows have d_model "
        "numbers.",
        seen=narrow_table,
        source="Lan et al. (2019), ALBERT",
        convention=True,
    ),
    Mistake(
        "sizes_fixed",
        "A size is written down as a number. Take the sizes from the arguments vocab and d_model.",
        seen=fixed_sizes,
    ),
    Mistake(
        "factor_is_trained",
        "The factor is a parameter, so training changes it. Section 3.4 multiplies by the square root of d_model, a "
        "constant.",
        seen=lambda seen: extra(seen) == [()],
        section="scale",
    ),
    Mistake(
        "bias_added",
        "A trained vector is added to every token: the bias of a linear layer. A row of the table is all that a token "
        "gets; with nn.Linear, use bias=False.",
        seen=lambda seen: extra(seen) == [(SMALL[1],)],
    ),
    Mistake(
        "normalised_with_gain_and_bias",
        "The result goes through a layer normalisation, as in BERT. The embeddings of this paper are a row of the "
        "table times a constant.",
        seen=lambda seen: extra(seen) == [(SMALL[1],)] * 2,
        source="Devlin et al. (2018), BERT",
        convention=True,
    ),
    Mistake(
        "linear_map_after_the_table",
        "A trained linear map follows the table. It could be multiplied into the rows, so it adds nothing; the "
        "contract has the table alone.",
        seen=lambda seen: extra(seen)[:1] == [(SMALL[1], SMALL[1])],
        source="factorised embeddings, as in ALBERT, have one to go from a narrow table to d_model",
        convention=True,
    ),
    Mistake(
        "learned_positions_added",
        "Trained vectors for positions are added. Positions are an exercise of their own, and in the paper they are "
        "sines; here only the words.",
        seen=lambda seen: len(extra(seen)) == 1 and len(extra(seen)[0]) == 2 and SMALL[1] in extra(seen)[0],
        source="BERT and GPT learn their positions",
        convention=True,
    ),
    Mistake(
        "rows_cut_to_a_length",
        "Looking up shortens rows in the table itself: that is what max_norm of nn.Embedding does. A look-up must not "
        "change what was learned.",
        seen=cut_to_a_length,
    ),
    Mistake(
        "table_multiplied_at_each_call",
        "The table itself is changed at each call, so it grows from call to call. Multiply what was looked up: "
        "`table[ids] * factor`, without an operation in place on the weights.",
        seen=table_grows,
        section="scale",
    ),
    Mistake(
        "cut_off_from_the_graph",
        "No gradient comes back to the table: detach, .data, no_grad, a copy made in `__init__` or a detour through "
        "numpy cuts it off, and it never learns. Look up in the parameter itself.",
        seen=cut_off,
    ),
    Mistake(
        "noise_in_training",
        "In training the vectors are not the same at each call, as if noise was added. Asked for is the row times the "
        "factor, in both modes.",
        seen=noise,
    ),
    Mistake(
        "dropout_in_the_embeddings",
        "Dropout is put on the vectors. In this course it comes after the positions are added "
        "(SinusoidalPositionalEncoding); here it would drop twice.",
        seen=dropout,
    ),
    Mistake(
        "a_token_never_learns",
        "One token's row gets no gradient: that is what padding_idx of nn.Embedding does. Here every row is learned; "
        "padding is kept out by the masks and the loss.",
        seen=a_row_without_gradient,
        source="padding_idx in fairseq's and many others' embeddings",
        convention=True,
    ),
    Mistake(
        "some_tokens_without_gradient",
        "Only some positions send a gradient to the table. Every token that occurs should learn.",
        seen=some_positions_detached,
    ),
    Mistake(
        "keeps_the_first_answer",
        "Other ids get the answer of the first ones: the result is kept and given again. Look up at every call.",
        seen=lambda seen: seen["two inputs"]["a second input"] == "gets the first one's answer" and numbers(seen) > 0,
    ),
    Mistake(
        "one_vector_for_a_sentence",
        "A sentence gets one vector, the mean or sum of its tokens' (as from nn.EmbeddingBag). Every token keeps its "
        "own: (B, T, d_model).",
        seen=one_for_a_sentence,
    ),
    Mistake(
        "view_on_what_is_not_contiguous",
        "`view` works only where the numbers lie in memory in the order of the axes. After a transpose they do not: "
        "use `reshape`, or leave it: a table can be indexed with ids of any shape.",
        seen=lambda seen: failed(seen, "views", "view size is not compatible") and "error" not in seen["plain"],
    ),
    Mistake(
        "ids_not_whole_numbers",
        "The ids were turned into floating point numbers before the look-up. A row is chosen by a whole number: keep "
        "them as they are.",
        seen=lambda seen: failed(seen, "plain", "Long, Int", "FloatTensor instead", "must be long", "used as indices"),
    ),
    Mistake(
        "type_of_the_weights_fixed",
        "Something has a fixed type (float32, say), so that a module in double precision fails. Take the type from "
        "the table.",
        seen=lambda seen: failed(seen, "float64", "dtype", "ouble", "loat") and "error" not in seen["plain"],
    ),
    Mistake(
        "another_fixed_factor",
        "The factor is the same number whatever d_model is. It is the square root of d_model: take it from the "
        "argument.",
        seen=fixed_factor,
        section="scale",
    ),
    Mistake(
        "no_scale",
        "The rows are not multiplied by the square root of d_model (section 3.4). Starting with larger numbers in the "
        "table is not the same: the factor is part of every call, and the table serves the output layer without it.",
        scaled_by(lambda self, ids: 1.0),
        section="scale",
    ),
    Mistake(
        "scaled_by_d_model",
        "The rows are multiplied by d_model, where it should be its square root; or by the root twice, which is the "
        "same.",
        scaled_by(lambda self, ids: self.d_model),
        section="scale",
    ),
    Mistake(
        "divided_by_root",
        "The rows are divided by the square root of d_model; in attention that is right, here it is multiplied.",
        scaled_by(lambda self, ids: 1 / self.scale),
        section="scale",
    ),
    Mistake(
        "divided_by_d_model",
        "The rows are divided by d_model. They are multiplied by its square root.",
        scaled_by(lambda self, ids: 1 / self.d_model),
        section="scale",
    ),
    Mistake(
        "scaled_by_the_root_of_vocab",
        "The root is taken of the number of tokens in the vocabulary. It is the root of d_model, the width of a row.",
        scaled_by(lambda self, ids: math.sqrt(self.vocab)),
        section="scale",
    ),
    Mistake(
        "scaled_by_the_root_of_the_length",
        "The root is taken of the length of the sentence: the size of another axis. It is the root of d_model, the "
        "last axis of the result.",
        scaled_by(lambda self, ids: math.sqrt(ids.size(-1))),
        section="scale",
    ),
    Mistake(
        "scaled_by_the_root_of_the_batch",
        "The root is taken of the number of sentences: the size of another axis. It is the root of d_model, the last "
        "axis of the result.",
        scaled_by(lambda self, ids: math.sqrt(ids.size(0))),
        section="scale",
    ),
    Mistake(
        "root_cut_to_a_whole_number",
        "The root is cut to a whole number (int, // or isqrt), which is right only where d_model is a square.",
        scaled_by(lambda self, ids: math.isqrt(self.d_model)),
        section="scale",
    ),
    Mistake(
        "root_rounded",
        "The root is rounded to a whole number, which is right only where d_model is a square.",
        scaled_by(lambda self, ids: round(self.scale)),
        section="scale",
    ),
    Mistake(
        "root_of_half_the_width",
        "The root is taken of d_model / 2. It is the root of d_model.",
        scaled_by(lambda self, ids: math.sqrt(self.d_model / 2)),
        section="scale",
    ),
    Mistake(
        "factor_added",
        "The square root of d_model is added, where it should be multiplied.",
        with_forward(lambda self, ids: self.table(ids) + self.scale),
        section="scale",
    ),
    Mistake(
        "factor_in_training_only",
        "The factor is there in training only. It belongs to the function in both modes, or a trained model meets "
        "vectors that it does not know.",
        with_forward(lambda self, ids: self.table(ids) * (self.scale if self.training else 1.0)),
        section="scale",
    ),
    Mistake(
        "factor_in_evaluation_only",
        "The factor is there in evaluation only. It belongs to the function in both modes.",
        with_forward(lambda self, ids: self.table(ids) * (1.0 if self.training else self.scale)),
        section="scale",
    ),
    Mistake(
        "factor_without_its_gradient",
        "The values are right, but the gradient is that without the factor: the factor is applied behind the graph's "
        "back. Multiply in the open: `table[ids] * factor`.",
        with_forward(unscaled_gradient),
        section="scale",
    ),
    Mistake(
        "gradient_divided_by_frequency",
        "A token's gradient is divided by how often it occurs: that is scale_grad_by_freq of nn.Embedding. The "
        "contract has the plain gradient.",
        with_table_option(scale_grad_by_freq=True),
    ),
    Mistake(
        "zero_for_id_0",
        "Token 0 gets a vector of zeros, as if it was padding. The embeddings do not know of padding: the masks and "
        "the loss leave it out.",
        with_forward(lambda self, ids: self.table(ids) * self.scale * (ids != 0).unsqueeze(-1)),
    ),
    Mistake(
        "last_two_tokens_share",
        "The largest id gets another token's row: ids are cut off one too early. They go from 0 to vocab - 1.",
        looking_up(lambda self, ids: ids.clamp(max=self.vocab - 2)),
    ),
    Mistake(
        "first_two_tokens_share",
        "Tokens 0 and 1 get the same row: ids are cut off at 1. They begin with 0.",
        looking_up(lambda self, ids: ids.clamp(min=1)),
    ),
    Mistake(
        "row_before",
        "Each token gets the row before its own: the ids are taken to begin with 1. They begin with 0.",
        looking_up(lambda self, ids: (ids - 1) % self.vocab),
        seen=lambda seen: failed(seen, "plain", "out of range", "out of bounds") and "error" not in seen["one token"],
    ),
    Mistake(
        "row_after",
        "Each token gets the row after its own. Ids begin with 0, as rows do.",
        looking_up(lambda self, ids: (ids + 1) % self.vocab),
        seen=lambda seen: failed(seen, "one token", "out of range", "out of bounds") and "error" not in seen["plain"],
    ),
    Mistake(
        "ids_in_a_byte",
        "The ids are put into eight bits, where those from 256 on meet others. Leave their type alone.",
        looking_up(lambda self, ids: ids.to(torch.uint8).long() % self.vocab),
    ),
    Mistake(
        "ids_in_a_signed_byte",
        "The ids are put into eight bits with a sign, where those from 128 on become others. Leave their type alone.",
        looking_up(lambda self, ids: ids.to(torch.int8).long() % self.vocab),
    ),
    Mistake(
        "ids_modulo_d_model",
        "Tokens share rows: the ids are taken modulo d_model. Every token has a row of its own.",
        looking_up(lambda self, ids: ids % self.d_model % self.vocab),
    ),
    Mistake(
        "first_token_everywhere",
        "All positions get the vector of the sentence's first token. Look up all ids.",
        looking_up(lambda self, ids: ids[:, :1].expand(-1, ids.size(1))),
    ),
    Mistake(
        "first_sentence_everywhere",
        "All sentences get the vectors of the first one. Look up all ids.",
        looking_up(lambda self, ids: ids[:1].expand(ids.size(0), -1)),
    ),
    Mistake(
        "only_the_first_sentence",
        "Only the first sentence of the batch is looked up. The ids are (B, T).",
        looking_up(lambda self, ids: ids[:1]),
    ),
    Mistake(
        "tokens_reversed",
        "The tokens of a sentence come in reverse order. Leave the order to the caller.",
        looking_up(lambda self, ids: ids.flip(-1)),
    ),
    Mistake(
        "tokens_moved_by_one",
        "The tokens are moved by one position. Moving the target is the task of shift_right; here every position gets "
        "the vector of its own token.",
        looking_up(lambda self, ids: ids.roll(1, -1)),
    ),
    Mistake(
        "running_sum",
        "A token's vector has those of the tokens before it added. A token gets its own row, wherever it stands.",
        then(lambda self, out: out.cumsum(-2)),
    ),
    Mistake(
        "positions_added",
        "Sines and cosines of the positions are added. That is the next exercise; here only the words.",
        then(lambda self, out: out + positions(out)),
    ),
    Mistake(
        "positions_added_without_factor",
        "Sines and cosines of the positions are added, and the factor is missing. Positions are the next exercise; "
        "here only the words, times the square root of d_model.",
        with_forward(lambda self, ids: self.table(ids) + positions(self.table(ids))),
    ),
    Mistake(
        "result_normalised",
        "The result is normalised, as in BERT. The embeddings of this paper are a row of the table times a constant.",
        then(lambda self, out: normalised(out)),
        source="Devlin et al. (2018), BERT",
        convention=True,
    ),
    Mistake(
        "rows_normalised",
        "The rows are normalised before the factor. They are taken from the table as they are.",
        rows(normalised),
    ),
    Mistake(
        "rows_of_length_one",
        "The rows are brought to length 1 before the factor. They are taken from the table as they are; how long a "
        "row is may mean something.",
        rows(lambda found: F.normalize(found, dim=-1)),
    ),
    Mistake(
        "result_of_length_one",
        "The result is brought to length 1, which undoes the factor as well. It is the row times the square root of "
        "d_model.",
        then(lambda self, out: F.normalize(out, dim=-1)),
    ),
    Mistake(
        "tanh_on_the_rows",
        "The rows go through a tanh. They are taken from the table as they are.",
        rows(torch.tanh),
    ),
    Mistake(
        "tanh_on_the_result",
        "The result goes through a tanh. It is the row times the square root of d_model, nothing more.",
        then(lambda self, out: out.tanh()),
    ),
    Mistake(
        "relu_on_the_result",
        "The result goes through a ReLU, which loses half of what a row says. It is the row times the square root of "
        "d_model.",
        then(lambda self, out: out.relu()),
    ),
    Mistake(
        "softmax_over_the_features",
        "The rows go through a softmax. They are no probabilities: take them from the table as they are.",
        rows(lambda found: found.softmax(-1)),
    ),
    Mistake(
        "features_before_positions",
        "The result is (B, d_model, T), as convolutions want it. In this course features are the last axis: (B, T, "
        "d_model).",
        then(lambda self, out: out.mT),
    ),
    Mistake(
        "length_first",
        "The result is (T, B, d_model). In this course the batch comes first: (B, T, d_model).",
        then(lambda self, out: out.transpose(0, 1)),
        source="nn.Transformer's default, batch_first=False",
        convention=True,
    ),
    Mistake(
        "sentences_mixed_by_reshape",
        "The tokens of several sentences are mixed: an axis was exchanged, and brought back by `view` or `reshape`, "
        "which only count the numbers off anew.",
        with_forward(lambda self, ids: self.table(ids.T).reshape(*ids.shape, -1) * self.scale),
    ),
    Mistake(
        "features_mixed_by_reshape",
        "The numbers of a token are spread over others: where axes need a `transpose`, `view` or `reshape` counts the "
        "numbers off anew.",
        then(lambda self, out: out.mT.reshape(out.shape)),
    ),
    Mistake(
        "tokens_flattened",
        "The result has batch and positions as one axis. Give it the shape (B, T, d_model).",
        then(lambda self, out: out.flatten(0, 1)),
    ),
    Mistake(
        "axes_squeezed",
        "`squeeze()` takes away every axis of size 1, so a batch of one or a single token loses an axis. The result "
        "is always (B, T, d_model).",
        then(lambda self, out: out.squeeze()),
    ),
    Mistake(
        "result_always_float32",
        "The result is of type float32 whatever the table is. Leave the type to the table.",
        then(lambda self, out: out.float()),
    ),
    Mistake(
        "result_always_float64",
        "The result is of type float64: something of that type (a numpy number, say) was multiplied in. The result "
        "has the table's type; math.sqrt gives a plain number, which changes no type.",
        then(lambda self, out: out.double()),
    ),
)


EXERCISES = [
    Exercise(
        "Embeddings",
        Card(1, 10, "Turns ids into vectors that can be learned.", "07_embeddings", "formula"),
        Embeddings,
        PROBES,
        MISTAKES,
        (
            "An id is the number of a row. What table has a row for each token, and how wide is a row? And what does "
            "section 3.4 say in its last sentence?",
            "nn.Embedding(vocab, d_model), made once; look the ids up in it; multiply by the square root of d_model.",
            "In `__init__`: `self.table = nn.Embedding(vocab, d_model)` and `self.scale = math.sqrt(d_model)`. In "
            "`forward`: `return self.table(ids) * self.scale`.",
        ),
        layouts=layouts,
    )
]
