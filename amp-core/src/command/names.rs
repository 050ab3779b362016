//! The names of arguments that stand in one box, so that the compiler refuses two of one name. What
//! `#[derive(Arguments)]` expands to has them.

use std::str;

/// The names of arguments, as far as they are known when a program is compiled.
#[derive(Debug)]
pub struct Names {
    /// The names of the fields themselves, in ascending order.
    pub own: &'static [&'static str],
    /// The names of what is flattened beside them.
    pub flattened: &'static [&'static Names],
    /// The names of the variants of an enum, of which a box has one.
    pub cases: &'static [&'static Names],
}

impl Names {
    pub(crate) const UNKNOWN: &'static Self = &Self::of(&[]);

    const fn of(own: &'static [&'static str]) -> Self {
        Self { own, flattened: &[], cases: &[] }
    }

    /// Fails when two of the arguments have one name.
    ///
    /// # Panics
    ///
    /// Then.
    #[track_caller]
    pub const fn check(&self) {
        let mut at = 0;
        while at < self.flattened.len() {
            let names = self.flattened[at];
            Self::of(self.own).stands_beside(names);
            let mut before = 0;
            while before < at {
                self.flattened[before].stands_beside(names);
                before += 1;
            }
            at += 1;
        }
        let mut at = 0;
        while at < self.cases.len() {
            Self::of(self.own).stands_beside(self.cases[at]);
            self.cases[at].check();
            at += 1;
        }
    }

    #[track_caller]
    const fn stands_beside(&self, others: &Self) {
        let mut at = 0;
        while at < others.own.len() {
            if self.contains(others.own[at]) {
                refuse(others.own[at]);
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
const fn refuse(name: &str) -> ! {
    const BEFORE: &[u8] = b"two arguments of one box have the wire name `";
    const BEHIND: &[u8] = b"`: rename one of them";
    const LONGEST: usize = 255;

    let mut message = [0; BEFORE.len() + LONGEST + BEHIND.len()];
    let mut len = 0;
    let parts = [BEFORE, name.as_bytes(), BEHIND];
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
        Err(_) => panic!("two arguments of one box have one wire name"),
    }
}

#[cfg(test)]
mod tests {
    use std::panic::catch_unwind;

    use super::*;

    const D: &Names = &Names::of(&["d"]);
    const INNER: &Names = &Names::of(&["b", "bb", "d"]);
    const OUTER: &Names = &Names { own: &["a", "ba"], flattened: &[INNER], cases: &[] };
    const TWICE: &Names = &flattened(&["d"], &[INNER]);
    const ENUM: &Names =
        &Names { own: &["tag"], flattened: &[], cases: &[&Names::of(&["x"]), OUTER] };

    const fn flattened(own: &'static [&'static str], others: &'static [&'static Names]) -> Names {
        Names { own, flattened: others, cases: &[] }
    }

    #[test]
    fn names_that_differ_stand_beside_each_other() {
        const { OUTER.check() };
        const { ENUM.check() };
        flattened(&["", "c", "e"], &[OUTER, Names::UNKNOWN]).check();
        flattened(&["", "c", "e"], &[ENUM]).check();
        // Of an enum's variants there is one.
        Names { own: &["tag"], flattened: &[], cases: &[INNER, INNER] }.check();
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
            (Names { own: &["ba"], flattened: &[], cases: &[INNER, OUTER] }, "ba"),
            (Names { own: &["t"], flattened: &[], cases: &[TWICE] }, "d"),
            (flattened(alone.own, vec![alone].leak()), long),
        ] {
            let panic = catch_unwind(|| names.check()).unwrap_err();
            let message = panic.downcast::<String>().unwrap();
            let expected = "two arguments of one box have the wire name";
            assert_eq!(*message, format!("{expected} `{name}`: rename one of them"));
        }
    }
}
