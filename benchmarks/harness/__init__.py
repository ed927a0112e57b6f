"""What every benchmark needs: command lines, results on disk, bars, Markdown, worker processes."""
