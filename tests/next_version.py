"""The next version of FLUX, as far as tests need one: its migrations go further than ours, by steps made here."""

from importlib.resources import files
from pathlib import Path
from shutil import copytree, ignore_patterns

from shared.schema_versions import History
from shared.walls import SCHEMAS

CHECKOUT = Path(__file__).parents[1]
# What a part needs to run.
PACKAGES = (*SCHEMAS, "shared", "tests")

# What a migration may do while older code runs: every table gets more, and loses nothing.
EXPANDS = """
for table in sa.inspect(op.get_bind()).get_table_names({schema!r}):
    if table != "schema_version":
        op.add_column(table, sa.Column("of_the_next", sa.Text), schema={schema!r})
        op.create_index(f"{{table}}_of_the_next", table, ["of_the_next"], schema={schema!r})
op.create_table("of_the_next", sa.Column("id", sa.Uuid, primary_key=True), schema={schema!r})
"""


def made(folder: Path) -> Path:
    """A checkout of the next version in a folder that is not there yet: our code, with every schema expanded."""
    for package in PACKAGES:
        copytree(CHECKOUT / package, folder / package, ignore=ignore_patterns("__pycache__", "web"))
    for package, schema in SCHEMAS.items():
        add_steps(folder / package / "migrations", package, (EXPANDS.format(schema=schema), ""))
    return folder


def newer(schema: str, package: str, folder: Path, *steps: tuple[str, str]) -> Path:
    """The migrations of a package and these after them: what each does, and which code it says it needs at least."""
    copied = folder / schema
    copytree(migrations_of(package), copied, dirs_exist_ok=True)
    add_steps(copied, package, *steps)
    return copied


def add_steps(folder: Path, package: str, *steps: tuple[str, str]) -> None:
    """Adds steps to the migrations of a package that are in a folder."""
    last = newest(package)
    for number, (body, oldest_code) in enumerate(steps, start=9001):
        lines = "".join(f"    {line}\n" for line in body.strip().splitlines())
        (folder / f"{number}_made.py").write_text(
            f"import sqlalchemy as sa\nfrom alembic import op\nrevision = '{number}'\ndown_revision = '{last}'\n"
            f"oldest_code = {oldest_code or None!r}\ndef upgrade():\n{lines}"
        )
        last = str(number)


def newest(package: str) -> str:
    """The version that a package's schema has after all its migrations."""
    return History.of(package, migrations_of(package)).newest


def migrations_of(package: str) -> Path:
    """Where the migrations of a package are."""
    return Path(str(files(package) / "migrations"))
