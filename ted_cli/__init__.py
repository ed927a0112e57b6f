"""The ``ted`` command and the local stack. Torch-free."""
