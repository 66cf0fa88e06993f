"""A whole FLUX whose processes can be killed one by one: PostgreSQL, three services, gateway and Envoy, all real."""

import asyncio
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from types import MappingProxyType
from uuid import UUID

from shared import embedded_postgres, grants
from shared.cli.programs import Programs
from shared.cli.stack import answers, embedded_database, serves
from shared.clock import SystemClock
from shared.local_identity import LocalIdentity
from shared.supervisor import Program
from shared.walls import SCHEMAS
from tests.faults.nursery import Order
from tests.next_version import CHECKOUT
from tests.ports import free_port

FRONT_DOOR = "envoy"
SECOND = "@2"
"""What the name of a part's second replica ends in."""
READY_SECONDS = 30.0
LOOK_SECONDS = 0.05


@dataclass(frozen=True)
class Twist:
    """How one start of a part differs from the usual one. See Order."""

    crash: tuple[str, int] | None = None
    sabotage: str | None = None
    clock_ahead_seconds: float = 0.0
    environment: Mapping[str, str] = field(default_factory=dict)


class Nursery:
    """The process that forks services, with the code of one checkout."""

    def __init__(self, environment: Mapping[str, str], checkout: Path) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.nursery"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=dict(environment),
            cwd=checkout,
        )

    def fork(self, order: Order) -> "Life":
        """Starts a process."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        log = Path(order.log)
        begin = log.stat().st_size if log.exists() else 0
        self._process.stdin.write(order.to_line())
        self._process.stdin.flush()
        return Life(int(self._process.stdout.readline()), log, begin)

    def close(self) -> None:
        """Ends it, and with it every process that it forked."""
        self._process.kill()
        self._process.communicate()


class Life:
    """One process from its start to its death."""

    def __init__(self, pid: int, log: Path, begin: int) -> None:
        self.was_killed = False
        self._log, self._begin = log, begin
        self._ended = asyncio.Event()
        try:
            self._handle = os.pidfd_open(pid)
        except ProcessLookupError:
            self._ended.set()
            return
        asyncio.get_running_loop().add_reader(self._handle, self._bury)

    @property
    def is_over(self) -> bool:
        """Whether it has ended."""
        return self._ended.is_set()

    def has_said(self, words: str) -> bool:
        """Whether it has written these words."""
        with suppress(FileNotFoundError), self._log.open("rb") as log:
            log.seek(self._begin)
            return words.encode() in log.read()
        return False

    def kill(self) -> None:
        """SIGKILL, if it still runs."""
        if not self.is_over:
            self.was_killed = True
            self.signal(signal.SIGKILL)

    def signal(self, number: signal.Signals) -> None:
        """Sends it a signal, if it still runs."""
        if not self.is_over:
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._handle, number)

    async def end(self) -> None:
        """Returns when it has ended."""
        await self._ended.wait()

    def _bury(self) -> None:
        asyncio.get_running_loop().remove_reader(self._handle)
        os.close(self._handle)
        self._ended.set()


class FaultyStack:
    """The parts of one stack. Nothing restarts them but its user."""

    def __init__(
        self,
        programs: Programs,
        cluster: embedded_postgres.Cluster,
        port: int,
        twists: Mapping[str, Twist],
        *,
        is_twofold: bool,
    ) -> None:
        replicas = ("", SECOND) if is_twofold else ("",)
        self._replicas = {service: [f"{service}{replica}" for replica in replicas] for service in SCHEMAS}
        self._programs = programs
        self._cluster = cluster
        self._nurseries: dict[Path, Nursery] = {}
        self._postgres: Life | None = None
        (programs.data_dir / "logs").mkdir()
        self.port = port
        self.database_url = cluster.url
        self.parts: dict[str, Life] = {}
        self.twists = dict(twists)
        """What is the matter with a part at every start."""
        self.checkout = CHECKOUT
        """Whose code the next start of any part runs."""
        self._migrated: set[tuple[str, Path]] = set()

    @property
    def address(self) -> str:
        """host:port of the front door."""
        return f"127.0.0.1:{self.port}"

    def token(self, athlete_id: UUID) -> str:
        """An access token that stands for an athlete."""
        return LocalIdentity(self._programs.data_dir).mint(athlete_id, SystemClock().now())

    def log_of(self, part: str) -> str:
        """What a part has written since the stack was made."""
        return (self._programs.data_dir / "logs" / f"{part}.log").read_text(encoding="utf-8")

    @property
    def services(self) -> list[str]:
        """Every replica of every service."""
        return [part for replicas in self._replicas.values() for part in replicas]

    @property
    def dead(self) -> list[str]:
        """The parts that do not run."""
        return [part for part, life in self.parts.items() if life.is_over]

    def socket_of(self, part: str) -> Path:
        """Where a service listens, or PostgreSQL as `postgres`."""
        if part == "postgres":
            return self._cluster.sockets / ".s.PGSQL.5432"
        return Path(self._programs.target(part).removeprefix("unix:"))

    async def start_postgres(self) -> None:
        """Starts PostgreSQL, and returns when it takes connections."""
        program, *arguments = embedded_postgres.command(self._cluster)
        log = str(self._programs.data_dir / "logs" / "postgres.log")
        environment = self._programs.environment()
        self._postgres = self._nursery().fork(Order(program, arguments, environment, log, user=self._cluster.owner))
        async with asyncio.timeout(READY_SECONDS):
            while not await asyncio.to_thread(embedded_postgres.accepts, self._cluster):
                await asyncio.sleep(LOOK_SECONDS)

    async def crash_postgres(self) -> None:
        """The immediate shutdown of PostgreSQL: it drops everybody, and has to recover when it starts again."""
        if self._postgres is not None:
            self._postgres.signal(signal.SIGQUIT)
            await self._postgres.end()

    def start(self, part: str, crash: tuple[str, int] | None = None) -> Life:
        """Starts a part; `crash`: the crash point to die at, and the how many-eth time."""
        twist = self.twists.get(part, Twist())
        program = self._program(part)
        is_migrated = (part, self.checkout) in self._migrated
        self._migrated.add((part, self.checkout))
        order = Order(
            module=program.command[2],
            arguments=[verb for verb in program.command[3:] if verb != "migrate" or not is_migrated],
            environment={**program.environment, **twist.environment},
            log=str(self._programs.data_dir / "logs" / f"{part}.log"),
            crash=crash or twist.crash,
            sabotage=twist.sabotage,
            clock_ahead_seconds=twist.clock_ahead_seconds,
        )
        life = self._nursery().fork(order)
        self.parts[part] = life
        return life

    async def heal(self) -> None:
        """Starts what does not run, and returns when the front door serves."""
        for part in (*self.services, FRONT_DOOR):
            if part not in self.parts or self.parts[part].is_over:
                self.start(part)
        async with asyncio.timeout(READY_SECONDS):
            while not await asyncio.to_thread(partial(answers, f"http://{self.address}/healthz")):
                await asyncio.sleep(0.1)

    async def restart(self, part: str) -> None:
        """Stops a replica of a service as an orchestrator does, starts it, and returns when it serves."""
        self.parts[part].signal(signal.SIGTERM)
        async with asyncio.timeout(READY_SECONDS):
            await self.parts[part].end()
        self.start(part)
        async with asyncio.timeout(READY_SECONDS):
            while not await asyncio.to_thread(serves, self._programs.target(part)):
                await asyncio.sleep(LOOK_SECONDS)

    async def close(self) -> None:
        """Ends everything that runs."""
        await self.crash_postgres()
        for nursery in self._nurseries.values():
            nursery.close()

    def _nursery(self) -> Nursery:
        if self.checkout not in self._nurseries:
            self._nurseries[self.checkout] = Nursery(self._programs.environment(), self.checkout)
        return self._nurseries[self.checkout]

    def _program(self, part: str) -> Program:
        if part == FRONT_DOOR:
            program = self._programs.front_door("127.0.0.1", self.port)
            sockets = map(self._programs.target, self._replicas["gateway"])
            return replace(program, environment={**program.environment, "FLUX_GATEWAY_TARGET": ",".join(sockets)})
        program = self._programs.service(part.removesuffix(SECOND), embedded_database(self._cluster))
        targets = {
            f"FLUX_{SCHEMAS[service].upper()}_TARGET": ",".join(map(self._programs.target, replicas)).replace(
                ",unix:", ","
            )
            for service, replicas in self._replicas.items()
        }
        own = {"FLUX_LISTEN": self._programs.target(part)}
        return replace(program, environment={**program.environment, **targets, **own})


@asynccontextmanager
async def new_stack(
    twists: Mapping[str, Twist] = MappingProxyType({}), *, is_twofold: bool = False
) -> AsyncIterator[FaultyStack]:
    """A stack of its own in a folder of its own, of which only PostgreSQL runs yet. Twofold: two of each service."""
    with tempfile.TemporaryDirectory(prefix="flux-faults-") as folder:
        data_dir = Path(folder)
        sockets = data_dir / "run"
        sockets.mkdir()
        for passed_through in (data_dir, sockets):
            passed_through.chmod(0o711)  # by PostgreSQL's own user
        identity = LocalIdentity(data_dir)
        identity.prepare(SystemClock().now())
        cluster = embedded_postgres.prepare(data_dir / "postgres", sockets / "pg")
        programs = Programs(data_dir, sockets, identity)
        stack = FaultyStack(programs, cluster, free_port(), twists, is_twofold=is_twofold)
        try:
            await stack.start_postgres()
            embedded_postgres.create_database(cluster)
            grants.apply(cluster.url)
            yield stack
        finally:
            await stack.close()


@asynccontextmanager
async def running_stack(
    twists: Mapping[str, Twist] = MappingProxyType({}), *, is_twofold: bool = False
) -> AsyncIterator[FaultyStack]:
    """A new stack that is healthy to begin with."""
    async with new_stack(twists, is_twofold=is_twofold) as stack:
        await stack.heal()
        yield stack
