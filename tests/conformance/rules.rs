//! Where the reference itself is not exact: named bounds that are looser than the general one.
//!
//! A rule looks at the numbers of a row and at the letters of the case, never at its name.

use super::reference::Case;

/// The kinds of numbers that a case holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// Log-density of given points.
    LogProb,
    /// The same in embedded coordinates.
    Embedded,
    /// Base points, and the log-density there.
    Base,
    /// Gradients of the mean log-density of given points, by the points,
    GradX,
    /// by parameters given row by row,
    GradParams,
    /// by features,
    GradCond,
    /// by weights.
    GradState,
    /// Points made from base points,
    X,
    /// their log-density,
    XLogProb,
    /// and its gradients.
    XGradParams,
    /// See [`What::XGradParams`].
    XGradCond,
    /// See [`What::XGradParams`].
    XGradState,
}

impl What {
    /// How the printout calls it.
    pub fn name(self) -> &'static str {
        match self {
            What::LogProb => "log_prob",
            What::Embedded => "embedded",
            What::Base => "base",
            What::GradX => "d/dx",
            What::GradParams => "d/dparams",
            What::GradCond => "d/dcond",
            What::GradState => "d/dstate",
            What::X => "forward",
            What::XLogProb => "forward log_prob",
            What::XGradParams => "forward d/dparams",
            What::XGradCond => "forward d/dcond",
            What::XGradState => "forward d/dstate",
        }
    }
}

/// A looser bound, and why.
#[derive(Clone, Copy, Debug)]
pub struct Allowance {
    /// The reason, as the printout names it.
    pub rule: &'static str,
    /// The bound, in units of the number's scale.
    pub bound: f64,
}

/// The rules that apply to each row of a case.
pub struct Rules {}

impl Rules {
    pub fn of(_case: &Case) -> Result<Rules, String> {
        Ok(Rules {})
    }
    pub fn allow(&self, _what: What, _row: usize) -> Option<Allowance> {
        None
    }
    pub fn allow_sum(&self, _what: What) -> Option<Allowance> {
        None
    }
}
