"""A plate that turns at a steady speed, or to an azimuth and then stands."""

from dataclasses import dataclass

TURN_DEG_PER_S = 90.0  # where a target is given without a speed


@dataclass(frozen=True)
class Turntable:
    """`azimuth_deg` is the camera's, seen from the plate, at `since_s`."""

    azimuth_deg: float = 0.0
    since_s: float = 0.0
    speed_deg_per_s: float = 0.0
    turn_deg: float | None = None  # what is left to turn at `since_s`, unsigned; None: without end

    def azimuth_at(self, time_s: float) -> float:
        """Within -180 .. 180."""
        turned = self.speed_deg_per_s * self._turning_s(time_s)
        return (self.azimuth_deg + turned + 180) % 360 - 180

    def speed_at(self, time_s: float) -> float:
        ended = self.turn_deg is not None and abs(self.speed_deg_per_s) * (time_s - self.since_s) >= self.turn_deg
        return 0.0 if ended or time_s < self.since_s else self.speed_deg_per_s

    def told(self, time_s: float, to_deg: float | None, speed_deg_per_s: float | None) -> "Turntable":
        """The plate after a command at `time_s`."""
        here_deg = self.azimuth_at(time_s)
        if to_deg is None:
            return Turntable(here_deg, time_s, speed_deg_per_s or 0.0)
        way_deg = (to_deg - here_deg + 180) % 360 - 180
        speed = abs(speed_deg_per_s or TURN_DEG_PER_S) * (1 if way_deg >= 0 else -1)
        return Turntable(here_deg, time_s, speed, abs(way_deg))

    def _turning_s(self, time_s: float) -> float:
        passed_s = max(0.0, time_s - self.since_s)
        if self.turn_deg is None or not self.speed_deg_per_s:
            return passed_s
        return min(passed_s, self.turn_deg / abs(self.speed_deg_per_s))
