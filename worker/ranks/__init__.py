"""One job by several processes of this machine, each a rank: and what becomes of the others if one ends."""
