"""Writes numbers.tsv: what Python writes and reads, which is what Twisted's AMP does.

    python3 generate.py > numbers.tsv

The Python must have Twisted. Twisted's Integer reads with `int`, its Float reads with `float` and
writes with `repr`, its Unicode reads with `bytes.decode`. A row is one of

    repr      the bits of a float, hexadecimal    what is written
    float     what is received                    the bits, hexadecimal, or `error`
    int       what is received                    the number, or `error`
    unicode   what is received                    the text as UTF-8, or `error`
    str       sign, digits and exponent           what is written for this Decimal
    exact     the bits of a float, hexadecimal    `str(Decimal(float))`
    decimal   what is received                    what is written for the same, or `error`
    datetime  what is received                    what is written for the same, or `error`

Received bytes and text are printable ASCII, and all others are escaped: `\\x09`. Every NaN has
the bits of `float("nan")`. A sign is 0 or 1; an exponent is `F` in an infinity, and `n` and `N` in
a quiet and a signalling NaN, as in Python's `DecimalTuple`.
"""

import decimal
import math
import random
import struct

from twisted.protocols import amp


def bits(number):
    if math.isnan(number):
        number = float("nan")
    return "%016x" % struct.unpack(">Q", struct.pack(">d", number))


def from_bits(number):
    return struct.unpack(">d", struct.pack(">Q", number))[0]


def escape(received):
    return "".join(
        chr(byte) if 0x20 <= byte < 0x7F and byte != 0x5C else "\\x%02x" % byte for byte in received
    )


def row(*columns):
    print("\t".join(columns))


def read(kind, received, function, write):
    try:
        result = write(function(received))
    except (ValueError, OverflowError, decimal.InvalidOperation):
        result = "error"
    row(kind, escape(received), result)


def floats(rng):
    yield from [0.0, 1.0, 0.1, 0.5, 1.5, 100.0, 123.456, 1 / 3, math.pi, math.e, 0.3, 0.1 + 0.2]
    yield from [math.inf, math.nan, 5e-324, 2.2250738585072014e-308, 1.7976931348623157e308]
    yield from [9007199254740991.0, 9007199254740992.0, 9007199254740994.0, 2.0**63, 2.0**64]
    yield from [8.41e21, 9.5e-3, 2e-44, 4.35, 2.5e15, 123456789012345680.0, 9.999999999999999e22]
    # Both sides of where the exponent begins.
    for edge in [1e-4, 1e-5, 1e15, 1e16, 1e17]:
        yield from [math.nextafter(edge, 0), edge, math.nextafter(edge, math.inf)]
    for exponent in [*range(-30, 30), 99, 100, 101, -99, -100, -101, 308, -308, -323]:
        yield float("1e%d" % exponent)
    for exponent in [*range(-60, 70), 1023, -1022, -1023, -1073]:
        yield 2.0**exponent
    # Half-way between the two shortest decimals.
    for k in range(2, 26):
        for _ in range(3):
            yield rng.randrange(2**51, 2**53) * 2.0**-k
        yield rng.randrange(5 * 10**15 // 5**k | 1, 2**53, 2) * 2.0**-k
    for _ in range(200):
        yield from_bits(rng.getrandbits(63))
    for _ in range(50):
        yield from_bits(rng.getrandbits(52))
    for _ in range(50):
        yield round(rng.uniform(-1000, 1000), rng.randrange(6))
    for _ in range(30):
        yield struct.unpack(">f", struct.pack(">f", rng.gauss(0, 1)))[0]


NUMBERS = b"""
|0|-0|+0|7|-7|+5|007|-007|1_000|0_0|00_1|1_0_0|-1_0|+1_0|_1|1_|1__0|+_1|-_1|0_|_|+|-|--1|+-1|++1
+ 1|- 1|1 1|1-|1+|0x10|0X10|0b1|0o7|1.0|1e3|1,000|1l|1L|abc|True|None|1/2|0_x1|1 _0|1_ 0
127|128|-128|-129|255|256|32767|32768|-32768|-32769|65535|65536|2147483647|2147483648
-2147483648|-2147483649|4294967295|4294967296|9223372036854775807|9223372036854775808
-9223372036854775808|-9223372036854775809|18446744073709551615|18446744073709551616
999999999999999999|1000000000000000000|-999999999999999999|-1000000000000000000
170141183460469231731687303715884105727|170141183460469231731687303715884105728
-170141183460469231731687303715884105728|-170141183460469231731687303715884105729
340282366920938463463374607431768211455|340282366920938463463374607431768211456
1000000000000000000000000000000000000000000000000000|0000000000000000000000000000000000000000001
1.5|.5|-.5|+.5|10.|1.e5|.5e5|.e5|e5|1e5|1E5|1e+5|1e-5|1e05|1e|1e+|1e-|1e 5|1e5.0|1.0.0|.|-.|+.|..
1_0.5_0|1e1_0|1_e5|1e_5|1e+_5|1e5_|1_.5|1._5|._5|_.5|1.0_|_1.0|1__0.0|0_0.0_0e0_0|1_inf|in_f|inf_
inf|Inf|INF|-inf|+inf|infinity|INFINITY|iNfInItY|-Infinity|infinit|infinityy|infi|i|nan|NaN|NAN
-nan|+nan|nan(1)|nan1|nann|na|snan|qnan|- inf|--inf|0x1p3|0x1.8p1|1p3|1.5f|1d5|1.5L|1,5|1.#INF
1e400|-1e400|1e-400|-1e-400|1e99999999999999999999|-1e-99999999999999999999|0e99999999999999999999
1e308|1.7976931348623157e308|1.7976931348623158e308|1.7976931348623159e308|5e-324|2.4703282292062327e-324
2.4703282292062328e-324|2.2250738585072011e-308|2.2250738585072012e-308|1e23|8.5e22|9007199254740993
9007199254740993.0000000000000000000000000000001|0.1000000000000000055511151231257827021181583404541015625
0.500000000000000166533453693773481063544750213623046875|3.518437208883201171875e13
123456789012345678901234567890|0.000000000000000000000000000000000000001|00000.5|-0.0|-0e0|0e-5
"""

DECIMALS = b"""
1|1.0|123.4500|1E+2|1.5E+2|1E-7|0.000001|-0|1E+999999|Infinity|-Infinity|NaN|-NaN|sNaN|-sNaN|NaN123
_1__0_|-_1|_-1|1_e_5|1e_5|1e+_5|1._5|N_aN|_i_n_f_|s_NaN_1_2|_|__|_ 1|1 _|_1 _|00.00|007.50|0E+3|0E-7
0E+999999999999999999|0E+1000000000000000000|0E-1999999999999999997|0E-1999999999999999998
1E+999999999999999999|1E+1000000000000000000|1E-1999999999999999997|1E-1999999999999999998
10E+999999999999999998|10E+999999999999999999|10E-1999999999999999998|0.1E+1000000000000000000
0.0E+1000000000000000000|0.0E-1999999999999999997|1.5E-1999999999999999996|1.5E-1999999999999999997
1E+9999999999999999999999|1E-9999999999999999999999|0E+9999999999999999999|1E+0000000000000000000000005
1E9223372036854775807|1E9223372036854775808|1E-9223372036854775808|1E-9223372036854775809
NaN0|NaN00|NaN00123|nan 1|nan-1|nan+1|NaN1.0|NaN1e5|sNaN0|SNAN7|+snan|ssnan|qnan|snanx|s|sn|n|+NaN
123456789012345678901234567890123456789.0123456789|99999999999999999999E-30|0.0000001|0.00000123
1e+-5|1e--5|e|E5|.|..|1..2|.1.|1.e|+.5e-3|-.5|5.|-5.E-0|0.|.0|.00|0.0e0|00e00|1e0|1e-0|1e+0|++1|+ 1
"""


def decimals(rng):
    """Signs, digits and exponents."""
    for exponent in [*range(-12, 5), 17, -99, 999999, -999999]:
        for digits in ["0", "1", "7", "10", "100", "123", "123456789"]:
            yield 0, digits, exponent
    for _ in range(200):
        digits = str(rng.randrange(10 ** rng.randrange(1, 40)))
        yield rng.randrange(2), digits, rng.choice([rng.randrange(-60, 9), rng.randrange(-(10**18), 9 * 10**17)])
    for kind in "nN":
        for digits in ["", "1", "10", "123", "9" * 40]:
            yield 0, digits, kind
            yield 1, digits, kind
    yield 0, "0", "F"
    yield 1, "0", "F"


DATES = b"""
2010-06-25T16:46:37.000001-05:30|2010-06-25T16:46:37.000001+05:30|2010-06-25T16:46:37.000000-00:00
2010-06-25T16:46:37.000000+00:00|0001-01-01T00:00:00.000000-00:00|9999-12-31T23:59:59.999999+23:59
0000-01-01T00:00:00.000000-00:00|2010-00-01T00:00:00.000000-00:00|2010-13-01T00:00:00.000000-00:00
2010-01-00T00:00:00.000000-00:00|2010-01-32T00:00:00.000000-00:00|2010-04-31T00:00:00.000000-00:00
2010-02-29T00:00:00.000000-00:00|2012-02-29T00:00:00.000000-00:00|2012-02-30T00:00:00.000000-00:00
1900-02-29T00:00:00.000000-00:00|2000-02-29T00:00:00.000000-00:00|2100-02-29T00:00:00.000000-00:00
2010-06-25T24:00:00.000000-00:00|2010-06-25T23:60:00.000000-00:00|2010-06-25T23:59:60.000000-00:00
2010-06-25T00:00:00.000000+23:59|2010-06-25T00:00:00.000000+24:00|2010-06-25T00:00:00.000000-24:00
2010-06-25T00:00:00.000000-23:59|2010-06-25T00:00:00.000000+00:99|2010-06-25T00:00:00.000000+22:99
2010-06-25T00:00:00.000000+23:60|2010-06-25T00:00:00.000000-99:99|2010-06-25T00:00:00.000000+-1:30
2010-06-25T00:00:00.000000--1:30|2010-06-25T00:00:00.000000+01:-9|2010-06-25T00:00:00.000000+00:-0
2010-06-25T00:00:00.000000 00:00|2010-06-25T00:00:00.000000Z00:00|2010-06-25T00:00:00.000000x00:00
2010/06/25 16.46.37,000001-05.30|2010x06x25x16x46x37x000001+05x30|2010006002501604603700000010-05:30
+201-06-25T16:46:37.000001-05:30|-201-06-25T16:46:37.000001-05:30| 201-06-25T16:46:37.000001-05:30
201 -06-25T16:46:37.000001-05:30|2_10-06-25T16:46:37.000001-05:30|_210-06-25T16:46:37.000001-05:30
2010-+6- 5T1 :+4: 7.1_0_01-+5:3 |2010--6-25T16:46:37.000001-05:30|2010-06--0T16:46:37.000001-05:30
2010-06-25T-0:-0:-0.-00000--0:-0|2010-06-25T16:46:-1.000001-05:30|2010-06-25T16:46:37.-00001-05:30
2010-06-25T16:46:37.     1-05:30|2010-06-25T16:46:37.0x0001-05:30|2010-06-25T16:46:37.000001-0a:30
2010-06-25T16:46:37.000001-05:3|2010-06-25T16:46:37.000001-05:300||2010-06-25T16:46:37.000001-0530
2010-06-25T16:46:37Z|2010-06-25T16:46:37.000001Z|2010-06-25|2010-06-25T16:46:37.000001
2010-  -25T16:46:37.000001-05:30|____-06-25T16:46:37.000001-05:30|2010-06-25T1_:46:37.000001-05:30
"""


def dates(rng):
    for line in DATES.strip().splitlines():
        yield from line.split(b"|")
    usual = b"2010-06-25T16:46:37.000001-05:30"
    for at in range(32):
        for other in [b"0", b"9", b"-", b"+", b" ", b"_", b"\0", b"\x1c", b"\x0b", b"\xff", b"x"]:
            yield usual[:at] + other + usual[at + 1 :]
    yield usual[:30] + b"\xc3\xa9"
    yield usual[:4] + b"\xc3\xa9" + usual[5:]
    for _ in range(200):
        yield b"%04i-%02i-%02iT%02i:%02i:%02i.%06i%s%02i:%02i" % (
            rng.randrange(1, 10000), rng.randrange(1, 13), rng.randrange(1, 32), rng.randrange(24),
            rng.randrange(60), rng.randrange(60), rng.randrange(10**6), rng.choice([b"+", b"-"]),
            rng.randrange(24), rng.randrange(60),
        )


def main():
    rng = random.Random(2024)
    for number in floats(rng):
        for signed in (number, -number):
            row("repr", bits(signed), repr(signed))
    numbers = [number for line in NUMBERS.strip().splitlines() for number in line.split(b"|")]
    around = [bytes([byte]) for byte in range(256)] + [b"\xc2\xa0", b"\xe2\x80\x83"]
    numbers += [space + b"5" for space in around] + [b"5" + space for space in around]
    numbers += [b" \t\n\x0b\x0c\r5\r\x0c\x0b\n\t ", b" \t-1_0 \n", b"\xd9\xa1", b"\xef\xbc\x91"]
    numbers += ["".join(rng.choices("0123456789_+-.eE ", k=rng.randrange(1, 8))).encode() for _ in range(400)]
    numbers += ["".join(rng.choices("01_", k=rng.randrange(1, 8))).encode() for _ in range(100)]
    for received in dict.fromkeys(numbers):
        read("int", received, int, str)
        read("float", received, float, bits)
    for received in [
        *(bytes([byte]) for byte in range(0, 256, 5)),
        *("x\u00e9\u20ac\U0001f600\ufeff".encode()[:end] for end in range(14)),
        b"\xc0\x80", b"\xc1\xbf", b"\xe0\x80\x80", b"\xe0\x9f\xbf", b"\xf0\x8f\xbf\xbf",
        b"\xed\x9f\xbf", b"\xed\xa0\x80", b"\xed\xbf\xbf", b"\xee\x80\x80", b"\xef\xbf\xbf",
        b"\xf4\x8f\xbf\xbf", b"\xf4\x90\x80\x80", b"\xf8\x88\x80\x80\x80", b"\xfe", b"\xff",
    ]:
        read("unicode", received, bytes.decode, lambda text: escape(text.encode()))
    for sign, digits, exponent in decimals(rng):
        written = str(decimal.Decimal((sign, tuple(map(int, digits)), exponent)))
        row("str", "%d %s %s" % (sign, digits, exponent), written)
    for number in [*floats(rng)][::8]:
        row("exact", bits(number), str(decimal.Decimal(number)))
    values = numbers + [value for line in DECIMALS.strip().splitlines() for value in line.split(b"|")]
    values += ["".join(rng.choices("0123_+-.eE nNaAsSiIfF", k=rng.randrange(1, 8))).encode() for _ in range(300)]
    for received in dict.fromkeys(values):
        read("decimal", received, amp.Decimal().fromString, lambda value: amp.Decimal().toString(value).decode())
    for received in dict.fromkeys(dates(rng)):
        read("datetime", received, amp.DateTime().fromString, lambda value: amp.DateTime().toString(value).decode())


if __name__ == "__main__":
    main()
