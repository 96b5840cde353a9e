"""StarCoder2's architecture in plain torch, small enough to be trained on two CPU cores.

The source is arXiv 2402.19173 §4 and the files that bigcode published: pre-norm LayerNorm with biases,
grouped-query attention with rotary positions, a GELU feed-forward (tanh form), biases in every matrix, one
embedding for input and output. Modules have the names of their tensors in a GGUF: `state_dict` needs no
translation.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from stardraftd.models.catalogue import Shape

NORM_EPSILON = 1e-5
TINY = Shape(
    "stardraft-tiny", layers=4, hidden=256, ffn=768, heads=4, kv_heads=2, context=2048, rope_base=1e4
)


class Block(nn.Module):  # type: ignore[misc]
    """One layer: (rows, positions, hidden) -> the same."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.heads, self.kv_heads = shape.heads, shape.kv_heads
        self.attn_norm = nn.LayerNorm(shape.hidden, eps=NORM_EPSILON)
        self.attn_q = nn.Linear(shape.hidden, shape.hidden)
        self.attn_k = nn.Linear(shape.hidden, shape.kv_size)
        self.attn_v = nn.Linear(shape.hidden, shape.kv_size)
        self.attn_output = nn.Linear(shape.hidden, shape.hidden)
        self.ffn_norm = nn.LayerNorm(shape.hidden, eps=NORM_EPSILON)
        self.ffn_up = nn.Linear(shape.hidden, shape.ffn)
        self.ffn_down = nn.Linear(shape.ffn, shape.hidden)

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        x = x + self.attend(self.attn_norm(x), cos, sin)
        return x + self.ffn_down(functional.gelu(self.ffn_up(self.ffn_norm(x)), approximate="tanh"))

    def attend(self, x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        rows, positions, hidden = x.shape

        def heads_first(y: Tensor, n: int) -> Tensor:
            return y.view(rows, positions, n, -1).transpose(1, 2)

        q = rotate(heads_first(self.attn_q(x), self.heads), cos, sin)
        k = rotate(heads_first(self.attn_k(x), self.kv_heads), cos, sin)
        v = heads_first(self.attn_v(x), self.kv_heads)
        # Every key and value head serves heads / kv_heads query heads that stand beside each other.
        k, v = (y.repeat_interleave(self.heads // self.kv_heads, dim=1) for y in (k, v))
        mixed = functional.scaled_dot_product_attention(q, k, v, is_causal=True)
        return self.attn_output(mixed.transpose(1, 2).reshape(rows, positions, hidden))


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Rotary positions in the "NeoX" form: channel i turns with channel i + half."""
    first, second = x.chunk(2, dim=-1)
    return x * cos + torch.cat((-second, first), dim=-1) * sin


class Starcoder2(nn.Module):  # type: ignore[misc]
    """Token ids (rows, positions) -> hidden states (rows, positions, hidden); `logits` goes on from there."""

    def __init__(self, shape: Shape, n_vocab: int) -> None:
        super().__init__()
        self.shape = shape
        self.token_embd = nn.Embedding(n_vocab, shape.hidden)
        self.blk = nn.ModuleList(Block(shape) for _ in range(shape.layers))
        self.output_norm = nn.LayerNorm(shape.hidden, eps=NORM_EPSILON)
        head_size = shape.hidden // shape.heads
        frequencies = shape.rope_base ** -(torch.arange(0, head_size, 2) / head_size)
        angles = torch.outer(torch.arange(shape.context).float(), frequencies).repeat(1, 2)
        self.register_buffer("cos", angles.cos(), persistent=False)
        self.register_buffer("sin", angles.sin(), persistent=False)

    def initialise(self) -> None:
        """Fresh weights, decided by torch's seed. What adds to the residual stream begins smaller (GPT-2)."""
        for name, parameter in self.named_parameters():
            if name.endswith("bias"):
                nn.init.zeros_(parameter)
            elif parameter.dim() > 1:
                into_stream = "attn_output" in name or "ffn_down" in name
                nn.init.normal_(
                    parameter, std=0.02 / math.sqrt(2 * self.shape.layers) if into_stream else 0.02
                )

    def forward(self, ids: Tensor) -> Tensor:
        x = self.token_embd(ids)
        cos, sin = (table[: ids.shape[1]].to(x.dtype) for table in (self.cos, self.sin))
        for block in self.blk:
            x = block(x, cos, sin)
        return self.output_norm(x)

    def logits(self, hidden: Tensor) -> Tensor:
        """(..., hidden) -> (..., vocabulary): the embedding is the output matrix too."""
        return hidden @ self.token_embd.weight.t()
