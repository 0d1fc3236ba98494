"""What the acceptance journey uploads and asks: an invented company, so that no model knows it."""

from dataclasses import dataclass

PAGES = (
    """Brindlewick Ferries: operations manual
This manual is for the crews and the shore staff of Brindlewick Ferries, a company that was
invented for this check. The company was founded in 1958 by Oswin Tarrant in the harbour town
of Mellowport. The fleet has seven ferries, and the largest of them is the Copper Heron.
""",
    """Tickets and refunds
A single crossing from Mellowport to Quillan Island costs 14 dollars for an adult.
A bicycle travels for 3 dollars. Dogs travel free of charge.
A ticket can be returned for a full refund until 48 hours before departure.
""",
    """Safety on board
Every crossing begins with a safety announcement by the mate on duty.
The muster station of the Copper Heron is on the upper deck beside the red lifeboat.
The ferries stop sailing when the wind is stronger than 62 kilometres per hour.
""",
    """Crew and shifts
A shift lasts nine hours, with a break of forty-five minutes after the fourth hour.
Each crew member is given a waterproof jacket, which is replaced every three years.
The harbour master is Petra Lindqvist, who is reached on radio channel 27.
""",
)

OTHERS = {
    "bread.txt": "Sourdough bread. Mix flour, water and salt with the starter, let the dough rest "
    "for twelve hours in a cool place and bake it at 240 degrees for forty minutes.",
    "bees.md": "# Keeping bees\n\nA hive is opened on warm days only. A strong colony has about "
    "fifty thousand bees in June, and the honey is taken in July.",
}


@dataclass(frozen=True)
class Question:
    """A question, the words that its answer must stand on, and the page that has them."""

    text: str
    expected: str
    page: int


QUESTIONS = (
    Question("Who founded Brindlewick Ferries?", "Oswin Tarrant", 1),
    Question("In which year was Brindlewick Ferries founded?", "1958", 1),
    Question("What is the largest ferry of the fleet?", "Copper Heron", 1),
    Question(
        "How much does a single crossing to Quillan Island cost for an adult?", "14 dollars", 2
    ),
    Question("Until when can a ticket be returned for a full refund?", "48 hours", 2),
    Question("Where is the muster station of the Copper Heron?", "upper deck", 3),
    Question("At which wind speed do the ferries stop sailing?", "62 kilometres", 3),
    Question("How long does a shift of the crew last?", "nine hours", 4),
    Question("How often is the waterproof jacket replaced?", "three years", 4),
    Question("Who is the harbour master?", "Petra Lindqvist", 4),
)
NEEDED = 7  # of the ten; the small local models are of demo quality
