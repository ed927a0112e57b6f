"""The subcommands of ``ted`` that ask a service. Each is a thin layer over the client."""
