"""Texts and dialogues: pretrained models, tokens, and what a proxy takes of them. Needs the extra ``text``."""
