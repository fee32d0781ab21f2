"""Classes of a flow's own code, which pickles name and do not carry."""
import enum
from dataclasses import dataclass, field

from pydantic import BaseModel


class Colour(enum.Enum):
    RED = "red"
    BLUE = 2


@dataclass
class Point:
    x: int
    y: float
    tags: list = field(default_factory=list)


class Item(BaseModel):
    id: int
    name: str
    nested: dict = {}
