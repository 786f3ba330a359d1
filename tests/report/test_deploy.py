"""What was measured is what is made ready."""

import configparser
import shlex
import shutil
import subprocess
from pathlib import Path
from typing import Any

import msgspec
import pytest

from servelab import catalogue
from servelab.errors import UsageError
from servelab.model.address import Address
from servelab.model.deployment import Interface
from servelab.model.launch import LaunchCommand
from servelab.model.limits import Limits
from servelab.model.ready import EnvironmentFile, Place, Ready
from servelab.model.service import Service
from servelab.report import deploy, procfile, systemd
from tests.report import units
from tests.report.own_runs import SERVICE, deployment, environment_in, trial_of

GTHREAD = "gunicorn-gthread:processes=2,threads=8"


def ready(
    text: str = GTHREAD,
    *,
    service: Service = SERVICE,
    place: Place | None = None,
    **different: Any,
) -> Ready:
    of = deployment(text, service=service)
    trial = trial_of(of, service=service, **different)
    return deploy.ready(of, service=service, trial=trial, place=place)


def file(made: Ready, name: str) -> str:
    (text,) = (each.text for each in made.files if each.name == name)
    return text


def unit_of(made: Ready) -> configparser.ConfigParser:
    parser = configparser.ConfigParser(strict=False, interpolation=None)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read_string(file(made, "shop-site-app.service"))
    return parser


def test_the_command_is_the_measured_one_but_for_the_address() -> None:
    made = ready()
    measured = trial_of(deployment(GTHREAD)).command
    assert made.command == measured.replace("127.0.0.1:3000", "127.0.0.1:8000")
    assert made.differences[0] == "It listens on 127.0.0.1:8000; measured: 127.0.0.1:3000."
    assert not any("otherwise" in each for each in made.differences)


def test_where_the_address_is_the_same_nothing_is_said_of_it() -> None:
    made = ready(place=Place(address=Address("127.0.0.1", 3000)))
    assert made.command == trial_of(deployment(GTHREAD)).command
    assert not any("measured:" in each for each in made.differences)


def test_another_address_is_everywhere_and_a_wide_one_is_warned_of() -> None:
    made = ready(place=Place(address=Address("192.0.2.1", 8080)))
    assert "--bind 192.0.2.1:8080" in made.command
    assert 'bind = "192.0.2.1:8080"' in file(made, "gunicorn.conf.py")
    assert any("without a proxy" in note for note in made.notes)
    assert not any("without a proxy" in note for note in ready().notes)


def test_a_command_that_would_not_be_the_measured_one_today_is_told() -> None:
    made = ready(command="gunicorn --workers 17 --bind 127.0.0.1:3000 shop.site:app")
    (told,) = (each for each in made.differences if "otherwise" in each)
    assert "gunicorn --workers 17 --bind 127.0.0.1:3000 shop.site:app" in told


def test_the_longest_drain_is_reckoned_as_a_trial_does() -> None:
    # Of the trial's 60 s, twice, and one more.
    assert trial_of(deployment(GTHREAD)).timeout_s == 60
    assert " --timeout 121 " in ready().command
    assert "\ntimeout = 121\n" in file(ready(), "gunicorn.conf.py")


def test_a_time_out_that_is_not_gunicorns_own_is_explained_in_its_file_and_beside_it() -> None:
    made = ready()
    (note,) = (each for each in made.notes if "timeout = 121" in each)
    assert note.startswith("gunicorn.conf.py: timeout = 121: a worker that hangs is killed only")
    assert f"# {note.removeprefix('gunicorn.conf.py: ')}\n" in file(made, "gunicorn.conf.py")
    usual = file(ready(timeout_s=10.0), "gunicorn.conf.py")
    assert "\ntimeout = 30\n" in usual
    assert "killed" not in usual


def test_a_file_of_the_users_that_was_not_read_is_spoken_of() -> None:
    made = ready()
    assert any("without any gunicorn.conf.py of yours, and without" in each for each in made.notes)
    assert "\n# It was measured without any gunicorn.conf.py of" in "\n" + file(
        made, "gunicorn.conf.py"
    )


def test_the_configuration_holds_the_settings_and_the_unit_starts_the_server_with_it() -> None:
    made = ready()
    assert "workers = 2\nthreads = 8\n" in file(made, "gunicorn.conf.py")
    service = unit_of(made)["Service"]
    assert service["ExecStart"] == "/srv/shop/.venv/bin/gunicorn --config gunicorn.conf.py"
    assert "The unit has the same settings from gunicorn.conf.py." in made.differences


def test_a_configuration_in_another_folder_is_named_with_its_path() -> None:
    service = unit_of(ready(place=Place(folder="/etc/shop")))["Service"]
    assert service["ExecStart"].endswith("--config /etc/shop/gunicorn.conf.py")
    assert service["WorkingDirectory"] == "/srv/shop"


def test_the_unit_says_how_it_is_started_stopped_and_restarted() -> None:
    parser = unit_of(ready())
    assert parser.sections() == ["Unit", "Service", "Install"]
    service = dict(parser["Service"])
    assert service["Type"] == "exec"
    assert service["WorkingDirectory"] == "/srv/shop"
    assert service["KillMode"] == "mixed"
    assert float(service["TimeoutStopSec"]) > 30  # gunicorn's own graceful time-out
    assert service["Restart"] == "on-failure"
    assert "User" not in service
    assert "EnvironmentFile" not in service
    assert parser["Install"]["WantedBy"] == "multi-user.target"


def test_the_users_environment_is_active_in_the_unit() -> None:
    text = file(ready(), "shop-site-app.service")
    variables = dict(
        word.partition("=")[::2]
        for value in units.settings(text, "Environment")
        for word in units.words(value)
    )
    assert variables["PATH"].split(":")[0] == "/srv/shop/.venv/bin"
    assert variables["VIRTUAL_ENV"] == "/srv/shop/.venv"


def test_what_servers_inherited_is_in_the_unit_and_what_its_path_lacks_is_told() -> None:
    inherited = (
        ("PATH", "/srv/shop/.venv/bin:/opt/a tool/bin:/usr/bin::/opt/a tool/bin"),
        ("LANG", "de_DE.UTF-8"),
        ("TZ", "Europe/Berlin"),
        ("LD_LIBRARY_PATH", "/opt/lib 1"),
    )
    made = ready(place=Place(inherited=inherited))
    path = "/srv/shop/.venv/bin:/usr/local/bin:/usr/bin:/bin"
    assert variables_of(made) == {
        **dict(inherited),
        "PATH": path,
        "VIRTUAL_ENV": "/srv/shop/.venv",
    }
    assert "PATH in the unit has no /opt/a tool/bin, as it had when measured." in made.differences
    alike = ready(place=Place(inherited=(("PATH", path),)))
    assert not any("PATH" in each for each in alike.differences)


def test_without_an_environment_one_beside_the_project_is_to_be_made() -> None:
    bare = msgspec.structs.replace(SERVICE, environment=None)
    made = ready(service=bare)
    assert "/srv/shop/.venv/bin/gunicorn" in file(made, "shop-site-app.service")
    assert "Make the environment first: python3 -m venv /srv/shop/.venv." in made.notes


def test_secrets_stand_in_no_file_and_are_asked_for_by_name() -> None:
    variables = (
        ("MODE", "production"),
        ("API_KEY", "s3cret"),
        ("DATABASE_URL", "postgres://me:s3cret@db/shop"),
        ("HIDDEN_ALREADY", "***"),
    )
    made = ready(service=msgspec.structs.replace(SERVICE, variables=variables))
    everything = "\n".join([msgspec.json.encode(made).decode(), *(f.text for f in made.files)])
    assert "s3cret" not in everything
    assert "production" not in everything
    text = file(made, "shop-site-app.service")
    assert (
        "# To be made, with NAME=value of MODE, API_KEY, DATABASE_URL, HIDDEN_ALREADY:\n"
        "EnvironmentFile=/srv/shop/.env\n"
    ) in text
    assert any("MODE, API_KEY, DATABASE_URL, HIDDEN_ALREADY" in note for note in made.notes)


@pytest.mark.parametrize("name", ["DB_PWD", "PGPASS", "SALT", "DATABASE_DSN", "PYTHONPATH"])
@pytest.mark.parametrize("server", [GTHREAD, "cheroot", "devserver"])
def test_no_value_of_a_variable_stands_in_a_file_whatever_its_name(name: str, server: str) -> None:
    service = msgspec.structs.replace(
        FACTORY, variables=((name, "host=a password=hunter2"), ("b", "hunter2"))
    )
    made = ready(server, service=service)
    assert "hunter2" not in repr(made)
    assert f"# To be made, with NAME=value of {name}, b:\n" in file(made, "shop-site-app.service")


def test_what_the_environment_file_sets_is_left_to_it() -> None:
    service = msgspec.structs.replace(SERVICE, variables=(("MODE", "a"), ("API_KEY", "b")))
    found = EnvironmentFile(path="/srv/shop/local.env", variables=service.variables)
    made = ready(service=service, place=Place(environment_file=found))
    text = file(made, "shop-site-app.service")
    assert "EnvironmentFile=/srv/shop/local.env\n" in text
    assert "MODE" not in text
    assert "API_KEY" not in text
    assert not any("No file has" in note for note in made.notes)
    assert any("reads /srv/shop/local.env as lines of NAME=value" in note for note in made.notes)


def test_what_systemd_would_read_otherwise_comes_from_a_file_that_wins() -> None:
    service = msgspec.structs.replace(
        SERVICE, variables=(("MODE", "a"), ("FINE", "1"), ("PORT", "80"), ("NEW", "b"))
    )
    read = (("MODE", "a"), ("FINE", ""), ("PORT", "80 # web"), ("MORE", "c"))
    found = EnvironmentFile(path="/srv/shop/.env", variables=read)
    made = ready(service=service, place=Place(environment_file=found))
    text = file(made, "shop-site-app.service")
    assert (
        "EnvironmentFile=/srv/shop/.env\n"
        "# To be made, with NAME=value of FINE, PORT, NEW:\n"
        "EnvironmentFile=/srv/shop/shop-site-app.env\n"
    ) in text
    assert (
        "systemd would not read FINE, PORT in the project's .env as it was measured." in made.notes
    )
    assert any(
        each.startswith("No file has the value of FINE, PORT, NEW: the unit reads it from")
        for each in made.notes
    )


def test_a_file_with_nothing_as_it_was_measured_is_not_read() -> None:
    service = msgspec.structs.replace(SERVICE, variables=(("MODE", "a"),))
    found = EnvironmentFile(path="/srv/shop/.env", variables=(("MODE", "b"), ("X", "1")))
    text = file(
        ready(service=service, place=Place(environment_file=found)), "shop-site-app.service"
    )
    assert units.settings(text, "EnvironmentFile") == ["/srv/shop/shop-site-app.env"]


def test_a_variable_that_systemd_cannot_set_is_named() -> None:
    service = msgspec.structs.replace(SERVICE, variables=(("a.b", "1"), ("c-d", "2"), ("E", "3")))
    made = ready(service=service)
    assert "with NAME=value of E:\n" in file(made, "shop-site-app.service")
    assert any("no variable called a.b, c-d; call it otherwise" in each for each in made.notes)


def test_a_path_with_signs_of_a_pattern_is_taken_as_it_is() -> None:
    service = msgspec.structs.replace(SERVICE, variables=(("E", "3"),), directory="/srv/[a]*?\\b%")
    text = file(ready(service=service), "shop-site-app.service")
    assert units.settings(text, "EnvironmentFile") == ["/srv/\\[a]\\*\\?\\\\b%%/.env"]
    assert units.settings(text, "WorkingDirectory") == ["/srv/[a]*?\\b%%"]


def test_limits_under_which_it_was_measured_are_kept() -> None:
    made = ready(limits=Limits(cpus=1.5, memory_bytes=1 << 30))
    service = unit_of(made)["Service"]
    assert service["CPUQuota"] == "150%"
    assert service["MemoryMax"] == str(1 << 30)
    assert any("1.5 cores, 1024 MiB" in note for note in made.notes)


def test_a_server_that_loses_calls_on_sigterm_is_told_of_in_the_unit_and_beside_it() -> None:
    made = ready("uwsgi-threads:processes=2,threads=8")
    assert any("gracefully_kill_them_all" in note for note in made.notes)
    assert "# With die-on-term" in file(made, "shop-site-app.service")


def test_a_development_server_is_labelled() -> None:
    assert any("for development" in note for note in ready("devserver").notes)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (
            GTHREAD,
            (
                "web: gunicorn --config /dev/null --worker-class gthread --workers 2 --threads 8 "
                "--bind 0.0.0.0:$PORT --timeout 121 --no-control-socket shop.site:app\n"
            ),
        ),
        (
            "devserver",
            (
                "web: FLASK_APP=shop.site:app flask run --no-reload --with-threads --host 0.0.0.0 "
                "--port $PORT\n"
            ),
        ),
        ("gevent_pywsgi", "web: python serve_pywsgi.py --bind 0.0.0.0:$PORT shop.site:app\n"),
    ],
)
def test_the_procfile_takes_the_port_of_the_platform(text: str, line: str) -> None:
    assert file(ready(text), "Procfile") == line


def test_a_script_of_its_own_is_typed_instead_of_ours() -> None:
    made = ready("gevent_pywsgi")
    assert made.command == "python serve_pywsgi.py --bind 127.0.0.1:8000 shop.site:app"
    assert "def main()" in file(made, "serve_pywsgi.py")


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (GTHREAD, "pip install gunicorn==27.0.1"),
        ("gunicorn-gevent", "pip install 'gunicorn[gevent]==27.0.1' gevent==26.9.0"),
        ("uwsgi-threads", "pip install pyuwsgi==2.0.30.post1"),
        ("uwsgi-gevent", "pip install pyuwsgi==2.0.30.post1 gevent==26.9.0"),
    ],
)
def test_what_to_install_is_what_was_measured_and_no_more(text: str, line: str) -> None:
    assert ready(text).install == line


def test_without_pip_in_the_environment_uv_installs_into_it() -> None:
    environment = msgspec.structs.replace(environment_in("/srv/my shop/.venv"), packages=())
    service = msgspec.structs.replace(SERVICE, environment=environment)
    assert ready(service=service).install == (
        "uv pip install --python '/srv/my shop/.venv/bin/python' gunicorn==27.0.1"
    )
    # The environment that is to be made for another interpreter has one.
    other = ready(service=service, interpreter="3.13.1")
    assert other.install == "pip install gunicorn==27.0.1"


@pytest.mark.parametrize(
    ("text", "forks"),
    [
        ("gunicorn-sync:processes=2,preload=on", True),
        ("gunicorn-sync:processes=2", False),
        ("uwsgi-threads:processes=2,threads=8", True),
        ("uwsgi-threads:processes=2,threads=8,lazy_apps=on", False),
        ("waitress", False),
    ],
)
def test_what_an_import_before_the_fork_loses_is_told_in_the_unit_and_beside_it(
    text: str, *, forks: bool
) -> None:
    (of,) = catalogue.own_deployments_named((text,), service=SERVICE, cpu_count=2)
    made = deploy.ready(of, service=SERVICE, trial=trial_of(of))
    assert any("forks its processes then" in each for each in made.notes) == forks
    unit = file(made, "shop-site-app.service")
    assert ("imports the application once here" in unit) == forks


def test_an_asgi_application_needs_other_things() -> None:
    service = msgspec.structs.replace(SERVICE, interface=Interface.ASGI, framework="")
    packages = {"gunicorn": "27.0.1", "Uvicorn_Worker": "0.4.0", "uvicorn": "0.54.0"}
    made = ready("gunicorn-uvicorn", service=service, packages=packages)
    assert made.install == (
        "pip install gunicorn==27.0.1 uvicorn-worker==0.4.0 'uvicorn[standard]==0.54.0'"
    )


FACTORY = msgspec.structs.replace(
    SERVICE, application="shop.site:make", is_factory=True, arguments="'it'", further=".app()"
)


def variables_of(made: Ready) -> dict[str, str]:
    text = file(made, "shop-site-app.service")
    values = units.settings(text, "Environment")
    return dict(word.partition("=")[::2] for value in values for word in units.words(value))


def test_a_module_that_names_the_application_lies_beside_the_other_files() -> None:
    made = ready("cheroot", service=FACTORY, place=Place(folder="/etc/shop"))
    assert "application = make('it').app()\n" in file(made, "servelab_application.py")
    assert variables_of(made)["PYTHONPATH"] == "/etc/shop"
    assert made.command.startswith("PYTHONPATH=/etc/shop python -m cheroot ")
    assert made.command.endswith(" servelab_application:application")
    assert file(made, "Procfile").startswith("web: PYTHONPATH=. python -m cheroot ")
    assert any(each.startswith("servelab_application.py names the") for each in made.notes)


def test_without_a_folder_of_its_own_the_module_lies_in_the_projects() -> None:
    made = ready("gunicorn-sync", service=FACTORY)
    assert variables_of(made)["PYTHONPATH"] == "/srv/shop"
    assert 'wsgi_app = "servelab_application:application"\n' in file(made, "gunicorn.conf.py")


def test_a_server_that_can_be_told_has_no_module() -> None:
    service = msgspec.structs.replace(FACTORY, further="")
    made = ready("gunicorn-sync", service=service)
    assert {each.name for each in made.files} == {
        *("gunicorn.conf.py", "shop-site-app.service", "Procfile"),
    }
    assert "PYTHONPATH" not in file(made, "shop-site-app.service")


def test_the_modules_folder_comes_after_the_path_that_the_application_has() -> None:
    service = msgspec.structs.replace(FACTORY, variables=(("PYTHONPATH", "src"), ("MODE", "x")))
    made = ready("cheroot", service=service, place=Place(folder="/etc/shop"))
    assert "PYTHONPATH" not in variables_of(made)
    (command,) = units.settings(file(made, "shop-site-app.service"), "ExecStart")
    assert units.words(command, is_command=True)[:3] == [
        *("/usr/bin/env", "PYTHONPATH=${PYTHONPATH}:/etc/shop", "/srv/shop/.venv/bin/python"),
    ]
    assert "web: PYTHONPATH=$PYTHONPATH:. python " in file(made, "Procfile")


def test_a_path_in_the_environment_file_which_would_win_over_the_unit_is_set_after_it() -> None:
    service = msgspec.structs.replace(FACTORY, variables=(("PYTHONPATH", "a $b"),))
    found = EnvironmentFile(path="/srv/shop/.env", variables=service.variables)
    place = Place(folder="/etc/$shop", environment_file=found)
    made = ready("cheroot", service=service, place=place)
    assert "PYTHONPATH" not in variables_of(made)
    (command,) = units.settings(file(made, "shop-site-app.service"), "ExecStart")
    assert units.words(command, is_command=True)[:3] == [
        *("/usr/bin/env", "PYTHONPATH=${PYTHONPATH}:/etc/$shop", "/srv/shop/.venv/bin/python"),
    ]


def test_what_was_measured_with_a_module_in_another_folder_is_still_the_same() -> None:
    made = ready("cheroot", service=FACTORY)
    assert made.differences[0].startswith("It listens on")
    assert not any("otherwise" in each for each in made.differences)
    measured = trial_of(deployment("cheroot", service=FACTORY), service=FACTORY).command
    other = ready("cheroot", service=FACTORY, command=measured.replace("--threads", "--th"))
    assert any("otherwise" in each for each in other.differences)


HOSTILE = ("100%", "$HOME", "a b", "it's", 'say "x"', "back\\slash", "tab\there", ";", "%%n", "é")


def test_the_procfile_survives_a_shell() -> None:
    one, two = (LaunchCommand(argv=("serve", f"--at=x y:{p}", *HOSTILE)) for p in procfile.PORTS)
    line = procfile.line(one, two)
    program = line.removeprefix("web: ").replace("serve ", "printf '%s\\n' ", 1)
    done = subprocess.run(
        ["/bin/sh", "-c", program],
        env={"PORT": "5000"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines() == ["--at=x y:5000", *HOSTILE]


def test_the_port_is_told_from_what_follows_it() -> None:
    one, two = (LaunchCommand(argv=("serve", f"{port}s")) for port in procfile.PORTS)
    assert procfile.line(one, two) == "web: serve ${PORT}s"


def test_a_procfile_refuses_a_line_break() -> None:
    command = LaunchCommand(argv=("serve", "a\nb"))
    with pytest.raises(UsageError, match="line break"):
        procfile.line(command, command)


def test_hostile_words_come_out_of_a_unit_as_they_went_in() -> None:
    text = systemd.unit(
        systemd.Unit(
            description="100% of $x\n[Install]",
            directory="/srv/my %project $1",
            program="/srv/my %project $1/bin/serve",
            arguments=HOSTILE,
            variables=tuple((f"V{n}", each) for n, each in enumerate(HOSTILE)),
            environment_files=(systemd.VariablesFile(path="/srv/my %project $1/.env"),),
            remarks=("one\n[Service]",),
            limits=None,
        )
    )
    parser = configparser.ConfigParser(strict=False, interpolation=None)
    parser.read_string(text)
    assert parser.sections() == ["Unit", "Service", "Install"]
    (command,) = units.settings(text, "ExecStart")
    assert units.words(command, is_command=True) == ["/srv/my %project $1/bin/serve", *HOSTILE]
    found = [units.words(value) for value in units.settings(text, "Environment")]
    assert found == [[f"V{n}={each}"] for n, each in enumerate(HOSTILE)]
    assert units.settings(text, "WorkingDirectory") == ["/srv/my %%project $1"]


@pytest.mark.parametrize("folder", ["/a\nb", "/a ", "/a\\"])
def test_a_folder_that_a_unit_cannot_name_is_refused(folder: str) -> None:
    with pytest.raises(UsageError, match="rename the folder"):
        ready(service=msgspec.structs.replace(SERVICE, directory=folder))


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed")
@pytest.mark.parametrize("text", [GTHREAD, "uwsgi-threads", "gevent_pywsgi", "devserver"])
def test_systemd_finds_nothing_wrong_with_a_unit(text: str, tmp_path: Path) -> None:
    project = tmp_path / "my %project $1"
    programs = project / ".venv" / "bin"
    programs.mkdir(parents=True)
    for name in ("gunicorn", "uwsgi", "python", "flask"):
        (programs / name).symlink_to("/bin/true")
    (project / ".env").write_text("API_KEY=x\n")
    service = msgspec.structs.replace(
        SERVICE,
        directory=str(project),
        environment=environment_in(str(project / ".venv")),
        variables=(("API_KEY", "x"), ("MODE", 'a "b" % $c')),
    )
    made = ready(text, service=service, limits=Limits(cpus=0.5, memory_bytes=1 << 28))
    unit = tmp_path / "shop-site-app.service"
    unit.write_text(file(made, unit.name))
    done = subprocess.run(
        ["systemd-analyze", "verify", str(unit)], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_every_server_of_a_search_can_be_made_ready() -> None:
    for interface, framework, further in (
        *((Interface.WSGI, "flask", ""), (Interface.ASGI, "", "")),
        *((Interface.WSGI, "flask", ".app()"), (Interface.ASGI, "", ".app()")),
    ):
        service = msgspec.structs.replace(
            SERVICE,
            interface=interface,
            framework=framework,
            is_factory=bool(further),
            further=further,
        )
        for of in catalogue.own_deployments(service, cpu_count=2):
            made = deploy.ready(of, service=service, trial=trial_of(of, service=service))
            assert file(made, "Procfile").count("$PORT") == 1, of.name
            assert not any("otherwise" in each for each in made.differences), of.name
            (command,) = units.settings(file(made, "shop-site-app.service"), "ExecStart")
            program = units.words(command, is_command=True)[0]
            assert program.startswith("/srv/shop/.venv/bin/")
            assert made.install.startswith("pip install "), of.name
            assert shlex.split(made.install)[2:], of.name
