"""A site's own folder: what is taken from it, and every problem at once."""

from pathlib import Path

import pytest

from pipelines.convert import Readers
from pipelines.prompts import ANSWER_TEMPLATE
from pipelines.reading.kinds import SITE
from pipelines.reading.limits import Limits
from pipelines.reading.page import UnreadableDocument
from pipelines.site import SiteProblem, read_site

CONVERTER = """
from pipelines.reading.page import Page

ENDINGS = (".log",)

def read(path, limits):
    lines = path.read_text().splitlines()
    if lines == ["bad"]:
        raise RuntimeError("a secret")
    return [Page(number=n, text=line.upper()) for n, line in enumerate(lines, start=1)]
"""
PIPELINE = """
components:
  prompt:
    type: haystack.components.builders.prompt_builder.PromptBuilder
    init_parameters: {template: "Translate {{ text }}"}
connections: []
inputs: {words: prompt.text}
outputs: {said: prompt.prompt}
"""


def folder(root: Path, **files: str) -> Path:
    for name, text in files.items():
        path = root / name.replace("__", "/").replace("_py", ".py").replace("_txt", ".txt")
        path = path.with_name(path.name.replace("_yaml", ".yaml"))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def test_without_a_folder_nothing_is_changed() -> None:
    site = read_site(None)

    assert (site.template, site.converters, site.pipelines) == (ANSWER_TEMPLATE, {}, {})


def test_a_prompt_of_ones_own_takes_the_place_of_ours(tmp_path: Path) -> None:
    answer = "{{ question }} {% for passage in passages %}{{ passage }}{% endfor %}"

    system, user = read_site(folder(tmp_path, prompts__answer_txt=answer)).template

    assert (system.text, user.text) == (ANSWER_TEMPLATE[0].text, answer)


def test_a_converter_reads_its_endings_in_the_process_that_reads(tmp_path: Path) -> None:
    site = read_site(folder(tmp_path / "site", converters__logs_py=CONVERTER))
    log, bad = tmp_path / "log", tmp_path / "bad"
    log.write_text("one\ntwo")
    bad.write_text("bad")
    SITE.update(site.converters)
    readers = Readers()
    try:
        reading = readers.read(log, "x.log", Limits())
        with pytest.raises(UnreadableDocument) as refused:
            readers.read(bad, "x.log", Limits())
    finally:
        SITE.clear()
        readers.close()

    assert [page.text for page in reading.pages] == ["ONE", "TWO"]
    assert str(refused.value) == "the LOG reader failed on this file (RuntimeError)"


def test_a_pipeline_is_loaded_under_haystacks_allowlist(tmp_path: Path) -> None:
    site = read_site(folder(tmp_path, pipelines__say_yaml=PIPELINE))

    described = site.pipelines["say"]
    said = described.build().run({"prompt": {"text": "hello"}})

    assert (described.inputs, described.outputs) == (
        {"words": ["prompt.text"]},
        {"said": "prompt.prompt"},
    )
    assert said == {"prompt": {"prompt": "Translate hello"}}


def test_every_problem_is_told_at_once(tmp_path: Path) -> None:
    evil = PIPELINE.replace(
        "haystack.components.builders.prompt_builder.PromptBuilder", "os.system"
    )
    wrong = folder(
        tmp_path,
        prompts__answer_txt="{{ passages }} {{ answer }}",
        prompts__other_txt="x",
        converters__a_py="ENDINGS = ('log',)\ndef read(path, limits): ...",
        converters__b_py="ENDINGS = ('.log',)",
        converters__c_py="def",
        pipelines__evil_yaml=evil,
        pipelines__none_yaml="components: {}",
    )

    with pytest.raises(SiteProblem) as refused:
        read_site(wrong)

    lines = str(refused.value).splitlines()
    assert [line.partition(":")[0] for line in lines] == [
        "prompts/other.txt",
        "prompts",
        "converters/a.py",
        "converters/b.py",
        "converters/c.py",
        "pipelines/evil.yaml",
        "pipelines/none.yaml",
    ]
    assert "expected exactly passages and question" in lines[1]
