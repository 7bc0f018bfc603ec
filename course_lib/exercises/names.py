"""The exercises, in the order of the course; and in which module of the catalogue each is."""

NAMES = {
    "most_frequent_pair": "text",
    "pad_rows": "text",
    "scaled_dot_product_attention": "attention",
    "additive_attention": "additive",
    "MultiHeadAttention": "multi_head",
    "PositionwiseFeedForward": "feed_forward",
    "LayerNorm": "layer_norm",
    "SublayerConnection": "sublayer",
    "Embeddings": "embeddings",
    "SinusoidalPositionalEncoding": "positions",
    "causal_mask": "masks",
    "padding_mask": "masks",
    "EncoderLayer": "encoder_layer",
    "DecoderLayer": "decoder_layer",
    "shift_right": "shift",
    "label_smoothing_loss": "label_smoothing",
    "noam_lr": "schedule",
    "greedy_decode": "greedy",
    "beam_search": "beam",
    "attend_step": "cache",
}

# A bug hunt mends a component that is wrong and still learns; what is mended must pass the component's own exercise.
HUNTS = {
    "hunt_divided": "scaled_dot_product_attention",
    "hunt_tangled_heads": "MultiHeadAttention",
    "hunt_straight": "PositionwiseFeedForward",
    "hunt_other_variance": "LayerNorm",
    "hunt_norm_first": "SublayerConnection",
    "hunt_half_waves": "SinusoidalPositionalEncoding",
    "hunt_one_too_far": "causal_mask",
    "hunt_deaf_decoder": "DecoderLayer",
    "hunt_counted_padding": "label_smoothing_loss",
    "hunt_forgotten_end": "beam_search",
}
