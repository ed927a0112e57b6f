"""What a language model makes of held-back answers, by what was kept of the instructions that it learned from."""
