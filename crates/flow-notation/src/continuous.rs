//! Letters of many manifolds.

use super::declare::{choices, options};
use super::rules::*;
use super::{E, Kind, Letter, Parameters, Rule, S, S1, S2, Test, Text};

choices! {
    /// How the equation of layer c is solved.
    pub enum Solver {
        /// Dormand and Prince's method of order 5 with error control.
        Dopri5 = "dopri5",
        /// Kutta's 3/8 rule of order 4 with equal steps.
        Rk4 = "rk4",
    }
}

choices! {
    /// How derivatives of layer c are taken.
    pub enum Gradients {
        /// Of the steps that were taken.
        Discrete = "discrete",
        /// By the adjoint equation.
        Adjoint = "adjoint",
    }
}

choices! {
    /// How the divergence is found.
    pub enum Divergence {
        /// One tangent for each coordinate.
        Exact = "exact",
        /// One tangent for each probe.
        Hutchinson = "hutchinson",
    }
}

options! {
    /// Options of layer c.
    pub struct ContinuousOptions, settings in c {
        /// Hidden layers of the network that is the velocity field.
        cnf_network_hidden_dims: Text = "32", Kind::Widths;
        /// Connections past that network's layers: none.
        cnf_network_highway_mode: i64 = 0, Kind::Only(0);
        /// Rank of that network's matrices: the full one.
        cnf_network_rank: i64 = -1, Kind::Only(-1);
        /// Steps by error control, each point for itself, or equal steps.
        solver: Solver = "dopri5";
        /// Error of a step of dopri5, relative to a coordinate.
        rtol: f64 = 1e-7, POSITIVE;
        /// Error of a step of dopri5 on top of that.
        atol: f64 = 1e-7, POSITIVE;
        /// Most steps of dopri5.
        max_steps: i64 = 256, count(MANY);
        /// Steps of rk4.
        steps: i64 = 32, count(MANY);
        /// Derivatives of the steps taken, or by the adjoint equation.
        gradients: Gradients = "discrete";
        /// Positions kept for the adjoint equation.
        checkpoints: i64 = 4, count(MANY);
        /// One tangent a coordinate, or an estimate from fixed directions.
        divergence: Divergence = "exact";
        /// Directions of that estimate.
        probes: i64 = 4, count(MANY);
    }
}

pub(crate) const C: Letter = Letter {
    letter: 'c',
    type_name: "ContinuousFlow",
    arguments: &[],
    on: &[E, S1, S2, S],
    parameters: Parameters::Always,
    options: ContinuousOptions::TABLE,
    rules: &[
        of_dopri5("rtol"),
        of_dopri5("atol"),
        of_dopri5("max_steps"),
        Rule {
            when: &[("solver", Test::In(&[0]))],
            needs: ("steps", Test::Default),
            why: "dopri5 chooses its steps: give `rtol` and `atol`, or write `solver = \"rk4\"`",
        },
        Rule {
            when: &[("gradients", Test::In(&[0]))],
            needs: ("checkpoints", Test::Default),
            why: "discrete derivatives keep every step: leave it out, or write `gradients = \"adjoint\"`",
        },
        Rule {
            when: &[("divergence", Test::In(&[0]))],
            needs: ("probes", Test::Default),
            why: "the exact divergence has no probes: leave it out, or write `divergence = \"hutchinson\"`",
        },
    ],
    doc: "a continuous flow: the solution of a differential equation whose velocity field is a network",
};
