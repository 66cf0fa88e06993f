"""Alembic's entry point, one for all services; `shared.migrations` says which one is being migrated."""

from alembic import context

from shared.migrations import run_in

run_in(context)
