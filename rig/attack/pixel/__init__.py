"""A few pixels of one image to a wrong answer, and nothing but those pixels."""
