"""No athlete reads or writes what is another's: ids of another athlete in every field that takes one, on every way.

Made from the descriptors, so a new method or a new field is covered by itself. What comes back must be the same, to
the byte, as for ids that nobody has. `pytest tests/faults/test_foreign.py --attempts 200000` tries more, `--seed N`
tries the same again.
"""

import asyncio
import json
import random
import re
import uuid
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import count, cycle, islice
from typing import Any
from urllib.parse import quote, urlencode

import httpx
import pytest
from flux.app.v1 import app_service_pb2 as app_pb
from flux.session.v1 import session_service_pb2 as session_pb
from google.api import annotations_pb2
from google.protobuf import message_factory
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.json_format import MessageToDict, MessageToJson
from google.protobuf.message import Message

from gateway import page_tokens
from gateway.public import PUBLIC_SERVICES
from tests.conftest import Stack
from tests.faults.breakable import eventually
from tests.faults.malformed.client import Answer, Connections
from tests.faults.malformed.examples import Examples, is_map
from tests.faults.malformed.frames import framed
from tests.faults.malformed.inputs import Surface, Target, targets
from tests.faults.test_malformed import code_of
from tests.integration.service_helpers import execute
from tests.tokens import Signer, bearer

AT_A_TIME = 8
# After one call for what nobody has: so many for what is the victim's, where they change nothing.
TRIES = 30
LEAST_OF_EACH = 50
NOTES = "only for the eyes of the victim"
DEVICE = "phone-of-the-victim"
WORDS: Mapping[str, Sequence[Any]] = {
    "exercise_name": ["Back Squat", "Chin Up", "Plank"],
    "exercise_notes": ["Back Squat", "Chin Up"],
    "device_id": ["phone"],
    "page_token": [""],
    "anchor_pattern": ["SQUAT"],
    "weeks": [1],
    "sessions_per_week": [1],
}
# Of tables that have an athlete: everything that is kept of one.
KEPT = "SELECT to_jsonb(t)::text FROM {} t WHERE t.athlete_id = %(athlete)s ORDER BY 1"
TABLES = (
    "SELECT table_schema || '.' || table_name FROM information_schema.columns"
    " WHERE column_name = 'athlete_id' AND table_schema IN ('readiness', 'debt', 'conditioning', 'session')"
)
VARYING_HEADERS = {"date", "x-request-id", "x-envoy-upstream-service-time", "content-length"}
VARYING = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|\d{4}-\d\d-\d\dT[\d:.]+(Z|\+00:00)")

type Path = tuple[FieldDescriptor, ...]


@dataclass(frozen=True)
class Victim:
    """An athlete with sessions of every status. `ids` by what a field of that name may hold."""

    athlete_id: uuid.UUID
    tokens: Sequence[str]
    ids: Sequence[str]

    def values(self, rng: random.Random, field: str) -> list[str]:
        """What of the victim's a field of this name may hold, in any order."""
        held = self.tokens if "page_token" in field else [DEVICE] if field == "device_id" else self.ids
        return rng.sample(held, k=len(held))


@dataclass(frozen=True)
class Attack:
    """One field of one method on one way to it."""

    target: Target
    field: Path

    @property
    def name(self) -> str:
        return self.field[-1].name

    def __str__(self) -> str:
        return f"{self.target.surface} {self.target.path} {'.'.join(field.name for field in self.field)}"


def nobodys(rng: random.Random, name: str, like: str) -> str:
    """What nobody has, of the same form as something of the victim's."""
    stranger = uuid.UUID(int=rng.getrandbits(128), version=4)
    if "page_token" in name:
        return page_tokens.write(page_tokens.read(like)[0], stranger)
    return "phone-of-nobody-now" if name == "device_id" else str(stranger)


def id_fields(message: Descriptor, above: Path = ()) -> Iterator[Path]:
    """Every field of a message, and of those in it, that names something."""
    for field in message.fields:
        if field.message_type is not None and not is_map(field) and field not in above:
            if not field.message_type.full_name.startswith("google."):
                yield from id_fields(field.message_type, (*above, field))
        elif field.cpp_type == FieldDescriptor.CPPTYPE_STRING and field.name.endswith(("_id", "_ids", "_token")):
            yield (*above, field)


def honest(examples: Examples, attack: Attack) -> Message:
    """A message that the method admits, with the attacked field in it."""
    message = examples.of(attack.target.method.input_type)
    within = message
    for field in attack.field[:-1]:
        if not field.is_repeated:
            within = getattr(within, field.name)
        else:
            items = getattr(within, field.name)
            within = items[0] if items else items.add()
            if field.message_type is not None:
                within.CopyFrom(examples.of(field.message_type))
    return message


def put(message: Message, path: Path, value: str) -> None:
    """Sets a field of a message; in lists, that of the first."""
    for field in path[:-1]:
        message = getattr(message, field.name)[0] if field.is_repeated else getattr(message, field.name)
    setattr(message, path[-1].name, value)


def request_of(attack: Attack, message: Message, token: str) -> tuple[dict[str, str], bytes]:
    """Headers and body by which an honest client sends a message."""
    everywhere = {":scheme": "http", ":authority": "flux"}
    if attack.target.surface is not Surface.JSON:
        headers = {":method": "POST", ":path": attack.target.path, **everywhere, **bearer(token)}
        kind = {"content-type": "application/grpc+proto", "te": "trailers"}
        return headers | kind, framed(message.SerializeToString())
    extension: Any = annotations_pb2.http
    http = attack.target.method.GetOptions().Extensions[extension]
    verb = http.WhichOneof("pattern")
    said = MessageToDict(message, preserving_proto_field_name=True)
    path = re.sub(r"{(\w+)}", lambda match: quote(said.pop(match[1], "-"), safe=""), getattr(http, verb))
    headers = {":method": verb.upper(), ":path": path, **everywhere, **bearer(token)}
    if verb == "get":
        return headers | {":path": f"{path}?{urlencode(said)}"}, b""
    return headers | {"content-type": "application/json"}, json.dumps(said).encode()


def told(attack: Attack, answer: Answer, code: str, value: str) -> tuple[str, dict[str, str], bytes | str]:
    """What an answer tells, but for what was sent and, in a success, for what is different in every answer."""
    headers = {name: text for name, text in answer.headers.items() if name not in VARYING_HEADERS}
    if code != "OK":
        return code, headers, answer.body.replace(value.encode(), b"")
    body = answer.body.decode() if attack.target.surface is Surface.JSON else _decoded(attack, answer.body)
    return code, headers, VARYING.sub("", body.replace(value, ""))


def _decoded(attack: Attack, body: bytes) -> str:
    message: Message = message_factory.GetMessageClass(attack.target.method.output_type)()
    message.ParseFromString(body[5:])
    return MessageToJson(message)


def test_what_is_another_athletes_is_as_if_it_were_not_there(stack: Stack, request: pytest.FixtureRequest) -> None:
    seed, wanted = request.config.getoption("--seed"), request.config.getoption("--attempts")
    rng = random.Random(seed)
    victim = trained(stack)
    before = kept(stack, victim)
    attacks = every_attack(stack)
    assert {attack.name for attack in attacks} >= {"session_id", "device_id", "page_token"}
    tried, found = asyncio.run(attack_all(rng, attacks, victim, stack.signer, wanted))
    assert found == [], f"--seed {seed}: {len(found)} of {tried.total()}"
    assert kept(stack, victim) == before
    assert tried.total() >= wanted
    assert {str(attack) for attack in attacks if tried[str(attack)] < LEAST_OF_EACH} == set()


def test_the_victim_itself_is_told_apart_from_nobody(stack: Stack) -> None:
    """Else the test above could not fail."""
    victim, rng = trained(stack), random.Random(1)
    token = stack.signer.token(victim.athlete_id)
    (attack,) = (one for one in every_attack(stack) if str(one).startswith("JSON") and "GetSession " in str(one))

    message = honest(Examples(rng, WORDS), attack)

    async def answers() -> list[tuple[str, dict[str, str], bytes | str]]:
        async with Connections() as connections:
            both = (victim.ids[0], nobodys(rng, attack.name, victim.ids[0]))
            return [await call(connections, attack, message, token, value) for value in both]

    own, absent = asyncio.run(answers())
    assert (own[0], absent[0]) == ("OK", "NOT_FOUND")
    assert NOTES in str(own[2])


def every_attack(stack: Stack) -> list[Attack]:
    """Every field that takes an id, of every public method, by gRPC and by JSON."""
    services = [
        session_pb.DESCRIPTOR.services_by_name["SessionService"],
        app_pb.DESCRIPTOR.services_by_name["AppService"],
    ]
    assert {service.full_name for service in services} == set(PUBLIC_SERVICES)
    ways = [one for way in (Surface.NATIVE, Surface.JSON) for one in targets(way, stack.address, services)]
    return [Attack(target, path) for target in ways for path in id_fields(target.method.input_type)]


async def attack_all(
    rng: random.Random, attacks: Sequence[Attack], victim: Victim, signer: Signer, wanted: int
) -> tuple[Counter[str], list[str]]:
    """How often each attack was tried, and what told the victim's things from nobody's."""
    tried: Counter[str] = Counter()
    found: list[str] = []
    examples, turns = Examples(rng, WORDS), count()

    def newcomer() -> str:
        return signer.token(uuid.UUID(int=rng.getrandbits(128), version=4))

    async def work() -> None:
        async with Connections() as connections:
            # Bounded, for messages that are all refused for something else would be tried for ever.
            while next(turns) < wanted and (
                tried.total() < wanted or min(tried[str(attack)] for attack in attacks) < LEAST_OF_EACH
            ):
                fewest = min(attacks, key=lambda attack: tried[str(attack)])
                attack = fewest if tried[str(fewest)] < LEAST_OF_EACH else rng.choice(attacks)
                token = newcomer()
                message, values = honest(examples, attack), victim.values(rng, attack.name)
                absent = await call(connections, attack, message, token, nobodys(rng, attack.name, values[0]))
                for value in _repeated(values, absent[0]):
                    # What succeeds leaves something behind: somebody else is next.
                    token = newcomer() if absent[0] == "OK" else token
                    answer = await call(connections, attack, message, token, value)
                    tried[str(attack)] += 1
                    if answer != absent or NOTES in str(answer[2]):
                        found.append(f"{attack} {value}: {answer} instead of {absent}"[:2000])

    await asyncio.gather(*(work() for _ in range(AT_A_TIME)))
    return tried, found


def _repeated(values: Sequence[str], code: str) -> list[str]:
    """What to try after this answer for nobody's: less of what is carried out, for it takes longer."""
    match code:
        case "NOT_FOUND":
            return list(islice(cycle(values), TRIES))
        case "OK":
            return list(values[:4])
        case _:  # the message was refused for something else, and tells nothing
            return []


async def call(
    connections: Connections, attack: Attack, message: Message, token: str, value: str
) -> tuple[str, dict[str, str], bytes | str]:
    """Sends a message with this value in the attacked field; what the answer tells."""
    put(message, attack.field, value)
    headers, body = request_of(attack, message, token)
    answer = await connections.call(attack.target.address, headers, body)
    return told(attack, answer, code_of(attack.target.surface, answer), value)


def trained(stack: Stack) -> Victim:
    """An athlete of their own with sessions in progress, completed and given up."""
    athlete = uuid.uuid4()
    with httpx.Client(base_url=stack.url, headers=bearer(stack.signer.token(athlete)), timeout=60) as client:
        ids = [str(uuid.uuid4()) for _ in range(4)]
        one_set = {"exercise_name": "Back Squat", "set_index": 0, "reps": 5, "client_rev": 1, "device_id": DEVICE}
        for session_id in ids:
            check_in = {"knee_pain": 2, "energy": 8}
            post(client, "/v1/sessions", {"check_in": check_in, "session_id": session_id})
            post(client, f"/v1/sessions/{session_id}/sets", {"sets": [one_set]})
        post(client, f"/v1/sessions/{ids[0]}:complete", {"summary_notes": NOTES})
        post(client, f"/v1/sessions/{ids[1]}:abandon", {})
        page = client.get("/v1/sessions", params={"page_size": 1}).json()
        started = [session["start_time"] for session in client.get("/v1/sessions").json()["sessions"]]
    moments = [datetime.fromisoformat(moment) for moment in started]
    tokens = [page["next_page_token"], *(page_tokens.write(at, uuid.UUID(ids[0])) for at in moments)]
    arrived = "SELECT bool_and(delivery = 'APPLIED') FROM session.outbox WHERE athlete_id = %(a)s"
    eventually(lambda: execute(stack.database_url, arrived, a=athlete) == [(True,)])
    events = execute(stack.database_url, "SELECT event_id FROM session.outbox WHERE athlete_id = %(a)s", a=athlete)
    return Victim(athlete, tokens, [*ids, str(athlete), *(str(event) for (event,) in events)])


def post(client: httpx.Client, path: str, body: object) -> None:
    answer = client.post(path, json=body)
    assert answer.status_code == 200, answer.text


def kept(stack: Stack, victim: Victim) -> dict[str, list[tuple[Any, ...]]]:
    """Every row of the victim."""
    tables = [table for (table,) in execute(stack.database_url, TABLES)]
    assert len(tables) >= 12
    return {table: execute(stack.database_url, KEPT.format(table), athlete=victim.athlete_id) for table in tables}
