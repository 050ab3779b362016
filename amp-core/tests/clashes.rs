//! Sets of responders with two for one name: the same command replaces, another one is a mistake.

mod support;

use amp_core::{AmpBox, Arguments, Command, Context, NoError, Responders};
use std::sync::{Arc, Mutex};
use support::echo;

mod users {
    use super::{Arguments, Command};

    /// Responders find it by its name, which is that of another type as well.
    #[derive(Command)]
    #[amp(response = Found)]
    pub(super) struct Get {}

    #[derive(Arguments)]
    pub(super) struct Found {
        pub(super) by: String,
    }
}

mod files {
    use super::Command;

    #[derive(Command)]
    pub(super) struct Get {}
}

/// A set that answers the command by this text.
fn getting(by: &'static str) -> impl Fn(Responders) -> Responders {
    move |set| {
        set.respond(async move |_: Context, _: users::Get| {
            Ok::<_, NoError>(users::Found { by: by.to_owned() })
        })
    }
}

async fn get_file(_: Context, _: files::Get) -> Result<(), NoError> {
    Ok(())
}

fn none() -> Responders {
    Responders::new(())
}

/// What a set that cannot be made says, and where.
fn clash(make: impl FnOnce() -> Responders) -> String {
    let ended = std::panic::catch_unwind(std::panic::AssertUnwindSafe(make));
    *ended.unwrap_err().downcast::<String>().expect("a message")
}

#[tokio::test]
async fn a_responder_replaces_one_of_the_same_command() {
    let found = async |responders: Responders| {
        amp_core::testing::call_remote(&responders, users::Get {}).await.unwrap().by
    };
    assert_eq!(found(getting("b")(getting("a")(none()))).await, "b");
    assert_eq!(found(getting("a")(none()).group(getting("b"))).await, "b");
    assert_eq!(found(getting("b")(none().group(getting("a")))).await, "b");
    let named = none()
        .respond_by_name("Get", echo)
        .respond_by_name("Get", |_| async { Ok(AmpBox::from_pairs([("by", "b")]).unwrap()) });
    assert_eq!(found(named).await, "b");
}

#[tokio::test]
async fn commands_of_one_name_are_told_apart_at_once() {
    let users = || getting("a")(none());
    let types = "there are two responders for the command \"Get\", one for the type \
                 clashes::users::Get and one for the type clashes::files::Get";
    assert_eq!(clash(|| users().respond(get_file)), types);
    let try_get = |_: Context, _: files::Get| async { Ok(()) };
    assert_eq!(clash(|| users().try_respond(try_get)), types);
    let get_then = |_: Context, _: files::Get| async { Ok(((), async {})) };
    assert_eq!(clash(|| users().respond_then(get_then)), types);
    assert_eq!(clash(|| users().group(|group| group.respond(get_file).one_at_a_time())), types);
    assert_eq!(clash(|| users().one_at_a_time().respond(get_file)), types);
    let [one, other] = ["one for the type clashes::users::Get", "one for the name"];
    let start = "there are two responders for the command \"Get\"";
    let said = clash(|| users().respond_by_name("Get", echo));
    assert_eq!(said, format!("{start}, {one} and {other}"));
    let said = clash(|| getting("a")(none().respond_by_name("Get", echo)));
    assert_eq!(said, format!("{start}, {other} and {one}"));

    let merged = users().merge(none().respond(get_file)).unwrap_err();
    let types = "both sets have a responder for the command \"Get\", one for the type \
                 clashes::users::Get and one for the type clashes::files::Get";
    assert_eq!(merged.to_string(), types);
    let same = users().merge(users()).unwrap_err();
    assert_eq!(same.to_string(), "both sets have a responder for the command \"Get\"");
}

#[test]
fn a_clash_says_where_it_is() {
    let hook = std::panic::take_hook();
    let place = Arc::new(Mutex::new(None));
    std::panic::set_hook(Box::new({
        let place = Arc::clone(&place);
        let this = std::thread::current().id();
        move |info| {
            // Other tests panic meanwhile.
            if std::thread::current().id() == this {
                *place.lock().unwrap() = info.location().map(|place| place.file().to_owned());
            }
        }
    }));
    let made = std::panic::catch_unwind(|| {
        drop(getting("a")(none()).group(|group| group.respond(get_file).one_at_a_time()));
    });
    std::panic::set_hook(hook);
    assert!(made.is_err());
    assert_eq!(place.lock().unwrap().as_deref(), Some(file!()));
}
