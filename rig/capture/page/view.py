"""One page, for whoever opens it: built from the station, and brought up to date a few times a second."""

import json
from html import escape
from importlib import resources

from nicegui import events, ui

from rig.capture.page import parts
from rig.capture.record import MAX_NOTE
from rig.capture.station import Station

REFRESH_S = 0.2


class View:
    """`picture` is the address of the MJPEG route."""

    def __init__(self, station: Station, picture: str):
        self._station = station
        self._live: list[tuple[ui.html, object]] = []
        style = (resources.files("rig.capture.page") / "style.css").read_text("utf-8")
        ui.add_head_html(f"<style>{style}</style>")
        with ui.element("main"):
            self._header()
            self._live_html(parts.state, "state-slot")
            with ui.element("div").classes("columns"):
                with ui.element("div").classes("desk"):
                    self._picture(picture)
                    self._controls()
                with ui.element("aside"):
                    self._card("Prediction", parts.predictions)
                    self._sphere()
                    self._figures()
        ui.keyboard(on_key=self._on_key)
        ui.timer(REFRESH_S, self._refresh)
        self._refresh()

    def _header(self) -> None:
        one, name = self._station.one, self._station.session.header.object
        session = escape(str(self._station.session.path))
        words = f'<b>{escape(name)}</b> <span>{escape(one.artefact)}</span> <span class="soft">pass {escape(one.name)}</span>'
        _html(f'<h1>{words}</h1><p class="soft session">{session}</p>', "head")

    def _picture(self, address: str) -> None:
        profile = self._station.observer.profile
        shape = f"aspect-ratio:{profile.width_px}/{profile.height_px}"
        _html(f'<img id="camera" src="{address}" alt="The camera\'s picture, live" style="{shape}">', "picture")

    def _controls(self) -> None:
        station = self._station
        with ui.element("div").classes("controls"):
            self._record = _button("Start", self._toggle, "primary record")
            _button("Take", station.take, "take", "space bar")
            _button("Undo", station.undo, "undo")
            self._note = ui.input(placeholder="Note, kept with the last frame").props(
                f"dense outlined maxlength={MAX_NOTE}"
            )
            self._note.props("aria-label=Note").classes("note").on("keydown.enter", self._add_note)
            _button("Add note", self._add_note, "add-note")
        self._live_html(parts.count, "count-slot")

    def _card(self, title: str, part) -> None:
        with ui.element("section").classes("card"):
            _html(f"<h2>{title}</h2>")
            self._live_html(part)

    def _sphere(self) -> None:
        with ui.element("section").classes("card sphere"):
            self._live_html(
                lambda station: f'<h2>View sphere <span class="soft">{parts.covered_words(station)}</span></h2>'
            )
            self._live_html(parts.view_sphere)

    def _figures(self) -> None:
        with ui.element("section").classes("card"):
            _html("<h2>Frame</h2>")
            self._live_html(parts.figures)

    def _live_html(self, part, kind: str = "") -> None:
        self._live.append((_html("", kind), part))

    def _refresh(self) -> None:
        for element, part in self._live:
            content = part(self._station)
            if element.content != content:
                element.set_content(content)
        wanted = "Stop" if self._station.recording else "Start"
        if self._record.text != wanted:
            self._record.set_text(wanted)
        self._record.set_visibility(self._station.trigger.name != "key")

    def _toggle(self) -> None:
        if self._station.recording:
            self._station.stop_recording()
        else:
            self._station.start_recording()
        self._refresh()

    def _add_note(self) -> None:
        if self._station.note(self._note.value or "") is not None:
            self._note.set_value("")
        self._refresh()

    def _on_key(self, event: events.KeyEventArguments) -> None:
        if event.action.keydown and not event.action.repeat and event.key.space:
            self._station.take()


def _html(content: str, kind: str = "") -> ui.html:
    return ui.html(content, sanitize=False).classes(
        kind
    )  # all of it is made in rig.capture.page.parts, and escaped there


def _button(text: str, act, kind: str, hint: str = "") -> ui.button:
    button = ui.button(text, on_click=act, color=None).props("unelevated no-caps").classes(kind)
    return button.props(f"title={json.dumps(hint)}") if hint else button
