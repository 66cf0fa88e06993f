"""`flux rules`: training rules are checked, kept, compared, and put in force."""

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer
from flux.rules.v1.rules_service_pb2 import RulesetVersion
from rich.console import Console

from shared.cli import overlay_commands, rules, rules_coverage, rules_diff
from shared.cli.common import (
    DEFAULT_DATA_DIR,
    Author,
    DataDir,
    Form,
    Note,
    Target,
    gateway_client,
    progress_bar,
    refusals,
)

app = typer.Typer(no_args_is_help=True, help="Training rules: check, keep, compare, put in force.")
app.add_typer(overlay_commands.app, name="overlay")


@app.command("check")
def check(folder: Annotated[Path, typer.Argument(help="Folder with the four YAML files of a ruleset.")]) -> None:
    """Check a ruleset; needs nothing that runs."""
    with refusals():
        rules.check(folder)
    print("the rules can be used")


@app.command("push")
def push(
    folder: Annotated[Path, typer.Argument(help="Folder with the four YAML files of a ruleset.")],
    note: Note = "",
    author: Author = "unknown",
    target: Target = None,
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """Keep a ruleset as a version, without putting it in force."""
    with refusals():
        _show([gateway_client(target, data_dir).push(folder, author, note)])


@app.command("list")
def list_rulesets(target: Target = None, data_dir: DataDir = DEFAULT_DATA_DIR) -> None:
    """List all versions; the one in force is marked."""
    with refusals():
        _show(gateway_client(target, data_dir).all())


@app.command("show")
def show(
    ruleset: Annotated[str, typer.Argument(help="Name, or beginning of a hash; else the one in force.")] = "",
    to: Annotated[Path | None, typer.Option(help="Folder to write the four files to.")] = None,
    target: Target = None,
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """Show the YAML of a version, or write it to a folder."""
    with refusals():
        shown = gateway_client(target, data_dir).show(ruleset)
    for document in shown.documents:
        if to is None:
            print(
                f"# {document.service}.yaml of {shown.ruleset.name} {shown.ruleset.ruleset_hash[:12]}\n{document.yaml}"
            )
        else:
            to.mkdir(parents=True, exist_ok=True)
            (to / f"{document.service}.yaml").write_text(document.yaml, encoding="utf-8")


@app.command("diff")
def diff_rulesets(
    new: Annotated[str, typer.Argument(help="Ruleset to compare with: name, beginning of a hash, or folder.")],
    since: Annotated[str | None, typer.Option(help="Look back so far, such as 30d; else over all of history.")] = None,
    form: Annotated[Form, typer.Option("--format", help="How to show it.")] = Form.TABLE,
    author: Author = "unknown",
    target: Target = None,
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """Show what a ruleset would have changed in the past; exit with 1 if a session would have been harder.

    A folder is kept as a version first, which puts nothing in force.
    """
    client = gateway_client(target, data_dir)
    with refusals():
        start = _moment(since)
    with refusals(), progress_bar() as bar:
        ruleset = client.find_or_push(new, author, "compared")
        task = bar.add_task("planning the past again", total=None)
        report = rules_diff.collect(client, ruleset, start, lambda done, of: bar.update(task, completed=done, total=of))
    match form:
        case Form.TABLE:
            Console().print(rules_diff.as_table(report))
        case Form.JSON:
            print(rules_diff.as_json(report))
        case Form.HTML:
            print(rules_diff.as_html(report))
    raise typer.Exit(1 if report.harder else 0)


@app.command("coverage")
def cover(
    ruleset: Annotated[str, typer.Argument(help="Name, beginning of a hash, or folder; else the one in force.")] = "",
    since: Annotated[str | None, typer.Option(help="Look back so far, such as 30d; else over all of history.")] = None,
    simulated: Annotated[bool, typer.Option("--simulated", help="Count the days of made-up athletes instead.")] = False,
    form: Annotated[Form, typer.Option("--format", help="How to show it.")] = Form.TABLE,
    author: Author = "unknown",
    target: Target = None,
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """Show how often each rule would have decided in the past, which never did, and which never can.

    The past is planned again by the ruleset. A folder is kept as a version first, which puts nothing in force.
    """
    client = gateway_client(target, data_dir)
    with refusals():
        start = _moment(since)
        if simulated and start is not None:
            raise rules.Refused("--since looks back on the past, and --simulated does not; give one of them")
    with refusals(), progress_bar() as bar:
        version = client.find_or_push(ruleset, author, "covered")
        task = bar.add_task("counting decisions", total=None)
        pages = rules_coverage.stored_pages(client, version.ruleset_hash, start)
        if simulated:
            pages = rules_coverage.simulated_pages(client, version.ruleset_hash)
        report = rules_coverage.collect(
            client, version, pages, lambda done, of: bar.update(task, completed=done, total=of)
        )
    match form:
        case Form.TABLE:
            Console().print(rules_coverage.as_table(report))
        case Form.JSON:
            print(rules_coverage.as_json(report))
        case Form.HTML:
            print(rules_coverage.as_html(report))


@app.command("activate")
def activate(
    ruleset: Annotated[str, typer.Argument(help="Name, or the beginning of a hash.")],
    note: Note = "",
    author: Author = "unknown",
    target: Target = None,
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """Put a version in force, for all services at once."""
    with refusals():
        _show([gateway_client(target, data_dir).activate(ruleset, author, note)])


@app.command("rollback")
def rollback(
    note: Note = "", author: Author = "unknown", target: Target = None, data_dir: DataDir = DEFAULT_DATA_DIR
) -> None:
    """Put the version in force again that was so before."""
    with refusals():
        _show([gateway_client(target, data_dir).roll_back(author, note)])


def _moment(since: str | None) -> datetime | None:
    if since is None:
        return None
    if not re.fullmatch(r"[1-9][0-9]{0,3}d", since):
        raise rules.Refused("--since is a number of days, such as 30d")
    return datetime.now(UTC) - timedelta(days=int(since[:-1]))


def _show(rulesets: list[RulesetVersion]) -> None:
    Console().print(rules.table(rulesets))
