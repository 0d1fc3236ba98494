"""The report of a proof: JSON for machines, and a page that a security officer can sign."""

import html
import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from stackyard.airgap.check import Check

STYLE = """body{font:14px/1.45 sans-serif;max-width:60em;margin:2em auto;padding:0 1em}
table{border-collapse:collapse;width:100%}td,th{border:1px solid #999;padding:.4em;text-align:left;
vertical-align:top}.failed{color:#a00;font-weight:bold}.passed{color:#060}li{word-break:break-all}
.sign td{height:3em;width:33%}@media print{details{display:block}}"""


def as_json(stack: str, digest: str, checks: Sequence[Check]) -> dict[str, Any]:
    """Return the report; `digest` is that of the stack's settings, so that one is told by it."""
    return {
        "stack": stack,
        "settings": digest,
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "passed": all(check.outcome == "passed" for check in checks),
        "leaks": sum(len(check.leaks) for check in checks),
        "checks": [check.as_json() for check in checks],
    }


def write(folder: Path, report: dict[str, Any]) -> list[Path]:
    """Write the report twice and return the files."""
    folder.mkdir(parents=True, exist_ok=True)
    files = [folder / "airgap.json", folder / "airgap.html"]
    files[0].write_text(json.dumps(report, indent=2, ensure_ascii=False) + "\n")
    files[1].write_text(page(report))
    return files


def page(report: dict[str, Any]) -> str:
    """Return the page: a line for each check, then its evidence, then where to sign."""
    checks = report["checks"]
    said = "nothing leaves, as far as was examined" if report["passed"] else "NOT PROVEN"
    rows = "".join(
        f"<tr><td>{_safe(c['check'])}</td><td>{_safe(c['asks'])}</td>"
        f"<td class='{c['outcome'].split()[0]}'>{c['outcome']}</td>"
        f"<td>{len(c['evidence'])}</td><td>{len(c['leaks'])}</td></tr>"
        for c in checks
    )
    details = "".join(_details(c) for c in checks)
    sign = "".join(f"<td>{each}</td>" for each in ("Name", "Date", "Signature"))
    return (
        "<!doctype html><html lang='en'><meta charset='utf-8'>"
        f"<title>Sealed stack {_safe(report['stack'])}</title><style>{STYLE}</style>"
        f"<h1>Sealed stack {_safe(report['stack'])}: {said}</h1>"
        f"<p>Examined {report['at']}, settings {_safe(report['settings'])}, "
        f"{report['leaks']} leak(s).</p>"
        "<table><tr><th>check</th><th>question</th><th>outcome</th><th>evidence</th>"
        f"<th>leaks</th></tr>{rows}</table>{details}"
        f"<h2>Accepted</h2><table class='sign'><tr>{sign}</tr></table></html>\n"
    )


def _details(check: dict[str, Any]) -> str:
    leaks = "".join(
        f"<li class='failed'>{_safe(leak['where'])}: {_safe(leak['what'])}</li>"
        for leak in check["leaks"]
    )
    evidence = "".join(f"<li>{_safe(each)}</li>" for each in check["evidence"])
    why = f"<p>{_safe(check['unexamined'])}</p>" if check["unexamined"] else ""
    return (
        f"<h2>{_safe(check['check'])}: {check['outcome']}</h2>{why}<ul>{leaks}</ul>"
        f"<details open><summary>evidence</summary><ul>{evidence}</ul></details>"
    )


def _safe(text: object) -> str:
    return html.escape(str(text))
