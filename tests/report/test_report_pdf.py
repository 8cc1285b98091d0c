"""rig report --pdf: what is folded on screen stands on paper; without a browser one clear line and no report half done."""

import stat

import pypdfium2
import pytest
from chromium import needs_chromium
from synthetic_run import write_run

from rig.cli_report import report_command
from rig.errors import RigError
from rig.report.pdf import write_pdf

KEPT = ("clean", "adversarial")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    place = tmp_path_factory.mktemp("runs") / "run"
    return write_run(place, 4, ("turtle", "µ-ball"), artefacts=KEPT, history=False, thumbnails=False)


@needs_chromium
def test_everything_folded_is_printed_and_nothing_to_click(run, capsys):
    report_command([run], None, pdf=True)
    assert capsys.readouterr().out.split() == [str(run / "report.html"), str(run / "report.pdf")]
    document = pypdfium2.PdfDocument(run / "report.pdf")
    text = " ".join(" ".join(page.get_textpage().get_text_range() for page in document).split())
    sizes = {tuple(round(side) for side in page.get_size()) for page in document}
    n_pages = len(document)
    document.close()
    for folded in (
        "µ-ball on efficientnet-lite0 called",
        "All settings as resolved",
        "more sampled conditions",
        "sweep",
    ):
        assert folded in text
    assert text.count("Outcome by viewpoint") == 3, "once to read it, once for each object"
    assert "Open all" not in text and "Click a cell" not in text and "frames kept on this page" not in text
    assert sizes == {(595, 842)} and f"1 / {n_pages}" in text, "A4, numbered"


@needs_chromium
def test_frames_begin_on_the_page_of_their_heading(tmp_path):
    run = write_run(tmp_path / "run", 90, ("turtle", "ball"), artefacts=KEPT, history=False)
    report_command([run], None, pdf=True)
    document = pypdfium2.PdfDocument(run / "report.pdf")
    pages = [page.get_textpage().get_text_range() for page in document]
    document.close()
    headed = [text for text in pages if "Under each pair" in text]
    assert len(headed) == 2 and all("Elevation" in text[text.index("Under each pair") :] for text in headed)


def test_without_a_browser_nothing_is_written(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(RigError, match="needs a Chromium on PATH; expected chromium or .*; Debian"):
        report_command([tmp_path / "no-such-run"], None, pdf=True)


@pytest.mark.parametrize(
    ("script", "said"), [("exit 3", "could not print; got exit code 3"), ("exit 0", "wrote no PDF")]
)
def test_a_browser_that_fails_leaves_no_pdf(tmp_path, script, said):
    browser, page = tmp_path / "chromium", tmp_path / "page.html"
    browser.write_text(f"#!/bin/sh\n{script}\n")
    browser.chmod(browser.stat().st_mode | stat.S_IEXEC)
    page.write_text("<!doctype html>")
    with pytest.raises(RigError, match=said):
        write_pdf(page, str(browser))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["chromium", "page.html"]
