"""HTTP as TED speaks it: who is asking, what they sent, problems, streams, files."""
