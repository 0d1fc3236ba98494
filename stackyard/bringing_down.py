"""Stop a local stack and keep it, or remove any stack whole."""

import re
import shutil
from collections.abc import Mapping

from stackyard import machine
from stackyard.cluster import LocalCluster
from stackyard.engine import Engine
from stackyard.errors import Trouble
from stackyard.progress import Stages, Tell
from stackyard.project import Stack

WAKE_SECONDS = 60.0


def stop_everything(stack: Stack, environment: Mapping[str, str], stages: Stages) -> None:
    """Stop the containers, and our own Docker where no other stack uses it."""
    cluster = LocalCluster(stack, environment)
    if not cluster.docker_answers():
        return  # what would be stopped already is
    with stages.stage("stop"):
        cluster.stop()
        if not cluster.others_running():
            machine.stop_docker()


def delete_everything(stack: Stack, environment: Mapping[str, str], stages: Stages) -> None:
    """Remove every resource, container, volume and the state; keep the settings file."""
    engine = Engine(stack, environment)
    cluster = LocalCluster(stack, environment) if stack.is_local else None
    if cluster is not None:
        with stages.stage("docker") as tell:
            machine.start_docker(tell)  # a stopped Docker still has the stack's containers
    if engine.exists():
        with stages.stage("pulumi destroy") as tell:
            for line in engine.carry_on(tell):
                stages.say(line)
            # A local cluster takes all that lives in it along: without its API there is nothing
            # to ask, and what a destroy would remove goes with the containers below.
            if cluster is None or _wakes(cluster, tell):
                try:
                    engine.destroy(tell)
                except Trouble as error:
                    if cluster is None:
                        raise
                    stages.say(f"{error}\nremoving the whole cluster instead")
            engine.forget()
    if cluster is not None:
        with stages.stage("containers"):
            cluster.remove()
            if not cluster.others_running():
                machine.stop_docker()
    _drop_salt(stack)
    _remove_home(stack)


def _wakes(cluster: LocalCluster, tell: Tell) -> bool:
    if not cluster.nodes():
        return False
    cluster.start()
    return cluster.wait_for_api(tell, seconds=WAKE_SECONDS)


def _remove_home(stack: Stack) -> None:
    try:
        shutil.rmtree(stack.home)
    except FileNotFoundError:
        return
    except PermissionError:  # volumes belong to the users that the pods ran as
        message = f"{stack.home} holds volumes that only root can delete"
        raise Trouble(message, f"sudo rm -rf {stack.home}") from None


def _drop_salt(stack: Stack) -> None:
    """Take the engine's salt out of the settings file, unless a secret in it needs it."""
    if not stack.settings_file.is_file():
        return
    text = stack.settings_file.read_text()
    if not re.search(r"^\s+secure:", text, re.MULTILINE):
        kept = re.sub(r"^encryptionsalt:.*\n?", "", text, flags=re.MULTILINE)
        if kept != text:
            stack.settings_file.write_text(kept)
