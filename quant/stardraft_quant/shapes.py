"""The published shapes of the StarCoder2 family (bigcode/starcoder2-{3b,7b,15b}, config.json)."""

from msgspec import Struct


class Shape(Struct, frozen=True):
    """Hyper-parameters of a StarCoder2 model; `head_size` is hidden / heads."""

    name: str
    layers: int
    hidden: int
    ffn: int
    heads: int
    kv_heads: int
    context: int
    rope_base: float

    @property
    def kv_size(self) -> int:
        return self.hidden // self.heads * self.kv_heads


SHAPES = {
    shape.name: shape
    for shape in (
        Shape("starcoder2-3b", 30, 3072, 12288, 24, 2, 16384, 999999.4420358813),
        Shape("starcoder2-7b", 32, 4608, 18432, 36, 4, 16384, 1000000.0),
        Shape("starcoder2-15b", 40, 6144, 24576, 48, 4, 16384, 100000.0),
    )
}
