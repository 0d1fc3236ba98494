"""The service that reads scanned pages, as a stack names it."""

import pulumi
import pytest

from tests.infra.conftest import Deploy

OCR = {"url": "https://ocr.internal/v1"}


def test_the_app_and_its_helpers_are_told_the_service_and_its_key(deploy: Deploy) -> None:
    settings = {"models": {"ocr": OCR}, "app": {"bulkWorkers": 1}}

    found = deploy(settings, secrets={"ocrApiKey": "k"})

    (container,) = found.pods["rag"]["containers"]
    environment = {each["name"]: each["value"] for each in container["env"]}
    assert {key: value for key, value in environment.items() if "OCR" in key} == {
        "RAG_OCR_URL": "https://ocr.internal/v1",
        "RAG_OCR_API_KEY_FILE": "/etc/rag/ocr-api-key",
    }
    policies = {each.inputs["metadata"]["name"] for each in found.of("NetworkPolicy")}
    assert {name for name in policies if "ocr" in name} == {
        "rag-to-hosted-ocr-egress",
        "rag-bulk-to-hosted-ocr-egress",
    }


def test_a_service_below_no_v1_is_told(deploy: Deploy) -> None:
    with pytest.raises(pulumi.RunError, match=r"models.ocr.url: is 'https://x/api'; it must end"):
        deploy({"models": {"ocr": {"url": "https://x/api"}}})


def test_a_base_with_tesseract_reads_in_the_languages_that_are_set(deploy: Deploy) -> None:
    app = {"baseImage": "registry.example/python-ocr:1", "ocrLanguages": "eng+deu"}

    found = deploy({"app": app})

    (container,) = found.pods["rag"]["containers"]
    environment = {each["name"]: each["value"] for each in container["env"]}
    assert {key: value for key, value in environment.items() if "OCR" in key} == {
        "RAG_OCR": "tesseract",
        "RAG_OCR_LANGUAGES": "eng+deu",
    }
    bases = {each.inputs["recipe"]: each.inputs["base"] for each in found.of("Image")}
    assert bases["app"] == "registry.example/python-ocr:1"
    assert bases["models"] != bases["app"]


def test_languages_without_a_tesseract_and_beside_a_service_are_told(deploy: Deploy) -> None:
    with pytest.raises(pulumi.RunError, match=r"is 'eng', and the app's image has no tesseract"):
        deploy({"app": {"ocrLanguages": "eng"}})

    both = {"baseImage": "registry.example/python-ocr:1", "ocrLanguages": "eng"}
    with pytest.raises(pulumi.RunError, match=r"one of them reads scanned pages"):
        deploy({"app": both, "models": {"ocr": OCR}})
