"""The subcommands of ``ted``. Most of them are a thin layer over the client."""
