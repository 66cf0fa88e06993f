"""What the app's own JSON says that the types of `flux.app.v1` cannot: nulls, choices, and the names its types have."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

type Schema = dict[str, Any]

PACKAGE = "flux.app.v1"


def _or_null(kind: str, **more: Any) -> Schema:
    return {"type": [kind, "null"], **more}


# The app generates its types from the document and imports them by these names.
SCHEMA_NAMES: Mapping[str, str] = MappingProxyType(
    {
        "GenerateSessionResponse": "GeneratedSessionResponse",
        "GetBootstrapResponse": "BootstrapResponse",
        "GetStatusResponse": "StatusResponse",
        "GetUserStateResponse": "UserStateResponse",
        "PlanBlock": "GeneratedBlock",
        "PlanExercise": "GeneratedExercise",
        "PlanMetadata": "SessionMetadata",
    }
)

_STATE: Schema = {"type": "string", "enum": ["GREEN", "ORANGE", "RED"]}
_ARCHETYPE: Schema = {"type": "string", "enum": ["PERFORMANCE", "RECOVERY"]}
_LOAD_TYPE: Schema = {"type": "string", "enum": ["WEIGHTED", "BODYWEIGHT"]}
_TRACKING_UNIT: Schema = {"type": "string", "enum": ["REPS", "SECS", "WATTS", "CHECKLIST"]}
_ROUNDS: Schema = _or_null("integer", minimum=1)

# By message and field; for a map, the schema of its values. Every google.protobuf.Value is here.
FIELDS: Mapping[tuple[str, str], Schema] = MappingProxyType(
    {
        ("GetStatusResponse", "status"): {"type": "string", "const": "ok"},
        ("CatalogExercise", "load_type"): _LOAD_TYPE,
        ("CatalogExercise", "tracking_unit"): _TRACKING_UNIT,
        ("PatternState", "last_trained_datetime"): _or_null("string", format="date-time"),
        ("PatternState", "days_since"): _or_null("integer", minimum=0),
        ("GenerateSessionRequest", "last_trained"): _or_null("string", format="date-time"),
        ("GenerateSessionRequest", "conditioning_levels"): {"type": "integer", "minimum": 1},
        ("GenerateSessionRequest", "benchmarks"): {},
        ("PlanMetadata", "state"): _STATE,
        ("PlanMetadata", "archetype"): _ARCHETYPE,
        ("PlanMetadata", "anchor_pattern"): {"type": "string", "minLength": 1},
        ("PlanExercise", "load_type"): _LOAD_TYPE,
        ("PlanExercise", "tracking_unit"): _TRACKING_UNIT,
        ("PlanExercise", "is_conditioning"): _or_null("boolean"),
        ("PlanExercise", "description"): _or_null("string"),
        ("PlanExercise", "protocol"): _or_null("string", enum=["HIIT", "SIT", "SS", None]),
        ("PlanExercise", "rounds"): _ROUNDS,
        ("PlanExercise", "work_seconds"): _or_null("integer", minimum=0),
        ("PlanExercise", "rest_seconds"): _or_null("integer", minimum=0),
        ("PlanExercise", "is_benchmark"): _or_null("boolean"),
        ("PlanExercise", "target_intensity"): {"type": ["integer", "string", "null"]},
        ("PlanBlock", "type"): {
            "type": "string",
            "enum": ["PREP", "POWER", "MAIN", "ACCESSORIES", "ACCESSORY", "CONDITIONING"],
        },
        ("StartSessionResponse", "derived_archetype"): _ARCHETYPE,
        ("StartSessionResponse", "derived_state"): _STATE,
        ("LogSetRequest", "weight"): _or_null("number", minimum=0, maximum=1000),
        ("LogSetRequest", "reps"): _or_null("number", minimum=0, maximum=1000),
        ("LogSetRequest", "seconds"): _or_null("number", minimum=0, maximum=86400),
        ("LogSetResponse", "status"): {"type": "string", "const": "logged"},
        ("CompleteSessionRequest", "exercise_notes"): _or_null("string", maxLength=4000),
        ("CompleteSessionRequest", "summary_notes"): _or_null("string", maxLength=4000),
        ("CompleteSessionRequest", "anchor_pattern"): _or_null("string", maxLength=200),
        ("CompleteSessionRequest", "completed_conditioning_protocol"): _or_null("string", maxLength=200),
        ("CompleteSessionResponse", "status"): {"type": "string", "const": "completed"},
    }
)
