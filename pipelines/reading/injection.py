"""Finds in a document's pages what is meant for a language model instead of its readers.

Rules, not a model: words near each other, in sixteen languages, marks of chat templates, ways out
of the page, and text that no reader sees or that is written in code. What it does not find is not
harmless, and what it finds may be a text about the subject: it reports, people decide.
"""

# ruff: noqa: RUF001 (words of many scripts, and letters that look like others, on purpose)

import base64
import binascii
import codecs
import html
import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pipelines.reading.page import Finding, Page
from pipelines.reading.stems import Stems
from pipelines.words import INVISIBLE

MOST = 100  # warnings of a document
EXCERPT = 80
MOST_PLACES = 50  # of one word on one page
NEAR = 90
BLOBS = 50
LONG_WORD = 30
# A text's shape, a byte a character. What Latin-1 does not have comes as a question mark.
_FILLED = bytes(ord(" ") if chr(code).isspace() else ord("x") for code in range(256))
_GAPPED = bytes(
    ord("x") if chr(code).isalnum() or chr(code) == "?" else ord(" ") if chr(code) in " .-_" else 0
    for code in range(256)
)
_LONG, _APART = b"x" * LONG_WORD, b"x x x x x x x x x"

Words = tuple[str, ...]


@dataclass(frozen=True)
class Near:
    """Fires where one of each of the word lists stands near one of `first`, the rarest."""

    kind: str
    first: Words
    others: tuple[Words, ...]

    @property
    def stems(self) -> Words:
        return self.first

    def found(self, folded: str, first: str) -> str | None:
        """Return what begins at the place where it fires for one of `first`."""
        place = folded.find(first)
        for _ in range(MOST_PLACES):
            if place < 0:
                break
            around = _sentence(folded, place)
            begins = not (place and folded[place - 1].isalpha() and first.isascii())
            if begins and all(any(word in around for word in words) for words in self.others):
                return folded[max(0, place - 10) :]
            place = folded.find(first, place + 1)
        return None


@dataclass(frozen=True)
class Mark:
    """Fires where the pattern does, which needs one of the stems."""

    kind: str
    stems: Words
    pattern: re.Pattern[str]

    def found(self, folded: str, stem: str) -> str | None:
        """Return what begins at the place where it fires."""
        match = self.pattern.search(folded) if stem in folded else None
        return folded[match.start() :] if match else None


# verbs, then what is to be ignored, then which of it
_IGNORE: tuple[tuple[Words, Words, Words], ...] = (
    (("ignor", "disregard", "forget ", "override "),
     ("instructions", "prompt", "guidelines", "directives", "everything you", "were told"),
     ("previous", "prior", "above", "earlier", "preceding", "all ", "your ", "system")),
    (("ignorier", "vergiss", "vergessen sie", "missachte"),
     ("anweisung", "instruktion", "vorgaben"),
     ("bisherig", "vorherig", "vorangegangen", "obig", "alle", "früher")),
    (("ignor", "oublie"), ("instructions", "consignes", "directives"),
     ("précédent", "antérieur", "ci-dessus")),
    (("ignora", "olvida", "caso omiso"), ("instrucciones", "indicaciones"),
     ("anterior", "previas")),
    (("ignora", "dimentica"), ("istruzioni",), ("precedent", "sopra")),
    (("ignor", "esqueça"), ("instruções",), ("anterior", "acima")),
    (("negeer", "vergeet"), ("instructies", "aanwijzingen"), ("vorige", "eerdere", "bovenstaande")),
    (("ignoruj", "zapomnij", "zignoruj"), ("instrukcj", "polece"), ("poprzedni", "wcześniejsz")),
    (("игнорируй", "забудь"), ("инструкц", "указани"), ("предыдущ", "прежн", "выше")),
    (("忽略", "无视", "忽視"), ("指令", "指示", "提示"), ("之前", "以上", "先前", "所有")),
    (("無視", "忘れて"), ("指示", "命令", "プロンプト"),
     ("前の", "以前", "これまで", "上記", "全て", "すべて")),
    (("무시",), ("지시", "명령", "프롬프트"), ("이전", "위의", "모든")),
    (("تجاهل",), ("التعليمات", "الأوامر"), ("السابقة", "أعلاه", "جميع")),
    (("yok say", "görmezden gel", "unut"), ("talimat", "yönerge"), ("önceki", "yukarıdaki", "tüm")),
    (("ignorera", "glöm "), ("instruktion", "anvisning"), ("tidigare", "föregående", "ovan")),
    (("अनदेखा", "नज़रअंदाज़"), ("निर्देश",), ("पिछले", "सभी", "ऊपर")),
)  # fmt: skip
_TELL = ("reveal", "repeat", "print", "show", "output", "disclose", "leak", "write", "include",
         "tell", "start your", "begin your")  # fmt: skip
_SPOKEN = ("you are", "you must", "you should", "respond", "answer with", "tell the user", "always",
           "do not tell", "instead", "instruct", "reply")  # fmt: skip
NEARS = (
    *(Near("instruction", first, (what, which)) for first, what, which in _IGNORE),
    Near("prompt-extraction",
         ("system prompt", "your instructions", "initial prompt", "hidden prompt", "your prompt",
          "developer message", "initial instructions"), (_TELL,)),
    Near("addressed-to-model",
         ("language model", "llm ", "llms ", "llm,", "ai assistant", "ai model", "ai agent",
          "chatbot",
          "chatgpt", "as an ai", "the assistant must", "ai system"), (_SPOKEN,)),
    Near("role-play", ("you are now", "from now on", "act as", "pretend to be", "roleplay"),
         (("unrestricted", "no restrictions", "without restrictions", "dan ", "developer mode",
           "jailbr", "evil", "an assistant that", "no rules", "unfiltered", "uncensored"),)),
    Near("exfiltration", ("://",),
         (("append", "insert", "encode", "replace", "put ", "add the", "followed by"),
          ("question", "conversation", "the answer", "user's", "prompt", "secret", "api key"))),
    Near("answer-control", ("regardless of the question", "whatever the question",
                            "whatever is asked", "no matter what is asked",
                            "regardless of what the user", "to every question"),
         (("answer", "respond", "reply", "say"),)),
)  # fmt: skip
MARKS = tuple(
    Mark(kind, stems, re.compile(pattern, re.MULTILINE))
    for kind, stems, pattern in (
        ("role-marker", ("<|", "[inst]", "<<sys>>", "_of_turn>"),
         r"<\|[a-z_]{2,30}\|>|\[/?inst\]|<</?sys>>|<(?:start|end)_of_turn>"),
        ("role-marker", ("system", "assistant", "instruction", "override"),
         r"^\W{0,6}(?:system (?:message|prompt|override|notice|instructions?)|new instructions?"
         r"|admin override|developer message|(?:###? ?)?(?:system|instruction))\s*\W?:"
         r"[\s*_]*(?:you |ignore|the (?:user|assistant)|from now|answer|respond|always|do not)"
         r"|^(?:assistant|system):\s+(?:sure|you are|ignore|i will)"),
        ("delimiter", ("passage>", "end of "),
         r"</\s*passages?\s*>|(?<![-=#*\[<(])[-=#*\[<(]{2,}+\s*+end of (?:the )?"
         r"(?:context|passages?|documents?|prompt|user input)\b"),
        ("tool-call", ("tool_call", "function_call", "invoke", "tool_use", '"arguments"'),
         r"<\s*+(?:/\s*+)?(?:tool_calls?|function_calls?|invoke)\b[^>]{0,400}>"
         r'|"(?:tool_calls|function_call)"\s*:|"name"\s*:\s*"\w+"\s*,\s*"arguments"\s*:'),
        ("fake-citation", ("citation", "answerable", "cite ", "\u2020"),
         r'"citations"\s*:\s*\[|"answerable"\s*:\s*(?:true|false)'
         r"|\bcite (?:this|only this|the following) (?:document|page|passage|source)\b"
         r"|\u3010\d+(?::\d+)?\u2020"),
        ("exfiltration", ("](",),
         r"!?\[[^\]\n]{0,80}\]\([a-z]*:?//[^)\s]{0,200}(?:\{\w|\$\{|%7b|<\w|\[\w)"),
    )
)  # fmt: skip
_ALL: tuple[Near | Mark, ...] = (*NEARS, *MARKS)
_RULES = tuple((rule, stem) for rule in _ALL for stem in rule.stems)
_STEMS = Stems([stem for _, stem in _RULES])

# Bytes hidden in tags, in variation selectors, in rows of zero-width characters; and overrides.
# A flag of a region is a black flag and tags.
_UNSEEN = re.compile(
    "(?<!\U0001f3f4)(?<![\U000e0020-\U000e007f])[\U000e0020-\U000e007f]{2,}"
    "|[\U000e0100-\U000e01ef]{4,}|[\u200b-\u200f\u2060-\u2064\ufeff]{8,}|[\u202d\u202e]"
)
_FORMAT = re.compile("[\u200b-\u200f\u202a-\u202e\u2060-\u2064\ufeff\U000e0000-\U000e01ef]")
_BLOB = re.compile(r"(?<![A-Za-z0-9+/])[A-Za-z0-9+/]{40,8000}={0,2}(?![A-Za-z0-9+/])")
_HEX = re.compile(r"(?<![0-9a-fA-F])(?:[0-9a-fA-F]{2}){30,4000}(?![0-9a-fA-F])")
_ESCAPES = re.compile(r"(?:\\(?:u00|x)[0-9a-fA-F]{2}){6}")
_PERCENT = re.compile(r"(?<!\w)(?:%[0-9a-fA-F]{2}|\w){12,}%[0-9a-fA-F]{2}\S*")
_NO_CHARACTER = re.compile(r"&#0*[1-9]\d{7,}")  # int() refuses what has 4300 digits
_SPACED = re.compile(r"(?:(?<![^\W_])[^\W_][ .\-_]{1,3}){8,}[^\W_](?![^\W_])")
_GAP, _MARKS = re.compile(r"[ .\-_]{2,}"), re.compile(r"[ .\-_]")
SPELLED, MOST_SPELLED = 1000, 4000  # rows of such letters, and characters read from one on
_OTHER = re.compile("[\u0370-\u04ff]")
_MIXED = re.compile(r"[a-z][\u0430-\u044f\u0456\u03bf]|[\u0430-\u044f\u0456\u03bf][a-z]")
_ALIKE = str.maketrans("аеорсухіο", "aeopcyxio")
_END = re.compile(r"[.!?]\s")
_ROT13 = tuple(codecs.encode(word, "rot13") for word in ("ignore", "disregard", "instructions"))
_REVERSED = ("snoitcurtsni", "tpmorp metsys")


def examined(pages: Sequence[Page]) -> list[Finding]:
    """Return what speaks to a model, each kind once a page; of the document at most MOST."""
    found: list[Finding] = []
    for page in pages:
        kinds: dict[str, str] = {}
        for kind, text in _of_page(page):
            kinds.setdefault(kind, text)
        for kind, text in kinds.items():
            found.append(Finding(kind=kind, page=page.number, excerpt=_excerpt(text)))
            if len(found) >= MOST:
                return found
    return found


def _of_page(page: Page) -> Iterator[tuple[str, str]]:
    yield from findings(page.text)
    for text, counts in page.hidden:
        # A menu that opens on a click is hidden too; a sentence for the model is not a menu.
        if counts or next(findings(text), None):
            yield "hidden-text", text


def findings(text: str) -> Iterator[tuple[str, str]]:
    """Yield (kind, place) of what is found in a text."""
    if not text.isascii() and _FORMAT.search(text) and (unseen := _UNSEEN.search(text)):
        yield "invisible-characters", _shown(unseen[0])
    yield from _plain(text)
    yield from (("encoded-text", each) for each in _decoded(text) if next(_plain(each), None))


def _plain(text: str) -> Iterator[tuple[str, str]]:
    if text.isascii():
        folded = text.lower()
    else:
        if _FORMAT.search(text):
            text = INVISIBLE.sub("", text)
        folded = unicodedata.normalize("NFKC", text).casefold()
        if _OTHER.search(folded) and _MIXED.search(folded):
            folded = folded.translate(_ALIKE)
    fired: set[str] = set()
    for index in _STEMS.maybe_in(folded):
        rule, stem = _RULES[index]
        if rule.kind not in fired and (place := rule.found(folded, stem)):
            fired.add(rule.kind)
            yield rule.kind, place


def _sentence(text: str, place: int) -> str:
    """Return what stands around a place, of its own sentence, in one line."""
    before = _END.split(text[max(0, place - NEAR) : place])[-1]
    after = _END.split(text[place : place + NEAR], maxsplit=1)[0]
    return " ".join((before + after).split()) + " "


def _decoded(text: str) -> Iterator[str]:
    """Yield what parts of the text say that are written in a code."""
    shape = text.encode("latin-1", "replace")
    # Codes are long, or letters that stand apart: most pages have neither.
    if _LONG in shape.translate(_FILLED):
        yield from _unpacked(text)
    if "&#" in text:
        yield html.unescape(_NO_CHARACTER.sub("", text))
    gapped = shape.translate(_GAPPED).replace(b"   ", b" ").replace(b"  ", b" ")
    if _APART in gapped:
        yield from _spelled(text)
    lower = text.lower()
    if any(word in lower for word in _ROT13):
        yield codecs.encode(text, "rot13")
    if any(word in lower for word in _REVERSED):
        yield text[::-1]


def _unpacked(text: str) -> Iterator[str]:
    """Yield what long words say: base64, hexadecimal, escapes."""
    for count, match in enumerate(_BLOB.finditer(text)):
        if count >= BLOBS:
            break
        try:
            yield base64.b64decode(match[0] + "=" * (-len(match[0]) % 4)).decode()
        except (binascii.Error, ValueError):
            continue
    for count, match in enumerate(_HEX.finditer(text)):
        if count >= BLOBS:
            break
        try:
            yield bytes.fromhex(match[0]).decode()
        except ValueError:
            continue
    if "\\u00" in text or "\\x" in text:
        for match in _ESCAPES.finditer(text):
            part = text[match.start() : match.start() + 4000]
            yield re.sub(r"\\(?:u00|x)([0-9a-fA-F]{2})", lambda m: chr(int(m[1], 16)), part)
            break
    if "%20" in text:
        for match in _PERCENT.finditer(text):
            yield re.sub(r"%([0-9a-fA-F]{2})", lambda m: chr(int(m[1], 16)), match[0])
            break


def _spelled(text: str) -> Iterator[str]:
    """Yield what letters say that stand apart; a wider gap than between them parts words."""
    read = 0
    for count, match in enumerate(_SPACED.finditer(text)):
        if count >= SPELLED:
            break
        if match.end() > read:
            start, read = max(read, match.start()), max(match.end(), match.start() + MOST_SPELLED)
            yield " ".join(_MARKS.sub("", word) for word in _GAP.split(text[start:read]))


def _shown(unseen: str) -> str:
    """Return characters that nobody sees as what they spell, or by their numbers."""
    tags = "".join(chr(ord(each) - 0xE0000) for each in unseen if 0xE0020 <= ord(each) <= 0xE007E)
    return tags or " ".join(f"U+{ord(each):04X}" for each in unseen[:8])


def _excerpt(text: str) -> str:
    shown = "".join(each if each.isprintable() else " " for each in text[: 4 * EXCERPT])
    return " ".join(shown.split())[:EXCERPT]
