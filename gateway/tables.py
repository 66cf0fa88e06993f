"""The tables of the session schema."""

from uuid import UUID

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    ForeignKey,
    ForeignKeyConstraint,
    Identity,
    Index,
    Integer,
    MetaData,
    Numeric,
    SmallInteger,
    Table,
    Text,
    Uuid,
    false,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSON, JSONB

from shared.rules_shelf import rules_table

SCHEMA = "session"
metadata = MetaData(schema=SCHEMA)

# The gateway's own part of each ruleset; the other parts are kept by the services that decide by them.
rules = rules_table(metadata)

rulesets = Table(
    "rulesets",
    metadata,
    Column("ruleset_hash", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("author", Text, nullable=False),
    Column("note", Text, nullable=False),
    # service -> content hash
    Column("parts", JSONB, nullable=False),
    Column("created_time", DateTime(timezone=True), nullable=False, server_default=func.now()),
)

# Only ever added to: the last one is in force.
activations = Table(
    "activations",
    metadata,
    Column("activation_id", BigInteger, Identity(always=True), primary_key=True),
    Column("ruleset_hash", Text, ForeignKey("session.rulesets.ruleset_hash"), nullable=False),
    Column("author", Text, nullable=False),
    Column("note", Text, nullable=False),
    Column("activated_time", DateTime(timezone=True), nullable=False, server_default=func.now()),
)

# Only ever added to: the last one of an athlete is in force, and one without content takes the one before away.
overlays = Table(
    "overlays",
    metadata,
    Column("overlay_id", BigInteger, Identity(always=True), primary_key=True),
    Column("athlete_id", Uuid, nullable=False),
    Column("content_hash", Text),
    # As it was written, and as it is planned by.
    Column("yaml", Text),
    Column("overlay", JSONB(none_as_null=True)),
    Column("author", Text, nullable=False),
    Column("note", Text, nullable=False),
    Column("created_time", DateTime(timezone=True), nullable=False, server_default=func.now()),
    CheckConstraint("num_nulls(content_hash, yaml, overlay) IN (0, 3)", name="overlays_whole_check"),
    Index("overlays_by_athlete", "athlete_id", text("overlay_id DESC")),
)

# How many sessions an athlete has completed: the next number is taken under a lock on this row. What moved them last,
# which the database notes whenever such an event is put into the outbox.
athletes = Table(
    "athletes",
    metadata,
    Column("athlete_id", Uuid, primary_key=True),
    Column("completed_sessions", Integer, CheckConstraint("completed_sessions >= 0"), nullable=False),
    Column("last_event_id", Uuid, nullable=False, server_default=text(f"'{UUID(int=0)}'")),
)

sessions = Table(
    "sessions",
    metadata,
    Column("athlete_id", Uuid, primary_key=True),
    Column("session_id", Uuid, primary_key=True),
    Column("status", Text, CheckConstraint("status IN ('IN_PROGRESS', 'COMPLETED', 'ABANDONED')"), nullable=False),
    Column("state", Text, nullable=False),
    Column("archetype", Text, nullable=False),
    Column("anchor_pattern", Text, nullable=False),
    # JSON, not JSONB: what was planned stays as it was written, to the byte
    Column("inputs", JSON, nullable=False),
    Column("plan", JSON, nullable=False),
    # exercise name -> slot of the plan, so that logging a set need not read the plan
    Column("planned_slots", JSONB, nullable=False),
    Column("started_time", DateTime(timezone=True), nullable=False),
    Column("completed_time", DateTime(timezone=True)),
    Column("completion", JSON),
    Column("exercise_notes", JSONB, nullable=False, server_default=text("'{}'")),
    Column("summary_notes", Text),
    CheckConstraint("(status = 'COMPLETED') = (completed_time IS NOT NULL)", name="sessions_completed_check"),
    CheckConstraint("(completion IS NULL) = (completed_time IS NULL)", name="sessions_completion_check"),
    Index("sessions_by_time", "started_time", "session_id"),
    Index("sessions_by_start", "athlete_id", text("started_time DESC"), text("session_id DESC")),
    Index(
        "sessions_open",
        "athlete_id",
        text("started_time DESC"),
        text("session_id DESC"),
        postgresql_where=text("status = 'IN_PROGRESS'"),
    ),
)

workout_sets = Table(
    "workout_sets",
    metadata,
    Column("athlete_id", Uuid, primary_key=True),
    Column("session_id", Uuid, primary_key=True),
    Column("slot", Text, primary_key=True),
    Column("exercise_name", Text, CheckConstraint("length(exercise_name) BETWEEN 1 AND 200"), primary_key=True),
    Column("set_index", SmallInteger, CheckConstraint("set_index BETWEEN 0 AND 99"), primary_key=True),
    Column("weight_kg", Numeric(6, 2), CheckConstraint("weight_kg BETWEEN 0 AND 1000")),
    Column("reps", SmallInteger, CheckConstraint("reps BETWEEN 0 AND 1000")),
    Column("seconds", Integer, CheckConstraint("seconds BETWEEN 0 AND 86400")),
    Column("is_warmup", Boolean, nullable=False),
    Column("is_benchmark", Boolean, nullable=False),
    Column("is_deleted", Boolean, nullable=False, server_default=false()),
    Column("metadata", JSONB, nullable=False),
    Column("client_rev", Integer, CheckConstraint("client_rev >= 0")),
    Column("device_id", Text, nullable=False),
    Column("updated_time", DateTime(timezone=True), nullable=False),
    ForeignKeyConstraint(["athlete_id", "session_id"], ["session.sessions.athlete_id", "session.sessions.session_id"]),
)

outbox = Table(
    "outbox",
    metadata,
    Column("event_id", Uuid, primary_key=True),
    Column("athlete_id", Uuid, nullable=False),
    Column("session_id", Uuid, nullable=False),
    Column("kind", Text, nullable=False),
    Column("payload", JSONB, nullable=False),
    Column("delivery", Text, CheckConstraint("delivery IN ('PENDING', 'APPLIED', 'DEAD')"), nullable=False),
    Column("attempts", Integer, nullable=False, server_default=text("0")),
    # Nobody else delivers the event before this moment: a lease while it is tried, a pause after it failed.
    Column("not_before", DateTime(timezone=True), nullable=False),
    Column("created_time", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Column("settled_time", DateTime(timezone=True)),
    # For who asks what is due, and for nobody else: that there is a moment goes without saying only there.
    Index("outbox_due", "not_before", postgresql_where=text("delivery = 'PENDING' AND not_before IS NOT NULL")),
    Index("outbox_dead", "settled_time", postgresql_where=text("delivery = 'DEAD'")),
    Index("outbox_by_session", "athlete_id", "session_id"),
    Index("outbox_of_athlete", "athlete_id", postgresql_where=text("delivery = 'PENDING'")),
)
