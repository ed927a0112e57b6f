"""The whole service on one machine: ``ted up``, its processes, its broker and its key."""
