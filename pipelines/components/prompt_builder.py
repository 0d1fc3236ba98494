"""The prompt from a template that is compiled once; Haystack's own compiles it at every run."""

from collections.abc import Callable
from typing import Any

from haystack import component, default_from_dict, default_to_dict
from haystack.components.builders import ChatPromptBuilder
from haystack.dataclasses import ChatMessage


@component
class CompiledPromptBuilder:
    """ChatPromptBuilder for one fixed template of text; every variable in it must be given."""

    def __init__(self, template: list[ChatMessage]) -> None:
        self.template = template
        # Finds the variables, and has the sandbox that templates are rendered in.
        builder = ChatPromptBuilder(template=template)
        self.variables = frozenset(builder.variables)
        for name in builder.variables:
            component.set_input_type(self, name, Any)
        self._parts = [self._part(builder, message) for message in template]

    def to_dict(self) -> dict[str, Any]:
        """Return the component for YAML."""
        return default_to_dict(self, template=[message.to_dict() for message in self.template])

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> "CompiledPromptBuilder":
        """Return the component from YAML."""
        given = data["init_parameters"]["template"]
        parameters = {"template": [ChatMessage.from_dict(message) for message in given]}
        builder: CompiledPromptBuilder = default_from_dict(
            cls, {**data, "init_parameters": parameters}
        )
        return builder

    @component.output_types(prompt=list[ChatMessage])
    def run(self, **kwargs: Any) -> dict[str, list[ChatMessage]]:
        """Return the messages with the variables filled in. Raises ValueError for a missing one."""
        if missing := self.variables - kwargs.keys():
            msg = f"the prompt's {', '.join(sorted(missing))} is missing"
            raise ValueError(msg)
        return {"prompt": [part(kwargs) for part in self._parts]}

    @component.output_types(prompt=list[ChatMessage])
    async def run_async(self, **kwargs: Any) -> dict[str, list[ChatMessage]]:
        """Return the same, without the detour over a thread."""
        rendered: dict[str, list[ChatMessage]] = self.run(**kwargs)
        return rendered

    @staticmethod
    def _part(
        builder: ChatPromptBuilder, message: ChatMessage
    ) -> Callable[[dict[str, Any]], ChatMessage]:
        text = message.text or ""
        if "{" not in text:
            return lambda _: message
        render = builder._env.from_string(text).render
        made = ChatMessage.from_system if message.is_from("system") else ChatMessage.from_user
        return lambda variables: made(render(variables))
