"""One selection by several processes: who trains which model, who has which rows, and how results come together."""
