"""A picture is asked about once; what a search comes to is what it would come to without a memory (test_search.py)."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from rig.attack.pixel.change import PixelChange
from rig.attack.pixel.memory import Memory, picture_keys

TINY = np.full((2, 3, 3), 9, np.uint8)
PIXEL = st.tuples(st.integers(0, 1), st.integers(0, 2), *[st.sampled_from([0, 1, 255])] * 3)


@given(st.integers(1, 3).flatmap(lambda k: st.lists(st.lists(PIXEL, min_size=k, max_size=k), min_size=2, max_size=8)))
def test_two_candidates_have_one_key_if_and_only_if_they_set_the_same_pixels_to_the_same_colours(candidates):
    keys = picture_keys(np.array(candidates, np.int64))
    drawn = [{tuple(one[:2]): one[2:] for one in candidate} for candidate in candidates]
    for key, pixels in zip(keys, drawn, strict=True):
        for other, others in zip(keys, drawn, strict=True):
            assert (key == other) == (pixels == others)


def test_candidates_of_one_key_give_one_picture():
    rng = np.random.default_rng(0)
    candidates = np.concatenate([rng.integers(0, 2, (500, 2, 2)), rng.choice([0, 255], (500, 2, 3))], axis=-1)
    pictures: dict[bytes, set[bytes]] = {}
    for key, candidate in zip(picture_keys(candidates), candidates, strict=True):
        pictures.setdefault(key, set()).add(PixelChange(candidate).applied(TINY).tobytes())
    assert {len(found) for found in pictures.values()} == {1}


def test_each_unknown_picture_is_named_once_and_known_wherever_it_stands():
    rng = np.random.default_rng(0)
    memory, kinds = Memory(), rng.integers(0, 256, (5, 2, 5))
    order = rng.integers(0, 4, 50)  # the fifth kind never
    unknown = memory.unknown(kinds[order])
    assert sorted(order[unknown]) == sorted(set(order))
    assert all(order[:i].tolist().count(order[i]) == 0 for i in unknown)  # the first of its kind
    for said in (unknown, np.empty(0, np.int64)):
        losses, reached = memory.complete(10.0 * order[said], order[said] == 2)
        np.testing.assert_array_equal(losses, 10.0 * order)
        np.testing.assert_array_equal(reached, order == 2)
        assert len(memory.unknown(kinds[order])) == 0
    assert memory.unknown(kinds).tolist() == [4]
