"""Labels that look wrong: how many there are, how suspicious each is, and the file that lists them. Torch-free."""
