"""Tests that end in every way that there is."""

import os
import signal
import sys
import unittest as python

from twisted.internet import defer, reactor, task
from twisted.python import log
from twisted.trial import unittest


class Ends(unittest.TestCase):
    def test_passes(self):
        log.msg("what is logged is sent too")

    def test_passes_later(self):
        return task.deferLater(reactor, 0.01, lambda: None)

    def test_fails(self):
        self.assertEqual(1 + 1, 3, "x" * 100_000)

    def test_raises(self):
        raise RuntimeError("é" * 100_000)

    def test_is_skipped(self):
        raise unittest.SkipTest("not today")

    def test_is_to_be_done(self):
        self.fail("not yet")

    test_is_to_be_done.todo = "write it"

    def test_was_to_be_done(self):
        pass

    test_was_to_be_done.todo = "forgotten"


class EndsTwice(unittest.TestCase):
    def test_fails(self):
        self.fail("first")

    def tearDown(self):
        raise RuntimeError("and then")


class Parts(python.TestCase):
    """Of Python's own test cases trial's workers report less than happens."""

    def test_parts_are_skipped(self):
        for number in range(2):
            with self.subTest(number=number):
                self.skipTest("this part")

    def test_a_part_fails(self):
        with self.subTest(number=1):
            self.fail("trial's worker does not say so")

    @python.expectedFailure
    def test_is_to_fail(self):
        # Trial's worker raises an exception when it is to say so, and hangs up.
        self.fail("as it is to")


class TakesItsWorkerAlong(unittest.TestCase):
    def test_by_exit(self):
        os._exit(7)

    def test_by_signal(self):
        print("these are its last words", file=sys.stderr, flush=True)
        os.kill(os.getpid(), signal.SIGKILL)

    def test_others_are_run_all_the_same(self):
        self.fail("in another worker, or in the next")


class Many(unittest.TestCase):
    pass


for number in range(20):
    setattr(Many, f"test_{number:02}", lambda self: defer.succeed(None))
