"""How a person marks a study question that is answered in words: three marks each, for what is named, not for how.

A mark is given if the answer names the matter, in whatever words and language. A number counts if it is the
notebook's, rounded as one likes. Where a mark names several things with "or", any one of them is enough.
"""

RUBRICS: dict[str, tuple[str, tuple[str, ...]]] = {
    "1": (
        "Why several heads, and not one?",
        (
            "1 mark: names that one head makes one weighted mean for each place and sends it through one map, so that "
            "what came from two places cannot be told apart afterwards.",
            "1 mark: names the measurement: of a target made of two neighbours one head leaves half of the variance "
            "(0.50, or 0.44 with words and places in one vector), two heads leave nothing.",
            "1 mark: names that it is not a matter of size: the two heads are half as wide and have as many parameters "
            "as the one.",
        ),
    ),
    "2": (
        "Why separate matrices for queries and keys? Why not take the dot product of a vector with itself?",
        (
            "1 mark: names that without matrices, or with one shared matrix, the scores are symmetric: "
            "score(i, j) = score(j, i).",
            "1 mark: names that a word's best key is then itself (100 % measured; with two matrices about 3 %, which "
            "is chance).",
            "1 mark: names that relations have a direction, which two matrices can express and one cannot: in the ring "
            "of 32 words one matrix found none after training and two found all, or an example such as article and "
            "noun.",
        ),
    ),
    "3": (
        "Why is dot-product attention preferred to additive attention: what about cost, what about quality?",
        (
            "1 mark: names that the multiplications are of the same order, n² d_k against n² a, or that the dot "
            "product is faster because it is nothing but matrix products.",
            "1 mark: names that the additive one holds a vector of width a for each pair of query and key, so a times "
            "as many numbers (64 times in the notebook).",
            "1 mark: names for quality that the dot product falls behind for large d_k unless it is scaled, or that "
            "with the scaling the two are about equal.",
        ),
    ),
    "4": (
        "Why are the scores divided by $\\sqrt{d_k}$ before the softmax? Derive it.",
        (
            "1 mark: names the derivation: q · k is a sum of d_k independent products of variance 1 each, so its "
            "variance is d_k.",
            "1 mark: names that the division by the root brings the variance to 1 whatever the width, or that a "
            "division by d_k would leave 1/d_k.",
            "1 mark: names what happens without it: one key takes nearly all (0.95 for the best of 64 at d_k = 1024), "
            "or the derivative of the softmax all but vanishes (7 % of its trace), or the first steps of training are "
            "lost.",
        ),
    ),
    "5": (
        "How is padding masked in the scores of attention?",
        (
            "1 mark: names that it happens before the softmax: the score is set to a very low number or minus "
            "infinity, and the weight becomes exactly 0.",
            "1 mark: names that the mask lies on the axis of the keys, or its shape (B, 1, 1, T), the same for all "
            "heads and all queries.",
            "1 mark: names a measurement: with rubbish in the padding real outputs move by 0 under the mask on the "
            "keys, or as far as without any mask (6.99) under a mask on the queries, or vectors of zeros without a "
            "mask still take 83 % of the weight.",
        ),
    ),
    "6": (
        "Why is the width of each head reduced?",
        (
            "1 mark: names that with d_k = d_model / h the h heads together cost what one costs: the operations "
            "8Td² + 4T²d, or the parameters 4d², do not depend on h.",
            "1 mark: names that heads as wide as the model would cost h times as much (8 heads: 8 times).",
            "1 mark: names a price: a narrow head can tell less apart (one feature finds 2 words of 32; d_k = 16 costs "
            "0.7 BLEU in the paper), or what it hands on has rank d_model / h at most, or the h T² weights still grow "
            "with h.",
        ),
    ),
    "7": (
        "Describe the encoder: what is it made of, what goes in, what comes out?",
        (
            "1 mark: names six layers of the same build with weights of their own, each with self-attention first and "
            "the feed-forward network second.",
            "1 mark: names what stands around each sub-layer: a residual connection and a layer normalisation, "
            "LayerNorm(x + Sublayer(x)).",
            "1 mark: names what goes in, the source's embeddings with positions added, and what comes out, one vector "
            "of the same width for each source token (the memory).",
        ),
    ),
    "8": (
        "Why does the Transformer multiply its embeddings by $\\sqrt{d_{model}}$?",
        (
            "1 mark: names that a positional encoding of length √(d/2), 16 at d = 512, is added to the word, which "
            "without the factor would have about a sixteenth (0.06) of that length.",
            "1 mark: names that with the factor the ratio of word to place is √2 at every width, or that both can then "
            "be heard.",
            "1 mark: names that this depends on how the table begins (with entries of variance 1 the ratio is √2 "
            "without the factor and 32 with it), or that the rows begin short because the table is the output layer "
            "as well.",
        ),
    ),
    "9": (
        "What is the positional encoding for, and what are the advantages and disadvantages of the sinusoidal one?",
        (
            "1 mark: names what it is for: attention sees a set, so that shuffled words give the same outputs, "
            "shuffled.",
            "1 mark: names an advantage: a step of k places is one and the same rotation at every place, or nothing is "
            "learned or stored, or there is a row for every place, or all vectors have the same length.",
            "1 mark: names a disadvantage: before learning it tells distance and not direction, or a trained "
            "translator fails when its sentences begin elsewhere (96 % to less than 10 %), or a step fitted to short "
            "sentences misses later places, or most clocks stand nearly still within a sentence.",
        ),
    ),
    "11": (
        "What are the residual connections in the Transformer for?",
        (
            "1 mark: names that they let the gradient pass: through twelve layers without norms it is 39 at the input "
            "with them, and about 10⁻¹³ without.",
            "1 mark: names that they keep the tokens apart: without them, averaging makes all tokens equal after a few "
            "layers (difference 0.72 with them).",
            "1 mark: names that LayerNorm alone brings back the gradient but not the difference of the tokens, or that "
            "with a residual a layer has only to learn what is to be changed.",
        ),
    ),
    "12": (
        "Why does the Transformer use LayerNorm and not BatchNorm, and where does it stand?",
        (
            "1 mark: names over what the two are taken: LayerNorm over the features of one token, BatchNorm over the "
            "batch.",
            "1 mark: names a consequence: other sentences or padding move LayerNorm's output by 0 and BatchNorm's by "
            "more than half a standard deviation, or only LayerNorm is the same in training and evaluation, or works "
            "with a batch of one.",
            "1 mark: names where it stands: after the addition, LayerNorm(x + Sublayer(x)), also called post-LN.",
        ),
    ),
    "13": (
        "How does BatchNorm work, and what are its advantages and drawbacks?",
        (
            "1 mark: names how it works: each feature is normalised by its mean and variance over the batch in "
            "training, and by averages kept from training in evaluation.",
            "1 mark: names an advantage: in evaluation it folds into the linear layer before it and costs nothing, or "
            "deep networks for images train with it, or its noise regularises.",
            "1 mark: names a drawback: an output depends on the rest of the batch (the spread falls only as about "
            "B^-½), or training and evaluation are two functions, or a batch of one raises an error, or padding spoils "
            "the statistics.",
        ),
    ),
    "14": (
        "What does the feed-forward network do, which activation does it use, and what are its advantages and "
        "drawbacks?",
        (
            "1 mark: names two linear maps, wider in the middle, applied to each position by itself (the gradient "
            "across positions is 0, or it equals two convolutions of kernel size 1).",
            "1 mark: names ReLU and something in its favour: without it the two maps would be one linear map, or it is "
            "cheap, or its slope is 1 where it is on, or most units stay silent.",
            "1 mark: names a drawback: two thirds of a layer's parameters (66.65 %), or no token learns from another, "
            "or a unit that is off for every input has gradient 0 and stays off.",
        ),
    ),
    "15": (
        "How do encoder and decoder interact? And what was attention in sequence-to-sequence models?",
        (
            "1 mark: names cross-attention: the target's states make the queries, the memory (the last encoder "
            "layer's output) makes keys and values, in every layer of the decoder.",
            "1 mark: names a measurement: with W_V of the cross-attentions at 0 the gradient by the memory is 0 "
            "everywhere, or it is 0 at padding and above 0 at every real place.",
            "1 mark: names that in sequence-to-sequence models the recurrent decoder's state asked and the encoder's "
            "states answered, or that before this one vector had to hold the whole sentence.",
        ),
    ),
    "16": (
        "How does the decoder's self-attention differ from the encoder's, and why does it need the sequence mask?",
        (
            "1 mark: names the difference: in the encoder a place may look at every real place, in the decoder only at "
            "itself and those before it.",
            "1 mark: names why: in training the whole right answer goes in at once, and without the mask the outputs "
            "depend on later places (28 of 28 pairs; 0 with the mask).",
            "1 mark: names what follows without it: the loss falls below what is honestly possible (0.001 against "
            "0.52) while the model cannot write (8 of 64 words), or that the mask needs the shift by one beside it.",
        ),
    ),
    "17": (
        "Where is the Transformer's parallelism? Can the decoder be parallel?",
        (
            "1 mark: names that within a layer no place waits for another, unlike in a recurrent network, or that the "
            "encoder is always parallel.",
            "1 mark: names that in training the decoder is parallel too, since the true target is known, shifted and "
            "masked: one call gives what as many calls as tokens give.",
            "1 mark: names that in translation each token needs the one before, so n tokens take n calls, or that a "
            "cache saves positions (190 to 19) and no calls.",
        ),
    ),
    "18": (
        "How is the learning rate set, and how dropout? Where does dropout stand, and what happens to it at test time?",
        (
            "1 mark: names the schedule: up in a straight line for the steps of warm-up (4,000), then down as one over "
            "the root of the step, or equation (3) itself.",
            "1 mark: names where dropout stands: on the output of each sub-layer before it is added, or on the sums of "
            "embeddings and positional encodings.",
            "1 mark: names that at test time it is the identity, because in training what is kept is divided by 1 - p, "
            "or because eval() switches it off.",
        ),
    ),
    "19": (
        "The residual connections of the decoder go around the masked attention. Do they leak what the mask hides?",
        (
            "1 mark: names that they do not: through six layers 0 of the 28 pairs with s later than t have a gradient.",
            "1 mark: names why: a residual adds place t to place t, and only attention, which is masked, mixes places.",
            "1 mark: names a check that the measurement can fail (a residual shifted by one place leaks 7 pairs, a "
            "mean over places 28), or that the target has to be shifted by one besides.",
        ),
    ),
}
