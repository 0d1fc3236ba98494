"""What the toolchain cannot do here, in words that end in the next command."""


class ToolUnavailable(RuntimeError):
    """A tool that can be had in none of the ways; the text ends in a hint."""
