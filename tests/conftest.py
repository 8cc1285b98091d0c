"""What all tests share."""

import pytest
import torch


@pytest.fixture(scope="session", autouse=True)
def one_thread():
    """Torch's threads wait busily for each other: beside another test worker that costs many times what they compute.

    How many there are also decides in which order floats are summed, so no folder sets another number: it would stay
    for whatever the worker runs next.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
