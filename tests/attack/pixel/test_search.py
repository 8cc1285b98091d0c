import numpy as np
import pytest
from toy_network import NEIGHBOUR, PLACE, Toy, write_linear

from rig.attack.goal import OBJECTIVES, Goal
from rig.attack.pixel import memory
from rig.attack.pixel.canvas import Fed, canvas_of
from rig.attack.pixel.change import changed_pixels
from rig.attack.pixel.fitness import FITNESS
from rig.attack.pixel.search import search_all
from rig.attack.pixel.settings import SEARCHES, search_settings
from rig.attack.pixel.space import Space, set_pixels
from rig.attack.pixel.task import Task
from rig.attack.pixel.white_box import promising
from rig.errors import RigError
from rig.images import batch_from_images
from rig.model import DeployedModel

BLACK = np.zeros((8, 9, 3), np.uint8)
ANY, ONE, TWO = Goal((0,), None), Goal((0,), 1), Goal((0,), 2)
FOOLED_AT_3 = (2, 4)  # of the test images
BLACK_BOX = [name for name in SEARCHES if name not in ("white-box", "exhaustive")]


def search(model, settings, *tasks, seed=0):
    return {found.task.name: found for found in search_all(tasks, model, settings, seed)}


def outcome(found) -> tuple:
    return found.change.pixels.tolist(), found.queries, found.success_query, found.reached, found.history


@pytest.mark.parametrize("name", BLACK_BOX)
@pytest.mark.parametrize(("goal", "n_pixels"), [(ANY, 1), (ONE, 1), (TWO, 1), (ONE, 2)])
def test_every_search_finds_what_is_there(name, goal, n_pixels):
    """One table, every search: the change makes the toy say what the goal asks, with no more than K pixels."""
    settings = search_settings(name, {"max_queries": 20_000, "stop": "success"})
    toy = Toy(needs=0.8)
    found = search(toy, settings, Task("a", BLACK, goal, n_pixels))["a"]
    changed = found.change.applied(BLACK)
    assert found.reached
    assert goal.reached(Toy(needs=0.8).predict(changed[None])).all()
    assert 1 <= changed_pixels(BLACK, changed) <= n_pixels
    assert found.queries >= toy.queries


@pytest.mark.parametrize("name", BLACK_BOX)
def test_targeted_success_is_the_target_and_never_another_wrong_class(name):
    """The toy can be brought to class 1 easily, to class 2 never: 1 is no success of an attack on 2."""
    settings = search_settings(name, {"max_queries": 3000})
    task = Task("a", BLACK + np.array([0, 0, 0], np.uint8), TWO, 1)
    found = search(Toy(needs=1.1), settings, task)["a"]
    assert not found.reached
    assert found.success_query is None


@pytest.mark.parametrize("name", BLACK_BOX)
def test_a_result_does_not_depend_on_what_else_is_searched(name):
    settings = search_settings(name, {"max_queries": 700, "stop": "success"})
    rng = np.random.default_rng(0)
    tasks = [Task(str(i), rng.integers(0, 180, (8, 9, 3), dtype=np.uint8), ANY, 1 + i % 3) for i in range(7)]
    together = search(Toy(), settings, *tasks)
    for task in tasks:
        assert outcome(search(Toy(), settings, task)[task.name]) == outcome(together[task.name])
    assert any(outcome(search(Toy(), settings, t, seed=1)[t.name]) != outcome(together[t.name]) for t in tasks)


@pytest.mark.parametrize("name", BLACK_BOX)
@pytest.mark.parametrize("most", [1, 399, 1000])
def test_queries_never_exceed_the_budget_whether_a_picture_is_new_or_not(name, most):
    toy = Toy(needs=9)
    tasks = [Task(str(i), BLACK, ANY, 2) for i in range(3)]
    found = search(toy, search_settings(name, {"max_queries": most}), *tasks)
    assert [one.queries for one in found.values()] == [most] * 3
    assert toy.queries <= 3 * most


@pytest.mark.parametrize("needs", [0.93, 9])
def test_memory_changes_what_the_model_is_asked_and_nothing_that_is_found(needs, monkeypatch):
    """su2019 in full: it converges, and half of what it asks it has asked before. Counted by hand from what is asked."""
    settings, task = search_settings("su2019", {}), Task("a", BLACK, ANY, 1)
    remembering, forgetful, asked = Toy(needs=needs), Toy(needs=needs), set()
    found = search(remembering, settings, task)["a"]
    monkeypatch.setattr(memory, "first_of_each", lambda keys, known: [*range(len(keys))])  # all unknown, always
    predict = forgetful.predict
    forgetful.predict = lambda images: asked.update(image.tobytes() for image in images) or predict(images)
    again = search(forgetful, settings, task)["a"]
    assert outcome(found) == outcome(again)
    assert forgetful.queries == again.queries
    assert remembering.queries < 0.5 * found.queries
    assert len(asked) <= remembering.queries <= found.queries  # one picture may be drawn by several candidates


def test_the_success_query_is_the_first_that_reached_the_goal():
    """By another road: the exhaustive search's order is known, and so is the first pixel that is green enough."""
    found = search(Toy(needs=0.94), search_settings("exhaustive", {"levels": 3}), Task("a", BLACK, TWO, 1))["a"]
    colors_before = 2 * 3  # (0, 255, 0) on a lattice of 3 x 3 x 3, blue fastest
    assert found.success_query == colors_before * 8 * 9 + PLACE[0] * 9 + PLACE[1] + 1
    assert found.change.pixels.tolist() == [[*PLACE, 0, 255, 0]]


def test_the_best_is_the_one_kept_and_its_history_falls():
    settings = search_settings("exhaustive", {"levels": 3})
    found = search(Toy(needs=1.2), settings, Task("a", BLACK, ONE, 1))["a"]
    queries, losses = zip(*found.history, strict=True)
    assert not found.reached
    assert list(losses) == sorted(losses, reverse=True)
    assert list(queries) == sorted(queries)
    assert losses[-1] == pytest.approx(1.2 - 0.95, abs=1e-6)  # one channel of one pixel at most
    assert found.change.pixels[0, 2] == 255 or found.change.pixels[0, 4] == 255


def test_a_search_with_more_pixels_begins_from_what_fewer_found():
    settings = search_settings("rig", {"max_queries": 1})
    first = search(Toy(needs=1.2), search_settings("exhaustive", {}), Task("a", BLACK, ONE, 1))["a"]
    second = search(Toy(needs=1.2), settings, Task("a", BLACK, ONE, 3, first.change))["a"]
    np.testing.assert_array_equal(second.change.applied(BLACK), first.change.applied(BLACK))
    both = search(Toy(needs=1.2), search_settings("rig", {"max_queries": 4000}), Task("a", BLACK, ONE, 2, first.change))
    assert both["a"].reached
    assert {tuple(place) for place in both["a"].change.pixels[:, :2].tolist()} == {PLACE, NEIGHBOUR}


def test_images_are_gathered_so_that_batches_are_full():
    toy, begun = Toy(needs=9), []

    def tasks():
        for i in range(30):
            yield Task(str(i), BLACK, ANY, 3)
        begun.append(len(toy.batches))  # from here on there is nothing to fill up with

    found = list(search_all(tasks(), toy, search_settings("rig", {"max_queries": 700, "screen": 64}), 0))
    assert len(found) == 30
    assert begun[0] > 25
    assert min(toy.batches[: begun[0]]) >= 512


def test_a_share_of_the_time_ends_a_search():
    found = search(Toy(needs=9), search_settings("random", {"max_seconds": 1e-9}), Task("a", BLACK, ANY, 1))["a"]
    assert found.queries == 400


def test_pixelwise_asks_nothing_twice_and_ends_where_all_was_asked():
    asked = []

    class Recording(Toy):
        def predict(self, images):
            asked.extend(image.tobytes() for image in images)
            return super().predict(images)

    flat = np.full((8, 9, 3), 7, np.uint8)
    search(Recording(needs=9), search_settings("rig", {"max_queries": 3000}), Task("a", flat, ANY, 1))
    assert len(set(asked)) == len(asked) == 3000


def test_set_pixels_builds_what_a_loop_over_candidates_would():
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (8, 9, 3), dtype=np.uint8)
    candidates = rng.integers(0, Space(8, 9, 3).most + 1, (50, 3, 5))
    candidates[:10, 2, :2] = candidates[:10, 0, :2]  # the same place twice: the later colour holds
    images = set_pixels(image, candidates)
    for built, pixels in zip(images, candidates, strict=True):
        expected = image.copy()
        for row, column, *color in pixels:
            expected[row, column] = color
        np.testing.assert_array_equal(built, expected)


@pytest.mark.parametrize("goal", [ANY, ONE, Goal((0, 2), None), Goal((0, 2), 1)])
def test_fitness_by_two_roads(goal):
    """The margin is the hinged one of the texture attack before its clamp; a probability is one of all of them."""
    logits = np.random.default_rng(0).normal(0, 0.5, (50, 4)).astype(np.float32)
    hinged = OBJECTIVES["margin"][0](goal)(torch_of(logits)).numpy()
    margins = FITNESS["margin"](goal, logits)
    np.testing.assert_allclose(np.maximum(margins, -2), hinged, atol=1e-6)
    assert ((margins < 0) == goal.reached(logits)).all()
    probs = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    expected = -probs[:, 1] if goal.target is not None else probs[:, list(goal.true)].sum(axis=1)
    np.testing.assert_allclose(FITNESS["probability"](goal, logits), expected, rtol=1e-5)


def torch_of(logits):
    import torch

    return torch.from_numpy(logits)


@pytest.mark.parametrize("n_pixels", [0, 73])
def test_more_pixels_than_the_image_has_are_refused(n_pixels):
    with pytest.raises(RigError, match=r"no such number of pixels; got .* expected 1 to 72 \(9 x 8\)"):
        Task("a", BLACK, ANY, n_pixels)


def test_unknown_searches_and_settings_are_refused():
    with pytest.raises(RigError, match="unknown search; got fast"):
        search_settings("fast", {})
    with pytest.raises(RigError, match='unknown key "populaton"; did you mean "population"'):
        search_settings("rig", {}, ["search.populaton=3"])
    assert search_settings("rig", {}, ["search.population=8"]).population == 8


@pytest.mark.parametrize("name", ["su2019", "rig"])
def test_on_a_real_network_a_result_does_not_depend_on_the_batch(shared, name):
    """Logits themselves may depend on what lies beside an image in a batch; this would show it."""
    cifar = shared / "cifar10"
    model, test = DeployedModel(cifar / "nin.onnx", threads=1), np.load(cifar / "test1000.npz")
    settings = search_settings(name, {"max_queries": 100, "population": 40, "screen": 40})
    tasks = [Task(str(i), test["images"][i], Goal((int(test["labels"][i]),), None), 1) for i in range(3)]
    together = search(model, settings, *tasks)
    for task in tasks[1:]:
        assert outcome(search(model, settings, task)[task.name]) == outcome(together[task.name])


def test_the_white_box_ranks_places_and_corners_by_the_first_order_fall():
    """Against every one of them computed in a loop."""
    rng = np.random.default_rng(0)
    image, slope = rng.integers(0, 256, (4, 5, 3), dtype=np.uint8), rng.normal(size=(4, 5, 3))
    kept = np.array([[2, 2, 0, 0, 0]])
    ranked = promising(image, kept, slope)
    changes = [(corner - image[row, column].astype(int)) @ slope[row, column] for row, column, *corner in ranked]
    n_kept = 8  # the corners of the kept place come last
    assert changes[:-n_kept] == sorted(changes[:-n_kept])
    assert (ranked[-n_kept:, :2] == 2).all()
    assert len({tuple(pixel) for pixel in ranked.tolist()}) == 4 * 5 * 8


def test_the_white_box_counts_its_gradients_and_finds_what_is_there(shared):
    """Every image asked, for scores or for a gradient, is in the queries; what was found holds on the file itself."""
    cifar = shared / "cifar10"
    model, test = DeployedModel(cifar / "nin.onnx", threads=1), np.load(cifar / "test1000.npz")
    tasks = [Task(str(i), test["images"][i], Goal((int(test["labels"][i]),), None), 3) for i in FOOLED_AT_3]
    before = model.queries
    found = search(model, search_settings("white-box", {"max_queries": 500}), *tasks)
    assert sum(one.queries for one in found.values()) == model.queries - before
    for one in found.values():
        assert one.reached
        changed = one.change.applied(one.task.image)
        assert one.task.goal.reached(model.predict(changed[None])).all()
        assert changed_pixels(one.task.image, changed) <= 3


def test_a_budget_of_one_query_is_kept_by_the_white_box(shared):
    cifar = shared / "cifar10"
    model, test = DeployedModel(cifar / "nin.onnx", threads=1), np.load(cifar / "test1000.npz")
    task = Task("0", test["images"][0], Goal((int(test["labels"][0]),), None), 1)
    found = search(model, search_settings("white-box", {"max_queries": 1}), task)["0"]
    assert (found.queries, found.reached, len(found.change)) == (1, False, 0)


@pytest.mark.parametrize("dtype", ["float32", "uint8", "float16"])
@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
@pytest.mark.parametrize("color", ["RGB", "BGR"])
def test_what_the_model_is_fed_is_to_the_last_bit_what_predict_feeds(tmp_path, dtype, layout, color):
    """Candidates drawn in the network's own values, against 8-bit images through the whole pre-processing."""
    write_linear(tmp_path / "m.onnx", 0, dtype=dtype, layout=layout, color=color)
    model = DeployedModel(tmp_path / "m.onnx", threads=1)
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (8, 9, 3), dtype=np.uint8)
    candidates = rng.integers(0, Space(8, 9, 3).most + 1, (300, 3, 5))
    canvas = canvas_of(model, image)
    assert isinstance(canvas, Fed)
    drawn = canvas.draw(canvas.begin(image), candidates)
    np.testing.assert_array_equal(drawn, model.fed(batch_from_images(set_pixels(image, candidates))))
    before = model.queries
    np.testing.assert_array_equal(canvas.scores(drawn), model.predict(set_pixels(image, candidates)))
    assert model.queries - before == 600


def test_frames_of_another_size_go_through_the_models_own_resizing(tmp_path):
    write_linear(tmp_path / "m.onnx", 0)
    model = DeployedModel(tmp_path / "m.onnx", threads=1)
    image = np.random.default_rng(0).integers(0, 256, (12, 12, 3), dtype=np.uint8)
    canvas = canvas_of(model, image)
    candidates = np.array([[[3, 4, 0, 255, 0]]])
    scores = canvas.scores(canvas.draw(canvas.begin(image), candidates))
    np.testing.assert_array_equal(scores, model.predict(set_pixels(image, candidates)))
