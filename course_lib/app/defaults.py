"""What is usual where nothing is asked for. Apart from where it is used, because help must not wait for torch."""

VOCAB = {"embedded": 2_300, "wmt": 37_000, "else": 4_000}  # pieces
QUICK_MINUTES = {"embedded": 3.65, "else": 25.0}  # so that `make train`, with its report, ends within 4
