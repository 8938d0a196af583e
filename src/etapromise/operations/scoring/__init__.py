"""Promises for all orders of a table, of files of any size, of a store."""

from etapromise.operations.scoring.scoring import Scored, score

__all__ = ["Scored", "score"]
