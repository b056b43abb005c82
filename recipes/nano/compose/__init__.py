"""The composer: everything that the embedded model knows about music was written here."""

from recipes.nano.compose.captions import caption
from recipes.nano.compose.piece import Note, Piece, compose

__all__ = ["Note", "Piece", "caption", "compose"]
