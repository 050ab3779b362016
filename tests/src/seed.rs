/// Returns the seed of what a test does at random: the number in the environment's `AMP_SEED`, or 1.
///
/// A test that fails says which it had.
///
/// # Panics
///
/// When `AMP_SEED` is no number.
pub fn seed() -> u64 {
    let seed = std::env::var("AMP_SEED");
    seed.map_or(1, |seed| seed.parse().expect("AMP_SEED should be a number"))
}
