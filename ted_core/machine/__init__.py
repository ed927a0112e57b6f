"""What this machine lets a process of ours have: memory and processors."""
