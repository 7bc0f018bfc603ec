"""What the reader is asked to guess before a cell runs: name -> the question."""

PREDICTIONS = {
    "02.padding": "Batches of 20 sentences in the corpus's order: how many per cent of the positions are padding?",
    "02.sorted": "The same, but sorted by the target's length before: how many per cent are padding?",
    "03.variance": "The variance of q · k for d_k = 512?",
    "03.best": "Without the division, which share does the best of 64 keys get at d_k = 1024?",
    "03.additive": "How many times as long as the dot product does additive attention take?",
    "03.broken": "Which is worse in a trained translator, scores 4.9 times too large or too small?",
    "04.one-head": "Which share of the target's variance does one head leave?",
    "04.itself": "One shared matrix for queries and keys, untrained: for which share of words is the best key itself?",
    "04.tangled": "The suspect in a trained translator: which share of the test sentences is still right?",
    "05.hinges": "Twice as many hinges: how many times smaller is the largest error of the bent line?",
    "05.share": "How many per cent of an encoder layer's parameters are in its feed-forward network?",
    "05.on": "In the trained model's first encoder layer, how many per cent of the hidden units are on for a token?",
    "05.loudest": "Only the 20 loudest of 384 hidden units may speak: how many of 50 sentences are still right?",
    "06.batch": "Three of a batch's four sentences are exchanged for others. How far does a number of the first one "
    "move at most, after BatchNorm?",
    "06.gradient": "Twelve layers without residual connections: how large is the gradient at the input, against "
    "1 with them?",
    "06.depth": "Pre-LN: 48 layers in place of 3. How many times as small is the gradient of the top layer?",
    "06.mean": "No norm of a trained translator subtracts the mean any more. How many per cent of its test sentences "
    "are right (96 before)?",
    "07.norm": "How long is a sinusoidal encoding's vector at d_model = 512?",
    "07.sooner": "Which task is learned sooner with the factor than without: by word, by place, both, or neither?",
    "07.first": "The output layer multiplies by sqrt(512) as well. How large is the first loss, where guessing has "
    "10.5?",
    "07.output": "A trained translator whose output layer multiplies by the factor: how many per cent of its test "
    "sentences are right (96 before)?",
    "08.round": "d_model = 512, 64 places: how many of the 256 clocks go round at least once?",
    "08.shift": "A step of 9 places, fitted to the first 100 places: how large is its error at later ones, as a share "
    "of the vector's length?",
    "08.stopped": "A trained translator, the slower half of the clocks stopped: which share of its test sentences is "
    "still right?",
    "08.begin": "The same translator, every sentence beginning at place 5 instead of 0: which share is still right?",
    "09.zeros": "Five words, then 40 vectors of zeros, no mask: how many per cent of its weight does a query give to "
    "the zeros?",
    "09.padding": "Rubbish in the padding, mask on the queries: do the real outputs move? (yes or no)",
    "09.peek": "Trained without the causal mask, where no honest loss is below 0.52: what is the loss after 200 steps?",
    "09.shift": "With the mask, without the shift: given ab, what does it write? (eight letters with these two)",
    "10.parameters": "How many times as many parameters as an encoder layer has a decoder layer, at the base size?",
    "10.permuted": "Shuffle a sentence's vectors, without positions. The encoder's outputs are: the same, shuffled, or "
    "different?",
    "10.leak": "One residual of a six-layer decoder is shifted by one place. Through how many of the 28 pairs does the "
    "future leak?",
    "10.deaf": "A decoder with two layers: which of them does more harm when it cannot hear, the first or the last?",
    "11.tied": "How many per cent of the base model's parameters are in its one table of embeddings?",
    "11.factor": "A trained translator's logits, all 9.8 times too large: how many of 50 sentences are still right "
    "(48 before)?",
    "12.floor": "Label smoothing with 0.1 over 800 words: the smallest loss that a model can have?",
    "12.wrong": "Twelve wrong components, one at a time in a small model: how many of the twelve models learn?",
    "13.positions": "A translation of 19 tokens, every prefix decoded anew: how many positions does the decoder "
    "compute in all?",
    "13.first-place": "With the cache, every step is told that it is the first place: how many of 100 sentences are "
    "still right?",
    "13.beam": "A beam of 4 instead of greedy decoding: how many of 200 test sentences get another translation?",
    "13.empty": "100 sentences longer than any in training, a beam of 4, no length penalty: how many translations are "
    "empty?",
}
