"""What an installed package can add to TED: a proxy, a task, a dataset format."""
