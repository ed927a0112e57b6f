"""Batches, objectives and the training of one model, with each sample's gradients."""
