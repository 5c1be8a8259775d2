"""The command line, `shipengine-tracking`. It needs the extra `[cli]`.

Results go to stdout; progress, notices and errors to stderr. Exit status: 0 everything succeeded; 1 a call was
rejected, or some rows failed; 2 invalid usage, a missing key or an unreadable file; 3 the account stopped the run;
130 Ctrl-C.
"""

from __future__ import annotations

import csv
import json
import os
import re
import shutil
import sys
import tempfile
from array import array
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, suppress
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import islice
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated, Any, cast

import typer
from attrs import define

from . import (
    AccountError,
    APIConnectionError,
    APIError,
    AuthenticationError,
    CarrierError,
    InvalidArgumentError,
    InvalidRequestError,
    NotFoundError,
    Package,
    PermissionDeniedError,
    RateLimitError,
    ServerError,
    ShipEngineError,
    TrackingClient,
    TrackingInformation,
)

if TYPE_CHECKING:
    from rich.progress import Progress

REMEDIES: dict[type[BaseException], str] = {
    AuthenticationError: "Check SHIPENGINE_API_KEY.",
    PermissionDeniedError: "Check what your API key and your plan allow.",
    AccountError: "Sign in to ShipEngine and fix the account.",
    CarrierError: "Connect the carrier to your ShipEngine account, or pass another one.",
    NotFoundError: "Check the number and the carrier.",
    InvalidRequestError: "Correct the request.",
    RateLimitError: "Wait, then run the command again.",
    ServerError: "Try again later.",
    APIConnectionError: "Check the network, or try again later.",
}
# Names of columns, without capitals, spaces and underscores.
COLUMNS = {
    "number": ("trackingnumber", "trackingno", "trackingnum", "trackingcode", "trackingid", "tracking"),
    "carrier": ("carriercode", "carrier"),
    "carrier-id": ("carrierid",),
    "reference": ("reference", "ref", "ordernumber", "orderno", "orderid", "order"),
}
RESULT_COLUMNS = ("line", "result", "code", "message", "request_id")
SHOWN_LINES = 10  # line numbers that the summary lists for each problem
LINES_EVERY = 100  # packages between two lines of progress, if stderr is not a terminal


class UsageError(Exception):
    """The command cannot run as it was given. The message is one line and names the remedy."""


def main() -> int:
    """Run the command line; return the exit status. Every failure is one line."""
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="replace")  # type: ignore[union-attr]
    try:
        status = app(sys.argv[1:] or ["--help"], standalone_mode=False)
        sys.stdout.flush()
        return int(status or 0)
    except ShipEngineError as error:
        _notice(_explain(error))
        return 2 if isinstance(error, InvalidArgumentError) else 1
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # nothing more can be written
        return 1
    except OSError as error:
        _notice(f"Cannot open {error.filename}: {error.strerror}. Check the path.")
        return 2
    except UsageError as error:
        _notice(str(error))
        return 2
    except (KeyboardInterrupt, typer.Abort):
        return 130
    except Exception as error:
        if not hasattr(error, "format_message"):
            raise
        _notice(f"{error.format_message()} Try --help.")  # of typer: the usage is wrong
        return 2


app = typer.Typer(
    help="Track parcels with ShipEngine. Set SHIPENGINE_API_KEY to your API key.",
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
webhooks = typer.Typer(help="List, register and delete the webhooks of your account.")
app.add_typer(webhooks, name="webhooks")

Number = Annotated[str, typer.Argument(metavar="NUMBER", help="The carrier's number of the package.")]
Carrier = Annotated[str | None, typer.Option(help="ShipEngine's code of the carrier, such as ups or stamps_com.")]
CarrierID = Annotated[str | None, typer.Option(help="The ID of a connected carrier, such as se-28529731.")]
AsJSON = Annotated[bool, typer.Option("--json", help="Write JSON, one object per line.")]


@app.command()
def start(number: Number, carrier: Carrier = None, carrier_id: CarrierID = None) -> None:
    """Start tracking a package. Its updates go to your webhook."""
    _call("start", number, carrier, carrier_id)
    print(f"{number}: tracking has started.")


@app.command()
def stop(number: Number, carrier: Carrier = None, carrier_id: CarrierID = None) -> None:
    """Stop tracking a package."""
    _call("stop", number, carrier, carrier_id)
    print(f"{number}: tracking has stopped.")


@app.command()
def get(number: Number, carrier: Carrier = None, carrier_id: CarrierID = None, as_json: AsJSON = False) -> None:
    """Show the state of a package and its events, newest first."""
    state: TrackingInformation = _call("get", number, carrier, carrier_id)
    if as_json:
        print(json.dumps(state.to_dict()))
        return
    print(_plain(f"{number}: {state.status_code or 'unknown'} {state.status_description or ''}"))
    if state.estimated_delivery_date:
        print(_plain(f"Estimated delivery: {state.estimated_delivery_date}"))
    events = [(one.occurred_at, one.status_code, one.description, one.city_locality) for one in state.events or ()]
    if events:
        _print_table(("TIME", "STATUS", "DESCRIPTION", "PLACE"), events)


@webhooks.command("list")
def list_webhooks() -> None:
    """List the webhooks of the account. The values of headers are not shown."""
    with _client() as client:
        found = client.list_webhooks()
    rows = [
        (one.webhook_id, one.event, one.url, ", ".join(str(header.key) for header in one.headers or ()))
        for one in found
    ]
    _print_table(("ID", "EVENT", "URL", "HEADERS"), rows)


@webhooks.command()
def create(
    url: Annotated[str, typer.Argument(metavar="URL", help="The address of your receiver.")],
    header: Annotated[
        list[str] | None, typer.Option(metavar="NAME=VALUE", help="A header to send with each update; repeatable.")
    ] = None,
) -> None:
    """Register a URL for tracking updates."""
    pairs = [text.partition("=") for text in header or ()]
    if not all(name and equals for name, equals, _ in pairs):
        raise UsageError("--header must be NAME=VALUE.")
    with _client() as client:
        webhook = client.create_webhook(url, headers={name: value for name, _, value in pairs} or None)
    print(f"{webhook.webhook_id}: registered for the event {webhook.event}.")


@webhooks.command()
def delete(webhook_id: Annotated[str, typer.Argument(metavar="ID", help="An ID of `webhooks list`.")]) -> None:
    """Delete a webhook: ShipEngine stops sending to it."""
    with _client() as client:
        client.delete_webhook(webhook_id)
    print(f"{webhook_id}: deleted.")


@app.command()
def listen(
    port: Annotated[int, typer.Option(min=0, max=65535, help="The port; 0 takes any free one.")] = 5000,
    host: Annotated[str, typer.Option(help="The address to listen on.")] = "127.0.0.1",
    as_json: AsJSON = False,
) -> None:
    """Receive, verify and print updates. For development; end it with Ctrl-C."""
    try:
        from .webhooks import Verifier, WebhookError
    except ImportError as error:
        raise UsageError(str(error)) from None
    verifier = Verifier()

    class Receiver(BaseHTTPRequestHandler):
        timeout = 10.0  # seconds that a sender may take

        def do_POST(self) -> None:
            length = self.headers.get("Content-Length", "")
            if not length.isdecimal() or int(length) > 10_000_000:
                self.send_error(411)
                return
            status = 204
            try:
                event = verifier.verify(self.headers, self.rfile.read(int(length)))
                text = f"{event.data.tracking_number} is {event.data.status_code}: {event.data.status_description}"
                for newest in (event.data.events or ())[:1]:
                    text += f", {newest.occurred_at} {newest.city_locality or ''}"
                print(json.dumps(event.to_dict()) if as_json else _plain(text), flush=True)
            except WebhookError as error:
                status = error.http_status
                _notice(f"Rejected a delivery with {status}: {error}")
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Print nothing."""

    try:
        server = ThreadingHTTPServer((host, port), Receiver)
    except OSError as error:
        raise UsageError(f"Cannot listen on {host}:{port}: {error}. Pass another --port.") from None
    with server:
        _notice(f"Listening at http://{host}:{server.server_address[1]}/. Press Ctrl-C to stop.")
        server.serve_forever()


@app.command("start-many")
def start_many(
    file: Annotated[str, typer.Argument(metavar="FILE.csv", help="A CSV file with a header; - is standard input.")],
    carrier: Annotated[str | None, typer.Option(help="The carrier code of rows without one.")] = None,
    number_column: Annotated[str | None, typer.Option(help="The column of the tracking numbers.")] = None,
    carrier_column: Annotated[str | None, typer.Option(help="The column of the carrier codes.")] = None,
    reference_column: Annotated[str | None, typer.Option(help="The column to name rows by, such as orders.")] = None,
    report: Annotated[Path | None, typer.Option(help="Write each row's result here; run again to continue.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check the file; send nothing.")] = False,
    send_duplicates: Annotated[bool, typer.Option("--send-duplicates", help="Send repeated packages, too.")] = False,
    concurrency: Annotated[int, typer.Option(min=1, help="How many calls may be in flight.")] = 8,
    requests_per_minute: Annotated[int | None, typer.Option(min=1, help="Pace the calls.")] = None,
    as_json: AsJSON = False,
) -> int:
    """Start tracking the packages of a CSV file."""
    with ExitStack() as stack:
        columns = {"number": number_column, "carrier": carrier_column, "reference": reference_column}
        table = Table(_readable_twice(file, stack), carrier, columns)
        started = array("q")
        new_report = Path(os.devnull) if dry_run or not report else report.with_name(report.name + ".new")
        if report:
            _keep_started(report, new_report, table, started)
        plan = partial(table.plan, started, send_duplicates)
        counts = _summarize(plan(), sys.stdout if dry_run else sys.stderr)
        if dry_run:
            return int(counts["failed"] > 0)
        client = stack.enter_context(_client(requests_per_minute=requests_per_minute))
        if report:
            new_report.replace(report)
        output = stack.enter_context(open(report or os.devnull, "a", encoding="utf-8", newline=""))
        results = Results(output, len(table.header), as_json)
        status = _run(client, plan(), concurrency, results, counts[""])
    if results.sent < counts[""]:
        again = "Run the same command again to continue." if report else "With --report, you could continue later."
        _notice(f"{counts[''] - results.sent} packages were not sent. {again}")
    text = ", ".join(f"{result} {results.counts[result]}" for result in ("started", "failed", "skipped"))
    print(text.capitalize(), file=sys.stderr if as_json else sys.stdout)
    return status or int(results.counts["failed"] > 0)


def _run(client: TrackingClient, packages: Iterator[Package], concurrency: int, results: Results, total: int) -> int:
    """Send the packages whose row has no result yet; return the exit status, 0 if nothing ended the run early."""
    with _progress(total) as progress:
        task = progress.add_task("", total=total)
        to_send = (package for package in packages if not results.write_known(package))
        try:
            with closing(client.start_many(to_send, concurrency=concurrency)) as outcomes:
                for outcome in outcomes:
                    results.write(outcome.package, outcome.error)
                    progress.advance(task)
                    if progress.disable and (results.sent % LINES_EVERY == 0 or results.sent == total):
                        _notice(f"{results.sent} of {total} packages sent.")
        except (AuthenticationError, AccountError, RateLimitError) as error:
            _notice(_explain(error))
            return 3
        except KeyboardInterrupt:
            return 130
    return 0


@define
class Row:
    """A row of the file. `problem` says why it is not sent; `result` is empty if it is."""

    line: int
    cells: list[str]
    reference: str
    result: str = ""
    problem: str = ""


class Table:
    """A CSV file as spreadsheets write it: its encoding, delimiter and columns are detected."""

    def __init__(self, path: str, carrier: str | None, columns: dict[str, str | None]):
        self._path, self._carrier = path, carrier
        self._encoding = _encoding(path)
        with self._open() as file:
            first = file.readline()
        self._delimiter = max(",;\t|", key=lambda delimiter: len(next(csv.reader([first], delimiter=delimiter), ())))
        self.header = [name.strip() for name in next(self._rows(), (0, list[str]()))[1]]
        self._columns = {role: self._find(role, columns.get(role)) for role in COLUMNS}
        if self._columns["number"] is None:
            raise UsageError(f"No column of tracking numbers: pass --number-column. {self._shown_header()}")
        if self._columns["carrier"] is None and self._columns["carrier-id"] is None and not carrier:
            raise UsageError(f"No column of carriers: pass --carrier-column or --carrier. {self._shown_header()}")

    def plan(self, started: Sequence[int], send_duplicates: bool) -> Iterator[Package]:
        """Yield a package for each row. Its reference is the Row, which says whether to send it."""
        seen: set[int] = set()
        for line, cells in islice(self._rows(), 1, None):
            package = self.package(line, cells)
            row, key = cast("Row", package.reference), _key(package)
            if not row.problem and key in seen and not send_duplicates:
                row.result, row.problem = "skipped", "A duplicate of an earlier row."
            elif not row.problem and _contains(started, key):
                row.result = "started"  # by an earlier run
            seen.add(key)
            yield package

    def package(self, line: int, cells: list[str]) -> Package:
        """Return the package of a row. Its reference is the Row."""
        number, carrier, carrier_id, reference = (self._cell(cells, role) for role in COLUMNS)
        row = Row(line, cells, reference)
        carrier = carrier or self._carrier or ""
        package = Package(
            tracking_number=number, carrier_code=carrier or None, carrier_id=carrier_id or None, reference=row
        )
        try:
            package.check()
        except InvalidArgumentError as error:
            row.result, row.problem = "failed", str(error)
        if not (carrier or carrier_id):
            row.problem = "The carrier is empty: fill it in, or pass --carrier."
        if not number:
            row.problem = "The tracking number is empty: fill it in."
        return package

    def _open(self) -> IO[str]:
        return open(self._path, encoding=self._encoding, errors="replace", newline="")

    def _rows(self) -> Iterator[tuple[int, list[str]]]:
        """Yield the line number and the cells of each row that is not blank, the header first."""
        end = 0
        with self._open() as file:
            reader = csv.reader(file, delimiter=self._delimiter)
            try:
                for cells in reader:
                    line, end = end + 1, reader.line_num
                    if any(cell.strip() for cell in cells):
                        yield line, cells
            except csv.Error as error:
                raise UsageError(f"Line {reader.line_num} is not CSV ({error}): correct the file.") from None

    def _find(self, role: str, given: str | None) -> int | None:
        """Return the index of a column."""
        header = [_normalize(name) for name in self.header]
        for name in [_normalize(given)] if given else COLUMNS[role]:
            if name in header:
                return header.index(name)
        if given:
            raise UsageError(f"--{role}-column {given!r} is not in the file. {self._shown_header()}")
        return None

    def _shown_header(self) -> str:
        return f"The columns of the file are: {', '.join(self.header)}."

    def _cell(self, cells: list[str], role: str) -> str:
        index = self._columns[role]
        text = cells[index].strip() if index is not None and index < len(cells) else ""
        quoted = re.fullmatch(r'="(.*)"', text)  # how programs keep Excel from changing a number
        return quoted[1].strip() if quoted else text


class Results:
    """Writes the results of rows: to the report, as JSON, and failed calls as lines for people."""

    def __init__(self, report: IO[str], width: int, as_json: bool):
        self._report, self._width, self._as_json = report, width, as_json
        self.counts: Counter[str] = Counter()
        self.sent = 0

    def write_known(self, package: Package) -> bool:
        """Write the result of a row that is not sent; return whether it has one."""
        row = cast("Row", package.reference)
        if row.problem:
            self._write(package, row.result, row.problem)
        return bool(row.result)

    def write(self, package: Package, error: ShipEngineError | None) -> None:
        """Write the result of a call."""
        self.sent += 1
        if error is None:
            return self._write(package, "started", "")
        row, message = cast("Row", package.reference), _explain(error)
        _notice(f"Line {row.line}: {package.tracking_number} {row.reference}: {message}")
        return self._write(package, "failed", message, error)

    def _write(self, package: Package, result: str, message: str, error: ShipEngineError | None = None) -> None:
        row = cast("Row", package.reference)
        code, request_id = (error.code, error.request_id) if isinstance(error, APIError) else (None, None)
        values = (row.line, result, code, message, request_id)
        self.counts[result] += 1
        cells = [*row.cells, *[""] * self._width][: self._width]
        csv.writer(self._report).writerow([*cells, *values])
        self._report.flush()
        if self._as_json:
            shown = {name: getattr(package, name) for name in ("tracking_number", "carrier_code", "carrier_id")}
            document = {**shown, "reference": row.reference, **dict(zip(RESULT_COLUMNS, values, strict=True))}
            print(json.dumps(document), flush=True)


def _keep_started(report: Path, new: Path, table: Table, started: array[int]) -> None:
    """Write a new report with the started rows of an earlier one; add their keys to `started`, sorted."""
    header = [name + "_input" if name in RESULT_COLUMNS else name for name in table.header]
    width, header = len(header), [*header, *RESULT_COLUMNS]
    earlier = report if report.exists() else os.devnull
    with open(earlier, encoding="utf-8", errors="replace", newline="") as file:
        reader = csv.reader(file)
        if next(reader, header) != header:
            raise UsageError(f"{report} is not a report of this file: pass another --report.")
        with open(new, "w", encoding="utf-8", newline="") as output:
            writer = csv.writer(output)
            writer.writerow(header)
            for cells in reader:
                if cells[width + 1 : width + 2] == ["started"]:  # a run that was killed may have left half a row
                    writer.writerow(cells)
                    started.append(_key(table.package(0, cells[:width])))
    started[:] = array("q", sorted(started))


def _summarize(packages: Iterator[Package], file: IO[str]) -> Counter[str]:
    """Print what a run would do; return how many rows have each result, `""` being those to send."""
    counts: Counter[str] = Counter()
    problems: dict[str, list[int]] = {}
    for package in packages:
        row = cast("Row", package.reference)
        counts[row.result] += 1
        if row.problem:
            problems.setdefault(row.problem, []).append(row.line)
    names = {"": "to send", "failed": "invalid", "skipped": "duplicates", "started": "started before"}
    text = ", ".join(f"{name} {counts[result]}" for result, name in names.items())
    print(f"Rows {counts.total()}: {text}", file=file)
    for problem, lines in problems.items():
        shown = ", ".join(map(str, lines[:SHOWN_LINES])) + (", …" if len(lines) > SHOWN_LINES else "")
        print(f"  {problem} ({len(lines)} rows: line {shown})", file=file)
    return counts


def _progress(total: int) -> Progress:
    """Return a progress bar on stderr, disabled if that is not a terminal."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TimeRemainingColumn
    from rich.text import Text

    class Rate(ProgressColumn):
        def render(self, task: Task) -> Text:
            return Text(f"{task.speed or 0:.1f}/s")

    console = Console(stderr=True, soft_wrap=True)
    columns = (MofNCompleteColumn(), BarColumn(), Rate(), TimeRemainingColumn())
    return Progress(
        *columns, console=console, disable=not console.is_terminal, redirect_stdout=sys.stdout.isatty(), transient=True
    )


def _call(operation: str, number: str, carrier: str | None, carrier_id: str | None) -> Any:
    if carrier is None and carrier_id is None:
        raise UsageError("There is no carrier: pass --carrier or --carrier-id.")
    with _client() as client:
        return getattr(client, operation)(tracking_number=number, carrier_code=carrier, carrier_id=carrier_id)


def _client(**options: Any) -> TrackingClient:
    if not os.environ.get("SHIPENGINE_API_KEY"):
        raise UsageError("There is no API key: set SHIPENGINE_API_KEY.")
    return TrackingClient(**options)


def _readable_twice(path: str, stack: ExitStack) -> str:
    """Return the path of a file, or of a copy if it can be read only once."""
    if path != "-" and not Path(path).is_fifo():
        return path
    source = sys.stdin.buffer if path == "-" else stack.enter_context(open(path, "rb"))
    copy = stack.enter_context(tempfile.NamedTemporaryFile())
    shutil.copyfileobj(source, copy)
    copy.flush()
    return copy.name


def _encoding(path: str) -> str:
    with open(path, "rb") as file:
        head = file.read(4)
    if head.startswith(b"PK\x03\x04"):
        raise UsageError(f"{path} is an Excel workbook: save it as CSV.")
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "utf-16"  # Excel's "Unicode text"
    with open(path, encoding="utf-8-sig") as text, suppress(UnicodeDecodeError):
        while text.read(1_000_000):
            pass
        return "utf-8-sig"
    _notice("The file is not UTF-8. It is read as Windows-1252.")
    return "cp1252"


def _normalize(name: str) -> str:
    return re.sub(r"[\s_]+", "", name).casefold()


def _key(package: Package) -> int:
    """Return what identifies a package, in few bytes."""
    return hash((package.tracking_number, package.carrier_code, package.carrier_id))


def _contains(values: Sequence[int], value: int) -> bool:
    index = bisect_left(values, value)
    return index < len(values) and values[index] == value


def _explain(error: BaseException) -> str:
    """Return an error and its remedy as one line."""
    remedy = next((REMEDIES[kind] for kind in type(error).__mro__ if kind in REMEDIES), "")
    return f"{error} {remedy}".rstrip()


def _plain(text: str) -> str:
    """Return a text on one line and without characters that could control a terminal."""
    return "".join(character if character.isprintable() else " " for character in text).rstrip()


def _notice(text: str) -> None:
    print(_plain(text), file=sys.stderr, flush=True)


def _print_table(header: Sequence[str], rows: Sequence[tuple[object, ...]]) -> None:
    """Print a table, as wide as the terminal, or as its contents if it goes elsewhere."""
    from rich.console import Console
    from rich.table import Table as RichTable
    from rich.text import Text

    table = RichTable(*header, box=None, pad_edge=False, header_style="")
    for row in rows:
        table.add_row(*(Text(_plain("" if value is None else str(value))) for value in row))
    console = Console(highlight=False)
    console.print(table, width=None if console.is_terminal else 10_000)
