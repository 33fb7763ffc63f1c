"""SynthFaces as photographs, written in the exact layout of a benchmark."""
