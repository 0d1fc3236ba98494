"""The Pulumi program; it lies here and not in infra/, so that imports are those of the tests."""

from infra.program import deploy

deploy()
