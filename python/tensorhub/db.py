"""``tensorhub.db.TensorHub``: the place where TensorLayer has it."""

from .hub import TensorHub

__all__ = ["TensorHub"]
