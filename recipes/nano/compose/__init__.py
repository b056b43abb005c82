"""The composer: everything that the embedded model knows about music was written here."""

from recipes.nano.compose.captions import caption
from recipes.nano.compose.parts import Note
from recipes.nano.compose.piece import Piece, compose

__all__ = ["Note", "Piece", "caption", "compose"]
