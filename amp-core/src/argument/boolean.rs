//! boolean
