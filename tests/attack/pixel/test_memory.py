"""A picture is asked about once; what a search comes to is what it would come to without a memory."""

import numpy as np
import pytest

from rig.attack.pixel.memory import Memory


def test_each_unknown_candidate_is_named_once_and_recalled_wherever_it_stands():
    rng = np.random.default_rng(0)
    memory, kinds = Memory(), rng.integers(0, 256, (5, 2, 5))
    order = rng.integers(0, 4, 50)  # the fifth kind never
    unknown = memory.unknown(kinds[order])
    assert sorted(order[unknown]) == sorted(set(order))
    assert all(order[:i].tolist().count(order[i]) == 0 for i in unknown)  # the first of its kind
    memory.keep(kinds[order][unknown], losses=10.0 * order[unknown], reached=order[unknown] == 2)
    assert len(memory.unknown(kinds[order])) == 0
    losses, reached = memory.recall(kinds[order])
    np.testing.assert_array_equal(losses, 10.0 * order)
    np.testing.assert_array_equal(reached, order == 2)
    assert memory.unknown(kinds).tolist() == [4]
    with pytest.raises(KeyError):
        memory.recall(kinds)
