"""Who a request comes from, as far as it was verified, and what of it is written down."""

from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

Role = Literal["reader", "contributor", "admin"]
RANKS: dict[str, int] = {"reader": 0, "contributor": 1, "admin": 2}
# In a document's list of readers: whoever may ask this service at all.
EVERYONE = "everyone"


@dataclass(frozen=True, kw_only=True)
class Identity:
    """A caller: `credential` is the id of what was shown, never the secret itself."""

    subject: str
    role: Role
    groups: frozenset[str] = frozenset()
    # The collections that exist for this caller; None is all of them.
    collections: frozenset[str] | None = None
    via: Literal["file", "key", "oidc", "session", "anonymous"]
    credential: str

    @cached_property
    def principals(self) -> tuple[str, ...]:
        """What a document's list of readers may hold for this caller to read it, sorted."""
        groups = (f"group:{group}" for group in self.groups)
        return tuple(sorted({EVERYONE, f"user:{self.subject}", *groups}))

    @cached_property
    def _principals(self) -> frozenset[str]:
        return frozenset(self.principals)

    @property
    def is_admin(self) -> bool:
        return self.role == "admin"

    def may(self, role: Role) -> bool:
        return RANKS[self.role] >= RANKS[role]

    def sees(self, collection: str) -> bool:
        """Whether a collection is within the scope of what was shown."""
        return self.collections is None or collection in self.collections

    def reads(self, collection: str, owner: str, readers: frozenset[str]) -> bool:
        """Whether a document is this caller's to read: in scope, and listed, owned, or an admin."""
        if not self.sees(collection):
            return False
        return self.is_admin or owner == self.subject or not readers.isdisjoint(self._principals)

    def manages(self, collection: str, owner: str, readers: frozenset[str]) -> bool:
        """Whether a document is this caller's to change and to delete.

        A contributor has its own documents, and in the collections that its key names those of
        others that it reads.
        """
        if self.role == "reader" or not self.reads(collection, owner, readers):
            return False
        return self.is_admin or owner == self.subject or self.collections is not None


ANYBODY = Identity(subject="anybody", role="admin", via="anonymous", credential="none")


@dataclass
class Visit:
    """One request as the audit log tells of it; routes add what they cite.

    Who signs in has no identity before the provider has told it.
    """

    identity: Identity | None
    cited: list[dict[str, object]] = field(default_factory=list)
    question: str | None = None
    # What else was changed: a document's or a key's id, who may read it.
    object: dict[str, object] = field(default_factory=dict)


# Without a default: code that runs outside of a request has no caller, and fails.
_visit: ContextVar[Visit] = ContextVar("visit")


def begin(visit: Visit) -> None:
    """Make this the visit of the request that runs in the current context."""
    _visit.set(visit)


def visit() -> Visit:
    """Return the visit of the running request; LookupError outside of one."""
    return _visit.get()


def caller() -> Identity:
    """Return who asks; LookupError outside of a request, and for who signs in."""
    identity = _visit.get().identity
    if identity is None:
        raise LookupError
    return identity
