"""What a hundred million rows cost in one process: everything between the last measurement and the training set."""
