"""What the commands end with, beside 0."""

BAD_INPUT, FAILED, INTERRUPTED = 2, 1, 130
"""The input is wrong; something broke; Ctrl-C."""
