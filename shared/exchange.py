"""Sends statements to PostgreSQL in one go and takes their rows: one round trip, and one transaction, for them all.

Cursors of psycopg do this too and decide much anew each time, which costs several times as much. Here libpq is spoken
to as psycopg wraps it: psycopg converts values and rows, and it is psycopg that waits, blocking or not.
"""

from collections import namedtuple
from collections.abc import Callable, Generator, Sequence
from functools import lru_cache
from typing import Any, cast

import psycopg
from psycopg import abc, adapt
from psycopg.adapt import PyFormat
from psycopg.pq import ConnStatus, ExecStatus, Format
from psycopg.pq.abc import PGconn, PGresult
from psycopg.waiting import Ready, Wait

from shared.prepared import Prepared

type Connection = psycopg.Connection[Any] | psycopg.AsyncConnection[Any]
type Sent = tuple[Prepared, Sequence[Any]]
"""A statement, and values in the order of its parameters."""
type Exchange = Generator[Wait, Ready | int, list[list[Any]]]
"""What a connection can `wait` for: the rows of each statement, with the names of their columns."""

type _Dumped = tuple[Prepared, Sequence[abc.Buffer | None], abc.Transformer]

_FINE = {ExecStatus.TUPLES_OK, ExecStatus.COMMAND_OK}


def exchange(connection: Connection, sent: Sequence[Sent], known: set[str] | None) -> Exchange:
    """`known`: the statements that the connection has prepared, None if it must not keep any.

    Raises psycopg.Error, and then nothing was done.
    """
    try:
        return (yield from _exchange(connection, sent, known))
    except psycopg.errors.InvalidSqlStatementName:
        if not known:
            raise
        known.clear()  # as psycopg, after a rollback, has the server do
        return (yield from _exchange(connection, sent, known))


def _exchange(connection: Connection, sent: Sequence[Sent], known: set[str] | None) -> Exchange:
    pgconn = connection.pgconn
    dumped = [_dumped(connection, statement, values) for statement, values in sent]
    fresh = {} if known is None else {one.name: one.text for one, _ in sent if one.name not in known}
    pgconn.enter_pipeline_mode()
    for name, text in fresh.items():
        pgconn.send_prepare(name.encode(), text.encode())
    for statement, values, transformer in dumped:
        if known is None:
            pgconn.send_query_params(statement.text.encode(), values, None, transformer.formats, Format.TEXT)
        else:
            pgconn.send_query_prepared(statement.name.encode(), values, transformer.formats, Format.TEXT)
    pgconn.pipeline_sync()
    results = yield from _results(pgconn)
    pgconn.exit_pipeline_mode()
    if known is not None:  # even if another fails, for what is prepared is no part of the transaction
        known |= {name for name, result in zip(fresh, results, strict=False) if result.status in _FINE}
    for result in results:
        if result.status not in _FINE:
            raise psycopg.errors.error_from_result(result)
    answers = results[len(fresh) :]
    return [_rows(transformer, result) for (_, _, transformer), result in zip(dumped, answers, strict=True)]


def _dumped(connection: Connection, statement: Prepared, values: Sequence[Any]) -> _Dumped:
    transformer = adapt.Transformer.from_context(connection)
    return statement, transformer.dump_sequence(values, [PyFormat.AUTO] * len(values)), transformer


def _results(pgconn: PGconn) -> Generator[Wait, Ready | int, list[PGresult]]:
    """Everything up to the end of the pipeline."""
    while pgconn.flush():
        if (yield Wait.RW) & Ready.R:
            pgconn.consume_input()
    results: list[PGresult] = []
    while True:
        while pgconn.is_busy():
            yield Wait.R
            pgconn.consume_input()
        result = pgconn.get_result()
        if result is None:  # as after each statement
            if pgconn.status == ConnStatus.BAD:
                raise psycopg.OperationalError("the connection is lost")
        elif result.status == ExecStatus.PIPELINE_SYNC:
            return results
        else:
            results.append(result)


def _rows(transformer: abc.Transformer, result: PGresult) -> list[Any]:
    transformer.set_pgresult(result)
    names = tuple(name.decode() for field in range(result.nfields) if (name := result.fname(field)))
    return transformer.load_rows(0, result.ntuples, _row_maker(names))


@lru_cache
def _row_maker(names: Sequence[str]) -> Callable[[Sequence[Any]], Any]:
    row: Any = namedtuple("Row", list(names), rename=True)  # type: ignore[misc]  # which columns there are is not known before
    return cast("Callable[[Sequence[Any]], Any]", row._make)
