//! The derive macros of `amp-core`, which re-exports them.
use proc_macro::TokenStream;

/// Implements `amp_core::Command` and `amp_core::Arguments` for a struct with named fields.
#[proc_macro_derive(Command, attributes(amp))]
pub fn derive_command(_: TokenStream) -> TokenStream {
    TokenStream::new()
}
/// Implements `amp_core::Arguments` and `amp_core::Argument` for a struct with named fields.
#[proc_macro_derive(Arguments, attributes(amp))]
pub fn derive_arguments(_: TokenStream) -> TokenStream {
    TokenStream::new()
}
/// Implements `amp_core::CommandError` for an enum.
#[proc_macro_derive(CommandError, attributes(amp))]
pub fn derive_command_error(_: TokenStream) -> TokenStream {
    TokenStream::new()
}
