"""Candidates for what ranks the rows: a proxy is trained on the rows of each and tested on others."""
