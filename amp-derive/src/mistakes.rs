use proc_macro2::TokenStream;
use quote::ToTokens;

/// The mistakes found in one item, so that its author sees all of them at once.
#[derive(Default)]
pub(crate) struct Mistakes(Option<syn::Error>);

impl Mistakes {
    /// Notes a mistake at `tokens`.
    pub(crate) fn at(&mut self, tokens: impl ToTokens, message: impl std::fmt::Display) {
        self.note(syn::Error::new_spanned(tokens, message));
    }

    /// Notes a mistake that already knows its place.
    pub(crate) fn note(&mut self, mistake: syn::Error) {
        match &mut self.0 {
            Some(mistakes) => mistakes.combine(mistake),
            None => self.0 = Some(mistake),
        }
    }

    /// Returns whether there is none so far.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// Returns what the compiler is to say. Nothing when there is no mistake.
    pub(crate) fn into_compile_errors(self) -> TokenStream {
        self.0.map(syn::Error::into_compile_error).unwrap_or_default()
    }
}
