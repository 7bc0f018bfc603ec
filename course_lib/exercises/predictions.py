"""What the reader is asked to guess before a cell runs: name -> the question."""

PREDICTIONS = {
    "03.variance": "The variance of q · k for d_k = 512?",
    "03.best": "Without the division, which share does the best of 64 keys get at d_k = 1024?",
    "03.additive": "How many times as long as the dot product does additive attention take?",
    "03.broken": "Which is worse in a trained translator, scores 4.9 times too large or too small?",
    "04.one-head": "Which share of the target's variance does one head leave?",
    "04.tangled": "Which share of the test sentences survives heads cut without a transpose?",
    "05.linear": "Which share of a layer's parameters is in its feed-forward network?",
    "06.gradient": "Twelve layers without residual connections: how large is the gradient at the input, against "
    "1 with them?",
    "06.batch": "By how much does BatchNorm's output of one sentence move when the others change?",
    "07.norm": "How long is a sinusoidal encoding's vector at d_model = 512?",
    "08.shift": "Rotation learned from the first places: does it hold for later ones?",
    "09.padding": "Rubbish in the padding, mask on the queries: do the real outputs move?",
    "10.permuted": "Shuffle the words of a sentence without positions: what do the encoder's outputs do?",
    "12.mean": "Dropout with p = 0.1 on ones: the mean of the result?",
    "13.calls": "How many decoder calls for a sentence of 20 tokens, when translating?",
}
