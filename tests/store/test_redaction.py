"""What is stored tells no credentials."""

import hashlib
import time

import msgspec
import pytest
from tests.store.examples import trial

from servelab.model.deployment import Interface
from servelab.model.launch import LaunchCommand
from servelab.model.load import Asked, Expectation, Request
from servelab.model.service import OwnCommand, Service
from servelab.model.trial import Warning  # noqa: A004 - the word of the reports
from servelab.store import redaction


@pytest.mark.parametrize(
    ("typed", "stored"),
    [
        ("http://127.0.0.1:8000/x", "http://127.0.0.1:8000/x"),
        ("http://me:secret@127.0.0.1/x", "http://***@127.0.0.1/x"),
        ("http://secret@127.0.0.1/x", "http://***@127.0.0.1/x"),
        ("http://a:b@c@127.0.0.1/x", "http://***@127.0.0.1/x"),
        ("http://127.0.0.1/a@b", "http://127.0.0.1/a@b"),
        ("pkg @ https://me:secret@index.example/p.whl", "pkg @ https://***@index.example/p.whl"),
        ("http://h/?api_key=1&n=2&Token=3#x", "http://h/?api_key=***&n=2&Token=***#x"),
        ("http://h/?monkey=", "http://h/?monkey="),
        ("Authorization: Bearer x y", "Authorization: ***"),
        ("-HAuthorization: Bearer x", "-HAuthorization: ***"),
        ("--header=Cookie: a=b", "--header=Cookie: ***"),
        ("x-api-key:1", "x-api-key: ***"),
        ("X-Auth-Token: a\nb", "X-Auth-Token: ***"),
        ("Accept: text/html", "Accept: text/html"),
        ("X-Custom: Bearer abcdef", "X-Custom: ***"),
        ("--expect-header=Set-Cookie: a=b", "--expect-header=Set-Cookie: ***"),
        ("http://h/#access_token=abc", "http://h/#access_token=***"),
        ("user=me&password=abc&n=1", "user=me&password=***&n=1"),
        ("token=abc", "token=***"),
        ("--api-key=abc", "--api-key=***"),
        ("--expect-json=token=abc", "--expect-json=token=***"),
        (
            '{"user": "me", "password": "a\\"b", "n": 1}',
            '{"user": "me", "password": "***", "n": 1}',
        ),
        ("tokenizers==0.2", "tokenizers==0.2"),
        ("\udcff", "\\udcff"),
        ("--requests", "--requests"),
        ("sync-uwsgi:processes=2,threads=50", "sync-uwsgi:processes=2,threads=50"),
    ],
)
def test_credentials_are_hidden_and_nothing_else(typed: str, stored: str) -> None:
    assert redaction.argument(typed) == stored


def test_the_word_after_an_option_for_secrets_is_hidden() -> None:
    typed = ["serve", "--token", "abc", "--authorised-host", "app.example", "--token=x", "y"]
    assert redaction.arguments(typed) == [
        *("serve", "--token", "***", "--authorised-host", "app.example", "--token=***", "y"),
    ]


def test_a_command_line_that_is_an_argument_keeps_all_but_its_secrets() -> None:
    line = "web=env API_TOKEN=hunter2 ./serve 'a b' --password hunter2 {port}"
    hidden = "web=env 'API_TOKEN=***' ./serve 'a b' --password '***' '{port}'"
    assert redaction.arguments(["try", "--command", line, f"--command={line}"]) == [
        "try",
        "--command",
        hidden,
        f"--command={hidden}",
    ]
    assert redaction.arguments(["--command", "node 'a b' {port}"])[1] == "node 'a b' {port}"


def test_a_command_keeps_all_but_its_secrets() -> None:
    command = LaunchCommand(
        argv=("serve", "auth:app", "--ssl-keyfile-password", "abc", "--keyfile", "server.key"),
        variables=(("FLASK_APP", "auth:app"), ("API_TOKEN", "abc"), ("DB", "pg://me:abc@h/x")),
    )
    assert str(redaction.command(command)) == (
        "FLASK_APP=auth:app API_TOKEN='***' DB='pg://***@h/x' "
        "serve auth:app --ssl-keyfile-password '***' --keyfile server.key"
    )


@pytest.mark.parametrize(
    ("written", "stored"),
    [
        ("KeyError: 'a'", "KeyError: 'a'"),
        ("no token: try again", "no token: try again"),
        ("what? the key is = 5", "what? the key is = 5"),
        ("Authorization: Bearer abcdef\nnext", "Authorization: ***\nnext"),
        ("sent 'Bearer abcdefgh'", "sent 'Bearer ***'"),
        ("cannot reach postgres://me:abc@db/x?a=1", "cannot reach postgres://***@db/x?a=1"),
        ("DB_PASSWORD=abc was refused", "DB_PASSWORD=*** was refused"),
        (
            "environ({'API_TOKEN': 'a b', 'TZ': 'UTC'})",
            "environ({'API_TOKEN': '***', 'TZ': 'UTC'})",
        ),
        ('{"user": "me", "password": "a\\"b"}', '{"user": "me", "password": "***"}'),
        ("{'Cookie': 'id=abc', 'Key': 'a'}", "{'Cookie': '***', 'Key': 'a'}"),
        ("{b'authorization': b'Custom abc'}", "{b'authorization': '***'}"),
        ("{'secret': 5, 'a': 6}", "{'secret': '***', 'a': 6}"),
    ],
)
def test_of_a_servers_words_only_credentials_are_hidden(written: str, stored: str) -> None:
    assert redaction.words(written) == stored


def test_all_words_of_a_trial_are_looked_through() -> None:
    secret = "https://me:hunter2@h/"  # noqa: S105 - an example
    seen = redaction.trial(
        trial(
            "one",
            command=f"serve {secret}",
            reason=secret,
            samples=[secret],
            departures=[secret],
            warnings=[Warning(kind="x", text=secret)],
        )
    )
    assert "hunter2" not in repr(seen)
    assert repr(seen).count("https://***@h/") == 5


@pytest.mark.parametrize(
    "piece",
    [
        "?token",
        "token=",
        "://",
        "://@",
        '"token":"',
        "Bearer ",
        "a.",
        "?",
        "cookie:",
        "\\",
        "'token':b'",
        "'token': ",
    ],
)
def test_hostile_text_takes_no_more_time_than_its_length(piece: str) -> None:
    text = piece * (200_000 // len(piece))
    began = time.process_time()
    redaction.words(text)
    redaction.argument(text)
    assert time.process_time() - began < 5


def test_no_value_of_a_users_variable_is_stored() -> None:
    given = {"DEBUG": "1", "DSN": "postgres://u:p@h/d"}
    assert redaction.own_variables(given) == (("DEBUG", "***"), ("DSN", "***"))


def test_secret_values_are_taken_out_of_any_text() -> None:
    variables = {
        "API_KEY": "abcdef",
        "MY_SECRET": "abcdef-and-more",
        "PIN_TOKEN": "12",
        "A": "said",
    }
    text = "it said abcdef-and-more, abcdef, 12"
    assert redaction.without_values(text, variables=variables) == "it said ***, ***, 12"


def test_values_of_env_var_are_hidden_in_a_command_line_whatever_they_are_called() -> None:
    typed = ["try", "web:app", "--env-var", "DEBUG=1", "--env-var=STAGE=a=b", "--env-var", "odd"]
    assert redaction.arguments(typed) == [
        *("try", "web:app", "--env-var", "DEBUG=***", "--env-var=STAGE=***", "--env-var", "***")
    ]


def service(request: Request, expectation: Expectation, **variables: str) -> Service:
    return Service(
        name="web:app",
        application="web:app",
        interface=Interface.WSGI,
        directory="/project",
        variables=tuple(variables.items()),
        asked=(Asked(request=request, expectation=expectation),),
    )


def test_an_application_is_stored_without_what_others_should_not_know() -> None:
    stored = redaction.service(
        service(
            Request(
                method="POST",
                path="/login?token=abc&page=1",
                headers=(("Accept", "text/html"), ("Cookie", "id=abc"), ("X", "Bearer abcdef")),
                body=b'{"user": "me", "password": "abc"}',
            ),
            Expectation(status=200, body=bytes(300_000)),
            DEBUG="1",
        )
    )
    request = stored.asked[0].request
    assert stored.variables == (("DEBUG", "***"),)
    assert request.path == "/login?token=***&page=1"
    assert request.headers == (("Accept", "text/html"), ("Cookie", "***"), ("X", "***"))
    assert request.body == b'{"user": "me", "password": "***"}'
    assert stored.asked[0].expectation == Expectation(status=200)
    assert stored.asked[0].body_sha256 == hashlib.sha256(bytes(300_000)).hexdigest()
    assert redaction.hidden_of(stored) == (
        "the variable DEBUG",
        "the header Cookie of POST /login?token=***&page=1",
        "the header X of POST /login?token=***&page=1",
        "the query of POST /login?token=***&page=1",
        "the body of POST /login?token=***&page=1",
        "the answer of POST /login?token=***&page=1",
    )


def test_of_many_bodies_those_are_stored_for_which_there_is_room() -> None:
    page = service(Request(path="/"), Expectation(status=200, body=bytes(200_000)))
    stored = redaction.service(msgspec.structs.replace(page, asked=page.asked * 65))
    kept = [each.expectation.body for each in stored.asked if each.body_sha256 is None]
    assert kept == [bytes(200_000)] * 20
    assert all(each.body_sha256 for each in stored.asked[20:])
    assert redaction.lost_of(stored) == ()
    sent = service(Request(path="/", method="POST", body=bytes(200_000)), Expectation())
    stored = redaction.service(msgspec.structs.replace(sent, asked=sent.asked * 65))
    assert redaction.lost_of(stored) == ("the body of POST /",)


def test_a_secret_header_with_another_value_elsewhere_cannot_be_put_back() -> None:
    requests = [Request(path=f"/{n}", headers=(("Authorization", f"Token {n}"),)) for n in (1, 2)]
    given = msgspec.structs.replace(
        service(requests[0], Expectation()), asked=tuple(Asked(request=each) for each in requests)
    )
    assert redaction.lost_of(redaction.service(given)) == (
        "the header Authorization of GET /1, which has another value elsewhere",
        "the header Authorization of GET /2, which has another value elsewhere",
    )
    alike = msgspec.structs.replace(given, asked=(given.asked[0], given.asked[0]))
    stored = redaction.service(alike)
    assert redaction.lost_of(stored) == ()
    assert stored.asked[0].request.headers == (("Authorization", "***"),)


def test_an_application_without_secrets_is_stored_as_it_is() -> None:
    given = service(
        Request(path="/a?b=c", headers=(("Accept", "x"),), body=b"user=me&page=1"),
        Expectation(status=200, body=b"ok"),
    )
    assert redaction.service(given) == given
    assert redaction.hidden_of(given) == ()


def test_a_command_of_the_users_lacks_its_secret_words() -> None:
    given = msgspec.structs.replace(
        service(Request(path="/"), Expectation()),
        commands=(
            OwnCommand(name="web", argv=("./serve", "--token", "hunter2", "--port={port}")),
            OwnCommand(name="other", argv=("./serve", "--port={port}")),
        ),
    )
    stored = redaction.service(given)
    assert stored.commands[0].argv == ("./serve", "--token", "***", "--port={port}")
    assert stored.commands[1] == given.commands[1]
    assert redaction.lost_of(stored) == ("a word of the command web",)


def test_a_form_loses_its_password_and_bytes_that_are_no_text_stay() -> None:
    form = service(Request(path="/", body=b"password=abc&user=me"), Expectation())
    assert redaction.service(form).asked[0].request.body == b"password=***&user=me"
    image = service(Request(path="/", body=b"\xff\x00"), Expectation())
    assert redaction.service(image) == image
