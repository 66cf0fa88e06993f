"""The migrated database of a module of tests of one store, emptied before each."""

from tests.integration import service_helpers

database_url = service_helpers.emptied_database_url
