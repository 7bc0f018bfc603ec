"""The models that ours is compared with: each built from `Config`, each with a loss and, where it can, our weights."""

from benchmarks.peers.base import Peer
from benchmarks.peers.marian import Marian
from benchmarks.peers.torch_transformer import TorchTransformer
from benchmarks.peers.x_transformers import XTransformers

TRAINING_PEERS: list[type[Peer]] = [TorchTransformer, Marian, XTransformers]

__all__ = ["TRAINING_PEERS", "Marian", "Peer", "TorchTransformer", "XTransformers"]
