"""Inputs of predictions and trainings: their schema, their checks, and the models they name."""
