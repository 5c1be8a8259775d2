"""The command line, `shipengine-tracking`. It needs the extra `[cli]`.

Results go to stdout; progress, notices and errors to stderr. Exit status: 0 success; 1 a call was rejected, or
some rows failed; 2 invalid usage, a missing key or an unreadable file; 3 the account stopped the run; 130 Ctrl-C.
"""

from __future__ import annotations

import csv
import json
import os
import re
import shutil
import sys
import tempfile
import time
from array import array
from bisect import bisect_left, bisect_right
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, closing, suppress
from functools import partial
from http.server import BaseHTTPRequestHandler, HTTPServer
from itertools import islice
from pathlib import Path
from typing import IO, Annotated, Any, cast

import typer
from attrs import field, frozen

from . import InvalidArgumentError, Outcome, Package, ShipEngineError, TrackingClient, exceptions

REMEDIES: dict[type[Exception], str] = {
    exceptions.AuthenticationError: "check SHIPENGINE_API_KEY",
    exceptions.PermissionDeniedError: "check what your API key and your plan allow",
    exceptions.AccountError: "sign in to ShipEngine and fix the account",
    exceptions.CarrierError: "connect the carrier to your ShipEngine account, or pass another one",
    exceptions.InvalidRequestError: "check what you passed",
    exceptions.RateLimitError: "wait, then run the command again",
    exceptions.ServerError: "try again later",
    exceptions.APIConnectionError: "check the network, or try again later",
    OSError: "check the path, the disk or the port",
}
# Errors that end a run. The next run sends these packages again.
RUN_ENDING_ERRORS = (exceptions.AuthenticationError, exceptions.AccountError, exceptions.RateLimitError)
# The columns that are used: their option, and their usual names in lower case without spaces, hyphens and underscores.
COLUMNS = {
    "tracking_number": ("--number-column", "trackingnumber trackingno trackingnum trackingcode trackingid tracking"),
    "carrier_code": ("--carrier-column or --carrier", "carriercode carrier"),
    "reference": ("--reference-column", "reference ref ordernumber orderno orderid order"),
}
RESULT_COLUMNS = ("line", "result", "code", "message", "request_id")
MAX_LISTED_LINES = 10  # line numbers that the summary lists for each problem
PROGRESS_INTERVAL = 100  # packages between two lines of progress, if stderr is not a terminal


def main() -> int:
    """Run the command line; return the exit status. Every failure is one line."""
    sys.stdout, sys.stderr = (stream or open(os.devnull, "w") for stream in (sys.stdout, sys.stderr))  # None if closed
    for stream in (sys.stdout, sys.stderr):
        cast("Any", stream).reconfigure(errors="replace")  # the terminal's encoding may lack characters
    try:
        # Without a command it shows the help. typer itself handles Ctrl-C and closed pipes.
        return int(app(sys.argv[1:] or ["--help"], prog_name="shipengine-tracking", standalone_mode=False) or 0)
    except (ShipEngineError, OSError, ImportError) as error:  # an extra may be missing
        _notice(_explain(error))
        return 1 if isinstance(error, exceptions.APIError | exceptions.APIConnectionError) else 2
    except Exception as error:
        message = getattr(error, "format_message", None)  # of typer's usage errors, whose class is not public
        if message is None:
            raise
        _notice(f"{message()} Try --help.")
        return 2


HELP = """Track packages with ShipEngine. Set SHIPENGINE_API_KEY to your API key.

Exit status: 0 success; 1 a call or some rows failed; 2 invalid usage or input; 3 the account stopped the run."""
app = typer.Typer(help=HELP, add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)
webhooks = typer.Typer(help="List, register and delete the webhooks of your account.")
app.add_typer(webhooks, name="webhooks")

Number = Annotated[str, typer.Argument(metavar="NUMBER", help="The carrier's tracking number.")]
Carrier = Annotated[str | None, typer.Option(help="ShipEngine's carrier code, such as ups or stamps_com.")]
CarrierID = Annotated[str | None, typer.Option(help="The ID of a connected carrier, such as se-28529731.")]
AsJSON = Annotated[bool, typer.Option("--json", help="Write JSON, one object per line.")]


@app.command()
def start(number: Number, carrier: Carrier = None, carrier_id: CarrierID = None) -> None:
    """Start tracking a package. Its updates go to your webhook."""
    _call("start", number, carrier, carrier_id)
    _print(f"{number}: tracking has started.")


@app.command()
def stop(number: Number, carrier: Carrier = None, carrier_id: CarrierID = None) -> None:
    """Stop tracking a package."""
    _call("stop", number, carrier, carrier_id)
    _print(f"{number}: tracking has stopped.")


@app.command()
def get(number: Number, carrier: Carrier = None, carrier_id: CarrierID = None, as_json: AsJSON = False) -> None:
    """Show the state of a package and its events, newest first."""
    state = _call("get", number, carrier, carrier_id)
    if as_json:
        _print(json.dumps(state.to_dict()))
        return
    _print(f"{number}: {state.status_code or 'unknown'} {state.status_description or ''}")
    estimate = f"Estimated delivery: {state.estimated_delivery_date or 'unknown'}"
    _print(f"Delivered: {state.actual_delivery_date}" if state.actual_delivery_date else estimate)
    events = [(one.occurred_at, one.status_code, one.description, one.city_locality) for one in state.events or ()]
    if events:
        _print_table(("TIME", "STATUS", "DESCRIPTION", "PLACE"), *events)


@webhooks.command("list")
def list_webhooks() -> None:
    """List the webhooks of the account. The values of headers are not shown."""
    with TrackingClient() as client:
        found = client.list_webhooks()
    rows = [(one.webhook_id, one.event, one.url, ", ".join(str(h.key) for h in one.headers or ())) for one in found]
    _print_table(("ID", "EVENT", "URL", "HEADERS"), *rows)


@webhooks.command()
def create(
    url: Annotated[str, typer.Argument(metavar="URL", help="The address of your receiver.")],
    header: Annotated[list[str] | None, typer.Option(metavar="K=V", help="A header to send with each update.")] = None,
) -> None:
    """Register a URL for tracking updates."""
    pairs = [text.partition("=") for text in header or ()]
    if not all(name and equals for name, equals, _ in pairs):
        raise InvalidArgumentError("--header is not valid: pass it as NAME=VALUE")
    with TrackingClient() as client:
        webhook = client.create_webhook(url, headers={name: value for name, _, value in pairs} or None)
    _print(f"{webhook.webhook_id}: registered for the event {webhook.event}.")


@webhooks.command()
def delete(webhook_id: Annotated[str, typer.Argument(metavar="ID", help="The ID, from `webhooks list`.")]) -> None:
    """Delete a webhook: ShipEngine stops sending to it."""
    with TrackingClient() as client:
        client.delete_webhook(webhook_id)
    _print(f"{webhook_id}: deleted.")


@app.command()
def listen(
    port: Annotated[int, typer.Option(min=0, max=65535, help="The port; 0 picks a free one.")] = 5000,
    host: Annotated[str, typer.Option(help="The address to listen on.")] = "127.0.0.1",
    as_json: AsJSON = False,
) -> None:
    """Receive, verify and print updates. For development; end it with Ctrl-C."""
    from .webhooks import Verifier, WebhookError

    verifier = Verifier(base_url=os.environ.get("SHIPENGINE_BASE_URL") or None)

    class Receiver(BaseHTTPRequestHandler):
        timeout = 10.0  # seconds that a sender may take

        def do_POST(self) -> None:
            status = 204
            try:
                event = verifier.verify(self.headers, self.rfile.read(int(self.headers.get("Content-Length", 0))))
                data = event.data
                text = f"{data.tracking_number}: {data.status_code} {data.status_description} {event.last_moved or ''}"
                _print(json.dumps(event.to_dict()) if as_json else text)
            except WebhookError as error:
                status = error.http_status
                _notice(f"Rejected a delivery with {status}: {error}")
            except BrokenPipeError:  # stdout was closed; `handle_error` does not see SystemExit
                sys.exit(1)
            self.send_response(status)
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 the name it overrides
            """Print nothing."""

    class Server(HTTPServer):
        def handle_error(self, request: Any, client_address: Any) -> None:
            _notice(f"A delivery failed: {sys.exception()}")

    with Server((host, port), Receiver) as server:
        _notice(f"Listening at http://{host}:{server.server_address[1]}/. Press Ctrl-C to stop.")
        server.serve_forever(0.1)


@app.command("start-many")
def start_many(
    file: Annotated[str, typer.Argument(metavar="FILE.csv", help="A CSV file with a header; - is standard input.")],
    carrier: Annotated[str | None, typer.Option(help="The carrier code of rows without one.")] = None,
    number_column: Annotated[str | None, typer.Option(help="The column of the tracking numbers.")] = None,
    carrier_column: Annotated[str | None, typer.Option(help="The column of the carrier codes.")] = None,
    reference_column: Annotated[str | None, typer.Option(help="The column of your order numbers or other IDs.")] = None,
    report: Annotated[
        Path | None, typer.Option(dir_okay=False, help="Write each row's result here; run again to continue.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check the file; send nothing.")] = False,
    send_duplicates: Annotated[bool, typer.Option("--send-duplicates", help="Send repeated packages, too.")] = False,
    concurrency: Annotated[int, typer.Option(min=1, help="How many calls may be in flight.")] = 8,
    requests_per_minute: Annotated[int | None, typer.Option(min=1, help="At most this many calls a minute.")] = None,
    as_json: AsJSON = False,
) -> int:
    """Start tracking the packages of a CSV file."""
    with ExitStack() as stack:
        names = {"tracking_number": number_column, "carrier_code": carrier_column, "reference": reference_column}
        table = PackageFile(_seekable_path(file, stack), carrier, {role: name for role, name in names.items() if name})
        client = None if dry_run else stack.enter_context(TrackingClient(requests_per_minute=requests_per_minute))
        results = Report(report, table, as_json, dry_run)
        stack.enter_context(results.file)
        plan = partial(table.plan, results.started, send_duplicates)
        counts = _summarize(plan(), results, _notice if as_json or not dry_run else _print)
        if client is None:
            return int(counts["failed"] > 0)
        outcomes = client.start_many((row for row, result, _ in plan() if not result), concurrency=concurrency)
        status = _run(stack.enter_context(closing(outcomes)), results, counts[""])
    if unsent := counts[""] - results.sent:
        remedy = "Run the same command again to continue." if report else "With --report, you can continue a run later."
        _notice(f"{unsent} packages were not sent. {remedy}")
    text = ", ".join(f"{result} {results.counts[result]}" for result in ("started", "failed", "skipped"))
    (_notice if as_json else _print)(text.capitalize())
    return status or int(results.counts["failed"] > 0)


def _run(outcomes: Iterable[Outcome], results: Report, total: int) -> int:
    """Write the outcomes and show the progress; return the exit status, 0 if nothing ended the run early."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    is_terminal, began = sys.stderr.isatty() and os.environ.get("TERM") != "dumb", time.monotonic()
    columns = MofNCompleteColumn(), BarColumn(), TextColumn("{task.description}"), TimeRemainingColumn()
    console, redirect = Console(stderr=True, soft_wrap=True), sys.stdout.isatty()
    progress = Progress(*columns, console=console, disable=not is_terminal, redirect_stdout=redirect, transient=True)
    progress.speed_estimate_period = 120  # seconds: two windows of the rate limit
    with progress:
        task = progress.add_task("", total=total)
        try:
            for outcome in outcomes:
                row, error = cast("Row", outcome.package), outcome.error
                if isinstance(error, RUN_ENDING_ERRORS):
                    continue  # the next run sends it again
                if error:
                    name = f"{row.tracking_number} {row.reference or ''}".rstrip()
                    _notice(f"Line {row.line}: {name}: {_explain(error)}")
                results.write(row, "failed" if error else "started", error or "")
                results.sent += 1
                rate = results.sent / (time.monotonic() - began)
                progress.update(task, completed=results.sent, description=f"{rate:.1f}/s")
                if not is_terminal and (results.sent % PROGRESS_INTERVAL == 0 or results.sent == total):
                    _notice(f"{results.sent} of {total} packages sent.")
        except RUN_ENDING_ERRORS as error:
            _notice(_explain(error))
            return 3
        except KeyboardInterrupt:
            return 130
    return 0


@frozen(kw_only=True)
class Row(Package):
    """A row of the file."""

    line: int = field(eq=False)  # two rows are equal if their packages are
    cells: list[str] = field(eq=False)


class PackageFile:
    """A CSV file as spreadsheets write it: its encoding, delimiter and columns are detected."""

    def __init__(self, path: str, carrier: str | None, given: dict[str, str]):
        encoding = _detect_encoding(path)
        headers = {one: next(_read_csv(path, encoding, one), (1, list[str]()))[1] for one in ",;\t|"}
        known = {*map(_normalize, given.values()), *" ".join(usual for _, usual in COLUMNS.values()).split()}
        delimiter = max(headers, key=lambda one: (len(known & {*map(_normalize, headers[one])}), len(headers[one])))
        self._rows, self._carrier = partial(_read_csv, path, encoding, delimiter, strict=True), carrier
        self.header = [name.strip() for name in headers[delimiter]]
        self._columns: dict[str, int] = {}
        names = [_normalize(name) for name in self.header]
        for role, (option, usual) in COLUMNS.items():
            wanted = [_normalize(given[role])] if role in given else usual.split()
            if found := [names.index(name) for name in wanted if name in names]:
                self._columns[role] = found[0]
            elif role in given or role == "tracking_number" or (role == "carrier_code" and not carrier):
                shown = f"pass {option}. The columns of the file are: {', '.join(self.header) or 'none'}."
                raise InvalidArgumentError(f"the column {given.get(role, role)!r} is missing: {shown}")

    def plan(self, started: Sequence[int], send_duplicates: bool) -> Iterator[tuple[Row, str, str]]:
        """Yield each row, its known result (`""` if it must be sent), and the reason to report."""
        seen = set[int]()
        for line, cells in islice(self._rows(), 1, None):
            row = self.row(line, cells)
            result, problem, key = "failed", self._problem(row, cells), hash(row)
            if not problem and key in seen and not send_duplicates:
                result, problem = "skipped", "a duplicate of an earlier row"
            elif not problem:
                result = "started" if bisect_left(started, key) < bisect_right(started, key) else ""
                seen.add(key)
            yield row, result, problem

    def _problem(self, row: Row, cells: list[str]) -> str:
        if any(map(str.strip, cells[len(self.header) :])):
            return "the row has more cells than the header: put texts that contain the delimiter in quotes"
        if not row.carrier_code:
            return "the carrier is empty: fill it in, or pass --carrier"
        try:
            row.check()
        except InvalidArgumentError as error:
            return str(error)
        return ""

    def row(self, line: int, cells: list[str]) -> Row:
        """Return the row with these cells."""
        cells = [*cells, *[""] * len(self.header)][: len(self.header)]
        # Some programs write ="123" to keep Excel from changing a number.
        values = {role: re.sub(r'^\s*="(.*)"\s*$', r"\1", cells[at]).strip() for role, at in self._columns.items()}
        carrier = values.pop("carrier_code", "") or self._carrier
        return Row(**values, carrier_code=carrier, line=line, cells=cells)


class Report:
    """Writes the results of rows: to the report, and as JSON.

    The report keeps the rows that an earlier run has started. `started` has the hashes of these rows, sorted.
    """

    def __init__(self, report: Path | None, table: PackageFile, as_json: bool, dry_run: bool):
        self._as_json, self.counts, self.sent, self.started = as_json, Counter[str](), 0, array("q")
        header = [name + "_input" if name in RESULT_COLUMNS else name for name in table.header] + [*RESULT_COLUMNS]
        earlier = _read_report(str(report), header) if report and report.exists() else iter(())
        target = None if dry_run else report
        new = target and target.with_name(f"{target.name}.new")
        with open(new or os.devnull, "w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerow(header)
            for _, cells in earlier:
                # A run that was killed may have left half a row.
                if len(cells) == len(header) and cells[len(table.header) + 1] == "started":
                    csv.writer(file).writerow(cells)
                    self.started.append(hash(table.row(0, cells[: len(table.header)])))
        self.started = array("q", sorted(self.started))
        if new and target:
            new.replace(target)
        self.file = open(target or os.devnull, "a", encoding="utf-8", errors="backslashreplace", newline="")

    def write(self, row: Row, result: str, reason: ShipEngineError | str = "") -> None:
        """Write the result of a row."""
        code, request_id = getattr(reason, "code", None), getattr(reason, "request_id", None)
        values = dict(zip(RESULT_COLUMNS, (row.line, result, code, _explain(reason), request_id), strict=True))
        self.counts[result] += 1
        csv.writer(self.file).writerow([*row.cells, *values.values()])
        self.file.flush()
        if self._as_json:
            _print(json.dumps({**{name: getattr(row, name) for name in COLUMNS}, **values}))


def _summarize(planned: Iterable[tuple[Row, str, str]], results: Report, show: Callable[[str], None]) -> Counter[str]:
    """Show what the run will do and write known results; return the number of rows for each (`""`: to send)."""
    counts, problems = Counter[str](), dict[str, list[int]]()
    for row, result, problem in planned:
        counts[result] += 1
        if problem:
            problems.setdefault(problem, []).append(row.line)
            results.write(row, result, problem)
    names = {"": "to send", "failed": "invalid", "skipped": "duplicates", "started": "already started"}
    show(f"Rows {counts.total()}: " + ", ".join(f"{name} {counts[result]}" for result, name in names.items()))
    for problem, lines in problems.items():
        shown = ", ".join(map(str, lines[:MAX_LISTED_LINES])) + ", …" * (len(lines) > MAX_LISTED_LINES)
        show(f"  {problem} (rows: {len(lines)}; lines: {shown})")
    return counts


def _call(operation: str, number: str, carrier: str | None, carrier_id: str | None) -> Any:
    if carrier is None and carrier_id is None:
        raise InvalidArgumentError("the carrier is missing: pass --carrier or --carrier-id")
    with TrackingClient() as client:
        return getattr(client, operation)(tracking_number=number, carrier_code=carrier, carrier_id=carrier_id)


def _seekable_path(path: str, stack: ExitStack) -> str:
    """Return the path of a file, or of a copy if it can be read only once."""
    if Path(path).is_file():
        return path
    copy = Path(stack.enter_context(tempfile.TemporaryDirectory()), "input.csv")
    with open(0 if path == "-" else path, "rb", closefd=path != "-") as source, open(copy, "wb") as target:
        shutil.copyfileobj(source, target)
    return str(copy)


def _detect_encoding(path: str) -> str:
    with open(path, "rb") as file:
        head = file.read(4)
    if head in (b"PK\x03\x04", b"\xd0\xcf\x11\xe0"):  # .xlsx, .xls
        raise InvalidArgumentError("this is an Excel workbook: save it as CSV")
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "utf-16"  # Excel's "Unicode text"
    with open(path, encoding="utf-8-sig") as text, suppress(UnicodeDecodeError):
        deque(text, maxlen=0)
        return "utf-8-sig"
    _notice("The file is not UTF-8: reading it as Windows-1252.")
    return "cp1252"


def _read_csv(path: str, encoding: str, delimiter: str, *, strict: bool = False) -> Iterator[tuple[int, list[str]]]:
    """Yield the line number and the cells of each row that is not blank."""
    end = 0
    with open(path, encoding=encoding, errors="replace", newline="") as file:
        reader = csv.reader(file, delimiter=delimiter, strict=strict)
        try:
            for cells in reader:
                line, end = end + 1, reader.line_num
                if any(map(str.strip, cells)):
                    yield line, cells
        except csv.Error as error:
            raise InvalidArgumentError(f"line {end + 1} is not valid CSV ({error}): correct its quotes") from None


def _read_report(path: str, header: list[str]) -> Iterator[tuple[int, list[str]]]:
    """Yield the rows of an earlier report. A spreadsheet may have saved it with another encoding or delimiter."""
    encoding = _detect_encoding(path)
    for rows in (_read_csv(path, encoding, delimiter) for delimiter in ",;\t"):
        if next(rows, (1, header))[1] == header:
            return rows
    raise InvalidArgumentError(f"{path} is not a report of this file: pass the right one, or a new one to start again")


def _normalize(name: str) -> str:
    return re.sub(r"[\s_-]+", "", name).casefold()


def _explain(error: Exception | str) -> str:
    """Return an error and its remedy."""
    remedy = next((REMEDIES[kind] for kind in type(error).__mro__ if kind in REMEDIES), "")
    return f"{error}: {remedy}" if remedy else str(error)


def _print(text: str, file: IO[str] | None = None) -> None:
    """Print one line, without characters that could control a terminal."""
    print("".join(one if one.isprintable() else " " for one in text).rstrip(), file=file or sys.stdout, flush=True)


def _notice(text: str) -> None:
    _print(text, sys.stderr)


def _print_table(*rows: Iterable[object]) -> None:
    texts = [["" if cell is None else str(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*texts, strict=True)]
    for row in texts:
        _print("  ".join(map(str.ljust, row, widths)))
