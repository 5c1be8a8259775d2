"""`make generate` and `make generate-check`, run for real on temporary copies of the repository."""

import copy
import os
import re
import shutil
import signal
import stat
import subprocess
import sys
import sysconfig
import time
import venv
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import generate
import spec
import trees
from document import DOCUMENT
from spec_places import operations

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = Path("generated/shipengine_tracking_generated")
NEVER = 99
TOOLS = Path(sysconfig.get_path("scripts"))
CLIENT, ENUM = PACKAGE / "client.py", PACKAGE / "models" / "known_error_source.py"

# Pieces of the spec, to break it at.
VERSION = "openapi: 3.1.1\n"
VALUE = "        - order_source\n"
STARTED = "    Started:\n"
PDF = "      content:\n        application/pdf+odd:\n          schema: {type: string}\n"

# `make generate` with a tree at hand instead of the generator, in a process that gets a signal at one step: 0 is when
# the fresh tree is there, 1 and 2 are before the renames of the swap, 3 and 4 before the leftovers are deleted.
SIGNALLED = """
import os, pathlib, shutil, sys

home, fresh, number, moment = pathlib.Path(sys.argv.pop(1)), sys.argv.pop(1), int(sys.argv.pop(1)), int(sys.argv.pop(1))
sys.path.insert(0, str(home / "scripts"))
import generate

def step(call, steps=iter(range(999))):
    def signalled(*arguments, **options):
        if next(steps) == moment:
            os.kill(os.getpid(), number)
        return call(*arguments, **options)
    return signalled

def generated(source, work, stop, lock):
    shutil.copytree(fresh, work / "generated")
    pathlib.Path.rename = step(pathlib.Path.rename)
    shutil.rmtree = step(shutil.rmtree)
    step(print)()
    return work / "generated"

generate.generate = generated
sys.exit(generate.main())
"""

# Passes for the pinned ruff, and then runs until it is set free.
SLOW_RUFF = """#!/bin/sh
if [ "$1" = --version ]; then echo '{pinned}'; exit; fi
touch {started}
until [ -e {free} ]; do sleep 0.05; done
"""


class House:
    """A copy of what generation needs, and a way to run it there."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.python = Path(sys.executable)
        self.spec = root / "spec" / "openapi.yaml"
        for part in ("scripts", "spec"):
            shutil.copytree(ROOT / part, root / part, ignore=shutil.ignore_patterns("__pycache__"))
        for part in ("pyproject.toml", ".gitignore"):
            shutil.copy(ROOT / part, root)

    def start(self, *arguments: str, cwd: Path | None = None, **environment: str) -> subprocess.Popen[str]:
        command: list[str | Path] = [self.python, self.root / "scripts" / "generate.py", *arguments]
        return popen(command, cwd or self.root, environment)

    def run(self, *arguments: str, cwd: Path | None = None, **environment: str) -> tuple[int, str]:
        return ended(self.start(*arguments, cwd=cwd, **environment))

    def edit_spec(self, old: str, new: str) -> None:
        self.spec.write_text(edited(self.spec.read_text(), old, new))


def edited(text: str, old: str, new: str) -> str:
    assert old in text
    return text.replace(old, new, 1)


def popen(command: list[str | Path], cwd: Path, environment: dict[str, str]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        command,
        cwd=cwd,
        env=os.environ | {"PYTHONDONTWRITEBYTECODE": "1"} | environment,
        text=True,
        encoding="utf-8",
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )


def ended(process: subprocess.Popen[str]) -> tuple[int, str]:
    with process:
        words, _ = process.communicate(timeout=110)
    return process.returncode, words


def seen(root: Path) -> dict[str, object]:
    """Everything below a directory, to the byte."""
    return {str(path.relative_to(root)): look(path) for path in root.rglob("*") if "__pycache__" not in path.parts}


def look(path: Path) -> object:
    status = path.lstat()
    if stat.S_ISDIR(status.st_mode):
        return "directory"
    return status.st_mode, path.readlink() if path.is_symlink() else path.read_bytes()


def signalled(house: House, fresh: Path, number: signal.Signals, moment: int) -> tuple[int, str]:
    command: list[str | Path] = [sys.executable, "-c", SIGNALLED, house.root, fresh, str(int(number)), str(moment)]
    return ended(popen(command, house.root, {}))


def wait_for(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def processes_of(root: Path) -> list[str]:
    listing = subprocess.run(["ps", "axww", "-o", "command="], capture_output=True, text=True, check=True).stdout
    return [line for line in listing.splitlines() if str(root) in line]


@pytest.fixture(scope="session")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tree that the spec of this checkout gives."""
    house = House(tmp_path_factory.mktemp("fresh"))
    code, words = house.run()
    assert code == 0, words
    return house.root / "generated"


@pytest.fixture
def house(tmp_path: Path, fresh: Path) -> House:
    """A house with its tree in order."""
    house = House(tmp_path / "house")
    shutil.copytree(fresh, house.root / "generated", symlinks=True)
    return house


@pytest.fixture
def own_tools(house: House) -> Iterator[Path]:
    """The bin of a virtual environment for this house alone, without ruff. Nothing of it may be running at the end."""
    venv.create(house.root.parent / "venv", symlinks=True)
    bin_ = house.root.parent / "venv" / "bin"
    house.python = bin_ / "python"
    library = subprocess.run(
        [house.python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"],
        capture_output=True, text=True, check=True,
    ).stdout.strip()  # fmt: skip
    # With what is installed there for each start of Python, such as coverage's.
    Path(library, "developed.pth").write_text(f"import site; site.addsitedir({sysconfig.get_path('purelib')!r})\n")
    yield bin_
    wait_for(lambda: not processes_of(house.root.parent))


def put_ruff(directory: Path, script: str) -> None:
    directory.mkdir(exist_ok=True)
    (directory / "ruff").write_text(script)
    (directory / "ruff").chmod(0o755)


@pytest.fixture
def slow_ruff(own_tools: Path) -> Iterator[Path]:
    """Such a ruff among these tools: the file that tells it has started, and the free one that ends it."""
    started, free = own_tools / "started", own_tools / "free"
    pinned = subprocess.run([TOOLS / "ruff", "--version"], capture_output=True, text=True, check=True).stdout.strip()
    put_ruff(own_tools, SLOW_RUFF.format(pinned=pinned, started=started, free=free))
    yield started
    free.touch()


@pytest.mark.slow
def test_the_committed_tree_is_what_the_spec_says(fresh: Path) -> None:
    assert seen(ROOT / "generated") == seen(fresh)
    assert (fresh.parent / PACKAGE / "py.typed").exists()


def test_generator_input_requires_members_that_only_the_server_sends() -> None:
    document = copy.deepcopy(DOCUMENT)
    schemas = document["components"]["schemas"]
    schemas["Carrier"] = {"properties": {"code": {"type": "string"}, "name": {"type": "string"}}, "required": ["code"]}
    body = {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Carrier"}}}}
    document["components"]["requestBodies"] = {"Carrier": body}
    start = document["paths"]["/v1/tracking/start"]["post"]
    start["requestBody"] = {"$ref": "#/components/requestBodies/Carrier"}
    # What a request sends is left as it is, even if the server sends it too.
    document["webhooks"]["tracking_update"]["post"]["requestBody"]["content"]["text/json"] = body
    before = copy.deepcopy(document)

    prepared = generate.generator_input(document)

    assert document == before
    assert {path: list(methods) for path, methods in prepared["paths"].items()} == {
        path: list(methods) for path, methods in document["paths"].items()
    }
    changed = {
        name: node["required"]
        for name, node in prepared["components"]["schemas"].items()
        if node.get("required") != schemas[name].get("required")
    }
    assert changed == {name: list(schemas[name]["properties"]) for name in changed}
    assert set(changed) == {
        "Error",
        "TrackingEvent",
        "TrackingInformation",
        "TrackingInformationEvent",
        "Webhook",
        "WebhookHeader",
    }


def test_attributes_of_models_that_the_server_sends_are_never_unset(fresh: Path) -> None:
    models = {path.stem: path.read_text() for path in (fresh.parent / PACKAGE / "models").glob("*.py")}
    # The overlay sends the first two, and does not read keys as models.
    may_be_unset = {"create_webhook_request", "update_webhook_request", "json_web_key"}
    assert any("None | str" in text for text in models.values())
    assert {name for name, text in models.items() if "Unset" in text or "UNSET" in text} == may_be_unset


def test_generated_functions_accept_a_client_without_authentication(fresh: Path) -> None:
    functions = [path for path in (fresh.parent / PACKAGE / "api").glob("*/*.py") if path.stem != "__init__"]
    assert {path.stem for path in functions} == {operation["operationId"] for operation in operations(DOCUMENT)}
    for path in functions:
        clients = re.findall(r"^    client: (.*),$", path.read_text(), flags=re.MULTILINE)
        assert set(clients) == {"AuthenticatedClient | Client"}, path


def test_nothing_is_left_in_build(fresh: Path) -> None:
    assert not (fresh.parent / "build").exists()


@pytest.mark.slow
def test_the_check_passes_on_a_hostile_machine(tmp_path: Path, house: House) -> None:
    home = tmp_path / "home"
    for folder in ("ruff", "git"):
        (home / ".config" / folder).mkdir(parents=True)
    strange = "line-length = 40\nindent-width = 2\n[format]\nquote-style = 'single'\n"
    for place in (tmp_path / "ruff.toml", house.root / "ruff.toml", home / ".config" / "ruff" / "ruff.toml"):
        place.write_text(strange)
    for place in (house.root / ".gitignore", house.root / ".ignore", home / ".config" / "git" / "ignore"):
        place.write_text("*.py\nmodels/\n")
    (house.root / ".git").mkdir()
    put_ruff(tmp_path / "bin", "#!/bin/sh\nfind . -name '*.py' -exec sh -c 'echo \"# mine\" >> $0' {} \\;\n")
    modules = tmp_path / "modules"
    modules.mkdir()
    (modules / "openapi_python_client.py").write_text("raise SystemExit('the wrong generator')")

    (house.root / PACKAGE / "__pycache__").mkdir()
    before = seen(house.root)

    code, words = house.run(
        "--check",
        cwd=tmp_path,
        PATH=f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}",
        PYTHONPATH=str(modules),
        PYTHONHASHSEED="4242",
        PYTHONUTF8="0",
        HOME=str(home),
        XDG_CONFIG_HOME=str(home / ".config"),
        RUFF_CONFIG=str(tmp_path / "ruff.toml"),
        RUFF_LINE_LENGTH="40",
        RUFF_OUTPUT_FORMAT="nonsense",
        LC_ALL="C",
        LANG="C",
        TZ="Pacific/Kiritimati",
        COLUMNS="20",
        FORCE_COLOR="1",
    )

    assert (code, words) == (0, "house/generated/ is what house/spec/openapi.yaml says\n")
    assert seen(house.root) == before


@pytest.mark.slow
def test_check_names_every_difference_and_changes_nothing(house: House) -> None:
    house.edit_spec(VALUE, VALUE + VALUE.replace("order_source", "moon"))
    package = house.root / PACKAGE
    with (package / "client.py").open("a") as client:
        client.write(" ")
    (package / "errors.py").unlink()
    (package / "extra.py").touch()
    (package / "api" / "empty").mkdir()
    (house.root / "generated" / "beside.py").touch()
    (package / "types.py").rename(house.root / "types.py")
    (package / "types.py").symlink_to(house.root / "types.py")
    (package / "py.typed").chmod(0o755)
    (package / "__pycache__").mkdir()
    (package / "__pycache__" / "client.pyc").touch()
    before = seen(house.root)

    code, words = house.run("--check")

    assert code == 1
    assert words.splitlines() == [
        "extra    generated/beside.py",
        f"extra    {PACKAGE}/api/empty",
        f"differs  {PACKAGE}/client.py",
        f"missing  {PACKAGE}/errors.py",
        f"extra    {PACKAGE}/extra.py",
        f"differs  {ENUM}",
        f"differs  {PACKAGE}/py.typed",
        f"differs  {PACKAGE}/types.py",
        "generated/ is not what spec/openapi.yaml says: run `make generate`",
    ]
    assert seen(house.root) == before


@pytest.mark.slow
def test_git_sees_what_the_spec_has_changed_and_nothing_else(house: House) -> None:
    def git(*arguments: str) -> str:
        identity = ["-c", "user.name=t", "-c", "user.email=t@example.com"]
        command = ["git", *identity, *arguments]
        return subprocess.run(command, cwd=house.root, capture_output=True, text=True, check=True).stdout

    git("init", "--quiet")
    git("add", ".")
    git("commit", "--quiet", "--message", "Before")
    house.edit_spec(VALUE, VALUE + VALUE.replace("order_source", "moon"))
    assert house.run()[0] == 0
    assert 'MOON = "moon"' in (house.root / ENUM).read_text()
    assert git("status", "--porcelain").split() == ["M", str(ENUM), "M", "spec/openapi.yaml"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"openapi: 3.1.1\ninfo: [\n", ":3: not valid YAML: while parsing a flow node"),
        (b"info: {}\ninfo: {}\n", ':2: not valid YAML: while constructing a mapping: found duplicate key "info"'),
        (b"responses:\n  204: {}\n", ":2: not valid YAML: this key is not a string"),
        (b"a: &a [*a]\n", ": not valid YAML: Circular reference"),
        (b"a: .nan\n", ": not valid YAML: Out of range float"),
        (b"info:\n  title: \xff\n", ":2: not UTF-8"),
        (b"- openapi\n", ":1: not OpenAPI: the document is a list"),
        (b"", ":1: not OpenAPI: the document is empty"),
        (None, ": No such file or directory"),
    ],
)
def test_what_is_not_a_document_is_refused_in_one_line(tmp_path: Path, content: bytes | None, message: str) -> None:
    path = tmp_path / "openapi.yaml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(spec.SpecError) as refused:
        spec.load(path)
    assert str(refused.value).startswith(f"{path}{message}")
    assert "\n" not in str(refused.value)


def test_a_document_is_read_as_yaml_1_2_without_dates(tmp_path: Path) -> None:
    path = tmp_path / "openapi.yaml"
    path.write_text("{country: NO, since: 2026-11-21, version: 1.10, calls: 200}")
    assert spec.load(path) == {"country": "NO", "since": "2026-11-21", "version": 1.1, "calls": 200}


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        (VERSION, "openapi: 3.0.3\n", '#/openapi: "3.0.3" does not match'),
        ("paths:\n", "paths: [1]\nx-paths:\n", '#/paths: [1] is not of type "object"'),
        ("maxLength: 25", "default: 5", "#/components/parameters/carrier_id/schema: 5 is not of type 'string'"),
        (
            "parameters/carrier_id'",
            "parameters/nobody'",
            "#/paths/~1v1~1tracking~1start/post/parameters/2/$ref: #/components/parameters/nobody is nowhere",
        ),
        (
            "'#/components/parameters/carrier_id'",
            "https://example.com/spec.yaml",
            "#/paths/~1v1~1tracking~1start/post/parameters/2/$ref: https://example.com/spec.yaml is nowhere",
        ),
    ],
    ids=["version", "paths", "default", "reference", "remote reference"],
)
def test_a_problem_comes_with_its_place(tmp_path: Path, old: str, new: str, problem: str) -> None:
    path = tmp_path / "openapi.yaml"
    path.write_text(edited(spec.SPEC.read_text(), old, new))
    found = spec.problems(spec.load(path))
    assert [text[: len(problem)] for text in found] == [problem]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (VERSION, "openapi: [\n", ":3: not valid YAML: while parsing a flow sequence"),
        (VERSION, "", ': #: "openapi" is a required property'),
        (VALUE, VALUE + VALUE, ': #/components/schemas/KnownErrorSource/enum/2: duplicate enum value "order_source"'),
        pytest.param(
            VALUE,
            VALUE + VALUE.upper(),
            ": the generator refuses it:\n  ValueError: Duplicate key ORDER_SOURCE in enum",
        ),
        pytest.param(
            STARTED,
            STARTED + PDF,
            ": the generator refuses it:\n  WARNING parsing POST /v1/tracking/start within tracking",
        ),
    ],
    ids=["not YAML", "not OpenAPI", "duplicate", "crash", "warning"],
)
@pytest.mark.slow
def test_a_bad_spec_leaves_everything_as_it_was(house: House, old: str, new: str, message: str) -> None:
    house.edit_spec(old, new)
    before = seen(house.root)

    code, words = house.run()

    assert (code, words[: len(message) + 17]) == (1, f"spec/openapi.yaml{message}")
    assert "Traceback" not in words
    assert "object at 0x" not in words
    assert seen(house.root) == before


@pytest.mark.slow
@pytest.mark.parametrize("script", [None, "#!/bin/sh\necho ruff 0.1.0\n"], ids=["missing", "another version"])
def test_the_pinned_ruff_or_none(house: House, own_tools: Path, script: str | None) -> None:
    if script:
        put_ruff(own_tools, script)
    before = seen(house.root)
    code, words = house.run()
    assert (code, words.split()[:2]) == (1, ["not", "the"] if script else ["ruff", "does"])
    assert seen(house.root) == before


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stopped_run_leaves_everything_as_it_was(house: House, slow_ruff: Path, number: signal.Signals) -> None:
    (house.root / CLIENT).write_text("# old\n")
    before = seen(house.root)
    process = house.start()
    wait_for(slow_ruff.exists)

    process.send_signal(number)
    code, words = ended(process)

    assert (code, words) == (128 + number, f"stopped by {number.name}, nothing is changed\n")
    assert seen(house.root) == before
    wait_for(lambda: not processes_of(slow_ruff.parent))


@pytest.mark.slow
def test_a_run_waits_for_the_one_before_it(house: House, slow_ruff: Path) -> None:
    words = house.root / "build" / "generate" / "words"  # a run deletes the last one's before anything else
    first = house.start()
    wait_for(slow_ruff.exists)
    second = house.start()
    time.sleep(0.6)
    assert words.exists()

    # The killed run's generator still writes into build/, so the second must not begin before it is gone.
    first.kill()
    ended(first)
    time.sleep(0.3)
    assert words.exists()

    second.terminate()
    assert ended(second)[0] == 128 + signal.SIGTERM


@pytest.mark.slow
def test_a_killed_run_leaves_the_old_tree_and_the_next_one_clears_up(house: House, fresh: Path) -> None:
    (house.root / CLIENT).write_text("# old\n")
    old = seen(house.root / "generated")
    for moment in (0.5, 1.3):
        process = house.start()
        time.sleep(moment)
        process.kill()
        ended(process)
        assert seen(house.root / "generated") in (old, seen(fresh))

    code, words = house.run()

    assert code == 0, words
    assert seen(house.root / "generated") == seen(fresh)
    assert not (house.root / "build").exists()


@pytest.mark.parametrize(
    ("moment", "is_left"),
    [(1, "old"), (2, "nothing"), (3, "new"), (4, "new")],
    ids=["before the swap", "between its renames", "before the old tree is deleted", "before build/ is"],
)
def test_a_run_killed_in_the_swap_is_mended_by_the_next(house: House, fresh: Path, moment: int, is_left: str) -> None:
    (house.root / CLIENT).write_text("# old\n")
    trees = {"old": seen(house.root / "generated"), "new": seen(fresh), "nothing": {}}

    assert signalled(house, fresh, signal.SIGKILL, moment)[0] == -signal.SIGKILL
    assert seen(house.root / "generated") == trees[is_left]
    assert (house.root / "build").exists()

    # Even a run that fails puts back what the killed one took away; a check touches nothing.
    house.spec.write_text("openapi: [")
    assert house.run("--check")[0] == 1
    assert seen(house.root / "generated") == trees[is_left]
    assert house.run()[0] == 1
    assert seen(house.root / "generated") == trees["new" if is_left == "new" else "old"]
    assert not (house.root / "build").exists()


@pytest.mark.parametrize("moment", [2, 3])
def test_what_a_killed_run_left_is_not_in_the_way_of_the_next(house: House, fresh: Path, moment: int) -> None:
    (house.root / CLIENT).write_text("# old\n")
    signalled(house, fresh, signal.SIGKILL, moment)
    (house.root / "generated").mkdir(exist_ok=True)
    (house.root / "generated" / "extra.py").touch()

    code, words = signalled(house, fresh, signal.SIGKILL, NEVER)

    assert code == 0, words
    assert seen(house.root / "generated") == seen(fresh)
    assert not (house.root / "build").exists()


@pytest.mark.parametrize(("moment", "code"), [(0, 128 + signal.SIGTERM), (1, 0), (2, 0), (3, 0)])
def test_a_run_stopped_at_its_end_fails_with_the_old_tree_or_succeeds(
    house: House, fresh: Path, moment: int, code: int
) -> None:
    (house.root / CLIENT).write_text("# old\n")
    left = seen(house.root / "generated") if code else seen(fresh)
    assert signalled(house, fresh, signal.SIGTERM, moment)[0] == code
    assert seen(house.root / "generated") == left
    assert not (house.root / "build").exists()


def test_what_is_in_the_way_is_deleted_or_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file, link, folder = tmp_path / "file", tmp_path / "link", tmp_path / "folder"
    file.touch()
    link.symlink_to(file)
    folder.mkdir()
    for path in (link, file):
        trees.remove(path)
    assert list(tmp_path.iterdir()) == [folder]
    monkeypatch.setattr("trees.shutil.rmtree", lambda *_, **__: None)
    monkeypatch.setattr("trees.time.sleep", lambda _: None)
    with pytest.raises(OSError, match=r"folder cannot be deleted$"):
        trees.remove(folder)
