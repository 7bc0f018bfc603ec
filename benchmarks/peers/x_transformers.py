"""The encoder-decoder of x-transformers, in its own default shape (pre-LN), at the same size."""

from torch import Tensor, nn
from x_transformers import XTransformer

from benchmarks.peers.base import Peer
from course_lib.tokenizer import PAD_ID
from course_lib.transformer import Config


class XTransformers(Peer):
    name = "x-transformers"

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        c = config
        sizes = {
            "num_tokens": c.vocab,
            "max_seq_len": c.max_len,
            "depth": c.N,
            "heads": c.h,
            "attn_dim_head": c.d_model // c.h,
            "ff_mult": c.d_ff / c.d_model,
            "layer_dropout": 0.0,
            "emb_dropout": c.p_drop,
            "ff_dropout": c.p_drop,
            "use_abs_pos_emb": True,
        }
        both = {f"{side}_{name}": value for side in ("enc", "dec") for name, value in sizes.items()}
        self.model = XTransformer(dim=c.d_model, tie_token_emb=True, **both)
        # the output layer is tied too (3.4); `XTransformer` has no option for it
        decoder = self.model.decoder.net
        decoder.to_logits = nn.Linear(c.d_model, c.vocab, bias=False)
        decoder.to_logits.weight = decoder.token_emb.emb.weight

    def predict(self, src: Tensor, tgt_in: Tensor) -> Tensor:
        mask = src != PAD_ID
        memory = self.model.encoder(src, mask=mask, return_embeddings=True)
        return self.model.decoder.net(tgt_in, context=memory, context_mask=mask)
