"""The decoder's input: the target moved one place to the right (3.1)."""

import time

import torch
import torch.nn.functional as F
from torch import Tensor

from course_lib.exercises.catalogue.truth import Truth, equal, number_for_tensor, returns, tensor
from course_lib.exercises.exercise import Card, Exercise, Mistake, Observation, Observations, Probe
from course_lib.exercises.trial import Trial, tensors, value
from course_lib.transformer import shift_right

BOS = 9  # of most probes; neither 0 nor 1 nor 2, which are so often written into the code
QUICK = 0.005  # seconds: who is slower than that for 100 tokens (a loop over a tensor) is not asked for 2100


def sees(trial: Trial, target: Tensor, bos_id: int = BOS) -> Observation:
    return trial.seen(out=tensors(trial.call(None, target, bos_id), 1)[0])


def ids(*shape: int, seed: int = 0, low: int = 3, high: int = 90) -> Tensor:
    return torch.randint(low, high, shape, generator=torch.Generator().manual_seed(seed))


def tiny(trial: Trial) -> Observation:
    return sees(trial, torch.tensor([[5, 6, 7], [8, 4, 2]]))


def another_bos(trial: Trial) -> Observation:
    """Five sentences: no other probe before it has so many, so a column that was kept does not show here."""
    return sees(trial, ids(5, 4, seed=1), bos_id=1)


def padded(trial: Trial) -> Observation:
    """Padding, and a 0 that is a token like any other."""
    return sees(trial, torch.tensor([[5, 6, 7, 8, 2], [0, 8, 4, 2, 0], [7, 2, 0, 0, 0]]))


def begins_with_bos(trial: Trial) -> Observation:
    return trial.seen(
        out_if_all_begin_with_it=tensors(trial.call(None, torch.tensor([[9, 5, 6, 2], [9, 7, 8, 4]]), 9), 1)[0],
        out_if_one_does=tensors(trial.call(None, torch.tensor([[9, 5, 9, 2], [6, 9, 8, 4], [5, 4, 3, 9]]), 9), 1)[0],
    )


def one_token(trial: Trial) -> Observation:
    return sees(trial, torch.tensor([[5], [6], [7]]))


def two_tokens(trial: Trial) -> Observation:
    return sees(trial, torch.tensor([[5, 6], [6, 7], [8, 3]]))


def one_sentence(trial: Trial) -> Observation:
    return sees(trial, torch.tensor([[5, 6, 7, 2]]))


def one_by_one(trial: Trial) -> Observation:
    return sees(trial, torch.tensor([[5]]))


def square(trial: Trial) -> Observation:
    return sees(trial, ids(4, 4, seed=2))


def large_ids(trial: Trial) -> Observation:
    return sees(trial, torch.tensor([[5, 300, 7, 127], [40_000, 128, 70_000, 2], [255, 256, 6, 3]]))


def large_bos(trial: Trial) -> Observation:
    return sees(trial, ids(3, 4, seed=7), bos_id=50_000)


def integers(trial: Trial) -> Observation:
    return sees(trial, ids(3, 4, seed=3).int())


def views(trial: Trial) -> Observation:
    """Not contiguous: (T, B) transposed, and a part of a longer one."""
    return trial.seen(
        out_of_a_transposed_tensor=tensors(trial.call(None, ids(5, 3, seed=4).t(), BOS), 1)[0],
        out_of_a_slice=tensors(trial.call(None, ids(3, 8, seed=5)[:, 1::2], BOS), 1)[0],
    )


def two_calls(trial: Trial) -> Observation:
    """The second with another BOS; the first result is looked at again afterwards. No other probe has six sentences."""
    answer = tensors(trial.once(None, ids(6, 3, seed=8), 3), 1)[0]
    first = value(answer)
    second = tensors(trial.once(None, ids(6, 3, seed=9), 7), 1)[0]
    return trial.seen(first=first, second=second, first_after_the_second_call=answer)


def long(trial: Trial) -> Observation:
    """100 tokens, and 2100 if that was quick: with a loop over all entries it would take too long."""
    wrong: int | str = 0
    for length in (100, 2100):
        target = ids(2, length, seed=6)
        began = time.perf_counter()
        out = tensors(trial.once(None, target, BOS), 1)[0]
        took = time.perf_counter() - began
        same_shape = out.shape == target.shape
        expected = F.pad(target, (1, 0), value=BOS)[:, :-1]
        wrong = int((out != expected).sum()) if same_shape else f"the shape {tuple(out.shape)}"
        if wrong or took > QUICK:
            break
    return trial.seen(wrong_entries=wrong)


def huge_ids(trial: Trial) -> Observation:
    """Beyond what float32 counts."""
    return sees(trial, torch.tensor([[16_777_217, 33_554_435, 5]]))


PROBES = (
    Probe("tiny", tiny, "The decoder's input is not right.", "the targets [[5, 6, 7], [8, 4, 2]] and BOS = 9"),
    Probe("another BOS", another_bos, "With another BOS the result is not right.", "targets (5, 4) and BOS = 1"),
    Probe(
        "padded",
        padded,
        "With zeros among the targets the result is not right.",
        "the targets [[5, 6, 7, 8, 2], [0, 8, 4, 2, 0], [7, 2, 0, 0, 0]] and BOS = 9",
    ),
    Probe(
        "BOS among the targets",
        begins_with_bos,
        "Where BOS is among the targets already, the result is not right.",
        "targets (2, 4) that begin with BOS = 9",
    ),
    Probe("one token", one_token, "For targets of length one the result is not right.", "[[5], [6], [7]] and BOS = 9"),
    Probe("two tokens", two_tokens, "For targets of length two the result is not right.", "targets (3, 2)"),
    Probe("one sentence", one_sentence, "For a single sentence the result is not right.", "[[5, 6, 7, 2]] and BOS = 9"),
    Probe("one by one", one_by_one, "For a single token the result is not right.", "the targets [[5]] and BOS = 9"),
    Probe("square", square, "With as many sentences as tokens the result is not right.", "targets (4, 4) and BOS = 9"),
    Probe("large ids", large_ids, "Ids from 128 on do not come through.", "ids up to 70,000 and BOS = 9"),
    Probe("large BOS", large_bos, "A large id for BOS does not come through.", "targets (3, 4) and BOS = 50,000"),
    Probe("int32", integers, "For int32 ids the result is not of that type.", "int32 targets (3, 4)"),
    Probe(
        "views", views, "With a view (an input that is not contiguous) the result is not right.", "a transposed tensor"
    ),
    Probe(
        "two calls",
        two_calls,
        "A second call, with another BOS, is not independent of the first.",
        "BOS = 3 and then BOS = 7, each with targets (6, 3)",
    ),
    Probe("long", long, "For long targets the result is not right.", "targets (2, 100) or (2, 2100) and BOS = 9"),
    Probe("huge ids", huge_ids, "ids beyond 16 million do not come through", "ids beyond 2^24", robust=True),
)
TRUTH = Truth(shift_right, PROBES)


# --- the known mistakes ---


def column(target: Tensor, bos_id: int) -> Tensor:
    return torch.full_like(target[:, :1], bos_id)


def right(target: Tensor, bos_id: int) -> Tensor:
    """As it should be, with no help from the reference: what is known must not depend on what is looked for."""
    return torch.cat([column(target, bos_id), target[:, :-1]], 1)


def shifted_left(target, bos_id):  # type: ignore[no-untyped-def]
    return torch.cat([target[:, 1:], column(target, bos_id)], 1)


def left_last_repeated(target, bos_id):  # type: ignore[no-untyped-def]
    return torch.cat([target[:, 1:], target[:, -1:]], 1)


def sentence_of_bos(target, bos_id):  # type: ignore[no-untyped-def]
    return torch.cat([torch.full_like(target[:1], bos_id), target], 0)


def bos_over_the_last(target, bos_id):  # type: ignore[no-untyped-def]
    out = first_repeated(target, bos_id)
    out[:, -1] = bos_id
    return out


def copied_over_itself(target, bos_id):  # type: ignore[no-untyped-def]
    out = target[:, :1].expand_as(target).clone()
    out[:, 0] = bos_id
    return out


def short_sentences_without_eos(target, bos_id):  # type: ignore[no-untyped-def]
    return right(target, bos_id).masked_fill(target == 0, 0)


def shifted_left_bos_first(target, bos_id):  # type: ignore[no-untyped-def]
    return torch.cat([column(target, bos_id), target.roll(-1, 1)[:, 1:]], 1)


def left_and_padded(target, bos_id):  # type: ignore[no-untyped-def]
    return F.pad(target[:, 1:], (0, 1))


def unchanged(target, bos_id):  # type: ignore[no-untyped-def]
    return target.clone()


def first_replaced(target, bos_id):  # type: ignore[no-untyped-def]
    return torch.cat([column(target, bos_id), target[:, 1:]], 1)


def rolled(target, bos_id):  # type: ignore[no-untyped-def]
    return target.roll(1, 1)


def rolled_left(target, bos_id):  # type: ignore[no-untyped-def]
    return target.roll(-1, 1)


def rolled_flat(target, bos_id):  # type: ignore[no-untyped-def]
    out = target.roll(1).contiguous()
    out[0, 0] = bos_id
    return out


def rolled_over_the_batch(target, bos_id):  # type: ignore[no-untyped-def]
    out = target.roll(1, 0).contiguous()
    out[:, 0] = bos_id
    return out


def too_long(target, bos_id):  # type: ignore[no-untyped-def]
    return torch.cat([column(target, bos_id), target], 1)


def too_short(target, bos_id):  # type: ignore[no-untyped-def]
    return target[:, :-1]


def by_two(target, bos_id):  # type: ignore[no-untyped-def]
    return F.pad(target, (2, 0), value=bos_id)[:, : target.size(1)]


def bos_at_the_end(target, bos_id):  # type: ignore[no-untyped-def]
    return torch.cat([target[:, :-1], column(target, bos_id)], 1)


def bos_appended(target, bos_id):  # type: ignore[no-untyped-def]
    return torch.cat([target, column(target, bos_id)], 1)


def along_the_batch(target, bos_id):  # type: ignore[no-untyped-def]
    return torch.cat([torch.full_like(target[:1], bos_id), target[:-1]], 0)


def last_not_filled(target, bos_id):  # type: ignore[no-untyped-def]
    out = torch.full_like(target, bos_id)
    out[:, 1:-1] = target[:, :-2]
    return out


def last_left_zero(target, bos_id):  # type: ignore[no-untyped-def]
    out = right(target, bos_id)
    out[:, max(1, target.size(1) - 1) :] = 0
    return out


def first_repeated(target, bos_id):  # type: ignore[no-untyped-def]
    return torch.cat([target[:, :1], target[:, :-1]], 1)


def all_bos(target, bos_id):  # type: ignore[no-untyped-def]
    return torch.full_like(target, bos_id)


def reversed_order(target, bos_id):  # type: ignore[no-untyped-def]
    return torch.cat([column(target, bos_id), target[:, :-1].flip(1)], 1)


def reversed_all(target, bos_id):  # type: ignore[no-untyped-def]
    return right(target.flip(1), bos_id)


def bos_is(number):  # type: ignore[no-untyped-def]
    return lambda target, bos_id: right(target, number)


def bos_in_the_first_sentence(target, bos_id):  # type: ignore[no-untyped-def]
    out = right(target, 0)
    out[0, 0] = bos_id
    return out


def last_token_of_the_first_sentence(target, bos_id):  # type: ignore[no-untyped-def]
    return torch.cat([target[:1, -1:].expand(len(target), 1), target[:, :-1]], 1)


def last_token_that_is_no_padding(target, bos_id):  # type: ignore[no-untyped-def]
    last = (target.ne(0).sum(1) - 1).clamp(min=0)[:, None]
    return torch.cat([target.gather(1, last.long()), target[:, :-1]], 1)


def zeros_become_bos(target, bos_id):  # type: ignore[no-untyped-def]
    out = right(target, 0)
    return out.masked_fill(out == 0, bos_id)


def unless_there(target, bos_id):  # type: ignore[no-untyped-def]
    return target.clone() if bool((target[:, 0] == bos_id).all()) else right(target, bos_id)


def unless_there_each(target, bos_id):  # type: ignore[no-untyped-def]
    return torch.where(target[:, :1] == bos_id, target, right(target, bos_id))


def bos_second(target, bos_id):  # type: ignore[no-untyped-def]
    return torch.cat([target[:, :1], column(target, bos_id), target[:, 1:]], 1)[:, : target.size(1)]


def eos_dropped(target, bos_id):  # type: ignore[no-untyped-def]
    out = right(target, bos_id)
    out[:, 1:] = out[:, 1:].masked_fill(out[:, 1:] == 2, 0)
    return out


def one_token_as_it_is(target, bos_id):  # type: ignore[no-untyped-def]
    return target.clone() if target.size(1) == 1 else right(target, bos_id)


def squeezed(target, bos_id):  # type: ignore[no-untyped-def]
    return right(target, bos_id).squeeze()


def transposed(target, bos_id):  # type: ignore[no-untyped-def]
    return right(target, bos_id).t()


def bos_added(target, bos_id):  # type: ignore[no-untyped-def]
    return target + bos_id


def another_type(kind: str):  # type: ignore[no-untyped-def]
    """The result is of such a type where the ids are not."""

    def sign(seen: Observations) -> bool:
        plain, small = tensor(seen, "tiny", "out").dtype, tensor(seen, "int32", "out").dtype
        if kind == "float":
            return plain.is_floating_point
        return not plain.is_floating_point and (plain != torch.int64 or small != torch.int32)

    return sign


def cut_to_few_bits(seen: Observations) -> bool:
    got, expected = (tensor(one, "large ids", "out") for one in (seen, {"large ids": TRUTH.of("large ids")}))
    if not TRUTH.right(seen, "tiny") or got.shape != expected.shape or got.dtype != expected.dtype:
        return False
    changed = got != expected
    return bool(changed.any()) and bool((expected[changed] > 127).all())


def bos_kept(seen: Observations) -> bool:
    """Right at the first call; later the same BOS, though another is given."""
    first, second = (tensor(seen, "two calls", key) for key in ("first", "second"))
    return TRUTH.right(seen, "tiny") and equal(first[:, 0], second[:, 0]) and not equal(first, second)


def another_number(seen: Observations) -> bool:
    """Whatever BOS is, the same number is in front; the rest is right."""
    for name in ("tiny", "another BOS", "large BOS"):
        got, expected = tensor(seen, name, "out"), tensor({name: TRUTH.of(name)}, name, "out")
        if not equal(got[:, 1:], expected[:, 1:]):
            return False
    first = torch.cat([tensor(seen, name, "out")[:, 0] for name in ("tiny", "another BOS", "large BOS")])
    return len(first.unique()) == 1 and int(first[0]) not in (0, 1, 2, 9)


def sizes_written_in(seen: Observations) -> bool:
    """Right for two sentences of three tokens, which came first, and for no other shape."""
    others = {"another BOS", "padded", "one sentence", "one by one", "square", "long", "two tokens"}
    return TRUTH.right(seen, "tiny") and others <= TRUTH.wrong(seen)


def result_shared(seen: Observations) -> bool:
    first, later = (tensor(seen, "two calls", key) for key in ("first", "first after the second call"))
    return TRUTH.right(seen, "tiny") and not equal(first, later)


def cut_short(seen: Observations) -> bool:
    return TRUTH.wrong(seen) == {"long"}


MISTAKES = (
    Mistake(
        "returns_a_list",
        "The result is a list of Python lists. The model needs a tensor of ids, of the same type as the targets.",
        seen=returns("list"),
    ),
    Mistake(
        "returns_a_numpy_array",
        "The result is a numpy array. The model needs a tensor of ids: torch.from_numpy makes one.",
        seen=returns("ndarray"),
    ),
    Mistake(
        "arguments_in_another_order",
        "A number is used as if it were the targets. The order is (target_ids, bos_id).",
        seen=number_for_tensor,
    ),
    Mistake(
        "one_sentence_only",
        "Only one sentence comes back. Each of the batch has an input: (B, T).",
        seen=lambda seen: tensor(seen, "tiny", "out").shape in ((3,), (1, 3)),
    ),
    Mistake(
        "sizes_written_in",
        "It is right for two sentences of three tokens only: a size is written into the code, or kept "
        "from the first call. Take both sizes from the targets.",
        seen=sizes_written_in,
    ),
    Mistake(
        "another_number_for_bos",
        "The same number stands in front whatever BOS is. The caller says which id it is: use bos_id.",
        seen=another_number,
    ),
    Mistake(
        "returns_two_things",
        "The decoder's input is returned together with something else. Only the input (B, T) is asked "
        "for; the targets stay with the caller.",
        seen=returns("tuple"),
    ),
    Mistake(
        "returns_floats",
        "The result is of a floating type. Ids are numbers of rows in a table: nn.Embedding takes "
        "integers only. torch.zeros and torch.ones make float32 unless they are told otherwise; "
        "`full_like` takes over the type.",
        seen=another_type("float"),
    ),
    Mistake(
        "another_integer_type",
        "The result is of another integer type than the targets. Take over theirs, with `full_like`, "
        "`new_full` or dtype=target_ids.dtype.",
        seen=another_type("integer"),
    ),
    Mistake(
        "ids_cut_to_few_bits",
        "On the way the ids go through a type that is too small for them: 300 does not fit into eight "
        "bits. A vocabulary has thousands of ids; keep the type of the targets.",
        seen=cut_to_few_bits,
    ),
    Mistake(
        "bos_of_the_first_call_kept",
        "The column of BOS is kept from an earlier call. The next call may come with another BOS id: "
        "make the column from the arguments each time.",
        seen=bos_kept,
    ),
    Mistake(
        "result_shared_between_calls",
        "All results lie in the same memory: the next call overwrites what was returned before. Return "
        "a new tensor each time.",
        seen=result_shared,
    ),
    Mistake(
        "only_contiguous_input",
        "`view` needs numbers that lie one after the other in memory; those of a transposed tensor or a "
        "slice do not. Use `reshape`, or index the columns.",
        seen=TRUTH.raises_only_in("views"),
    ),
    Mistake(
        "one_bos_for_the_batch",
        "BOS is made for one sentence, so it cannot be joined with a batch of several. Each sentence "
        "needs its own: a column of B rows.",
        seen=lambda seen: "error" in seen["tiny"] and TRUTH.right(seen, "one sentence", "one by one"),
    ),
    Mistake(
        "no_batch_of_one",
        "A single sentence, (1, T), makes it fail. Take the sizes from the input, and beware of "
        "`squeeze()` without an axis.",
        seen=TRUTH.raises_only_in("one sentence", "one by one"),
    ),
    Mistake(
        "no_length_of_one",
        "Targets of length one make it fail. The input is BOS alone then; `target_ids[:, :-1]` has no "
        "columns, which is fine for `cat`.",
        seen=TRUTH.raises_only_in("one token", "one by one"),
    ),
    Mistake(
        "length_limited",
        "Long targets are cut, or fail: a length is written into the code. Take it from the input.",
        seen=cut_short,
    ),
    Mistake(
        "shifted_left",
        "The sentence is moved to the left, so each position reads the word that comes *after* the one "
        "it should predict. The decoder may only know what comes before: move to the right.",
        shifted_left,
    ),
    Mistake(
        "shifted_left_then_bos_first",
        "The sentence is moved to the left and BOS put over its first place: the second word is lost, "
        "and later places read ahead. Move to the right: BOS, then all but the last.",
        shifted_left_bos_first,
    ),
    Mistake(
        "shifted_left_without_bos",
        "The sentence is moved to the left, and the free place at the end is filled with 0. Moving to "
        "the *right* frees the first place, and BOS belongs there.",
        left_and_padded,
    ),
    Mistake(
        "shifted_left_last_repeated",
        "The sentence is moved to the left and its last token repeated. Move to the *right*, which "
        "frees the first place for BOS.",
        left_last_repeated,
    ),
    Mistake(
        "sentence_of_bos",
        "BOS is put in front of the batch, as a sentence of its own. It belongs in front of each "
        "sentence: join along axis 1.",
        sentence_of_bos,
    ),
    Mistake(
        "bos_over_the_last_place",
        "The tokens are moved to the right, but BOS is written over the last place instead of the "
        "first, which keeps its token: index 0, not -1.",
        bos_over_the_last,
    ),
    Mistake(
        "copied_over_itself",
        "Each place is copied from the one before, in the same tensor and from the left: each takes "
        "what was just written, so the first token is everywhere. Copy from the targets, not from the "
        "result.",
        copied_over_itself,
    ),
    Mistake(
        "short_sentences_without_eos",
        "In sentences that are padded, the last token is taken away as well. Only the last column goes: "
        "what stands before padding does no harm, those places do not count in the loss.",
        short_sentences_without_eos,
    ),
    Mistake(
        "rolled_left",
        "`roll` with -1 moves to the left, and the first word turns up at the end. Move to the right, "
        "and put BOS in front.",
        rolled_left,
    ),
    Mistake(
        "nothing_shifted",
        "The targets come back unchanged. Each position would then read the very word that it should "
        "predict: the causal mask lets a position look at itself.",
        unchanged,
    ),
    Mistake(
        "first_replaced_by_bos",
        "BOS takes the place of the first word, and the others stay where they are: they still read "
        "their own answer, and the first word is lost. Drop the *last* one, not the first.",
        first_replaced,
    ),
    Mistake(
        "rolled_without_bos",
        "`roll` moves in a circle: the last token comes in at the front, where BOS should be. The first "
        "position would be told how the sentence ends.",
        rolled,
    ),
    Mistake(
        "sentences_run_into_each_other",
        "The flattened batch is shifted, so the last token of a sentence slips into the next one, and "
        "only the first begins with BOS. That is what `roll` without `dims` does. Shift along axis 1, "
        "and put BOS into the whole first column.",
        rolled_flat,
    ),
    Mistake(
        "last_token_kept",
        "BOS is put in front and nothing is dropped, so the result is one longer than the targets. The "
        "last token is never read: nothing comes after it.",
        too_long,
    ),
    Mistake(
        "no_bos_and_too_short",
        "The last token is dropped, and nothing is put in front. That is right for targets that contain "
        "BOS; here they don't, and the function adds it.",
        too_short,
        source="tgt[:, :-1] in The Annotated Transformer, whose targets begin with BOS",
        convention=True,
    ),
    Mistake(
        "shifted_by_two",
        "The sentence is moved by two places. The word before the one to predict is hidden then; one place is enough.",
        by_two,
    ),
    Mistake(
        "bos_at_the_end",
        "BOS stands at the end of the sentence; it means *beginning* of the sentence and is what the "
        "decoder reads first.",
        bos_at_the_end,
    ),
    Mistake(
        "bos_appended",
        "BOS is put behind the targets. It comes first, and the last token goes.",
        bos_appended,
    ),
    Mistake(
        "shifted_along_the_batch",
        "The shift is along the batch, axis 0: each sentence gets the one before it. Shift along the tokens, axis 1.",
        along_the_batch,
    ),
    Mistake(
        "rolled_along_the_batch",
        "`roll` goes over axis 0, the sentences; tokens are on axis 1.",
        rolled_over_the_batch,
    ),
    Mistake(
        "last_place_not_filled",
        "The last place still has what the result was filled with at the beginning. Columns 1 to T - 1 "
        "take columns 0 to T - 2: `out[:, 1:] = target_ids[:, :-1]`.",
        last_not_filled,
    ),
    Mistake(
        "last_place_zero",
        "The last place is 0, though a token comes before it. Only the last *target* is dropped.",
        last_left_zero,
    ),
    Mistake(
        "first_token_for_bos",
        "The first token stands in the place of BOS. The first position would read its own answer.",
        first_repeated,
    ),
    Mistake(
        "bos_everywhere",
        "Every place has BOS. If columns are copied in place from the left to the right, each takes "
        "what was just written: copy from the targets, not from the result.",
        all_bos,
    ),
    Mistake(
        "reversed_sentence",
        "The tokens come in reverse order. Only the place changes, not the order.",
        reversed_order,
    ),
    Mistake(
        "sentence_reversed_first",
        "The sentence is turned round before it is shifted. Only the place changes, not the order.",
        reversed_all,
    ),
    Mistake(
        "zero_for_bos",
        "A 0 stands in front: that is what zeros, or padding without a value, leave there. Put bos_id there.",
        bos_is(0),
    ),
    Mistake("bos_is_one", "BOS is taken to be 1. The caller says which id it is: use bos_id.", bos_is(1)),
    Mistake("bos_is_two", "BOS is taken to be 2. The caller says which id it is: use bos_id.", bos_is(2)),
    Mistake(
        "bos_in_the_first_sentence_only",
        "Only the first sentence begins with BOS: `out[0, 0]` is one entry, `out[:, 0]` the first column.",
        bos_in_the_first_sentence,
    ),
    Mistake(
        "last_token_for_bos",
        "The last token of the first sentence is used as everybody's BOS. bos_id says what it is.",
        last_token_of_the_first_sentence,
    ),
    Mistake(
        "last_real_token_for_bos",
        "Each sentence begins with its own last token that is no padding, a code for the language in "
        "mBART. Here every sentence begins with bos_id.",
        last_token_that_is_no_padding,
        source="shift_tokens_right of mBART in Hugging Face Transformers",
        convention=True,
    ),
    Mistake(
        "zeros_become_bos",
        "Every 0 of the result becomes BOS, the padding among the targets too. Only the first column does.",
        zeros_become_bos,
    ),
    Mistake(
        "not_shifted_if_bos_is_there",
        "Targets that begin with the id of BOS are given back as they are. The function adds BOS "
        "whatever the targets are; a result that depends on the data is hard to reason about.",
        unless_there,
    ),
    Mistake(
        "some_sentences_not_shifted",
        "Those sentences that begin with the id of BOS are left as they are, the others are shifted. Shift them all.",
        unless_there_each,
    ),
    Mistake("bos_second", "BOS stands in the second place. It is the first thing that the decoder reads.", bos_second),
    Mistake(
        "eos_removed",
        "EOS is taken out of the input wherever it stands. Only the last column goes; behind an EOS "
        "there is padding, whose positions do not count in the loss.",
        eos_dropped,
    ),
    Mistake(
        "one_token_returned",
        "A single token is given back as it is. The input for it is BOS: otherwise the model reads what "
        "it should predict.",
        one_token_as_it_is,
    ),
    Mistake(
        "squeezed",
        "`squeeze()` takes away every axis of size one, also a batch or a length of one. The result has "
        "the shape of the targets, always.",
        squeezed,
    ),
    Mistake("length_first", "The result is (T, B). This course puts the batch first: (B, T).", transposed),
    Mistake(
        "bos_added_to_ids",
        "bos_id is added to the ids as a number. It is an id like the others, and gets a place of its own.",
        bos_added,
    ),
)

EXERCISES = [
    Exercise(
        "shift_right",
        Card(
            1,
            5,
            "What the decoder reads while it learns: never the word it should predict.",
            "11_the_transformer",
            "shift",
        ),
        shift_right,
        PROBES,
        MISTAKES,
        (
            "To predict the first word, the decoder has read no word at all: what stands for that? And "
            "which target is never read, because nothing comes after it?",
            "A column of BOS, one for each sentence, then all targets but the last: still (B, T).",
            "`bos = torch.full_like(target_ids[:, :1], bos_id)`, and `torch.cat` of it with `target_ids[:, "
            ":-1]` along axis 1.",
        ),
    )
]
