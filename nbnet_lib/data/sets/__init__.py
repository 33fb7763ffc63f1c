"""Sets of pictures: who is on them, who trains and who tests, and as arrays or shards."""
