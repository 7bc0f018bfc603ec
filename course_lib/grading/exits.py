"""An exit question for each notebook: asked in the last minute, answered on a slip of paper, not graded.

Each can be answered from the notebook without computing. The wrong answers are those to expect; what is behind them
says what to take up at the beginning of the next lesson.
"""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Exit:
    """A question for the last minute.

    Args:
        asks: the question
        right: what a right answer says
        wrong: an answer to expect -> what is behind it
    """

    asks: str
    right: str
    wrong: Mapping[str, str]


EXITS: dict[str, Exit] = {
    "00_start_here": Exit(
        "In the picture of where the translator looks, each row sums to 1. What does a column sum to?",
        "To nothing in particular: many German words may look at one English word, and none at another.",
        {
            "To 1 as well.": "Weights are shared out by whoever asks. Nobody shares out among those who ask.",
            "To the number of German words.": "That is the sum of the whole picture; the columns divide it unevenly.",
        },
    ),
    "02_text_to_tensors": Exit(
        "The tokenizer has never seen Chinese. What becomes of the character 中, and what comes back?",
        "It is spelled in its three UTF-8 bytes, a piece each, and comes back as it was.",
        {
            "It becomes 'unknown' and is lost.": "That is the library's default; here byte fallback is switched on.",
            "It raises an error.": "Taking a vocabulary for a list of permitted words, where it is a list of joins.",
            "It gets a new id.": "The vocabulary is fixed when it is learned, as is the number of rows in the table.",
        },
    ),
    "03_attention": Exit(
        "One key with its value is put into the memory a second time. What happens to the output of a query?",
        "It moves towards that value: both copies get the same weight w, and together 2w / (1 + w).",
        {
            "Nothing: attention sees a set.": "Order does not count, but how often something is there does.",
            "The weight of that value doubles.": "The total by which all are divided grows too.",
        },
    ),
    "04_multi_head_attention": Exit(
        "In one head, W_Q is multiplied by 2 and W_K by 1/2. What changes in the layer's output?",
        "Nothing: scores are made of the product of the two, and that is the same.",
        {
            "The head becomes more decided.": "Only W_Q was looked at; the keys are half as long now.",
            "The output is twice as large.": "Queries decide on weights, which sum to 1; size comes in through the "
            "values and W_O.",
        },
    ),
    "05_feed_forward": Exit(
        "Two hidden units change places: two columns of W_1, their two biases and two rows of W_2. What changes?",
        "Nothing: the output is a sum over hidden units, and a sum has no order.",
        {
            "Two features of the output change places.": "Hidden units are taken for features of the output; each "
            "unit adds a whole vector to it.",
            "The network has to be trained again.": "Taking the order of weights for what was learned: what a unit "
            "looks for and what it says have moved together.",
        },
    ),
    "06_residual_and_layer_norm": Exit(
        "x and the sub-layer's answer f(x) both become ten times as large. What does LayerNorm(x + f(x)) give?",
        "The same as before (but for ε): the norm divides by the size of the sum.",
        {
            "Ten times as much.": "The gain is taken for what sets the size of the input; it multiplies after the "
            "division.",
            "The sub-layer is heard more.": "What counts is the proportion of the two, and that has not changed.",
        },
    ),
    "07_embeddings": Exit(
        "A piece stands in no sentence of the batch. Does its row of the one table get a gradient?",
        "Yes, by way of the output layer: every place gives it a probability, and the loss pushes that down.",
        {
            "No, only rows that are looked up get one.": "True of the input alone; at the output all rows of the table "
            "are used.",
            "Yes, because all rows are normalised together.": "Rows are not normalised; what they share is the softmax "
            "over the vocabulary.",
        },
    ),
    "08_positional_encoding": Exit(
        "The same word stands at places 2 and 7. By what do its two vectors differ before the first layer?",
        "By PE(2) - PE(7), which is the same for every word.",
        {
            "By nothing: it is the same row of the table.": "The addition is forgotten: places come in before the "
            "first layer, not in attention.",
            "That depends on the word.": "The encoding is taken for a factor; it is added and does not know the word.",
        },
    ),
    "09_masking": Exit(
        "A batch is filled up in front instead of behind. Is the causal mask alone enough to hide the padding?",
        "No: padding in front is earlier, and earlier places are permitted. It takes the padding mask as well.",
        {
            "Yes, it hides padding.": "It hides what is later. That this covered padding was due to its standing "
            "behind.",
            "Yes, the embedding of padding is zero.": "A zero key has the score 0, and e⁰ = 1: it takes its share.",
        },
    ),
    "10_encoder_and_decoder": Exit(
        "The encoder gets two more layers, and the decoder stays as it is. What has to change in the decoder?",
        "Nothing: every decoder layer reads the memory, the last encoder layer's output, and its shape is the same.",
        {
            "It needs two more layers.": "The picture of layer i reading layer i; all decoder layers read the last.",
            "Its cross-attention needs more keys.": "There is a key for each word of the source, not for each layer.",
        },
    ),
    "11_the_transformer": Exit(
        "The target is der, Hund, schläft, EOS. How many ids does the decoder read, and which target never goes in?",
        "Four: BOS, der, Hund, schläft. EOS is only predicted: nothing comes after it that would want to read it.",
        {
            "Five, with BOS in front and EOS at the end.": "Input and target must be equally long: one prediction for "
            "each place.",
            "Four, so the model never learns to stop.": "EOS is dropped from what is read, and stays in what is to be "
            "said.",
        },
    ),
    "12_training": Exit(
        "The smoothed training loss is 1.1, the validation loss without smoothing 0.2. Is the model better on unseen "
        "sentences than on those it learned?",
        "That cannot be said: they are two different losses, and the smoothed one cannot get near 0.",
        {
            "Yes, 0.2 is less than 1.1.": "Numbers are compared that do not measure the same.",
            "No, test sentences must have leaked.": "A good suspicion in general; but here most of the difference is "
            "label smoothing (and dropout, if there is any).",
        },
    ),
    "13_decoding": Exit(
        "Beam search returns a sentence whose log-probability is lower than that of another one that ended. A bug?",
        "No: the winner is longer. What is compared is the log-probability divided by the length penalty.",
        {
            "Yes, it has to return the most probable sentence.": "The score is taken for the probability; the most "
            "probable one may only be too short.",
            "Yes, dividing makes a longer sentence worse.": "log P is negative: divided by something larger it comes "
            "nearer to 0.",
        },
    ),
}
