"""Creates, reads, changes and deletes plain Kubernetes objects by server-side apply."""

import time
from dataclasses import dataclass
from typing import Any

from tools.standin.drift import observed
from tools.standin.errors import (
    ApiError,
    NotReadyError,
    StandInError,
    UnknownKindError,
    UnreachableError,
)
from tools.standin.manifests import already_there, as_inputs, decoded_text, owned_by, sent, settling
from tools.standin.objects import (
    DASHED,
    DELETION_PROPAGATION,
    PATCH_FIELD_MANAGER,
    PATCH_FORCE,
    TIMEOUT_SECONDS,
    UNDERSCORED,
    annotation,
    identifier,
    is_patch,
    metadata,
    respelled,
    skips_await,
    title,
    urn_type,
    with_api,
)
from tools.standin.safety import MARKER
from tools.standin.secrecy import concealed, is_secret_object
from tools.standin.session import InitError, Session, urn_hash
from tools.standin.wire import Manifest, has_unknown, plain

MANAGER = "__fieldManager"
INITIAL_API = "__initialApiVersion"
INPUTS = "__inputs"
# A namespace's service account, a new kind's route, a webhook: there within seconds.
SETTLE_SECONDS = 15


@dataclass(frozen=True)
class Done:
    """A resource's id and outputs, and its inputs where they were read."""

    identifier: str
    state: Manifest
    inputs: Manifest | None = None


class PlainObjects:
    """The lifecycle of one kind of resource: an object of the API server."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._replaced: set[str] = set()

    def expect_replacement(self, urn: str) -> None:
        """Take note that a new object follows: in a preview the old one is still there."""
        self._replaced.add(urn)

    def create(self, urn: str, inputs: Manifest, seconds: float, preview: bool) -> Done:
        """Make the object and wait until it is ready."""
        manager = self._manager(urn, {}, inputs)
        if preview:
            self._rehearse(urn, inputs, manager, new=True)
            return Done("", self._unmade(inputs, manager))
        wanted = self._settled(lambda: self._session.cluster.placed(sent(inputs, urn)))
        if not self._upserts(urn):
            self._make_room(wanted, manager, urn, seconds)
        live = self._settled(lambda: self._apply(wanted, manager))
        return self._awaited(urn, inputs, live, manager, seconds)

    def update(
        self, urn: str, old: Manifest, inputs: Manifest, seconds: float, preview: bool
    ) -> Done:
        """Change the object and wait until it is ready."""
        manager = self._manager(urn, old, inputs)
        if preview:
            live = self._rehearse(urn, inputs, manager, new=False)
            if live is None:
                return Done("", {**old, **self._unmade(inputs, manager)})
            return Done("", self._state(live, inputs, manager))
        wanted = self._session.cluster.placed(sent(inputs, urn))
        live = self._settled(lambda: self._apply(wanted, manager))
        return self._awaited(urn, inputs, live, manager, seconds)

    def read(self, urn: str, known: str, old: Manifest, inputs: Manifest) -> Done | None:
        """Return what the cluster has, or None where it has nothing."""
        cluster = self._session.cluster
        imported = not inputs and not old
        if imported:
            wanted = self._addressed(urn, known)
        else:
            wanted = sent(inputs, urn) if inputs else self._addressed(urn, known)
        try:
            wanted = cluster.placed(wanted)
            live = cluster.find(wanted)
        except UnknownKindError:
            return None
        except UnreachableError:
            if self._session.settings.delete_unreachable:
                return None
            raise
        if live is None:
            return None
        manager = self._manager(urn, old, inputs)
        found = self._observed(urn, inputs, wanted, live, manager) if inputs else as_inputs(live)
        found = concealed(found, inputs)
        state = self._state(live, found, manager)
        if not imported and not is_patch(urn_type(urn)) and not skips_await(live):
            self._look(live, state, found)
        return Done(identifier(live), state, found)

    def delete(self, urn: str, old: Manifest, inputs: Manifest, seconds: float) -> None:
        """Delete the object and wait until it is gone."""
        cluster, known = self._session.cluster, plain(inputs) or plain(old)
        try:
            wanted = cluster.placed(with_api(known, urn_type(urn)))
            if is_patch(urn_type(urn)):
                self._relinquish(wanted, self._manager(urn, old, inputs))
                return
            live = cluster.find(wanted)
            if live is None:
                return
            propagation = annotation(wanted, DELETION_PROPAGATION) or "Foreground"
            cluster.delete(wanted, propagation[:1].upper() + propagation[1:])
            if not skips_await(wanted):
                self._session.waiter.until_gone(live, self._patience(wanted, seconds), urn)
        except UnknownKindError:
            return  # its definition is gone, and its objects with it
        except UnreachableError:
            if not self._session.settings.delete_unreachable:
                raise

    def _upserts(self, urn: str) -> bool:
        return self._session.settings.upsert or is_patch(urn_type(urn))

    def _manager(self, urn: str, old: Manifest, inputs: Manifest) -> str:
        """Return the field manager; its name tells later whose object this is."""
        given = annotation(plain(inputs), PATCH_FIELD_MANAGER)
        return given or str(plain(old.get(MANAGER)) or f"pulumi-kubernetes-{urn_hash(urn)}")

    def _force(self, wanted: Manifest) -> bool:
        given = annotation(wanted, PATCH_FORCE)
        return given.lower() == "true" if given else self._session.settings.force

    def _apply(self, wanted: Manifest, manager: str, dry_run: bool = False) -> Manifest:
        force = self._force(wanted)
        return self._session.cluster.apply(wanted, manager, force=force, dry_run=dry_run)

    def _settled(self, call: Any) -> Manifest:
        """Call again while the cluster still lacks what comes within seconds."""
        end = time.monotonic() + SETTLE_SECONDS
        while True:
            try:
                result: Manifest = call()
            except (ApiError, UnknownKindError) as error:
                late = time.monotonic() > end or not settling(error)
                if late or self._session.stopped.wait(0.5):
                    raise
            else:
                return result

    def _make_room(self, wanted: Manifest, manager: str, urn: str, seconds: float) -> None:
        """Raise where the name is taken; wait where the old object is on its way out."""
        live = self._session.cluster.find(wanted)
        if live is None:
            return
        if metadata(live).get("deletionTimestamp"):
            self._session.waiter.until_gone(live, self._patience(wanted, seconds), urn)
        elif not owned_by(live, manager):
            raise StandInError(already_there(live))

    def _rehearse(self, urn: str, inputs: Manifest, manager: str, *, new: bool) -> Manifest | None:
        """Let the server try the change, where it can know enough to."""
        if not self._session.connected or has_unknown(inputs):
            return None
        cluster = self._session.cluster
        try:
            wanted = cluster.placed(sent(inputs, urn))
            if new and (live := cluster.find(wanted)) and not self._upserts(urn):
                leaving = urn in self._replaced or metadata(live).get("deletionTimestamp")
                if leaving or owned_by(live, manager):
                    return None  # it goes first, or a killed run left it
                raise StandInError(already_there(live))
            return self._apply(wanted, manager, dry_run=True)
        except UnreachableError as error:
            self._session.warn(urn, f"previewed without the cluster: {error}")
            return None
        except (ApiError, UnknownKindError) as error:
            if settling(error):
                return None  # its namespace or kind comes in the same update
            raise

    def _awaited(
        self, urn: str, inputs: Manifest, live: Manifest, manager: str, seconds: float
    ) -> Done:
        if not skips_await(live) and not is_patch(urn_type(urn)):
            patience = self._patience(live, seconds)
            try:
                live = self._session.waiter.until_ready(live, patience, urn)
            except NotReadyError as error:
                latest = self._session.cluster.find(live) or live
                state = self._state(latest, inputs, manager)
                raise InitError(identifier(live), state, error) from error
        return Done(identifier(live), self._state(live, inputs, manager))

    def _patience(self, wanted: Manifest, seconds: float) -> float | None:
        if seconds:
            return seconds
        given = annotation(wanted, TIMEOUT_SECONDS)
        return float(given) if given else None

    def _look(self, live: Manifest, state: Manifest, inputs: Manifest) -> None:
        """Report an object that is there and not ready, so that the next update waits for it."""
        waiter = self._session.waiter
        verdict = waiter.verdict(live)
        if not verdict.ready:
            summary = f"{title(live)} is not ready: {verdict.text}"
            error = NotReadyError(self._session.redactor.clean(summary), waiter.reasons(live))
            raise InitError(identifier(live), state, error, inputs)

    def _observed(
        self, urn: str, inputs: Manifest, wanted: Manifest, live: Manifest, manager: str
    ) -> Manifest:
        try:
            expected = self._session.cluster.apply(wanted, manager, force=True, dry_run=True)
        except ApiError:
            expected = wanted  # the server would refuse it today; compare it as it is spelled
        given = respelled(with_api(plain(inputs), urn_type(urn)), UNDERSCORED, DASHED)
        if not is_secret_object(given):
            return dict(respelled(observed(given, expected, live), DASHED, UNDERSCORED))
        # stringData is written only: compare what it became, give it back as it was spelled
        texts = given.pop("stringData", {})
        given["data"] = sent(inputs, urn).get("data", {})
        found: Manifest = observed(given, expected, live)
        data = found.pop("data", {})
        text_data = {k: decoded_text(data.pop(k)) for k in list(data) if k in texts}
        if text_data or texts:
            found["stringData"] = text_data
        if data or "data" in plain(inputs):
            found["data"] = data
        return found

    def _addressed(self, urn: str, known: str) -> Manifest:
        namespace, _, name = known.rpartition("/")
        place = {"namespace": namespace} if namespace else {}
        return with_api({"metadata": {**place, "name": name}}, urn_type(urn))

    def _relinquish(self, wanted: Manifest, manager: str) -> None:
        """Give our fields of somebody else's object back: apply none of them."""
        if self._session.cluster.find(wanted) is None:
            return
        place = {k: v for k, v in metadata(wanted).items() if k in ("name", "namespace")}
        bare = {"apiVersion": wanted["apiVersion"], "kind": wanted["kind"], "metadata": place}
        self._session.cluster.apply(bare, manager, force=True)

    def _unmade(self, inputs: Manifest, manager: str) -> Manifest:
        return {**concealed(inputs, inputs), MANAGER: manager, MARKER: "1"}

    def _state(self, live: Manifest, inputs: Manifest, manager: str) -> Manifest:
        """Return the outputs to keep: the live object, its secrets marked, and our marker."""
        kept = {key: value for key, value in live.items() if key != "metadata"}
        kept["metadata"] = {k: v for k, v in metadata(live).items() if k != "managedFields"}
        if is_secret_object(live) and "stringData" in inputs:
            kept["stringData"] = plain(inputs["stringData"])
        kept = concealed(respelled(kept, DASHED, UNDERSCORED), inputs)
        return {
            **kept,
            INPUTS: {key: value for key, value in inputs.items() if value is not None},
            INITIAL_API: live["apiVersion"],
            MANAGER: manager,
            MARKER: "1",
        }
