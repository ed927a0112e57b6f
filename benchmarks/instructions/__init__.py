"""How well a language model predicts held-back answers, by what was kept of the instructions it learned from."""
