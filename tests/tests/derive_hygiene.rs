//! What the derive macros expand to lives with any names and lints around it.

#![deny(
    warnings,
    missing_docs,
    unreachable_pub,
    unused_qualifications,
    unused_lifetimes,
    single_use_lifetimes,
    missing_debug_implementations,
    clippy::all,
    clippy::pedantic,
    clippy::nursery
)]
// The opposite of `unreachable_pub`.
#![allow(clippy::redundant_pub_crate)]

/// Everything that an expansion could mean by a short name is something else here.
mod shadowed {
    #![allow(dead_code, non_camel_case_types, unused_imports, unused_macros)]

    macro_rules! matches {
        ($($any:tt)*) => {
            compile_error!("the user's own macro")
        };
    }
    macro_rules! unreachable {
        ($($any:tt)*) => {
            compile_error!("the user's own macro")
        };
    }

    use self::Not as Result;
    use self::Not as Option;
    use self::Not as String;
    use self::Not as Vec;
    use self::Not as Default;
    use self::Not as From;
    use self::Not as Send;
    use self::Not as Argument;
    use self::Not as bool;
    use self::Not as str;
    use self::Not as u8;
    use self::{not as Ok, not as Err, not as Some, not as None};

    pub(crate) struct Not;
    pub(crate) const fn not() {}
    mod core {}
    mod std {}
    mod bytes {}

    /// A group.
    #[derive(Debug, amp_core::Arguments)]
    pub(crate) struct Group {
        /// The same name as a parameter of the expansion.
        pub(crate) out: i64,
    }

    /// A command.
    #[derive(Debug, amp_core::Command)]
    #[amp(response = Group, error = Failure)]
    pub(crate) struct Everything {
        /// A parameter of the expansion.
        pub(crate) input: i64,
        /// A parameter of the expansion.
        pub(crate) proto: i64,
        /// A local of the expansion.
        #[amp(with = "codec")]
        pub(crate) error: i64,
        /// A local of the expansion.
        #[amp(with = "codec")]
        pub(crate) value: ::std::option::Option<i64>,
        /// Another name.
        #[amp(default)]
        pub(crate) self_: i64,
        /// A list.
        pub(crate) code: ::std::vec::Vec<i64>,
        /// A list of boxes.
        pub(crate) description: ::std::vec::Vec<Group>,
        /// More.
        #[amp(flatten)]
        pub(crate) krate: Group,
    }

    /// A command that is not answered.
    #[derive(Debug, amp_core::Command)]
    #[amp(one_way)]
    pub(crate) struct Unit;

    /// A text.
    #[derive(Debug, amp_core::Argument)]
    pub(crate) enum Choice {
        /// The same name as a variant of the prelude.
        None,
        /// The same name as a variant of the prelude.
        Ok,
    }

    /// A number.
    #[derive(Debug, amp_core::Argument)]
    pub(crate) struct Number(pub(crate) i64);

    /// A number with what its type is for.
    #[derive(Debug, amp_core::Argument)]
    pub(crate) struct Id<T, inner>(
        pub(crate) T,
        #[amp(skip)] pub(crate) ::std::marker::PhantomData<inner>,
    );

    /// Its errors.
    #[derive(Debug, amp_core::CommandError)]
    pub(crate) enum Failure {
        /// The same name as a variant of the prelude.
        None,
        /// The same name as a variant of the prelude.
        #[amp(fatal)]
        Ok(::std::string::String),
    }

    impl ::std::fmt::Display for Failure {
        fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
            ::std::fmt::Formatter::write_str(f, "failed")
        }
    }

    impl ::std::error::Error for Failure {}

    mod codec {
        use amp_core::{Argument, DecodeError, EncodeError, Proto, Value, ValueWriter};

        #[allow(clippy::trivially_copy_pass_by_ref)]
        pub(crate) fn to_string_proto(
            number: &i64,
            proto: &mut Proto<'_>,
            out: &mut ValueWriter<'_>,
        ) -> Result<(), EncodeError> {
            number.to_string_proto(proto, out)
        }

        pub(crate) fn from_string_proto(
            value: Value<'_>,
            proto: &mut Proto<'_>,
        ) -> Result<i64, DecodeError> {
            i64::from_string_proto(value, proto)
        }
    }
}

/// The items come from a macro, and so do the names of their fields.
mod generated {
    macro_rules! command {
        ($name:ident, $field:ident: $ty:ty, $wire:literal, $with:ty) => {
            #[derive(Debug, amp_core::Command)]
            #[amp(name = $wire, response = $with)]
            pub(crate) struct $name {
                pub(crate) own: i64,
                pub(crate) $field: $ty,
                #[amp(with = "super::generated::codec")]
                pub(crate) coded: Option<$ty>,
            }
        };
    }

    command!(Generated, field: String, "generated", super::shadowed::Group);

    pub(crate) mod codec {
        use amp_core::{Argument, DecodeError, EncodeError, Proto, Value, ValueWriter};

        pub(crate) fn to_string_proto(
            text: &str,
            proto: &mut Proto<'_>,
            out: &mut ValueWriter<'_>,
        ) -> Result<(), EncodeError> {
            text.to_owned().to_string_proto(proto, out)
        }

        pub(crate) fn from_string_proto(
            value: Value<'_>,
            proto: &mut Proto<'_>,
        ) -> Result<String, DecodeError> {
            String::from_string_proto(value, proto)
        }
    }
}

/// A crate that re-exports `amp-core` under another name. A few things are its own, to be told
/// apart from those of `::amp_core`.
mod facade {
    pub(crate) mod inner {
        pub(crate) mod amp {
            pub(crate) mod __private {
                pub(crate) use amp_core::__private::*;

                pub(crate) trait OneWay {}

                pub(crate) trait CommandError: Sized {
                    fn code(&self) -> &str;
                    fn from_wire(code: &[u8], description: &str) -> Option<Self>;
                    fn schema() -> Option<Vec<ErrorSchema>>;
                }

                #[allow(clippy::unnecessary_wraps)]
                pub(crate) fn write_box<T>(
                    _: &T,
                    _: &mut Proto<'_>,
                    out: &mut ValueWriter<'_>,
                ) -> Result<(), EncodeError> {
                    out.put_slice(b"of the facade");
                    Ok(())
                }
            }
        }
    }

    #[derive(Debug, amp_core::Command)]
    #[amp(crate = "self::inner::amp", one_way)]
    pub(crate) struct Call {
        pub(crate) reply: Reply,
    }

    #[derive(Debug, amp_core::Arguments)]
    #[amp(crate = "inner::amp")]
    pub(crate) struct Reply {
        pub(crate) id: i64,
    }

    #[derive(Debug, amp_core::CommandError)]
    #[amp(crate = "crate::facade::inner::amp")]
    pub(crate) enum Failure {
        Broken,
    }
}

/// What its author is about to remove, and allows where it is still used.
mod deprecated {
    #[derive(Debug, amp_core::Command)]
    #[amp(response = Gone)]
    pub(crate) struct Old {
        #[deprecated]
        pub(crate) gone: i64,
        #[allow(deprecated)]
        pub(crate) group: Gone,
        #[allow(deprecated)]
        #[amp(default, rename = "group2")]
        pub(crate) optional: Option<Gone>,
    }

    #[deprecated]
    #[derive(Debug, amp_core::Arguments)]
    pub(crate) struct Gone {
        pub(crate) id: i64,
        #[amp(flatten)]
        pub(crate) kept: Kept,
    }

    #[derive(Debug, amp_core::Arguments)]
    pub(crate) struct Kept {
        pub(crate) place: i64,
    }

    #[derive(Debug, amp_core::Argument)]
    pub(crate) enum Choice {
        #[deprecated]
        Gone,
        Here,
    }

    #[derive(Debug, amp_core::CommandError)]
    pub(crate) enum Failure {
        #[deprecated]
        Gone,
        #[allow(deprecated)]
        Described(Text),
    }

    #[deprecated]
    #[derive(Debug)]
    pub(crate) struct Text;

    #[allow(deprecated)]
    impl From<String> for Text {
        fn from(_: String) -> Self {
            Self
        }
    }

    impl std::fmt::Display for Failure {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("failed")
        }
    }

    impl std::error::Error for Failure {}
}

use amp_core::{Argument, Arguments, Command, CommandError, Proto, ValueWriter};

fn written(value: &impl Argument) -> bytes::BytesMut {
    let mut out = bytes::BytesMut::new();
    Proto::detached(|proto| value.to_string_proto(proto, &mut ValueWriter::new(&mut out))).unwrap();
    out
}

#[test]
fn names_of_the_expansion_meet_no_others() {
    use shadowed::{Choice, Everything, Failure, Group, Unit};

    let everything = Everything {
        input: 1,
        proto: 2,
        error: 3,
        value: Some(4),
        self_: 5,
        code: vec![6],
        description: vec![Group { out: 7 }],
        krate: Group { out: 8 },
    };
    let bytes = everything.encode().unwrap();
    let keys = ["code", "description", "error", "input", "out", "proto", "self_", "value"];
    let ampbox = amp_core::AmpBox::parse(&mut bytes.clone(), amp_core::boxes::BoxLimits::default());
    assert!(ampbox.unwrap().iter().map(|(key, _)| key).eq(keys.map(str::as_bytes)));
    let read = Everything::decode(bytes).unwrap();
    assert_eq!(format!("{read:?}"), format!("{everything:?}"));
    assert_eq!(Unit::NAME, "Unit");
    assert_eq!([written(&Choice::None), written(&Choice::Ok)], ["None", "Ok"]);
    assert!(matches!(Failure::from_wire(b"OK", "fine"), Some(Failure::Ok(text)) if text == "fine"));
    assert!(Failure::Ok(String::new()).is_fatal());
    assert!(!Failure::None.is_fatal());
}

#[test]
fn items_may_come_from_a_macro() {
    use generated::Generated;

    let generated = Generated { own: 1, field: "f".into(), coded: None };
    let bytes = generated.encode().unwrap();
    assert_eq!(&bytes[..], b"\0\x05field\0\x01f\0\x03own\0\x011\0\0");
    assert_eq!(Generated::NAME, "generated");
}

#[test]
fn amp_core_may_have_another_name() {
    use facade::inner::amp::__private::{CommandError, OneWay};
    use facade::{Call, Failure, Reply};

    const fn one_way<C: OneWay>(call: C) -> C {
        call
    }

    let call = one_way(Call { reply: Reply { id: 1 } });
    assert_eq!(&call.encode().unwrap()[..], b"\0\x05reply\0\x0dof the facade\0\0");
    assert_eq!(CommandError::code(&Failure::Broken), "BROKEN");
    assert!(<Failure as CommandError>::from_wire(b"BROKEN", "").is_some());
    let errors = <Failure as CommandError>::schema().unwrap();
    assert_eq!(errors[0].code, "BROKEN");
}

#[test]
fn what_is_deprecated_warns_only_where_it_is_used() {
    assert_eq!(deprecated::Old::NAME, "Old");
    assert!(deprecated::Failure::from_wire(b"GONE", "").is_some());
    assert_eq!(written(&deprecated::Choice::Here), "Here");
}

/// Both traits have methods of their own, so a hook of one calls that of the other by its name alone.
#[test]
fn an_argument_by_hand_is_written_around_a_derived_box() {
    use amp_core::boxes::{BoxReader, BoxWriter};
    use amp_core::{DecodeError, EncodeError, Value};

    #[derive(Arguments, Clone, Debug, PartialEq)]
    struct Point {
        x: i64,
    }

    #[derive(Debug, PartialEq)]
    struct Shown(Point);

    impl Argument for Shown {
        fn to_string_proto(
            &self,
            proto: &mut Proto<'_>,
            out: &mut ValueWriter<'_>,
        ) -> Result<(), EncodeError> {
            self.0.to_string_proto(proto, out)
        }

        fn from_string_proto(value: Value<'_>, proto: &mut Proto<'_>) -> Result<Self, DecodeError> {
            Point::from_string_proto(value, proto).map(Self)
        }

        fn to_box(
            &self,
            name: &str,
            out: &mut BoxWriter<'_>,
            proto: &mut Proto<'_>,
        ) -> Result<(), EncodeError> {
            self.0.to_box(name, out, proto)?;
            self.0.write_to(out, proto)
        }

        fn from_box(
            name: &str,
            input: &mut BoxReader<'_>,
            proto: &mut Proto<'_>,
        ) -> Result<Self, DecodeError> {
            let point = Point::read_from(input, proto)?;
            assert_eq!(Point::from_box(name, input, proto)?, point);
            Ok(Self(point))
        }
    }

    #[derive(Arguments, Debug, PartialEq)]
    struct Shows {
        point: Shown,
    }

    let shows = Shows { point: Shown(Point { x: 1 }) };
    let bytes = shows.encode().unwrap();
    assert_eq!(&bytes[..], b"\0\x05point\0\x08\0\x01x\0\x011\0\0\0\x01x\0\x011\0\0");
    assert_eq!(Shows::decode(bytes).unwrap(), shows);
}
