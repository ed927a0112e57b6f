"""What a job is, where it is stored and who holds it. Torch-free; the hinge between the API and the workers."""
