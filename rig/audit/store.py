"""What deep checks found, one JSON file each below RUN/audit/, marked with the run that it is about."""

import json

from rig.audit.evidence import FOLDER, Evidence
from rig.runs import write_atomically


def keep(evidence: Evidence, name: str, found: dict) -> None:
    """Raises RunError where it cannot be written."""
    content = json.dumps({"of": evidence.fingerprint} | found, indent=1, ensure_ascii=False, allow_nan=False).encode()
    write_atomically(evidence.run.path / FOLDER / f"{name}.json", lambda partial: partial.write_bytes(content))
