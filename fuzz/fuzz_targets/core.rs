//! Two sides of the protocol take any steps, and keep to its invariants: the steps and the model are
//! those of the property test.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| amp_core::fuzzing::take_steps(bytes));
