"""How much one file may cost; the app fills it from its settings."""

from dataclasses import dataclass

# Reading is work for the processor; more at once would only wait for each other.
AT_ONCE = 2


@dataclass(frozen=True, kw_only=True)
class Limits:
    """For the whole of a file, whatever it holds inside."""

    pages: int = 5000
    # of the wall clock, and of the processor
    seconds: float = 300.0
    # address space of the process that reads, in bytes
    memory: int = 2 * 2**30
    # of text, in code points; the largest book in Debian has 4 million
    characters: int = 50_000_000
    # what an archive, an office file or an EPUB unpacks to, in bytes
    unpacked: int = 512 * 2**20
    # unpacked to packed; text compresses tenfold, a sheet of zeros two hundredfold
    ratio: int = 200
    # in an archive, in all of its archives together
    files: int = 2000
    # an archive in an archive in an archive
    depth: int = 3
    # whether somebody reads pages that are pictures: then a document of nothing else is no refusal
    ocr: bool = False
