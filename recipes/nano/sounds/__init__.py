"""Sounds of every kind for the codec: sampled and synthesized stems, mixed at random."""
