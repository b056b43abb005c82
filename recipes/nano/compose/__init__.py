"""The composer: everything that the embedded model knows about music was written here."""

from recipes.nano.compose.captions import caption
from recipes.nano.compose.parts import Event
from recipes.nano.compose.piece import Piece, compose

__all__ = ["Event", "Piece", "caption", "compose"]
