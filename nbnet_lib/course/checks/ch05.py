"""Checks of chapter 05, De-convolution from the inside."""
