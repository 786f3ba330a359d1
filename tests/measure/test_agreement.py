"""Servers that answer alike are compared; those that do not are told apart, with the reason."""

import re

from servelab.load.fetch import Answer
from servelab.measure.agreement import Heard, agree
from servelab.model.load import Asked, Expectation, Request

ASKED = (Asked(request=Request(path="/")),)


def heard(
    name: str, *bodies: bytes, status: int = 200, location: str | None = None, failure: str = ""
) -> Heard:
    """Return a deployment that answered the only request so, each time that it was asked."""
    answers = tuple(Answer(status=status, body=body, location=location) for body in bodies)
    return Heard(
        deployment=name,
        title=name,
        answers=(answers,) if answers else (),
        failure=failure or None,
    )


def test_the_same_answer_everywhere_becomes_what_must_be_answered() -> None:
    found = agree([heard("one", b"hi", b"hi"), heard("two", b"hi", b"hi")], asked=ASKED)
    assert found.agreeing == ("one", "two")
    assert found.asked[0].expectation == Expectation(status=200, body=b"hi")
    assert not found.excluded
    assert not found.changing


def test_a_server_that_answers_otherwise_is_excluded_with_the_place_where_it_differs() -> None:
    found = agree(
        [
            heard("one", b"count 1", b"count 1"),
            heard("two", b"count 2", b"count 2"),
            heard("three", b"count 1", b"count 1"),
        ],
        asked=ASKED,
    )
    assert found.agreeing == ("one", "three")
    ((name, reason),) = found.excluded
    assert name == "two"
    assert "differs from that of one from byte 6 on: b'2' instead of b'1'" in reason


def test_the_majority_decides_whoever_was_heard_first() -> None:
    found = agree(
        [heard("odd", b"x", b"x"), heard("one", b"y", b"y"), heard("two", b"y", b"y")], asked=ASKED
    )
    assert found.agreeing == ("one", "two")


def test_another_status_is_told_as_such() -> None:
    asked = (Asked(request=Request(path="/a"), expectation=Expectation(status=None)),)
    found = agree(
        [heard("one", b"", b"", status=200), heard("two", b"", b"", status=204)], asked=asked
    )
    assert found.excluded == (("two", "it answers 204 to GET /a, where one answers 200"),)


def test_what_changes_with_each_answer_is_checked_by_how_it_begins() -> None:
    found = agree(
        [
            heard("one", b"<p>token 12", b"<p>token 34"),
            heard("two", b"<p>token 56", b"<p>token 78"),
        ],
        asked=ASKED,
    )
    assert found.agreeing == ("one", "two")
    assert found.changing == (0,)
    assert found.asked[0].expectation == Expectation(status=200, contains=(b"<p>token ",))


def test_of_a_number_or_a_time_that_grows_not_even_the_beginning_is_expected() -> None:
    servers = [heard("one", b"at 05:47:31 it was 1001", b"at 05:47:32 it was 1002")]
    found = agree(servers, asked=ASKED)
    assert found.asked[0].expectation == Expectation(status=200, contains=(b"at ",))


def test_what_may_differ_is_ignored_between_servers() -> None:
    servers = [heard("one", b"host a", b"host a"), heard("two", b"host b", b"host b")]
    assert agree(servers, asked=ASKED).excluded
    found = agree(servers, asked=ASKED, ignored=[re.compile(rb"host \w")])
    assert found.agreeing == ("one", "two")
    assert found.asked[0].expectation.contains == (b"host ",)


def test_an_error_page_is_not_worth_timing_unless_it_is_asked_for() -> None:
    missing = [heard("one", b"no", b"no", status=404)]
    (excluded,) = agree(missing, asked=ASKED).excluded
    assert "answers 404 to GET /; name a path that is answered with --path" in excluded[1]
    wanted = (Asked(request=Request(path="/"), expectation=Expectation(status=404)),)
    assert agree(missing, asked=wanted).agreeing == ("one",)


def answered(name: str, *statuses: int) -> Heard:
    """Return a deployment that answered the only request with these statuses, one after another."""
    answers = tuple(Answer(status=status, body=b"hi") for status in statuses)
    return Heard(deployment=name, title=name, answers=(answers,))


def test_a_limit_of_requests_that_shows_the_second_time_is_told_as_such() -> None:
    (excluded,) = agree([answered("one", 200, 429, 429)], asked=ASKED).excluded
    assert excluded[1] == (
        "it answers 429 to GET / the second time, and 200 the first time; raise its limit of "
        "requests, as all of the load comes from one address, and no such answer is timed"
    )


def test_one_process_of_several_that_fails_keeps_its_server_out() -> None:
    found = agree([answered("one", 200, 200, 500), answered("two", 200, 200, 200)], asked=ASKED)
    assert found.agreeing == ("two",)
    assert "answers 500 to GET / the third time, and 200 the first time" in found.excluded[0][1]


def test_every_answer_must_have_the_status_that_is_expected() -> None:
    asked = (Asked(request=Request(path="/"), expectation=Expectation(status=404)),)
    (excluded,) = agree([answered("one", *[404] * 6, 200)], asked=asked).excluded
    assert excluded[1] == "it answers 200 to GET / the 7th time, where 404 is expected"


def test_of_several_successes_any_is_expected_and_all_servers_must_have_them() -> None:
    found = agree([answered("one", 201, 200), answered("two", 201, 200, 200)], asked=ASKED)
    assert found.agreeing == ("one", "two")
    assert found.asked[0].expectation.status is None
    found = agree([answered("one", 200, 200), answered("two", 201, 200)], asked=ASKED)
    assert found.excluded == (("two", "it answers 200 and 201 to GET /, where one answers 200"),)


def test_a_status_that_one_server_no_longer_has_later_is_no_difference() -> None:
    servers = [answered("one", 201, 200), answered("two", 200, 200)]
    found = agree(servers, asked=ASKED, again=answered("one", 200, 200))
    assert found.agreeing == ("one", "two")
    assert found.asked[0].expectation == Expectation(status=None, body=b"hi")


def test_a_server_that_fails_when_it_is_asked_once_more_is_left_out() -> None:
    servers = [answered("one", 200, 200), answered("two", 204, 204), answered("three", 204, 204)]
    found = agree(servers, asked=ASKED, again=answered("two", 204, 503))
    assert dict(found.excluded)["two"].startswith("it answers 503 to GET / the second time")


def test_a_call_that_is_refused_the_second_time_is_told_as_such() -> None:
    asked = (Asked(request=Request(method="POST", path="/shop.Greeter/Greet")),)
    answers = (
        Answer(status=None, body=b"hi"),
        Answer(status=None, body=b"", refusal="grpc-status 8"),
    )
    (excluded,) = agree(
        [Heard(deployment="one", title="one", answers=(answers,))], asked=asked
    ).excluded
    assert "it refuses shop.Greeter/Greet the second time with grpc-status 8" in excluded[1]


def test_a_host_that_is_not_known_is_named_rather_than_its_error_page_timed() -> None:
    (excluded,) = agree([heard("one", b"no", b"no", status=400)], asked=ASKED).excluded
    assert "as Django's ALLOWED_HOSTS says, name one with --header 'Host: your.host'" in excluded[1]
    assert "--expect-status" not in excluded[1]


def test_where_another_method_is_wanted_a_file_of_requests_is_the_next_step() -> None:
    (excluded,) = agree([heard("one", b"", b"", status=405)], asked=ASKED).excluded
    assert excluded[1] == (
        "it answers 405 to GET /; ask with another method, from a file, with --requests-file, or "
        "accept it with --expect-status 405"
    )


def test_a_redirect_says_where_it_leads() -> None:
    moved = heard("one", b"", b"", status=302, location="/login?next=/")
    (excluded,) = agree([moved], asked=ASKED).excluded
    assert "it answers 302 (to /login?next=/) to GET /" in excluded[1]


def test_a_server_that_did_not_start_is_excluded_and_the_others_go_on() -> None:
    found = agree(
        [heard("one", failure="it ended with exit code 3"), heard("two", b"hi", b"hi")], asked=ASKED
    )
    assert found.agreeing == ("two",)
    assert found.excluded == (("one", "it ended with exit code 3"),)


def test_nobody_answers() -> None:
    found = agree([heard("one", failure="no")], asked=ASKED)
    assert not found.agreeing
    assert found.asked == ASKED


def test_calls_over_grpc_agree_by_their_messages() -> None:
    asked = (Asked(request=Request(method="POST", path="/shop.Greeter/Greet")),)
    found = agree([called("one", b"hi"), called("two", b"hi"), called("three", b"ho")], asked=asked)
    assert found.agreeing == ("one", "two")
    assert found.asked[0].expectation == Expectation(status=None, body=b"hi")
    ((_, reason),) = found.excluded
    assert reason.startswith("its answer to POST /shop.Greeter/Greet differs from that of one")


def test_a_call_that_is_refused_is_not_worth_timing() -> None:
    asked = (Asked(request=Request(method="POST", path="/shop.Greeter/Greet")),)
    found = agree([called("one", b"", refusal="grpc-status 5: not here")], asked=asked)
    reason = (
        "it refuses shop.Greeter/Greet with grpc-status 5: not here; call what it answers, "
        "with --grpc and --body"
    )
    assert found.excluded == (("one", reason),)


def called(name: str, message: bytes, *, refusal: str | None = None) -> Heard:
    """Return a deployment that answered the only call so, each time that it was made."""
    answer = Answer(status=None, body=message, refusal=refusal)
    return Heard(deployment=name, title=name, answers=((answer, answer),))


def test_links_to_the_server_itself_may_have_another_port_each_time() -> None:
    servers = [
        heard("one", *[b"<a href=http://127.0.0.1:3000/next> on"] * 2),
        heard("two", *[b"<a href=http://127.0.0.1:3017/next> on"] * 2),
    ]
    found = agree(servers, asked=ASKED)
    assert found.agreeing == ("one", "two")
    assert not found.changing
    assert found.asked[0].expectation == Expectation(
        status=200, contains=(b"<a href=http://", b"/next> on")
    )


def test_what_is_to_be_ignored_is_not_expected_even_if_it_was_the_same_by_chance() -> None:
    servers = [heard("one", b"<b>5 Jan</b> hi", b"<b>5 Jan</b> hi")]
    found = agree(servers, asked=ASKED, ignored=[re.compile(rb"\d+ [A-Z]\w+")])
    assert found.asked[0].expectation == Expectation(status=200, contains=(b"<b>",))


def test_what_one_server_answers_otherwise_a_little_later_is_no_difference_between_servers() -> (
    None
):
    servers = [
        heard("one", b"made at 12:00:01", b"made at 12:00:01"),
        heard("two", b"made at 12:00:02", b"made at 12:00:02"),
    ]
    assert agree(servers, asked=ASKED).agreeing == ("one",)
    later = heard("one", b"made at 12:00:03", b"made at 12:00:03")
    found = agree(servers, asked=ASKED, again=later)
    assert found.agreeing == ("one", "two")
    assert found.changing == (0,)
    assert found.asked[0].expectation == Expectation(status=200, contains=(b"made at ",))


def test_what_one_server_still_answers_alike_a_little_later_is_a_difference() -> None:
    servers = [heard("one", b"x", b"x"), heard("two", b"y", b"y")]
    found = agree(servers, asked=ASKED, again=servers[0])
    assert found.agreeing == ("one",)
    ignored = agree(servers, asked=ASKED, again=heard("one", failure="it did not start"))
    assert ignored.agreeing == ("one",)
