"""The rules of policy/ at the API server: it refuses, warns of or logs pods that break them.

Native ValidatingAdmissionPolicies, so nothing runs and nothing can be down. They hold in the
namespaces of one stack only.
"""

from collections.abc import Sequence

import pulumi
import pulumi_kubernetes as k8s

from infra.components.admission_rules import CONTAINERS, RULES, SPEC
from infra.components.scope import Scope
from infra.labels import labels
from infra.schema.fields import Admission

ACTIONS: dict[Admission, list[str]] = {
    "deny": ["Deny"],
    "warn": ["Warn", "Audit"],
    "off": [],
}
admission, meta = k8s.admissionregistration.v1, k8s.meta.v1
# API group -> the kinds with pods in it
KINDS = {
    "": ["pods"],
    "apps": ["deployments", "statefulsets", "daemonsets", "replicasets"],
    "batch": ["jobs", "cronjobs"],
}


class AdmissionPolicies(pulumi.ComponentResource):
    """One policy with all rules, bound to the namespaces of a stack."""

    def __init__(
        self,
        name: str,
        scopes: Sequence[Scope],
        mode: Admission,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("stackyard:index:AdmissionPolicies", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        stack = scopes[0].stack
        full = f"stackyard-{stack}"  # neither kind has a namespace
        metadata = meta.ObjectMetaArgs(name=full, labels=labels(full, "policy", stack))
        policy = admission.ValidatingAdmissionPolicy(
            f"{name}-policy",
            metadata=metadata,
            spec=admission.ValidatingAdmissionPolicySpecArgs(
                # a rule that cannot be evaluated lets nothing through
                failure_policy="Fail",
                match_constraints=admission.MatchResourcesArgs(
                    resource_rules=[_matching(group, kinds) for group, kinds in KINDS.items()]
                ),
                variables=[
                    admission.VariableArgs(name="spec", expression=SPEC),
                    admission.VariableArgs(name="containers", expression=CONTAINERS),
                ],
                validations=[
                    admission.ValidationArgs(
                        expression=rule.keeps, message=f"{rule.name}: {rule.message}"
                    )
                    for rule in RULES
                ],
            ),
            opts=child,
        )
        admission.ValidatingAdmissionPolicyBinding(
            f"{name}-binding",
            metadata=metadata,
            spec=admission.ValidatingAdmissionPolicyBindingSpecArgs(
                policy_name=policy.metadata.name,
                validation_actions=ACTIONS[mode],
                match_resources=admission.MatchResourcesArgs(
                    namespace_selector=meta.LabelSelectorArgs(
                        match_expressions=[
                            meta.LabelSelectorRequirementArgs(
                                key="kubernetes.io/metadata.name",
                                operator="In",
                                values=[scope.name for scope in scopes],
                            )
                        ]
                    )
                ),
            ),
            opts=child,
        )
        self.register_outputs({})


def _matching(
    group: str, kinds: Sequence[str]
) -> k8s.admissionregistration.v1.NamedRuleWithOperationsArgs:
    return admission.NamedRuleWithOperationsArgs(
        api_groups=[group],
        api_versions=["v1"],
        operations=["CREATE", "UPDATE"],
        resources=list(kinds),
    )
