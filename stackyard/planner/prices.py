"""A price file of the reader's: dollars or euros an hour by instance type, with a date."""

import datetime
from pathlib import Path

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel

from stackyard.errors import Trouble

EXAMPLE = "date, currency, region, source, perHour: {g6e.2xlarge: 2.24}"
HINT = f"write it as: {EXAMPLE}; docs/guides/plan.md has an example"


class Prices(BaseModel):
    """Prices an hour, of one region on one day."""

    model_config = ConfigDict(frozen=True, extra="forbid", alias_generator=to_camel)

    date: datetime.date
    currency: str = Field(pattern=r"^[A-Z]{3}$")
    region: str
    source: str = Field(min_length=1)
    per_hour: dict[str, float]


def read_prices(path: Path) -> Prices:
    """Return the prices of a file. Raises Trouble where it is not one."""
    try:
        return Prices.model_validate(yaml.safe_load(path.read_text()))
    except OSError as error:
        message = f"--prices is {str(path)!r}: {error.strerror}"
    except yaml.YAMLError:
        message = f"--prices is {str(path)!r}, which is not YAML"
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(step) for step in first["loc"]) or "the file"
        message = f"--prices is {str(path)!r}: {where}: {first['msg']}"
    raise Trouble(message, HINT)
