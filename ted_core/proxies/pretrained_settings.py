"""How many tokens a pretrained model is given, and how large its adapters are. Torch-free: the API plans with it."""

LONGEST_TEXT = 256
"""Tokens, about 200 English words. What a text is about shows early, and attention's cost grows with the square."""
LONGEST_DIALOGUE = 1024
"""Tokens. Instructions with their answers are seldom longer, and one such dialogue still fits a small device."""
TOKEN_BUDGET = {"text": 16_384, "dialogue": 4_096}
"""Tokens, padding included, that an accelerator is given at once: enough to keep it busy. Of a dialogue every answer
token has a logit for each word of the vocabulary: 4,096 of 50,000 float32 are 0.8 GB."""
CPU_BUDGET = 2_048
"""What a processor is given at once: MiniLM is half as fast with more, since its caches no longer hold the layers."""
MOST_REMEMBERED_BLOCKS = 8
"""Blocks whose activations are remembered for the way back; of more adapted ones, they are calculated again."""
RANK = 8
"""Of a LoRA adapter, in every linear layer but the last; for SmolLM2-135M 2.4 M numbers to learn, 1.8 % of its own."""
