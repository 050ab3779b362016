use amp_core::FailurePolicy;
use std::env;

/// The arguments behind the program's name, as text. The errors are for people.
pub fn arguments() -> impl Iterator<Item = Result<String, String>> {
    env::args_os().skip(1).map(|argument| {
        argument.into_string().map_err(|argument| format!("{} is not UTF-8", argument.display()))
    })
}

/// The policy of this name, `stay` or `close`.
///
/// # Errors
///
/// When there is none; the error is for people.
pub fn policy_named(name: &str) -> Result<FailurePolicy, String> {
    match name {
        "stay" => Ok(FailurePolicy::Stay),
        "close" => Ok(FailurePolicy::Close),
        _ => Err(format!("a policy is stay or close, not {name:?}")),
    }
}
