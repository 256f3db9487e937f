"""How an answer is read: from words to mentions of labels, to what the answer does with each, to one label or none."""
