"""What Velero runs in the app's pod before it takes the volume: a backup of that moment, beside.

The volumes of the app and of Qdrant are taken at two moments; this file is of one.
"""

import json

from infra.components.rag_inputs import DATA, KEYS, PORT, TLS

FOLDER = f"{DATA}/velero"
TIMEOUT = "6h"  # as long as a backup by the clock may take; Velero's own is 30 s
HOOK = "pre.hook.backup.velero.io"


def hooks(container: str, *, over_tls: bool) -> dict[str, str]:
    """Return the annotations of the app's pod; a backup that fails fails Velero's."""
    command = [
        *("python3", "-m", "app.backup.keeping"),
        f"{'https' if over_tls else 'http'}://127.0.0.1:{PORT}",
        *("--key-file", f"{KEYS}/api-keys", "--folder", FOLDER, "--keep", "1"),
        *(("--pin", f"{TLS}/tls.crt") if over_tls else ()),
    ]
    return {
        f"{HOOK}/container": container,
        f"{HOOK}/command": json.dumps(command),
        f"{HOOK}/timeout": TIMEOUT,
        f"{HOOK}/on-error": "Fail",
    }
