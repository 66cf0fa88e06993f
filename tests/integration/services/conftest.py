"""The three services, each servicer on its real store and a clock that the test sets."""

import pytest
from flux.conditioning.v1 import conditioning_service_pb2 as conditioning_pb
from flux.debt.v1 import debt_service_pb2 as debt_pb
from flux.readiness.v1 import readiness_service_pb2 as readiness_pb

import conditioning_svc.app
import conditioning_svc.domain
import conditioning_svc.store
import debt_svc.app
import debt_svc.domain
import debt_svc.store
import readiness_svc.app
import readiness_svc.domain
import readiness_svc.store
from conditioning_svc.rules import ConditioningRules
from conditioning_svc.servicer import ConditioningServicer
from conditioning_svc.store import ProfileStore
from debt_svc.rules import DebtRules
from debt_svc.servicer import DebtServicer
from debt_svc.store import LedgerStore
from readiness_svc.rules import ReadinessRules
from readiness_svc.servicer import ReadinessServicer
from readiness_svc.store import CheckInStore
from shared.db import Database
from shared.rules_shelf import RulesShelf
from tests.conftest import FixedClock
from tests.integration import service_helpers
from tests.integration.services.helpers import Call, calls

database_url = service_helpers.emptied_database_url


@pytest.fixture
def readiness_shelf(database: Database) -> RulesShelf[ReadinessRules]:
    return RulesShelf(readiness_svc.app.versions(), readiness_svc.store.rules, database)


@pytest.fixture
def debt_shelf(database: Database) -> RulesShelf[DebtRules]:
    return RulesShelf(debt_svc.app.versions(), debt_svc.store.rules, database)


@pytest.fixture
def conditioning_shelf(database: Database) -> RulesShelf[ConditioningRules]:
    return RulesShelf(conditioning_svc.app.versions(), conditioning_svc.store.rules, database)


@pytest.fixture
def readiness(database: Database, readiness_shelf: RulesShelf[ReadinessRules]) -> Call:
    return calls(ReadinessServicer(readiness_shelf, CheckInStore(database)), readiness_pb, "ReadinessService")


@pytest.fixture
def debt_servicer(database: Database, debt_shelf: RulesShelf[DebtRules], clock: FixedClock) -> DebtServicer:
    return DebtServicer(debt_shelf, LedgerStore(database), clock)


@pytest.fixture
def debt(debt_servicer: DebtServicer) -> Call:
    return calls(debt_servicer, debt_pb, "DebtService")


@pytest.fixture
def conditioning_servicer(
    database: Database, conditioning_shelf: RulesShelf[ConditioningRules], clock: FixedClock
) -> ConditioningServicer:
    return ConditioningServicer(conditioning_shelf, ProfileStore(database), clock)


@pytest.fixture
def conditioning(conditioning_servicer: ConditioningServicer) -> Call:
    return calls(conditioning_servicer, conditioning_pb, "ConditioningService")
