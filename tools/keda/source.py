"""KEDA's source, pinned by its checksum, without the scalers that no stack of ours uses.

Each of the others brings the SDK of a cloud, a queue or a database, which makes the build several
times as long. Its controllers, its metrics server and what is kept of its scalers are unchanged.
"""

import re
import zipfile
from pathlib import Path

from tools import golang
from tools.builds import KEDA_VERSION
from tools.errors import ToolUnavailable

MODULE = "github.com/kedacore/keda/v2"
CHECKSUM = "h1:SR60v8uIcelbveS8n/1jcl8tLdBBIbHMxmdOHw8tKqA="
TRIGGERS = frozenset(("cron", "metrics-api"))  # that are kept
KEPT_FILES = {
    "pkg/scalers": {"scaler.go", "cron_scaler.go", "metrics_api_scaler.go"},
    # what KEDA's readers of secrets share with the scalers of the same clouds
    "pkg/scalers/aws": {"aws_authorization.go", "aws_common.go", "aws_config_cache.go"},
    "pkg/scalers/azure": {
        "azure_aad_auth.go",
        "azure_aad_workload_identity.go",
        "azure_azidentity_chain.go",
    },
}
# what the kept ones take from azure_queue_scaler.go, which is not
SHARED = "pkg/scalers/shared.go"
SHARED_TEXT = 'package scalers\n\nconst externalMetricType = "External"\n'
CHOOSER = "pkg/scaling/scalers_builder.go"
CASE = re.compile(r'^\tcase "([a-z0-9-]+)":\n\t\treturn scalers\..*\n', re.M)


def unpack(folder: Path) -> Path:
    """Unpack what is to be built below a folder and return where its go.mod is."""
    zipped = golang.module_zip(MODULE, f"v{KEDA_VERSION}", CHECKSUM)
    with zipfile.ZipFile(zipped) as opened:
        opened.extractall(folder)
    source = folder / f"{MODULE}@v{KEDA_VERSION}"
    cut(source)
    return source


def cut(source: Path) -> None:
    """Take out the scalers that are not kept, and KEDA's choice of them."""
    for folder, kept in KEPT_FILES.items():
        for file in (source / folder).glob("*.go"):
            if file.name not in kept:
                file.unlink()
    (source / SHARED).write_text(SHARED_TEXT)
    chooser = source / CHOOSER
    text = chooser.read_text()
    missing = TRIGGERS - {found[1] for found in CASE.finditer(text)}
    if missing:
        message = (
            f"{CHOOSER} of KEDA {KEDA_VERSION} chooses no {', '.join(sorted(missing))}\n"
            "hint: compare it with CASE in tools/keda/source.py"
        )
        raise ToolUnavailable(message)
    chooser.write_text(CASE.sub(lambda found: found[0] if found[1] in TRIGGERS else "", text))
