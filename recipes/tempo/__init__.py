"""How the tempo analysis got its weights; `python -m recipes.tempo.fit` finds them anew."""
