"""Which package and which room may import which, how full a folder may be, and that a name means one thing."""

import ast
import pkgutil
import re
import shutil
import subprocess
import sys
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from importlib import import_module
from pathlib import Path

import grimp
import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("ted_core", "ted_jobs", "service", "worker", "ted_client", "ted_cli")
FOLDERS = (*PACKAGES, "benchmarks", "tests", "examples")
MOST_MODULES = 16
PERSONAL = re.compile(r"(?<![\w.-])/(?:home|root|Users)/\w")


def modules(*packages: str) -> list[str]:
    found = []
    for package in packages:
        folder = import_module(package).__path__
        found += [package, *(module.name for module in pkgutil.walk_packages(folder, f"{package}."))]
    return [name for name in found if not name.endswith("__main__") and ".versions" not in name and ".env" not in name]


def loaded_by(names: list[str]) -> set[str]:
    """What a fresh interpreter has loaded after importing these."""
    code = f"import sys\nfor name in {names!r}: __import__(name)\nprint(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_no_import_crosses_a_layer_the_wrong_way() -> None:
    linter = Path(sys.executable).parent / "lint-imports"

    checked = subprocess.run([linter], cwd=ROOT, capture_output=True, text=True, check=False)

    assert checked.returncode == 0, checked.stdout


@pytest.mark.parametrize("package", ["service", "ted_jobs", "ted_client", "ted_cli"])
def test_packages_that_serve_and_store_never_load_torch(package: str) -> None:
    assert "torch" not in loaded_by(modules(package))


@pytest.mark.parametrize("module", ["worker.app", "worker.supervisor", "worker.sweeper"])
def test_the_worker_outside_its_runner_never_loads_torch(module: str) -> None:
    assert "torch" not in loaded_by([module])


def test_the_science_loads_no_web_framework_queue_or_database() -> None:
    loaded = loaded_by(modules("ted_core"))

    assert "torch" in loaded
    assert not loaded & {"fastapi", "celery", "sqlalchemy", "redis"}


def test_a_folder_has_at_most_sixteen_modules() -> None:
    folders = {path.parent for folder in FOLDERS for path in (ROOT / folder).rglob("*.py")}

    counts = {str(folder.relative_to(ROOT)): len(modules_in(folder)) for folder in folders}

    assert counts
    assert {folder: count for folder, count in counts.items() if count > MOST_MODULES} == {}


def modules_in(folder: Path) -> list[str]:
    """Its own modules; what only marks a package, runs it or serves its tests does not count."""
    return [path.name for path in folder.glob("*.py") if path.stem not in ("__init__", "__main__", "conftest")]


@pytest.fixture(scope="module")
def imports() -> grimp.ImportGraph:
    """Every import of one of our modules by another, those inside functions too."""
    return grimp.build_graph(*PACKAGES, exclude_type_checking_imports=False)


def test_no_modules_import_each_other_in_a_circle(imports: grimp.ImportGraph) -> None:
    graph = {module: imports.find_modules_directly_imported_by(module) for module in imports.modules}

    assert circle_in(graph) is None


def test_no_rooms_of_a_package_import_each_other_in_a_circle(imports: grimp.ImportGraph) -> None:
    packages = [module for module in imports.modules if imports.find_children(module)]

    circles = {package: circle_in(rooms_of(package, imports)) for package in packages}

    assert {*PACKAGES} <= circles.keys()
    assert {package: circle for package, circle in circles.items() if circle} == {}


def rooms_of(package: str, imports: grimp.ImportGraph) -> dict[str, set[str]]:
    """The package's modules and folders, and which of them each imports; ``python -m`` stands above all of them."""
    rooms = {
        module: room
        for room in imports.find_children(package)
        for module in {room} | imports.find_descendants(room)
        if not module.endswith("__main__")
    }
    graph: dict[str, set[str]] = {room: set() for room in rooms.values()}
    for module, room in rooms.items():
        imported = {rooms.get(name, room) for name in imports.find_modules_directly_imported_by(module)}
        graph[room] |= imported - {room}
    return graph


def circle_in(graph: Mapping[str, Collection[str]]) -> list[str] | None:
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        circle: list[str] = error.args[1]
        return circle
    return None


SHARED_TYPES = {
    "Delivery": "of a webhook: as stored, and as JSON",
    "Event": "of a job: as stored, and as JSON",
    "Job": "as stored, as JSON, and as the client's user holds it",
    "JobError": "why a job failed: as stored, and as JSON",
    "JsonObject": "a JSON object, wherever one is read",
    "Webhook": "as stored, and as JSON",
    "RowIndices": "the same array type",
    "PerSample": "the same array type",
    "OpenApiObject": "a part of the OpenAPI document",
}
"""Names that several modules use for one thing."""


def test_a_type_s_name_means_one_thing() -> None:
    places = defaultdict(set)
    for package in PACKAGES:
        for path in (ROOT / package).rglob("*.py"):
            for name in types_in(ast.parse(path.read_text())):
                places[name].add(str(path.relative_to(ROOT)))

    repeated = {name: sorted(paths) for name, paths in places.items() if len(paths) > 1 and not name.startswith("_")}

    assert places["ResolvedProxy"]
    assert {name: paths for name, paths in repeated.items() if name not in SHARED_TYPES} == {}


def types_in(module: ast.Module) -> Iterator[str]:
    """The names of its classes and type aliases."""
    for statement in module.body:
        if isinstance(statement, ast.ClassDef):
            yield statement.name
        targets = statement.targets if isinstance(statement, ast.Assign) else []
        if isinstance(statement, ast.AnnAssign) and ast.unparse(statement.annotation) == "TypeAlias":
            targets = [statement.target]
        yield from (
            target.id for target in targets if isinstance(target, ast.Name) and re.match(r"[A-Z]\w*[a-z]", target.id)
        )


def committed() -> list[Path]:
    git = shutil.which("git") or pytest.skip("git is not installed")
    # Whoever owns the checkout (in a container often somebody else): only names are read.
    command = [git, "-c", "safe.directory=*", "ls-files", "-z"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode:
        pytest.skip("not a git checkout")
    return [path for path in (ROOT / name for name in listed.stdout.split("\0") if name) if path.is_file()]


def test_no_file_names_somebodys_machine() -> None:
    here = re.compile(rf"{PERSONAL.pattern}|(?<![\w.-]){re.escape(str(ROOT))}\b")

    named = [str(path) for path in committed() if here.search(path.read_text(errors="replace"))]

    assert here.search(f"cd {ROOT}")
    assert named == []


def test_every_relative_link_in_the_documents_leads_somewhere() -> None:
    documents = [path for path in committed() if path.suffix == ".md"]

    links = [(path, link) for path in documents for link in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", path.read_text())]

    assert links
    assert [(path.name, link) for path, link in links if not (path.parent / link).exists()] == []


def test_no_folder_waits_for_its_first_file() -> None:
    files = committed()

    folders = {folder for path in files for folder in path.parents if folder.is_relative_to(ROOT)}
    filled = {folder for path in files if path.stat().st_size for folder in path.parents}

    assert ROOT / "ted_core" / "datasets" in filled
    assert folders <= filled
