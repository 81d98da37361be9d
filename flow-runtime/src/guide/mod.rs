//! The guide: from the simplest flow to densities on products of manifolds. All its code runs.
//!
//! | page | what it is about |
//! |---|---|
//! | [`first_flow`] | x = a z + b, and what a flow is; the affine flow in n dimensions, which is the general Gaussian |
//! | [`gaussianization`] | from the Gaussian to any shape, layer by layer |
//! | [`coordinates`] | spheres, circles, intervals, simplices: angles, unit vectors, and what a density is a density of |
//! | [`notation`] | the language of [`flow!`](crate::flow), piece by piece |
//! | [`choosing`] | which letters for which data |
//! | [`conditioning`] | densities given features; networks in front; how manifolds are linked |
//! | [`training`] | maximum likelihood, and how to see that it works |
//! | [`counts`] | how many points, and where: mean counts beside a density |
//! | [`tables`] | data with named columns, units and bad rows; models that take raw rows |
//! | [`estimators`] | expectation values and statistics, with gradients |
//! | [`coverage`] | is the density right? Coverage, ranks, goodness of fit; pictures |
//! | [`saving`] | files, and evaluators without dfdx for serving |
//! | [`errors`] | what is refused, when, and with which words |
//! | [`threads`] | threads, seeds, and what is the same twice |
//! | [`performance`] | what costs time, and what to do about it |
//! | [`extending`] | layers, manifolds and base densities of your own |
//! | [`migrating`] | from jammy_flows: each thing there, and what it is here |
//! | [`limits`] | what this does not do |
//! | [`letters`] | one page a letter: formula, picture, options, source, when to use it |

macro_rules! pages {
    ($($(#[$attribute:meta])* $name:ident $file:literal;)*) => {$(
        $(#[$attribute])*
        #[doc = include_str!($file)]
        pub mod $name {}
    )*};
}

pages! {
    first_flow "first_flow.md";
    gaussianization "gaussianization.md";
    coordinates "coordinates.md";
    notation "notation.md";
    choosing "choosing.md";
    conditioning "conditioning.md";
    training "training.md";
    counts "counts.md";
    tables "tables.md";
    estimators "estimators.md";
    coverage "coverage.md";
    saving "saving.md";
    errors "errors.md";
    threads "threads.md";
    performance "performance.md";
    extending "extending.md";
    migrating "migrating.md";
    limits "limits.md";
}

pub mod letters;
