"""What is not seen from the other side: refusals, limits, and values as Python has them.

    python -m unittest discover amp-arguments/tests
"""

import ipaddress
import random
import unittest
import zlib

from amp_arguments import (
    Box, Continued, ContinuedZlib, IpAddress, IpNetwork, Json, ListOf, Numbered, OneOf, Zlib,
)
from twisted.protocols import amp


def to_box(argument, value):
    """The keys of a box, with `value` as the argument `a`."""
    return dict(amp._objectsToStrings({"a": value}, [(b"a", argument)], amp.AmpBox(), None))


def from_box(argument, strings):
    return amp._stringsToObjects(amp.AmpBox(strings), [(b"a", argument)], None)["a"]


class Values(unittest.TestCase):
    def test_values_are_those_of_python(self):
        for argument, value, data in [
            (Json(), {"é": [1, None]}, b'{"\\u00e9":[1,null]}'),
            (OneOf("é", "b"), "é", "é".encode()),
            (IpAddress(), ipaddress.ip_address("10.0.0.1"), b"\x0a\0\0\x01"),
            (IpAddress(), ipaddress.ip_address("::1"), b"\0" * 15 + b"\x01"),
            (IpNetwork(), ipaddress.ip_network("10.0.0.0/8"), b"\x0a\0\0\0\x08"),
            (Box([(b"x", amp.Integer())]), {"x": 5}, b"\0\x01x\0\x015\0\0"),
            (ListOf(ListOf(amp.Unicode())), [["a"], []], b"\0\x03\0\x01a\0\0"),
            (ListOf(amp.AmpList([(b"x", amp.Integer())])), [[]], b"\0\0"),
        ]:
            with self.subTest(argument=type(argument).__name__):
                self.assertEqual(to_box(argument, value), {b"a": data})
                self.assertEqual(from_box(argument, {b"a": data}), value)

    def test_a_network_may_have_bits_behind_its_prefix(self):
        read = from_box(IpNetwork(), {b"a": b"\x0a\x01\x02\x03\x08"})
        self.assertEqual(read, ipaddress.ip_network("10.0.0.0/8"))

    def test_what_is_optional_may_be_left_out(self):
        for argument in [
            Json(optional=True), OneOf("a", optional=True), IpAddress(True), IpNetwork(True),
            Box([], True), ListOf(amp.String(), True), Zlib(amp.String(), True),
            Numbered(amp.String(), True), Continued(amp.String(), True),
            ContinuedZlib(amp.String(), True),
        ]:
            with self.subTest(argument=type(argument).__name__):
                self.assertEqual(to_box(argument, None), {})
                self.assertIsNone(from_box(argument, {}))

    def test_what_has_no_form_is_refused(self):
        for argument, data in [
            (Json(), b"NaN"),
            (Json(), b"{"),
            (Json(), b"[1e999]"),
            (Json(), b"-1e999"),
            (Json(), "[1]".encode("utf-16")),
            (Json(), b'\xef\xbb\xbf[1]'),
            (Json(), b'{"a":"\\ud800"}'),
            (Json(), b'{"\\ud800":1}'),
            (OneOf("a"), b"b"),
            (IpAddress(), b"12345"),
            (IpNetwork(), b"1234"),
            (IpNetwork(), b"\x0a\0\0\0\x21"),
            (Box([]), b""),
            (Box([]), b"\0\0\0\0"),
            (Box([]), b"\0\0\0\x05xx"),
            (Box([]), b"\0\0\0"),
            (Box([]), b"\0\x01a\0\x011\0\0\0\x05xx"),
            (ListOf(amp.String()), b"\0\x02a"),
            (ListOf(amp.String()), b"\0"),
        ]:
            with self.subTest(argument=type(argument).__name__, data=data):
                self.assertRaises(ValueError, from_box, argument, {b"a": data})
        for value in (float("inf"), {1: 2}, [{None: 1}], "\ud800", {"\udfff": 1}, ("\ud800",)):
            self.assertRaises(ValueError, to_box, Json(), value)
        self.assertRaises(ValueError, to_box, OneOf("a"), "b")
        self.assertRaises(amp.TooLong, to_box, ListOf(amp.String()), [b"x" * 65_536])


class Large(unittest.TestCase):
    def lengths(self, argument, length):
        strings = to_box(argument, b"x" * length)
        self.assertEqual(from_box(argument, strings), b"x" * length)
        return {key.decode(): len(value) for key, value in strings.items()}

    def test_keys_are_numbered(self):
        numbered, continued = Numbered(amp.String()), Continued(amp.String())
        self.assertEqual(self.lengths(numbered, 0), {})
        self.assertEqual(self.lengths(numbered, 65_536), {"a.0": 65_535, "a.1": 1})
        self.assertEqual(self.lengths(continued, 0), {"a": 0})
        self.assertEqual(self.lengths(continued, 65_535), {"a": 65_535})
        self.assertEqual(self.lengths(continued, 131_071), {"a": 65_535, "a.2": 65_535, "a.3": 1})

    def test_missing_ones_are_missed(self):
        for argument in (Continued(amp.String()), ContinuedZlib(amp.String())):
            self.assertRaises(KeyError, from_box, argument, {b"a.2": b""})
        self.assertEqual(from_box(Numbered(amp.String()), {b"a.1": b"behind a gap"}), b"")

    def test_they_have_no_keys_inside_of_others(self):
        for argument in (Numbered(amp.String()), ContinuedZlib(amp.String())):
            self.assertRaises(TypeError, to_box, ListOf(argument), [b""])
            self.assertRaises(TypeError, from_box, ListOf(argument), {b"a": b"\0\0"})


class Compressed(unittest.TestCase):
    def test_no_more_is_inflated_than_allowed(self):
        exactly, over = zlib.compress(b"x" * 1000), zlib.compress(b"x" * 1001)
        for argument in (Zlib, ContinuedZlib):
            limited = argument(amp.String(), limit=1000)
            self.assertEqual(from_box(limited, {b"a": exactly}), b"x" * 1000)
            self.assertRaises(ValueError, from_box, limited, {b"a": over})
        # All parts count.
        self.assertRaises(ValueError, from_box, limited, {b"a": exactly, b"a.2": exactly})

    def test_many_parts_are_joined_once(self):
        # Copied for each part, they would be 128 GiB.
        part = zlib.compress(b"x" * 1024)
        keys = [b"a"] + [b"a.%d" % number for number in range(2, 16_385)]
        read = from_box(ContinuedZlib(amp.String()), dict.fromkeys(keys, part))
        self.assertEqual(len(read), 16 << 20)

    def test_parts_with_nothing_in_them_are_refused(self):
        parts = {b"a": zlib.compress(b"x"), b"a.2": zlib.compress(b"")}
        self.assertRaises(ValueError, from_box, ContinuedZlib(amp.String()), parts)
        self.assertEqual(from_box(ContinuedZlib(amp.String()), {b"a": zlib.compress(b"")}), b"")

    def test_it_is_one_stream(self):
        whole = zlib.compress(b"x" * 1000)
        for data in (whole[:-1], whole + b"x", b""):
            self.assertRaises(ValueError, from_box, Zlib(amp.String()), {b"a": data})

    def test_each_part_is_a_stream(self):
        noise = random.Random(1).randbytes(65_545)
        strings = to_box(ContinuedZlib(amp.String()), noise)
        parts = [len(zlib.decompress(strings[key])) for key in sorted(strings)]
        self.assertEqual(parts, [32_767, 32_778])
        self.assertEqual(from_box(ContinuedZlib(amp.String()), strings), noise)


if __name__ == "__main__":
    unittest.main()
