//! What the derive macros expand to needs neither `std` nor a prelude.

#![no_std]

extern crate alloc;

/// The macros' names, which are not in scope by themselves here.
#[no_implicit_prelude]
mod without_prelude {
    use ::amp_core::{Argument, Arguments, Command, CommandError};
    use ::core::option::Option;
    use ::core::primitive::{bool, i64};

    #[derive(Command)]
    #[amp(response = Answer, error = Failure)]
    pub(crate) struct Question {
        pub(crate) number: i64,
        pub(crate) text: Option<::alloc::string::String>,
        #[amp(default)]
        pub(crate) list: ::alloc::vec::Vec<Choice>,
        pub(crate) alone: Option<Alone<bool>>,
        #[amp(with = "codec")]
        pub(crate) coded: bool,
        #[amp(with = "codec")]
        pub(crate) optional: Option<bool>,
        #[amp(flatten)]
        pub(crate) rest: Answer,
    }

    #[derive(Arguments)]
    pub(crate) struct Answer {
        pub(crate) answer: i64,
    }

    #[derive(Command)]
    #[amp(one_way)]
    pub(crate) struct Note {}

    #[derive(Argument)]
    pub(crate) enum Choice {
        One,
    }

    #[derive(Argument)]
    pub(crate) struct Alone<T>(
        pub(crate) i64,
        #[amp(skip)] pub(crate) ::core::marker::PhantomData<T>,
    );

    #[derive(Arguments)]
    #[amp(tag = "kind")]
    pub(crate) enum Tagged {
        None,
        Of(Answer),
        Some {
            #[amp(default)]
            list: ::alloc::vec::Vec<Choice>,
            #[amp(with = "codec")]
            coded: bool,
            #[amp(with = "codec")]
            optional: Option<bool>,
        },
    }

    #[derive(CommandError, ::core::fmt::Debug)]
    pub(crate) enum Failure {
        Unknown1,
        #[amp(fatal)]
        Described(::alloc::string::String),
        #[allow(dead_code, reason = "it is only to compile")]
        Named {
            number: i64,
        },
    }

    impl ::core::fmt::Display for Failure {
        fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
            f.write_str("failed")
        }
    }

    impl ::core::error::Error for Failure {}

    mod codec {
        use ::amp_core::{Argument, DecodeError, EncodeError, Proto, Value, ValueWriter};
        use ::core::primitive::bool;
        use ::core::result::Result;

        #[allow(clippy::trivially_copy_pass_by_ref, reason = "the derive passes any type so")]
        pub(super) fn to_string_proto(
            coded: &bool,
            proto: &mut Proto<'_>,
            out: &mut ValueWriter<'_>,
        ) -> Result<(), EncodeError> {
            coded.to_string_proto(proto, out)
        }

        pub(super) fn from_string_proto(
            value: Value<'_>,
            proto: &mut Proto<'_>,
        ) -> Result<bool, DecodeError> {
            Argument::from_string_proto(value, proto)
        }
    }
}

#[test]
fn items_without_std_work() {
    use amp_core::{Arguments, CommandError};
    use without_prelude::{Alone, Answer, Choice, Failure, Note, Question, Tagged};

    let some = Tagged::Some { list: alloc::vec![Choice::One], coded: true, optional: None };
    for tagged in [Tagged::None, Tagged::Of(Answer { answer: 2 }), some] {
        let wire = tagged.encode().unwrap();
        assert_eq!(Tagged::decode(wire.clone()).unwrap().encode().unwrap(), wire);
    }

    let question = Question {
        number: 1,
        text: None,
        list: alloc::vec![Choice::One],
        alone: Some(Alone(3, core::marker::PhantomData)),
        coded: true,
        optional: None,
        rest: Answer { answer: 2 },
    };
    let read = Question::decode(question.encode().unwrap()).unwrap();
    let Question { number, text, list, alone, coded, optional, rest } = read;
    assert_eq!(alone.map(|alone| alone.0), Some(3));
    assert_eq!((number, text, coded, optional, rest.answer), (1, None, true, None, 2));
    assert!(matches!(list[..], [Choice::One]));
    assert!(Note {}.encode().is_ok());
    let failure = Failure::from_wire(b"DESCRIBED", "why").unwrap();
    assert!(matches!(&failure, Failure::Described(why) if why == "why") && failure.is_fatal());
    assert_eq!(Failure::Unknown1.code(), "UNKNOWN1");
}
