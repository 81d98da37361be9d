//! Where a letter stands in its chain: Euclidean layers depend on it (layers.md 2.3).

/// A place in a chain.
pub trait Place: Send + Sync + 'static {
    /// The first letter, next to the base.
    const FIRST: bool;
    /// The last letter, next to the target.
    const LAST: bool;
}

macro_rules! places {
    ($($(#[$doc:meta])* $name:ident $first:literal $last:literal;)*) => {$(
        $(#[$doc])*
        pub struct $name;
        impl Place for $name {
            const FIRST: bool = $first;
            const LAST: bool = $last;
        }
    )*};
}

places! {
    /// The one letter of its chain.
    Only true true;
    /// The first of several letters.
    First true false;
    /// A letter between others.
    Middle false false;
    /// The last of several letters.
    Last false true;
}
