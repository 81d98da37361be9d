//! Letters of the simplex.

use super::{A, Argument, Letter, Parameters};

pub(crate) const W: Letter = Letter {
    letter: 'w',
    type_name: "BoxFlow",
    arguments: &[Argument::Dim],
    on: &[A],
    parameters: Parameters::Always,
    options: &[],
    rules: &[],
    doc: "splines of each share of what is left, given the shares before it by small networks",
};

pub(crate) const U: Letter = Letter {
    letter: 'u',
    type_name: "GumbelSoftmax",
    arguments: &[Argument::Dim],
    on: &[A],
    parameters: Parameters::Always,
    options: &[],
    rules: &[],
    doc: "log-ratios of shares by their Gumbel distribution function",
};
