"""Point 2: applications are loaded in the server's process alone, which sees little of ours."""

import ast
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import servelab
from servelab.launch.server import server_environment
from servelab.linux import procfs

PACKAGE = Path(servelab.__file__).parent
LEAKING = (
    *("AWS_SECRET_ACCESS_KEY", "GITHUB_TOKEN", "DATABASE_URL", "SSH_AUTH_SOCK", "PGPASSWORD"),
    *("PIP_INDEX_URL", "UV_INDEX_URL", "HTTP_PROXY", "https_proxy", "LD_PRELOAD"),
    *("PYTHONPATH", "PYTHONSTARTUP", "PYTHONHOME", "GUNICORN_CMD_ARGS", "UWSGI_HTTP"),
    *("UVICORN_HOST", "FLASK_RUN_HOST", "FLASK_DEBUG", "WEB_CONCURRENCY", "BASH_ENV"),
)
SIGNALLED_BY_NUMBER = {
    "linux/procfs.py": "after pid and start time were compared",
    "served/grpc_processes.py": "its own children, not waited for yet",
}
"""Where ``os.kill`` is called, and on whom."""

IMPORTING_BY_NAME = {
    "catalogue/discovery.py": "servers, of this package or registered by another",
    "load/answers.py": "the check that a plan of servelab's own names",
    "load/proto_file.py": "whether protobuf is there",
    "served/bare_application.py": "the application, in processes of its own environment",
    "served/ask_application.py": "the application, in a process of its own environment",
    "served/serve_pywsgi.py": "the application, in the server's process",
    "served/workloads/__init__.py": "workloads, of this package",
}
"""Where ``import_module`` is called, and for what: nowhere for a user's application in ours."""


def test_point_2_the_environment_of_a_server_is_an_allow_list() -> None:
    seen = server_environment(
        {**dict.fromkeys(LEAKING, "x"), "PATH": "/bin", "HOME": "/home/u", "NEWLY_INVENTED": "x"},
        programs=None,
        python_path=(),
        variables={"FLASK_APP": "app"},
    )
    assert seen == {"PATH": "/bin", "HOME": "/home/u", "FLASK_APP": "app"}


def test_point_2_modules_are_imported_by_name_in_known_places_only() -> None:
    importing = {
        str(path.relative_to(PACKAGE))
        for path in PACKAGE.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("import_module")
    }
    assert importing <= IMPORTING_BY_NAME.keys()


def test_point_2_planning_a_run_loads_no_application(tmp_path: Path) -> None:
    program = (
        "import sys\n"
        "from servelab.cli import main\n"
        "try:\n"
        "    main(['run', 'all', 'cpu', '--dry-run'])\n"
        "finally:\n"
        "    loaded = {'flask', 'fastapi', 'grpc', 'gevent', 'app'} & set(sys.modules)\n"
        "    print('LOADED', sorted(loaded))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith("LOADED []\n")


def test_point_2_signals_go_to_processes_never_to_names_or_groups() -> None:
    by_number = {}
    for path in PACKAGE.rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        assert "killpg" not in text, path
        assert "pkill" not in text, path
        assert "killall" not in text, path
        if "os.kill(" in text:
            by_number[str(path.relative_to(PACKAGE))] = text.count("os.kill(")
    assert by_number.keys() <= SIGNALLED_BY_NUMBER.keys()
    assert set(by_number.values()) == {1}


@pytest.mark.live
def test_point_2_a_number_that_another_process_has_by_now_gets_no_signal() -> None:
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]) as process:
        stat = procfs.read_stat(process.pid)
        assert stat is not None
        earlier = procfs.Identity(stat.pid, stat.start_ticks - 1)
        assert not procfs.send_signal(earlier, number=signal.SIGKILL)
        assert process.poll() is None
        assert procfs.send_signal(stat.identity, number=signal.SIGKILL)
        assert process.wait(timeout=30) == -signal.SIGKILL
