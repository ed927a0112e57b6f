"""TED: which rows of a training set are worth training on, decided by internal generalization."""
