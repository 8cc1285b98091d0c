"""A network whose every answer can be worked out by hand."""

import numpy as np

PLACE, NEIGHBOUR = (3, 5), (4, 6)


class Toy:
    """Class 1 wins over class 0 by how red PLACE is and how blue NEIGHBOUR is, class 2 by how green PLACE is."""

    def __init__(self, needs: float = 0.9):
        self.needs, self.queries, self.batches = needs, 0, []

    def predict(self, images: np.ndarray) -> np.ndarray:
        self.queries += len(images)
        self.batches.append(len(images))
        red, blue = images[:, *PLACE, 0] / 255, images[:, *NEIGHBOUR, 2] / 255
        green = images[:, *PLACE, 1] / 255 - images[:, *PLACE, 0] / 255
        zero = np.full(len(images), self.needs)
        return np.stack([zero, (red + blue) / 2 + 0.45, green], axis=1).astype(np.float32)
