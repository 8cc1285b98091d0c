"""tools/pixel_destruction.py on a linear network: every rate counted again from the saved files by numpy."""

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest
from toy_network import linear_logits, write_images, write_linear

from rig.attack.pixel.settings import search_settings
from rig.campaign import PixelJob, attack_pixels
from rig.images import read_image
from rig.sweep.conditions import Condition

TOOL = Path(__file__).parents[2] / "tools" / "pixel_destruction.py"
SIZE_PX = (16, 18)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("set")
    weights = write_linear(folder / "net.onnx", 0, SIZE_PX)
    write_images(folder / "set.npz", weights, 12)
    job = PixelJob(
        images=str(folder / "set.npz"),
        models=(str(folder / "net.onnx"),),
        pixels=(5,),
        searches={"rig": search_settings("rig", {"max_queries": 400})},
        target=None,
        any_target=False,
        limit=None,
        skip_bad=False,
        resize=False,
        threads=1,
        seed=0,
    )
    return attack_pixels(job, folder / "run", [], lambda *_: None).path, weights


def test_rates_are_those_of_the_saved_files(run, monkeypatch, capsys):
    path, weights = run
    spec = importlib.util.spec_from_file_location("pixel_destruction", TOOL)
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    monkeypatch.setattr(sys, "argv", ["pixel_destruction", str(path), "--json"])
    tool.main()
    found = {(row["condition"], row["value"]): row for row in tool.json.loads(capsys.readouterr().out)}
    pairs = [
        (read_image(path / "artefacts" / "clean" / file.name), read_image(file))
        for file in sorted((path / "artefacts" / "rig-5px-net").glob("*.png"))
    ]
    before = [linear_logits(weights, np.stack(pair)).argmax(axis=1) for pair in pairs]
    fooled = [(pair, clean) for pair, (clean, changed) in zip(pairs, before, strict=True) if changed != clean]
    assert 3 <= len(fooled) < len(pairs)
    for name, value in (("shift_right_px", 1.0), ("exposure_stops", 0.5), ("resolution_frac", 0.5)):
        after = [
            linear_logits(weights, Condition(name, value).applied(np.stack(pair))).argmax(axis=1) for pair, _ in fooled
        ]
        was = np.array([clean for _, clean in fooled])
        twin, changed = np.array(after).T
        rates = found[name, value]
        assert rates["destroyed"]["n"] == len(fooled)
        assert rates["destroyed"]["k"] == (changed == was).sum()
        assert rates["twin_lost"]["k"] == (twin != was).sum()
        right = twin == was
        assert rates["destroyed_twin_right"]["n"] == right.sum()
        assert rates["destroyed_twin_right"]["k"] == (changed == was)[right].sum()
    assert "shift_right_px 1 |" in tool.as_text(list(found.values()))
