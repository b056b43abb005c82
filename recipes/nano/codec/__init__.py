"""The codec: a lapped transform that goes on learning as an EnCodec.

`lapped` takes audio apart into frames, `fit` finds a basis and codebooks without a gradient,
`network` is what is trained, by `train` with `losses`, and `export` writes it as an EnCodec.
"""
