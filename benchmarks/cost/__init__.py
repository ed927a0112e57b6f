"""What a selection costs in time, held against a plain training run of its proxy."""
