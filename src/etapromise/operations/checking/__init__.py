"""A look at own tables before anything is trained: what they are, and are good for."""

from etapromise.operations.checking.checking import check

__all__ = ["check"]
