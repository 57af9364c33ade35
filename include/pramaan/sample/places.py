"""Where the sample's learners work: real states, districts and blocks; made-up schools and state bodies."""

from dataclasses import dataclass

__all__ = ["PLACES", "TENANTS", "Place"]

TENANTS: dict[str, str] = {
    "sahyadri": "Sahyadri Vidya Parishad",
    "kaveri": "Kaveri Council of Teacher Education",
    "ganga": "Ganga Academy of School Learning",
}
"""Name of each tenant, a fictional education body."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where the learners of one language live; `districts` are pairs of a district and a block in it."""

    tenant_id: str
    state: str
    declared_board: str
    districts: tuple[tuple[str, str], ...]
    clusters: tuple[str, ...]


PLACES: dict[str, Place] = {
    "as": Place(
        "ganga", "Assam", "State (Assam)", (("Jorhat", "Titabor"), ("Nagaon", "Raha")), ("Borhola", "Kampur")
    ),
    "bn": Place(
        "ganga",
        "West Bengal",
        "State (West Bengal)",
        (("Nadia", "Krishnanagar I"), ("Bankura", "Bishnupur")),
        ("Shantipur", "Sonamukhi"),
    ),
    "en": Place(
        "sahyadri", "Goa", "CBSE", (("North Goa", "Bardez"), ("South Goa", "Salcete")), ("Aldona", "Loutolim")
    ),
    "gu": Place(
        "sahyadri",
        "Gujarat",
        "State (Gujarat)",
        (("Kachchh", "Mandvi"), ("Anand", "Petlad")),
        ("Gundiyali", "Dharmaj"),
    ),
    "hi": Place(
        "ganga",
        "Uttar Pradesh",
        "State (Uttar Pradesh)",
        (("Varanasi", "Sevapuri"), ("Jhansi", "Mauranipur")),
        ("Kapsethi", "Ranipur"),
    ),
    "kn": Place(
        "kaveri",
        "Karnataka",
        "State (Karnataka)",
        (("Mandya", "Maddur"), ("Dharwad", "Kalghatgi")),
        ("Besagarahalli", "Dummawad"),
    ),
    "ml": Place(
        "kaveri",
        "Kerala",
        "State (Kerala)",
        (("Palakkad", "Ottappalam"), ("Idukki", "Devikulam")),
        ("Lakkidi", "Marayur"),
    ),
    "mr": Place(
        "sahyadri",
        "Maharashtra",
        "State (Maharashtra)",
        (("Satara", "Wai"), ("Ratnagiri", "Chiplun")),
        ("Bavdhan", "Sawarde"),
    ),
    "or": Place(
        "ganga",
        "Odisha",
        "State (Odisha)",
        (("Puri", "Pipili"), ("Koraput", "Jeypore")),
        ("Sakhigopal", "Kotpad"),
    ),
    "pa": Place(
        "ganga",
        "Punjab",
        "State (Punjab)",
        (("Gurdaspur", "Batala"), ("Ludhiana", "Jagraon")),
        ("Qadian", "Sidhwan Bet"),
    ),
    "ta": Place(
        "kaveri",
        "Tamil Nadu",
        "State (Tamil Nadu)",
        (("Thanjavur", "Kumbakonam"), ("Madurai", "Melur")),
        ("Swamimalai", "Kottampatti"),
    ),
    "te": Place(
        "kaveri",
        "Andhra Pradesh",
        "State (Andhra Pradesh)",
        (("Guntur", "Tenali"), ("Kurnool", "Adoni")),
        ("Kollipara", "Kosigi"),
    ),
    "ur": Place(
        "kaveri",
        "Telangana",
        "State (Telangana)",
        (("Hyderabad", "Golconda"), ("Nizamabad", "Bodhan")),
        ("Toli Chowki", "Edapally"),
    ),
}
"""The place of each language's learners."""
