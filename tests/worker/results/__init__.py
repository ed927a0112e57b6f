"""What a finished job says beside its manifest."""
