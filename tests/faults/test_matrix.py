"""The matrix is whole: every fault has a test, and every test of a fault has its line."""

import pytest

from tests.faults import matrix


@pytest.mark.parametrize("fault", matrix.FAULTS, ids=lambda fault: f"{fault.number:02}")
def test_every_fault_has_a_test(fault: matrix.Fault) -> None:
    assert matrix.tests_by_number()[fault.number]


def test_there_are_36_faults_and_no_tests_of_others() -> None:
    assert [fault.number for fault in matrix.FAULTS] == list(range(1, 37))
    assert set(matrix.tests_by_number()) == set(range(1, 37))


def test_the_page_is_that_of_the_matrix() -> None:
    assert matrix.PAGE.read_text(encoding="utf-8") == matrix.page(), (
        "renew it: .venv/bin/python -m tests.faults.matrix"
    )
