"""Jobs: submission, leases, status changes, maintenance."""
