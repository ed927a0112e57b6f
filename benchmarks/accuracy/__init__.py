"""Test accuracy of fresh models on what each method retained: the protocol as one command with resumable results."""
