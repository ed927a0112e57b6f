"""What every benchmark needs: command lines, results on disk, Markdown, worker processes."""
