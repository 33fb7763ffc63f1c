"""Checks of chapter 07, What should the loss see?."""
