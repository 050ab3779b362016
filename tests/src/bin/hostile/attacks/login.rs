//! Guesses at a password.

use amp_core::AmpBox;
use std::io::{self, Write};

use crate::figure::Figure;
use crate::options::Options;
use crate::target::{Target, received};

/// A client that tries as many passwords on one connection as it may.
pub(super) fn guesses(options: &Options) -> io::Result<Vec<Figure>> {
    let target = Target::start()?;
    let mut stream = target.connect_to("login")?;
    let guess = |number: usize| {
        let (tag, password) = (number.to_string(), format!("password{number}"));
        let pairs = [("_ask", tag.as_str()), ("_command", "Authenticate"), ("password", &password)];
        AmpBox::from_pairs(pairs).expect("they are short").to_bytes()
    };
    let guesses: Vec<u8> = (0..options.pick(1000, 20_000)).flat_map(guess).collect();
    // It may have closed before all of them are written.
    let _ = stream.write_all(&guesses);
    let answers = received(&mut stream)?;
    let wrong = answers.windows(14).filter(|code| code == b"WRONG_PASSWORD").count();
    Ok(vec![Figure::count("passwords tried on one connection", wrong, 5.0).at_least(1.0)])
}
