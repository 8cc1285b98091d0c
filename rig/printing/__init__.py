"""RUN -> PAPER: a painted texture as islands to cut out at true scale, and the painted object for 3D colour printing."""
