"""Why a service's certificate was refused, from whichever client's exception."""

import ssl

# OpenSSL's X509_V_ERR_ codes; whatever else is wrong, nobody that is trusted vouches for it.
WORDS = {
    9: "is not valid yet",
    10: "has expired",
    62: "is for another name",
    64: "is for another address",
}
# what RFC 5280 asks for and Pythons before 3.13 did not, such as the id of the authority's key
FORM = range(79, 95)
UNTRUSTED = "is signed by no authority that is trusted here"


def refusal(error: BaseException) -> str | None:
    """Return what is wrong with the certificate, or None where that is not what failed."""
    seen: list[BaseException] = []
    waiting: list[object] = [error]
    while waiting:
        current = waiting.pop()
        if not isinstance(current, BaseException) or current in seen:
            continue
        seen.append(current)
        if isinstance(current, ssl.SSLCertVerificationError):
            return _said(current)
        # Qdrant's client keeps the transport's error in `source`, urllib3 in `reason`.
        kept = (getattr(current, name, None) for name in ("source", "reason"))
        waiting += [current.__cause__, current.__context__, *kept, *current.args]
    return None


def _said(error: ssl.SSLCertVerificationError) -> str:
    if error.verify_code in FORM:
        return f"is not as Python asks for from 3.13 on: {error.verify_message}"
    return WORDS.get(error.verify_code, UNTRUSTED)
