import pytest
from planted import LAYOUTS, detector

from rig.campaign.check import check, is_trusted
from rig.model.check import PASSED

SLOPES = ("gradient's scale against central differences", "gradient against the other road")


@pytest.mark.parametrize("layout", ["yolov5", "yolov8", "nms"])
def test_a_detectors_gradients_are_checked_as_a_classifiers_are(tmp_path, layout):
    assert layout in LAYOUTS
    path = tmp_path / f"{layout}.onnx"
    detector(path, layout)
    _, findings = check(str(path))
    assert is_trusted(findings)
    verdicts = {finding.name: finding.verdict for finding in findings}
    assert [verdicts[name] for name in SLOPES] == [PASSED, PASSED]
