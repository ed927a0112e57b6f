"""Judges models that are pruned for while they train: other rows in each epoch, at equal row visits."""
