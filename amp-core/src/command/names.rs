//! The names of arguments that stand in one box, so that the compiler refuses two of one name, or one with the
//! key of a part of another. What `#[derive(Arguments)]` expands to has them.

use std::str;

/// The names of arguments, as far as they are known when a program is compiled.
#[derive(Debug)]
pub struct Names {
    /// The names of the fields themselves, in ascending order.
    pub own: &'static [&'static str],
    /// The names of those that have further keys, `name.2`, `name.3` and so on, each with the first number.
    pub numbered: &'static [(&'static str, u64)],
    /// The names of what is flattened beside them.
    pub flattened: &'static [&'static Names],
    /// The names of the variants of an enum, of which a box has one.
    pub cases: &'static [&'static Names],
}

impl Names {
    pub(crate) const UNKNOWN: &'static Self = &Self::of(&[]);

    const fn of(own: &'static [&'static str]) -> Self {
        Self { own, numbered: &[], flattened: &[], cases: &[] }
    }

    /// Fails when two of the arguments have one name, or one has that of a part of another. Of those that stand
    /// in one struct, the macro has compared the names.
    ///
    /// # Panics
    ///
    /// Then.
    #[track_caller]
    pub const fn check(&self) {
        let mut at = 0;
        while at < self.flattened.len() {
            let names = self.flattened[at];
            self.alone().clashes_with(names);
            let mut before = 0;
            while before < at {
                self.flattened[before].clashes_with(names);
                before += 1;
            }
            at += 1;
        }
        let mut at = 0;
        while at < self.cases.len() {
            self.alone().clashes_with(self.cases[at]);
            self.cases[at].check();
            at += 1;
        }
    }

    /// Those of the fields themselves.
    const fn alone(&self) -> Self {
        Self { own: self.own, numbered: self.numbered, flattened: &[], cases: &[] }
    }

    /// Fails when one of these and one of those do not go together.
    #[track_caller]
    const fn clashes_with(&self, others: &Self) {
        self.stands_beside(others);
        others.stands_beside(self);
    }

    /// Fails when one of the others has the name of one of these, or of a part of one.
    #[track_caller]
    const fn stands_beside(&self, others: &Self) {
        let mut at = 0;
        while at < others.own.len() {
            let name = others.own[at];
            if self.contains(name) {
                refuse("two arguments of one box have the wire name `", name);
            }
            if self.has_part(name) {
                refuse(
                    "an argument has the wire name of a part of another one in its box, `",
                    name,
                );
            }
            at += 1;
        }
        let mut at = 0;
        while at < others.flattened.len() {
            self.stands_beside(others.flattened[at]);
            at += 1;
        }
        let mut at = 0;
        while at < others.cases.len() {
            self.stands_beside(others.cases[at]);
            at += 1;
        }
    }

    const fn contains(&self, name: &str) -> bool {
        let (mut from, mut to) = (0, self.own.len());
        while from < to {
            let middle = from.midpoint(to);
            match compare(self.own[middle].as_bytes(), name.as_bytes()) {
                0 => return true,
                1 => to = middle,
                _ => from = middle + 1,
            }
        }
        let mut at = 0;
        while at < self.flattened.len() {
            if self.flattened[at].contains(name) {
                return true;
            }
            at += 1;
        }
        let mut at = 0;
        while at < self.cases.len() {
            if self.cases[at].contains(name) {
                return true;
            }
            at += 1;
        }
        false
    }

    const fn has_part(&self, key: &str) -> bool {
        let mut at = 0;
        while at < self.numbered.len() {
            let (name, first) = self.numbered[at];
            if is_part(name, first, key) {
                return true;
            }
            at += 1;
        }
        let mut at = 0;
        while at < self.flattened.len() {
            if self.flattened[at].has_part(key) {
                return true;
            }
            at += 1;
        }
        let mut at = 0;
        while at < self.cases.len() {
            if self.cases[at].has_part(key) {
                return true;
            }
            at += 1;
        }
        false
    }
}

/// Whether the key is `name.`, and behind that a number from `first` on as those keys have it.
const fn is_part(name: &str, first: u64, key: &str) -> bool {
    let (name, key) = (name.as_bytes(), key.as_bytes());
    // The dot, and at least one digit.
    let digits = name.len() + 1;
    if key.len() <= digits || key[name.len()] != b'.' {
        return false;
    }
    if compare(key.split_at(name.len()).0, name) != 0
        || (key[digits] == b'0' && key.len() > digits + 1)
    {
        return false;
    }
    let (mut at, mut number) = (digits, 0_u64);
    while at < key.len() {
        if !key[at].is_ascii_digit() {
            return false;
        }
        number = number.saturating_mul(10).saturating_add((key[at] - b'0') as u64);
        at += 1;
    }
    number >= first
}

/// -1, 0 or 1, as `a` is before, at, or behind `b`.
const fn compare(a: &[u8], b: &[u8]) -> i8 {
    let mut at = 0;
    while at < a.len() && at < b.len() {
        if a[at] != b[at] {
            return if a[at] < b[at] { -1 } else { 1 };
        }
        at += 1;
    }
    if a.len() == b.len() {
        0
    } else if a.len() < b.len() {
        -1
    } else {
        1
    }
}

/// What is formatted is not known to the compiler, so the message is put together by hand.
#[track_caller]
const fn refuse(before: &str, name: &str) -> ! {
    const BEHIND: &[u8] = b"`: rename one of them";

    // A name has up to 255 bytes, and what stands around it has less.
    let mut message = [0; 2 * 255];
    let mut len = 0;
    let parts = [before.as_bytes(), name.as_bytes(), BEHIND];
    let mut part = 0;
    while part < parts.len() {
        let mut at = 0;
        while at < parts[part].len() && len < message.len() {
            message[len] = parts[part][at];
            (at, len) = (at + 1, len + 1);
        }
        part += 1;
    }
    match str::from_utf8(message.split_at(len).0) {
        Ok(message) => panic!("{}", message),
        Err(_) => panic!("two arguments of one box have one key"),
    }
}

#[cfg(test)]
mod tests {
    use std::panic::catch_unwind;

    use super::*;

    const D: &Names = &Names::of(&["d"]);
    const INNER: &Names = &Names::of(&["b", "bb", "d"]);
    const OUTER: &Names =
        &Names { own: &["a", "ba"], numbered: &[], flattened: &[INNER], cases: &[] };
    const TWICE: &Names = &flattened(&["d"], &[INNER]);
    const ENUM: &Names =
        &Names { own: &["tag"], cases: &[&Names::of(&["x"]), OUTER], ..*Names::UNKNOWN };

    const fn flattened(own: &'static [&'static str], others: &'static [&'static Names]) -> Names {
        Names { own, numbered: &[], flattened: others, cases: &[] }
    }

    #[test]
    fn names_that_differ_stand_beside_each_other() {
        const { OUTER.check() };
        const { ENUM.check() };
        flattened(&["", "c", "e"], &[OUTER, Names::UNKNOWN]).check();
        flattened(&["", "c", "e"], &[ENUM]).check();
        // Of an enum's variants there is one.
        Names { own: &["tag"], cases: &[INNER, INNER], ..*Names::UNKNOWN }.check();
    }

    #[test]
    fn a_name_that_comes_twice_is_refused_wherever_it_stands() {
        let long: &'static str = "\u{df}".repeat(127).leak();
        let alone: &'static Names = Box::leak(Box::new(Names::of(vec![long].leak())));
        for (names, name) in [
            (flattened(&["a", "c"], &[OUTER]), "a"),
            (flattened(&["bb", "c"], &[Names::UNKNOWN, OUTER]), "bb"),
            (flattened(&[], &[D, OUTER]), "d"),
            (flattened(&[], &[OUTER, D]), "d"),
            (flattened(&["tag"], &[ENUM]), "tag"),
            (flattened(&["x"], &[ENUM]), "x"),
            (flattened(&[], &[ENUM, D]), "d"),
            (Names { own: &["ba"], cases: &[INNER, OUTER], ..*Names::UNKNOWN }, "ba"),
            (Names { own: &["t"], cases: &[TWICE], ..*Names::UNKNOWN }, "d"),
            (flattened(alone.own, vec![alone].leak()), long),
        ] {
            let panic = catch_unwind(|| names.check()).unwrap_err();
            let message = panic.downcast::<String>().unwrap();
            let expected = "two arguments of one box have the wire name";
            assert_eq!(*message, format!("{expected} `{name}`: rename one of them"));
        }
    }

    const A: &Names = &Names { own: &["a"], numbered: &[("a", 0)], ..*Names::UNKNOWN };
    const A_INSIDE: &Names = &flattened(&[], &[A]);
    const B: &Names = &Names { own: &["b"], numbered: &[("b", 2)], ..*Names::UNKNOWN };
    const B_PART: &Names = &Names::of(&["b.1", "b.3"]);

    #[test]
    fn a_name_that_is_a_part_of_another_is_refused_wherever_it_stands() {
        for (names, name) in [
            (flattened(&["a.0"], &[A]), "a.0"),
            (flattened(&["a.17", "x"], &[INNER, A_INSIDE]), "a.17"),
            (flattened(&["b.2"], &[A, B]), "b.2"),
            (flattened(&[], &[B, B_PART]), "b.3"),
            (flattened(&[], &[B_PART, B]), "b.3"),
            (Names { flattened: &[B_PART], ..*B }, "b.3"),
            (Names { own: &["b.2"], cases: &[A, B], ..*Names::UNKNOWN }, "b.2"),
            (Names { cases: &[A, B_PART], ..*B }, "b.3"),
        ] {
            let panic = catch_unwind(|| names.check()).unwrap_err();
            let message = panic.downcast::<String>().unwrap();
            let expected = "an argument has the wire name of a part of another one in its box,";
            assert_eq!(*message, format!("{expected} `{name}`: rename one of them"));
        }
        flattened(&["a", "ab.2", "b.", "b.02", "b.1", "b.2.3", "b.x", "c.2"], &[B]).check();
        flattened(&["a.", "a.00", "a.0x", "a.x", "b.0"], &[A]).check();
    }
}
