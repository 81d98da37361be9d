//! The notation as a user meets it.
