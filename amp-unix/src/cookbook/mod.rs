//! Recipes for descriptors and processes. Each is compiled and run with the tests of this crate. All other recipes
//! are in `amp_core::cookbook`.
//!
//! | to | see |
//! |---|---|
//! | hand over open files, and know who closes them | [`descriptors`] |
//! | talk to a child process | [`children`] |
//! | test without socket files, with descriptors | [`tests`] |

pub mod children;
pub mod descriptors;
pub mod tests;
