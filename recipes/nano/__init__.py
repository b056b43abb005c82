"""The recipe of the embedded model: compose -> render -> train codec -> train LM -> pack."""
