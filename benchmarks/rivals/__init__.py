"""Published methods that only benchmarks need, written from their papers, each with what was scaled to short runs."""
