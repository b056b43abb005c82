"""Weights of the tempo candidates, fitted by `recipes/tempo/fit.py` on sounds of known tempo."""

import numpy as np

WEIGHTS = np.array(
    [
        [-2.25, -5.30, -1.08, 2.55, -1.36],
        [-10.60, -4.75, -1.14, 1.13, 7.36],
        [-3.29, 7.83, 6.08, -3.81, -0.37],
        [-2.70, 7.22, 6.06, 2.82, 2.01],
        [9.94, -1.17, -0.88, 0.24, -0.47],
        [-1.52, 7.59, -1.51, -5.36, 5.29],
        [-0.65, -6.39, -12.81, -1.10, 11.06],
        [3.55, -6.86, -2.80, -2.10, 16.84],
    ]
)
"""Rows: fractions of the beat, as in `tempo.FRACTIONS`. Columns: groups of bands, and them all."""
PRIOR = np.array([1.923, -1.726])
"""How usual a tempo is: by its octaves above `tempo.USUAL`, and by their square."""
