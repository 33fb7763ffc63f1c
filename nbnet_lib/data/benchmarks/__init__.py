"""What the files in data_scripts/ say: licence, how to get a benchmark, its layout."""
