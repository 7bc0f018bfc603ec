"""The 19 study questions in a form that can be checked: a number, or a choice. Prose is never graded by a machine."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Question:
    """What is asked, the answer, and what typical other answers show.

    Args:
        notebook: where it is measured
        asks: the question
        right: a number, or the letter of a choice
        choices: letter -> text, for a choice
        within: relative tolerance of a number (absolute where the number is 0)
        why: what the right answer says, in a sentence or two
        others: another answer -> what is behind it
    """

    notebook: str
    asks: str
    right: float | str
    why: str
    choices: Mapping[str, str] = field(default_factory=dict)
    within: float = 0.02
    others: Mapping[float | str, str] = field(default_factory=dict)


QUESTIONS: dict[str, Question] = {
    "1": Question(
        "04_multi_head_attention",
        "The target at place t is A x(t-1) + B x(t-2), with A and B orthogonal to each other and each of rank "
        "d/2. Which share "
        "of the target's variance does the best single head of width d/2 leave unexplained?",
        0.5,
        "One head makes one mixture and sends it through one map of rank d/2: it can serve A or B, not both. "
        "Two heads leave "
        "nothing.",
        within=0.1,
        others={
            0: "A head can look at both places, but it mixes them before its one map of rank d/2 is applied.",
            1: "It can do one of the two halves perfectly.",
            0.25: "A and B contribute equally, and one head serves one of them wholly: half is left.",
        },
    ),
    "2": Question(
        "04_multi_head_attention",
        "Queries and keys are made by one shared matrix instead of two. What does that force on the scores?",
        "b",
        "x W W^T x' is the same in both directions: whoever I find important must find me important to the same "
        "degree.",
        choices={
            "a": "they become larger",
            "b": "score(i, j) = score(j, i) for every pair",
            "c": "every token gets the same weight",
            "d": "nothing: two matrices are only more parameters",
        },
        others={
            "a": "Their size depends on the matrix, which may be as small as one likes.",
            "c": "They still differ from pair to pair; a token mostly likes itself best.",
            "d": "The product of two different matrices can be any matrix, W W^T only a symmetric one: the map "
            "is poorer.",
        },
    ),
    "3": Question(
        "03_attention",
        "n = 256 places, d_k = a = 64. How many times as many numbers does additive attention hold at once as "
        "the dot product, in "
        "its largest tensor?",
        64,
        "The dot product holds one number for each pair of places, the additive one a vector of width a.",
        others={
            1: "The *multiplications* are as many (n² d_k against n² a); what is held in memory is not.",
            256: "Both hold something for each pair: n² cancels. What is left is the width a of the hidden layer.",
            65536: "That is the number of pairs, which both have.",
        },
    ),
    "4": Question(
        "03_attention",
        "Queries and keys have independent entries of mean 0 and variance 1, d_k = 64. What is the variance of q · k?",
        64,
        "64 independent products of variance 1 each: variances add up. So the division by the root, 8, brings "
        "the variance to 1.",
        within=0.05,
        others={
            8: "8 is the standard deviation; the variance is its square.",
            1: "That is the variance after the division by the square root of d_k.",
            4096: "Variances add up: 64 terms give 64 times the variance of one, not 64 times 64.",
            128: "A product of two independent entries has variance 1 · 1 = 1, not 1 + 1.",
        },
    ),
    "5": Question(
        "09_masking",
        "Where must the padding mask stand, so that rubbish in the padding cannot move a real token's output?",
        "a",
        "What is not to be read are keys (and their values). A padded query makes an output that nobody looks at.",
        choices={
            "a": "on the keys: no query may look at a padded place",
            "b": "on the queries: a padded place may not look at anything",
            "c": "on the embeddings: those of padding are zero",
            "d": "nowhere, if the loss leaves padded places out",
        },
        others={
            "b": "Real queries would still read the padded keys: their outputs move (measured there).",
            "c": "A zero key has a score of 0, and exp(0) = 1: it takes its share of the weight.",
            "d": "The loss leaves out the outputs *at* padded places; the others have read from them by then.",
        },
    ),
    "6": Question(
        "04_multi_head_attention",
        "h = 8 heads, each as wide as the model (d_k = d_model) instead of d_model / 8. How many times the "
        "multiplications?",
        8,
        "Every product, of the projections and of the scores, is done h times at full width: h times the work.",
        others={
            1: "That is with d_k = d_model / h, as in the paper.",
            64: "Each head's projections have d_model · d_model weights; there are 8 such heads, not 64.",
        },
    ),
    "7": Question(
        "10_encoder_and_decoder",
        "How many parameters does one encoder layer of the base model have in this course (d_model 512, d_ff "
        "2048; no biases in "
        "the projections of attention)?",
        3_150_336,
        "4 · 512² in the projections, 2 · 512 · 2048 + 2048 + 512 in the feed-forward network, 2 · 2 · 512 in "
        "the two norms.",
        within=1e-6,
        others={
            3_152_384: "That is with a bias in each of the four projections, as torch.nn has it.",
            3_148_288: "The gains and biases of the two norms are missing: 2 · 2 · 512.",
            3_147_776: "Norms and a bias of the feed-forward network are missing.",
            3_145_728: "Those are the matrices alone: add the biases of the feed-forward network and the two norms.",
        },
    ),
    "8": Question(
        "07_embeddings",
        "How long is the vector of the sinusoidal encoding of any position, at d_model = 512?",
        16,
        "256 pairs of a sine and a cosine, and sin² + cos² = 1: its square is 256. An embedding with entries of "
        "variance 1/512 "
        "has length 1; times sqrt(512) it has 22.6 and is not drowned.",
        others={
            22.6: "That is sqrt(512). There are 512 entries but only 256 pairs with sin² + cos² = 1.",
            256: "That is the square of the length.",
            1: "That is the length of an embedding before the multiplication.",
        },
    ),
    "9": Question(
        "08_positional_encoding",
        "What does the product PE(p) · PE(q) of two sinusoidal encodings tell?",
        "c",
        "It is a sum of cos(w (p - q)): it depends on the distance, and a cosine does not know the sign.",
        choices={
            "a": "both positions p and q",
            "b": "the difference p - q with its sign",
            "c": "the distance |p - q| only",
            "d": "nothing, it is always the same",
        },
        others={
            "a": "Shift both by the same amount: the product does not change.",
            "b": "The cosine is symmetric: direction must be learned, by the matrices of queries and keys.",
            "d": "Only for p = q is it always d/2.",
        },
    ),
    "10": Question(
        "18_other_positions",
        "All positions of a sentence are shifted by 100. Which of these leave the scores as they were: "
        "sinusoidal (added), "
        "learned (added), RoPE, ALiBi?",
        "d",
        "RoPE turns queries and keys, so only the difference of positions is left in the product; ALiBi adds a "
        "number that "
        "depends on the distance.",
        choices={"a": "none", "b": "all", "c": "the sinusoidal one", "d": "RoPE and ALiBi", "e": "ALiBi only"},
        others={
            "c": "PE(p) · PE(q) depends on the distance only; but the scores also have the products of words "
            "with positions.",
            "a": "RoPE and ALiBi put only the distance of two positions into the score.",
            "b": "A learned table has other rows there, and the sinusoids mix with the words.",
            "e": "RoPE too: two vectors turned by angles that differ by (p - q) w.",
        },
    ),
    "11": Question(
        "06_residual_and_layer_norm",
        "Twelve layers without residual connections, at the start of training. What happens?",
        "b",
        "Each layer averages over places: without x itself added back, twelve of them leave nothing that tells the "
        "tokens apart. Without norms the gradient at the input vanishes too; with them it arrives, and has nothing to "
        "tell apart.",
        choices={
            "a": "the outputs explode",
            "b": "the tokens become alike: no later layer can tell them apart",
            "c": "nothing, LayerNorm keeps everything in order",
            "d": "it only trains more slowly",
        },
        others={
            "a": "LayerNorm keeps the size of each token's vector at sqrt(d).",
            "c": "LayerNorm keeps the size of a vector; it cannot keep two tokens apart that have become equal.",
            "d": "What the lower layers have made equal, no time of training can tell apart above them.",
        },
    ),
    "12": Question(
        "06_residual_and_layer_norm",
        "You change the other sentences of a batch. By how much does the LayerNorm output of your sentence move?",
        0.0,
        "Its mean and variance are taken over the features of one token. With BatchNorm it moves: they are "
        "taken over the batch.",
        within=1e-6,
    ),
    "13": Question(
        "06_residual_and_layer_norm",
        "A batch of one vector, in training. What does BatchNorm do?",
        "c",
        "The variance over one example is 0: nothing can be estimated, so PyTorch refuses. LayerNorm has its d "
        "features.",
        choices={
            "a": "it works as always",
            "b": "it returns its bias",
            "c": "it raises an error",
            "d": "it uses the running mean",
        },
        others={
            "a": "Mean and variance are taken over the batch, and there is one example.",
            "b": "Mathematically that is what is left, x - mean(x) = 0; PyTorch refuses instead.",
            "d": "It does so in evaluation, not in training.",
        },
    ),
    "14": Question(
        "05_feed_forward",
        "Which share of an encoder layer's parameters belongs to the feed-forward network, at the base size? "
        "(in per cent)",
        66.6,
        "2 · 4 d² of 12 d²: two thirds.",
        within=0.01,
        others={
            50: "Attention has 4 d², the feed-forward network 2 · d · 4d = 8 d².",
            33.3: "That is attention's share.",
            80: "d_ff is four times d_model, and there are two matrices against attention's four: 8 to 4.",
        },
    ),
    "15": Question(
        "10_encoder_and_decoder",
        "Set W_V of every cross-attention to zero. How large is the gradient of the decoder's output with "
        "respect to the memory?",
        0.0,
        "The memory comes in through keys and values; keys only decide how the values are mixed, and zeros "
        "mixed are zeros.",
        within=1e-9,
    ),
    "16": Question(
        "09_masking",
        "Eight places: 28 pairs (t, s) with s later than t. For how many does the output at t depend on the "
        "input at s, with the "
        "causal mask?",
        0,
        "None; without the mask all 28. In training the right words stand there, and would be copied.",
        within=1e-9,
        others={28: "That is without the mask."},
    ),
    "17": Question(
        "13_decoding",
        "A target of 20 tokens. How many times is the decoder run for it when translating (greedily, with EOS "
        "as the 20th)?",
        20,
        "Each word needs the one before it. In training the right words are known: one pass for all 20.",
        others={
            1: "That is in training, where all words are known beforehand.",
            19: "The last token, EOS, has to be predicted as well.",
            21: "BOS is given, not predicted.",
        },
    ),
    "18": Question(
        "12_training",
        "The paper's base model: d_model = 512, 4,000 steps of warm-up. What is the highest learning rate?",
        6.987712e-4,
        "At step 4,000 both branches meet: 512^-0.5 · 4000^-0.5.",
        within=1e-3,
        others={
            0.0442: "That is 512^-0.5 alone.",
            0.0158: "That is 4000^-0.5 alone.",
            1.0e-3: "A usual value for Adam, not what equation (3) gives.",
        },
    ),
    "19": Question(
        "10_encoder_and_decoder",
        "The residual connections carry x itself past the mask. For how many of the 28 pairs (t, s later than "
        "t) does the output at "
        "t depend on the input at s, through six decoder layers?",
        0,
        "The residual adds x at place t to place t: places are never mixed by it. Only attention mixes, and it "
        "is masked.",
        within=1e-9,
        others={28: "That would need a residual that mixes places, such as one that adds the mean over them."},
    ),
}
