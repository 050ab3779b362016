use amp_core::CommandError;

#[derive(Debug, thiserror::Error, CommandError)]
enum Refused {
    #[error("there are {left} left")]
    Few { left: u32 },
}

fn main() {}
