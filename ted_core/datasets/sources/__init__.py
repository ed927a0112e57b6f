"""Where a dataset's files lie: this machine's disks or an object store."""
